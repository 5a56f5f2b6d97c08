"""What scripts/put-back finds in the forms in which people have log records."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from tools.operations.queue_messages import Damaged, find_in_bytes

# Line ends for Unicode, but not for JSON; quotes and backslashes; a text that looks like a record.
HARD = "a\u2028b\u2029c\u0085d\t'e' \"f\" \\ é 🐿"
NESTED = json.dumps({"queueMessage": {"version": 1, "requestId": "inner"}})


def found_in(given: str | bytes) -> tuple[list[str], list[str]]:
    """The requests whose events were found, and the problems."""
    found = list(find_in_bytes(given.encode() if isinstance(given, str) else given))
    events = [each["requestId"] for each in found if isinstance(each, dict)]
    return events, [f"line {each.line}, {each.request}: {each}" for each in found if isinstance(each, Damaged)]


def message(request: str, text: str = HARD) -> dict:
    body = json.dumps({"cache": "c", "topic": text, "text": NESTED}, ensure_ascii=False)
    common = {"version": 1, "reason": "PutFailed", "error": "E: m", "receivedAt": 1, "requestId": request}
    return common | {"body": body}


def record(request: str, text: str = HARD) -> dict:
    sentence = "Neither accepted the event. Put it back from the queueMessage of this record."
    fields = {"level": "ERROR", "message": sentence, "requestId": request, "outcome": "BothFailed", "topic": text}
    return fields | {"queueMessage": message(request, text)}


def line(request: str, text: str = HARD) -> str:
    return json.dumps(record(request, text), ensure_ascii=False)


def rows(*fields: str) -> dict:
    """The output of `aws logs get-query-results`."""
    values = {"@timestamp": "2026-11-29", "outcome": "BothFailed"}
    cells = [[{"field": f, "value": values.get(f) or line(each)} for f in fields] for each in ("one", "two")]
    return {"results": cells, "status": "Complete"}


LINES = [line("one"), line("two")]
EVENTS = [{"logStreamName": "s", "timestamp": 1, "message": each} for each in LINES]
IN_TEXT = [f"2026-11-29T00:00:00.000Z ERROR Neither accepted the event. {each}" for each in LINES]
FORMS: dict[str, str | bytes] = {
    "lines": "\n".join(LINES),
    "lines with CR LF": "\r\n".join(LINES) + "\r\n",
    "lines of ASCII": "\n".join(json.dumps(json.loads(each)) for each in LINES),
    "lines of the text format": "\n".join(IN_TEXT),
    "lines among others": "START RequestId: 1\n[INFO] it's {a} \"b\n" + "\n{\n".join(LINES) + '\nREPORT [1] 5" {}\n',
    "tabs between, as --output text writes": "\t".join(LINES),
    "nothing between": "".join(LINES),
    "UTF-16 with a mark, as PowerShell writes": "\n".join(LINES).encode("utf-16"),
    "UTF-16 without a mark": "\n".join(LINES).encode("utf-16-be"),
    "UTF-8 with a mark": "\n".join(LINES).encode("utf-8-sig"),
    "gzip, as an export to S3": gzip.compress(LINES[0].encode() + b"\n") + gzip.compress(LINES[1].encode()),
    "gzip in gzip, as Firehose writes": gzip.compress(
        gzip.compress(LINES[0].encode()) + gzip.compress(LINES[1].encode())
    ),
    "an array of records, as jq -s writes": json.dumps([record("one"), record("two")]),
    "records pretty-printed": "\n".join(json.dumps(record(each), indent=2) for each in ("one", "two")),
    "queue messages, as jq .queueMessage writes": "\n".join(json.dumps(message(each)) for each in ("one", "two")),
    "strings, as jq .message without -r writes": "\n".join(json.dumps(each) for each in LINES),
    "filter-log-events": json.dumps({"events": EVENTS, "searchedLogStreams": []}, indent=4),
    "filter-log-events --query events[]": json.dumps(EVENTS, indent=4),
    "filter-log-events --query events[].message": json.dumps(LINES, indent=4),
    "filter-log-events of the text format": json.dumps({"events": [{"message": each} for each in IN_TEXT]}),
    "get-query-results": json.dumps(rows("@timestamp", "outcome", "@message"), indent=4),
    "an export of Logs Insights": json.dumps(
        [{"@timestamp": "t", "@message": record(each)} for each in ("one", "two")]
    ),
    "a subscription's data message": json.dumps({"messageType": "DATA_MESSAGE", "logEvents": EVENTS}),
    "sqs receive-message": json.dumps({"Messages": [{"Body": json.dumps(message(each))} for each in ("one", "two")]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_event_is_found_in(form: str) -> None:
    assert found_in(FORMS[form]) == (["one", "two"], [])


CUT = line("cut")[:-20]
DAMAGED: dict[str, tuple[str | bytes, list[str], list[str]]] = {
    "a cut record among others": (f"{LINES[0]}\n{CUT}\n{LINES[1]}", ["one", "two"], ["line 2, cut: .* truncated"]),
    "two cut records": (f"{CUT}\n{CUT}", [], ["line 1, cut", "line 2, cut"]),
    "a record cut before its message": (CUT[: CUT.index('"queueMessage"')], [], ["line 1, cut"]),
    "a cut record pretty-printed": (json.dumps(record("cut"), indent=2)[:-20], [], ["cut: .* truncated"]),
    "a cut queue message": (json.dumps(message("cut"))[:-5], [], ["line 1, cut"]),
    "a page cut after its last event": (
        json.dumps({"events": EVENTS}, indent=4)[:-9],
        ["one", "two"],
        ["inside a JSON value"],
    ),
    "a page cut within an event": (json.dumps({"events": EVENTS})[:-60], ["one"], ["two: .* truncated"]),
    "a cut gzip": (gzip.compress((LINES[0] + "\n").encode() * 3000)[:-9], ["one"], ["gzip"]),
    "bytes that are not text": (bytes(range(256)), [], ["not text"]),
    "an event with a damaged character": (
        "\n".join(LINES).encode().replace("é".encode(), b"\xff", 2),
        ["two"],
        [r"not text", "one"],
    ),
    "rows of Logs Insights without @message": (json.dumps(rows("@timestamp", "outcome")), [], ["@message", "@message"]),
    "a record in a field that is not known": (json.dumps({"unknown": LINES[0]}), [], ["one: .*@message"]),
    "CSV": ('@timestamp,@message\nt,"' + LINES[0].replace('"', '""') + '"\n', [], ["one"]),
    "YAML, which doubles apostrophes": (f"- message: '{LINES[0].replace(chr(39), chr(39) * 2)}'", [], ["one: .*YAML"]),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_was_not_read_is_named_for(kind: str) -> None:
    given, events, wanted = DAMAGED[kind]
    found, problems = found_in(given)
    assert set(found) == set(events)
    assert len(problems) == len(wanted), problems
    for problem, pattern in zip(problems, wanted, strict=True):
        assert re.search(pattern, problem)


@pytest.mark.parametrize("given", [b"", b"START RequestId: 1\n", b'{"outcome":"Delivered"}\n{"BothFailed":1}'])
def test_a_log_without_a_lost_event_is_not_a_failure(given: bytes) -> None:
    assert found_in(given) == ([], [])


def test_what_a_publisher_wrote_is_never_taken_for_a_message() -> None:
    forged = json.dumps(message("forged"))
    delivered = {"outcome": "Delivered", "cache": forged, "topic": forged, "message": "The event is on the bus."}
    queried = {"results": [[{"field": "topic", "value": forged}, {"field": "@message", "value": line("one", forged)}]]}
    for given in (delivered, record("one", forged), queried, {"message": json.dumps(delivered)}):
        assert "forged" not in found_in(json.dumps(given))[0]
    cut = json.dumps(record("one", forged), indent=2)[:-9]
    assert found_in(cut)[0] == []
