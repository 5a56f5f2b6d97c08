"""The command of docs/deploying.md that signs a test event, tried on the vectors."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess

import pytest

from tools.paths import ROOT

PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
COMMAND = re.search(r"^signature=\$\(.*?\)$", PAGE, re.MULTILINE | re.DOTALL)
VECTORS = json.loads((ROOT / "tests" / "vectors" / "signatures.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["note"])
def test_the_documented_command_signs_as_momento_does(vector: dict[str, str]):
    assert COMMAND
    # From standard input, because a variable of the environment has a limit of its size.
    script = f'IFS= read -r -d "" body\n{COMMAND[0]}\nprintf %s "$signature"'
    environment = {"PATH": os.environ["PATH"].encode(), "SECRET": vector["secret"].encode()}
    body = base64.b64decode(vector["body"])
    done = subprocess.run(["bash", "-c", script], env=environment, input=body + b"\0", capture_output=True, check=True)
    assert done.stdout.decode() == vector["signature"]
