"""What forged requests with well-formed signatures cost in a rotation, until the last of them is gone.

FORGED_REQUESTS=10000 measures what SECURITY.md says.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.testing.deployed_stack import deployed
from tools.testing.rotate_secret import rotate_secret
from tools.waiting import wait_for

NAME, SECRET = "forged-in-rotation", "whsec-0123456789abcdef"
FORGED = int(os.environ.get("FORGED_REQUESTS", "200"))
# Longer than each of them takes to be tried once.
HIDDEN_SECONDS = 10 + FORGED // 40


@pytest.mark.timeout(180 + FORGED // 4)
def test_forged_requests_in_a_rotation_stay_unseen_until_they_are_deleted_after_45_minutes(
    aws: LocalAws,
    gate: EventBridgeGate,
    make_bus: Callable[[str], BusWatch],
    record_property: Callable[[str, str], None],
) -> None:
    make_bus(NAME)
    secrets = EventBridgeGate()
    secrets.target = aws.endpoint
    with deployed(aws, NAME, SECRET) as stack:
        stack.read_secrets_through(secrets)
        stack.retry_every(HIDDEN_SECONDS)
        stack.redrives(False)
        begun = rotate_secret(aws, "--stack-name", NAME, "--begin")
        assert begun.returncode == 0, begun.stderr
        gate.take()

        def send(_: int) -> float:
            began = time.monotonic()
            assert post_signed(stack.url, "whsec-of-somebody-else", captured_body()).status == 202
            return time.monotonic() - began

        secrets.forwarded = 0
        began = time.monotonic()
        with ThreadPoolExecutor(8) as senders:
            took = list(senders.map(send, range(FORGED)))
        sending, reads_of_webhook = time.monotonic() - began, secrets.forwarded
        assert stack.metric("Webhook", "RotationInProgress") == stack.waiting() == FORGED

        def tried(metric: str) -> tuple[float, int]:
            """How long the redrive function takes to count each of them, and its calls of Secrets Manager."""
            secrets.forwarded, began = 0, time.monotonic()
            stack.redrives(True)
            what = f"each to be counted as {metric}"
            wait_for(what, lambda: stack.metric("Redrive", metric) >= FORGED, 60 + FORGED / 10, pause=0.5)
            stack.redrives(False)
            return time.monotonic() - began, secrets.forwarded

        kept, reads_of_attempt = tried("RedriveFailed")
        assert stack.waiting() == FORGED
        pending = aws.client("secretsmanager").get_secret_value(
            SecretId=stack.outputs["SecretId"], VersionStage="AWSPENDING"
        )
        aws.client("secretsmanager").update_secret_version_stage(
            SecretId=stack.outputs["SecretId"], VersionStage="AWSPENDING", RemoveFromVersionId=pending["VersionId"]
        )
        stack.age_waiting(46, HIDDEN_SECONDS + 10)
        deleted, reads_of_deletion = tried("SignatureMismatch")
        assert stack.metric("Redrive", "Forged") == FORGED
        assert stack.waiting() == 0
        assert gate.take() == []
    secrets.close()
    record_property(
        "figure",
        f"Forged in a rotation: {FORGED} requests in {sending:.0f} s, all kept, p50 "
        f"{statistics.median(took) * 1000:.0f} ms, {reads_of_webhook} calls of Secrets Manager. An attempt of all took "
        f"{kept:.0f} s and {reads_of_attempt} calls, their deletion {deleted:.0f} s and {reads_of_deletion} calls.",
    )
