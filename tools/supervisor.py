"""Runs a command that ends when its starter does, even if that one is killed.

`python -m tools.supervisor STARTER COMMAND…`, where STARTER is a process ID. What the command
itself starts ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import IO

from tools.paths import ROOT


def start(*command: object, environment: dict[str, str], log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Starts the command tied to this process, in the repository root and in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.supervisor", str(os.getpid()), *map(str, command)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log and subprocess.STDOUT,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> int:
    starter = int(sys.argv[1])
    process = subprocess.Popen(sys.argv[2:])
    while process.poll() is None:
        if os.getppid() != starter:
            os.killpg(os.getpgrp(), signal.SIGKILL)
        time.sleep(0.1)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
