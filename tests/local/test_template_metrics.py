"""The metrics of the alarms and the dashboard are those that the release binaries really write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from local_aws import ROOT, LocalAws, free_port
from momento_webhook import captured_body, now, sign
from runtime_api import RuntimeApi
from template_reader import Resolver, alarm_metrics, dashboard_metrics
from webhook_drivers import function_url_event

RELEASE = ROOT / "target" / "release"
SECRET = "whsec-of-the-metrics"
NAMESPACE = "MomentoEventBridge"
EVERYTHING = Resolver(MomentoSecretString=SECRET, NoEventMinutes=30)
FUNCTIONS = {"<WebhookFunction>": "webhook", "<RedriveFunction>": "redrive"}


@dataclass
class Written:
    """What a binary wrote: each metric's unit and dimensions, and how often each was counted."""

    units: dict[str, str] = field(default_factory=dict)
    dimensions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)

    def read(self, log: Path, function: str) -> None:
        for line in log.read_text().splitlines():
            record = json.loads(line) if line.startswith("{") else {}
            for directive in record.get("_aws", {}).get("CloudWatchMetrics", []):
                assert directive["Namespace"] == NAMESPACE
                [dimensions] = directive["Dimensions"]
                assert [record[name] for name in dimensions] == [function]
                for metric in directive["Metrics"]:
                    name = metric["Name"]
                    self.units[name] = metric["Unit"]
                    self.dimensions[name] = tuple(dimensions)
                    self.sums[name] = self.sums.get(name, 0) + record[name]


def signed(body: bytes) -> dict:
    return function_url_event("POST", {"momento-signature": sign(SECRET, body)}, body.decode(), False)


def queued(body: str, number: int) -> dict:
    message = {"version": 1, "reason": "PutFailed", "error": "x", "receivedAt": 0, "requestId": "x", "body": body}
    return {"messageId": f"message-{number}", "body": json.dumps(message), "eventSource": "aws:sqs"}


class Runs:
    """Starts the binaries as Lambda does, in the local AWS, and keeps their logs."""

    def __init__(self, aws: LocalAws, folder: Path, stack: ExitStack):
        self.folder, self.stack = folder, stack
        self.logs: list[tuple[str, Path]] = []
        self.queue = aws.client("sqs").create_queue(QueueName="metrics")["QueueUrl"]
        stack.callback(aws.client("sqs").delete_queue, QueueUrl=self.queue)
        self.environment = {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "RETRY_QUEUE_URL": self.queue,
        }

    def start(self, binary: str, **environment: str) -> RuntimeApi:
        path = self.folder / f"{binary}-{len(self.logs)}.log"
        self.logs.append((binary, path))
        log = self.stack.enter_context(path.open("wb"))
        given = self.environment | environment | {"AWS_LAMBDA_FUNCTION_NAME": f"the-{binary}-function"}
        api = RuntimeApi(RELEASE / binary, given, log)
        self.stack.callback(api.close)
        return api


SENT = {
    "webhook": {
        "Delivered": 3,
        "DetailTypeCut": 1,
        "Queued": 1,
        "Forged": 2,
        "Stale": 1,
        "Future": 1,
        "MethodNotAllowed": 1,
        "PayloadTooLarge": 1,
        "BothFailed": 1,
        "SecretUnavailable": 1,
        "ColdStart": 3,
    },
    "redrive": {"Redriven": 1, "RedriveFailed": 1},
}


@pytest.fixture(scope="module")
def written(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Written]]:
    """What each binary wrote when every outcome there is had happened, at the log level that says the least."""
    with ExitStack() as stack:
        runs = Runs(aws, tmp_path_factory.mktemp("metrics"), stack)
        webhook = runs.start("webhook", SIGNING_SECRET=SECRET, RUST_LOG="ERROR", AWS_LAMBDA_LOG_FORMAT="JSON")
        body = captured_body()
        statuses = [
            webhook.invoke(event)["statusCode"]
            for event in (
                signed(body),
                signed(body),
                signed(body.replace(b'"serverless"', b'"%s"' % (b"c" * 200))),
                signed(b"[]"),
                function_url_event("POST", {"momento-signature": "0" * 64}, body.decode(), False),
                function_url_event("POST", {}, body.decode(), False),
                signed(captured_body(now() - 120_000)),
                signed(captured_body(now() + 120_000)),
                function_url_event("GET", {}, "", False),
                signed(b"x" * 180_001),
            )
        ]
        assert statuses == [200, 200, 200, 202, 403, 403, 403, 403, 405, 413]

        nobody = f"http://127.0.0.1:{free_port()}"
        cut_off = runs.start("webhook", SIGNING_SECRET=SECRET, AWS_ENDPOINT_URL=nobody)
        assert cut_off.invoke(signed(body))["statusCode"] == 500

        without_secret = runs.start("webhook", SIGNING_SECRET_ID="no-such-secret")
        assert without_secret.invoke(signed(body))["statusCode"] == 500

        redrive = runs.start("redrive", RUST_LOG="ERROR")
        answer = redrive.invoke({"Records": [queued(body.decode(), 1), queued("[]", 2)]})
        assert answer == {"batchItemFailures": [{"itemIdentifier": "message-2"}]}

        found = {"webhook": Written(), "redrive": Written()}
        for binary, log in runs.logs:
            found[binary].read(log, f"the-{binary}-function")
        yield found


@pytest.mark.parametrize("binary", SENT)
def test_what_was_counted_is_what_was_sent(written: dict[str, Written], binary: str):
    found = written[binary]
    assert {name: total for name, total in found.sums.items() if found.units[name] == "Count"} == SENT[binary]


@pytest.mark.parametrize("users", [alarm_metrics, dashboard_metrics])
def test_each_alarm_and_chart_uses_a_metric_that_the_code_writes_with_the_same_dimension(
    users, written: dict[str, Written]
):
    used = [use for use in users(EVERYTHING) if use[0] == NAMESPACE]
    assert used
    for _, metric, names, [value] in used:
        binary = written[FUNCTIONS[value]]
        assert metric in binary.dimensions, f"{metric} is written by no {FUNCTIONS[value]} function"
        assert binary.dimensions[metric] == names


def test_every_metric_that_the_code_writes_can_be_seen_on_the_dashboard(written: dict[str, Written]):
    seen = {
        (FUNCTIONS[value], metric) for space, metric, _, [value] in dashboard_metrics(EVERYTHING) if space == NAMESPACE
    }
    assert {("webhook", metric) for metric in written["webhook"].units} <= seen
    assert {("redrive", metric) for metric in SENT["redrive"]} <= seen


def test_a_chart_of_milliseconds_shows_milliseconds_and_no_other_chart_does(written: dict[str, Written]):
    units = {metric: unit for binary in written.values() for metric, unit in binary.units.items()}
    for widget in EVERYTHING.dashboard():
        unit = widget["properties"].get("yAxis", {}).get("left", {}).get("label")
        for namespace, metric, *_ in widget["properties"].get("metrics", []):
            if unit and namespace == NAMESPACE:
                assert (units[metric] == "Milliseconds") == (unit == "milliseconds"), metric
