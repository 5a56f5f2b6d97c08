"""Plants each bug of crates/simulation/bugs.toml in a copy of the sources, and lets the simulation look for it.

Ends with status 1 if one is not found within its number of lives, so that a check that has gone blind is noticed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tools.paths import ROOT

COPY = ROOT / "target" / "planted"
PARTS = ("Cargo.toml", "Cargo.lock", "src", "crates", "bench", "examples", "tests")
SIMULATE = ROOT / "target" / "simulation" / "simulate"


def planted(bug: dict[str, Any]) -> tuple[Path, str]:
    """The file of a bug, with the bug."""
    file = ROOT / "src" / bug["file"]
    text = file.read_text()
    for change in (bug, bug.get("also")):
        if change is None:
            continue
        if text.count(change["find"]) != 1:
            raise SystemExit(f"{file} must have this once, for the bug “{bug['what']}”: {change['find']}")
        text = text.replace(change["find"], change["replace"])
    return COPY / "src" / bug["file"], text


def found(bug: dict[str, Any]) -> str | None:
    """In how many lives the simulation finds a bug, and by which promise; None if it doesn't find it."""
    file, text = planted(bug)
    original = file.read_text()
    file.write_text(text)
    try:
        # Only the crates of the dependencies are optimized: most bugs are found sooner than optimized code is built.
        environment = {**os.environ, "CARGO_PROFILE_SIMULATION_OPT_LEVEL": "0"}
        build = ["cargo", "build", "--quiet", "--locked", "--profile", "simulation", "--bin", "simulate"]
        build += ["--package", "momento-eventbridge-simulation", "--target-dir", ROOT / "target"]
        subprocess.run(build, cwd=COPY, check=True, env=environment)
        command = [SIMULATE, "--from", str(bug.get("from", 0)), "--lives", str(bug["lives"]), "--stop"]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    finally:
        file.write_text(original)
    if result.returncode == 0:
        return None
    lives = re.search(r"^(\d+) lives", result.stdout, re.MULTILINE)
    broken = re.search(r"^seed \d+: .*?\.", result.stdout, re.MULTILINE)
    if lives is None or broken is None:
        raise SystemExit(f"The simulation of “{bug['what']}” ended with {result.returncode}: {result.stdout}")
    return f"{lives[1]} of {bug['lives']} lives, {broken[0]}"


def main() -> int:
    only = sys.argv[1:]
    bugs = tomllib.loads((ROOT / "crates/simulation/bugs.toml").read_text())["bug"]
    bugs = [bug for bug in bugs if not only or any(word in bug["what"] for word in only)]
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, COPY / part)
    unseen = 0
    for bug in bugs:
        result = found(bug)
        unseen += result is None
        print(f"{bug['what']}\n    {result or 'NOT FOUND'}", flush=True)
    print(f"{unseen} of {len(bugs)} bugs were not found.")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
