"""The Momento Function, in front of the deployed handler: what it sends, publishes, and responds."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
from wasmtime.component import Variant

from tools.json_http import JsonHandler
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.function_host import AFTER, BEFORE, DOCUMENTED, DOCUMENTED_OF_WASI, Buffer, MomentoFunction
from tools.momento.webhook import Answer, now, post, sign
from tools.paths import ARCHITECTURE, ROOT
from tools.waiting import free_port, wait_for

# Among them is the build of the Function.
pytestmark = pytest.mark.timeout(600)

BUS = STACK = "momento-function"
SECRET = "of-the-function"
CACHE = "serverless"
CANNOT_BE_BUILT = 69
NEITHER, UNKNOWN, STORED = "Neither stored nor published. ", "Not published, and possibly stored. ", "Stored, but not "
TOPIC_ERRORS = [
    Variant(name, *([] if name in ("internal-error", "request-cancelled", "timeout") else ["told by Momento"]))
    for name in (
        "internal-error",
        "request-cancelled",
        "invalid-argument",
        "timeout",
        "permission-denied",
        "limit-exceeded",
        "failed-precondition",
        "not-found",
    )
]


@pytest.fixture(scope="module")
def wasm() -> Path:
    done = subprocess.run([ROOT / "scripts" / "function", "--quiet"], stderr=subprocess.PIPE, text=True)
    if done.returncode == CANNOT_BE_BUILT:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return ROOT / "build" / "momento_function.wasm"


@dataclass
class Handler:
    """The deployed handler, and what it needs."""

    aws: LocalAws
    gate: EventBridgeGate
    outputs: dict[str, str]

    @property
    def url(self) -> str:
        return self.aws.function_url_local(self.outputs["FunctionUrl"])


@pytest.fixture(scope="module")
def handler(wasm: Path, aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]) -> Iterator[Handler]:
    make_bus(BUS)
    parameters = {"MomentoSecretString": SECRET, "EventBridgeBus": BUS, "Architecture": ARCHITECTURE}
    handler = Handler(aws, gate, aws.deploy(STACK, ROOT / "template.yaml", parameters))
    # The template hides a message for three minutes after each attempt; a test has no time for that.
    queue = {"VisibilityTimeout": "2"}
    aws.client("sqs").set_queue_attributes(QueueUrl=handler.outputs["RetryQueueUrl"], Attributes=queue)
    yield handler
    aws.delete(STACK)


@pytest.fixture(scope="module")
def component(wasm: Path) -> Iterator[MomentoFunction]:
    with MomentoFunction(wasm, CACHE, {}) as function:
        yield function


@pytest.fixture
def function(component: MomentoFunction, handler: Handler) -> MomentoFunction:
    component.variables = {"WEBHOOK_URL": handler.url, "SIGNING_SECRET": SECRET}
    component.fault = component.topic_fault = lambda: None
    component.tokens.clear()
    component.invocations.clear()
    handler.gate.take()
    return component


def details(gate: EventBridgeGate) -> list[bytes]:
    return [entry["Detail"].encode() for entry in gate.take()]


def test_it_imports_only_what_momento_documents(component: MomentoFunction) -> None:
    assert component.imports >= DOCUMENTED
    assert [name for name in component.imports - DOCUMENTED if not name.startswith(DOCUMENTED_OF_WASI)] == []


def test_the_event_is_on_the_bus_as_it_was_signed_and_the_message_on_the_topic(
    function: MomentoFunction, handler: Handler
) -> None:
    began = now()
    answer, invocation = function.invoke(b"hello", {"topic": "greetings"}, "the-publisher")

    assert (answer.status, answer.message) == (200, "Success")
    assert answer.headers["content-type"] == "application/json"
    [(headers, body)] = invocation.sent
    assert headers["momento-signature"] == sign(SECRET, body)
    event = json.loads(body)
    at = event["event_timestamp"]
    assert began <= at <= now()
    assert list(event.items()) == [
        ("cache", CACHE),
        ("topic", "greetings"),
        ("event_timestamp", at),
        ("publish_timestamp", at),
        ("token_id", "the-publisher"),
        ("text", "hello"),
    ]
    [entry] = handler.gate.take()
    assert entry.pop("TraceHeader", "Root=").startswith("Root=")
    assert entry == {
        "Source": "Momento",
        "DetailType": "serverless#greetings",
        "Detail": body.decode(),
        "EventBusName": BUS,
    }
    assert invocation.published == [("greetings", "hello")]


def test_a_caller_without_an_identity_has_an_empty_one(function: MomentoFunction) -> None:
    _, invocation = function.invoke(b"hello", {"topic": "greetings"})
    assert json.loads(invocation.sent[0][1])["token_id"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 4096,
        "\x01" * 4096,
        "\0" * 4096,
        "é" * 2048,
        "\U0001f980" * 1024,
        '{"json": "in \\"json\\""}\r\n\u2028\ufeff',
    ],
    ids=["empty", "4,096 letters", "4,096 control characters", "4,096 zeros", "2,048 é", "1,024 crabs", "JSON"],
)
def test_a_text_arrives_unchanged(text: str, function: MomentoFunction, handler: Handler) -> None:
    answer, invocation = function.invoke(text.encode(), {"topic": "texts"})
    assert (answer.status, answer.message) == (200, "Success")
    [detail] = details(handler.gate)
    assert detail == invocation.sent[0][1]
    assert json.loads(detail)["text"] == text
    assert invocation.published == [("texts", text)]


@pytest.mark.parametrize("topic", ["a b&c=d?#/%41+", 'quote"and\\slash', "überall", "線", "x" * 300, "\n"])
def test_a_topic_with_any_name_is_served_over_http(topic: str, function: MomentoFunction, handler: Handler) -> None:
    answer = invoke_over_http(function, topic, b"hello")
    assert (answer.status, answer.message) == (200, "Success")
    [detail] = details(handler.gate)
    assert json.loads(detail)["topic"] == topic
    assert function.messages == [(topic, "hello")]


def invoke_over_http(function: MomentoFunction, topic: str, text: bytes, key: str = "key-of-the-publisher") -> Answer:
    function.tokens["key-of-the-publisher"] = "the-publisher"
    return post(f"{function.url}?{urlencode({'topic': topic})}", text, [("Authorization", key)])


def test_a_key_that_may_not_invoke_neither_stores_nor_publishes(function: MomentoFunction) -> None:
    assert invoke_over_http(function, "greetings", b"hello", key="another").status == 401
    assert function.invocations == []


ONE_TOO_MANY = ["x" * 4097, "x" * 4095 + "é", "x" * 100_000]
REFUSED = {
    "no topic": ({}, {}, b"hello", 400, "Name the topic: add ?topic=NAME to the URL."),
    "an empty topic": ({}, {"topic": ""}, b"hello", 400, "Name the topic: add ?topic=NAME to the URL."),
    "another topic": (
        {"TOPIC": "only"},
        {"topic": "other"},
        b"hello",
        400,
        'This Function publishes to the topic "only" only.',
    ),
    "no UTF-8": ({}, {"topic": "greetings"}, b"\xff", 400, "The message must be UTF-8 text."),
    "half a character": ({}, {"topic": "greetings"}, "é".encode()[:1], 400, "The message must be UTF-8 text."),
    **{
        f"{len(text.encode())} bytes of {text[-1]}": (
            {},
            {"topic": "greetings"},
            text.encode(),
            413,
            "The message must be at most 4,096 bytes.",
        )
        for text in ONE_TOO_MANY
    },
    **{
        f"{name} {'empty' if value == '' else 'unset'}": (
            {name: value},
            {"topic": "greetings"},
            b"hello",
            500,
            f"{name} is not set. Deploy this Function with that environment variable.",
        )
        for name in ("WEBHOOK_URL", "SIGNING_SECRET")
        for value in ("", None)
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_sent_and_nothing_published_for(name: str, function: MomentoFunction) -> None:
    variables, query, text, status, message = REFUSED[name]
    given = function.variables | variables
    function.variables = {name: value for name, value in given.items() if value is not None}
    answer, invocation = function.invoke(text, query)
    assert (answer.status, answer.message) == (status, message)
    assert (invocation.sent, invocation.published) == ([], [])


def test_a_message_that_breaks_off_is_neither_stored_nor_published(function: MomentoFunction) -> None:
    answer, invocation = function.invoke(Buffer(b"hello", breaks=True), {"topic": "greetings"})
    assert (answer.status, answer.message) == (400, "The message did not arrive completely. Send it again.")
    assert (invocation.sent, invocation.published) == ([], [])


@pytest.mark.parametrize("query", [{}, {"topic": ""}, {"topic": "only"}])
def test_a_function_for_one_topic_needs_none_in_the_query(query: dict[str, str], function: MomentoFunction) -> None:
    function.variables = {**function.variables, "TOPIC": "only"}
    answer, invocation = function.invoke(b"hello", query)
    assert answer.status == 200
    assert invocation.published == [("only", "hello")]


def assert_not_published(function: MomentoFunction, message: str) -> None:
    answer, invocation = function.invoke(b"hello", {"topic": "greetings"})
    assert (answer.status, answer.message) == (502, f"{message} Send the message again.")
    assert invocation.published == []


def test_a_wrong_secret_is_a_502_and_nothing_is_stored_or_published(
    function: MomentoFunction, handler: Handler
) -> None:
    function.variables = {**function.variables, "SIGNING_SECRET": "another"}
    assert_not_published(function, f"{NEITHER}The handler responded with 403.")
    assert details(handler.gate) == []


def test_a_message_is_published_while_the_bus_is_down_and_its_event_is_on_the_bus_later(
    function: MomentoFunction, handler: Handler
) -> None:
    with handler.gate.refusing():
        answer, invocation = function.invoke(b"hello", {"topic": "greetings"})
        assert (answer.status, answer.message) == (202, "Queued")
        assert invocation.published == [("greetings", "hello")]
    assert wait_for("the event", lambda: details(handler.gate), 30) == [invocation.sent[0][1]]


def test_nothing_is_published_if_the_handler_hangs(function: MomentoFunction) -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_responds:
        port = never_responds.getsockname()[1]
        function.variables = {**function.variables, "WEBHOOK_URL": f"http://127.0.0.1:{port}"}
        began = time.monotonic()
        assert_not_published(function, f"{UNKNOWN}The handler did not respond within 5 s.")
        assert 4.9 < time.monotonic() - began < 8


def test_nothing_is_published_if_the_handler_cannot_be_reached(function: MomentoFunction) -> None:
    for url, reason in {
        f"http://127.0.0.1:{free_port()}": "The handler could not be reached.",
        "abc.lambda-url.us-east-1.on.aws": "WEBHOOK_URL of this Function is not a valid URL.",
    }.items():
        function.variables = {**function.variables, "WEBHOOK_URL": url}
        assert_not_published(function, NEITHER + reason)


def test_nothing_is_published_if_tls_fails(function: MomentoFunction, handler: Handler) -> None:
    function.variables = {**function.variables, "WEBHOOK_URL": handler.url.replace("http:", "https:")}
    assert_not_published(function, f"{NEITHER}The TLS connection to the handler failed.")


def test_a_lost_response_is_distinguished_from_a_missing_one(function: MomentoFunction, handler: Handler) -> None:
    function.fault = lambda: AFTER
    assert_not_published(function, f"{UNKNOWN}The connection to the handler broke.")
    assert len(details(handler.gate)) == 1


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (200, b"<html>Welcome</html>", f"{NEITHER}The handler responded with 200."),
        (200, b'{"message":"Queued"}', f"{NEITHER}The handler responded with 200."),
        (200, b'{"message":"Success","and":"%s"}' % (b"x" * 2000), f"{NEITHER}The handler responded with 200."),
        (202, b"", f"{NEITHER}The handler responded with 202."),
        (204, b"", f"{NEITHER}The handler responded with 204."),
        (302, b"", f"{NEITHER}The handler responded with 302."),
        (404, b'{"message":"Success"}', f"{NEITHER}The handler responded with 404."),
        (429, b"", f"{NEITHER}The handler responded with 429."),
        (500, b'{"message":"Internal Server Error"}', f"{NEITHER}The handler responded with 500."),
        (502, b"Internal Server Error", f"{UNKNOWN}AWS responded in place of the handler."),
        (504, b"", f"{UNKNOWN}AWS responded in place of the handler."),
    ],
)
def test_only_the_handlers_own_word_publishes(
    status: int, content: bytes, reason: str, function: MomentoFunction
) -> None:
    class Other(JsonHandler):
        def do_POST(self) -> None:
            self.body()
            self.answer(status, content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        function.variables = {**function.variables, "WEBHOOK_URL": f"http://127.0.0.1:{server.server_port}/"}
        # The connection that the host keeps would keep the server, too.
        server.daemon_threads, server.block_on_close = True, False
        assert_not_published(function, reason)
        server.shutdown()


@pytest.mark.parametrize("error", TOPIC_ERRORS, ids=lambda error: error.tag)
def test_the_publisher_is_told_that_an_event_is_stored_whose_message_the_topic_did_not_accept(
    error: Variant, function: MomentoFunction, handler: Handler
) -> None:
    function.topic_fault = lambda: error
    answer, invocation = function.invoke(b"hello", {"topic": "greetings"})
    assert answer.status == 502
    assert answer.message.startswith(f"{STORED}published: ")
    assert answer.message.endswith(". If you send the message again, its event is on the bus twice.")
    assert (error.payload or "") in answer.message
    assert invocation.published == []
    assert details(handler.gate) == [invocation.sent[0][1]]


PUBLISHER = ROOT / "examples" / "publisher.mjs"


def run_publisher(function: MomentoFunction, text: str, key: str) -> subprocess.CompletedProcess[str]:
    """Runs the JavaScript publisher as its first lines say."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("The JavaScript publisher needs Node.js 18 or later.")
    function.tokens["key-of-the-publisher"] = "the-publisher"
    environment = {"FUNCTION_URL": function.url, "MOMENTO_API_KEY": key}
    command = [node, PUBLISHER, "a topic/ü", text]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_the_javascript_publisher_sends_a_message_again_until_it_is_stored_and_published(
    function: MomentoFunction, handler: Handler
) -> None:
    requests = iter([BEFORE, AFTER, None, None])
    publishes = iter([Variant("limit-exceeded", "too many"), None])
    function.fault, function.topic_fault = lambda: next(requests), lambda: next(publishes)
    done = run_publisher(function, "Hello, bus!", "key-of-the-publisher")
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")
    assert function.messages == [("a topic/ü", "Hello, bus!")]
    assert [json.loads(detail)["text"] for detail in details(handler.gate)] == ["Hello, bus!"] * 3


def test_the_javascript_publisher_gives_up_at_once_where_the_same_request_would_fail_again(
    function: MomentoFunction,
) -> None:
    refused = run_publisher(function, "Hello, bus!", "another-key")
    assert refused.returncode == 1
    assert "Not published after 1 attempt(s): 401" in refused.stderr
    too_long = run_publisher(function, "x" * 4097, "key-of-the-publisher")
    assert too_long.returncode == 1
    assert "Not published after 1 attempt(s): 413" in too_long.stderr
    assert function.messages == []
