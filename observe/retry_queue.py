"""The retry queue of template.yaml, and what takes its messages to redrive: by the template's settings, but faster."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from dataclasses import dataclass, field

from functions import Function
from template_reader import Resolver

# SQS leaves a message that was received this often out of the age of the oldest.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
LEFT_OUT_OF_AGE = 3


@dataclass
class Message:
    body: str
    sent: float
    visible_at: float
    received: int = 0
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Depth:
    visible: int
    not_visible: int
    oldest_seconds: float
    dead: int


class RetryQueue:
    def __init__(self, resolver: Resolver, scale: float):
        """`scale` seconds of AWS pass in one of here."""
        queue, source = resolver.properties("RetryQueue"), resolver.properties("RedriveSource")
        self._visibility = queue["VisibilityTimeout"] / scale
        self._max_received = queue["RedrivePolicy"]["maxReceiveCount"]
        self._batch = source["BatchSize"]
        self._concurrency = source["ScalingConfig"]["MaximumConcurrency"]
        self._scale = scale
        self._messages: list[Message] = []
        self._dead: list[Message] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def send(self, body: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._messages.append(Message(body, now, now))

    def depth(self) -> Depth:
        now = time.monotonic()
        with self._lock:
            visible = sum(message.visible_at <= now for message in self._messages)
            ages = [now - message.sent for message in self._messages if message.received < LEFT_OUT_OF_AGE]
            oldest = max(ages, default=0) * self._scale
            return Depth(visible, len(self._messages) - visible, oldest, len(self._dead))

    @contextlib.contextmanager
    def served_by(self, functions: list[Function]):
        """Hands batches to these redrive functions, as the event source mapping does."""
        threads = [
            threading.Thread(target=self._serve, args=(function,)) for function in functions[: self._concurrency]
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _serve(self, function: Function) -> None:
        while not self._ended.is_set():
            batch = self._receive()
            if not batch:
                self._ended.wait(0.05)
                continue
            records = [{"messageId": message.message_id, "body": message.body} for message in batch]
            answer = function.api.invoke({"Records": records})
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            done = {message.message_id for message in batch} - failed
            with self._lock:
                self._messages = [message for message in self._messages if message.message_id not in done]

    def _receive(self) -> list[Message]:
        now = time.monotonic()
        with self._lock:
            visible = [message for message in self._messages if message.visible_at <= now]
            worn = [message for message in visible if message.received >= self._max_received]
            self._dead += worn
            self._messages = [message for message in self._messages if message not in worn]
            batch = [message for message in visible if message not in worn][: self._batch]
            for message in batch:
                message.received += 1
                message.visible_at = now + self._visibility
            return batch
