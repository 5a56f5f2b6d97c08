"""scripts/rotate-secret in a pipeline, and the same by hand, on secrets that no function reads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.local_aws.server import LocalAws
from tools.testing.docs import blocks
from tools.testing.rotate_secret import StoredSecret, rotate_secret

OLD, NEW = "whsec-old-0123456789", "whsec-new-0123456789"
PENDING, CURRENT, PREVIOUS = "AWSPENDING", "AWSCURRENT", "AWSPREVIOUS"


def test_each_form_of_the_stored_value_is_kept_and_a_leaked_secret_has_no_label_afterwards(
    aws: LocalAws, make_secret: Callable[..., StoredSecret]
):
    forms = [
        (OLD, [], NEW),
        (OLD, ["--leaked"], NEW),
        (f'{{"momentoSecret":"{OLD}"}}', [], {"momentoSecret": NEW}),
        (json.dumps({"orders": OLD, "größe": "ä"}), ["--replace=orders"], {"orders": NEW, "größe": "ä"}),
        (json.dumps([1, OLD, "whsec-stock"]), ["--replace=2", "--leaked"], [1, NEW, "whsec-stock"]),
    ]
    stored = [make_secret(before) for before, _, _ in forms]

    def rotate(secret: StoredSecret, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return rotate_secret(aws, "--secret-id", secret.id, *arguments, given=NEW + "\n")

    with ThreadPoolExecutor() as runs:
        done = list(runs.map(rotate, stored, [arguments for _, arguments, _ in forms]))
    for run, secret, (before, arguments, after) in zip(done, stored, forms, strict=True):
        assert (run.returncode, run.stderr) == (0, "")
        assert "whsec" not in run.stdout
        current = secret.labelled(CURRENT)
        assert (json.loads(current) if before[0] in "{[" else current) == after
        assert secret.labelled(PREVIOUS) == (current if "--leaked" in arguments else before)
        assert secret.labelled(PENDING) is None


def test_a_pipeline_begins_the_rotation_before_it_has_the_new_secret(
    aws: LocalAws, make_secret: Callable[..., StoredSecret]
):
    secret = make_secret(OLD)
    begun = rotate_secret(aws, "--secret-id", secret.id, "--begin")
    assert begun.returncode == 0, begun.stderr
    assert secret.labelled(CURRENT) == OLD and secret.labelled(PENDING)
    done = rotate_secret(aws, "--secret-id", secret.id, given=NEW)
    assert done.returncode == 0, done.stderr
    assert (secret.labelled(CURRENT), secret.labelled(PENDING)) == (NEW, None)


def test_the_documented_commands_rotate_the_secret_by_hand(aws: LocalAws, make_secret: Callable[..., StoredSecret]):
    secret = make_secret(OLD)
    [commands] = blocks("rotation.md", "Rotate by hand", "sh")
    path = f"{Path(sys.executable).parent}:{aws.caller_environment['PATH']}"
    environment = {**aws.caller_environment, "PATH": path, "SECRET_ID": secret.id}
    command = ["bash", "-euc", commands]
    done = subprocess.run(command, env=environment, input=NEW + "\n", capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stderr) == (0, "")
    assert [secret.labelled(label) for label in (CURRENT, PREVIOUS, PENDING)] == [NEW, OLD, None]
    assert NEW not in done.stdout
