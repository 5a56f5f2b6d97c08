"""Zips a binary as the `bootstrap` of a Lambda function: python -m tools.zip_bootstrap BINARY ZIP.

The same binary gives the same bytes everywhere: one entry of a fixed mode and time, and a compressor that is pinned
like the other tools, since the zlib of two machines need not agree. Zopfli's output is plain deflate, some 3% smaller
than zlib's best.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

# The first moment that a zip can hold. SOURCE_DATE_EPOCH, where it is set, gives another.
EARLIEST = 315532800
EXECUTABLE_FILE = 0o100755
# More of them cost seconds and save a hundred bytes.
ITERATIONS = 5
UNIX = 3


def zip_bootstrap(binary: Path, compression: int = ZIP_STORED, level: int | None = None) -> bytes:
    """Fast, and not smaller than it has to be: for the local AWS, and to compare sizes."""
    return archive_of(binary, ZipFile, compression, level=level)


def zip_to_deploy(binary: Path, seconds: int = EARLIEST) -> bytes:
    import zopfli

    return archive_of(binary, zopfli.ZipFile, ZIP_DEFLATED, seconds, iterations=ITERATIONS)


def archive_of(
    binary: Path,
    kind: type[ZipFile],
    compression: int,
    seconds: int = EARLIEST,
    level: int | None = None,
    **options: int,
) -> bytes:
    entry = ZipInfo("bootstrap", time.gmtime(max(seconds, EARLIEST))[:6])
    entry.create_system = UNIX
    entry.external_attr = EXECUTABLE_FILE << 16
    entry.compress_type = compression
    buffer = io.BytesIO()
    with kind(buffer, "w", compression, **options) as archive:
        archive.writestr(entry, binary.read_bytes(), compresslevel=level)
    return buffer.getvalue()


if __name__ == "__main__":
    made = Path(sys.argv[2])
    content = zip_to_deploy(Path(sys.argv[1]), int(os.environ.get("SOURCE_DATE_EPOCH") or EARLIEST))
    unfinished = made.with_suffix(".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(made)
    print(f"{hashlib.sha256(content).hexdigest()}  {made}  {len(content)} bytes")
