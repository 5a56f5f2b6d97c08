"""What make build and the arm64 proof rest on: the zip's bytes, and the check of what a program needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tools.functions.binaries import binary
from tools.functions.check_elf import LOADER, Needs, newest_glibc, problems
from tools.paths import ROOT


def zipped(program: Path, to: Path) -> bytes:
    command = [sys.executable, "-m", "tools.functions.zip_bootstrap", program, to]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
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


def allowed_needs() -> Needs:
    return Needs("EM_AARCH64", LOADER, ["libc.so.6"], [], ["GLIBC_2.17", "GLIBC_2.34"])


def test_a_program_that_needs_glibc_2_34_and_its_libraries_alone_passes() -> None:
    assert newest_glibc(allowed_needs()) == "2.34"
    assert problems(allowed_needs()) == []


def test_a_static_program_passes() -> None:
    assert problems(Needs("EM_AARCH64", "", [], [], [])) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda needs: needs.symbol_versions.append("GLIBC_2.35"), "A symbol needs GLIBC_2.35;"),
        (lambda needs: needs.symbol_versions.append("GLIBC_2.100"), "A symbol needs GLIBC_2.100;"),
        (lambda needs: needs.symbol_versions.append("GLIBC_PRIVATE"), "A symbol needs GLIBC_PRIVATE;"),
        (lambda needs: needs.symbol_versions.append("OPENSSL_3.0.0"), "A symbol needs OPENSSL_3.0.0;"),
        (lambda needs: needs.libraries.append("libssl.so.3"), "It needs libssl.so.3,"),
        (lambda needs: needs.search_path.append("/home/me/lib"), "It looks for libraries in /home/me/lib,"),
        (lambda needs: setattr(needs, "machine", "EM_X86_64"), "It is built for EM_X86_64,"),
        (lambda needs: setattr(needs, "loader", ""), "It asks for the loader of nobody,"),
        (
            lambda needs: setattr(needs, "loader", "/lib/ld-musl-aarch64.so.1"),
            "It asks for the loader /lib/ld-musl-aarch64.so.1,",
        ),
    ],
)
def test_a_program_that_amazon_linux_2023_cannot_start_is_refused(
    change: Callable[[Needs], None], problem: str
) -> None:
    needs = allowed_needs()
    change(needs)
    [found] = problems(needs)
    assert found.startswith(problem)


def test_the_check_reads_what_a_real_program_needs_and_fails_for_another_machines(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "webhook-arm64.zip", "w") as archive:
        archive.write(binary("webhook"), "bootstrap")
    command = [sys.executable, "-m", "tools.functions.check_elf", tmp_path / "webhook-arm64.zip"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "libc.so.6: part of glibc" in run.stdout
    arm64_host = os.uname().machine == "aarch64"
    assert ("It is built for EM_X86_64, not for arm64" in run.stdout) != arm64_host
    assert arm64_host or run.returncode == 1


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ARCHITECTURE", "riscv64", "ARCHITECTURE must be arm64 or x86_64, not riscv64."),
        ("PROFILE", "build/none.profdata", "PROFILE must be a file, and build/none.profdata is none."),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_built(variable: str, value: str, message: str) -> None:
    environment = {**os.environ, variable: value}
    run = subprocess.run([ROOT / "scripts" / "build"], capture_output=True, text=True, env=environment, timeout=60)
    assert run.returncode == 1
    assert message in run.stderr
