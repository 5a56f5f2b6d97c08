"""CloudWatch Logs Insights' query language, as far as the documentation's queries use it, over lines of a local log.

Commands: fields, display, filter, stats, sort, limit, dedup. Expressions: field names, strings, numbers, arithmetic,
comparisons, `in`, `like` with a text or a regular expression, `and`, `or`, `not`, and the functions and aggregations
below.
Whatever else a query holds is an error, so that none passes that was not tried.

As in CloudWatch, fields are found in JSON, nested ones by their path with dots, and a boolean is 1 or 0.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
Evaluate = Callable[[Row], Any]

TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<regex>/(?:[^/\\]|\\.)+/)(?=\s*(?:$|and\b|or\b|\||\)))
    |(?P<duration>\d+(?:s|m|h|d)\b)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>@?[A-Za-z_][\w]*(?:\.\w+)*|`[^`]+`)
    |(?P<symbol>!=|<=|>=|[=<>()\[\],+\-*/|])
    )""",
    re.VERBOSE,
)
COMMANDS = ("fields", "display", "filter", "stats", "sort", "limit", "dedup")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DEFAULT_LIMIT = 10_000
BINDING = {"or": 1, "and": 2, "=": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4, "like": 4}
BINDING |= {"+": 5, "-": 5, "*": 6, "/": 6}
NEGATION = 3


class QueryError(ValueError):
    """The query is not one that this evaluator, and so perhaps CloudWatch, can run."""


def event(line: str, at: int, log: str) -> Row:
    """A line of a log group; `at` in milliseconds since the Unix epoch."""
    row: Row = {"@timestamp": at, "@message": line, "@log": log}
    try:
        content = json.loads(line)
    except ValueError:
        return row
    if isinstance(content, dict):
        _flatten(content, "", row)
    return row


def _flatten(value: Any, path: str, row: Row) -> None:
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            _flatten(part, f"{path}.{key}" if path else str(key), row)
    elif value is not None:
        row[path] = int(value) if isinstance(value, bool) else value


def run(query: str, events: list[Row]) -> list[Row]:
    """The rows of the result, each with the columns that the console would show."""
    rows, columns, limited = events, ["@timestamp", "@message"], False
    for name, parser in _commands(query):
        match name:
            case "fields" | "display":
                named = parser.named_list()
                rows = [{**row, **{column: evaluate(row) for column, evaluate in named}} for row in rows]
                columns = [column for column, _ in named]
            case "filter":
                condition = parser.expression()
                rows = [row for row in rows if condition(row) is True]
            case "stats":
                rows, columns = _stats(parser, rows)
            case "sort":
                rows = _sort(parser, rows)
            case "limit":
                rows, limited = rows[: int(parser.take("number"))], True
            case "dedup":
                names = [column for column, _ in parser.named_list()]
                rows = list({tuple(row.get(column) for column in names): row for row in reversed(rows)}.values())[::-1]
        parser.end()
    rows = rows if limited else rows[:DEFAULT_LIMIT]
    return [{column: row[column] for column in columns if row.get(column) is not None} for row in rows]


def field_names(query: str) -> set[str]:
    """The names of fields that a query reads, without those that it makes itself."""
    read: set[str] = set()
    made: set[str] = set()
    for _, parser in _commands(query):
        for place, (kind, token) in enumerate(parser.tokens):
            following = parser.tokens[place + 1][1] if place + 1 < len(parser.tokens) else ""
            before = parser.tokens[place - 1][1] if place else ""
            if kind != "name" or token in WORDS or following == "(":
                continue
            (made if before == "as" else read).add(token.strip("`"))
    return {name for name in read - made if not name.startswith("@")}


def _commands(query: str) -> list[tuple[str, _Parser]]:
    commands = []
    for tokens in _split(_tokens(query)):
        if not tokens or tokens[0][0] != "name" or tokens[0][1] not in COMMANDS:
            raise QueryError(f"{tokens[0][1] if tokens else 'Nothing'} is not a command that is known here.")
        commands.append((tokens[0][1], _Parser(tokens[1:])))
    return commands


def _tokens(query: str) -> list[tuple[str, str]]:
    text = re.sub(r"(?m)^\s*#.*$", "", query).rstrip()
    place, tokens = 0, []
    while place < len(text):
        found = TOKEN.match(text, place)
        if not found:
            raise QueryError(f"This cannot be read: {text[place : place + 30]!r}.")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        place = found.end()
    return tokens


