"""Runs scripts/put-back and scripts/dead-letters against the local AWS, on queues of their own."""

from __future__ import annotations

import json
import subprocess
import sys

from tools.local_aws.server import LocalAws
from tools.momento.webhook import now
from tools.paths import ROOT

SMALL = 1024


def run(
    aws: LocalAws, script: str, *arguments: str, given: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """`given` is its standard input; `environment` replaces the root key of the local AWS, for example."""
    environment = {**aws.caller_environment, **environment}
    command = [sys.executable, ROOT / "scripts" / script, *arguments]
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60)


class Queues:
    """A queue to take messages from, and one to put them back into, which refuses large ones."""

    def __init__(self, aws: LocalAws):
        self.aws, self.sqs = aws, aws.client("sqs")
        self.old = self.sqs.create_queue(QueueName="put-back-old")["QueueUrl"]
        limit = {"MaximumMessageSize": str(SMALL)}
        self.new = self.sqs.create_queue(QueueName="put-back-new", Attributes=limit)["QueueUrl"]

    def close(self) -> None:
        for url in (self.old, self.new):
            self.sqs.delete_queue(QueueUrl=url)

    def fill(self, *bodies: str) -> list[str]:
        """Sends messages to the old queue as the webhook function does, and returns their IDs."""
        reason = {"reason": {"DataType": "String", "StringValue": "PutFailed"}}
        sent = [self.sqs.send_message(QueueUrl=self.old, MessageBody=body, MessageAttributes=reason) for body in bodies]
        return [message["MessageId"] for message in sent]

    def visible(self, url: str) -> list[dict]:
        """Every message that can be received now."""
        received = []
        options = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 60, "MessageAttributeNames": ["All"]}
        while page := self.sqs.receive_message(QueueUrl=url, **options).get("Messages"):
            received += page
        return received


def message(request_id: str, body: str = "{}", **members: object) -> dict:
    common = {"reason": "TimedOut", "error": "E: m", "receivedAt": now(), "requestId": request_id}
    return {"version": 1, **common, **members, "body": body}


def requests_of(messages: list[dict]) -> list[str]:
    return sorted(json.loads(received["Body"])["requestId"] for received in messages)
