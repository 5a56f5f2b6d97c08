"""What make build rests on: the zip's bytes, and the checks of what a program needs and lists."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from elftools.elf.elffile import ELFFile

from tools.functions.binaries import binary
from tools.functions.check_zips import listed, locked, needs, unlisted
from tools.functions.zip_bootstrap import zip_bootstrap
from tools.paths import ARCHITECTURE, ROOT


def zipped(program: Path, to: Path) -> bytes:
    command = [sys.executable, "-m", "tools.functions.zip_bootstrap", program, to]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return to.read_bytes()


def test_the_same_binary_gives_the_same_zip_for_any_name_mode_and_time(tmp_path: Path) -> None:
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


def static_program(machine: int) -> ELFFile:
    """The header of an ELF file that has no segments."""
    fields = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 0, 64, 0, 0)
    return ELFFile(BytesIO(b"\x7fELF\x02\x01\x01" + bytes(9) + fields))


def test_a_static_program_passes_and_one_for_another_processor_does_not() -> None:
    assert needs(static_program(183), "EM_AARCH64") == []
    assert needs(static_program(62), "EM_AARCH64") == ["It is built for EM_X86_64, not for EM_AARCH64."]


def refusal(zipped: Path) -> str:
    command = [sys.executable, "-m", "tools.functions.check_zips", zipped]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run.stdout
    return run.stderr


def zip_with_list(folder: Path, crates: set[tuple[str, str]] | None) -> Path:
    """The debug build of webhook, with a list of crates such as cargo auditable makes it."""
    program = folder / "bootstrap"
    shutil.copy(binary("webhook"), program)
    if crates is not None:
        packages = [{"name": name, "version": version, "source": "crates.io"} for name, version in sorted(crates)]
        build_only = {"name": "cc", "version": "0.0.0", "source": "crates.io", "kind": "build"}
        (folder / "list").write_bytes(zlib.compress(json.dumps({"packages": [*packages, build_only]}).encode()))
        subprocess.run(["objcopy", f"--add-section=.dep-v0={folder / 'list'}", program], check=True)
    zipped = folder / f"webhook-{ARCHITECTURE}.zip"
    zipped.write_bytes(zip_bootstrap(program))
    return zipped


def test_a_program_that_needs_a_library_or_a_loader_is_refused(tmp_path: Path) -> None:
    refused = refusal(zip_with_list(tmp_path, locked()))
    assert "It needs the library libc.so.6." in refused
    assert "It asks for the loader /lib" in refused
    assert "list" not in refused


def test_a_zip_with_more_than_the_program_is_refused(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "webhook-arm64.zip", "w") as archive:
        archive.writestr("bootstrap", b"")
        archive.writestr("other", b"")
    assert "holds ['bootstrap', 'other']" in refusal(tmp_path / "webhook-arm64.zip")


def test_the_crates_of_a_program_are_read_back_out_of_its_zip(tmp_path: Path) -> None:
    with ZipFile(zip_with_list(tmp_path, locked())) as archive:
        crates = listed(ELFFile(BytesIO(archive.read("bootstrap"))))
    assert crates == locked()
    assert unlisted(crates) == []


@pytest.mark.parametrize(
    ("crates", "expected"),
    [
        (None, "was it built with cargo auditable?"),
        ({("momento-eventbridge", "0.1.0"), ("tokio", "1.0.0")}, "It does not list rustls;"),
        ({("momento-eventbridge", "0"), ("rustls", "0.1.0"), ("tokio", "0.0.1")}, "Cargo.lock lacks"),
    ],
)
def test_a_zip_without_its_crates_or_with_others_is_refused(
    tmp_path: Path, crates: set[tuple[str, str]] | None, expected: str
) -> None:
    assert expected in refusal(zip_with_list(tmp_path, crates))


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
