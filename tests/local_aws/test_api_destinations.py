"""api-destinations.yaml, deployed to the local AWS: what arrives at Momento, and what in the dead-letter queues.

Nearly every test runs twice: with strings as text, through the function, and as JSON, through the API destinations.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import shlex
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.templates.test_api_destinations_patterns import (
    ABSENT,
    FIELDS,
    FROM_THE_HANDLER,
    MODES,
    PATTERNS,
    combinations,
    taken_by,
)
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.stand_in import Item, MomentoStandIn
from tools.paths import ROOT
from tools.waiting import wait_for

TEMPLATE = ROOT / "api-destinations.yaml"
BUS = "way-back"
CACHE = "orders"
AWKWARD = ["plain", "with space", "a/b", "a+b", "a&b=c", "100%", "%2F", "q?x#y", "a*b", "ключ 日本 🚀", "'\"<>{}|\\^`"]
KEY_NOT_TEXT = b"\x00\xff\xfe/+?"
STRINGS = ["hello world!", "", 'a " and a \\ and a\nline', '"quoted"', "\u0000\u001f", "日本 🚀", "ü" * 2048, " {} "]
SCALARS = {5: b"5", -1.5: b"-1.5", True: b"true", False: b"false", None: b"null"}
OBJECTS = [{"a": {"b": [1, "2"]}}, {}, {"message": "text"}]
ARRAYS = [[], [1, 2], [{"a": "text"}], [1, "two"], [None, "a"], ["a", ["b", True]]]
# Only the function's rule matches these.
ARRAYS_OF_STRINGS = [["a"], ["a", ["ü"]], ["a", {"b": 1}]]


GUIDE = ("cacheSet", {"cacheName": "my-cache", "key": "test-key", "message": "hello world!", "ttl": 300}, "demo")


class WayBack:
    """The stack, the stand-in that it calls, and its queues."""

    def __init__(self, aws: LocalAws, momento: MomentoStandIn, outputs: dict[str, str], mode: str):
        self.mode = mode
        self.momento = momento
        self.outputs = outputs
        self.events = aws.client("events")
        self.sqs = aws.client("sqs")

    def put(self, detail_type: str, detail: dict, source: str = "orders") -> None:
        entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail), "EventBusName": BUS}
        assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def dead_letters(self, seconds: int = 0, queue: str = "DeadLetterQueueUrl") -> list[dict]:
        return [json.loads(message["Body"]) for message in self.take(queue, seconds)]

    def refused(self, seconds: int = 0) -> list[tuple[dict, str, str]]:
        """What the function wrote to its dead-letter queue: the event's detail, and the reason."""
        return [
            (
                json.loads(message["Body"])["detail"],
                message["MessageAttributes"]["ERROR_CODE"]["StringValue"],
                message["MessageAttributes"]["ERROR_MESSAGE"]["StringValue"],
            )
            for message in self.take("TextDeadLetterQueueUrl", seconds)
        ]

    def take(self, queue: str, seconds: int) -> list[dict]:
        if queue not in self.outputs:
            return []
        url = self.outputs[queue]
        answer = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds, MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return answer.get("Messages", [])

    def has_string_waiting(self) -> bool:
        if self.mode == "json":
            return False
        name = self.outputs["TextQueueArn"].split(":")[-1]
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.sqs.get_queue_url(QueueName=name)["QueueUrl"], AttributeNames=counts
        )["Attributes"]
        return any(int(attributes[count]) for count in counts)

    def requests_until_now(self) -> list:
        """The requests since the last call, once each string and an object that is sent now have arrived."""
        mark = uuid.uuid4().hex
        self.put("topicPublish", {"cacheName": CACHE, "topicName": mark, "message": {}})
        wait_for("the strings", lambda: not self.has_string_waiting())
        self.momento.wait_for_messages(CACHE, mark)
        requests = [request for request in self.momento.requests if mark not in request.target]
        self.momento.requests.clear()
        return requests


@pytest.fixture(scope="module")
def momento() -> Iterator[MomentoStandIn]:
    with MomentoStandIn(api_key="momento-key", caches={CACHE, "my-cache", "live", *AWKWARD}) as momento:
        yield momento


@pytest.fixture(scope="module")
def bus(make_bus: Callable[[str], BusWatch]) -> str:
    make_bus(BUS)
    return BUS


