"""Zips a binary as the `bootstrap` of a Lambda function: python -m tools.functions.zip_bootstrap BINARY ZIP.

The same binary gives the same bytes everywhere: one entry of a fixed mode and time, and a compressor that is pinned
like the other tools, since the zlib of two machines need not agree. Zopfli's output is plain deflate, some 3% smaller
than zlib's best.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

# The first moment that a zip can hold.
EARLIEST = (1980, 1, 1, 0, 0, 0)
EXECUTABLE_FILE = 0o100755
# More of them cost seconds and save a hundred bytes.
ITERATIONS = 5
UNIX = 3


def zip_bootstrap(binary: Path, kind: type[ZipFile] = ZipFile, **options: int) -> bytes:
    """Without a `kind` that compresses, the zip is made fast and not small: for the local AWS."""
    entry = ZipInfo("bootstrap", EARLIEST)
    entry.create_system = UNIX
    entry.external_attr = EXECUTABLE_FILE << 16
    entry.compress_type = ZIP_STORED if kind is ZipFile else ZIP_DEFLATED
    buffer = io.BytesIO()
    with kind(buffer, "w", entry.compress_type, **options) as archive:
        archive.writestr(entry, binary.read_bytes())
    return buffer.getvalue()


def main() -> None:
    import zopfli

    content = zip_bootstrap(Path(sys.argv[1]), zopfli.ZipFile, iterations=ITERATIONS)
    zipped = Path(sys.argv[2])
    unfinished = zipped.with_suffix(".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(zipped)
    print(f"{hashlib.sha256(content).hexdigest()}  {zipped}  {len(content)} bytes")


if __name__ == "__main__":
    main()
