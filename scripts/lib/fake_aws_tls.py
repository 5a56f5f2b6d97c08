"""The three calls of AWS that the functions make, answered over TLS, and the entries that arrived."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from pathlib import Path

from json_http import JsonHandler
from runtime_api import Server


class FakeAws:
    """Answers at `url` until close(); `roots` is the file with the authority that signed its certificate."""

    def __init__(self, folder: Path, secret: str):
        self.entries: list[dict] = []
        self.roots = folder / "roots.pem"
        self._secret = secret
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._certificate(folder))
        self._server = Server(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _certificate(self, folder: Path) -> tuple[Path, Path]:
        # An authority and a certificate of its own for the server: rustls refuses one that is both.
        key, certificate, authority_key = folder / "server.key", folder / "server.pem", folder / "roots.key"
        elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        request = ["openssl", "req", "-x509", *elliptic]
        for command in (
            [*request, "-subj", "/CN=test authority", "-keyout", authority_key, "-out", self.roots],
            [
                *request,
                *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
                *("-addext", "basicConstraints=critical,CA:FALSE", "-CA", self.roots, "-CAkey", authority_key),
                *("-keyout", key, "-out", certificate),
            ],
        ):
            subprocess.run(command, check=True, capture_output=True)
        return certificate, key

    def _answer(self, target: str, request: dict) -> tuple[int, dict]:
        match target.rpartition(".")[2]:
            case "GetSecretValue" if request.get("VersionStage") in (None, "AWSCURRENT"):
                return 200, {"SecretString": self._secret, "CreatedDate": time.time() - 7 * 86_400}
            case "GetSecretValue":
                return 400, {"__type": "ResourceNotFoundException"}
            case "DescribeEventBus":
                return 200, {"Name": request["Name"]}
            case "PutEvents":
                self.entries += request["Entries"]
                return 200, {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in request["Entries"]]}
            case _:
                return 400, {"__type": "UnknownOperationException"}

    def _handler(self) -> type[JsonHandler]:
        fake = self

        class Handler(JsonHandler):
            def do_POST(self) -> None:
                status, answer = fake._answer(self.headers["X-Amz-Target"], json.loads(self.body()))
                self.answer(status, json.dumps(answer).encode())

        return Handler
