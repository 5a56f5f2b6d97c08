"""An outage of EventBridge, with the deployed template: what comes meanwhile is on the bus afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.waiting import wait_for

BUS = STACK = "webhook-outage"
SECRET = "whsec-outage"
# The template hides a message for three minutes after each attempt; a test has no time for that.
VISIBILITY_SECONDS = 2


@dataclass
class Deployed:
    url: str
    retry_queue: str
    dead_letter_queue: str
    watch: BusWatch
    sqs: Any

    def count(self, queue: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def set_up_retry_queue(self, max_receive_count: int) -> None:
        now = self.sqs.get_queue_attributes(QueueUrl=self.retry_queue, AttributeNames=["RedrivePolicy"])["Attributes"]
        policy = {**json.loads(now["RedrivePolicy"]), "maxReceiveCount": max_receive_count}
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(policy)}
        self.sqs.set_queue_attributes(QueueUrl=self.retry_queue, Attributes=attributes)

    def post(self) -> bytes:
        """Posts an event while EventBridge refuses, and sees that it is queued."""
        body = captured_body()
        answer = post_signed(self.url, SECRET, body)
        assert (answer.status, answer.message) == (202, "Queued")
        return body

    def is_on_the_bus(self, body: bytes, gate: EventBridgeGate) -> None:
        """Waits for the event, and sees that it was put as it was signed."""
        (event,) = self.watch.wait(1, seconds=30)
        assert event["detail"] == json.loads(body)
        (entry,) = gate.take()
        assert entry == {
            "Source": "Momento",
            "DetailType": "serverless#test",
            "Detail": body.decode(),
            "EventBusName": BUS,
        }


@pytest.fixture(scope="module")
def deployed(aws: LocalAws, make_bus: Callable[[str], BusWatch]) -> Iterator[Deployed]:
    watch = make_bus(BUS)
    parameters = {"MomentoSecretString": SECRET, "EventBridgeBus": BUS, "Architecture": ARCHITECTURE}
    outputs = aws.deploy(STACK, ROOT / "template.yaml", parameters)
    url = aws.function_url_local(outputs["FunctionUrl"])
    yield Deployed(url, outputs["RetryQueueUrl"], outputs["DeadLetterQueueUrl"], watch, aws.client("sqs"))
    aws.delete(STACK)


def test_an_event_posted_in_an_outage_is_on_the_bus_after_it_without_anyones_doing(
    deployed: Deployed, gate: EventBridgeGate
) -> None:
    deployed.set_up_retry_queue(max_receive_count=20)
    gate.take()
    with gate.refusing():
        body = deployed.post()
        by_webhook = gate.refused
        wait_for("the redrive function to try, and be refused", lambda: gate.refused > by_webhook, 30)
        assert deployed.watch.take() == []
        assert deployed.count(deployed.retry_queue) == 1

    deployed.is_on_the_bus(body, gate)
    wait_for("the retry queue to be empty", lambda: deployed.count(deployed.retry_queue) == 0)
    assert deployed.count(deployed.dead_letter_queue) == 0


def test_an_event_that_became_a_dead_letter_is_on_the_bus_once_it_is_moved_to_the_retry_queue(
    deployed: Deployed, gate: EventBridgeGate
) -> None:
    deployed.set_up_retry_queue(max_receive_count=1)
    gate.take()
    with gate.refusing():
        body = deployed.post()
        wait_for("the event to become a dead letter", lambda: deployed.count(deployed.dead_letter_queue) == 1, 30)
    assert deployed.watch.take() == []
    assert deployed.count(deployed.retry_queue) == 0

    move(deployed.sqs, deployed.dead_letter_queue, deployed.retry_queue)

    deployed.is_on_the_bus(body, gate)
    wait_for("the retry queue to be empty", lambda: deployed.count(deployed.retry_queue) == 0)
    assert deployed.count(deployed.dead_letter_queue) == 0


def move(sqs: Any, source: str, destination: str) -> None:
    """What the console's Start DLQ redrive does; the local AWS has no StartMessageMoveTask."""
    (message,) = sqs.receive_message(QueueUrl=source, MessageAttributeNames=["All"])["Messages"]
    attributes = message.get("MessageAttributes", {})
    sqs.send_message(QueueUrl=destination, MessageBody=message["Body"], MessageAttributes=attributes)
    sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
