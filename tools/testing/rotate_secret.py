"""Runs scripts/rotate-secret against the local AWS: in a pipeline, or at a terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect

from tools.local_aws.server import LocalAws
from tools.paths import ROOT

SCRIPT = str(ROOT / "scripts" / "rotate-secret")


def rotate_secret(aws: LocalAws, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """`given` is its standard input."""
    command, environment = [sys.executable, SCRIPT, *arguments], aws.caller_environment
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=90)


@contextmanager
def rotate_secret_at_a_terminal(aws: LocalAws, *arguments: str) -> Iterator[pexpect.spawn]:
    """`logfile_read` has all that the terminal showed."""
    environment = aws.caller_environment
    command = [SCRIPT, *arguments]
    terminal = pexpect.spawn(
        sys.executable, command, env=environment, encoding="utf-8", timeout=40, dimensions=(40, 200)
    )
    terminal.logfile_read = io.StringIO()
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def end_of(terminal: pexpect.spawn) -> int:
    """Its exit status."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus


class StoredSecret:
    """A secret in the local AWS, and what has which label."""

    def __init__(self, aws: LocalAws, name: str, value: str):
        self.client, self.id = aws.client("secretsmanager"), name
        self.client.create_secret(Name=name, SecretString=value)

    def labelled(self, label: str) -> str | None:
        """The value of the version with this label."""
        try:
            return self.client.get_secret_value(SecretId=self.id, VersionStage=label)["SecretString"]
        except self.client.exceptions.ResourceNotFoundException:
            return None

    def versions(self) -> dict[str, list[str]]:
        return self.client.describe_secret(SecretId=self.id)["VersionIdsToStages"]
