"""Counts the instructions of start-up, first invocation, and warm invocation of `webhook` under callgrind.

`check` compares the counts with bench/instructions.json and fails if one is more than 10% higher; `write` replaces that
file. Load on the machine does not change the counts, but another compiler does: then `check` says so and passes.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.binaries import build
from tools.paths import ROOT

BENCH = ROOT / "bench"
RECORDED = BENCH / "instructions.json"
BODY_BYTES = 200
WARM_INVOCATIONS = 50
# Starts differ slightly (random keys, the order in which sockets become ready); the minimum varies least.
REPEATS = 3
ALLOWED_GROWTH = 1.10


def compiler() -> str:
    """The compiler and its target platform: counts of different ones cannot be compared."""
    output = subprocess.run(["rustc", "--version", "--verbose"], check=True, capture_output=True, text=True).stdout
    release, *details = output.splitlines()
    host = next(line for line in details if line.startswith("host: "))
    return f"{release}, {host.removeprefix('host: ')}"


def count(name: str, binary: Path, invocations: int, body_bytes: int) -> int:
    """All instructions of one process that receives this many webhooks."""
    with tempfile.TemporaryDirectory() as directory:
        profile = Path(directory) / "callgrind.out"
        subprocess.run(
            [
                ROOT / "target/harness/harness",
                "drive",
                f"{name}={BENCH / 'under-callgrind'}",
                str(invocations),
                str(body_bytes),
            ],
            check=True,
            env=os.environ | {"CALLGRIND_OUT": str(profile), "PROFILED": str(binary)},
        )
        return int(re.findall(r"^totals: (\d+)$", profile.read_text(), re.MULTILINE)[-1])


def measure(name: str, binary: Path, repeats: int = REPEATS, body_bytes: int = BODY_BYTES) -> dict[str, int]:
    def least(invocations: int) -> int:
        return min(count(name, binary, invocations, body_bytes) for _ in range(repeats))

    start_up, first, warm = least(0), least(1), least(1 + WARM_INVOCATIONS)
    return {"startUp": start_up, "first": first - start_up, "warm": (warm - first) // WARM_INVOCATIONS}


def compare(recorded: dict[str, int], measured: dict[str, int]) -> int:
    grown = 0
    for figure, now in measured.items():
        before = recorded[figure]
        too_many = now > before * ALLOWED_GROWTH
        grown += too_many
        print(
            f"{figure:8} {now:>12,} instructions, recorded {before:>12,}: {now / before - 1:+.1%}"
            f"{', more than 10% higher' if too_many else ''}"
        )
    if grown:
        print(
            "Reduce the instructions. If the increase is justified, run `make instructions-write` and commit "
            f"{RECORDED.relative_to(ROOT)} with the reason.",
            file=sys.stderr,
        )
    return min(grown, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "write"])
    arguments = parser.parse_args()

    if shutil.which("valgrind") is None:
        print(
            "valgrind is missing; it counts the instructions. Install it with: apt-get install valgrind",
            file=sys.stderr,
        )
        return 1
    this_compiler = compiler()
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else None
    if arguments.command == "check" and recorded is not None and recorded["compiler"] != this_compiler:
        print(f"Not compared: the counts were recorded with {recorded['compiler']}, and this is {this_compiler}.")
        return 0
    measured = measure("webhook", build("--release")["webhook"])
    if arguments.command == "write":
        RECORDED.write_text(json.dumps({"compiler": this_compiler, "instructions": measured}, indent=2) + "\n")
        return 0
    if recorded is None:
        print(f"{RECORDED} does not exist. Run `make instructions-write`.", file=sys.stderr)
        return 1
    return compare(recorded["instructions"], measured)


if __name__ == "__main__":
    sys.exit(main())