@pytest.fixture(scope="module", params=MODES)
def way_back(request: pytest.FixtureRequest, aws: LocalAws, momento: MomentoStandIn, bus: str) -> Iterator[WayBack]:
    parameters = {"MomentoApiKey": momento.api_key, "EventBridgeBus": bus, "MomentoEndpoint": momento.url}
    outputs = aws.deploy("way-back", TEMPLATE, {**parameters, "StringMessages": request.param})
    momento.items.clear()
    momento.messages.clear()
    yield WayBack(aws, momento, outputs, request.param)
    aws.delete("way-back")


@pytest.fixture(autouse=True)
def nothing_is_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "way_back" in request.fixturenames:
        way_back = request.getfixturevalue("way_back")
        refused = [r for r in way_back.requests_until_now() if r.status >= 400]
        assert refused == []
        assert way_back.dead_letters() == []
        assert way_back.refused() == []


def text_of(value: bytes, mode: str) -> str:
    """The string that was the message of the event."""
    return value.decode() if mode == "text" else json.loads(value)


# ---- The five forms, with names and keys that need escaping


def test_an_item_is_set_by_its_key(way_back: WayBack) -> None:
    for name in AWKWARD:
        way_back.put("cacheSet", {"cacheName": name, "key": name, "message": {"of": name}, "ttl": 60})
    for name in AWKWARD:
        item = way_back.momento.wait_for_item(name, name)
        assert (json.loads(item.value), item.ttl_seconds) == ({"of": name}, 60)


def test_an_item_is_set_by_its_base64_key(way_back: WayBack) -> None:
    keys = {name: KEY_NOT_TEXT + name.encode() for name in AWKWARD}
    for name, key in keys.items():
        encoded = base64.urlsafe_b64encode(key).decode()
        way_back.put("cacheSet", {"cacheName": name, "key_base64": encoded, "message": name, "ttl": 60})
    for name, key in keys.items():
        assert text_of(way_back.momento.wait_for_item(name, key).value, way_back.mode) == name


@pytest.mark.parametrize("form", ["key", "key_base64"])
def test_an_item_is_deleted_and_no_other(way_back: WayBack, form: str) -> None:
    items = way_back.momento.items
    for name in AWKWARD:
        items[name, f"{name} to go".encode()] = items[name, f"{name} to stay".encode()] = Item(b"1", 60)
    for name in AWKWARD:
        key = f"{name} to go"
        given = key if form == "key" else base64.urlsafe_b64encode(key.encode()).decode()
        way_back.put("cacheDelete", {"cacheName": name, form: given})
    for name in AWKWARD:
        wait_for(f"{name} to be deleted", lambda name=name: (name, f"{name} to go".encode()) not in items)
        assert (name, f"{name} to stay".encode()) in items


def test_a_message_is_published(way_back: WayBack) -> None:
    for name in AWKWARD:
        way_back.put("topicPublish", {"cacheName": name, "topicName": f"topic {name}", "message": name})
    for name in AWKWARD:
        (message,) = way_back.momento.wait_for_messages(name, f"topic {name}")
        assert text_of(message, way_back.mode) == name


def test_the_requests_are_the_ones_that_momento_documents(way_back: WayBack) -> None:
    way_back.requests_until_now()
    way_back.put("cacheSet", {"cacheName": CACHE, "key": "k 1", "message": {"a": 1}, "ttl": 60})
    way_back.momento.wait_for_item(CACHE, "k 1")
    way_back.put("cacheDelete", {"cacheName": CACHE, "key_base64": "ayAx"})
    wait_for("the item to be gone", lambda: (CACHE, b"k 1") not in way_back.momento.items)
    way_back.put("topicPublish", {"cacheName": CACHE, "topicName": "a/b", "message": "x"})
    way_back.momento.wait_for_messages(CACHE, "a/b")
    put, delete, post = way_back.requests_until_now()
    assert (put.method, put.content_type) == ("PUT", "application/octet-stream")
    assert put.target in ("/cache/orders?key=k+1&ttl_seconds=60", "/cache/orders?key=k%201&ttl_seconds=60")
    assert (delete.method, delete.target, delete.body) == ("DELETE", "/cache/orders?key_base64=ayAx", b"{}")
    assert (post.method, post.target, post.content_type) == ("POST", "/topics/orders/a%2Fb", "text/plain")
    assert [request.status for request in (put, delete, post)] == [204, 204, 204]


@pytest.mark.parametrize(("ttl", "seconds"), [(1, 1), (300, 300), ("300", 300), ("86400", 86400)])
def test_a_ttl_may_be_a_number_or_a_string(way_back: WayBack, ttl: int | str, seconds: int) -> None:
    key = f"ttl {ttl!r}"
    way_back.put("cacheSet", {"cacheName": CACHE, "key": key, "message": "x", "ttl": ttl})
    assert way_back.momento.wait_for_item(CACHE, key).ttl_seconds == seconds


