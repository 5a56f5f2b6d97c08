"""An HTTP server that responds with JSON, for the stand-ins."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler


class JsonHandler(BaseHTTPRequestHandler):
    """Keeps its connection open, answers with JSON, and prints nothing."""

    protocol_version = "HTTP/1.1"
    # An answer is one packet, sent at once.
    disable_nagle_algorithm = True
    wbufsize = -1
    content_type = "application/x-amz-json-1.1"

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
