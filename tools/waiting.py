"""Waiting for a condition, and ports to listen on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 20, pause: float = 0.05) -> Any:
    """The first true value of `condition`; after `seconds`, a TimeoutError that says what was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"Waited {seconds:g} s for {what}.")
        time.sleep(pause)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_in_use(port: int) -> bool:
    """Whether something listens on the port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