def send_in_every_form(way_back: WayBack, messages: list) -> list[bytes]:
    """What arrived for each message: the same in every form, once, and nothing else."""
    way_back.requests_until_now()
    names = [uuid.uuid4().hex for _ in messages]
    for name, message in zip(names, messages, strict=True):
        way_back.put("cacheSet", {"cacheName": CACHE, "key": name, "message": message, "ttl": 60})
        base64_key = base64.urlsafe_b64encode(KEY_NOT_TEXT + name.encode()).decode()
        way_back.put("cacheSet", {"cacheName": CACHE, "key_base64": base64_key, "message": message, "ttl": 60})
        way_back.put("topicPublish", {"cacheName": CACHE, "topicName": name, "message": message})
    arrived = []
    for name in names:
        values = {
            way_back.momento.wait_for_item(CACHE, name).value,
            way_back.momento.wait_for_item(CACHE, KEY_NOT_TEXT + name.encode()).value,
            *way_back.momento.wait_for_messages(CACHE, name),
        }
        (value,) = values
        arrived.append(value)
    requests = way_back.requests_until_now()
    assert [request.status for request in requests] == [204] * 3 * len(messages)
    assert len({request.target for request in requests}) == len(requests)
    return arrived


def test_a_string_arrives_as_text_or_as_json_as_the_stack_is_set_to(way_back: WayBack) -> None:
    for message, value in zip(STRINGS, send_in_every_form(way_back, STRINGS), strict=True):
        if way_back.mode == "text":
            assert value == message.encode()
        else:
            assert (value[:1], value[-1:], json.loads(value)) == (b'"', b'"', message)


def test_a_number_true_false_and_null_arrive_as_json(way_back: WayBack) -> None:
    assert send_in_every_form(way_back, list(SCALARS)) == list(SCALARS.values())


def test_an_object_or_array_arrives_as_json(way_back: WayBack) -> None:
    messages = [*OBJECTS, *ARRAYS, *ARRAYS_OF_STRINGS]
    arrived = send_in_every_form(way_back, messages)
    assert [json.loads(value) for value in arrived] == messages
    if way_back.mode == "text":
        compact = [json.dumps(array, ensure_ascii=False, separators=(",", ":")) for array in ARRAYS_OF_STRINGS]
        assert [value.decode() for value in arrived[-len(compact) :]] == compact


def test_a_missing_message_is_not_noticed(way_back: WayBack) -> None:
    """As documented: no pattern can tell it from an object. The local AWS then sends the whole event."""
    way_back.put("topicPublish", {"cacheName": CACHE, "topicName": "no message"})
    (message,) = way_back.momento.wait_for_messages(CACHE, "no message")
    assert json.loads(message)["detail"] == {"cacheName": CACHE, "topicName": "no message"}


def test_a_key_may_be_500_characters_long(way_back: WayBack) -> None:
    for character in "ké ":
        way_back.put("cacheSet", {"cacheName": CACHE, "key": character * 500, "message": "x", "ttl": 60})
    for character in "ké ":
        way_back.momento.wait_for_item(CACHE, character * 500)


def test_the_lines_of_the_documentation_do_what_they_say(way_back: WayBack) -> None:
    text = (ROOT / "docs" / "eventbridge-to-momento.md").read_text()
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("aws events put-events --entries '")]
    assert len(commands) == 6
    way_back.requests_until_now()
    for *_, entries in commands:
        (entry,) = json.loads(entries)
        assert entry.keys() == {"Source", "DetailType", "Detail"}
        way_back.put(entry["DetailType"], json.loads(entry["Detail"]), entry["Source"])
        wait_for("the request", lambda: len(way_back.momento.requests) == 1)
        (request,) = way_back.requests_until_now()
        assert request.status == 204, entry


def test_the_example_of_momentos_guide_sets_the_value_that_the_guide_promises(way_back: WayBack) -> None:
    text = (ROOT / "docs" / "eventbridge-to-momento.md").read_text()
    (javascript,) = re.findall(r"```javascript\n(.*?)```", text, re.DOTALL)
    fields = dict(re.findall(r"(\w+): '?([^',\n\[{]+?)'?,?\n", javascript))
    detail = {name: fields[name] for name in ("cacheName", "key", "message")} | {"ttl": int(fields["ttl"])}
    assert (fields["DetailType"], detail, fields["Source"]) == GUIDE
    way_back.put(*GUIDE)
    value = way_back.momento.wait_for_item("my-cache", "test-key").value
    assert value == (b"hello world!" if way_back.mode == "text" else b'"hello world!"')


