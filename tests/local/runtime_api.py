"""Lambda's runtime API, as far as a function needs it: hands events straight to a binary and takes its answers."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import uuid
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import IO

from json_http import JsonHandler
from local_aws import wait_for

PREFIX = "/2018-06-01/runtime/"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # Who speaks to it is killed at the end, whatever it waits for; that is no news.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """Runs `binary` with `environment` alone, until close(). Its log goes to `log`."""

    def __init__(self, binary: Path, environment: dict[str, str], log: IO[bytes]):
        self._events: queue.Queue[tuple[str, str, bytes]] = queue.Queue()
        self._answers: dict[str, queue.Queue[tuple[str, bytes]]] = {}
        self._server = Server(("127.0.0.1", 0), self._handler())
        # Looks often, since a test waits for the end.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self._process = subprocess.Popen(
            [binary],
            env={
                "PATH": os.environ["PATH"],
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
                "AWS_LAMBDA_FUNCTION_NAME": binary.name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def invoke(self, event: dict, trace: str = "", seconds: float = 20) -> dict:
        """The function's answer to the event; RuntimeError where it reported an error instead."""
        request_id = str(uuid.uuid4())
        answers = self._answers[request_id] = queue.Queue(1)
        self._events.put((request_id, trace, json.dumps(event).encode()))

        def answered() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"The function ended with exit code {self._process.returncode}.")
            return not answers.empty()

        wait_for("the function's answer", answered, seconds, pause=0.001)
        kind, body = answers.get()
        if kind != "response":
            raise RuntimeError(f"The function reported an error: {body.decode(errors='replace')}")
        return json.loads(body)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[JsonHandler]:
        api = self

        class Handler(JsonHandler):
            content_type = "application/json"

            def do_GET(self) -> None:
                request_id, trace, event = api._events.get()
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": "9999999999999",
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:x",
                }
                self.answer(200, event, headers | ({"Lambda-Runtime-Trace-Id": trace} if trace else {}))

            def do_POST(self) -> None:
                body = self.body()
                request_id, _, kind = self.path.removeprefix(f"{PREFIX}invocation/").partition("/")
                if request_id in api._answers:
                    api._answers.pop(request_id).put((kind, body))
                self.answer(202, b"{}")

            def body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return super().body()
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

        return Handler
