"""Which events api-destinations.yaml takes, and by which rule: every combination of present, missing and odd values."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from tools.cloudformation import read_template
from tools.event_pattern import matches
from tools.local_aws import LocalAws
from tools.paths import ROOT

ABSENT = object()
TEMPLATE = read_template((ROOT / "api-destinations.yaml").read_text())
PATTERNS = {
    logical_id: resource["Properties"]["EventPattern"]
    for logical_id, resource in TEMPLATE["Resources"].items()
    if resource["Type"] == "AWS::Events::Rule"
}
INVALID = {"CacheSetInvalidRule", "CacheDeleteInvalidRule", "TopicPublishInvalidRule"}

SCALARS = [ABSENT, "x", "", None, True, 0, 6_000_000_000, {"a": "x"}, []]
LISTS = [["x"], ["x", ""], [None, "x"], [[]]]
FIELDS = {
    "cacheSet": ["cacheName", "key", "key_base64", "ttl"],
    "cacheDelete": ["cacheName", "key", "key_base64"],
    "topicPublish": ["cacheName", "topicName"],
}


def event(detail_type: str, detail: dict, source: str = "orders") -> dict:
    return {"source": source, "detail-type": detail_type, "detail": detail}


def combinations(detail_type: str, values: list) -> list[dict]:
    fields = FIELDS[detail_type]
    return [
        event(detail_type, {field: value for field, value in zip(fields, chosen, strict=True) if value is not ABSENT})
        for chosen in product(values, repeat=len(fields))
    ]


def taken_by(event: dict) -> set[str]:
    return {rule for rule, pattern in PATTERNS.items() if matches(pattern, event)}


def is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_nothing(value: Any) -> bool:
    """What EventBridge cannot tell from a field that is not there."""
    return value is ABSENT or value in ({"a": "x"}, [])


def expected_rule(event: dict) -> str:
    """The one rule that should take an event; what EventBridge cannot tell apart counts as missing."""
    kind, detail = event["detail-type"], event["detail"]
    names = all(is_name(detail.get(name)) for name in FIELDS[kind] if name in ("cacheName", "topicName"))
    ttl = kind != "cacheSet" or not (is_nothing(detail.get("ttl", ABSENT)) or detail["ttl"] == "")
    if kind == "topicPublish":
        return "TopicPublishRule" if names else "TopicPublishInvalidRule"
    prefix = "CacheSet" if kind == "cacheSet" else "CacheDelete"
    key, key_base64 = detail.get("key", ABSENT), detail.get("key_base64", ABSENT)
    if names and ttl and is_name(key) and is_nothing(key_base64):
        return f"{prefix}ByKeyRule"
    if names and ttl and is_name(key_base64) and is_nothing(key):
        return f"{prefix}ByKeyBase64Rule"
    return f"{prefix}InvalidRule"


@pytest.mark.parametrize("detail_type", FIELDS)
def test_every_event_is_taken_by_the_one_rule_that_fits_it(detail_type: str) -> None:
    for tried in combinations(detail_type, SCALARS):
        wanted = expected_rule(tried)
        # An empty string cannot be told from another one: such an event goes to Momento, which refuses it, as well.
        extra = taken_by(tried) - {wanted}
        if "" in tried["detail"].values():
            assert wanted in INVALID and wanted in taken_by(tried) and not extra & INVALID and len(extra) <= 1, tried
        else:
            assert taken_by(tried) == {wanted}, tried


@pytest.mark.parametrize("detail_type", FIELDS)
def test_no_event_is_dropped_in_silence_or_sent_to_momento_twice(detail_type: str) -> None:
    for tried in combinations(detail_type, ["x", ABSENT, "", None, *LISTS]):
        rules = taken_by(tried)
        assert rules, tried
        assert len(rules - INVALID) <= 1, tried


def test_the_source_and_the_message_do_not_matter() -> None:
    detail = {"cacheName": "c", "key": "k", "ttl": 60}
    for source in ("orders", "aws.dynamodb", "momento", "Momento ", "com.example.Momento"):
        for message in ("text", "", None, 1, {"a": {}}, {}, []):
            taken = taken_by(event("cacheSet", {**detail, "message": message}, source))
            assert taken == {"CacheSetByKeyRule"}


def test_an_event_of_another_detail_type_is_left_alone() -> None:
    for detail_type in ("cacheset", "cacheSet ", "cacheGet", "order created", "cache#topic"):
        for detail in ({}, {"cacheName": "c", "topicName": "t", "key": "k", "ttl": 60, "message": "m"}):
            assert taken_by(event(detail_type, detail)) == set()


# What the webhook handler writes: source Momento, the body as it was signed, and <cache>#<topic> cut to 128 characters.
FROM_THE_HANDLER = [
    event(detail_type, {**body, "cache": "c", "topic": "t", "publish_timestamp": 1, "text": "x"}, "Momento")
    for detail_type in ("serverless#test", "cacheSet#topicPublish", *FIELDS, "c" * 128)
    for body in ({}, {"cacheName": "c", "topicName": "t", "key": "k", "ttl": 60, "message": "m"}, {"cacheName": "c"})
]


def test_what_the_webhook_handler_puts_on_the_bus_matches_no_rule() -> None:
    for tried in FROM_THE_HANDLER:
        assert taken_by(tried) == set(), tried


def test_eventbridge_itself_takes_the_patterns_and_agrees(aws: LocalAws) -> None:
    events = aws.client("events")
    values = ["x", ABSENT, "", None, 5, {"a": "x"}, ["x"]]
    samples = [tried for kind in FIELDS for tried in combinations(kind, values)]
    samples = samples[:: len(samples) // 40] + FROM_THE_HANDLER
    envelope = {"id": "1", "account": "0" * 12, "region": "us-east-1", "time": "2026-01-01T00:00:00Z", "resources": []}
    for tried in samples:
        whole = json.dumps({**envelope, **tried})
        said = {
            rule
            for rule, pattern in PATTERNS.items()
            if tried["detail-type"] in (*pattern["detail-type"], "serverless#test")
            and events.test_event_pattern(EventPattern=json.dumps(pattern), Event=whole)["Result"]
        }
        assert said == taken_by(tried), tried


def test_the_patterns_are_short_enough() -> None:
    for rule, pattern in PATTERNS.items():
        assert len(json.dumps(pattern)) <= 2048, f"{rule}: EventBridge's default quota is 2,048 characters."
