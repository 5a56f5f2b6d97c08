"""A stack in the local AWS, in which a drill causes an alarm, and what CloudWatch would have measured there."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from tools.drills.insights import Line
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.stand_in import MomentoStandIn
from tools.momento.webhook import Answer, now, post_signed
from tools.templates.cloudwatch import Sample
from tools.testing.deployed_stack import Stack
from tools.testing.inventory import resources
from tools.waiting import free_port, wait_for

SECRET = "whsec-of-the-drill"
CACHE = "orders"
# What a function URL and an HTTP API respond with if the function failed.
FAILED = 502
COUNTED = {"Errors": {FAILED}, "Throttles": {429}, "Url5xxCount": range(500, 600), "5xx": range(500, 600)}


class Scene:
    def __init__(self, aws: LocalAws, gate: EventBridgeGate, momento: MomentoStandIn, name: str, outputs: dict):
        self.aws, self.gate, self.momento, self.name, self.outputs = aws, gate, momento, name, outputs
        self.resources = resources(aws, name)
        self.answers: list[Answer] = []
        self.began = time.time()

    @property
    def stack(self) -> Stack:
        """Of template.yaml."""
        return Stack(self.aws, self.name, self.outputs)

    def post(self, *numbers: int, secret: str = SECRET, age_seconds: int = 0, text: str = "") -> None:
        """Posts an event with each of these sequence numbers, as Momento does."""
        for number in numbers:
            at = now() - age_seconds * 1000
            event = {"cache": CACHE, "topic": "paid", "event_timestamp": at, "publish_timestamp": at}
            event |= {"topic_sequence_number": number, "token_id": "", "text": text or f"order {number}"}
            self.answers.append(post_signed(self.stack.url, secret, json.dumps(event).encode()))

    def put(self, detail: dict) -> None:
        """Puts an event for Momento on the bus, as an application does."""
        entry = {"Source": "orders", "DetailType": "cacheSet", "Detail": json.dumps(detail), "EventBusName": self.name}
        self.aws.client("events").put_events(Entries=[entry])

    def configure(self, **variables: str) -> None:
        """Changes the environment of the webhook function."""
        functions, function = self.aws.client("lambda"), self.outputs["WebhookFunctionName"]
        settings = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": settings | variables})

    def without_queue(self) -> None:
        """Nothing listens where the webhook function looks for SQS."""
        self.configure(AWS_ENDPOINT_URL_SQS=f"http://127.0.0.1:{free_port()}")

    def visible(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def wait_for_letter(self, url: str) -> None:
        wait_for("a message in the dead-letter queue", lambda: self.visible(url), 30)

    def lines(self, groups: list[str]) -> list[Line]:
        found = []
        for group in groups:
            pages = self.aws.client("logs").get_paginator("filter_log_events")
            for page in pages.paginate(logGroupName=group):
                found += [Line(iso(event["timestamp"]), group, event["message"]) for event in page["events"]]
        # The local AWS has what a function wrote before it failed to start in its response, and not in the log.
        for answer in self.answers:
            if answer.status == FAILED and self.outputs["WebhookLogGroup"] in groups:
                written = json.loads(answer.body)["errorMessage"].partition("with code 1: ")[2]
                found.append(Line(iso(now()), self.outputs["WebhookLogGroup"], written))
        return sorted(found)

    def samples(self, alarm: dict) -> list[Sample]:
        """What there is of an alarm's metric, as the local AWS has it. `at` is in seconds since the drill began."""
        [dimension] = alarm["Dimensions"]
        metric = (alarm["Namespace"], alarm["MetricName"], dimension["Value"])
        match metric[:2]:
            case "MomentoEventBridge", name:
                values = self.embedded(name)
            case _, ("Errors" | "Throttles" | "Url5xxCount" | "5xx") as name:
                # The local AWS counts none of them, so the drill counts the responses that stand for them.
                values = [(time.time(), float(answer.status in COUNTED[name])) for answer in self.answers]
            case _, "ApproximateNumberOfMessagesVisible":
                values = [(time.time(), float(self.visible(self.queue(dimension["Value"]))))]
            case _, "ApproximateAgeOfOldestMessage":
                # The drill does not wait: as old as the message will be, if it stays in the queue for so long.
                values = [(time.time(), alarm["Threshold"])] if self.waits(dimension["Value"]) else []
            case _:
                raise ValueError(f"No drill knows where the metric {metric} is measured.")
        return [Sample(*metric, at - self.began, value) for at, value in values]

    def embedded(self, name: str) -> list[tuple[float, float]]:
        """From the lines that the function wrote in the embedded metric format."""
        lines = self.stack.log("WebhookLogGroup", "_aws")
        return [(line["_aws"]["Timestamp"] / 1000, line[name]) for line in lines if name in line]

    def queue(self, name: str) -> str:
        return self.aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]

    def waits(self, name: str) -> bool:
        """Whether a message is in the queue, received or not."""
        names, url = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], self.queue(name)
        found = self.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return any(int(found[each]) for each in names)


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
