"""What forged requests with well-formed signatures cost while no request can be judged, until the last of them is gone.

FORGED_REQUESTS=10000 measures what SECURITY.md says.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.testing.deployed_stack import Stack, deployed
from tools.testing.rotate_secret import rotate_secret
from tools.waiting import wait_for

SECRET = "whsec-0123456789abcdef"
FORGED = int(os.environ.get("FORGED_REQUESTS", "200"))
# Longer than each of them takes to be tried once.
HIDDEN_SECONDS = 10 + FORGED // 40


@contextmanager
def rotation(stack: Stack, _: EventBridgeGate) -> Iterator[None]:
    begun = rotate_secret(stack.aws, "--stack-name", stack.name, "--begin")
    assert begun.returncode == 0, begun.stderr
    yield
    vault, secret = stack.aws.client("secretsmanager"), stack.outputs["SecretId"]
    pending = vault.get_secret_value(SecretId=secret, VersionStage="AWSPENDING")["VersionId"]
    vault.update_secret_version_stage(SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=pending)


@contextmanager
def slow_secrets(stack: Stack, secrets: EventBridgeGate) -> Iterator[None]:
    """A request waits 0.9 s for a read of the secret."""
    assert post_signed(stack.url, SECRET, captured_body()).status == 200
    secrets.delay = 1.2
    yield
    secrets.delay = 0.0


@pytest.mark.parametrize(
    ("condition", "reason"), [(rotation, "RotationInProgress"), (slow_secrets, "SecretUnavailable")]
)
@pytest.mark.timeout(180 + FORGED // 4)
def test_forged_requests_that_cannot_be_judged_stay_unseen_until_they_are_deleted_after_45_minutes(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
    condition: Callable,
    reason: str,
) -> None:
    name = f"forged-{reason}"
    make_bus(name)
    secrets = EventBridgeGate()
    secrets.target = aws.endpoint

    def send(url: str) -> tuple[int, float]:
        began = time.monotonic()
        status = post_signed(url, "whsec-of-somebody-else", captured_body()).status
        return status, time.monotonic() - began

    with deployed(aws, name, SECRET) as stack:
        stack.read_secrets_through(secrets)
        stack.retry_every(HIDDEN_SECONDS)
        stack.redrives(False)

        def tried(metric: str) -> tuple[float, int]:
            """How long the redrive function takes to count each of them, and its calls of Secrets Manager."""
            secrets.forwarded, began = 0, time.monotonic()
            stack.redrives(True)
            what = f"each to be counted as {metric}"
            wait_for(what, lambda: stack.metric("RedriveLogGroup", metric) >= kept, 60 + FORGED / 10, pause=0.5)
            stack.redrives(False)
            return time.monotonic() - began, secrets.forwarded

        with condition(stack, secrets):
            gate.take()
            secrets.forwarded, began = 0, time.monotonic()
            with ThreadPoolExecutor(8) as senders:
                sent = list(senders.map(send, [stack.url] * FORGED))
            sending, reads_of_webhook = time.monotonic() - began, secrets.forwarded
            statuses = Counter(status for status, _ in sent)
            # 500: the queue did not accept it in time.
            assert statuses.keys() <= {202, 403, 500}
            # A busy machine reads the secret too late in a rotation, too.
            wait_for("the webhook function's metrics", lambda: stack.metric("WebhookLogGroup", reason))
            # A message whose sending seems to fail is sent again.
            kept = stack.waiting()
            assert kept >= statuses[202] > 0
            attempt, reads_of_attempt = tried("RedriveFailed")
            assert stack.waiting() == kept
        stack.age_waiting(46, HIDDEN_SECONDS + 10)
        deletion, reads_of_deletion = tried("SignatureMismatch")
        assert stack.metric("RedriveLogGroup", "Forged") == kept
        assert stack.waiting() == 0
        assert gate.take() == []
    secrets.close()
    took = sorted(seconds * 1000 for _, seconds in sent)
    record_property(
        "figure",
        f"Forged, {reason}: {FORGED} requests in {sending:.0f} s ({kept} kept), p50 {took[FORGED // 2]:.0f} ms, p99 "
        f"{took[FORGED * 99 // 100]:.0f} ms, {reads_of_webhook} calls of Secrets Manager. An attempt of all took "
        f"{attempt:.0f} s and {reads_of_attempt} calls, their deletion {deletion:.0f} s and {reads_of_deletion} calls.",
    )
