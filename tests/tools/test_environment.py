"""The caller's environment changes neither the set-up, nor the build, nor the demo, nor put-back."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tools.environment import needed
from tools.functions import binaries
from tools.paths import ARCHITECTURE, ROOT

CLEAN = {name: value for name, value in needed(os.environ).items() if not name.startswith("PIP_")}
# A folder takes the place of {}.
VARIABLES = {
    "CDPATH": "{}",
    "PIP_USER": "1",
    "PIP_TARGET": "{}/elsewhere",
    "PIP_PREFIX": "{}/elsewhere",
    "PIP_CONFIG_FILE": "{}/pip.conf",
    "PYTHONPATH": "{}/python",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "CFLAGS": "-march=native",
    "LDFLAGS": "-Wl,--no-such-option",
    "CC": "/bin/false",
    "RUSTC_WRAPPER": "/bin/false",
    "RUSTFLAGS": "-Ctarget-cpu=native",
    "CARGO_ENCODED_RUSTFLAGS": "-Ctarget-cpu=native",
    "CARGO_BUILD_RUSTFLAGS": "-Ctarget-cpu=native",
    "CARGO_BUILD_TARGET": "no-such-target",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_DEV_PANIC": "abort",
    "SOURCE_DATE_EPOCH": "1",
    "GIT_DIR": "{}/no-such-folder",
    "PORT": "1",
    "ONLY": "--version",
    "BUS": "custom",
    "PREFIX": "{}",
    "EVENT_BUS_NAME": "not a name",
    "AWS_PROFILE": "nobody",
}
ALL = "all of them"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the variables point to: other programs and modules of the same names."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "python" / "tools").mkdir(parents=True)
    (tmp_path / "python" / "tools" / "__init__.py").write_text("raise SystemExit('This is another package.')")
    (tmp_path / "pip.conf").write_text(f"[install]\nuser = true\n[global]\ntarget = {tmp_path}/elsewhere\n")
    return tmp_path


def with_variables(folder: Path, name: str = ALL) -> dict[str, str]:
    names = VARIABLES if name == ALL else [name]
    return CLEAN | {each: VARIABLES[each].format(folder) for each in names}


def output(*command: object, environment: dict[str, str], cwd: Path = ROOT) -> str:
    # Relative, as people type them: only then CDPATH counts.
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, encoding="utf-8", timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def checkout(folder: Path) -> Path:
    """A copy without git, with an environment of one package, which pip can install without a network."""
    checkout = folder / "checkout"
    for part in ("scripts", "tools"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Makefile", checkout)
    wheel, information = folder / "tiny-1-py3-none-any.whl", "tiny-1.dist-info"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "IS_HERE = True\n")
        archive.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{information}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements = checkout / "tools" / "requirements" / "tiny.txt"
    requirements.write_text(f"tiny==1 --hash=sha256:{digest}\n")
    return checkout


@pytest.mark.parametrize("name", ["PIP_PREFIX", ALL])
def test_the_set_up_puts_packages_where_the_tools_look_with(name: str, folder: Path, checkout: Path) -> None:
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    output("scripts/setup", "tiny", environment=with_variables(folder, name) | index, cwd=checkout)
    output(checkout / ".local/venv-tiny/bin/python", "-c", "import tiny; tiny.IS_HERE", environment=CLEAN)
    # It is known as made: without an index, it could not be made again.
    output("scripts/setup", "tiny", environment=CLEAN | {"PIP_NO_INDEX": "1"}, cwd=checkout)


def test_an_environment_that_could_not_be_made_is_not_taken_for_made(checkout: Path) -> None:
    with pytest.raises(AssertionError, match=r"The environment could not be made\."):
        output("scripts/setup", "tiny", environment=CLEAN | {"PIP_NO_INDEX": "1"}, cwd=checkout)
    assert not (checkout / ".local/venv-tiny/.made-from").exists()


def recorded_build(checkout: Path, environment: dict[str, str]) -> str:
    """What `cargo auditable lambda build` would compile with."""
    programs = checkout / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "libstd-1.rlib").touch()
    fakes = {
        programs / "cargo": '[ "$1" = fetch ] || [ "$1" = install ] || { env | sort; exit 3; }',
        programs / "rustc": f"echo {programs}",
        checkout / "scripts" / "setup": "",
    }
    for program, lines in fakes.items():
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
    environment = environment | {"ARCHITECTURE": ARCHITECTURE, "PATH": f"{programs}{os.pathsep}{environment['PATH']}"}
    done = subprocess.run(["scripts/build"], cwd=checkout, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 3, done.stderr
    return done.stdout


def test_the_build_compiles_in_the_same_environment_with_each_variable(folder: Path, checkout: Path) -> None:
    clean = recorded_build(checkout, CLEAN)
    assert "CARGO_ENCODED_RUSTFLAGS=-Ctarget-cpu=" in clean
    for name in (*VARIABLES, ALL):
        # What only says how pip reaches an index does not count.
        built = re.sub(r"(?m)^PIP_CONFIG_FILE=.*\n", "", recorded_build(checkout, with_variables(folder, name)))
        assert built == clean, name


@pytest.mark.parametrize("name", [*VARIABLES, ALL])
def test_make_does_the_same_with(name: str, folder: Path) -> None:
    targets = ("--dry-run", "demo", "watch", "test", "build")
    assert output("make", *targets, environment=with_variables(folder, name)) == output(
        "make", *targets, environment=CLEAN
    )


def test_a_port_on_the_command_line_counts() -> None:
    assert "--port 9001" in output("make", "--dry-run", "watch", "PORT=9001", environment=CLEAN)


def test_the_demo_runs_with_all_of_them(folder: Path) -> None:
    binaries.build()
    demo = f"{sys.executable} -m tools.commands.demo"
    assert "serverless#test" in output("scripts/shell", "-c", demo, environment=with_variables(folder))


@pytest.mark.parametrize("name", [*VARIABLES, ALL])
def test_put_back_reads_the_same_with(name: str, folder: Path) -> None:
    fields = {"version": 1, "reason": "PutFailed", "error": "Ö", "receivedAt": 1, "requestId": "r", "body": "{}"}
    (folder / "log").write_text(json.dumps({"queueMessage": fields}), encoding="utf-8")
    command = (sys.executable, "scripts/put-back", "--queue-url", "unused", "--dry-run", folder / "log")
    shown = output(*command, environment=with_variables(folder, name) | {"LC_ALL": "C"})
    assert "Events that would be put back: 1." in shown


@pytest.mark.skipif(not (ROOT / ".git").exists() or not shutil.which("git"), reason="needs a clone, and git")
def test_a_clone_with_autocrlf_has_scripts_that_run(tmp_path: Path) -> None:
    command = (
        "git",
        "-c",
        "core.autocrlf=true",
        "clone",
        "--quiet",
        "--no-local",
        "--depth=1",
        ROOT.as_uri(),
        tmp_path / "clone",
    )
    output(*command, environment=CLEAN)
    text = [path for path in (tmp_path / "clone").rglob("*") if path.is_file() and ".git" not in path.parts]
    assert [path for path in text if path.suffix != ".png" and b"\r\n" in path.read_bytes()] == []


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for program in ("bash", "dirname", "env", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    without = CLEAN | {"PATH": str(tmp_path)}
    with pytest.raises(AssertionError, match="python3 is missing: install Python"):
        output("scripts/prepare", "aws", environment=without)
    (tmp_path / "python3").symlink_to(sys.executable)
    with pytest.raises(AssertionError, match=r"cargo is missing: install Rust from https://rustup\.rs"):
        output("scripts/prepare", "aws", environment=without)
