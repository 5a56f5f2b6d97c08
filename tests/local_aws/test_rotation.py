"""Signing secrets with the deployed template: rotated under load, and several behind one endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, now, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.waiting import wait_for

OLD, NEW = "whsec-old", "whsec-new"

EVENTS_A_SECOND = 50
SIGNER_CHANGES_AFTER = 3.0
SECRET_CHANGES_AFTER = 5.0
# The contract: once no known secret matches, the secret is read again at most this often.
READ_AGAIN_SECONDS = 3.0
ENDS_AFTER = 12.0


@dataclass
class Sent:
    after: float
    answered: float
    signer: str
    status: int
    number: int


@contextmanager
def deployed(aws: LocalAws, stack: str, secret: str) -> Iterator[dict[str, str]]:
    parameters = {"MomentoSecretString": secret, "EventBridgeBus": stack, "Architecture": ARCHITECTURE}
    try:
        yield aws.deploy(stack, ROOT / "template.yaml", parameters)
    finally:
        aws.delete(stack)


def numbered_body(number: int) -> bytes:
    return captured_body().replace(b'"topic_sequence_number":3', b'"topic_sequence_number":%d' % number)


def signer_at(after: float, number: int) -> str:
    """Momento's own switch is at once; once the stored secret has changed too, both are tried in turn."""
    if after < SIGNER_CHANGES_AFTER:
        return OLD
    if after < SECRET_CHANGES_AFTER:
        return NEW
    return OLD if number % 2 else NEW


def processes_of(aws: LocalAws) -> set[int]:
    """The functions that run now: the processes in the local AWS's group that are a `bootstrap` (on Linux)."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # pid (name) state parent group …
            pid, _, rest = file.read_text().partition(" (")
            name, _, fields = rest.rpartition(") ")
            if name == "bootstrap" and int(fields.split()[2]) == aws.group:
                found.add(int(pid))
    return found


def test_a_rotation_under_load_loses_only_what_was_signed_before_the_stored_secret_changed(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
) -> None:
    make_bus("rotation")
    with deployed(aws, "rotation", OLD) as outputs, ThreadPoolExecutor(8) as senders:
        url = aws.function_url_local(outputs["FunctionUrl"])
        assert post_signed(url, OLD, numbered_body(0)).status == 200
        gate.take()

        began = time.monotonic()

        def send(number: int) -> Sent:
            due = number / EVENTS_A_SECOND
            time.sleep(max(0.0, began + due - time.monotonic()))
            after = time.monotonic() - began
            signer = signer_at(after, number)
            status = post_signed(url, signer, numbered_body(number)).status
            return Sent(after, time.monotonic() - began, signer, status, number)

        def change_the_stored_secret() -> tuple[float, float, set[int]]:
            time.sleep(max(0.0, began + SECRET_CHANGES_AFTER - time.monotonic()))
            running = processes_of(aws)
            changing = time.monotonic() - began
            aws.client("secretsmanager").put_secret_value(SecretId=outputs["SecretId"], SecretString=NEW)
            return changing, time.monotonic() - began, running

        change = senders.submit(change_the_stored_secret)
        sent = list(senders.map(send, range(int(ENDS_AFTER * EVENTS_A_SECOND))))
        changing, changed, running = change.result()
        still_running = processes_of(aws)
        kept = {event.number for event in sent if event.status in (200, 202)}
        put: set[int] = set()

        def all_kept_are_on_the_bus() -> bool:
            put.update(json.loads(entry["Detail"])["topic_sequence_number"] for entry in gate.take())
            return put >= kept

        wait_for("what was answered 200 or 202 to be on the bus", all_kept_are_on_the_bus)

    refused = [event for event in sent if event.status == 403]
    before = [event for event in refused if event.after < changed]
    after = [event for event in refused if event.after >= changed]
    last = f", the last one {after[-1].after - changed:.2f} s after it" if after else ""
    record_property(
        "figure",
        f"Rotation: {len(sent)} events at {EVENTS_A_SECOND} a second; the signer changed {SIGNER_CHANGES_AFTER:g} s, "
        f"the stored secret {changed:.1f} s after the first. Refused: {len(before)} before the stored secret changed "
        f"(the new signer's: nothing that the handler can read holds the secret that made them), "
        f"{len(after)} after it{last}.",
    )

    # A local AWS that is slower than an attempt may wait gets an event twice, or has it queued.
    assert {event.status for event in sent} - {202} == {200, 403}
    assert put == kept
    assert {event.signer for event in refused} == {NEW}
    assert {event.status for event in sent if event.signer == NEW and event.answered < changing} == {403}
    assert [event for event in refused if event.after > changed + READ_AGAIN_SECONDS] == []
    assert running or not Path("/proc").is_dir()
    assert running <= still_running


def test_two_webhooks_with_secrets_of_their_own_share_an_endpoint_and_a_third_is_refused(
    aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]
) -> None:
    make_bus("two-webhooks")
    secrets = {"orders": "whsec-orders", "stock": "whsec-stock"}
    with deployed(aws, "two-webhooks", json.dumps(secrets)) as outputs:
        url = aws.function_url_local(outputs["FunctionUrl"])
        gate.take()
        bodies = {name: captured_body(now()) for name in secrets}
        for name, secret in secrets.items():
            assert post_signed(url, secret, bodies[name]).status == 200
        assert post_signed(url, "whsec-unknown", captured_body()).status == 403
        assert post_signed(url, json.dumps(secrets), captured_body()).status == 403
        assert [entry["Detail"].encode() for entry in gate.take()] == list(bodies.values())
