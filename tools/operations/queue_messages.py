"""Finds queue messages of the webhook function in log records, in the forms in which AWS and its tools write these.

A value can be a record with a `queueMessage`, a queue message itself, or what wraps them. Where the input speaks of a
queue message that cannot be read from it, a `Damaged` says so.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any, Union

from tools.operations.json_values import JsonValues, line_at, text_of

MEMBERS = ("version", "reason", "error", "receivedAt", "requestId")
BODIES = ("body", "bodyBase64")
# Strings in other fields are never read: publishers choose the names of topics, and could forge a message in one.
WRAPPERS = ("message", "@message", "log", "Body")
# A whole record of a lost event has each of these once; a part of one is found by the first that it has.
SIGNS = [
    re.compile(sign)
    for sign in (
        r'queueMessage(?:\.\w+)?(\\*)"+\s*:',
        r'receivedAt(\\*)"+\s*:',
        r'outcome(\\*)"+\s*:\s*[\\"]+BothFailed',
    )
]
REQUEST = re.compile(r'requestId[\\"]+\s*:\s*[\\"]+([^"\\]+)')


class Damaged(ValueError):
    """Why a queue message cannot be read; its request, if that is known, and its line."""

    def __init__(self, why: str, request: str | None = None, line: int = 1):
        super().__init__(why)
        self.request = request
        self.line = line


# Python 3.9 knows no other form.
Found = Union[dict, Damaged]  # noqa: UP007


def request_in(text: str) -> str | None:
    found = REQUEST.search(text)
    return found[1] if found else None


def find_in_bytes(data: bytes) -> Iterator[Found]:
    text, problems = text_of(data)
    for problem in problems:
        yield Damaged(f"{problem} Events may be missing.")
    yield from find_in_text(text)


def find_in_text(text: str) -> Iterator[Found]:
    values = JsonValues(text, WRAPPERS)
    read = 0
    for begin, end, value in values:
        try:
            found = list(find_in(value))
        except RecursionError:
            continue
        unread_end = begin
        if found and re.search(r'"queueMessage"\s*:\s*$', text[max(read, begin - 100) : begin]):
            # Only the record around the message is damaged.
            unread_end = text.rfind("\n", 0, begin) + 1
        yield from damaged_in(text, read, unread_end)
        if found and text[begin - 1 : begin] == "'" and "''" in text[begin:end]:
            found = [
                Damaged("YAML doubles the apostrophes of an event. Use --output json.", request_in(text[begin:end]))
            ]
        for each in found:
            if isinstance(each, Damaged):
                each.line = line_at(text, begin)
            yield each
        read = end
    rest = list(damaged_in(text, read, len(text)))
    if values.is_cut and not rest:
        rest = [Damaged("The input ends inside a JSON value, so events may be missing.", line=line_at(text, len(text)))]
    yield from rest


def damaged_in(text: str, begin: int, end: int) -> Iterator[Damaged]:
    """Signs of a lost event in a part of the text that is not JSON."""
    signs = next(filter(None, (list(sign.finditer(text, begin, end)) for sign in SIGNS)), [])
    # What is escaped deeper is in the text of an event.
    depth = min((len(sign[1]) for sign in signs), default=0)
    for sign in signs:
        if len(sign[1]) == depth:
            line = text.rfind("\n", begin, sign.start()) + 1
            before = REQUEST.findall(text, max(begin, line), sign.start())
            after = REQUEST.findall(text[sign.end() : sign.end() + 200].partition("\n")[0])
            requests = before[-1:] or after[:1] or REQUEST.findall(text, begin, sign.start())[-1:]
            why = "The record is truncated or was changed, so its event cannot be read."
            yield Damaged(why, *requests, line=line_at(text, sign.start()))
            begin = sign.end()


def find_in(value: Any) -> Iterator[Found]:
    if isinstance(value, str):
        yield from find_in_text(value)
    elif isinstance(value, list):
        if value and all(isinstance(cell, dict) and {"field", "value"} <= cell.keys() for cell in value):
            # A row of CloudWatch Logs Insights.
            value = [{str(cell["field"]): cell["value"] for cell in value}]
        for item in value:
            yield from find_in(item)
    elif isinstance(value, dict):
        yield from find_in_object(value)


def find_in_object(record: dict) -> Iterator[Found]:
    own = {key: each for key, each in record.items() if key not in WRAPPERS and not isinstance(each, (dict, list))}
    wrapped = [each for key, each in record.items() if key not in own and key != "queueMessage"]
    found = [each for value in wrapped for each in find_in(value)]
    if found:
        yield from found
    elif "queueMessage" in record or {"version", "receivedAt"} <= record.keys():
        try:
            yield checked(record.get("queueMessage", record))
        except ValueError as error:
            yield Damaged(str(error), request_in(json.dumps(record)))
    elif any(sign.search(json.dumps(own)) for sign in SIGNS):
        why = "This is of an event's record, but not the whole record. In Logs Insights, select @message."
        yield Damaged(why, request_in(json.dumps(own)))


def parsed(text: str) -> dict:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not a message of the webhook function: {error}.") from error
    return checked(message)


def checked(message: Any) -> dict:
    is_whole = isinstance(message, dict) and all(member in message for member in MEMBERS)
    bodies = [message[member] for member in BODIES if member in message] if is_whole else []
    if len(bodies) != 1 or not isinstance(bodies[0], str):
        raise ValueError("The queue message does not have the fields that the webhook function writes.")
    body_of(message)
    return message


def body_of(message: dict) -> bytes:
    if "body" in message:
        return message["body"].encode()
    return base64.b64decode(message["bodyBase64"], validate=True)


HEAD = f"{'ID':36}  {'RECEIVED':20}  {'STATE':10}  {'REASON':18}  {'NUMBER':>8}  CACHE#TOPIC, ERROR"
# The version of a message whose request could not be verified.
UNVERIFIED = 2


def row(identifier: str, message: dict) -> str:
    """What an operator has to know about a message, under HEAD. The event of an unverified one may be anyone's."""
    try:
        event = json.loads(body_of(message))
    except (ValueError, RecursionError):
        event = None
    event = event if isinstance(event, dict) else {}
    topic = "#".join(str(event.get(name, "?")) for name in ("cache", "topic")) if event else "no event"
    state = "unverified" if message["version"] == UNVERIFIED else "authentic"
    left = f"{identifier:36}  {time_of(message['receivedAt']):20}  {state:10}  {message['reason']!s:18}"
    return printable(f"{left}  {event.get('topic_sequence_number', '-')!s:>8}  {topic}, {message['error']}")


def time_of(milliseconds: Any) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))
    except (TypeError, ValueError, OverflowError, OSError):
        return "?"


def printable(text: object) -> str:
    """Without characters that a terminal would obey."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(text))


def as_text(message: dict) -> str:
    """The message as the handler writes it: ASCII only, because SQS rejects some Unicode characters."""
    return json.dumps(message, separators=(",", ":"))
