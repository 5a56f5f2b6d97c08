"""The stand-in for a Custom Event Bus as a process, and clients of botocore's for it.

They need the Python environment `botocore`: the local AWS pins an older one that does not know the service."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config

from tools.functions import binaries


def built() -> dict[str, Path]:
    """The stand-in and the functions, by name."""
    return binaries.build("--example", "custom_event_bus")


class StandIn:
    """examples/custom_event_bus.rs, which says what can be asked."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [built()["custom_event_bus"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started = self._read()
        self.url: str = started["url"]
        self.arn: str = started["arn"]

    def ask(self, question: str) -> Any:
        assert self.process.stdin
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self._read()

    def bus(self, name: str) -> str:
        """The ARN of the bus of this name, which says how it fails."""
        return self.arn.replace("/events/", f"/{name}/")

    def client(self, account: str = "111122223333") -> BaseClient:
        """A client of this account, which makes one attempt for each call."""
        return botocore.session.Session().create_client(
            "eventbridgev2",
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=account,
            aws_secret_access_key="secret",
            aws_session_token="token",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0

    def _read(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())
