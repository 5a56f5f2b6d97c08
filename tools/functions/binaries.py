"""The functions' binaries, freshly built where cargo puts them on this machine.

`python3 -m tools.functions.binaries --release` builds them and prints their folder, for TEST_BINARIES.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from tools.paths import ROOT

BUILD = ["cargo", "build", "--locked", "--bin", "webhook", "--bin", "redrive"]
MESSAGES = "--message-format=json-render-diagnostics"


class BuildFailed(Exception):
    pass


def binary(name: str) -> Path:
    """`webhook` or `redrive`. TEST_BINARIES names a folder to take them from instead."""
    given = os.environ.get("TEST_BINARIES")
    return ROOT / given / name if given else build()[name]


@functools.cache
def build(*flags: str) -> dict[str, Path]:
    done = subprocess.run([*BUILD, MESSAGES, *flags], cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    if done.returncode != 0:
        raise BuildFailed("cargo could not build the functions; its own message says why.")
    messages = map(json.loads, done.stdout.splitlines())
    return {each["target"]["name"]: Path(each["executable"]) for each in messages if each.get("executable")}


if __name__ == "__main__":
    print(build(*sys.argv[1:])["webhook"].parent)
