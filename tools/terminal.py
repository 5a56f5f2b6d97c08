"""Output to a terminal that may not be able to show every character."""

from __future__ import annotations

import sys


def print_anything() -> None:
    """What the terminal cannot show is printed as an escape, and is not an error."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True
