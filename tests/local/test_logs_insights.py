"""The evaluator of Logs Insights' queries: what it computes, and what it refuses."""

from __future__ import annotations

import json

import pytest
from logs_insights import QueryError, event, field_names, run

LINES = [
    {"outcome": "Delivered", "ms": 5.5, "cold": True, "topic": "a", "n": 1},
    {"outcome": "Delivered", "ms": 12.0, "cold": False, "topic": "b", "n": 2},
    {"outcome": "Queued", "reason": "TimedOut", "cold": False, "topic": "a", "n": 3, "queue": {"ids": ["x", "y"]}},
    {"outcome": "Forged", "reason": "SignatureMissing", "cold": False},
]
EVENTS = [
    *(event(json.dumps(line), 1_000_000 + 200_000 * place, "log") for place, line in enumerate(LINES)),
    event("START RequestId: not JSON", 2_000_000, "log"),
]


def column(query: str, name: str) -> list:
    return [row.get(name) for row in run(query, EVENTS)]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ('outcome = "Delivered"', [1, 2]),
        ("outcome = 'Delivered' and ms > 6", [2]),
        ('outcome = "Queued" or ms < 6', [1, 3]),
        ('not outcome = "Delivered" and ispresent(n)', [3]),
        ('outcome != "Delivered"', [3, None]),
        ("ms >= 5.5 and ms <= 12", [1, 2]),
        ('outcome in ["Queued", "Forged"]', [3, None]),
        ("n in [1, 3]", [1, 3]),
        ("topic like /^[ab]$/", [1, 2, 3]),
        ('outcome like "liver"', [1, 2]),
        ("cold = 1", [1]),
        ("n * 2 + 1 = 7 - 0", [3]),
        ("(n + 1) * 2 = 8", [3]),
        ("n - 1 - 1 = 1", [3]),
        ("n / 2 = 1", [2]),
        ("`queue.ids.1` = 'y'", [3]),
        ("queue.ids.0 = 'x'", [3]),
        ("coalesce(reason, topic) = 'b'", [2]),
        ("ms > 'a'", []),
        ("missing = 1", []),
    ],
)
def test_a_filter_keeps_the_rows_for_which_it_is_true(condition: str, found: list):
    assert column(f"filter {condition} | fields n", "n") == found


def test_without_fields_the_time_and_the_message_are_shown():
    assert run("limit 1", EVENTS) == [{"@timestamp": 1_000_000, "@message": json.dumps(LINES[0])}]


def test_a_stat_is_computed_for_each_group():
    rows = run("filter ispresent(n) | stats count(*) as all, count(ms) as timed, sum(n) as total by topic", EVENTS)
    assert rows == [{"topic": "a", "all": 2, "timed": 1, "total": 4}, {"topic": "b", "all": 1, "timed": 1, "total": 2}]


def test_aggregations_can_be_calculated_with():
    aggregations = "max(n) - min(n) + 1 - count_distinct(n) as missing, avg(ms), pct(ms, 99) as slow"
    assert run(f"filter ispresent(n) | stats {aggregations}", EVENTS) == [{"missing": 0, "avg(ms)": 8.75, "slow": 12.0}]


def test_bin_rounds_the_time_down():
    rows = run("stats count(*) as n by bin(5m)", EVENTS)
    counted = {900_000: 1, 1_200_000: 2, 1_500_000: 1, 1_800_000: 1}
    assert rows == [{"bin(5m)": at, "n": n} for at, n in counted.items()]


def test_rows_are_sorted_and_those_without_a_value_come_last():
    assert column("filter ispresent(outcome) | sort ms desc | fields n", "n") == [2, 1, 3, None]
    assert column("sort n asc | limit 2 | fields n", "n") == [1, 2]


def test_duplicates_are_left_out():
    assert sorted(column("filter ispresent(topic) | dedup topic | fields topic", "topic")) == ["a", "b"]


def test_a_comment_is_no_part_of_the_query():
    assert column("# these two\nfilter n = 2\n# and no more\n| fields n", "n") == [2]


def test_a_text_may_hold_what_else_parts_commands():
    assert column('filter @message like "RequestId: not" | fields @timestamp', "@timestamp") == [2_000_000]
    assert column('filter outcome = "a | b"', "n") == []


def test_the_fields_that_a_query_reads_are_known():
    query = 'filter ispresent(a.b) and c in ["d"] | stats max(e) as f by g, bin(1h) | sort f desc'
    assert field_names(query) == {"a.b", "c", "e", "g"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "select n",
        "filter",
        "filter n =",
        "filter n = 1 2",
        "filter unknown(n) = 1",
        "filter n in 1",
        "filter n like 1",
        "filter n like",
        "filter n in [",
        "stats n by topic",
        "sort n desc topic",
        "limit x",
        "fields n as",
        "filter (n = 1",
        "filter n = ~1",
        "stats bin(5) by n",
    ],
)
def test_what_is_not_known_is_refused(query: str):
    with pytest.raises(QueryError):
        run(query, EVENTS)
