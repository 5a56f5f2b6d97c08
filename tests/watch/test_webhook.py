"""The cases of tests/cases, sent to the handler under `cargo lambda watch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tools.commands.watch import url, watching
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import post
from tools.paths import RUN
from tools.testing.webhook_cases import SECRET
from tools.testing.webhook_checks import BUS, IN_BOTH_ENCODINGS, Handler
from tools.waiting import free_port, wait_for


@pytest.fixture(scope="module")
def handler(aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]) -> Iterator[Handler]:
    watch = make_bus(BUS)
    sqs, port = aws.client("sqs"), free_port()
    queue = sqs.create_queue(QueueName="webhook-cases-watch")["QueueUrl"]
    settings = {
        "EVENT_BUS_NAME": BUS,
        "SIGNING_SECRET": SECRET,
        "RETRY_QUEUE_URL": queue,
        "AWS_ENDPOINT_URL_EVENTBRIDGE": gate.url,
        "CARGO_NET_OFFLINE": "true",
    }
    log_path = RUN / "cargo-lambda-watch.log"
    flags = ("--ignore-changes", "--disable-cors", "--quiet")
    with log_path.open("wb") as log, watching(aws, settings, port, *flags, log=log) as process:

        def is_served() -> bool:
            assert process.poll() is None, f"cargo lambda watch ended; see {log_path}."
            try:
                answer = post(url(port), b"", [], "GET", timeout=120)
            except ConnectionRefusedError:
                return False
            assert answer.status == 405, f"GET is answered {answer.status}; see {log_path}."
            return True

        wait_for("cargo lambda watch to serve the handler", is_served, 120, pause=0.2)
        gate.take()
        yield Handler("cargo-lambda-watch", url(port), gate, watch, sqs, queue)
    sqs.delete_queue(QueueUrl=queue)


@pytest.mark.parametrize("name", IN_BOTH_ENCODINGS)
def test_the_answer_the_bus_and_the_queue_are_right_for(name: str, handler: Handler) -> None:
    handler.check(*IN_BOTH_ENCODINGS[name])
