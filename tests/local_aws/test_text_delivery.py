"""Strings through the function of api-destinations.yaml, in the local AWS, while Momento fails in every way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.stand_in import GARBAGE, RESET, MomentoStandIn
from tools.paths import ROOT
from tools.waiting import wait_for

TEMPLATE = ROOT / "api-destinations.yaml"
BUS = "text"
CACHE = "orders"
SECRET = "momento/api-key"


class Stack:
    def __init__(self, aws: LocalAws, momento: MomentoStandIn, outputs: dict[str, str]):
        self.momento = momento
        self.events = aws.client("events")
        self.sqs = aws.client("sqs")
        self.dead_letters = outputs["TextDeadLetterQueueUrl"]
        name = outputs["TextQueueArn"].split(":")[-1]
        self.queue = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def retry_after(self, seconds: int) -> None:
        """Shortens the pause between two attempts."""
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"VisibilityTimeout": str(seconds)})

    def put(self, *details: dict) -> None:
        """A cacheSet for each that has a key, a topicPublish for each that has a topicName."""
        entries = [
            {
                "Source": "orders",
                "DetailType": "cacheSet" if "key" in detail else "topicPublish",
                "Detail": json.dumps(detail),
                "EventBusName": BUS,
            }
            for detail in details
        ]
        for first in range(0, len(entries), 10):
            assert self.events.put_events(Entries=entries[first : first + 10])["FailedEntryCount"] == 0

    def dead(self, count: int) -> list[dict]:
        messages: list[dict] = []

        def receive() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=self.dead_letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
            )
            found = {message["MessageId"]: message for message in answer.get("Messages", [])}
            messages[:] = found.values()
            return len(messages) == count

        wait_for(f"{count} dead letters", receive, 30)
        return messages

    def redrive(self) -> None:
        """What a message move task to the function's queue does; the local AWS has none."""
        while messages := self.sqs.receive_message(
            QueueUrl=self.dead_letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                attributes = {
                    name: {"DataType": value["DataType"], "StringValue": value["StringValue"]}
                    for name, value in message.get("MessageAttributes", {}).items()
                }
                self.sqs.send_message(QueueUrl=self.queue, MessageBody=message["Body"], MessageAttributes=attributes)
                self.sqs.delete_message(QueueUrl=self.dead_letters, ReceiptHandle=message["ReceiptHandle"])

    def is_empty(self) -> bool:
        return not any(
            int(count)
            for queue in (self.queue, self.dead_letters)
            for count in self.sqs.get_queue_attributes(
                QueueUrl=queue,
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )["Attributes"].values()
        )

    def accepted(self) -> Counter:
        """How often each URL was answered with 204."""
        return Counter(request.target for request in list(self.momento.requests) if request.status == 204)

    def wait_for_all(self, details: list[dict], seconds: float = 60) -> None:
        """Waits until each has arrived, with the right bytes and nothing else, and the queues are empty."""
        wait_for(f"{len(details)} requests", lambda: len(self.accepted()) >= len(details), seconds)
        wait_for("the queues to be empty", self.is_empty, seconds)
        assert len(self.accepted()) == len(details)
        for detail in details:
            if "key" in detail:
                assert self.momento.items[CACHE, detail["key"].encode()].value == detail["message"].encode()
            else:
                assert set(self.momento.messages[CACHE, detail["topicName"]]) == {detail["message"].encode()}

    def wait_for_all_once(self, details: list[dict], seconds: float = 60) -> None:
        """Not where retry_after is short: on a busy machine, a batch then takes longer than that."""
        self.wait_for_all(details, seconds)
        assert set(self.accepted().values()) == {1}


def item(name: str) -> dict:
    return {"cacheName": CACHE, "key": name, "message": f"text of {name}", "ttl": 60}


def message(name: str) -> dict:
    return {"cacheName": CACHE, "topicName": name, "message": f"text of {name}"}


@pytest.fixture(scope="module")
def bus(make_bus: Callable[[str], BusWatch]) -> str:
    make_bus(BUS)
    return BUS


@contextmanager
def deployed(aws: LocalAws, bus: str, **parameters: str) -> Iterator[Stack]:
    with ExitStack() as cleanup:
        momento = cleanup.enter_context(MomentoStandIn(api_key="momento-key", caches={CACHE}))
        endpoint = {"EventBridgeBus": bus, "MomentoEndpoint": momento.url}
        outputs = aws.deploy("text", TEMPLATE, {**endpoint, **parameters})
        cleanup.callback(aws.delete, "text")
        yield Stack(aws, momento, outputs)


@pytest.fixture
def stack(aws: LocalAws, bus: str) -> Iterator[Stack]:
    with deployed(aws, bus, MomentoApiKey="momento-key") as stack:
        yield stack


def fail_first(stack: Stack, times: int, fault: Callable[[str], int | str]) -> Counter:
    """Each URL fails so many times; returns how often each was called."""
    calls: Counter = Counter()

    def fail(_method: str, target: str) -> int | str | None:
        calls[target] += 1
        return fault(target) if calls[target] <= times else None

    stack.momento.fault = fail
    return calls


FAULTS: dict[str, int | str] = {"408": 408, "429": 429, "500": 500, "503": 503, "reset": RESET, "garbage": GARBAGE}


def test_all_strings_arrive_after_momento_refused_them_or_broke_their_connections_twice(stack: Stack) -> None:
    stack.retry_after(3)
    details = [make(f"{fault}-{number}") for make in (item, message) for fault in FAULTS for number in range(2)]
    calls = fail_first(stack, 2, lambda target: next(FAULTS[name] for name in FAULTS if name in target))
    stack.put(*details)
    stack.wait_for_all(details)
    assert min(calls.values()) >= 3


@pytest.mark.parametrize("status", [400, 403, 404])
def test_what_momento_refuses_is_a_dead_letter_at_once_and_arrives_after_a_redrive(stack: Stack, status: int) -> None:
    details = [item("bad"), item("good"), message("good")]
    stack.momento.fault = lambda method, target: status if "bad" in target else None
    stack.put(*details)
    (letter,) = stack.dead(1)
    assert json.loads(letter["Body"])["detail"] == details[0]
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == str(status)
    assert letter["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"] == "a fault of the test"
    assert [request.status for request in stack.momento.requests if "bad" in request.target] == [status]
    stack.momento.fault = lambda method, target: None
    stack.redrive()
    stack.wait_for_all_once(details)


def test_after_the_retry_time_sqs_itself_moves_a_message_to_the_dead_letter_queue(aws: LocalAws, bus: str) -> None:
    with deployed(aws, bus, MomentoApiKey="momento-key", RetrySeconds="300") as stack:
        stack.retry_after(3)
        stack.momento.fault = lambda method, target: 429
        stack.put(item("late"))
        (letter,) = stack.dead(1)
        assert json.loads(letter["Body"])["detail"] == item("late")
        assert "MessageAttributes" not in letter
        wait_for("three attempts", lambda: len(stack.momento.requests) == 3)
        assert {request.status for request in stack.momento.requests} == {429}
        stack.momento.fault = lambda method, target: None
        stack.redrive()
        stack.wait_for_all([item("late")])


def test_a_replaced_key_in_an_existing_secret_reaches_the_function_at_once_and_the_destinations_by_deployment(
    aws: LocalAws, bus: str
) -> None:
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name=SECRET, SecretString="momento-key")["ARN"]
    with ExitStack() as cleanup:
        cleanup.callback(secrets.delete_secret, SecretId=SECRET, ForceDeleteWithoutRecovery=True)
        stack = cleanup.enter_context(deployed(aws, bus, ExistingApiKeySecret=arn))
        stack.retry_after(3)
        momento = stack.momento
        stack.put(item("before"))
        stack.wait_for_all([item("before")])

        momento.api_key = "replaced"
        stack.put(item("during"), message("during"))
        wait_for("a 401", lambda: any(request.status == 401 for request in momento.requests))
        assert not stack.is_empty()
        version = secrets.put_secret_value(SecretId=SECRET, SecretString="replaced")["VersionId"]
        stack.wait_for_all([item("before"), item("during"), message("during")])

        def status_of_an_object(key: str) -> int:
            stack.put({**item(key), "message": {"an": "object"}})
            return wait_for("the object", lambda: next((r.status for r in momento.requests if key in r.target), None))

        assert status_of_an_object("object-1") == 401
        parameters = {"EventBridgeBus": bus, "MomentoEndpoint": momento.url, "ExistingApiKeySecret": arn}
        aws.deploy("text", TEMPLATE, {**parameters, "ExistingApiKeyVersion": version})
        assert status_of_an_object("object-2") == 204


def test_a_thousand_strings_at_once_arrive_once_over_a_handful_of_connections(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    details = [item(f"k{number}") for number in range(500)] + [message(f"t{number}") for number in range(500)]
    stack.put(*details)
    stack.wait_for_all_once(details, 100)
    assert len(stack.momento.requests) == 1000
    # One for each instance of the function, of which the event source mapping allows five.
    assert stack.momento.connections <= 5
    record_property("figure", f"1,000 strings arrived over {stack.momento.connections} connections.")
