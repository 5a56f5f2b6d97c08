"""Reads JSON values from a file in any encoding of Unicode, gzipped or not, with any text between the values."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

# Replaces what cannot be decoded. It cannot be encoded in UTF-8, so that damaged text is never used as valid text.
UNREADABLE = "\udfff"
# An object, an array, or a string that is an item, on a line of its own, or the value of one of these fields.
BEGIN = r'[{{\[]|(?:^ *|(?<=[\[,\t])|(?<=, )|(?:{fields})"\s*:\s*)"'

codecs.register_error("unreadable", lambda error: (UNREADABLE, error.end))  # type: ignore[attr-defined]


def text_of(data: bytes) -> tuple[str, list[str]]:
    """The text, and what is wrong with it."""
    problems = []
    while data.startswith(b"\x1f\x8b"):
        data, error = gunzipped(data)
        if error:
            problems.append(f"The gzip data is truncated or damaged: {error}")
    text = data.decode(json.detect_encoding(data), "unreadable")
    unreadable = re.search(f"[\0{UNREADABLE}]", text)
    if unreadable:
        problems.append(f"Line {line_at(text, unreadable.start())} is not text in UTF-8 or UTF-16.")
    return text, problems


def gunzipped(data: bytes) -> tuple[bytes, Exception | None]:
    """What can be decompressed, and why the rest cannot."""
    whole = io.BytesIO()
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            while chunk := stream.read1(1 << 16):
                whole.write(chunk)
    except (EOFError, OSError, zlib.error) as error:
        return whole.getvalue(), error
    return whole.getvalue(), None


def line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class JsonValues:
    """Each value in a text, with its begin and end. Strings only in these fields, or outside of objects."""

    def __init__(self, text: str, fields: tuple[str, ...]):
        self.text = text
        self.begin = re.compile(BEGIN.format(fields="|".join(fields)), re.MULTILINE)
        # Whether the text ends inside an object or an array.
        self.is_cut = False

    def __iter__(self) -> Iterator[tuple[int, int, Any]]:
        at, end_of_text = 0, len(self.text.rstrip())
        while found := self.begin.search(self.text, at):
            begin = found.end() - 1
            at = begin + 1
            try:
                value, end = json.JSONDecoder().raw_decode(self.text, begin)
            except json.JSONDecodeError as error:
                is_cut = error.pos >= end_of_text or error.msg.startswith("Unterminated string")
                self.is_cut |= is_cut and self.text[begin] != '"'
            except (ValueError, RecursionError):
                # A number of thousands of digits, or thousands of brackets.
                pass
            else:
                # A string without quotes holds no JSON, or begins where another one ends.
                if not isinstance(value, str) or '"' in value:
                    yield begin, end, value
                    at = end
