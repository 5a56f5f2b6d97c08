"""Checks that the arm64 zips hold what Amazon Linux 2023 can start: python -m tools.functions.check_elf ZIP…"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

NEWEST_GLIBC = (2, 34)
GLIBC = "part of glibc 2.34, which every Amazon Linux 2023 has"
LIBRARIES = {
    "libc.so.6": GLIBC,
    "libm.so.6": GLIBC,
    "libpthread.so.0": GLIBC,
    "libdl.so.2": GLIBC,
    "librt.so.1": GLIBC,
    "ld-linux-aarch64.so.1": GLIBC,
}
LOADER = "/lib/ld-linux-aarch64.so.1"


@dataclass
class Needs:
    """What a program asks of the machine that it is started on. A static program needs no library and no loader."""

    machine: str
    loader: str
    libraries: list[str]
    search_path: list[str]
    symbol_versions: list[str]


def needs_of(program: bytes) -> Needs:
    elf = ELFFile(BytesIO(program))
    loaders = [segment.get_interp_name() for segment in elf.iter_segments("PT_INTERP")]
    needs = Needs(elf["e_machine"], "".join(loaders), [], [], [])
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            needs.libraries += [tag.needed for tag in section.iter_tags("DT_NEEDED")]
            needs.search_path += [tag.rpath for tag in section.iter_tags("DT_RPATH")]
            needs.search_path += [tag.runpath for tag in section.iter_tags("DT_RUNPATH")]
        if isinstance(section, GNUVerNeedSection):
            needs.symbol_versions += [version.name for _, versions in section.iter_versions() for version in versions]
    return needs


def version_of(symbol_version: str) -> tuple[int, ...] | None:
    """The numbers of GLIBC_2.34; None for a version of anything else."""
    name, _, numbers = symbol_version.partition("_")
    parts = numbers.split(".")
    return tuple(map(int, parts)) if name == "GLIBC" and all(part.isdigit() for part in parts) else None


def newest_glibc(needs: Needs) -> str:
    versions = [version for version in map(version_of, needs.symbol_versions) if version]
    return ".".join(map(str, max(versions))) if versions else "none"


def problems(needs: Needs) -> list[str]:
    found = []
    if needs.machine != "EM_AARCH64":
        found.append(f"It is built for {needs.machine}, not for arm64 (EM_AARCH64).")
    if needs.loader != (LOADER if needs.libraries else ""):
        found.append(f"It asks for the loader {needs.loader or 'of nobody'}, and Amazon Linux 2023 has {LOADER}.")
    found += [f"It needs {name}, which Amazon Linux 2023 may lack." for name in set(needs.libraries) - LIBRARIES.keys()]
    found += [f"It looks for libraries in {path}, a folder of the machine that built it." for path in needs.search_path]
    for symbol_version in needs.symbol_versions:
        version = version_of(symbol_version)
        if version is None or version > NEWEST_GLIBC:
            found.append(f"A symbol needs {symbol_version}; Amazon Linux 2023 has nothing newer than GLIBC_2.34.")
    return found


def main() -> int:
    failed = False
    for path in map(Path, sys.argv[1:]):
        with ZipFile(path) as archive:
            names = archive.namelist()
            program = archive.read("bootstrap") if names == ["bootstrap"] else None
        if program is None:
            print(f"{path}: it has to hold `bootstrap` and nothing else, and holds {', '.join(names) or 'nothing'}.")
            failed = True
            continue
        needs = needs_of(program)
        print(f"{path}: {path.stat().st_size:,} bytes, the program in it {len(program):,}")
        print(f"  newest glibc that a symbol needs: {newest_glibc(needs)} (Amazon Linux 2023: 2.34)")
        for name in needs.libraries:
            print(f"  {name}: {LIBRARIES.get(name, 'unknown')}")
        for problem in problems(needs):
            print(f"  {problem}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
