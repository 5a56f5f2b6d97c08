"""What the tests share.

- `aws`: one local AWS for the whole run (tools/local_aws/server.py). A test deploys stacks with names of its own, on a
  bus of its own, and deletes them. Its functions reach EventBridge through `gate`.
- `gate`: sees every entry that a function puts, byte for byte, and can refuse (tools/local_aws/event_bridge_gate.py).
- `make_bus`: makes an event bus with a watch on it (tools/local_aws/bus_watch.py), for as long as the module runs.
- `make_secret`: makes a secret that no function reads, for one test.
- `queues`: two queues for one test of the scripts that put messages back (tools/testing/queue_scripts.py).
- A figure that a test records with record_property("figure", "…") is printed at the end of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tools.functions import binaries
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.testing.queue_scripts import Queues
from tools.testing.rotate_secret import StoredSecret

pytest.register_assert_rewrite("tools.testing.webhook_checks")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds what will be deployed, before a test's time limit begins."""
    if any("aws" in item.fixturenames for item in session.items if isinstance(item, pytest.Function)):
        binaries.binary("webhook")


@pytest.fixture(scope="session")
def gate() -> Iterator[EventBridgeGate]:
    gate = EventBridgeGate()
    yield gate
    gate.close()


@pytest.fixture(scope="session")
def aws(gate: EventBridgeGate) -> Iterator[LocalAws]:
    with LocalAws(environment={"AWS_ENDPOINT_URL_EVENTBRIDGE": gate.url}) as aws:
        gate.target = aws.endpoint
        yield aws


@pytest.fixture(scope="module")
def make_bus(aws: LocalAws) -> Iterator[Callable[[str], BusWatch]]:
    with ExitStack() as stack:

        def make(name: str) -> BusWatch:
            events = aws.client("events")
            events.create_event_bus(Name=name)
            stack.callback(events.delete_event_bus, Name=name)
            return stack.enter_context(BusWatch(aws, name))

        yield make


@pytest.fixture
def make_secret(aws: LocalAws) -> Iterator[Callable[..., StoredSecret]]:
    made: list[StoredSecret] = []

    def make(value: str) -> StoredSecret:
        made.append(StoredSecret(aws, f"rotated-{len(made)}", value))
        return made[-1]

    yield make
    for secret in made:
        secret.client.delete_secret(SecretId=secret.id, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def queues(aws: LocalAws) -> Iterator[Queues]:
    queues = Queues(aws)
    yield queues
    queues.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(value))
