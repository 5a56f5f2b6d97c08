"""Parses and evaluates a Terraform configuration, as JSON on standard output: python -m tools.terraform FOLDER [TFVARS]

Runs in the environment iac, which has tfparse. There is no Terraform in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.paths import ROOT, programs


def evaluated(folder: Path, variables: str = "") -> dict[str, list[dict[str, Any]]]:
    """The blocks of each kind. `variables` names a tfvars file in the folder."""
    command = [programs("iac") / "python", "-m", "tools.terraform", folder, *([variables] if variables else [])]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


def label(block: dict[str, Any]) -> str:
    return block["__tfmeta"]["label"]


if __name__ == "__main__":
    import tfparse

    folder, *files = sys.argv[1:]
    print(json.dumps(tfparse.load_from_path(folder, stop_on_hcl_error=True, vars_paths=files or None)))
