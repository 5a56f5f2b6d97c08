"""Stands in for EventBridge, SQS and Secrets Manager: three functions say what each call is answered, and when.

A function may be exchanged at any time, so that a service fails for a while and heals.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.server import ThreadingHTTPServer

from json_http import JsonHandler

SAID = "Said by the stand-in for AWS."


@dataclass(frozen=True)
class Reply:
    status: int
    content: dict
    # Before it is sent.
    seconds: float = 0


def failure(code: str, status: int = 400, seconds: float = 0) -> Reply:
    return Reply(status, {"__type": code, "message": SAID}, seconds)


def confirmed(entries: list[dict], failed: dict[int, str] | None = None, seconds: float = 0) -> Reply:
    """PutEvents' answer; `failed` gives the code of each entry that EventBridge does not take, by its place."""
    failed = failed or {}
    results = [
        {"ErrorCode": failed[place], "ErrorMessage": SAID} if place in failed else {"EventId": str(uuid.uuid4())}
        for place in range(len(entries))
    ]
    return Reply(200, {"FailedEntryCount": len(failed), "Entries": results}, seconds)


def queued(message: dict, seconds: float = 0) -> Reply:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return Reply(200, {"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest}, seconds)


def secret(text: str) -> Callable[[dict], Reply]:
    """A secret that was never changed."""

    def read(request: dict) -> Reply:
        if request.get("VersionStage", "AWSCURRENT") != "AWSCURRENT":
            return failure("ResourceNotFoundException")
        content = {"ARN": request["SecretId"], "SecretString": text, "CreatedDate": 1_600_000_000.0}
        return Reply(200, {**content, "VersionStages": ["AWSCURRENT"]})

    return read


def described(request: dict) -> Reply:
    return Reply(200, {"Name": request["Name"]})


class StandIns:
    def __init__(self, signing_secret: str):
        self.describe_bus: Callable[[dict], Reply] = described
        self.put_events: Callable[[list[dict]], Reply] = confirmed
        self.send_message: Callable[[dict], Reply] = queued
        self.get_secret: Callable[[dict], Reply] = secret(signing_secret)
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        # Looks often, since a test waits for the end.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _reply(self, target: str, request: dict) -> Reply:
        match target.rpartition(".")[2]:
            case "DescribeEventBus":
                return self.describe_bus(request)
            case "PutEvents":
                return self.put_events(request["Entries"])
            case "SendMessage":
                return self.send_message(request)
            case "GetSecretValue":
                return self.get_secret(request)
        return failure("UnknownOperationException", 404)

    def _handler(self) -> type[JsonHandler]:
        stand_ins = self

        class Handler(JsonHandler):
            def do_POST(self) -> None:
                reply = stand_ins._reply(self.headers.get("X-Amz-Target", ""), json.loads(self.body()))
                if reply.seconds:
                    time.sleep(reply.seconds)
                self.answer(reply.status, json.dumps(reply.content).encode())

        return Handler


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A function that no longer waits has closed its connection, which is no news."""
