"""An outage of EventBridge, with the deployed template: what comes meanwhile is on the bus afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.testing.deployed_stack import deployed
from tools.waiting import wait_for

BUS, SECRET = "webhook-outage", "whsec-outage"


def test_an_event_posted_in_an_outage_is_on_the_bus_after_it_without_anyones_doing(
    aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]
) -> None:
    watch, body = make_bus(BUS), captured_body()
    with deployed(aws, BUS, SECRET) as stack:
        stack.retry_every(seconds=2)
        gate.take()
        with gate.refusing():
            answer = post_signed(stack.url, SECRET, body)
            assert (answer.status, answer.message) == (202, "Queued")
            by_webhook = gate.refused
            wait_for("the redrive function to try, and be refused", lambda: gate.refused > by_webhook, 30)
            assert watch.take() == []
            assert stack.waiting("RetryQueueUrl") == stack.waiting() == 1

        (event,) = watch.wait(1, seconds=30)
        assert event["detail"] == json.loads(body)
        entry = {"Source": "Momento", "DetailType": "serverless#test", "Detail": body.decode(), "EventBusName": BUS}
        assert gate.take() == [entry]
        wait_for("both queues to be empty", lambda: stack.waiting() == 0)
