"""The measured parts of docs/logs-and-metrics.md: a record of each kind, and the bytes of each."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import every_kind
from every_kind import EveryKind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "logs-and-metrics.md"
WIDTH = 118
# What CloudWatch Logs adds to each event, and its price for taking a GB of a function's log.
# https://aws.amazon.com/cloudwatch/pricing/ (US East, N. Virginia)
EVENT_BYTES, DOLLARS_A_GB = 26, 0.50


def between(page: str, name: str) -> str:
    """A part that is written by this script."""
    found = re.search(rf"<!-- {name}: [^\n]*-->\n(.*?)<!-- end of {name} -->", page, re.DOTALL)
    if not found:
        raise ValueError(f"{PAGE.name} has no part {name}.")
    return found[1]


def replaced(page: str, name: str, content: str) -> str:
    old = between(page, name)
    head, tail = page.split(f"<!-- {name}: ", 1)
    return f"{head}<!-- {name}: " + tail.replace(f"-->\n{old}", f"-->\n\n{content.strip()}\n\n", 1)


def records(run: EveryKind) -> Iterator[tuple[str, dict]]:
    """A heading and a record of each kind; of redrive's, one of each outcome and reason."""
    for request in run.requests:
        yield f"{request.record['outcome']}: {request.kind.name}", request.record
    seen = set()
    for record in run.redrive.records:
        key = (record["outcome"], record.get("reason") == "Unmappable")
        if key not in seen:
            seen.add(key)
            what = "not an event" if key[1] else "the bus took it" if record["outcome"] == "Redriven" else "not taken"
            yield f"{record['outcome']}: {what}", record


def broken(record: dict) -> str:
    """A record in lines that are short enough to be read."""
    # Within a text, and between a name and its value, no line may end.
    glued = re.sub(r'"(?:[^"\\]|\\.)*"(?:: )?', lambda found: found[0].replace(" ", "\0"), _short(record)[1:-1])
    lines = textwrap.wrap(glued, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "{" + "\n ".join(line.replace("\0", " ") for line in lines) + "}"


def _short(value: object) -> str:
    return re.sub(r"x{40,}", "xx…xx", json.dumps(value, ensure_ascii=False))


def records_part(run: EveryKind) -> str:
    return "\n\n".join(f"### {heading}\n\n```\n{broken(record)}\n```" for heading, record in records(run))


def costs_part(run: EveryKind) -> str:
    rows = [
        "| kind of request | record | metrics | together | dollars a million |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for request in run.requests:
        together = request.record_bytes + request.metrics_bytes
        dollars = (together + 2 * EVENT_BYTES) * 1e6 / 1e9 * DOLLARS_A_GB
        name = f"`{request.record['outcome']}`: {request.kind.name}"
        rows.append(f"| {name} | {request.record_bytes} B | {request.metrics_bytes} B | {together} B | {dollars:.2f} |")
    return "\n".join(rows)


def main() -> None:
    run, page = every_kind.run(), PAGE.read_text()
    page = replaced(page, "records", records_part(run))
    PAGE.write_text(replaced(page, "costs", costs_part(run)))


if __name__ == "__main__":
    main()
