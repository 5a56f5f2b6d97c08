"""The pages show a secret only where no other user of the machine can see it: never in an argument."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tools.local_aws.server import LocalAws
from tools.paths import ROOT, programs
from tools.testing.docs import blocks

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])
# printf is a part of the shell, and so no process with arguments.
IN_ARGUMENT = re.compile(
    r"--secret-string\s+(?!file://|\"rotation of)\S"
    r"|--secret\s+(?!whsec-local\b)\S"
    r"|-hmac\s"
    r"|(?:MomentoSecretString|MomentoApiKey)=[\"'$<]"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_secret_is_shown_in_an_argument(page: Path) -> None:
    assert IN_ARGUMENT.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    ['--secret-string "$NEW"', "--secret-string '{}'", "--secret $S", '-hmac "$S"', 'MomentoApiKey="$KEY"'],
)
def test_an_argument_with_a_secret_is_found(line: str) -> None:
    assert IN_ARGUMENT.search(line)


def test_the_documented_commands_store_a_secret_byte_for_byte(aws: LocalAws) -> None:
    [create] = [block for block in blocks("terraform-and-cdk.md", "Prerequisites", "sh") if "create-secret" in block]
    [put] = [
        block for block in blocks("rotation.md", "Add a second webhook to the endpoint", "sh") if "put-secret" in block
    ]
    environment = {**aws.caller_environment, "PATH": f"{programs('test')}{os.pathsep}{os.environ['PATH']}"}
    secrets, name = aws.client("secretsmanager"), "momento/signing-secret"
    try:
        secret = 'whsec "first" $%\\ü '
        subprocess.run(["bash", "-euc", create], env=environment | {"SECRET": secret}, check=True, capture_output=True)
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == secret
        subprocess.run(["bash", "-euc", put], env=environment | {"SECRET_ID": name}, check=True, capture_output=True)
        stored = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
        assert stored == {"orders": "whsec-abc", "invoices": "whsec-def"}
    finally:
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
