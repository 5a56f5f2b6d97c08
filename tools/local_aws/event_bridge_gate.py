"""Stands between the functions and the local EventBridge (AWS_ENDPOINT_URL_EVENTBRIDGE): sees each entry as it was put,
byte for byte, and can refuse, as EventBridge does in an outage."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


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
        """While in it, EventBridge answers every call with 503."""
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
            return 503, b'{"__type":"InternalException","message":"refused by the test"}'
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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer is one packet, sent at once.
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                headers = {name.title(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content = gate._forward(self.path, headers, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
