"""api-destinations/text_messages.py, the inline function of api-destinations.yaml, against the stand-in for Momento."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest

from tools.momento.stand_in import GARBAGE, HANG, RESET, MomentoStandIn
from tools.paths import ROOT
from tools.templates.reader import read_template

SOURCE = ROOT / "api-destinations" / "text_messages.py"
CACHE = "orders"
KEY = "momento-key"
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-AbCdEf"
AWKWARD = [
    "plain",
    "with space",
    "a/b",
    "a+b",
    "a&b=c",
    "100%",
    "%2F",
    "q?x#y",
    "a*b",
    "..",
    "ключ 日本 🚀",
    "'\"<>{}|\\^`",
]
TEXTS = [
    "hello world!",
    "",
    'a " and a \\ and a\nline',
    "\u0000\u0001\u007f",
    "日本 🚀",
    '"quoted"',
    "{}",
    " x ",
    "x" * 4096,
]


class FakeSecrets:
    """A secret whose versions are read one after another; the last one stays."""

    def __init__(self) -> None:
        self.values = [KEY]
        self.reads = 0

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        assert SecretId == SECRET_ARN
        self.reads += 1
        value = self.values[min(self.reads, len(self.values)) - 1]
        if value is None:
            raise RuntimeError("AccessDeniedException")
        return {"SecretString": value}


class FakeQueue:
    """The dead-letter queue."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.is_down = False

    def send_message(self, QueueUrl: str, MessageBody: str, MessageAttributes: dict[str, dict]) -> None:
        assert QueueUrl == "dead-letters"
        if self.is_down:
            raise RuntimeError("ServiceUnavailable")
        assert all(attribute["DataType"] == "String" for attribute in MessageAttributes.values())
        code, message = (MessageAttributes[name]["StringValue"] for name in ("ERROR_CODE", "ERROR_MESSAGE"))
        self.messages.append((MessageBody, code, message))


