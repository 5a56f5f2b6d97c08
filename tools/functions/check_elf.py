"""Checks that the arm64 zips hold static arm64 programs: python -m tools.functions.check_elf ZIP…"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from elftools.elf.elffile import ELFFile


def problems(program: bytes) -> list[str]:
    """What a Graviton with nothing but a kernel could not start."""
    elf = ELFFile(BytesIO(program))
    found = []
    if elf["e_machine"] != "EM_AARCH64":
        found.append(f"It is built for {elf['e_machine']}, not for arm64 (EM_AARCH64).")
    found += [f"It asks for the loader {segment.get_interp_name()}." for segment in elf.iter_segments("PT_INTERP")]
    for segment in elf.iter_segments("PT_DYNAMIC"):
        found += [f"It needs the library {tag.needed}." for tag in segment.iter_tags("DT_NEEDED")]
    return found


def main() -> int:
    failed = False
    for path in map(Path, sys.argv[1:]):
        with ZipFile(path) as archive:
            names = archive.namelist()
            program = archive.read("bootstrap") if names == ["bootstrap"] else b""
        print(f"{path}: {path.stat().st_size:,} bytes, the program in it {len(program):,}")
        holds = f"It must hold `bootstrap` and nothing else, and holds {', '.join(names) or 'nothing'}."
        for problem in problems(program) if program else [holds]:
            print(f"  {problem}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
