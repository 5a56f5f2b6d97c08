"""Stands between the functions and the local EventBridge (AWS_ENDPOINT_URL_EVENTBRIDGE): sees each entry as it was put,
byte for byte, and can refuse, as the service does in an outage."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

from tools.json_http import JsonHandler


class EventBridgeGate:
    def __init__(self) -> None:
        self.target = ""
        self._refusing = False
        self._refused = 0
        self._entries: list[dict] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self) -> list[dict]:
        """The entries that EventBridge took since the last call."""
        with self._lock:
            taken, self._entries = self._entries, []
            return taken

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """While in it, EventBridge answers each call with 503."""
        self._refusing, self._refused = True, 0
        try:
            yield
        finally:
            self._refusing = False

    @property
    def refused(self) -> int:
        """Calls that were refused since refusing began."""
        return self._refused

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self._refusing:
            self._refused += 1
            return 503, b'{"__type":"InternalException","message":"The service is unavailable."}'
        connection = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=10)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if headers.get("X-Amz-Target", "").endswith(".PutEvents") and answer.status == 200:
            with self._lock:
                self._entries += json.loads(body)["Entries"]
        return answer.status, content

    def _handler(self) -> type[JsonHandler]:
        gate = self

        class Handler(JsonHandler):
            def do_POST(self) -> None:
                headers = {name.title(): value for name, value in self.headers.items()}
                self.answer(*gate._forward(self.path, headers, self.body()))

        return Handler
