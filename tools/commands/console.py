"""What the commands print: steps with their times, and characters that a terminal may lack."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StepFailed(Exception):
    pass


@contextmanager
def step(name: str, advice: str) -> Iterator[None]:
    print(f"[{name}]", flush=True)
    began = time.monotonic()
    try:
        yield
    except Exception as failure:
        notes = "\n".join(getattr(failure, "__notes__", []))
        raise StepFailed(f"Step {name} failed. {failure}\n{notes}\n{advice}") from failure
    print(f"      ready after {time.monotonic() - began:.1f} s", flush=True)


def run_demo(run: Callable[[], None]) -> None:
    print_anything()
    try:
        run()
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


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
