"""The cases of tests/cases, sent to both endpoints of the deployed template: the Function URL and the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.webhook_cases import SECRET
from tools.testing.webhook_checks import BUS, IN_BOTH_ENCODINGS, Handler
from tools.waiting import wait_for

ENDPOINTS = {"function-url": "FunctionUrl", "http-api": "HttpApi"}


@pytest.fixture(scope="module")
def watch(make_bus: Callable[[str], BusWatch]) -> BusWatch:
    return make_bus(BUS)


@pytest.fixture(scope="module", params=ENDPOINTS)
def handler(request: pytest.FixtureRequest, aws: LocalAws, gate: EventBridgeGate, watch: BusWatch) -> Iterator[Handler]:
    """The deployed template without its redrive, so that what is queued stays to be looked at."""
    parameters = {
        "MomentoSecretString": SECRET,
        "EventBridgeBus": BUS,
        "Architecture": ARCHITECTURE,
        "Endpoint": ENDPOINTS[request.param],
    }
    outputs = aws.deploy("webhook-cases", ROOT / "template.yaml", parameters)
    functions = aws.client("lambda")
    name = outputs["RedriveFunctionName"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    wait_for(
        "the redrive function's mapping to be off",
        lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Disabled",
    )
    gate.take()
    url = aws.function_url_local(outputs["FunctionUrl"])
    yield Handler(request.param, url, gate, watch, aws.client("sqs"), outputs["RetryQueueUrl"])
    aws.delete("webhook-cases")


@pytest.mark.parametrize("name", IN_BOTH_ENCODINGS)
def test_the_answer_the_bus_and_the_queue_are_right_for(name: str, handler: Handler) -> None:
    handler.check(*IN_BOTH_ENCODINGS[name])
