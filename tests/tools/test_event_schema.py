"""docs/event.schema.json against the handler: it holds for what the handler puts on the bus, and for nothing else."""

from __future__ import annotations

import base64
import copy
import json
import os
import random
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from tools.functions.binaries import build
from tools.momento.webhook import captured_body
from tools.paths import ROOT, programs
from tools.testing.docs import blocks

SCHEMA = json.loads((ROOT / "docs" / "event.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft4Validator(SCHEMA)
DETAIL = Draft4Validator(SCHEMA["properties"]["detail"])
VECTORS = json.loads((ROOT / "tests" / "vectors" / "signatures.json").read_text(encoding="utf-8"))
OPTIONAL = SCHEMA["properties"]["detail"]["properties"].keys() - SCHEMA["properties"]["detail"]["required"]
VALUES = [None, True, 0, -1, 1.0, 1.5, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, "", "x", "x" * 200, [], ["x"], {}]
# As it was captured; and without the number, which a Momento Function does not get to know.
WEBHOOK = json.loads(captured_body())
FUNCTION = {name: value for name, value in WEBHOOK.items() if name != "topic_sequence_number"}


def written(detail: Any) -> bytes:
    return json.dumps(detail, ensure_ascii=False).encode()


def mutations(detail: dict) -> Iterator[bytes]:
    for name in [*detail, "another"]:
        yield written({key: value for key, value in detail.items() if key != name})
        for value in VALUES:
            yield written(detail | {name: value})
            # A key that is there twice, before and after.
            yield written(detail)[:-1] + b"," + written({name: value})[1:]
    for wrapped in ([detail], [*detail.values()], json.dumps(detail), {"detail": detail}):
        yield written(wrapped)
    chance = random.Random(29)
    body = written(detail)
    yield from (body[:end] for end in range(len(body)))
    for _ in range(2000):
        changed = bytearray(body)
        changed[chance.randrange(len(body))] = chance.choice(b'{}[],:"\\0123456789.eE-+ntfu \x00\xff')
        yield bytes(changed)


def fuzz_corpus() -> Iterator[bytes]:
    """The bodies in the seeds of the fuzz target, and in what a run of it found since."""
    subprocess.run([sys.executable, ROOT / "fuzz" / "seed.py"], check=True)
    for path in (ROOT / "fuzz" / "corpus" / "request_to_response").iterdir():
        yield path.read_bytes()[1:]


def bodies() -> list[bytes]:
    found = [base64.b64decode(vector["body"]) for vector in VECTORS]
    found += [body for detail in (WEBHOOK, FUNCTION) for body in (written(detail), *mutations(detail))]
    return [*found, *fuzz_corpus()]


def entries(all_bodies: list[bytes]) -> list[dict | None]:
    """What the handler puts on the bus for each of them."""
    lines = "".join(base64.b64encode(body).decode() + "\n" for body in all_bodies)
    example = build("--example", "entry")["entry"]
    shown = subprocess.run([example], input=lines, stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in shown.stdout.splitlines()]


def event(entry: dict) -> dict:
    """As EventBridge delivers an entry."""
    envelope = {
        "version": "0",
        "id": "1",
        "account": "123456789012",
        "time": "2026-11-29T12:00:00Z",
        "region": "eu-west-1",
    }
    detail = json.loads(entry["Detail"])
    return {
        **envelope,
        "resources": [],
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "detail": detail,
    }


class Ambiguous(ValueError):
    """What JSON parsers do not agree on."""


def pairs(found: list[tuple[str, Any]]) -> dict:
    if len({name for name, _ in found}) < len(found):
        raise Ambiguous
    return dict(found)


def ambiguous(constant: str) -> Any:
    raise Ambiguous(constant)


def read(body: bytes) -> Any:
    value = json.loads(body, object_pairs_hook=pairs, parse_constant=ambiguous)
    # Half of a surrogate pair is no text.
    json.dumps(value, ensure_ascii=False).encode()
    return value


@pytest.mark.timeout(600)
def test_the_schema_holds_for_what_the_handler_puts_on_the_bus_and_for_nothing_else():
    all_bodies = bodies()
    mapped = refused = 0
    for body, entry in zip(all_bodies, entries(all_bodies), strict=True):
        if entry:
            errors = list(VALIDATOR.iter_errors(event(entry)))
            # The handler does not look at the other properties: Momento may change them.
            unexpected = [error for error in errors if not OPTIONAL & set(map(str, error.absolute_path))]
            assert unexpected == [], body
            mapped += not errors
            continue
        try:
            value = read(body)
        except (ValueError, UnicodeError, RecursionError):
            continue
        assert not DETAIL.is_valid(value), body
        refused += 1
    assert mapped > 500
    assert refused > 100


def test_the_schema_is_a_schema_and_every_property_explains_itself():
    Draft4Validator.check_schema(SCHEMA)
    assert all("description" in each for each in SCHEMA["properties"]["detail"]["properties"].values())


@pytest.mark.parametrize("detail", [WEBHOOK, FUNCTION], ids=["webhook", "Momento Function"])
def test_an_event_of_another_source_or_with_another_type_is_refused(detail: dict):
    [good] = entries([written(detail)])
    assert good
    assert VALIDATOR.is_valid(event(good))
    for name, value in (("source", "other"), ("detail-type", "x" * 129), ("detail", []), ("resources", [1])):
        changed = copy.deepcopy(event(good)) | {name: value}
        assert not VALIDATOR.is_valid(changed), name


def test_the_documented_commands_are_calls_that_aws_knows(tmp_path: Path):
    commands = [line for block in blocks("deploying.md", "Event schema", "sh") for line in block.splitlines()]
    assert len(commands) == 4
    environment = {
        "PATH": f"{programs('test')}{os.pathsep}{os.environ['PATH']}",
        # The CLI checks a call against the model of the service before it connects, here to a port of nobody.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    for command in commands:
        done = subprocess.run(shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert "Could not connect to the endpoint URL" in done.stderr, done.stderr
