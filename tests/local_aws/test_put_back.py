"""The documented command puts back an event that neither the bus nor the retry queue accepted, from the log record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import now, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.queue_scripts import run
from tools.waiting import free_port, wait_for

SECRET = "whsec-of-the-put-back-tests"


@dataclass
class Deployed:
    aws: LocalAws
    bus: BusWatch
    outputs: dict[str, str]

    def lose_an_event(self, log_format: str) -> tuple[bytes, list[str]]:
        """Posts an event while nothing listens at the addresses of EventBridge and SQS: its body, and the log then."""
        functions, name = self.aws.client("lambda"), self.outputs["WebhookFunctionName"]
        settings = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        nobody = f"http://127.0.0.1:{free_port()}"
        settings |= {"AWS_ENDPOINT_URL_EVENTBRIDGE": nobody, "AWS_ENDPOINT_URL_SQS": nobody}
        settings["AWS_LAMBDA_LOG_FORMAT"] = log_format
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": settings})
        known = len(self.log())

        body = hard_body()
        began = time.monotonic()
        answer = post_signed(self.aws.function_url_local(self.outputs["FunctionUrl"]), SECRET, body)
        took = time.monotonic() - began
        assert answer.status == 500
        assert took < 4.5
        wait_for("the record of the event", lambda: any("queueMessage" in line for line in self.log()[known:]))
        return body, self.log()[known:]

    def log(self) -> list[str]:
        events = self.aws.client("logs").filter_log_events(logGroupName=self.outputs["WebhookLogGroup"])["events"]
        return [event["message"] for event in events]


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, make_bus: Callable[[str], BusWatch]) -> Iterator[Deployed]:
    bus = make_bus("put-back")
    given = {"MomentoSecretString": SECRET, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    yield Deployed(aws, bus, aws.deploy("put-back", ROOT / "template.yaml", given))
    aws.delete("put-back")


def hard_body() -> bytes:
    """Text that would change if it were not kept byte for byte."""
    text = json.dumps('"q"\\ \n\t\u0001\u007f é ☃ 🐿 \ufffe', ensure_ascii=False)
    return f'{{ "text":{text},"n":1.10,"cache":"c","topic":"t","publish_timestamp":{now()} }}'.encode()


def test_an_event_of_the_log_group_arrives_on_the_bus_byte_for_byte(deployed: Deployed, gate: EventBridgeGate):
    body, _ = deployed.lose_an_event("JSON")
    group = ("--log-group", deployed.outputs["WebhookLogGroup"], "--hours", "1")
    queue = ("--queue-url", deployed.outputs["RetryQueueUrl"])
    gate.take()

    shown = run(deployed.aws, "put-back", *queue, *group, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    head, event, _ = shown.stdout.splitlines()
    assert head.split()[:5] == ["ID", "RECEIVED", "STATE", "REASON", "NUMBER"]
    assert event.split()[2:6] == ["authentic", "PutFailed", "-", "c#t,"]
    assert "Events that would be put back: 1." in shown.stdout

    done = run(deployed.aws, "put-back", *queue, *group)
    assert done.returncode == 0, done.stderr
    [event] = deployed.bus.wait(1)
    assert event["detail-type"] == "c#t"
    [entry] = gate.take()
    assert entry["Detail"].encode() == body


@pytest.mark.parametrize("log_format", ["JSON", "Text"])
def test_both_log_formats_and_what_the_aws_tool_prints_are_read(deployed: Deployed, tmp_path: Path, log_format: str):
    sqs = deployed.aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"put-back-{log_format.lower()}")["QueueUrl"]
    try:
        body, lines = deployed.lose_an_event(log_format)
        [record] = [line for line in lines if "queueMessage" in line]
        assert record.startswith("{") == (log_format == "JSON")
        log = tmp_path / "log"
        log.write_text("\n".join(lines), encoding="utf-8")
        printed = json.dumps({"events": [{"message": line} for line in lines], "searchedLogStreams": []})

        # The same record three times is one event.
        done = run(deployed.aws, "put-back", "--queue-url", queue, str(log), str(log), "-", given=printed)
        assert done.returncode == 0, done.stderr
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        [message] = received["Messages"]
        assert message["Body"].isascii()
        assert json.loads(message["Body"])["body"].encode() == body
        assert message["MessageAttributes"]["reason"]["StringValue"] == "PutFailed"
    finally:
        sqs.delete_queue(QueueUrl=queue)
