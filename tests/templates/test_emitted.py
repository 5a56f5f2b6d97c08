"""Alarms, charts and queries name what the functions write: tests/observed/emitted.json, kept true by a Rust test."""

from __future__ import annotations

import json
import re

import pytest

from tools.paths import ROOT
from tools.templates.resolver import PSEUDO, Resolver, of_type
from tools.testing.watched_metrics import alarm_metrics, dashboard_metrics

EMITTED = json.loads((ROOT / "tests" / "observed" / "emitted.json").read_text())
EVERYTHING = Resolver(MomentoSecretString="x", NoEventMinutes=30, AlarmEmail="a@example.com")
FUNCTIONS = {"<WebhookFunction>": "webhook", "<RedriveFunction>": "redrive"}
UNITS = {
    (function, metric): unit for function, written in EMITTED.items() for metric, unit in written["metrics"].items()
}


def watched(metrics: set) -> set[tuple[str, str]]:
    own = [(names, values, metric) for namespace, metric, names, values in metrics if namespace == "MomentoEventBridge"]
    assert all(names == ("FunctionName",) for names, _, _ in own)
    return {(FUNCTIONS[value], metric) for _, [value], metric in own}


IN_ALARMS, ON_DASHBOARD = watched(alarm_metrics(EVERYTHING)), watched(dashboard_metrics(EVERYTHING))


def test_each_alarm_and_chart_watches_a_metric_that_the_function_writes():
    assert IN_ALARMS
    assert len(ON_DASHBOARD) > 10
    assert UNITS.keys() >= IN_ALARMS | ON_DASHBOARD


def test_every_metric_that_a_function_writes_is_on_the_dashboard_except_the_time_of_a_batch():
    missing = UNITS.keys() - ON_DASHBOARD - {("redrive", "PutMilliseconds")}
    assert not missing, "Add these to a chart of OverviewDashboard in template.yaml."


def test_a_chart_of_milliseconds_shows_milliseconds_and_no_other_chart_does():
    for widget in EVERYTHING.dashboard():
        label = widget["properties"].get("yAxis", {}).get("left", {}).get("label")
        for namespace, metric, _, owner, _ in widget["properties"].get("metrics", []):
            if label and namespace == "MomentoEventBridge":
                is_time = UNITS[FUNCTIONS[owner], metric] == "Milliseconds"
                assert is_time == (label == "milliseconds"), metric


# ---- Queries

PAGE = (ROOT / "docs" / "logs-and-metrics.md").read_text()
SECTION = re.split(r"(?m)^## ", PAGE.split("\n## Queries\n", 1)[1])[0]
DOCUMENTED = dict(re.findall(r"### ([^\n]+)\n(?:(?!###).)*?```\n(.*?)```", SECTION, re.DOTALL))
FOLDER = f"{PSEUDO['AWS::StackName']}/"
SAVED = {
    query["Name"].removeprefix(FOLDER): query
    for query in map(EVERYTHING.properties, of_type("AWS::Logs::QueryDefinition"))
}
QUERIES = DOCUMENTED | {name: query["QueryString"] for name, query in SAVED.items()}
RECORDS = [(outcome, set(fields)) for written in EMITTED.values() for outcome, fields in written["records"].items()]
# The language's own words, and the fields that CloudWatch Logs adds.
WORDS = {"filter", "fields", "stats", "sort", "limit", "by", "as", "asc", "desc", "in", "and", "or", "not", "like"}
ADDED = {"@timestamp", "@message", "@log"}


def test_every_heading_of_the_queries_has_one_but_for_the_table_of_the_saved_ones():
    assert ["Saved queries", *DOCUMENTED] == re.findall(r"(?m)^### (.+)$", SECTION)


def test_the_page_names_each_saved_query_once():
    assert re.findall(r"(?m)^\| ([A-Z][^|]+) \|", SECTION) == list(SAVED)


def test_the_saved_queries_are_in_a_folder_of_the_stack_and_read_its_own_logs():
    groups = {"<WebhookLogs>": "webhook", "<RedriveLogs>": "redrive"}
    for query in SAVED.values():
        assert query["Name"].startswith(FOLDER)
        written = set().union(*(EMITTED[groups[name]]["records"] for name in query["LogGroupNames"]))
        outcomes = re.search(r"outcome in \[([^]]+)]", query["QueryString"])
        assert outcomes is None or set(re.findall(r'"(\w+)"', outcomes[1])) <= written


@pytest.mark.parametrize("heading", QUERIES)
def test_each_field_of_a_query_is_in_the_records_that_it_reads(heading: str):
    query = QUERIES[heading]
    filtered = re.search(r'\boutcome (?:= ("\w+")|in \[([^]]+)])', query)
    outcomes = set(re.findall(r'"(\w+)"', filtered[0])) if filtered else {outcome for outcome, _ in RECORDS}
    assert outcomes <= {outcome for outcome, _ in RECORDS}
    known = set().union(*(fields for outcome, fields in RECORDS if outcome in outcomes))
    given = set(re.findall(r"\bas (\w+)", query))
    # Neither comments, patterns and texts, nor functions.
    plain = re.sub(r'(?m)^#.*$|/[^/\n]*/|"[^"]*"', "", query)
    names = set(re.findall(r"(?<![\w@])[A-Za-z@]\w*\b(?!\()", plain))
    assert names - WORDS - given <= known | ADDED
