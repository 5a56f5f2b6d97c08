"""Zips a binary as the `bootstrap` of a Lambda function: zip_bootstrap.py BINARY ZIP.

The same binary gives the same bytes everywhere: one entry of a fixed mode and time, and a compressor that is pinned
like the other tools, since the zlib of two machines need not agree. Zopfli's output is plain deflate, some 3% smaller
than zlib's best.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipInfo

import zopfli

# The first moment that a zip can hold. SOURCE_DATE_EPOCH, where it is set, gives another.
EARLIEST = 315532800
EXECUTABLE_FILE = 0o100755
# More of them cost seconds and save a hundred bytes.
ITERATIONS = 5
UNIX = 3


def zip_bootstrap(binary: Path, zipped: Path, seconds: int = EARLIEST) -> None:
    entry = ZipInfo("bootstrap", time.gmtime(max(seconds, EARLIEST))[:6])
    entry.create_system = UNIX
    entry.external_attr = EXECUTABLE_FILE << 16
    entry.compress_type = ZIP_DEFLATED
    unfinished = zipped.with_suffix(".unfinished")
    with zopfli.ZipFile(unfinished, "w", ZIP_DEFLATED, iterations=ITERATIONS) as archive:
        archive.writestr(entry, binary.read_bytes())
    unfinished.replace(zipped)


if __name__ == "__main__":
    made = Path(sys.argv[2])
    zip_bootstrap(Path(sys.argv[1]), made, int(os.environ.get("SOURCE_DATE_EPOCH") or EARLIEST))
    print(f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {made}  {made.stat().st_size} bytes")
