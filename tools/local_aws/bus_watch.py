"""A queue behind a rule: what came over an event bus of the local AWS, in the order of its coming."""

from __future__ import annotations

import json
import time
import uuid

from tools.local_aws.server import LocalAws


class BusWatch:
    def __init__(self, aws: LocalAws, bus: str = "default", source: str = "Momento"):
        self.bus = bus
        self.name = f"bus-watch-{uuid.uuid4().hex[:8]}"
        self.events = aws.client("events")
        self.sqs = aws.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        pattern = {"source": [source, self.name]}
        rule = self.events.put_rule(Name=self.name, EventBusName=bus, EventPattern=json.dumps(pattern))
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule["RuleArn"]}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        self.events.put_targets(Rule=self.name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    def take(self) -> list[dict]:
        """All that has come since the last call: a mark is put on the bus, and what comes before it is taken."""
        mark = uuid.uuid4().hex
        entry = {"Source": self.name, "DetailType": mark, "Detail": "{}", "EventBusName": self.bus}
        self.events.put_events(Entries=[entry])
        taken = []
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for event in self.receive(seconds=1):
                if event["detail-type"] == mark:
                    return taken
                taken.append(event)
        raise TimeoutError("The mark did not come over the bus within 10 s.")

    def wait(self, count: int = 1, seconds: float = 10) -> list[dict]:
        """The next events, as soon as `count` of them have come."""
        taken: list[dict] = []
        end = time.monotonic() + seconds
        while len(taken) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(taken)} of {count} events came over the bus {self.bus} within {seconds:g} s.")
            taken += self.receive(seconds=1)
        return taken

    def receive(self, seconds: int) -> list[dict]:
        """What is there, or the first to come within the time."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        events = []
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            events.append(json.loads(message["Body"]))
        return events

    def close(self) -> None:
        self.events.remove_targets(Rule=self.name, EventBusName=self.bus, Ids=["queue"])
        self.events.delete_rule(Name=self.name, EventBusName=self.bus)
        self.sqs.delete_queue(QueueUrl=self.queue)

    def __enter__(self) -> BusWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
