"""For work on the handler: a local AWS, `cargo lambda watch` over it, and each event as it arrives on the bus."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tools import supervisor
from tools.commands.console import print_anything
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.paths import ROOT, programs
from tools.waiting import is_in_use

SECRET = "whsec-local"
# What `cargo lambda watch --bin webhook` builds. Another binary or an example in the same command can give the crates
# other features, and then the first request waits while all of them are compiled again.
BUILD = ["cargo", "build", "--bin", "webhook"]
SEND = ["cargo", "build", "--example", "send"]


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/lambda-url/webhook/"


@contextmanager
def watching(
    aws: LocalAws, settings: dict[str, str], port: int, *flags: str, log: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """`cargo lambda watch`, on loopback only. `settings` are added to what the handler needs in the local AWS. Its
    output goes to `log`, or to the terminal."""
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
    process = supervisor.start(*command, environment=environment, log=log)
    try:
        yield process
    finally:
        supervisor.end(process)


def watch(port: int) -> int:
    if is_in_use(port):
        print(f"Port {port} is in use. End what listens there, or take another: make watch PORT=9001", file=sys.stderr)
        return 1
    # A webhook that waited for a build would be too old afterwards.
    for build in (BUILD, SEND):
        built = subprocess.run(build, cwd=ROOT)
        if built.returncode != 0:
            return built.returncode
    with LocalAws(auth=False) as aws, BusWatch(aws) as bus:
        queue = aws.client("sqs").create_queue(QueueName="retry")["QueueUrl"]
        settings = {"SIGNING_SECRET": SECRET, "RETRY_QUEUE_URL": queue}
        with watching(aws, settings, port) as process:
            print(introduction(url(port)), flush=True)
            while process.poll() is None:
                for event in bus.receive(seconds=1):
                    print(json.dumps(event, indent=2, ensure_ascii=False), flush=True)
    print(f"cargo lambda watch ended, with status {process.returncode}.", file=sys.stderr)
    return process.returncode or 1


def introduction(url: str) -> str:
    return f"""
Post to {url} what is signed with {SECRET}. For example, in a second terminal:

  cargo run --example send -- --url {url} --secret {SECRET} --cache serverless --topic test --text hi

Events are shown here as they arrive on the bus. End with Ctrl-C.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="where the handler listens (default 9000)")
    print_anything()
    try:
        return watch(parser.parse_args().port)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
