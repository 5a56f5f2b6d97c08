"""No signing secret can be read: requests are kept unverified, and judged when it can be read again."""

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
from tools.momento.webhook import Answer, captured_body, now, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.inventory import resources
from tools.waiting import wait_for

SECRET = "whsec-that-cannot-be-read"
# What signs each topic's requests.
SECRETS = {"signed": SECRET, "forged": "whsec-of-somebody-else"}
SIGNED, FORGED = 200, 50


class Deployed:
    def __init__(self, aws: LocalAws, stack: str, outputs: dict[str, str]):
        self.aws, self.outputs = aws, outputs
        self.resources = resources(aws, stack)
        self.url = aws.function_url_local(outputs["FunctionUrl"])

    def records(self, output: str) -> list[dict]:
        """The records in a function's log, whether that is JSON or text, as the local AWS has it."""
        pages = self.aws.client("logs").get_paginator("filter_log_events")
        lines = [
            event["message"] for page in pages.paginate(logGroupName=self.outputs[output]) for event in page["events"]
        ]
        return [json.loads(line[line.index("{") :]) for line in lines if '"outcome"' in line]

    def outcomes(self, output: str) -> set[str]:
        return {record["outcome"] for record in self.records(output)}

    def errors(self) -> set[str]:
        """Why messages stayed in the queue: the codes."""
        return {record["error"].partition(":")[0] for record in self.records("RedriveLogGroup") if "error" in record}

    def waiting(self) -> dict[str, int]:
        """How many messages each queue holds, received ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs, found = self.aws.client("sqs"), {}
        for output in ("RetryQueueUrl", "DeadLetterQueueUrl"):
            answer = sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=names)
            found[output] = sum(map(int, answer["Attributes"].values()))
        return found

    def retry_every(self, seconds: int) -> None:
        attributes = {"VisibilityTimeout": str(seconds)}
        self.aws.client("sqs").set_queue_attributes(QueueUrl=self.outputs["RetryQueueUrl"], Attributes=attributes)

    def age_messages(self, minutes: int) -> None:
        """Replaces each message in the retry queue by one that was received so much earlier."""
        sqs, queue = self.aws.client("sqs"), self.outputs["RetryQueueUrl"]
        aged = 0

        def all_are_aged() -> bool:
            nonlocal aged
            received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=60)
            for message in received.get("Messages", []):
                body = json.loads(message["Body"])
                if body["receivedAt"] > now() - minutes * 60_000:
                    body["receivedAt"] -= minutes * 60_000
                    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(body))
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                    aged += 1
            return aged == FORGED

        wait_for("every message to be aged", all_are_aged, 120, pause=0.1)


@contextmanager
def malformed(deployed: Deployed) -> Iterator[None]:
    """Somebody stores half a JSON object as the secret, and later the secret itself again."""
    vault, secret = deployed.aws.client("secretsmanager"), deployed.outputs["SecretId"]
    vault.put_secret_value(SecretId=secret, SecretString='{"momentoSecret":"' + SECRET)
    yield
    vault.put_secret_value(SecretId=secret, SecretString=SECRET)


@contextmanager
def forbidden(deployed: Deployed) -> Iterator[None]:
    """Somebody takes the permission to read the secret from both roles, and later gives it back."""
    iam = deployed.aws.client("iam")
    roles = [
        (deployed.resources[role], name) for role, name in (("WebhookRole", "webhook"), ("RedriveRole", "redrive"))
    ]
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


# After a malformed secret was repaired, the one before it has no label: what no known secret signed may be authentic.
@pytest.mark.parametrize(("broken", "is_deleted"), [(malformed, False), (forbidden, True)])
@pytest.mark.timeout(300)
def test_what_arrives_while_no_secret_can_be_read_is_delivered_after_its_repair_and_nothing_forged_is(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
    broken: Callable,
    is_deleted: bool,
):
    stack = f"secret-{broken.__name__}"
    bus = make_bus(stack)
    given = {"MomentoSecretString": SECRET, "EventBridgeBus": stack, "Architecture": ARCHITECTURE}
    try:
        deployed = Deployed(aws, stack, aws.deploy(stack, ROOT / "template.yaml", given))
        deployed.retry_every(seconds=5)
        gate.take()
        # Among each other, as they would arrive.
        topics = ["forged" if number % 5 == 0 else "signed" for number in range(SIGNED + FORGED)]

        def send(number: int) -> tuple[bytes, Answer]:
            body = numbered_body(topics[number], number)
            return body, post_signed(deployed.url, SECRETS[topics[number]], body)

        with broken(deployed):
            with ThreadPoolExecutor(8) as senders:
                sent = list(senders.map(send, range(len(topics))))
            assert Counter((answer.status, answer.message) for _, answer in sent) == {(202, "Queued"): len(sent)}
            assert deployed.outcomes("WebhookLogGroup") == {"SecretUnavailable"}
            wait_for("an attempt to verify them", lambda: deployed.outcomes("RedriveLogGroup"))
            assert deployed.outcomes("RedriveLogGroup") == {"RedriveFailed"}
            assert deployed.waiting() == {"RetryQueueUrl": len(sent), "DeadLetterQueueUrl": 0}
            assert gate.take() == []

        # A mismatch is final after 45 minutes; until then another secret may be stored that made the signature.
        forged = {"RetryQueueUrl": FORGED, "DeadLetterQueueUrl": 0}
        wait_for("the authentic ones to leave the queue", lambda: deployed.waiting() == forged, 120, pause=0.5)
        deployed.age_messages(minutes=46)
        left = 0 if is_deleted else FORGED
        if not is_deleted:
            wait_for("the forged ones to be judged", lambda: "SecretReplaced" in deployed.errors(), 120, pause=0.5)
        expected = {"RetryQueueUrl": left, "DeadLetterQueueUrl": 0}
        wait_for(f"{left} messages to be left", lambda: deployed.waiting() == expected, 120, pause=0.5)
        put = Counter(entry["Detail"].encode() for entry in gate.take())
        assert put.keys() == {body for (body, _), topic in zip(sent, topics, strict=True) if topic == "signed"}
        assert len(put) == SIGNED
        events = bus.wait(SIGNED)
        assert {event["detail-type"] for event in events} == {"serverless#signed"}

        deleted = {"Forged"} if is_deleted else set()
        assert deployed.outcomes("RedriveLogGroup") == {"RedriveFailed", "Redriven", *deleted}
        record_property(
            "figure",
            f"Secret {broken.__name__}: {SIGNED} signed and {FORGED} forged requests were kept unverified. "
            f"After the repair, {len(put)} events were on the bus ({put.total()} puts), "
            f"{FORGED - left} messages were deleted, and {left} were left.",
        )
    finally:
        aws.delete(stack)
