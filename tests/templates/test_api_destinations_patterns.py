"""Which events api-destinations.yaml takes, and by which rule: every combination of present, missing and odd values.

An event is a flat set of leaves: each path with the scalars found there, through arrays. An object has no leaf of its
own, and neither has an empty array; null is a leaf. `exists` asks for a leaf, every other operator for one that fits.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from tools.paths import ROOT
from tools.templates.reader import read_template
from tools.templates.resolver import Resolver

ABSENT = object()
TEMPLATE = read_template((ROOT / "api-destinations.yaml").read_text())
MODES = ["text", "json"]
INVALID = {"CacheSetInvalidRule", "CacheDeleteInvalidRule", "TopicPublishInvalidRule"}
TEXT = {"CacheSetTextRule", "TopicPublishTextRule"}


def patterns_of(mode: str) -> dict[str, dict]:
    resolver = Resolver(TEMPLATE, StringMessages=mode)
    return {
        logical_id: resolver.properties(logical_id)["EventPattern"]
        for logical_id, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Events::Rule" and resolver.exists(logical_id)
    }


PATTERNS = {mode: patterns_of(mode) for mode in MODES}

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


def taken_by(event: dict, mode: str) -> set[str]:
    return {rule for rule, pattern in PATTERNS[mode].items() if matches(pattern, event)}


def is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_nothing(value: Any) -> bool:
    """Whether EventBridge cannot distinguish the value from a missing field."""
    return value is ABSENT or value in ({"a": "x"}, [])


def expected_rule(event: dict) -> str:
    """The one rule that should match an event. What EventBridge cannot tell from a missing field counts as missing."""
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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("detail_type", FIELDS)
def test_every_event_is_taken_by_the_one_rule_that_fits_it(detail_type: str, mode: str) -> None:
    for tried in combinations(detail_type, SCALARS):
        wanted = expected_rule(tried)
        # An empty string looks like any other string. Such an event also goes to Momento, which refuses it.
        extra = taken_by(tried, mode) - {wanted}
        if "" in tried["detail"].values():
            assert wanted in INVALID and wanted in taken_by(tried, mode) and not extra & INVALID and len(extra) <= 1, (
                tried
            )
        else:
            assert taken_by(tried, mode) == {wanted}, tried


@pytest.mark.parametrize("detail_type", ["cacheSet", "topicPublish"])
def test_an_event_with_a_string_goes_to_the_function_where_it_else_goes_to_an_api_destination(detail_type: str) -> None:
    text_rule = "CacheSetTextRule" if detail_type == "cacheSet" else "TopicPublishTextRule"
    for tried in combinations(detail_type, SCALARS):
        with_string = event(detail_type, {**tried["detail"], "message": "text"})
        before, after = taken_by(with_string, "json"), taken_by(with_string, "text")
        assert after & INVALID == before & INVALID, with_string
        assert after - INVALID == ({text_rule} if before - INVALID else set()), with_string


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("detail_type", FIELDS)
def test_no_event_is_dropped_in_silence_or_sent_to_momento_twice(detail_type: str, mode: str) -> None:
    for message in (ABSENT, "text", 1, {"a": "text"}):
        for tried in combinations(detail_type, ["x", ABSENT, "", None, *LISTS]):
            if message is not ABSENT:
                tried["detail"]["message"] = message
            rules = taken_by(tried, mode)
            assert rules, tried
            assert len(rules - INVALID) <= 1, tried


# The message, and whether the rule of the API destination and that of the function take it. An array matches if any of
# its scalars does; the function leaves the arrays that both take to the API destination.
MESSAGES = [
    *[(text, False, True) for text in ("text", "", "a\nb", '"', "*", "\\", "\u0000", "日本 🚀", "x" * 4096)],
    *[(scalar, True, False) for scalar in (1, 6_000_000_000, -1.5, 1e300, True, False, None)],
    *[(empty, True, False) for empty in ({}, {"a": "text"}, {"a": {"b": 1}}, [], [[]], [{}], [{"a": "text"}])],
    *[(array, True, False) for array in ([1], [None, True], [[2]])],
    *[(array, False, True) for array in (["a"], [""], ["a", ["b"]], ["a", {"b": 1}], ["a", {}])],
    *[(array, True, True) for array in (["a", 1], [None, "a"], [[1], "a"], ["a", [True]])],
]
FORMS = {
    "CacheSetByKeyRule": ("cacheSet", {"cacheName": "c", "key": "k", "ttl": 60}, "CacheSetTextRule"),
    "CacheSetByKeyBase64Rule": ("cacheSet", {"cacheName": "c", "key_base64": "aw", "ttl": 60}, "CacheSetTextRule"),
    "TopicPublishRule": ("topicPublish", {"cacheName": "c", "topicName": "t"}, "TopicPublishTextRule"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_message_decides_between_the_api_destination_and_the_function(form: str) -> None:
    detail_type, detail, text_rule = FORMS[form]
    for message, to_destination, to_function in MESSAGES:
        for source in ("orders", "aws.dynamodb", "momento", "Momento ", "com.example.Momento"):
            tried = event(detail_type, {**detail, "message": message}, source)
            assert taken_by(tried, "json") == {form}, tried
            expected = ({form} if to_destination else set()) | ({text_rule} if to_function else set())
            assert taken_by(tried, "text") == expected, tried


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_message_looks_like_an_object_to_every_rule(mode: str) -> None:
    for form, (detail_type, detail, _) in FORMS.items():
        for message in ({}, {"a": "text"}):
            assert taken_by(event(detail_type, {**detail, "message": message}), mode) == {form}
        assert taken_by(event(detail_type, detail), mode) == {form}


@pytest.mark.parametrize("mode", MODES)
def test_an_event_of_another_detail_type_is_ignored(mode: str) -> None:
    for detail_type in ("cacheset", "cacheSet ", "cacheGet", "order created", "cache#topic"):
        for detail in ({}, {"cacheName": "c", "topicName": "t", "key": "k", "ttl": 60, "message": "m"}):
            assert taken_by(event(detail_type, detail), mode) == set()


# What the webhook handler writes: source Momento, the body as it was signed, and <cache>#<topic> cut to 128 characters.
FROM_THE_HANDLER = [
    event(detail_type, {**body, "cache": "c", "topic": "t", "publish_timestamp": 1, "text": "x"}, "Momento")
    for detail_type in ("serverless#test", "cacheSet#topicPublish", *FIELDS, "c" * 128)
    for body in ({}, {"cacheName": "c", "topicName": "t", "key": "k", "ttl": 60, "message": "m"}, {"cacheName": "c"})
]


@pytest.mark.parametrize("mode", MODES)
def test_what_the_webhook_handler_puts_on_the_bus_matches_no_rule(mode: str) -> None:
    for tried in FROM_THE_HANDLER:
        assert taken_by(tried, mode) == set(), tried


@pytest.mark.parametrize("mode", MODES)
def test_the_patterns_are_short_enough(mode: str) -> None:
    for rule, pattern in PATTERNS[mode].items():
        assert len(json.dumps(pattern)) <= 2048, f"{rule}: EventBridge's default quota is 2,048 characters."


def matches(pattern: dict, event: dict) -> bool:
    return all(holds(field, wanted, event) for field, wanted in pattern.items())


def holds(field: str, wanted: Any, event: dict) -> bool:
    if field == "$or":
        return any(matches(alternative, event) for alternative in wanted)
    value = event.get(field, {})
    if isinstance(wanted, dict):
        return matches(wanted, value if isinstance(value, dict) else {})
    return any(fits(leaves(value), condition) for condition in wanted)


def leaves(value: Any) -> list:
    if isinstance(value, dict):
        return []
    if isinstance(value, list):
        return [leaf for element in value for leaf in leaves(element)]
    return [value]


def fits(found: list, condition: Any) -> bool:
    match condition:
        case {"exists": wanted}:
            return bool(found) == wanted
        case {"prefix": prefix}:
            return any(isinstance(leaf, str) and leaf.startswith(prefix) for leaf in found)
        case {"anything-but": {"wildcard": "*"}}:
            return any(not isinstance(leaf, str) for leaf in found)
        case {"anything-but": [*unwanted]}:
            return any(leaf not in unwanted for leaf in found)
        case str():
            return condition in found
    raise NotImplementedError(f"The condition {condition} is not known here.")
