"""`cargo lambda watch` over the handler, on loopback alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tools import tied
from tools.local_aws import LocalAws
from tools.paths import programs

# What `cargo lambda watch --bin webhook` builds. Another binary or an example in the same command can give the crates
# other features, and then the first request waits while all of them are compiled again.
BUILD = ["cargo", "build", "--bin", "webhook"]


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/lambda-url/webhook/"


@contextmanager
def watching(
    aws: LocalAws, settings: dict[str, str], port: int, *flags: str, log: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`settings` are added to what the handler needs in the local AWS. Output goes to `log`, or to the terminal."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_REGION": aws.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **settings,
    }
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    command = [programs("test") / "cargo-lambda", "lambda", "watch", "--bin", "webhook", *address, *flags]
    process = tied.start(*command, environment=environment, log=log)
    try:
        yield process
    finally:
        tied.end(process)
