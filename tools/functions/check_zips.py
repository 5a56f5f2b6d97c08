"""Checks the zips that scripts/build makes: python -m tools.functions.check_zips ZIP…

Each holds one static program, for the processor that the zip's name ends with. `cargo auditable` has written the crates
that the program was built from into its section .dep-v0, where scanners look for them.
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

MACHINES = {"arm64": "EM_AARCH64", "x86_64": "EM_X86_64"}
Crates = set[tuple[str, str]]


def needs(elf: ELFFile, machine: str) -> list[str]:
    """What Lambda's processor, with nothing but a kernel, could not start."""
    found = [f"It is built for {elf['e_machine']}, not for {machine}."] if elf["e_machine"] != machine else []
    found += [f"It asks for the loader {segment.get_interp_name()}." for segment in elf.iter_segments("PT_INTERP")]
    for segment in elf.iter_segments("PT_DYNAMIC"):
        found += [f"It needs the library {tag.needed}." for tag in segment.iter_tags("DT_NEEDED")]
    return found


def listed(elf: ELFFile) -> Crates:
    """Name and version of each crate that is a part of the program."""
    section = elf.get_section_by_name(".dep-v0")
    packages = json.loads(zlib.decompress(section.data()))["packages"] if section else []
    return {(each["name"], each["version"]) for each in packages if each.get("kind", "runtime") == "runtime"}


def locked() -> Crates:
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    return {(each["name"], each["version"]) for each in packages}


def unlisted(crates: Crates) -> list[str]:
    if missing := {"momento-eventbridge", "rustls", "tokio"} - {name for name, _ in crates}:
        return [f"It does not list {', '.join(sorted(missing))}; was it built with cargo auditable?"]
    unknown = sorted(crates - locked())
    return [f"Cargo.lock lacks what it lists: {unknown}."] if unknown else []


def problems(zipped: Path) -> list[str]:
    with ZipFile(zipped) as archive:
        if archive.namelist() != ["bootstrap"]:
            return [f"It must hold `bootstrap` and nothing else, and holds {archive.namelist()}."]
        program = archive.read("bootstrap")
    elf, architecture = ELFFile(BytesIO(program)), zipped.stem.rpartition("-")[2]
    crates = listed(elf)
    print(f"{zipped}: {zipped.stat().st_size:,} bytes, the program {len(program):,}; lists {len(crates)} crates")
    return needs(elf, MACHINES[architecture]) + unlisted(crates)


if __name__ == "__main__":
    found = [f"{path}: {problem}" for path in map(Path, sys.argv[1:]) for problem in problems(path)]
    sys.exit("\n".join(found) or None)
