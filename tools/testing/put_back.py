"""Runs scripts/put-back against the local AWS."""

import os
import subprocess
import sys

from tools.local_aws.server import LocalAws
from tools.paths import ROOT


def put_back(aws: LocalAws, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`given` is its standard input; `environment` replaces the root key of the local AWS, for example."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    where = {"AWS_DEFAULT_REGION": aws.region, "AWS_ENDPOINT_URL": aws.endpoint, "AWS_MAX_ATTEMPTS": "1"}
    environment = {"PATH": os.environ["PATH"], **credentials, **where, **environment}
    command = [sys.executable, ROOT / "scripts" / "put-back", *arguments]
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60)
