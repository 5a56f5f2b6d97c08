"""Signing secrets with the deployed template: rotated under load, and several behind one endpoint."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pexpect
import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, now, post_signed
from tools.testing.deployed_stack import Stack, deployed
from tools.testing.rotate_secret import end_of, rotate_secret_at_a_terminal
from tools.waiting import wait_for

OLD, WRONG, NEW = "whsec-old-0123456789", "whsec-wrong-0123456789", "whsec-new-0123456789"
EVENTS, EVENTS_A_SECOND = 600, 50
# Seconds after the first event.
SIGNER_CHANGES, SECRET_CHANGES = 1, 11
OUTAGE_BEGINS, OUTAGE_ENDS = 4, 24


class Momento:
    """Sends signed events at a steady rate. The secret with which it signs can change, without an overlap."""

    def __init__(self, url: str):
        self.url, self.secret = url, OLD
        self.began = time.monotonic()
        senders = ThreadPoolExecutor(8)
        self._sent = [senders.submit(self._send, number) for number in range(EVENTS)]
        senders.shutdown(wait=False)

    def wait_until(self, after: float) -> None:
        time.sleep(max(0.0, self.began + after - time.monotonic()))

    def _send(self, number: int) -> tuple[bytes, int]:
        self.wait_until(number / EVENTS_A_SECOND)
        body = captured_body().replace(b'"topic_sequence_number":3', b'"topic_sequence_number":%d' % number)
        return body, post_signed(self.url, self.secret, body).status

    def sent(self) -> dict[bytes, int]:
        """Each body, and the response to it."""
        return dict(sent.result() for sent in self._sent)


def rotate_in_the_console(momento: Momento, terminal: pexpect.spawn) -> None:
    terminal.expect_exact("New secret: ")
    momento.wait_until(SIGNER_CHANGES)
    momento.secret = NEW


def is_delivered(stack: Stack, gate: EventBridgeGate, sent: dict[bytes, int]) -> Counter[int]:
    """Waits until each event is on the bus and the queues are empty, and returns the responses."""
    put: set[bytes] = set()

    def all_are_on_the_bus() -> bool:
        put.update(entry["Detail"].encode() for entry in gate.take())
        return put >= sent.keys()

    wait_for("each event to be on the bus", all_are_on_the_bus, 120, pause=0.5)
    wait_for("the queues to be empty", lambda: stack.waiting() == 0, 60, pause=0.5)
    return Counter(sent.values())


@pytest.mark.parametrize("has_outage", [False, True], ids=["plain", "secrets-manager-fails"])
@pytest.mark.timeout(300)
def test_a_rotation_under_load_loses_nothing(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
    has_outage: bool,
) -> None:
    name = "rotation-outage" if has_outage else "rotation"
    make_bus(name)
    secrets = EventBridgeGate()
    secrets.target = aws.endpoint
    later: list[int] = []
    with deployed(aws, name, OLD) as stack, rotate_secret_at_a_terminal(aws, "--stack-name", name) as terminal:
        stack.read_secrets_through(secrets)
        stack.retry_every(seconds=10)
        terminal.expect_exact("The rotation has begun")
        assert post_signed(stack.url, OLD, captured_body()).status == 200
        gate.take()
        momento = Momento(stack.url)
        rotate_in_the_console(momento, terminal)
        if has_outage:
            momento.wait_until(OUTAGE_BEGINS)
            with secrets.refusing():
                momento.wait_until(SECRET_CHANGES)
                terminal.sendline(NEW)
                terminal.expect_exact("The new secret is stored.")
                momento.wait_until(OUTAGE_ENDS)
                assert secrets.refused
            wait_for(
                "a later event",
                lambda: later.append(post_signed(stack.url, NEW, captured_body()).status) or 200 in later,
            )
        else:
            momento.wait_until(SECRET_CHANGES)
            terminal.sendline(NEW)
        terminal.expect_exact("An event was verified.")
        assert end_of(terminal) == 0
        [kept] = re.findall(r"Requests kept meanwhile: (\d+)", terminal.logfile_read.getvalue())
        statuses = is_delivered(stack, gate, momento.sent())
        took = time.monotonic() - momento.began
    secrets.close()
    assert statuses.keys() <= {200, 202}
    assert 0 < int(kept) <= statuses[202] + later.count(202)
    assert "refused" not in terminal.logfile_read.getvalue().split("The rotation has ended.")[1]
    record_property(
        "figure",
        f"Rotation{', Secrets Manager failing for 20 s' if has_outage else ''}: {EVENTS} events at {EVENTS_A_SECOND} a "
        f"second, the signer changed 10 s before the new secret was stored. Responses: {dict(statuses)}; kept because "
        f"of the rotation: {kept}. All on the bus {took:.0f} s after the first was sent.",
    )


@pytest.mark.timeout(300)
def test_a_wrong_secret_that_is_put_right_in_the_rotation_loses_nothing(
    aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]
) -> None:
    make_bus("rotation-wrong")
    name = "rotation-wrong"
    with deployed(aws, name, OLD) as stack, rotate_secret_at_a_terminal(aws, "--stack-name", name) as terminal:
        stack.retry_every(seconds=10)
        terminal.expect_exact("The rotation has begun")
        assert post_signed(stack.url, OLD, captured_body()).status == 200
        gate.take()
        momento = Momento(stack.url)
        rotate_in_the_console(momento, terminal)
        momento.wait_until(2)
        terminal.sendline(WRONG)
        terminal.expect(r"which the new secret did not sign: \d+. Is it the right one\?")
        terminal.sendline("again")
        terminal.expect_exact("New secret: ")
        terminal.sendline(NEW)
        terminal.expect_exact("An event was verified.")
        assert end_of(terminal) == 0
        assert is_delivered(stack, gate, momento.sent()).keys() <= {200, 202}


def test_two_webhooks_with_secrets_of_their_own_share_an_endpoint_and_a_third_is_refused(
    aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]
) -> None:
    make_bus("two-webhooks")
    secrets = {"orders": "whsec-orders", "stock": "whsec-stock"}
    with deployed(aws, "two-webhooks", json.dumps(secrets)) as stack:
        gate.take()
        bodies = {name: captured_body(now()) for name in secrets}
        for name, secret in secrets.items():
            assert post_signed(stack.url, secret, bodies[name]).status == 200
        assert post_signed(stack.url, "whsec-unknown", captured_body()).status == 403
        assert post_signed(stack.url, json.dumps(secrets), captured_body()).status == 403
        assert [entry["Detail"].encode() for entry in gate.take()] == list(bodies.values())
