"""What a developer's machine may do to the demo: it runs all the same, and leaves nothing behind when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.environment import isolate
from tools.functions import binaries
from tools.paths import ROOT
from tools.waiting import free_port, wait_for

DEMO = [sys.executable, "-m", "tools.commands.demo"]
DRILL = [sys.executable, "-m", "tools.commands.drill", "BothFailedAlarm"]


def a_proxy_that_answers_nothing(_: Path) -> dict[str, str]:
    proxy = f"http://127.0.0.1:{free_port()}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {name: proxy for upper in names for name in (upper, upper.lower())}


def settings_of_aws_for_something_else(folder: Path) -> dict[str, str]:
    config = folder / "config"
    config.write_text("[default]\nregion = eu-west-9\nendpoint_url = http://127.0.0.1:9\n", encoding="utf-8")
    return {
        "AWS_PROFILE": "nobody",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_DEFAULT_REGION": "eu-west-9",
        "AWS_REGION": "eu-west-9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_CA_BUNDLE": "/no/such/file",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SESSION_TOKEN": "elses",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }


def another_target_directory(folder: Path) -> dict[str, str]:
    """The same one by another name, so that nothing is built again."""
    (folder / "elsewhere").symlink_to(binaries.build()["webhook"].parent.parent)
    return {"CARGO_TARGET_DIR": str(folder / "elsewhere")}


def a_terminal_that_shows_only_ascii(_: Path) -> dict[str, str]:
    return {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}


MACHINES = [
    a_proxy_that_answers_nothing,
    settings_of_aws_for_something_else,
    another_target_directory,
    a_terminal_that_shows_only_ascii,
]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_the_demo_runs_with(machine: Callable[[Path], dict[str, str]], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= machine(tmp_path)
    done = subprocess.run(DEMO, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=100)
    assert done.returncode == 0, done.stderr
    assert "detail-type   serverless#test" in done.stdout
    assert ("▼" in done.stdout) == (machine is not a_terminal_that_shows_only_ascii)


def test_the_binaries_are_taken_from_where_cargo_puts_them(tmp_path: Path) -> None:
    given = another_target_directory(tmp_path)
    command = [sys.executable, "-m", "tools.functions.binaries"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | given, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"{given['CARGO_TARGET_DIR']}/debug"


@pytest.mark.parametrize("command", [DEMO, DRILL])
def test_a_demo_or_a_drill_that_is_killed_at_once_leaves_no_local_aws(command: list[str]) -> None:
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as demo:
        try:
            started = wait_for("the local AWS to be started", lambda: children_of(demo.pid), pause=0.005)
        finally:
            demo.send_signal(signal.SIGKILL)
    wait_for("the local AWS to end", lambda: started.isdisjoint(group for _, group in processes()), seconds=5)


def children_of(starter: int) -> set[int]:
    """Each of them leads a process group."""
    return {group for parent, group in processes() if parent == starter}


def processes() -> list[tuple[int, int]]:
    """The starter and the group of every process that has not ended."""
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,pgid=,stat="], check=True, capture_output=True, text=True)
    lines = (line.split() for line in listed.stdout.splitlines())
    return [(int(parent), int(group)) for parent, group, state in lines if not state.startswith("Z")]


@pytest.mark.parametrize(
    ("given", "excluded"),
    [
        (None, "127.0.0.1,localhost"),
        ("example.com,.internal", "example.com,.internal,127.0.0.1,localhost"),
        ("*", "*"),
    ],
)
def test_loopback_is_never_sent_to_a_proxy(given: str | None, excluded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"NO_PROXY": given} if given else {})
    isolate()
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == excluded
