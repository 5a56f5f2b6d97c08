"""A stand-in for Momento: the part of its HTTP API that this project uses, and its webhooks.

It accepts a request only as Momento's documentation describes it, and keeps what it accepted: `items`, `messages` and a
record of every request in `requests`. It answers 401 to a wrong API key, 404 to an unknown cache or path, 405 to
another method, and 400 to both keys, neither, an empty one, a key_base64 that is not URL-safe base64, a ttl that is not
a whole number above 0, an unknown or repeated parameter, and an API key in both the header and the query.

`fault` makes requests fail: it is called with the method and the URL of each, and answers None, the status to respond
with, RESET, HANG or GARBAGE. `connections` counts the connections that were accepted. With `tls`, it listens on HTTPS.

A topic with a webhook (`add_webhook`) posts each of its messages once, signed, as Momento does.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tools.momento.webhook import Answer, now, post_signed
from tools.waiting import wait_for

RESET, HANG, GARBAGE = "reset", "hang", "garbage"
LINGER_AND_RESET = struct.pack("ii", 1, 0)


class Refused(Exception):
    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Item:
    value: bytes
    ttl_seconds: int


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    content_type: str
    body: bytes
    status: int
    reason: str


@dataclass
class Webhook:
    url: str
    secret: str
    sequence: int = 0


class MomentoStandIn:
    def __init__(self, api_key: str, caches: set[str], tls: ssl.SSLContext | None = None):
        self.api_key = api_key
        self.caches = caches
        self.items: dict[tuple[str, bytes], Item] = {}
        self.messages: dict[tuple[str, str], list[bytes]] = {}
        self.requests: list[Request] = []
        self.webhook_answers: list[Answer] = []
        self.connections = 0
        self.fault: Callable[[str, str], int | str | None] = no_fault
        self._closing = threading.Event()
        self._webhooks: dict[tuple[str, str], Webhook] = {}
        self._deliveries: list[threading.Thread] = []
        self._lock = threading.RLock()
        self._server = CountingServer(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self) -> MomentoStandIn:
        return self

    def __exit__(self, *_: object) -> None:
        for delivery in self._deliveries:
            delivery.join(10)
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def add_webhook(self, cache: str, topic: str, url: str, secret: str) -> None:
        self._webhooks[cache, topic] = Webhook(url, secret)

    def publish(self, cache: str, topic: str, message: bytes, token_id: str = "") -> None:
        """A message on a topic, from a publisher whose token carries this identity."""
        with self._lock:
            self.messages.setdefault((cache, topic), []).append(message)
            webhook = self._webhooks.get((cache, topic))
            if webhook is None:
                return
            body = {
                "cache": cache,
                "topic": topic,
                "event_timestamp": now(),
                "publish_timestamp": now(),
                "topic_sequence_number": webhook.sequence,
                "token_id": token_id,
                "text": message.decode(),
            }
            webhook.sequence += 1
            delivery = threading.Thread(target=self._deliver, args=(webhook, body), daemon=True)
            self._deliveries.append(delivery)
        delivery.start()

    def _deliver(self, webhook: Webhook, body: dict) -> None:
        encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        answer = post_signed(webhook.url, webhook.secret, encoded)
        with self._lock:
            self.webhook_answers.append(answer)

    def wait_for_item(self, cache: str, key: bytes | str) -> Item:
        wanted = (cache, key.encode() if isinstance(key, str) else key)

        def item() -> Item | None:
            with self._lock:
                return self.items.get(wanted)

        return wait_for(f"the item {wanted} at Momento", item)

    def wait_for_messages(self, cache: str, topic: str, count: int = 1) -> list[bytes]:
        def messages() -> list[bytes] | None:
            with self._lock:
                arrived = self.messages.get((cache, topic), [])
                return list(arrived) if len(arrived) >= count else None

        return wait_for(f"{count} messages on {cache}/{topic}", messages)

    def count_connection(self) -> None:
        with self._lock:
            self.connections += 1

    def hang(self) -> None:
        """Until the client gives up, or the stand-in closes."""
        self._closing.wait(60)

    def take_request(self, method: str, target: str, headers: Any, body: bytes) -> Request | str:
        """Does what the request asks or refuses it, and records it; or answers how the connection is to fail."""
        status, reason = 204, ""
        with self._lock:
            fault = self.fault(method, target)
            if isinstance(fault, str):
                return fault
            try:
                if fault is not None:
                    raise Refused(fault, "a fault of the test")
                self._do(method, target, headers, body)
            except Refused as refused:
                status, reason = refused.status, str(refused)
            request = Request(method, target, headers.get("Content-Type", ""), body, status, reason)
            self.requests.append(request)
        return request

    def _do(self, method: str, target: str, headers: Any, body: bytes) -> None:
        parts = urlsplit(target)
        query = self._query(parts.query)
        self._authorize(headers, query)
        segments = [unquote(segment, errors="strict") for segment in parts.path.split("/")[1:]]
        match method, segments:
            case "PUT", ["cache", cache] if cache:
                self._require_cache(cache)
                key, ttl = self._key(query), self._ttl(query)
                self._require_nothing_else(query)
                self.items[cache, key] = Item(body, ttl)
            case "DELETE", ["cache", cache] if cache:
                self._require_cache(cache)
                key = self._key(query)
                self._require_nothing_else(query)
                self.items.pop((cache, key), None)
            case "POST", ["topics", cache, topic] if cache and topic:
                self._require_cache(cache)
                self._require_nothing_else(query)
                if headers.get("Content-Type") not in ("text/plain", "application/octet-stream"):
                    raise Refused(400, "a message is text/plain or application/octet-stream")
                self.publish(cache, topic, body)
            case _, (["cache", _] | ["topics", _, _]) if all(segments):
                raise Refused(405, "no such method here")
            case _:
                raise Refused(404, "no such path")

    def _query(self, text: str) -> dict[str, str]:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
        query = dict(pairs)
        if len(query) != len(pairs):
            raise Refused(400, "a parameter is given twice")
        return query

    def _authorize(self, headers: Any, query: dict[str, str]) -> None:
        in_header, in_query = headers.get("Authorization"), query.pop("token", None)
        if in_header is not None and in_query is not None:
            raise Refused(400, "the key is in the header and in the query")
        if (in_header if in_query is None else in_query) != self.api_key:
            raise Refused(401, "no valid key")

    def _require_cache(self, cache: str) -> None:
        if cache not in self.caches:
            raise Refused(404, "no such cache")

    def _require_nothing_else(self, query: dict[str, str]) -> None:
        if query:
            raise Refused(400, f"unknown parameters: {', '.join(query)}")

    def _key(self, query: dict[str, str]) -> bytes:
        plain, encoded = query.pop("key", None), query.pop("key_base64", None)
        if plain is not None and encoded is not None:
            raise Refused(400, "both key and key_base64")
        if plain:
            return plain.encode()
        if encoded:
            try:
                return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            except binascii.Error:
                raise Refused(400, "key_base64 is not URL-safe base64") from None
        raise Refused(400, "no key")

    def _ttl(self, query: dict[str, str]) -> int:
        ttl = query.pop("ttl_seconds", "")
        if not (ttl.isascii() and ttl.isdigit() and int(ttl) > 0):
            raise Refused(400, "ttl_seconds is not a whole number above 0")
        return int(ttl)


def no_fault(_method: str, _target: str) -> None:
    return None


class CountingServer(ThreadingHTTPServer):
    request_queue_size = 100

    def __init__(self, momento: MomentoStandIn):
        self.momento = momento
        super().__init__(("127.0.0.1", 0), handler_of(momento))

    def process_request(self, request: Any, client_address: Any) -> None:
        self.momento.count_connection()
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that gave up."""


def handler_of(momento: MomentoStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = momento.take_request(self.command, self.path, self.headers, body)
            if isinstance(request, str):
                self.fail(request)
                return
            self.send_response(request.status)
            if request.status != 204:
                self.send_header("Content-Length", str(len(request.reason)))
            self.end_headers()
            if request.status != 204:
                self.wfile.write(request.reason.encode())

        def fail(self, how: str) -> None:
            self.close_connection = True
            if how == GARBAGE:
                self.wfile.write(b"This is not HTTP.\r\n\r\n")
                return
            if how == HANG:
                momento.hang()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_AND_RESET)
            os.close(self.connection.detach())

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
