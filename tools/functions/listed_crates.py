"""Checks that zips list the crates that they were built from: python -m tools.functions.listed_crates ZIP…

`cargo auditable` writes the list into the section .dep-v0 of the program, where scanners look for it.
"""

from __future__ import annotations

import json
import sys
import tomllib
import zlib
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from elftools.elf.elffile import ELFFile

from tools.paths import ROOT

Crates = set[tuple[str, str]]


def listed(zipped: Path) -> Crates:
    """Name and version of each crate that is a part of the program."""
    with ZipFile(zipped) as archive:
        section = ELFFile(BytesIO(archive.read("bootstrap"))).get_section_by_name(".dep-v0")
    if section is None:
        return set()
    packages = json.loads(zlib.decompress(section.data()))["packages"]
    return {(each["name"], each["version"]) for each in packages if each.get("kind", "runtime") == "runtime"}


def locked() -> Crates:
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    return {(each["name"], each["version"]) for each in packages}


def problem(crates: Crates) -> str | None:
    names = {name for name, _ in crates}
    if missing := {"momento-eventbridge", "rustls", "tokio"} - names:
        return f"The program does not list {', '.join(sorted(missing))}; was it built with cargo auditable?"
    if unknown := crates - locked():
        return f"Cargo.lock lacks what the program lists: {sorted(unknown)}."
    return None


def main() -> int:
    failed = False
    for path in map(Path, sys.argv[1:]):
        crates = listed(path)
        print(f"{path}: lists {len(crates)} crates. {problem(crates) or ''}".rstrip())
        failed |= problem(crates) is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
