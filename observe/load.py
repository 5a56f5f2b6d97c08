"""A little more than an hour of traffic with faults, in as many seconds as minutes, through the release binaries.

Every metric of the dashboard is collected: the functions' own from the lines that they write, those of Lambda and SQS
from what stands in for them (the runtime API's callers, and retry_queue.py). dashboard_picture.py draws the result.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import traffic
from cloudwatch import Sample, alarm_state
from functions import Function, running
from momento_webhook import now
from retry_queue import RetryQueue
from stand_ins import Reply, StandIns, confirmed, failure, queued, secret
from template_reader import Resolver, of_type
from traffic import Kind

# A second of here is a minute on the dashboard.
SCALE = 60
MINUTES = 75
MOST_ENVIRONMENTS = 24
REDRIVES = 2

# What fails, and from which minute to which.
SLOW_BUS = range(14, 20)
BUS_DOWN = range(28, 34)
QUEUE_DOWN = (31.0, 31.5)
FORGED_BURST = range(44, 49)
NEW_VERSION, SECRET_READABLE = 58, 59


@dataclass
class Load:
    random: random.Random = field(default_factory=lambda: random.Random(1726292279))
    began: float = 0
    samples: list[Sample] = field(default_factory=list)
    idle: queue.LifoQueue[Function] = field(default_factory=queue.LifoQueue)
    environments: list[Function] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def minute(self) -> float:
        return time.monotonic() - self.began

    def sample(self, namespace: str, metric: str, owner: str, minute: float, value: float) -> None:
        with self.lock:
            self.samples.append(Sample(namespace, metric, owner, minute * SCALE, value))

    # ---- AWS

    def bus_seconds(self) -> float:
        """The time that EventBridge takes."""
        median = 0.045 if int(self.minute()) in SLOW_BUS else 0.009
        return min(self.random.lognormvariate(0, 0.45) * median, 0.5)

    def put_events(self, entries: list[dict]) -> Reply:
        minute, seconds = self.minute(), self.bus_seconds()
        if int(minute) in BUS_DOWN:
            return failure("InternalException", 500, seconds)
        if int(minute) in SLOW_BUS and self.random.random() < 0.15:
            return failure("ThrottlingException", 400, seconds)
        return confirmed(entries, seconds=seconds)

    # ---- Requests

    def schedule(self) -> list[tuple[float, Kind]]:
        """When each request comes, and of which kind it is."""
        rates = [
            (lambda minute: 24 + 10 * (minute % 25) / 25, traffic.DELIVERED),
            (lambda minute: 0.5 if 60 <= minute < 70 else 0, traffic.CUT),
            (lambda minute: 12 if minute in FORGED_BURST else 0.15, traffic.MISMATCH),
            (lambda minute: 0.2, traffic.MISSING),
            (lambda minute: 0.25, traffic.STALE),
            (lambda minute: 0.1, traffic.FUTURE),
            (lambda minute: 2 if minute in (10, 11, 52) else 0.05, traffic.METHOD),
            (lambda minute: 0.06, traffic.TOO_LARGE),
            (lambda minute: 1 if minute in (5, 6) else 0, traffic.UNMAPPABLE),
        ]
        due = []
        for minute in range(MINUTES):
            for rate, kind in rates:
                # A Poisson process, by the gaps between its events.
                at = minute + (self.random.expovariate(rate(minute)) if rate(minute) else 1)
                while at < minute + 1:
                    due.append((at, kind))
                    at += self.random.expovariate(rate(minute))
        return sorted(due, key=lambda entry: entry[0])

    def request(self, kind: Kind) -> traffic.Request:
        if kind is not traffic.DELIVERED:
            return kind.request()
        # Momento's own way to the URL.
        away = int(min(self.random.lognormvariate(0, 0.5) * 22, 400))
        return traffic.signed(traffic.body("paid", now() - away))

    def send(self, function: Function, kind: Kind) -> None:
        request, began = self.request(kind), time.monotonic()
        answer = function.driver.send(request)
        ended = time.monotonic()
        minute = ended - self.began
        self.sample("AWS/Lambda", "Duration", "<WebhookFunction>", minute, (ended - began) * 1000)
        for metric, value in (("Url5xxCount", answer.status >= 500), ("Errors", 0), ("Throttles", 0)):
            self.sample("AWS/Lambda", metric, "<WebhookFunction>", minute, int(value))
        # An environment of the version before the new one gets no more requests.
        if function in self.environments:
            self.idle.put(function)

    def environment(self, stack: ExitStack, stand_ins: StandIns) -> Function:
        """One that is idle, or a new one, as Lambda does."""
        while True:
            try:
                function = self.idle.get(block=len(self.environments) >= MOST_ENVIRONMENTS)
            except queue.Empty:
                function = stack.enter_context(running("webhook", stand_ins))
                self.environments.append(function)
            if function in self.environments:
                return function

    def watch_queue(self, retry_queue: RetryQueue, ended: threading.Event) -> None:
        while not ended.wait(0.2):
            minute, depth = self.minute(), retry_queue.depth()
            waiting, dead = "<RetryQueue.QueueName>", "<DeadLetterQueue.QueueName>"
            for metric, owner, value in (
                ("ApproximateNumberOfMessagesVisible", waiting, depth.visible),
                ("ApproximateNumberOfMessagesNotVisible", waiting, depth.not_visible),
                ("ApproximateAgeOfOldestMessage", waiting, depth.oldest_seconds),
                ("ApproximateNumberOfMessagesVisible", dead, depth.dead),
            ):
                self.sample("AWS/SQS", metric, owner, minute, value)

    # ---- The run

    def run(self) -> None:
        stand_ins, retry_queue = StandIns(traffic.SECRET), RetryQueue(Resolver(), SCALE)

        def send_message(message: dict) -> Reply:
            if QUEUE_DOWN[0] <= self.minute() < QUEUE_DOWN[1]:
                return failure("AccessDeniedException")
            retry_queue.send(message["MessageBody"])
            return queued(message, seconds=0.006)

        stand_ins.put_events, stand_ins.send_message = self.put_events, send_message
        ended, written = threading.Event(), []
        with ExitStack() as stack:
            stack.callback(stand_ins.close)
            redrives = [stack.enter_context(running("redrive", stand_ins)) for _ in range(REDRIVES)]
            all_functions = list(redrives)
            self.began, epoch = time.monotonic(), time.time() * 1000
            watcher = threading.Thread(target=self.watch_queue, args=(retry_queue, ended))
            watcher.start()
            senders = []
            with retry_queue.served_by(redrives):
                is_new_version = is_readable = False
                for due, kind in self.schedule():
                    time.sleep(max(0, due - self.minute()))
                    if due >= NEW_VERSION and not is_new_version:
                        is_new_version = True
                        stand_ins.get_secret = lambda _: failure("AccessDeniedException")
                        self.environments = []
                    if due >= SECRET_READABLE and not is_readable:
                        is_readable = True
                        stand_ins.get_secret = secret(traffic.SECRET)
                    function = self.environment(stack, stand_ins)
                    if function not in all_functions:
                        all_functions.append(function)
                    sender = threading.Thread(target=self.send, args=(function, kind))
                    sender.start()
                    senders.append(sender)
                for sender in senders:
                    sender.join()
                time.sleep(max(0, MINUTES - self.minute()))
            ended.set()
            watcher.join()
            written = [function.output() for function in all_functions]
        for output in written:
            for line in output.metrics:
                owner = {"webhook": "<WebhookFunction>", "redrive": "<RedriveFunction>"}[line.function_name]
                for name, (_, value) in line.values.items():
                    self.sample("MomentoEventBridge", name, owner, (line.at - epoch) / 1000, value)
        print(f"{len(all_functions) - REDRIVES} environments answered {len(senders)} requests.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    load, began = Load(), datetime.now(UTC)
    load.run()
    resolver = Resolver()
    alarms = {
        f"<{name}.Arn>": alarm_state(resolver.properties(name), load.samples, MINUTES * SCALE)
        for name in of_type("AWS::CloudWatch::Alarm")
        if resolver.exists(name)
    }
    arguments.result.write_text(
        json.dumps(
            {
                "began": began.isoformat(),
                "seconds": MINUTES * SCALE,
                "scale": SCALE,
                "widgets": resolver.dashboard(),
                "samples": [list(vars(sample).values()) for sample in load.samples],
                "alarms": {name: vars(state) for name, state in alarms.items()},
            }
        )
    )
    for name, state in alarms.items():
        print(f"{name}: {'alarm' if state.is_alarm else 'ok'} at the end; in alarm {state.periods_in_alarm} periods.")


if __name__ == "__main__":
    main()
