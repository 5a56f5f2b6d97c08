"""scripts/rotate-secret with the deployed template, under load."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.testing.deployed_stack import deployed
from tools.testing.rotate_secret import end_of, rotate_secret_at_a_terminal
from tools.waiting import wait_for

OLD, WRONG, NEW = "whsec-old-0123456789", "whsec-wrong-0123456789", "whsec-new-0123456789"
EVENTS, EVENTS_A_SECOND = 600, 50


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


@pytest.mark.timeout(300)
def test_a_rotation_under_load_in_which_a_wrong_secret_is_put_right_loses_nothing(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
) -> None:
    name = "rotation"
    make_bus(name)
    with deployed(aws, name, OLD) as stack, rotate_secret_at_a_terminal(aws, "--stack-name", name) as terminal:
        stack.retry_every(seconds=10)
        terminal.expect_exact("The rotation has begun")
        assert post_signed(stack.url, OLD, captured_body()).status == 200
        gate.take()
        momento = Momento(stack.url)
        terminal.expect_exact("New secret: ")
        momento.wait_until(1)
        momento.secret = NEW
        momento.wait_until(2)
        terminal.sendline(WRONG)
        terminal.expect(r"which the new secret did not sign: \d+. Is it the right one\?")
        terminal.sendline("again")
        terminal.expect_exact("New secret: ")
        terminal.sendline(NEW)
        terminal.expect_exact("An event was verified.")
        assert end_of(terminal) == 0
        [kept] = re.findall(r"Requests kept meanwhile: (\d+)", terminal.logfile_read.getvalue())
        sent, put = momento.sent(), set[bytes]()

        def all_are_on_the_bus() -> bool:
            put.update(entry["Detail"].encode() for entry in gate.take())
            return put >= sent.keys()

        wait_for("each event to be on the bus", all_are_on_the_bus, 120, pause=0.5)
        wait_for("the queues to be empty", lambda: stack.waiting() == 0, 60, pause=0.5)
        took = time.monotonic() - momento.began
    statuses = Counter(sent.values())
    assert statuses.keys() <= {200, 202}
    assert 0 < int(kept) <= statuses[202]
    assert "refused" not in terminal.logfile_read.getvalue().split("The rotation has ended.")[1]
    record_property(
        "figure",
        f"Rotation: {EVENTS} events at {EVENTS_A_SECOND} a second, a wrong secret stored before the right one. "
        f"Responses: {dict(statuses)}; kept because of the rotation: {kept}. All on the bus after {took:.0f} s.",
    )
