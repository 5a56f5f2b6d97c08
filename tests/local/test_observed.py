"""A thousand requests of every kind, and what the log and the metrics say of them.

The functions are the release binaries; AWS is observe/stand_ins.py, which fails where a kind of request wants it to.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
import traffic
from function_output import MetricLine, Output, sums
from functions import running
from stand_ins import StandIns, confirmed, failure
from template_reader import Resolver, alarm_metrics, dashboard_metrics
from traffic import Kind

MIX = {
    traffic.DELIVERED: 440,
    traffic.CUT: 40,
    traffic.PUT_FAILED: 40,
    traffic.ENTRY_FAILED: 40,
    traffic.TIMED_OUT: 1,
    traffic.UNMAPPABLE: 40,
    traffic.BOTH_FAILED: 15,
    traffic.CUT_BOTH_FAILED: 5,
    traffic.MISSING: 70,
    traffic.MALFORMED: 60,
    traffic.MISMATCH: 70,
    traffic.NOT_BASE64: 30,
    traffic.STALE: 50,
    traffic.FUTURE: 35,
    traffic.METHOD: 25,
    traffic.TOO_LARGE: 9,
    traffic.BUS_NOT_FOUND: 20,
    traffic.NO_SECRET: 10,
}
# The two kinds that need a process of their own: what is wrong has to be wrong from its start on.
ALONE = [traffic.BUS_NOT_FOUND, traffic.NO_SECRET]


@dataclass
class Run:
    output: Output
    statuses: Counter[int]


def send(stand_ins: StandIns, kinds: list[Kind]) -> Run:
    with running("webhook", stand_ins) as function:
        statuses = Counter(function.driver.send(kind.request()).status for kind in kinds)
        return Run(function.output(), statuses)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    mixed = [kind for kind, times in MIX.items() if kind not in ALONE for _ in range(times)]
    random.Random(6).shuffle(mixed)
    with traffic.failing_stand_ins() as services:
        first = send(services, mixed)
        services.describe_bus = lambda _: failure("ResourceNotFoundException")
        second = send(services, [traffic.BUS_NOT_FOUND] * MIX[traffic.BUS_NOT_FOUND])
        services.get_secret = lambda _: failure("AccessDeniedException")
        return [first, second, send(services, [traffic.NO_SECRET] * MIX[traffic.NO_SECRET])]


@pytest.fixture(scope="module")
def metrics(runs: list[Run]) -> list[MetricLine]:
    return [line for run in runs for line in run.output.metrics]


@pytest.fixture(scope="module")
def records(runs: list[Run]) -> list[dict]:
    return [record for run in runs for record in run.output.records]


def sent(key) -> Counter:
    """How many requests were sent by what a kind says of itself."""
    counted = Counter()
    for kind, times in MIX.items():
        counted[key(kind)] += times
    return counted


def test_a_thousand_requests_of_every_kind_are_sent():
    assert sum(MIX.values()) == 1000
    assert set(MIX) == set(traffic.ALL)


def test_the_metrics_add_up_to_exactly_what_was_sent(runs: list[Run], metrics: list[MetricLine]):
    outcomes = sent(lambda kind: kind.outcome)
    assert sums(metrics) == {**outcomes, "DetailTypeCut": sent(lambda kind: kind.cut)[True], "ColdStart": len(runs)}


def test_the_answers_were_those_of_the_outcomes(runs: list[Run]):
    statuses = sum((run.statuses for run in runs), Counter())
    counted = sent(lambda kind: kind.outcome)
    assert statuses == {
        200: counted["Delivered"],
        202: counted["Queued"],
        403: counted["Forged"] + counted["Stale"] + counted["Future"],
        405: counted["MethodNotAllowed"],
        413: counted["PayloadTooLarge"],
        500: counted["BothFailed"] + counted["SecretUnavailable"],
    }


def test_the_log_adds_up_to_exactly_what_was_sent_with_the_reason_of_each(records: list[dict]):
    logged = Counter((record["outcome"], record.get("reason")) for record in records)
    assert logged == sent(lambda kind: (kind.outcome, kind.reason))
    assert sum(record.get("detailTypeCut", False) for record in records) == sent(lambda kind: kind.cut)[True]


def test_a_request_has_one_record_and_one_line_of_metrics(runs: list[Run], records: list[dict]):
    for run in runs:
        assert len(run.output.records) == len(run.output.metrics) == run.statuses.total()
        # A start that meets a fault says so; nothing else is logged.
        assert len(run.output.lines) == 2 * run.statuses.total() + len(run.output.notes)
        lines = [line for line in run.output.lines if "outcome" in line or "_aws" in line]
        assert all(("outcome" in line) == (place % 2 == 0) for place, line in enumerate(lines))
        for record, line in zip(run.output.records, run.output.metrics, strict=True):
            assert record["outcome"] in line.values
    assert len({record["requestId"] for record in records}) == 1000


def test_a_bus_or_secret_that_is_missing_is_said_at_the_start_by_a_record_of_its_own(runs: list[Run]):
    healthy, no_bus, no_secret = [run.output.notes for run in runs]
    assert not healthy
    assert "create it or correct EVENT_BUS_NAME" in no_bus[0]
    assert any('"level":"ERROR"' in note and "secret" in note for note in no_secret)


def test_each_delivery_has_its_two_times_and_nothing_else_has(records: list[dict], metrics: list[MetricLine]):
    times = {"PutMilliseconds", "PublishToBusMilliseconds"}
    for record, line in zip(records, metrics, strict=True):
        assert times & line.values.keys() == (times if record["outcome"] == "Delivered" else set())
        for name in times & line.values.keys():
            unit, value = line.values[name]
            assert unit == "Milliseconds"
            assert value == record[name[0].lower() + name[1:]]
            assert 0 <= value < 60_000


def test_a_record_tells_of_an_event_what_is_known_of_it(records: list[dict]):
    for record in records:
        verified = record["outcome"] in ("Delivered", "Queued", "BothFailed", "Stale", "Future")
        known = {"cache", "topic", "topicSequenceNumber"} & record.keys()
        assert len(known) == (3 if verified and record.get("reason") != "Unmappable" else 0), record
        assert ("eventId" in record) == (record["outcome"] == "Delivered")
        assert ("error" in record) == (record["outcome"] in ("Queued", "BothFailed"))
        assert ("queueMessage" in record) == ("queueError" in record) == (record["outcome"] == "BothFailed")
        assert record["totalMilliseconds"] >= record.get("putMilliseconds", 0)
        assert record["bodyBytes"] > 0


def test_redrive_counts_what_it_put_on_the_bus_and_what_it_did_not(redriven: Output):
    assert sums(redriven.metrics) == {"Redriven": 7, "RedriveFailed": 3}
    assert Counter(record["outcome"] for record in redriven.records) == {"Redriven": 7, "RedriveFailed": 3}
    assert [record["outcome"] for record in redriven.records[4:]] == [
        "RedriveFailed", "Redriven", "RedriveFailed", "Redriven", "Redriven", "RedriveFailed",
    ]  # fmt: skip
    assert [line.values["PutMilliseconds"][0] for line in redriven.metrics] == ["Milliseconds"] * 2


def test_every_alarm_and_every_line_of_the_dashboard_watches_what_the_code_emits(
    metrics: list[MetricLine], redriven: Output
):
    functions = {"<WebhookFunction>": "webhook", "<RedriveFunction>": "redrive"}
    emitted = {(line.function_name, name) for line in [*metrics, *redriven.metrics] for name in line.values}
    watched = set()
    resolver = Resolver(MomentoSecretString="x", NoEventMinutes=30, AlarmEmail="a@example.com")
    for namespace, metric, names, values in alarm_metrics(resolver) | dashboard_metrics(resolver):
        if namespace == "MomentoEventBridge":
            assert names == ("FunctionName",)
            watched.add((functions[values[0]], metric))
    assert len(watched) > 10
    assert watched <= emitted
    # And nothing is emitted that nobody sees, but for the time of redrive, which nobody waits for.
    assert emitted - watched <= {("redrive", "PutMilliseconds")}


@pytest.fixture(scope="module")
def redriven() -> Output:
    """Two batches: four messages that are put, and then six, three of which EventBridge does not take."""

    def batch(topics: list[str]) -> dict:
        return {"Records": [traffic.sqs_message(traffic.body(topic)) for topic in topics]}

    with traffic.failing_stand_ins() as services, running("redrive", services) as function:
        assert function.api.invoke(batch(["paid"] * 4)) == {"batchItemFailures": []}
        services.put_events = lambda entries: confirmed(entries, dict.fromkeys((0, 2, 5), "InternalFailure"))
        assert len(function.api.invoke(batch(["paid"] * 6))["batchItemFailures"]) == 3
        return function.output()
