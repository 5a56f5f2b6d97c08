"""docs/logs-and-metrics.md against a real run: its records, fields, metrics, figures and queries."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable

import every_kind
import page
import pytest
import traffic
from every_kind import REDRIVE_LOG, EveryKind
from logs_insights import Row, field_names, run
from traffic import Kind

PAGE = page.PAGE.read_text()
TIMES = {traffic.TIMED_OUT: 1, traffic.DELIVERED: 7, traffic.NO_SECRET: 2}


def times(kind: Kind) -> int:
    return TIMES.get(kind, 3)


@pytest.fixture(scope="module")
def real() -> EveryKind:
    return every_kind.run(times)


@pytest.fixture(scope="module")
def log(real: EveryKind) -> list[Row]:
    return real.log()


def section(heading: str) -> str:
    level = heading.split(" ")[0]
    return re.split(rf"(?m)^#{{1,{len(level)}}} ", PAGE.split(f"\n{heading}\n", 1)[1])[0]


def first_column(text: str) -> list[str]:
    """The names in a table's first column."""
    cells = re.findall(r"(?m)^\| (`[^|]*) \|", text)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


# ---- Queries

QUERIES = dict(re.findall(r"### ([^\n]+)\n(?:(?!###).)*?```\n(.*?)```", section("## Queries"), re.DOTALL))
SENT: Counter[Kind] = Counter({kind: times(kind) for kind in traffic.ALL})


def counted(key: Callable[[Kind], object], *outcomes: str) -> Counter:
    found: Counter = Counter()
    for kind, number in SENT.items():
        if not outcomes or kind.outcome in outcomes:
            found[key(kind)] += number
    return found


def tally(rows: list[dict], number: str, *names: str) -> Counter:
    found: Counter = Counter()
    for row in rows:
        found[tuple(row.get(name) for name in names)] += row[number]
    return found


def without_redrive(log: list[Row]) -> list[Row]:
    return [row for row in log if row["@log"] != REDRIVE_LOG]


def of_redrive(log: list[Row]) -> list[Row]:
    return [row for row in log if row["@log"] == REDRIVE_LOG]


