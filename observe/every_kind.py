"""A run in which every kind of request and of message occurs, and what was written of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import traffic
from function_output import Output, record_of
from functions import running
from logs_insights import Row, event
from stand_ins import Reply, StandIns, confirmed, described, failure, queued
from traffic import Kind

WEBHOOK_LOG, REDRIVE_LOG = "123456789012:webhook", "123456789012:redrive"


@dataclass(frozen=True)
class Written:
    """The two lines of one request; `bytes` as CloudWatch Logs gets them, without the line's end."""

    kind: Kind
    record: dict
    record_bytes: int
    metrics_bytes: int


@dataclass
class EveryKind:
    requests: list[Written]
    # Two batches of redrive over what the webhook had queued: while the bus fails, and when it has healed.
    redrive: Output
    outputs: list[Output]

    def log(self) -> list[Row]:
        """Both log groups, as Logs Insights sees them."""
        rows = [row for output in self.outputs for row in _rows(output, WEBHOOK_LOG)]
        return sorted(rows + _rows(self.redrive, REDRIVE_LOG), key=lambda row: row["@timestamp"])


def run(times: Callable[[Kind], int] = lambda kind: 1) -> EveryKind:
    messages, outputs, requests = [], [], []
    with traffic.failing_stand_ins() as stand_ins:
        keep = stand_ins.send_message

        def send_message(message: dict) -> Reply:
            reply = keep(message)
            if reply.status == 200:
                messages.append(message["MessageBody"])
            return reply

        stand_ins.send_message = send_message
        outputs.append(_send(stand_ins, traffic.MIXED, times, requests))
        stand_ins.describe_bus = lambda _: failure("ResourceNotFoundException")
        outputs.append(_send(stand_ins, [traffic.BUS_NOT_FOUND], times, requests))
        stand_ins.get_secret = lambda _: failure("AccessDeniedException")
        outputs.append(_send(stand_ins, [traffic.NO_SECRET], times, requests))
        stand_ins.describe_bus = described
        return EveryKind(requests, _redrive(stand_ins, messages), outputs)


def _send(stand_ins: StandIns, kinds: list[Kind], times: Callable[[Kind], int], requests: list[Written]) -> Output:
    sent = [kind for kind in kinds for _ in range(times(kind))]
    with running("webhook", stand_ins) as function:
        for kind in sent:
            function.driver.send(kind.request())
        output = function.output()
    written = zip(sent, output.records, output.record_lines, output.metrics, strict=True)
    requests += [Written(kind, record, len(line.encode()), metrics.size) for kind, record, line, metrics in written]
    return output


def _redrive(stand_ins: StandIns, messages: list[str]) -> Output:
    batch = {"Records": [{"messageId": f"message-{place}", "body": body} for place, body in enumerate(messages)]}
    with running("redrive", stand_ins) as function:
        stand_ins.put_events = lambda entries: confirmed(entries, dict.fromkeys(range(len(entries)), "InternalFailure"))
        function.api.invoke(batch)
        stand_ins.put_events, stand_ins.send_message = confirmed, queued
        function.api.invoke(batch)
        return function.output()


def _rows(output: Output, log: str) -> list[Row]:
    rows = []
    for text in output.text.splitlines():
        line = record_of(text)
        if line is None:
            continue
        at = line["_aws"]["Timestamp"] if "_aws" in line else _milliseconds(line["timestamp"])
        rows.append(event(text, at, log))
    return rows


def _milliseconds(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)
