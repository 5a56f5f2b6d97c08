"""Event patterns as AWS documents them, for the operators that the templates use, to be tried exhaustively.

An event is a flat set of leaves: each path with the scalars found there, through arrays. An object has no leaf of its
own, and neither has an empty array; null is a leaf. `exists` asks for a leaf, every other operator for one that fits.
"""

from __future__ import annotations

from typing import Any


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
