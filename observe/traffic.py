"""Requests of every kind, each with what becomes of it and why."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from momento_webhook import now, sign
from stand_ins import Reply, StandIns, confirmed, failure, queued
from webhook_cases import MAX_BODY, SECRET, Request

CACHE = "orders"
# Never in a log, but for the record of an event that neither bus nor queue took.
TEXT, TOKEN = "text-of-the-publisher", "token-of-the-publisher"
# Never in a log at all, since it was not verified.
FORGED_CACHE, FORGED_TOPIC = "cache-of-a-forger", "topic-of-a-forger"
LONG_TOPIC = "long-" + "x" * 150
_sequence = itertools.count()


@dataclass(frozen=True)
class Kind:
    name: str
    outcome: str
    reason: str | None
    request: Callable[[], Request]
    cut: bool = False


def body(topic: str, at: int | None = None, cache: str = CACHE, text: str = TEXT) -> bytes:
    """A webhook's body with a sequence number of its own."""
    at = now() if at is None else at
    event = {
        "cache": cache,
        "topic": topic,
        "event_timestamp": at - 1,
        "publish_timestamp": at,
        "topic_sequence_number": next(_sequence),
        "token_id": TOKEN,
        "text": text,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def signed(content: bytes, **changes: object) -> Request:
    return Request(content, [sign(SECRET, content)], **changes)  # type: ignore[arg-type]


def forged(*signatures: str) -> Request:
    return Request(body(FORGED_TOPIC, cache=FORGED_CACHE), list(signatures))


def event(name: str, topic: str, outcome: str = "Delivered", reason: str | None = None, cut: bool = False) -> Kind:
    return Kind(name, outcome, reason, lambda: signed(body(topic)), cut)


DELIVERED = event("delivered", "paid")
CUT = event("delivered, its detail-type cut", LONG_TOPIC, cut=True)
PUT_FAILED = event("queued: the put failed", "put-failed", "Queued", "PutFailed")
ENTRY_FAILED = event("queued: the entry failed", "entry-failed", "Queued", "EntryFailed")
TIMED_OUT = event("queued: no answer in time", "timed-out", "Queued", "TimedOut")
BUS_NOT_FOUND = event("queued: there is no bus", "bus-not-found", "Queued", "BusNotFound")
UNMAPPABLE = Kind(
    "queued: not an event", "Queued", "Unmappable", lambda: signed(json.dumps(f"{TEXT} {next(_sequence)}").encode())
)
BOTH_FAILED = event("neither bus nor queue took it", "both-failed", "BothFailed", "PutFailed")
CUT_BOTH_FAILED = event(
    "the same, its detail-type cut", "both-failed" + LONG_TOPIC, "BothFailed", "PutFailed", cut=True
)
MISSING = Kind("no signature", "Forged", "SignatureMissing", lambda: forged())
MALFORMED = Kind("a malformed signature", "Forged", "SignatureMalformed", lambda: forged("not-a-signature"))
MISMATCH = Kind(
    "the signature of another secret", "Forged", "SignatureMismatch", lambda: forged(sign("another", b"body"))
)
NOT_BASE64 = Kind(
    "a body that is not base64",
    "Forged",
    "BodyNotBase64",
    lambda: Request(b"", [sign(SECRET, b"")], claimed_base64=f"%{FORGED_CACHE}%"),
)
STALE = Kind("too old", "Stale", None, lambda: signed(body("paid", now() - 61_000)))
FUTURE = Kind("from the future", "Future", None, lambda: signed(body("paid", now() + 90_000)))
METHOD = Kind("not a POST", "MethodNotAllowed", None, lambda: signed(body("paid"), method="PUT"))
TOO_LARGE = Kind("too large", "PayloadTooLarge", None, lambda: signed(body("paid", text=TEXT + "x" * MAX_BODY)))
NO_SECRET = Kind("no secret can be read", "SecretUnavailable", None, lambda: signed(body(FORGED_TOPIC)))

# Those that one process with a bus and a secret can meet.
MIXED = [
    DELIVERED, CUT, PUT_FAILED, ENTRY_FAILED, TIMED_OUT, UNMAPPABLE, BOTH_FAILED, CUT_BOTH_FAILED,
    MISSING, MALFORMED, MISMATCH, NOT_BASE64, STALE, FUTURE, METHOD, TOO_LARGE,
]  # fmt: skip
ALL = [*MIXED, BUS_NOT_FOUND, NO_SECRET]


@contextmanager
def failing_stand_ins() -> Iterator[StandIns]:
    """AWS as each of the mixed kinds meets it: with its own fault, and no other."""

    def put_events(entries: list[dict]) -> Reply:
        topic = json.loads(entries[0]["Detail"])["topic"]
        if topic.startswith(("put-failed", "both-failed")):
            return failure("AccessDeniedException")
        if topic == "timed-out":
            return confirmed(entries, seconds=3)
        return confirmed(entries, {0: "MalformedDetail"} if topic == "entry-failed" else {})

    def send_message(message: dict) -> Reply:
        return failure("AccessDeniedException") if "both-failed" in message["MessageBody"] else queued(message)

    stand_ins = StandIns(SECRET)
    stand_ins.put_events, stand_ins.send_message = put_events, send_message
    try:
        yield stand_ins
    finally:
        stand_ins.close()


def sqs_message(content: bytes, request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd") -> dict:
    """A message of the retry queue, as the event source mapping hands it to redrive."""
    message = {
        "version": 1,
        "reason": "PutFailed",
        "error": "InternalFailure: Ordered.",
        "receivedAt": now(),
        "requestId": request_id,
        "body": content.decode(),
    }
    return {"messageId": str(uuid.uuid4()), "body": json.dumps(message)}
