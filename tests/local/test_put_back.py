"""An event that neither the bus nor the retry queue took is put back from the log record by the documented command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bus_watch import BusWatch
from conftest import ARCHITECTURE
from event_bridge_gate import EventBridgeGate
from local_aws import ROOT, LocalAws, free_port
from momento_webhook import now, sign
from runtime_api import RuntimeApi
from webhook_drivers import RELEASE, function_url_event

SECRET = "whsec-of-the-put-back-tests"


def hard_body() -> bytes:
    """Text that loses something wherever it is not kept byte for byte."""
    text = json.dumps('"q"\\ \n\t\u0001\u007f é ☃ 🐿 \ufffe', ensure_ascii=False)
    return f'{{ "text":{text},"n":1.10,"cache":"c","topic":"t","publish_timestamp":{now()} }}'.encode()


def log_of_a_lost_event(aws: LocalAws, body: bytes, log: Path, log_format: str) -> None:
    """The log of a handler that finds nobody at the addresses of EventBridge and SQS."""
    dead = f"http://127.0.0.1:{free_port()}"
    environment = {
        "AWS_REGION": aws.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": dead,
        "AWS_LAMBDA_LOG_FORMAT": log_format,
        "SIGNING_SECRET": SECRET,
        "RETRY_QUEUE_URL": f"{dead}/000000000000/retry",
    }
    with log.open("wb") as output:
        api = RuntimeApi(RELEASE / "webhook", environment, output)
        try:
            headers = {"momento-signature": sign(SECRET, body)}
            began = time.monotonic()
            answer = api.invoke(function_url_event("POST", headers, body.decode(), False))
            took = time.monotonic() - began
        finally:
            api.close()
    assert answer["statusCode"] == 500
    assert took < 4.5


def put_back(aws: LocalAws, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": aws.region}
    environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": aws.endpoint, **credentials}
    command = [sys.executable, ROOT / "scripts" / "put-back", *arguments]
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60)


def test_an_event_of_the_log_comes_to_the_bus_byte_for_byte(
    aws: LocalAws, make_bus: Callable[[str], BusWatch], gate: EventBridgeGate, tmp_path: Path
):
    bus = make_bus("put-back")
    given = {"MomentoSecretString": SECRET, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    outputs = aws.deploy("put-back", ROOT / "template.yaml", given)
    queue = outputs["RetryQueueUrl"]
    gate.take()
    try:
        body = hard_body()
        log = tmp_path / "log"
        log_of_a_lost_event(aws, body, log, "JSON")

        shown = put_back(aws, "--queue-url", queue, "--dry-run", str(log))
        assert shown.returncode == 0, shown.stderr
        assert f"PutFailed, {len(body)} bytes" in shown.stdout
        assert "Events that would be put back: 1." in shown.stdout

        done = put_back(aws, "--queue-url", queue, str(log))
        assert done.returncode == 0, done.stderr
        [event] = bus.wait(1)
        assert event["detail-type"] == "c#t"
        [entry] = gate.take()
        assert entry["Detail"].encode() == body
    finally:
        aws.delete("put-back")


@pytest.mark.parametrize("log_format", ["JSON", "Text"])
def test_both_log_formats_and_what_the_aws_tool_prints_are_read(aws: LocalAws, tmp_path: Path, log_format: str):
    sqs = aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"put-back-{log_format.lower()}")["QueueUrl"]
    try:
        body, log = hard_body(), tmp_path / "log"
        log_of_a_lost_event(aws, body, log, log_format)
        lines = log.read_text().splitlines()
        printed = json.dumps({"events": [{"message": line} for line in lines], "searchedLogStreams": []})

        # The same record three times is one event.
        done = put_back(aws, "--queue-url", queue, str(log), str(log), "-", given=printed)
        assert done.returncode == 0, done.stderr
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        [message] = received["Messages"]
        assert message["Body"].isascii()
        assert json.loads(message["Body"])["body"].encode() == body
        assert message["MessageAttributes"]["reason"]["StringValue"] == "PutFailed"
    finally:
        sqs.delete_queue(QueueUrl=queue)


def test_a_record_that_is_cut_off_stops_it_and_nothing_is_sent(aws: LocalAws):
    queue = f"{aws.endpoint}/000000000000/none"
    whole = {"version": 1, "reason": "TimedOut", "error": "E: m", "receivedAt": 1, "requestId": "id", "body": "{}"}
    line = json.dumps({"level": "ERROR", "queueMessage": whole})
    for damaged, why in [(line[:-9], "truncated"), (line.replace("receivedAt", "received"), "not have the fields")]:
        done = put_back(aws, "--queue-url", queue, "-", given=f"{line}\n{damaged}\n")
        assert done.returncode == 1
        assert why in done.stderr and "Nothing was sent." in done.stderr
