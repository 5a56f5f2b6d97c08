"""The deployed template, with what the tests of its queues and secrets do with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tools.local_aws.server import LocalAws
from tools.paths import ARCHITECTURE, ROOT
from tools.waiting import wait_for


class Stack:
    def __init__(self, aws: LocalAws, name: str, outputs: dict[str, str]):
        self.aws, self.name, self.outputs = aws, name, outputs
        self.url = aws.function_url_local(outputs["FunctionUrl"])

    def retry_every(self, seconds: int) -> None:
        """The template hides a message for three minutes after each attempt; a test has no time for that."""
        attributes = {"VisibilityTimeout": str(seconds)}
        self.aws.client("sqs").set_queue_attributes(QueueUrl=self.outputs["RetryQueueUrl"], Attributes=attributes)

    def end_retries(self) -> None:
        """Makes each message a dead letter that redrive could not deliver at once."""
        sqs, queue = self.aws.client("sqs"), self.outputs["RetryQueueUrl"]
        now = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
        policy = {**json.loads(now["RedrivePolicy"]), "maxReceiveCount": 1}
        attributes = {"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(policy)}
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)

    def waiting(self, *queues: str) -> int:
        """How many messages are in these queues, or in both, received ones included."""
        names, sqs = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], self.aws.client("sqs")
        answers = [
            sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=names)
            for output in queues or ("RetryQueueUrl", "DeadLetterQueueUrl")
        ]
        return sum(int(number) for answer in answers for number in answer["Attributes"].values())

    def redrives(self, is_on: bool) -> None:
        functions, name = self.aws.client("lambda"), self.outputs["RedriveFunctionName"]
        [mapping] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=is_on)

    def age_waiting(self, minutes: int, seconds: float) -> None:
        """Replaces each message in the retry queue, with redrive off, by one that was received so much earlier.
        A message is visible again after so many seconds at most."""
        sqs, queue, number = self.aws.client("sqs"), self.outputs["RetryQueueUrl"], self.waiting()
        received: list[dict] = []

        def all_are_received() -> bool:
            page = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=3600)
            received.extend(page.get("Messages", []))
            return len(received) == number

        wait_for("each message to be received", all_are_received, seconds, pause=0.01)
        for begin in range(0, number, 10):
            page = received[begin : begin + 10]
            bodies = [json.loads(message["Body"]) for message in page]
            aged = [json.dumps(body | {"receivedAt": body["receivedAt"] - minutes * 60_000}) for body in bodies]
            sqs.send_message_batch(
                QueueUrl=queue, Entries=[{"Id": str(place), "MessageBody": body} for place, body in enumerate(aged)]
            )
            handles = enumerate(message["ReceiptHandle"] for message in page)
            sqs.delete_message_batch(
                QueueUrl=queue, Entries=[{"Id": str(place), "ReceiptHandle": handle} for place, handle in handles]
            )

    def log(self, output: str, term: str) -> list[dict]:
        """The lines in a log that contain the term, whether they are JSON or, as the local AWS has them, text."""
        pages = self.aws.client("logs").get_paginator("filter_log_events")
        lines = [
            event["message"]
            for page in pages.paginate(logGroupName=self.outputs[output], filterPattern=f'"{term}"')
            for event in page["events"]
        ]
        return [json.loads(line[line.index("{") :]) for line in lines]

    def outcomes(self, output: str) -> set[str]:
        return {record["outcome"] for record in self.log(output, "outcome")}


@contextmanager
def deployed(aws: LocalAws, name: str, secret: str) -> Iterator[Stack]:
    parameters = {"MomentoSecretString": secret, "EventBridgeBus": name, "Architecture": ARCHITECTURE}
    try:
        yield Stack(aws, name, aws.deploy(name, ROOT / "template.yaml", parameters))
    finally:
        aws.delete(name)
