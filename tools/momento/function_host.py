"""Runs a Momento Function as Momento's hosts do: in wasmtime, each invocation in an instance of its own, with the
interfaces that Momento documents. HTTP requests are real.

    with MomentoFunction(wasm, "cache", {"WEBHOOK_URL": url, "SIGNING_SECRET": secret}) as function:
        function.invoke(b"hello", {"topic": "greetings"})          # in this process
        post(f"{function.url}?topic=greetings", ...)               # over HTTP, with a key of `function.tokens`
        function.messages                                          # what the topics accepted

- `variables` can be changed at any time, as by a deployment of a new version. `tokens` has the token_id of each key.
- `fault` makes the request to the handler fail: it returns None, BEFORE (no connection), or AFTER (a lost response).
- `topic_fault` makes a publish fail: it returns None or an error of the topic interface.
- `invocations` has what each invocation sent, was answered, and published.
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import urllib3
from wasmtime import Engine, Store, WasiConfig
from wasmtime.component import (
    Component,
    Linker,
    LinkerInstance,
    Record,
    ResourceAny,
    ResourceHost,
    ResourceType,
    Variant,
)

from tools.json_http import JsonHandler
from tools.momento.webhook import Answer

BEFORE, AFTER = "before", "after"
# What Momento documents of each package. Of WASI, it is what Rust's standard library imports.
DOCUMENTED = {
    "momento:web-function/web-function-support@1.0.0",
    "momento:bytes/bytes@1.0.0",
    "momento:http/http@1.1.0",
    "momento:topic/topic@1.0.0",
}
DOCUMENTED_OF_WASI = ("wasi:cli/", "wasi:io/", "wasi:clocks/", "wasi:random/insecure-seed@")
BUFFER = 1
CHUNK = 1000


@dataclass
class Invocation:
    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    published: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Buffer:
    """A body on the host. The Function gets at most CHUNK bytes at a time."""

    content: bytes
    breaks: bool = False

    def read(self, size: int) -> bytes | None:
        chunk, self.content = self.content[: min(size, CHUNK)], self.content[min(size, CHUNK) :]
        return chunk or None


class MomentoFunction:
    def __init__(self, wasm: Path, cache: str, variables: dict[str, str], name: str = "publish"):
        self.cache, self.name, self.variables = cache, name, variables
        self.tokens: dict[str, str | None] = {}
        self.fault: Callable[[], str | None] = lambda: None
        self.topic_fault: Callable[[], Variant | None] = lambda: None
        self.invocations: list[Invocation] = []
        self.engine = Engine()
        self.component = Component.from_file(self.engine, wasm)
        self._http = urllib3.PoolManager(maxsize=16, retries=False)

    def __enter__(self) -> MomentoFunction:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/functions/{self.cache}/{self.name}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._http.clear()

    @property
    def imports(self) -> set[str]:
        return set(self.component.type.imports(self.engine))

    @property
    def messages(self) -> list[tuple[str, str]]:
        return [message for invocation in self.invocations for message in invocation.published]

    def invoke(
        self, body: bytes | Buffer, query: dict[str, str] | None = None, token_id: str | None = None
    ) -> tuple[Answer, Invocation]:
        invocation = Invocation()
        self.invocations.append(invocation)
        store = Store(self.engine)
        wasi = WasiConfig()
        own = {"__CACHE_NAME": self.cache, "__FUNCTION_NAME": self.name, "__INVOCATION_ID": str(uuid.uuid4())}
        wasi.env = list((own | self.variables).items())
        store.set_wasi(wasi)
        buffers = Buffers()
        linker = Linker(self.engine)
        linker.add_wasip2()
        with linker.root() as root:
            support(root, query or {}, token_id)
            buffers.define(root)
            with root.add_instance("momento:http/http@1.1.0") as http:
                http.add_func("invoke", lambda _, request: self._send(invocation, buffers, request, None))
                http.add_func(
                    "invoke-with-timeout", lambda _, request, ms: self._send(invocation, buffers, request, ms / 1000)
                )
            with root.add_instance("momento:topic/topic@1.0.0") as topic:
                topic.add_func("publish", lambda _, name, text: self._publish(invocation, name, text))
        instance = linker.instantiate(store, self.component)
        web = instance.get_export_index(store, "momento:web-function/guest-function-web@1.0.0")
        invoke = instance.get_func(store, instance.get_export_index(store, "invoke", web))
        response = invoke(store, buffers.keep(body if isinstance(body, Buffer) else Buffer(body)))
        headers = {header.name: header.value for header in response.headers}
        return Answer(response.status, headers, buffers.bytes_of(store, response.body)), invocation

    def _send(
        self, invocation: Invocation, buffers: Buffers, request: Record, seconds: float | None
    ) -> Record | Variant:
        fault = self.fault()
        if fault == BEFORE:
            return Variant("connection-failed", "a fault of the test")
        if urlsplit(request.url).scheme not in ("http", "https"):
            return Variant("invalid-url", record(url=request.url, error="relative URL without a base"))
        headers, body = dict(request.headers), request.body
        invocation.sent.append((headers, body))
        try:
            answer = self._http.request(
                request.verb,
                request.url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=seconds),
                redirect=False,
            )
        except urllib3.exceptions.SSLError as error:
            return Variant("tls-error", str(error))
        except urllib3.exceptions.ReadTimeoutError as error:
            return Variant("timeout", str(error))
        except urllib3.exceptions.NewConnectionError as error:
            return Variant("connection-failed", str(error))
        except urllib3.exceptions.ConnectTimeoutError as error:
            return Variant("connect-timeout", str(error))
        except urllib3.exceptions.HTTPError as error:
            return Variant("connection-interrupted", str(error))
        if fault == AFTER:
            return Variant("connection-interrupted", "a fault of the test")
        invocation.answers.append(answer.status)
        return record(
            status=answer.status, headers=list(answer.headers.items()), body=buffers.keep(Buffer(answer.data))
        )

    def _publish(self, invocation: Invocation, topic: str, text: str) -> Variant | None:
        fault = self.topic_fault()
        if fault is None:
            invocation.published.append((topic, text))
        return fault


class Buffers:
    """The resources of the bytes interface, of one invocation."""

    def __init__(self) -> None:
        self._buffers: dict[int, Buffer] = {}
        self._numbers = itertools.count(1)

    def keep(self, buffer: Buffer) -> ResourceHost:
        number = next(self._numbers)
        self._buffers[number] = buffer
        return ResourceHost.own(number, BUFFER)

    def bytes_of(self, store: Store, data: bytes | ResourceAny) -> bytes:
        return data if isinstance(data, bytes) else self._of(store, data).content

    def define(self, root: LinkerInstance) -> None:
        with root.add_instance("momento:bytes/bytes@1.0.0") as instance:
            instance.add_resource("buffer", ResourceType.host(BUFFER), lambda _, number: self._buffers.pop(number))
            instance.add_func("[method]buffer.try-read", self._try_read)

    def _of(self, store: Store, resource: ResourceAny) -> Buffer:
        return self._buffers[resource.to_host(store).rep]

    def _try_read(self, store: Store, resource: ResourceAny, size: int) -> Variant:
        buffer = self._of(store, resource)
        chunk = buffer.read(size)
        return Variant("err", None) if chunk is None and buffer.breaks else Variant("ok", chunk)


def support(root: LinkerInstance, query: dict[str, str], token_id: str | None) -> None:
    """What a Function is told about its invocation."""
    with root.add_instance("momento:web-function/web-function-support@1.0.0") as instance:
        parameters = [record(name=name, value=value) for name, value in query.items()]
        instance.add_func("query-parameters", lambda _: parameters)
        instance.add_func("token-metadata", lambda _: token_id)


def record(**fields: object) -> Record:
    made = Record()
    vars(made).update(fields)
    return made


def handler_of(function: MomentoFunction) -> type[JsonHandler]:
    class Handler(JsonHandler):
        content_type = "application/json"

        def do_POST(self) -> None:
            body, target = self.body(), urlsplit(self.path)
            key = self.headers.get("Authorization")
            if key not in function.tokens:
                self.answer(401, b'{"code":"Unauthorized","message":"Invalid API key."}')
            elif target.path != urlsplit(function.url).path:
                self.answer(404, b'{"code":"NotFound","message":"No such Function."}')
            else:
                query = dict(parse_qsl(target.query, keep_blank_values=True))
                answer, _ = function.invoke(body, query, function.tokens[key])
                self.answer(answer.status, answer.body)

    return Handler