# ---- What is not valid

SET = {"cacheName": CACHE, "key": "never", "message": "x", "ttl": 60}
DELETE = {"cacheName": CACHE, "key": "never"}
PUBLISH = {"cacheName": CACHE, "topicName": "never", "message": "x"}
# tests/templates tries every combination of fields.
NO_FORM = {
    "cacheSet with both keys": ("cacheSet", {**SET, "key_base64": "bmV2ZXI"}),
    "cacheSet with nothing": ("cacheSet", {}),
    "cacheSet whose key is null": ("cacheSet", {**SET, "key": None}),
    "cacheSet whose ttl is empty": ("cacheSet", {**SET, "ttl": ""}),
    "cacheDelete with neither key": ("cacheDelete", {"cacheName": CACHE}),
    "cacheDelete whose cacheName is null": ("cacheDelete", {**DELETE, "cacheName": None}),
    "topicPublish without topicName": ("topicPublish", {"cacheName": CACHE, "message": "x"}),
    "topicPublish whose topicName is a number": ("topicPublish", {**PUBLISH, "topicName": 7}),
}


@pytest.mark.parametrize("case", NO_FORM)
def test_an_event_in_no_valid_form_is_a_dead_letter_and_never_reaches_momento(way_back: WayBack, case: str) -> None:
    detail_type, detail = NO_FORM[case]
    way_back.requests_until_now()
    way_back.put(detail_type, detail)
    (letter,) = way_back.dead_letters(seconds=10)
    assert (letter["source"], letter["detail-type"], letter["detail"]) == ("orders", detail_type, detail)
    assert way_back.requests_until_now() == []


# Momento itself refuses these. The function (in a real account, EventBridge too) writes them to a dead-letter queue.
REFUSED = {
    "a ttl of 0": ("cacheSet", {**SET, "ttl": 0}, 400),
    "a ttl below 0": ("cacheSet", {**SET, "ttl": -5}, 400),
    "a ttl that is not an integer": ("cacheSet", {**SET, "ttl": 1.5}, 400),
    "a ttl that is not a number": ("cacheSet", {**SET, "ttl": "an hour"}, 400),
    "a ttl that is null": ("cacheSet", {**SET, "ttl": None}, 400),
    "a key_base64 that is invalid base64": ("cacheDelete", {"cacheName": CACHE, "key_base64": "n?"}, 400),
    "a cache that does not exist": ("topicPublish", {**PUBLISH, "cacheName": "no-such-cache"}, 404),
}
EMPTY = {
    "an empty key": ("cacheSet", {**SET, "key": ""}, 400),
    "an empty key_base64": ("cacheDelete", {"cacheName": CACHE, "key_base64": ""}, 400),
    "an empty cacheName": ("cacheDelete", {**DELETE, "cacheName": ""}, 404),
    "an empty topicName": ("topicPublish", {**PUBLISH, "topicName": ""}, 404),
}


def goes_to_the_function(way_back: WayBack, detail_type: str) -> bool:
    return way_back.mode == "text" and detail_type != "cacheDelete"


@pytest.mark.parametrize("case", REFUSED)
def test_what_momento_refuses_changes_nothing(way_back: WayBack, case: str) -> None:
    detail_type, detail, status = REFUSED[case]
    before = (dict(way_back.momento.items), way_back.momento.messages.get((CACHE, "never")))
    way_back.requests_until_now()
    way_back.put(detail_type, detail)
    (request,) = wait_for("the request", lambda: list(way_back.momento.requests))
    assert request.status == status
    assert (way_back.momento.items, way_back.momento.messages.get((CACHE, "never"))) == before
    if goes_to_the_function(way_back, detail_type):
        assert way_back.refused(seconds=10) == [(detail, str(status), request.reason)]
    way_back.momento.requests.clear()


@pytest.mark.parametrize("case", EMPTY)
def test_an_empty_name_or_key_changes_nothing_and_is_one_dead_letter(way_back: WayBack, case: str) -> None:
    detail_type, detail, status = EMPTY[case]
    before = (dict(way_back.momento.items), way_back.momento.messages.get((CACHE, "never")))
    way_back.requests_until_now()
    way_back.put(detail_type, detail)
    (letter,) = way_back.dead_letters(seconds=10)
    assert letter["detail"] == detail
    if goes_to_the_function(way_back, detail_type):
        assert way_back.requests_until_now() == []
    else:
        (request,) = wait_for("the request", lambda: list(way_back.momento.requests))
        assert request.status == status
    assert (way_back.momento.items, way_back.momento.messages.get((CACHE, "never"))) == before
    way_back.momento.requests.clear()


