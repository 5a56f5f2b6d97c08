"""No signing secret can be read: requests are queued unverified, and judged when it can be read again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import Answer, captured_body, post_signed
from tools.testing.deployed_stack import Stack, deployed
from tools.testing.inventory import resources
from tools.waiting import wait_for

SECRET = "whsec-that-cannot-be-read"
# What signs each topic's requests.
SECRETS = {"signed": SECRET, "forged": "whsec-of-somebody-else"}
SIGNED, FORGED = 200, 50


@contextmanager
def forbidden(stack: Stack) -> Iterator[None]:
    """Removes the permission to read the secret from both roles, and later restores it."""
    iam = stack.aws.client("iam")
    names = resources(stack.aws, stack.name)
    roles = [(names[role], policy) for role, policy in (("WebhookRole", "webhook"), ("RedriveRole", "redrive"))]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for role, name in roles]

    def put(document: dict, role: str, name: str) -> None:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    for document, role in zip(documents, roles, strict=True):
        rest = [entry for entry in document["Statement"] if entry["Sid"] != "ReadTheSigningSecret"]
        assert len(rest) == len(document["Statement"]) - 1
        put({**document, "Statement": rest}, *role)
    yield
    for document, role in zip(documents, roles, strict=True):
        put(document, *role)


def numbered_body(topic: str, number: int) -> bytes:
    body = captured_body().replace(b'"topic_sequence_number":3', b'"topic_sequence_number":%d' % number)
    return body.replace(b'"topic":"test"', b'"topic":"%s"' % topic.encode())


@pytest.mark.timeout(300)
def test_what_arrives_while_no_secret_can_be_read_is_delivered_after_its_repair_and_nothing_forged_is(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
):
    name = "secret-forbidden"
    bus = make_bus(name)
    with deployed(aws, name, SECRET) as stack:
        stack.retry_every(seconds=5)
        gate.take()
        # Among each other, as they would arrive.
        topics = ["forged" if number % 5 == 0 else "signed" for number in range(SIGNED + FORGED)]

        def send(number: int) -> tuple[bytes, Answer]:
            body = numbered_body(topics[number], number)
            return body, post_signed(stack.url, SECRETS[topics[number]], body)

        with forbidden(stack):
            with ThreadPoolExecutor(8) as senders:
                sent = list(senders.map(send, range(len(topics))))
            assert Counter((answer.status, answer.message) for _, answer in sent) == {(202, "Queued"): len(sent)}
            assert stack.outcomes("WebhookLogGroup") == {"SecretUnavailable"}
            wait_for("an attempt to verify them", lambda: stack.outcomes("RedriveLogGroup"))
            assert stack.outcomes("RedriveLogGroup") == {"RedriveFailed"}
            assert stack.waiting("RetryQueueUrl") == stack.waiting() == len(sent)
            assert gate.take() == []

        # A mismatch is final after 45 minutes; until then another secret may be stored that made the signature.
        wait_for("the authentic ones to leave the queue", lambda: stack.waiting() == FORGED, 120, pause=0.5)
        stack.redrives(False)
        stack.age_waiting(minutes=46, seconds=30)
        stack.redrives(True)
        wait_for("no message to be left", lambda: stack.waiting() == 0, 120, pause=0.5)
        assert stack.waiting("DeadLetterQueueUrl") == 0
        put = Counter(entry["Detail"].encode() for entry in gate.take())
        assert put.keys() == {body for (body, _), topic in zip(sent, topics, strict=True) if topic == "signed"}
        assert len(put) == SIGNED
        events = bus.wait(SIGNED)
        assert {event["detail-type"] for event in events} == {"serverless#signed"}

        assert stack.outcomes("RedriveLogGroup") == {"RedriveFailed", "Redriven", "Forged"}
        record_property(
            "figure",
            f"Secret forbidden: {SIGNED} signed and {FORGED} forged requests were queued unverified. "
            f"After the repair, {len(put)} events were on the bus ({put.total()} puts).",
        )
