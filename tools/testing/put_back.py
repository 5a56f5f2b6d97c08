"""Runs scripts/put-back against the local AWS."""

import subprocess
import sys

from tools.local_aws.server import LocalAws
from tools.paths import ROOT


def put_back(aws: LocalAws, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`given` is its standard input; `environment` replaces the root key of the local AWS, for example."""
    environment = {**aws.caller_environment, **environment}
    command = [sys.executable, ROOT / "scripts" / "put-back", *arguments]
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60)