def _split(tokens: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    parts: list[list[tuple[str, str]]] = [[]]
    for token in tokens:
        if token == ("symbol", "|"):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


@dataclass
class _Parser:
    """The rest of one command. Within `stats`, aggregations are gathered while its expressions are read."""

    tokens: list[tuple[str, str]]
    place: int = 0
    aggregations: list[Callable[[list[Row]], Any]] | None = field(default=None)

    def peek(self) -> str:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def next(self, expected: str) -> tuple[str, str]:
        """The next token, whatever its kind."""
        if self.place >= len(self.tokens):
            raise QueryError(f"The command ends where {expected} was expected.")
        self.place += 1
        return self.tokens[self.place - 1]

    def take(self, kind: str = "", text: str = "") -> str:
        expected = text or f"a {kind}"
        found_kind, found = self.next(expected)
        if (kind and found_kind != kind) or (text and found != text):
            raise QueryError(f"{found} stands where {expected} was expected.")
        return found

    def end(self) -> None:
        if self.peek():
            raise QueryError(f"{self.peek()} is more than the command can take.")

    def named_list(self) -> list[tuple[str, Evaluate]]:
        """Expressions, each with its name: a field's own, or the one behind `as`."""
        named = []
        while True:
            start = self.place
            evaluate = self.expression()
            name = "".join(token for _, token in self.tokens[start : self.place]).strip("`")
            if self.peek() == "as":
                self.take()
                name = self.take("name")
            named.append((name, evaluate))
            if self.peek() != ",":
                return named
            self.take()

    def expression(self, binding: int = 0) -> Evaluate:
        left = self.operand()
        while BINDING.get(self.peek(), 0) > binding:
            operator = self.take()
            if operator == "in":
                left = _member(left, self.list())
            elif operator == "like":
                left = _like(left, *self.next("a text or a regular expression"))
            else:
                left = _operation(operator, left, self.expression(BINDING[operator]))
        return left

    def operand(self) -> Evaluate:
        kind, token = self.next("a value")
        if kind == "string":
            return _constant(_text(token))
        if kind == "number":
            return _constant(float(token))
        if token == "(":
            inner = self.expression()
            self.take(text=")")
            return inner
        if token == "not":
            inner = self.expression(NEGATION)
            return lambda row: inner(row) is not True
        if kind == "name" and self.peek() == "(":
            return self.call(token)
        if kind == "name" and token not in WORDS:
            name = token.strip("`")
            return lambda row: row.get(name)
        raise QueryError(f"{token} stands where a value was expected.")

    def list(self) -> list[Any]:
        self.take(text="[")
        values = []
        while True:
            kind, token = self.next("a value")
            if kind not in ("string", "number"):
                raise QueryError(f"{token} stands in a list, where a value was expected.")
            values.append(_text(token) if kind == "string" else float(token))
            if self.peek() != ",":
                self.take(text="]")
                return values
            self.take()

    def call(self, name: str) -> Evaluate:
        self.take(text="(")
        if name == "bin":
            span = self.take("duration")
            self.take(text=")")
            width = int(span[:-1]) * SECONDS[span[-1]] * 1000
            return lambda row: row["@timestamp"] // width * width
        if self.aggregations is not None and name in AGGREGATIONS:
            return self.aggregation(name)
        if name not in FUNCTIONS:
            raise QueryError(f"The function {name} is not known here.")
        arguments = [self.expression()]
        while self.peek() == ",":
            self.take()
            arguments.append(self.expression())
        self.take(text=")")
        function = FUNCTIONS[name]
        return lambda row: function(*(argument(row) for argument in arguments))

    def aggregation(self, name: str) -> Evaluate:
        assert self.aggregations is not None
        share = 0.0
        if name == "count" and self.peek() in ("*", ")"):
            value: Evaluate = _constant(1)
            if self.peek() == "*":
                self.take()
        else:
            value = self.expression()
        if name == "pct":
            self.take(text=",")
            share = float(self.take("number"))
        self.take(text=")")
        aggregate, place = AGGREGATIONS[name], len(self.aggregations)

        def over(rows: list[Row]) -> Any:
            values = [found for row in rows if (found := value(row)) is not None]
            return aggregate(values, share) if name == "pct" else aggregate(values)

        self.aggregations.append(over)
        return lambda row: row["aggregated"][place]


def _stats(parser: _Parser, rows: list[Row]) -> tuple[list[Row], list[str]]:
    parser.aggregations = []
    named = parser.named_list()
    aggregations, parser.aggregations = parser.aggregations, None
    if not aggregations:
        raise QueryError("stats has no aggregation.")
    by: list[tuple[str, Evaluate]] = []
    if parser.peek() == "by":
        parser.take()
        by = parser.named_list()
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(evaluate(row) for _, evaluate in by), []).append(row)
    result = []
    for key, members in groups.items():
        aggregated = {"aggregated": [aggregation(members) for aggregation in aggregations]}
        made = {name: evaluate(aggregated) for name, evaluate in named}
        result.append({**dict(zip([name for name, _ in by], key, strict=True)), **made})
    return result, [name for name, _ in [*by, *named]]


def _sort(parser: _Parser, rows: list[Row]) -> list[Row]:
    key = parser.expression()
    descending = parser.peek() == "desc"
    if parser.peek() in ("asc", "desc"):
        parser.take()
    # What has no value comes last.
    known = sorted((row for row in rows if key(row) is not None), key=key, reverse=descending)
    return known + [row for row in rows if key(row) is None]


def _constant(value: Any) -> Evaluate:
    return lambda _: value


def _text(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _member(left: Evaluate, values: list[Any]) -> Evaluate:
    return lambda row: left(row) in values


def _like(left: Evaluate, kind: str, token: str) -> Evaluate:
    if kind not in ("string", "regex"):
        raise QueryError(f"{token} stands behind like, where a text or a regular expression was expected.")
    pattern = re.compile(token[1:-1] if kind == "regex" else re.escape(_text(token)))
    return lambda row: (value := left(row)) is not None and pattern.search(str(value)) is not None


def _operation(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if operator == "and":
        return lambda row: left(row) is True and right(row) is True
    if operator == "or":
        return lambda row: left(row) is True or right(row) is True

    def evaluate(row: Row) -> Any:
        one, other = left(row), right(row)
        if one is None or other is None:
            return None
        if operator in ("=", "!="):
            return (one == other) == (operator == "=")
        if isinstance(one, str) != isinstance(other, str):
            return None
        return OPERATIONS[operator](one, other)

    return evaluate


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other if other else None,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ispresent": lambda value: value is not None,
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "floor": lambda value: None if value is None else math.floor(value),
    "strlen": lambda value: None if value is None else len(value),
}
AGGREGATIONS: dict[str, Callable[..., Any]] = {
    "count": len,
    "count_distinct": lambda values: len(set(values)),
    "sum": sum,
    "avg": lambda values: sum(values) / len(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "pct": lambda values, share: sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)] if values else None,
}
WORDS = {"and", "or", "not", "in", "like", "as", "by", "asc", "desc"}
