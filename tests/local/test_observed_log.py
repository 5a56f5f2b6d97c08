"""What the log's settings do to it, and what is never in it, whatever they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import traffic
from function_output import Output
from functions import SECRET_KEY, SESSION_TOKEN, running
from stand_ins import failure
from webhook_cases import SECRET

# One of each, but for the one that takes two seconds.
KINDS = [kind for kind in traffic.MIXED if kind is not traffic.TIMED_OUT]
QUIET = {"BothFailed"}
ERRORS = {"BothFailed", "SecretUnavailable"}
WARNINGS = {kind.outcome for kind in traffic.ALL} - {"Delivered"}
ALL = WARNINGS | {"Delivered"}


@dataclass
class Run:
    webhook: Output
    # A start without a secret.
    unready: Output
    redrive: Output
    signatures: list[str]

    @property
    def text(self) -> str:
        return self.webhook.text + self.unready.text + self.redrive.text


def run(settings: dict[str, str]) -> Run:
    signatures = []
    with traffic.failing_stand_ins() as stand_ins:
        with running("webhook", stand_ins, settings) as function:
            for kind in KINDS:
                request = kind.request()
                signatures += [signature for signature in request.signatures if len(signature) == 64]
                function.driver.send(request)
            webhook = function.output()
        with running("redrive", stand_ins, settings) as function:
            messages = [traffic.sqs_message(traffic.body(topic)) for topic in ("paid", "entry-failed")]
            function.api.invoke({"Records": [*messages, {"messageId": "unreadable", "body": traffic.TEXT}]})
            redrive = function.output()
        stand_ins.get_secret = lambda _: failure("AccessDeniedException")
        with running("webhook", stand_ins, settings) as function:
            function.driver.send(traffic.NO_SECRET.request())
            return Run(webhook, function.output(), redrive, signatures)


JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
# How each is set, and the outcomes that are logged then.
SETTINGS = {
    "nothing set": ({}, ALL),
    "JSON": (JSON, ALL),
    "Lambda's TRACE": ({**JSON, "AWS_LAMBDA_LOG_LEVEL": "TRACE"}, ALL),
    "Lambda's DEBUG": ({**JSON, "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}, ALL),
    "Lambda's INFO": ({**JSON, "AWS_LAMBDA_LOG_LEVEL": "INFO"}, ALL),
    "Lambda's WARN": ({**JSON, "AWS_LAMBDA_LOG_LEVEL": "WARN"}, WARNINGS),
    "Lambda's ERROR": ({**JSON, "AWS_LAMBDA_LOG_LEVEL": "ERROR"}, ERRORS),
    "Lambda's FATAL": ({**JSON, "AWS_LAMBDA_LOG_LEVEL": "FATAL"}, QUIET),
    "RUST_LOG=trace": ({**JSON, "RUST_LOG": "trace"}, ALL),
    "RUST_LOG=trace as text": ({"RUST_LOG": "trace"}, ALL),
    "RUST_LOG=off": ({**JSON, "RUST_LOG": "off"}, QUIET),
    "RUST_LOG=off as text": ({"RUST_LOG": "off"}, QUIET),
    "RUST_LOG before Lambda's level": ({**JSON, "RUST_LOG": "warn", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}, WARNINGS),
    "RUST_LOG for another crate": ({**JSON, "RUST_LOG": "hyper=debug", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, QUIET),
    "RUST_LOG for this crate": ({**JSON, "RUST_LOG": "off,momento_eventbridge=error"}, ERRORS),
}


@pytest.fixture(scope="module", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, str], set[str], Run]]:
    settings, logged = SETTINGS[request.param]
    yield settings, logged, run(settings)


def test_the_level_decides_which_requests_are_logged_but_for_those_whose_event_is_nowhere_else(setting):
    _, logged, run = setting
    outcomes = {record["outcome"] for record in [*run.webhook.records, *run.unready.records]}
    assert outcomes == logged
    assert len([record for record in run.webhook.records if record["outcome"] == "BothFailed"]) == 2


def test_the_metrics_are_written_whatever_the_level(setting):
    _, _, run = setting
    assert len(run.webhook.metrics) == len(KINDS)
    assert len(run.unready.metrics) == len(run.redrive.metrics) == 1


def test_the_lines_are_what_the_format_says_and_those_of_the_metrics_json_in_any(setting):
    settings, _, run = setting
    for text in run.text.splitlines():
        if settings.get("AWS_LAMBDA_LOG_FORMAT") == "JSON" or text.startswith('{"_aws"'):
            assert isinstance(json.loads(text), dict)
        else:
            assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z (ERROR|WARN |INFO |DEBUG) ", text)


def test_no_secret_and_no_signature_is_in_the_log_and_no_payload_but_of_an_event_that_is_nowhere_else(setting):
    _, _, run = setting
    assert len(run.signatures) > 5
    for secret in (SECRET, SECRET_KEY, SESSION_TOKEN, *run.signatures):
        assert secret.lower() not in run.text.lower()
    # What was not verified is not even named.
    for unverified in (traffic.FORGED_CACHE, traffic.FORGED_TOPIC):
        assert unverified not in run.text
    for line in run.text.splitlines():
        if '"queueMessage":' not in line:
            assert traffic.TEXT not in line
            assert traffic.TOKEN not in line


def test_an_event_that_neither_bus_nor_queue_took_is_whole_in_its_record(setting):
    _, _, run = setting
    lost = [record for record in run.webhook.records if record["outcome"] == "BothFailed"]
    for record in lost:
        body = json.loads(record["queueMessage"]["body"])
        assert (body["cache"], body["topic"]) == (record["cache"], record["topic"])
        assert (body["text"], body["token_id"]) == (traffic.TEXT, traffic.TOKEN)
        assert record["queueMessage"]["requestId"] == record["requestId"]
