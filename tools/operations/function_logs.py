"""What the functions of a stack wrote to their logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from tools.operations.aws import boto3


class Logs:
    """What both functions wrote: records, and lines of metrics, which they write at every log level."""

    def __init__(self, webhook: str, redrive: str):
        self.webhook, self.redrive = webhook, redrive
        self.client = boto3.client("logs")

    def lines(self, group: str, since: datetime, term: str) -> Iterator[dict]:
        begin = int(since.timestamp() * 1000)
        pages = self.client.get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=begin, filterPattern=f'"{term}"'):
            for event in page["events"]:
                # In Lambda's text format, other text precedes the JSON of a record.
                _, brace, rest = event["message"].partition("{")
                try:
                    yield json.loads(brace + rest)
                except ValueError:
                    continue

    def count(self, metric: str, since: datetime) -> int:
        return int(sum(line.get(metric, 0) for line in self.lines(self.webhook, since, metric) if "_aws" in line))

    def have_verified_kept(self, since: datetime) -> bool:
        """Whether a request that no secret had signed before was verified, and so was signed with the new one."""
        records = self.lines(self.redrive, since, "RotationInProgress")
        return any(record.get("outcome") == "Redriven" for record in records)