def what_became(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    assert tally(rows, "requests", "outcome", "reason") == counted(lambda kind: (kind.outcome, kind.reason))
    numbers = [row["requests"] for row in rows]
    assert numbers == sorted(numbers, reverse=True)


def refusals(query: str, log: list[Row]) -> None:
    refused = ("Forged", "Stale", "Future", "MethodNotAllowed", "PayloadTooLarge")
    rows = run(query, without_redrive(log))
    assert tally(rows, "refused", "outcome", "reason") == counted(lambda kind: (kind.outcome, kind.reason), *refused)
    assert all(row["bin(5m)"] % 300_000 == 0 for row in rows)


def slowest(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    assert len(rows) == SENT[traffic.DELIVERED] + SENT[traffic.CUT]
    slow = [row["putMilliseconds"] for row in rows]
    assert slow == sorted(slow, reverse=True)
    assert all(len(row) == 8 for row in rows)


def by_topic(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    expected = {"paid": SENT[traffic.DELIVERED], traffic.LONG_TOPIC: SENT[traffic.CUT]}
    assert {row["topic"]: row["events"] for row in rows} == expected
    assert all(0 < row["p50"] <= row["p99"] for row in rows)


def event_way(query: str, log: list[Row]) -> None:
    [numbered, *_] = [row for row in log if row.get("topic") == "put-failed"]
    rows = run(query.replace("= 7", f"= {numbered['topicSequenceNumber']}"), log)
    assert [row["outcome"] for row in rows] == ["Queued", "RedriveFailed", "Redriven"]
    assert {row["reason"] for row in rows} == {"PutFailed"}
    assert "eventId" in rows[-1]


def request_way(query: str, log: list[Row]) -> None:
    [unmappable, *_] = [row for row in log if row.get("reason") == "Unmappable"]
    rows = run(query.replace("8476a536-e9f4-11e8-9739-2dfe598c3fcd", unmappable["requestId"]), log)
    assert [row["outcome"] for row in rows] == ["Queued", "RedriveFailed", "RedriveFailed"]


def why_queued(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    assert tally(rows, "events", "reason") == counted(lambda kind: (kind.reason,), "Queued")
    assert all(row["error"] and row["firstSeen"] <= row["lastSeen"] for row in rows)


def stuck(query: str, log: list[Row]) -> None:
    rows = run(query, of_redrive(log))
    attempts = tally(rows, "attempts", "messageId")
    queued = sum(number for kind, number in SENT.items() if kind.outcome == "Queued")
    assert len(attempts) == queued
    # Twice tried in vain is what no bus can take; the rest was put at the second attempt.
    assert Counter(attempts.values()) == {2: SENT[traffic.UNMAPPABLE], 1: queued - SENT[traffic.UNMAPPABLE]}


def only_in_log(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    assert len(rows) == SENT[traffic.BOTH_FAILED] + SENT[traffic.CUT_BOTH_FAILED]
    assert all('"queueMessage":{' in row["@message"] and row["queueError"] for row in rows)


def cold_starts(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    assert sum(row["coldStarts"] for row in rows) == 3
    assert sum(row["requests"] for row in rows) == SENT.total()


def cut(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    assert {row["topic"]: row["events"] for row in rows} == {
        traffic.LONG_TOPIC: SENT[traffic.CUT],
        "both-failed" + traffic.LONG_TOPIC: SENT[traffic.CUT_BOTH_FAILED],
    }


def gaps(query: str, log: list[Row]) -> None:
    rows = run(query, without_redrive(log))
    for row in rows:
        came = {event["topicSequenceNumber"] for event in without_redrive(log) if event.get("topic") == row["topic"]}
        assert row["missing"] == max(came) - min(came) + 1 - len(came)
    assert any(row["missing"] > 0 for row in rows)


TRIED = {
    "Requests by outcome": what_became,
    "Refused requests by reason": refusals,
    "Slowest deliveries": slowest,
    "Latency by topic": by_topic,
    "Path of one event": event_way,
    "Path of one request": request_way,
    "Queued events by reason": why_queued,
    "Failed redrive attempts": stuck,
    "Events that are only in the log": only_in_log,
    "Cold starts": cold_starts,
    "Topics with a truncated detail-type": cut,
    "Gaps in sequence numbers": gaps,
}


@pytest.mark.parametrize("heading", QUERIES)
def test_a_query_finds_in_real_records_what_it_says(heading: str, log: list[Row]):
    known = {name for row in log for name in row}
    assert field_names(QUERIES[heading]) <= known
    TRIED[heading](QUERIES[heading], log)


def test_no_query_is_left_untried():
    assert QUERIES.keys() == TRIED.keys()


# ---- Records, fields, metrics and figures


def test_the_table_of_fields_lists_exactly_those_that_occur(real: EveryKind):
    occurring = {name for request in real.requests for name in request.record}
    occurring |= {name for record in real.redrive.records for name in record}
    assert set(first_column(section("### Fields"))) == occurring


def test_the_outcomes_in_that_table_are_exactly_those_that_occur(real: EveryKind):
    [row] = [line for line in section("### Fields").splitlines() if line.startswith("| `outcome`")]
    occurring = {request.record["outcome"] for request in real.requests}
    occurring |= {record["outcome"] for record in real.redrive.records}
    assert set(re.findall(r"`(\w+)`", row)) - {"outcome"} == occurring


def test_the_table_of_metrics_lists_exactly_those_that_occur_with_their_units(real: EveryKind):
    rows = re.findall(r"(?m)^\| `(\w+)` \|.*\| (\w+) \|$", section("## Metrics"))
    lines = [line for output in [*real.outputs, real.redrive] for line in output.metrics]
    occurring = {name: unit for line in lines for name, (unit, _) in line.values.items()}
    assert dict(rows) == occurring
    assert len(rows) == len(occurring)


def test_the_page_has_a_record_of_each_kind_with_the_fields_that_the_code_writes(real: EveryKind):
    shown = re.findall(r"### ([^\n]+)\n\n```\n(.*?)\n```", page.between(PAGE, "records"), re.DOTALL)
    written = dict(page.records(real))
    assert {heading for heading, _ in shown} == written.keys()
    for heading, text in shown:
        record = json.loads(text)
        # A new environment is not always met by the same request.
        assert record.keys() == written[heading].keys(), heading
        for name in ("level", "message", "outcome", "reason", "error"):
            assert record.get(name) == written[heading].get(name), heading


def test_the_bytes_on_the_page_are_those_of_the_run(real: EveryKind):
    rows = re.findall(r"(?m)^\| `(\w+)`: ([^|]+) \| (\d+) B \| (\d+) B \| (\d+) B \|", page.between(PAGE, "costs"))
    shown = {name: (int(record), int(metrics)) for _, name, record, metrics, _ in rows}
    assert shown.keys() == {kind.name for kind in traffic.ALL}
    for request in real.requests:
        record, metrics = shown[request.kind.name]
        # A time may have another number of digits, and the first request of a process has a metric more.
        assert abs(record - request.record_bytes) <= 30, request.kind.name
        assert abs(metrics - request.metrics_bytes) <= 70, request.kind.name