class Deployed:
    """The function with its secret, its dead-letter queue and the Momento that it calls."""

    def __init__(self, module: ModuleType, momento: MomentoStandIn, secrets: FakeSecrets, queue: FakeQueue):
        self.module = module
        self.momento = momento
        self.secrets = secrets
        self.queue = queue

    def invoke(self, *bodies: dict | str, milliseconds: int = 20_000) -> list[int]:
        """Which of the messages stay in the queue."""
        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        records = [{"messageId": str(number), "body": text} for number, text in enumerate(texts)]
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds)
        answer = self.module.handler({"Records": records}, context)
        assert answer.keys() == {"batchItemFailures"}
        return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def load(monkeypatch: pytest.MonkeyPatch, momento: MomentoStandIn) -> Deployed:
    secrets, queue = FakeSecrets(), FakeQueue()
    clients = {"secretsmanager": secrets, "sqs": queue}
    monkeypatch.setattr(boto3, "client", lambda service, config: clients[service])
    environment = {
        "MOMENTO_ENDPOINT": momento.url,
        "API_KEY_SECRET": SECRET_ARN,
        "DEAD_LETTER_QUEUE": "dead-letters",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("text_messages", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Deployed(module, momento, secrets, queue)


@pytest.fixture
def momento() -> Iterator[MomentoStandIn]:
    with MomentoStandIn(KEY, caches={CACHE, *AWKWARD}) as momento:
        yield momento


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, momento: MomentoStandIn) -> Deployed:
    return load(monkeypatch, momento)


def set_item(message: Any = "text", cache: Any = CACHE, ttl: Any = 60, **key: Any) -> dict:
    detail = {"cacheName": cache, "message": message, "ttl": ttl, **(key or {"key": "k"})}
    return {"id": "1", "source": "orders", "detail-type": "cacheSet", "detail": detail}


def publish(message: Any = "text", topic: Any = "t", cache: Any = CACHE) -> dict:
    detail = {"cacheName": cache, "topicName": topic, "message": message}
    return {"id": "1", "source": "orders", "detail-type": "topicPublish", "detail": detail}


# ---- What arrives


def test_a_string_arrives_as_its_utf_8_bytes(function: Deployed) -> None:
    for number, text in enumerate(TEXTS):
        assert function.invoke(set_item(text, key=f"k{number}"), publish(text, f"t{number}")) == []
        assert function.momento.items[CACHE, f"k{number}".encode()].value == text.encode()
        assert function.momento.messages[CACHE, f"t{number}"] == [text.encode()]


def test_names_and_keys_are_escaped(function: Deployed) -> None:
    for name in AWKWARD:
        encoded = base64.urlsafe_b64encode(b"\x00\xff" + name.encode()).decode()
        assert function.invoke(set_item(cache=name, key=name), set_item(cache=name, key_base64=encoded)) == []
        assert (name, name.encode()) in function.momento.items
        assert (name, b"\x00\xff" + name.encode()) in function.momento.items
        assert function.invoke(publish(topic=name, cache=name)) == []
        assert function.momento.messages[name, name] == [b"text"]
    assert {request.status for request in function.momento.requests} == {204}


def test_the_requests_are_the_ones_that_momento_documents(function: Deployed) -> None:
    assert function.invoke(set_item(key="k 1"), set_item(key_base64="_-8="), publish(topic="a/b")) == []
    sent = [(each.method, each.target, each.content_type, each.body) for each in function.momento.requests]
    assert sent == [
        ("PUT", "/cache/orders?key=k%201&ttl_seconds=60", "application/octet-stream", b"text"),
        ("PUT", "/cache/orders?key_base64=_-8%3D&ttl_seconds=60", "application/octet-stream", b"text"),
        ("POST", "/topics/orders/a%2Fb", "text/plain", b"text"),
    ]


@pytest.mark.parametrize("ttl", [60, "60"])
def test_a_ttl_may_be_a_number_or_a_string(function: Deployed, ttl: int | str) -> None:
    assert function.invoke(set_item(ttl=ttl)) == []
    assert function.momento.items[CACHE, b"k"].ttl_seconds == 60


ARRAYS = [["a"], [""], ["a", ["ü"]], ["a", {"b": [1, 2.5, None]}], ["a", {}]]


def test_an_array_that_only_the_functions_rule_takes_arrives_as_json(function: Deployed) -> None:
    for number, array in enumerate(ARRAYS):
        assert function.invoke(set_item(array, key=f"k{number}")) == []
        value = function.momento.items[CACHE, f"k{number}".encode()].value
        assert value == json.dumps(array, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("array", [["a", 1], [None, "a"], [[1], "a"], ["a", [True]]])
def test_an_array_that_the_api_destination_sends_too_is_left_to_it(function: Deployed, array: list) -> None:
    assert function.invoke(set_item(array), publish(array)) == []
    assert function.momento.requests == []
    assert function.queue.messages == []


@pytest.mark.parametrize(
    "event", [set_item(cache=""), set_item(key=""), set_item(key_base64=""), publish(topic=""), publish(cache="")]
)
def test_an_empty_name_is_left_to_the_rule_for_invalid_events(function: Deployed, event: dict) -> None:
    assert function.invoke(event) == []
    assert function.momento.requests == []
    assert function.queue.messages == []


# ---- What is refused

INVALID = {
    "no JSON": ("not an event", "JSONDecodeError"),
    "no message": ({**set_item(), "detail": {"cacheName": CACHE, "key": "k", "ttl": 60}}, "KeyError('message')"),
    "no ttl": ({**set_item(), "detail": {"cacheName": CACHE, "key": "k", "message": "x"}}, "KeyError('ttl')"),
    "an array as cache": (set_item(cache=["orders"]), "names and keys must be strings"),
    "an array as topic": (publish(topic=["t"]), "names and keys must be strings"),
    "an array as key": (set_item(key=["k"]), "KeyError('key_base64')"),
    "half a character": (set_item("\ud83d"), "surrogates not allowed"),
    "half a character as key": (set_item(key="\ud83d"), "surrogates not allowed"),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_event_that_is_not_a_request_is_a_dead_letter_with_its_reason(function: Deployed, case: str) -> None:
    event, reason = INVALID[case]
    assert function.invoke(event, set_item("good")) == []
    ((body, code, message),) = function.queue.messages
    assert body == (event if isinstance(event, str) else json.dumps(event))
    assert (code, reason in message) == ("InvalidEvent", True), message
    assert [request.body for request in function.momento.requests] == [b"good"]


@pytest.mark.parametrize("status", [300, 400, 402, 403, 404, 405, 407, 409, 413, 422])
def test_what_momento_refuses_is_a_dead_letter_at_once(function: Deployed, status: int) -> None:
    function.momento.fault = lambda method, target: status if "bad" in target else None
    bad = set_item(key="bad")
    assert function.invoke(set_item(), bad, publish()) == []
    assert function.queue.messages == [(json.dumps(bad), str(status), "a fault of the test")]
    assert [request.status for request in function.momento.requests] == [204, status, 204]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_what_momento_may_accept_later_stays_in_the_queue_and_fails_no_other_message(
    function: Deployed, status: int
) -> None:
    function.momento.fault = lambda method, target: status if "bad" in target else None
    assert function.invoke(set_item(), set_item(key="bad"), publish()) == [1]
    assert function.queue.messages == []
    assert [request.status for request in function.momento.requests] == [204, status, 204]


def test_a_reason_is_cut_to_what_an_attribute_may_hold(function: Deployed) -> None:
    for text, expected in (("", "404"), ("é\n\u0000", "???"), ("x" * 5000, "x" * 1000)):
        function.module.move_to_dead_letters("body", "404", text)
        assert function.queue.messages.pop() == ("body", "404", expected)


def test_a_reason_that_is_not_utf_8_is_accepted(function: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = SimpleNamespace(status=404, read=lambda: b"caf\xe9")
    monkeypatch.setattr(function.module.momento.http, "getresponse", lambda: answer)
    assert function.invoke(set_item()) == []
    assert function.queue.messages == [(json.dumps(set_item()), "404", "caf?")]


def test_what_the_dead_letter_queue_does_not_take_stays_in_the_queue(function: Deployed) -> None:
    function.queue.is_down = True
    assert function.invoke("not an event", set_item(cache="unknown"), set_item()) == [0, 1]


# ---- The API key


def test_the_key_is_read_once_and_without_white_space_around_it(function: Deployed) -> None:
    function.secrets.values = [f"{KEY}\n"]
    assert function.invoke(set_item(), publish()) == []
    assert function.invoke(set_item()) == []
    assert function.secrets.reads == 1


def test_after_a_401_the_key_is_read_again_and_the_request_repeated(function: Deployed) -> None:
    assert function.invoke(set_item()) == []
    function.momento.api_key = "new"
    function.secrets.values = [KEY, "new"]
    assert function.invoke(set_item("second"), publish()) == []
    assert [request.status for request in function.momento.requests] == [204, 401, 204, 204]
    assert function.secrets.reads == 2


def test_a_key_that_momento_does_not_take_costs_two_requests_a_batch(function: Deployed) -> None:
    function.momento.api_key = "another"
    assert function.invoke(*[set_item()] * 10) == list(range(10))
    assert [request.status for request in function.momento.requests] == [401, 401]
    assert function.secrets.reads == 2
    assert function.queue.messages == []
    function.secrets.values = ["another"]
    assert function.invoke(*[set_item()] * 10) == []


def test_messages_stay_in_the_queue_while_the_secret_cannot_be_read(function: Deployed) -> None:
    function.secrets.values = [None, None, KEY]
    assert function.invoke(set_item(), publish()) == [0, 1]
    assert function.invoke(set_item(), publish()) == []


NO_KEYS = {
    "a line break": "eyJhbGci\nOiJIUzI1",
    "two lines": "eyJhbGci\r\nOiJIUzI1",
    "letters outside Latin-1": "eyJhbGci-ключ",
    "a space": "eyJhbGci OiJIUzI1",
    "JSON": '{"eyJhbGci":"OiJIUzI1"}',
    "nothing": "",
}


@pytest.mark.parametrize("case", NO_KEYS)
def test_an_invalid_key_is_reported_without_its_value_and_the_next_valid_one_is_used(
    function: Deployed, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    function.secrets.values = [NO_KEYS[case], KEY]
    assert function.invoke(set_item(), publish()) == [0, 1]
    assert function.momento.requests == []
    assert "The secret does not hold a Momento API key" in caplog.text
    for part in filter(None, re.split(r"[^\w-]+", NO_KEYS[case])):
        assert part not in caplog.text
    assert function.invoke(set_item(), publish()) == []
    assert function.queue.messages == []


# ---- The connection


def test_after_any_error_the_next_request_has_a_connection_of_its_own(function: Deployed) -> None:
    assert function.invoke(set_item()) == []
    with pytest.raises(ValueError):
        function.module.momento.send("PUT", "/cache/orders?key=k", b"", {"Authorization": "two\nlines"})
    assert function.invoke(set_item()) == []
    assert function.momento.connections == 2


def test_one_connection_is_kept_for_all_messages(function: Deployed) -> None:
    for _ in range(5):
        assert function.invoke(*[set_item()] * 10) == []
    assert function.momento.connections == 1


@pytest.mark.parametrize("fault", [RESET, GARBAGE])
def test_a_used_connection_that_breaks_is_opened_again_without_a_failure(function: Deployed, fault: str) -> None:
    assert function.invoke(set_item()) == []
    function.momento.fault = once(fault)
    assert function.invoke(publish()) == []
    assert function.momento.connections == 2
    assert function.momento.messages[CACHE, "t"] == [b"text"]


def once(fault: int | str) -> Callable[[str, str], int | str | None]:
    faults = [fault]
    return lambda method, target: faults.pop() if faults else None


@pytest.mark.parametrize("fault", [RESET, HANG, GARBAGE])
def test_a_connection_that_breaks_leaves_the_message_in_the_queue(function: Deployed, fault: str) -> None:
    function.module.MOMENTO_TIMEOUT_SECONDS = function.module.momento.http.timeout = 0.2
    function.momento.fault = lambda method, target: fault if "bad" in target else None
    assert function.invoke(set_item(key="bad"), set_item(key="good")) == [0]
    assert (CACHE, b"good") in function.momento.items
    function.momento.fault = lambda method, target: None
    assert function.invoke(set_item(key="bad")) == []


def test_messages_stay_in_the_queue_while_momento_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with MomentoStandIn(KEY, caches={CACHE}) as closed:
        function = load(monkeypatch, closed)
    assert function.invoke(set_item(), publish()) == [0, 1]


def test_no_request_is_begun_that_the_functions_timeout_could_cut_off(function: Deployed) -> None:
    longest = function.module.LONGEST_DELIVERY_MILLISECONDS
    assert function.invoke(set_item(), publish(), milliseconds=longest - 1) == [0, 1]
    assert function.momento.requests == []
    template = read_template((ROOT / "api-destinations.yaml").read_text(encoding="utf-8"))
    assert longest < template["Resources"]["TextFunction"]["Properties"]["Timeout"] * 1000


# ---- TLS


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A new certificate for a name, and a server's context with it."""
    key, chain = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName={name}", "-addext", "keyUsage=digitalSignature,keyCertSign"]
    subprocess.run([*command, *names, "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return chain, context


@pytest.mark.parametrize(
    ("name", "is_trusted", "failures"),
    [("IP:127.0.0.1", True, []), ("IP:127.0.0.1", False, [0]), ("DNS:momento.example", True, [0])],
    ids=["trusted", "unknown issuer", "another name"],
)
def test_a_request_goes_only_to_a_server_that_proves_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, is_trusted: bool, failures: list[int]
) -> None:
    chain, context = certificate(tmp_path, name)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    with MomentoStandIn(KEY, caches={CACHE}, tls=context) as momento:
        function = load(monkeypatch, momento)
        assert momento.url.startswith("https:")
        assert function.invoke(set_item()) == failures
        assert len(momento.requests) == (0 if failures else 1)
        if not failures:
            assert function.invoke(publish()) == []
            assert momento.connections == 1


# ---- The log


def test_the_log_says_what_stays_and_why_and_holds_neither_key_nor_payload(
    function: Deployed, caplog: pytest.LogCaptureFixture
) -> None:
    function.momento.fault = lambda method, target: 429
    assert function.invoke(set_item("a secret payload")) == [0]
    assert caplog.messages == ["Message 0 stays in the queue: Retry: Momento responded with 429: a fault of the test"]
    function.momento.fault = lambda method, target: None
    function.secrets.values = ["a bad key"]
    assert function.invoke(set_item("a secret payload")) == []
    assert "a secret payload" not in caplog.text and "key" not in caplog.text
