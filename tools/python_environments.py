"""Makes Python environments (scripts/setup NAME…).

Each is .local/venv-NAME, from tools/requirements/NAME.txt (exact versions and hashes). It is made again only if that
file, the Python, or the path of the checkout changes. Once it is made, nothing is downloaded.
"""

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
REQUIREMENTS = ROOT / "tools" / "requirements"
# How pip reaches an index. Its other settings can put packages elsewhere (`user`, `target`, `prefix`, …).
INDEX_SETTINGS = """
index-url extra-index-url find-links no-index trusted-host cert client-cert proxy timeout default-timeout retries
cache-dir keyring-provider
"""
WHOLE = ("--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")


def make(name: str) -> None:
    requirements, venv, log = REQUIREMENTS / f"{name}.txt", LOCAL / f"venv-{name}", LOCAL / f"setup-{name}.log"
    if not requirements.is_file():
        known = ", ".join(sorted(each.stem for each in REQUIREMENTS.glob("*.txt")))
        sys.exit(f"scripts/setup: There is no environment {name!r}. Name one or more of these: {known}.")
    pinned = requirements.read_text(encoding="utf-8")
    stamp, made_from = venv / ".made-from", "\n".join((sys.version, sys.base_prefix, str(venv), pinned))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == made_from:
        return

    say(f"Making the Python environment .local/{venv.name} ({pinned.count('==')} packages, downloaded this once) ...")
    shutil.rmtree(venv, ignore_errors=True)
    bare = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    bare["PIP_CONFIG_FILE"] = os.devnull
    pip = (venv / "bin" / "python", "-I", "-m", "pip")
    install = (*pip, "install", *WHOLE, "-r", requirements)
    with log.open("w", encoding="utf-8") as output:
        run(output, bare, sys.executable, "-I", "-m", "venv", venv)
        run(output, bare | index_settings(*pip), *install, "--no-compile", "--progress-bar=off")
        # Fails if a package is not where this environment looks for it.
        run(output, bare, *install, "--no-index", "--dry-run")
    stamp.write_text(made_from, encoding="utf-8")


def index_settings(*pip: object) -> dict[str, str]:
    """The settings of pip's files and of the caller's variables, as variables."""
    listed = subprocess.run([*pip, "config", "list"], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    found = dict(re.findall(r"^(\S+?)=(.*)$", listed, re.MULTILINE))
    settings = {}
    # The later count more.
    for section in ("global", "install", ":env:"):
        for name in INDEX_SETTINGS.split():
            if f"{section}.{name}" in found:
                settings["PIP_" + name.upper().replace("-", "_")] = ast.literal_eval(found[f"{section}.{name}"])
    return settings


def run(output: IO[str], environment: dict[str, str], *command: object) -> None:
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            output.write(line)
            # pip's own progress bar needs a terminal.
            if downloading := re.search(r"Downloading (\S+)", line):
                say(f"  {downloading[1]}")
    if process.returncode != 0:
        say("".join(lines[-5:]))
        sys.exit(
            "scripts/setup: The environment could not be made. Check that this machine reaches a package index "
            f"and that python3 has venv (Debian's package python3-venv). The whole output is in {output.name}."
        )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "setup.lock").open("w") as lock:
        # Two makes at once must not make the same environment.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in sys.argv[1:] or [""]:
            make(name)


if __name__ == "__main__":
    main()
