"""`make watch` on a developer's machine: from its start to the first webhook."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.paths import ROOT
from tools.waiting import free_port, is_in_use, wait_for


def command(port: int) -> list[str]:
    return [sys.executable, "-m", "tools.commands.watch", "--port", str(port)]


@contextmanager
def watching(port: int, output: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as log:
        watch = subprocess.Popen(
            command(port), cwd=ROOT, env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield watch
    finally:
        watch.kill()
        watch.wait()


# A first run builds the handler and the sender.
@pytest.mark.timeout(900)
def test_the_first_webhook_arrives_on_the_bus_and_nothing_is_built_while_it_waits(tmp_path: Path) -> None:
    port, output = free_port(), tmp_path / "output"
    proxy = f"http://127.0.0.1:{free_port()}"
    machine = {"HTTP_PROXY": proxy, "http_proxy": proxy, "ALL_PROXY": proxy, "AWS_PROFILE": "nobody"}
    with watching(port, output, machine) as watch:

        def listens() -> bool:
            assert watch.poll() is None, output.read_text()
            return is_in_use(port)

        wait_for("cargo lambda watch to listen", listens, 800)
        assert listening_addresses(port) <= {"127.0.0.1"}
        ready = len(output.read_bytes())

        [send] = re.findall(r"^  (cargo run --example send .*)$", output.read_text(), re.MULTILINE)
        words = shlex.split(send)
        at = words.index("--secret")
        secret, without = words[at + 1], words[:at] + words[at + 2 :]
        ways = [(words, {}, ""), (without, {"MOMENTO_SIGNING_SECRET": secret}, ""), (without, {}, f"{secret}\n")]
        for arguments, given, stdin in ways:
            environment = os.environ | machine | given
            sent = subprocess.run(arguments, cwd=ROOT, env=environment, input=stdin, capture_output=True, text=True)
            assert (sent.returncode, sent.stdout) == (0, '200 OK {"message":"Success"}\n'), sent.stderr
        refused = subprocess.run(without, cwd=ROOT, env=os.environ | machine, input="", capture_output=True, text=True)
        assert "Set MOMENTO_SIGNING_SECRET, or send it to standard input." in refused.stderr
        forged = subprocess.run([*without, "--secret=another"], cwd=ROOT, env=os.environ | machine, capture_output=True)
        assert (forged.returncode, forged.stdout) == (1, b'403 Forbidden {"message":"Unauthorized"}\n')
        asked = subprocess.run([*without, "--help"], cwd=ROOT, env=os.environ | machine, capture_output=True)
        assert (asked.returncode, asked.stdout[:6]) == (0, b"Usage:")
        wait_for("the event to be shown", lambda: '"detail-type": "serverless#test"' in output.read_text())
        assert "Compiling" not in output.read_bytes()[ready:].decode()
    wait_for("all that listened to end", lambda: not is_in_use(port))


def listening_addresses(port: int) -> set[str]:
    """The addresses on which something listens on the port, as Linux lists them; elsewhere none."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            address, number = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(number, 16) == port:
                found.add(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
    return found


def test_a_port_in_use_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(command(port), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"Port {port} is in use." in done.stderr
    assert re.search(r"make watch PORT=\d+", done.stderr)
