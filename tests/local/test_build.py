"""What make build and make prove-arm64 rest on: the zip's bytes, and the check of what a program needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from local_aws import ROOT

PYTHON = ROOT / ".local" / "venv-build" / "bin" / "python"
LIBRARY = ROOT / "scripts" / "lib"

# Runs check_elf's own judgement on needs that no program at hand has.
JUDGE = """
import sys
from check_elf import LOADER, Needs, newest_glibc, problems

needs = Needs("EM_AARCH64", LOADER, ["libc.so.6"], [], ["GLIBC_2.17", "GLIBC_2.34"])
exec(sys.argv[1])
print(newest_glibc(needs))
print("\\n".join(problems(needs)))
"""


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    subprocess.run([ROOT / "local" / "setup", "build"], check=True, timeout=100)


def zipped(binary: Path, to: Path, **environment: str) -> bytes:
    command = [PYTHON, LIBRARY / "zip_bootstrap.py", binary, to]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={**os.environ, **environment})
    return to.read_bytes()


def test_the_same_binary_gives_the_same_zip_whatever_its_name_mode_and_time(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "folder" / "other"
    other.parent.mkdir()
    for path, mode, moment in ((one, 0o600, 1_000_000_000), (other, 0o755, 1_700_000_000)):
        path.write_bytes(b"\x7fELF" + bytes(range(256)) * 500)
        path.chmod(mode)
        os.utime(path, (moment, moment))
    assert zipped(one, tmp_path / "one.zip") == zipped(other, tmp_path / "other.zip")


def test_the_zip_holds_the_binary_as_an_executable_bootstrap(tmp_path: Path) -> None:
    program = Path(sys.executable).resolve().read_bytes()[:300_000]
    (tmp_path / "program").write_bytes(program)
    zipped(tmp_path / "program", tmp_path / "program.zip")
    with ZipFile(tmp_path / "program.zip") as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.external_attr >> 16) == ("bootstrap", 0o100755)
        assert archive.read("bootstrap") == program


def test_the_zips_time_is_the_one_of_source_date_epoch(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"program")
    zipped(tmp_path / "program", tmp_path / "program.zip", SOURCE_DATE_EPOCH="1700000000")
    with ZipFile(tmp_path / "program.zip") as archive:
        assert archive.getinfo("bootstrap").date_time == (2023, 11, 14, 22, 13, 20)


def judged(change: str = "pass") -> list[str]:
    """The newest glibc, then the problems."""
    command = [PYTHON, "-c", JUDGE, change]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=LIBRARY, timeout=60)
    return [line for line in run.stdout.splitlines() if line]


def test_a_program_that_needs_glibc_2_34_and_its_libraries_alone_passes() -> None:
    assert judged() == ["2.34"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("needs.symbol_versions.append('GLIBC_2.35')", "A symbol needs GLIBC_2.35;"),
        ("needs.symbol_versions.append('GLIBC_2.100')", "A symbol needs GLIBC_2.100;"),
        ("needs.symbol_versions.append('GLIBC_PRIVATE')", "A symbol needs GLIBC_PRIVATE;"),
        ("needs.symbol_versions.append('OPENSSL_3.0.0')", "A symbol needs OPENSSL_3.0.0;"),
        ("needs.libraries.append('libssl.so.3')", "It needs libssl.so.3,"),
        ("needs.search_path.append('/home/me/lib')", "It looks for libraries in /home/me/lib,"),
        ("needs.machine = 'EM_X86_64'", "It is built for EM_X86_64,"),
        ("needs.loader = '/lib/ld-musl-aarch64.so.1'", "It asks for the loader /lib/ld-musl-aarch64.so.1,"),
    ],
)
def test_a_program_that_amazon_linux_2023_cannot_start_is_refused(change: str, problem: str) -> None:
    _, found = judged(change)
    assert found.startswith(problem)


def test_the_check_reads_what_a_real_program_needs_and_fails_for_another_machines(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "webhook-arm64.zip", "w") as archive:
        archive.write(ROOT / "target" / "release" / "webhook", "bootstrap")
    command = [PYTHON, LIBRARY / "check_elf.py", tmp_path / "webhook-arm64.zip"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "libc.so.6: part of glibc" in run.stdout
    arm64_host = os.uname().machine == "aarch64"
    assert ("It is built for EM_X86_64, not for arm64" in run.stdout) != arm64_host
    assert arm64_host or run.returncode == 1


def test_an_architecture_that_lambda_lacks_is_refused_before_anything_is_built() -> None:
    environment = {**os.environ, "ARCHITECTURE": "riscv64"}
    run = subprocess.run([ROOT / "scripts" / "build"], capture_output=True, text=True, env=environment, timeout=60)
    assert run.returncode == 1
    assert "ARCHITECTURE must be arm64 or x86_64, not riscv64." in run.stderr