@pytest.mark.parametrize("mode", MODES)
def test_eventbridge_itself_takes_the_patterns_and_agrees(aws: LocalAws, mode: str) -> None:
    events = aws.client("events")
    values = ["x", ABSENT, "", None, 5, {"a": "x"}, ["x"]]
    samples = [tried for kind in FIELDS for tried in combinations(kind, values)]
    samples = samples[:: len(samples) // 40] + FROM_THE_HANDLER
    for number, tried in enumerate(samples):
        message = [ABSENT, "text", 1, None, {"a": "text"}, ["a"], ["a", 1]][number % 7]
        if message is not ABSENT:
            tried = {**tried, "detail": {**tried["detail"], "message": message}}
        envelope = {
            "id": "1",
            "account": "0" * 12,
            "region": "us-east-1",
            "time": "2026-01-01T00:00:00Z",
            "resources": [],
        }
        whole = json.dumps({**envelope, **tried})
        said = {
            rule
            for rule, pattern in PATTERNS[mode].items()
            if tried["detail-type"] in (*pattern["detail-type"], "serverless#test")
            and events.test_event_pattern(EventPattern=json.dumps(pattern), Event=whole)["Result"]
        }
        assert said == taken_by(tried, mode), tried


# ---- Deployment


def test_a_bus_that_does_not_exist_fails_the_deployment(aws: LocalAws) -> None:
    with pytest.raises(DeploymentFailed, match="no-such-bus"):
        aws.deploy("no-bus", TEMPLATE, {"MomentoApiKey": "key", "EventBridgeBus": "no-such-bus"})
    aws.delete("no-bus")


# ---- The stand-in is as strict as Momento

OK = {"Authorization": "momento-key"}
TEXT = {**OK, "Content-Type": "text/plain"}
REQUESTS = {
    "a set": ("PUT", "/cache/orders?key=k&ttl_seconds=60", OK, 204),
    "a set with the key in the query": ("PUT", "/cache/orders?key=k&ttl_seconds=60&token=momento-key", {}, 204),
    "a key in header and query": ("PUT", "/cache/orders?key=k&ttl_seconds=60&token=momento-key", OK, 400),
    "no key at all": ("PUT", "/cache/orders?key=k&ttl_seconds=60", {}, 401),
    "a wrong key": ("PUT", "/cache/orders?key=k&ttl_seconds=60", {"Authorization": "other"}, 401),
    "a scheme word before the key": ("DELETE", "/cache/orders?key=k", {"Authorization": "Bearer momento-key"}, 401),
    "both keys": ("PUT", "/cache/orders?key=k&key_base64=aw&ttl_seconds=60", OK, 400),
    "an empty second key": ("PUT", "/cache/orders?key=k&key_base64=&ttl_seconds=60", OK, 400),
    "neither key": ("DELETE", "/cache/orders", OK, 400),
    "no ttl": ("PUT", "/cache/orders?key=k", OK, 400),
    "a ttl of words": ("PUT", "/cache/orders?key=k&ttl_seconds=soon", OK, 400),
    "an unknown parameter": ("DELETE", "/cache/orders?key=k&ttl=60", OK, 400),
    "a parameter given twice": ("DELETE", "/cache/orders?key=k&key=l", OK, 400),
    "an unknown cache": ("DELETE", "/cache/other?key=k", OK, 404),
    "a name that is not escaped": ("DELETE", "/cache/a/b?key=k", OK, 404),
    "another method": ("POST", "/cache/orders?key=k&ttl_seconds=60", OK, 405),
    "a message": ("POST", "/topics/orders/t", TEXT, 204),
    "a message with a key": ("POST", "/topics/orders/t?key=k", TEXT, 400),
    "a message of another type": ("POST", "/topics/orders/t", {**OK, "Content-Type": "application/json"}, 400),
    "no topic": ("POST", "/topics/orders/", TEXT, 404),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_the_stand_in_answers_as_momento_is_documented_to(case: str) -> None:
    method, target, headers, status = REQUESTS[case]
    with MomentoStandIn(api_key="momento-key", caches={CACHE, "a/b"}) as momento:
        address = urlsplit(momento.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        connection.request(method, target, body=b"value", headers=headers)
        assert connection.getresponse().status == status
        connection.close()
        assert bool(momento.items or momento.messages) == (status == 204)
