"""Every case of webhook_cases.py, by every way in which a request reaches the handler."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from bus_watch import BusWatch
from conftest import ARCHITECTURE
from event_bridge_gate import EventBridgeGate
from local_aws import ROOT, LocalAws, wait_for
from momento_webhook import now
from webhook_cases import CASES, DEPLOYED, DIRECT, QUEUED, SECRET, SUCCESS, WATCH, Case, event, signed
from webhook_drivers import OverHttp, StraightToTheBinary, cargo_lambda_watch, runtime_api

BUS = "webhook-cases"


@dataclass
class Handler:
    """The handler behind one front-end, and what it wrote to."""

    name: str
    driver: OverHttp | StraightToTheBinary
    gate: EventBridgeGate
    watch: BusWatch
    sqs: Any
    queue: str

    def queued(self) -> list[dict]:
        answer = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return messages


@pytest.fixture(scope="module")
def watch(make_bus: Callable[[str], BusWatch]) -> BusWatch:
    return make_bus(BUS)


@pytest.fixture(scope="module", params=[DEPLOYED, WATCH, DIRECT])
def handler(request: pytest.FixtureRequest, aws: LocalAws, gate: EventBridgeGate, watch: BusWatch) -> Iterator[Handler]:
    sqs = aws.client("sqs")
    with ExitStack() as stack:
        if request.param == DEPLOYED:
            outputs = deploy_without_redrive(aws)
            stack.callback(aws.delete, "webhook-cases")
            driver = OverHttp(aws.function_url_local(outputs["FunctionUrl"]))
            queue = outputs["RetryQueueUrl"]
        else:
            queue = sqs.create_queue(QueueName=f"webhook-cases-{request.param}")["QueueUrl"]
            stack.callback(sqs.delete_queue, QueueUrl=queue)
            start = cargo_lambda_watch if request.param == WATCH else runtime_api
            driver = stack.enter_context(start(environment(aws, gate, queue)))
        watch.take()
        gate.take()
        yield Handler(request.param, driver, gate, watch, sqs, queue)


def deploy_without_redrive(aws: LocalAws) -> dict[str, str]:
    """Deploys template.yaml, and stops the mapping, so that what is queued stays to be looked at."""
    parameters = {"MomentoSecretString": SECRET, "EventBridgeBus": BUS, "Architecture": ARCHITECTURE}
    outputs = aws.deploy("webhook-cases", ROOT / "template.yaml", parameters)
    functions = aws.client("lambda")
    name = outputs["RedriveFunctionName"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    wait_for(
        "the redrive function's mapping to be off",
        lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Disabled",
    )
    return outputs


def environment(aws: LocalAws, gate: EventBridgeGate, queue: str) -> dict[str, str]:
    return {
        "EVENT_BUS_NAME": BUS,
        "SIGNING_SECRET": SECRET,
        "RETRY_QUEUE_URL": queue,
        "AWS_REGION": aws.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ENDPOINT_URL_EVENTBRIDGE": gate.url,
    }


def in_both_encodings() -> list:
    return [
        pytest.param(case, as_base64, id=f"{case.name}, {'in base64' if as_base64 else 'as text'}")
        for case in CASES
        for as_base64 in (False, True)
        if as_base64 or not case.only_base64
    ]


@pytest.mark.parametrize(("case", "as_base64"), in_both_encodings())
def test_the_answer_the_bus_and_the_queue_are_right_for(case: Case, as_base64: bool, handler: Handler) -> None:
    if handler.name in case.not_by:
        pytest.skip(f"{handler.name} {case.not_by[handler.name]}")
    began = now()
    request = case.request()

    answer = handler.driver.send(request, as_base64)

    assert (answer.status, answer.message) == case.answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("allow") == ("POST" if answer.status == 405 else None)
    put, arrived, queued = handler.gate.take(), handler.watch.take(), handler.queued()
    if case.answer == SUCCESS:
        (entry,) = put
        assert entry.pop("TraceHeader", "Root=").startswith("Root=")
        detail = request.body.decode()
        assert entry == {
            "Source": "Momento",
            "DetailType": case.detail_type,
            "Detail": detail,
            "EventBusName": BUS,
        }
        (on_bus,) = arrived
        assert (on_bus["source"], on_bus["detail-type"]) == ("Momento", case.detail_type)
        assert repr(on_bus["detail"]) == repr(json.loads(detail))
    else:
        assert (put, arrived) == ([], [])
    if case.answer == QUEUED:
        (message,) = queued
        check_queue_message(message, request.body, began)
    else:
        assert queued == []


def check_queue_message(message: dict, body: bytes, began: int) -> None:
    """Contract of the retry queue: one line of pure ASCII from which the body comes back byte for byte."""
    text = message["Body"]
    assert text.isascii()
    assert "\n" not in text
    content = json.loads(text)
    kept = base64.b64decode(content.pop("bodyBase64")) if "bodyBase64" in content else content.pop("body").encode()
    assert kept == body
    assert began <= content.pop("receivedAt") <= now()
    assert content.pop("requestId")
    assert content.pop("error")
    assert content == {"version": 1, "reason": "Unmappable"}
    assert message["MessageAttributes"]["reason"]["StringValue"] == "Unmappable"


def test_the_invocations_trace_goes_with_the_event(aws: LocalAws, gate: EventBridgeGate, watch: BusWatch) -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with runtime_api(environment(aws, gate, f"{aws.endpoint}/000000000000/none")) as direct:
        answer = direct.send(signed(event()), as_base64=False, trace=trace)
    assert answer.status == 200
    (entry,) = gate.take()
    assert entry["TraceHeader"] == trace
    watch.take()
