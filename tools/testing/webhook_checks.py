"""A case of tests/cases, sent to the handler behind a front-end: the response, the bus, and the queue must be right."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.momento.webhook import now
from tools.testing.webhook_cases import CASES, Case

BUS = "webhook-cases"
# From the name of a test to its case, and whether the body is sent in base64.
IN_BOTH_ENCODINGS: dict[str, tuple[Case, bool]] = {
    f"{case.name}, {'in base64' if as_base64 else 'as text'}": (case, as_base64)
    for case in CASES
    for as_base64 in (False, True)
    if as_base64 or case.is_text
}


@dataclass
class Handler:
    """The handler behind one front-end, and what it writes to."""

    front_end: str
    url: str
    gate: EventBridgeGate
    watch: BusWatch
    sqs: Any
    queue: str

    def check(self, case: Case, as_base64: bool) -> None:
        if self.front_end in case.not_by:
            pytest.skip(f"{self.front_end} {case.not_by[self.front_end]}")
        began = now()
        sent = case.send(self.url, as_base64)

        assert (sent.answer.status, sent.answer.message) == (case.status, case.message)
        assert sent.answer.headers["content-type"] == "application/json"
        assert sent.answer.headers.get("allow") == ("POST" if case.status == 405 else None)
        put, arrived, queued = self.gate.take(), self.watch.take(), self.queued()
        if case.status == 200:
            detail = sent.body.decode()
            [entry] = put
            assert entry.pop("TraceHeader", "Root=").startswith("Root=")
            assert entry == {
                "Source": "Momento",
                "DetailType": sent.detail_type,
                "Detail": detail,
                "EventBusName": BUS,
            }
            [event] = arrived
            assert (event["source"], event["detail-type"]) == ("Momento", sent.detail_type)
            assert repr(event["detail"]) == repr(json.loads(detail))
        else:
            assert (put, arrived) == ([], [])
        if case.status == 202:
            [message] = queued
            check_queue_message(message, sent.body, began)
        else:
            assert queued == []

    def queued(self) -> list[dict]:
        received = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        messages = received.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return messages


def check_queue_message(message: dict, body: bytes, began: int) -> None:
    """A queue message is one line of ASCII, from which the body can be restored byte for byte."""
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
