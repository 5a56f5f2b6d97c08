"""Answers a query of Logs Insights over log lines: its steps become one SELECT of SQLite.

The local AWS stores no queries and runs only the simplest. This is for the words that the queries of the templates use;
SQLite refuses any other.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import NamedTuple

TOKEN = re.compile(r'"(?P<text>[^"]*)"|/(?P<pattern>[^/]+)/|(?P<bracket>[][])|(?P<word>@?[A-Za-z]\w*)(?P<call>\()?')
KEYWORDS = {"and", "or", "not", "in", "as", "asc", "desc"}


class Line(NamedTuple):
    # In the form of ISO 8601, which sorts as the times do.
    at: str
    group: str
    message: str


def answer(query: str, lines: list[Line]) -> list[dict]:
    # Each step is a line of the template.
    lines_of_query = [line.strip().removeprefix("|").strip() for line in query.splitlines()]
    steps = dict(line.split(" ", 1) for line in lines_of_query if line and not line.startswith("#"))
    chosen, _, groups = steps["stats"].partition(" by ") if "stats" in steps else (steps["fields"], "", "")
    parts = [f"SELECT {sql(', '.join(filter(None, (groups, chosen))))} FROM lines WHERE {sql(steps['filter'])}"]
    parts += [f"GROUP BY {sql(groups)}"] if groups else []
    parts += [f"ORDER BY {sql(steps['sort'])}"] if "sort" in steps else []
    parts += [f"LIMIT {steps['limit']}"] if "limit" in steps else []

    records = [{"@timestamp": line.at, "@log": line.group, "@message": line.message, **fields(line)} for line in lines]
    # Those of the query alone, since SQLite takes coldStart and ColdStart for one.
    columns = list({word["word"]: None for word in TOKEN.finditer(query) if word["word"] and not word["call"]})
    connection = sqlite3.connect(":memory:")
    connection.create_function("ispresent", 1, lambda value: value is not None)
    connection.create_function("regexp", 2, lambda pattern, text: re.search(pattern, text or "") is not None)
    connection.execute(f"CREATE TABLE lines ({', '.join(f'[{name}]' for name in columns)})")
    row = f"INSERT INTO lines VALUES ({', '.join('?' * len(columns))})"
    connection.executemany(row, [[value(record.get(name)) for name in columns] for record in records])
    found = connection.execute(" ".join(parts))
    names = [column[0] for column in found.description]
    return [dict(zip(names, cells, strict=True)) for cells in found]


def fields(line: Line) -> dict:
    """Those that Logs Insights discovers in JSON."""
    _, brace, rest = line.message.partition("{")
    try:
        return json.loads(brace + rest)
    except ValueError:
        return {}


def value(found: object) -> object:
    return json.dumps(found) if isinstance(found, (dict, list)) else found


def sql(step: str) -> str:
    def translated(token: re.Match) -> str:
        if token["bracket"]:
            return "(" if token["bracket"] == "[" else ")"
        quoted = token["text"] if token["text"] is not None else token["pattern"]
        if quoted is not None:
            return "'" + quoted.replace("'", "''") + "'"
        if token["word"] == "like":
            return "REGEXP"
        return token[0] if token["call"] or token["word"] in KEYWORDS else f"[{token['word']}]"

    return TOKEN.sub(translated, step)
