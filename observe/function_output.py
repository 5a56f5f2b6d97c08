"""What a function writes: log records, and lines of metrics in CloudWatch's embedded metric format (EMF)."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

import jsonschema

# The format's own rules and limits, with what this project narrows: one namespace, one dimension, and two units.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
DEFINITION = {
    "type": "object",
    "required": ["Name", "Unit"],
    "properties": {"Name": NAME, "Unit": {"enum": ["Count", "Milliseconds"]}},
    "additionalProperties": False,
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": {"const": "MomentoEventBridge"},
        "Dimensions": {"const": [["FunctionName"]]},
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": DEFINITION},
    },
    "additionalProperties": False,
}
EMF_SCHEMA = {
    "type": "object",
    "required": ["_aws", "FunctionName"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 1_600_000_000_000},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "maxItems": 1, "items": DIRECTIVE},
            },
            "additionalProperties": False,
        },
        "FunctionName": NAME,
    },
    # Whatever else stands in the line is a metric's value.
    "additionalProperties": {"type": "number"},
}
MAX_EMF_BYTES = 1_000_000
VALIDATOR = jsonschema.Draft202012Validator(EMF_SCHEMA)


@dataclass(frozen=True)
class MetricLine:
    at: int
    function_name: str
    # Name → (unit, value).
    values: dict[str, tuple[str, float]]
    size: int


@dataclass
class Output:
    text: str
    # Every line of the log as JSON, those of the metrics too, as CloudWatch Logs holds them.
    lines: list[dict] = field(default_factory=list)
    # The records of requests and of messages, each with the line that it stood on.
    records: list[dict] = field(default_factory=list)
    record_lines: list[str] = field(default_factory=list)
    metrics: list[MetricLine] = field(default_factory=list)
    # Whatever else was logged, at start for instance.
    notes: list[str] = field(default_factory=list)


def parse(written: bytes) -> Output:
    output = Output(written.decode())
    for text in output.text.splitlines():
        line = record_of(text)
        if line is not None:
            output.lines.append(line)
        if line is not None and "_aws" in line:
            output.metrics.append(metric_line(line, len(text.encode())))
        elif line is not None and "outcome" in line:
            output.records.append(line)
            output.record_lines.append(text)
        else:
            output.notes.append(text)
    return output


def record_of(text: str) -> dict | None:
    """The fields of a line; those of the text format stand behind its sentence."""
    try:
        return json.loads(text if text.startswith("{") else text[text.index(" {") + 1 :])
    except ValueError:
        return None


def metric_line(line: dict, size: int) -> MetricLine:
    """The line as CloudWatch reads it; an error where it would ignore the line, or a part of it."""
    VALIDATOR.validate(line)
    if size > MAX_EMF_BYTES:
        raise ValueError(f"The line has {size} bytes, and CloudWatch takes {MAX_EMF_BYTES}.")
    [directive] = line["_aws"]["CloudWatchMetrics"]
    names = [definition["Name"] for definition in directive["Metrics"]]
    if len(set(names)) < len(names):
        raise ValueError(f"A metric is defined twice: {names}.")
    if {"_aws", "FunctionName", *names} != line.keys():
        raise ValueError(f"The metrics {names} are defined, and the line has {sorted(line)}.")
    values = {definition["Name"]: (definition["Unit"], line[definition["Name"]]) for definition in directive["Metrics"]}
    return MetricLine(line["_aws"]["Timestamp"], line["FunctionName"], values, size)


def sums(lines: list[MetricLine]) -> dict[str, float]:
    """The sum of each metric that counts."""
    totals: dict[str, float] = defaultdict(float)
    for line in lines:
        for name, (unit, value) in line.values.items():
            if unit == "Count":
                totals[name] += value
    return dict(totals)
