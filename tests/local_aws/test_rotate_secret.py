"""scripts/rotate-secret as people use it, on secrets that no function reads."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pexpect
import pytest

from tools.local_aws.server import LocalAws
from tools.operations import stored_secret
from tools.testing.rotate_secret import StoredSecret, end_of, rotate_secret, rotate_secret_at_a_terminal
from tools.waiting import wait_for

OLD, NEW = "whsec-old-0123456789", "whsec-new-0123456789"
PENDING, CURRENT = "AWSPENDING", "AWSCURRENT"


# ---- At a terminal


def test_the_new_secret_is_pasted_unseen_and_takes_the_place_of_the_one_that_was_named(
    aws: LocalAws, make_secret: Callable[..., StoredSecret]
):
    secret = make_secret(json.dumps({"orders": OLD, "count": 2, "stock": "whsec-stock"}))
    with rotate_secret_at_a_terminal(aws, "--secret-id", secret.id) as terminal:
        terminal.expect_exact("which holds several: orders, stock.")
        terminal.expect_exact("Which of them is replaced?")
        assert secret.labelled(PENDING) is None
        terminal.sendline("orders")
        terminal.expect_exact("Rotate the secret in the Momento console now")
        pending = secret.labelled(PENDING)
        assert pending and OLD not in pending and secret.labelled(CURRENT) != pending
        for mistake, why in {
            "": "There is no new secret.",
            f'"{NEW}"': "quotation mark",
            f"{NEW}\u200b": "invisible character",
            f" {NEW}": "white space",
            json.dumps({"orders": NEW}): "no JSON",
            OLD: "the one that is stored",
        }.items():
            terminal.expect_exact("New secret: ")
            terminal.sendline(mistake)
            terminal.expect_exact(why)
        assert len(secret.versions()) == 2
        terminal.expect_exact("New secret: ")
        terminal.sendline(NEW)
        terminal.expect_exact("The new secret is stored.")
        terminal.expect_exact("Press Enter to go on")
        assert secret.labelled(PENDING) == pending
        terminal.sendline()
        assert end_of(terminal) == 0
        shown = terminal.logfile_read.getvalue()
    assert json.loads(secret.labelled(CURRENT)) == {"orders": NEW, "count": 2, "stock": "whsec-stock"}
    assert secret.labelled(PENDING) is None
    assert "The rotation has ended." in shown
    assert not [text for text in (OLD, NEW, "whsec", pending) if text in shown]


def test_interrupted_at_any_point_it_says_where_it_stands_and_goes_on_when_it_is_run_again(
    aws: LocalAws, make_secret: Callable[..., StoredSecret]
):
    value = json.dumps([OLD, "whsec-stock"])
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
    # Side by side, because they mostly wait.
    with ThreadPoolExecutor() as runs:
        list(runs.map(rotate_with_interruptions, [aws] * 4, [make_secret(value) for _ in signals], signals))


def is_asleep(process_id: int) -> bool:
    return "\nState:\tS" in Path(f"/proc/{process_id}/status").read_text()


def rotate_with_interruptions(aws: LocalAws, secret: StoredSecret, number: signal.Signals) -> None:
    def interrupt(terminal: pexpect.spawn, *told: str) -> None:
        # Python notices a signal that comes between a prompt and its read only after the next key.
        wait_for("the command to wait", lambda: is_asleep(terminal.pid))
        if number == signal.SIGINT:
            terminal.sendintr()
        else:
            terminal.kill(number)
        if number != signal.SIGKILL:
            for text in told:
                terminal.expect_exact(text)
            assert end_of(terminal) == 130

    arguments = ("--secret-id", secret.id)
    with rotate_secret_at_a_terminal(aws, *arguments) as terminal:
        terminal.expect_exact("Which of them is replaced?")
        interrupt(terminal, "Nothing was changed.")
    assert len(secret.versions()) == 1

    with rotate_secret_at_a_terminal(aws, *arguments, "--replace", "1") as terminal:
        terminal.expect_exact("The rotation has begun")
        [pending] = [version for version, labels in secret.versions().items() if labels == [PENDING]]
        interrupt(terminal, "The new secret is not stored yet. To go on, run this command again", pending)

    with rotate_secret_at_a_terminal(aws, *arguments, "--replace", "1") as terminal:
        terminal.expect_exact("A rotation is in progress.")
        terminal.expect_exact("New secret: ")
        terminal.send(NEW)
        interrupt(terminal, "The new secret is not stored yet. To go on, run this command again")
    assert json.loads(secret.labelled(CURRENT)) == [OLD, "whsec-stock"]

    with rotate_secret_at_a_terminal(aws, *arguments, "--replace", "1") as terminal:
        terminal.expect_exact("A rotation is in progress.")
        terminal.expect_exact("New secret: ")
        terminal.sendline(NEW)
        terminal.expect_exact("Press Enter to go on")
        interrupt(terminal, "The new secret is stored. To go on, run this command again")
    assert secret.labelled(PENDING)

    for is_last in (False, True):
        with rotate_secret_at_a_terminal(aws, *arguments) as terminal:
            terminal.expect_exact("A rotation is in progress, and the new secret is stored.")
            terminal.expect_exact("Press Enter to go on")
            if not is_last:
                interrupt(terminal, "The new secret is stored. To go on, run this command again")
                continue
            terminal.sendline()
            assert end_of(terminal) == 0
    assert json.loads(secret.labelled(CURRENT)) == [NEW, "whsec-stock"]
    assert secret.labelled(PENDING) is None


# ---- What stops it before it changes anything


def test_a_dry_run_changes_nothing(aws: LocalAws, make_secret: Callable[..., StoredSecret]):
    secret = make_secret(OLD)
    before = secret.versions()
    done = rotate_secret(aws, "--secret-id", secret.id, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Without --dry-run, this command begins with step 1" in done.stdout
    assert secret.versions() == before


@pytest.mark.parametrize(
    ("value", "arguments", "told"),
    [
        (json.dumps([OLD, OLD]), [], "Name the one that is replaced with --replace."),
        (json.dumps({"orders": OLD}), ["--replace", "stock"], "It has: orders."),
        ('{"orders":"whsec', [], "The stored value is invalid: "),
        ('{"orders":"whsec-1","orders":"whsec-2"}', [], "a name occurs twice"),
        ("[1]", [], "The stored value holds no secret."),
        (OLD, [NEW], "don't pass it as an argument"),
        (OLD, ["--secret-id", "of-nobody"], "ResourceNotFoundException"),
        (OLD, ["--stack-name", "of-nobody"], "of-nobody does not exist"),
    ],
)
def test_what_cannot_be_rotated_is_named_and_nothing_is_changed(
    aws: LocalAws, make_secret: Callable[..., StoredSecret], value: str, arguments: list[str], told: str
):
    secret = make_secret(value)
    before = secret.versions()
    done = rotate_secret(aws, "--secret-id", secret.id, *arguments, given=NEW)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "whsec" not in done.stdout + done.stderr
    assert secret.versions() == before


def test_another_rotation_in_progress_is_not_changed(aws: LocalAws, make_secret: Callable[..., StoredSecret]):
    secret = make_secret(OLD)
    other = secret.client.put_secret_value(SecretId=secret.id, SecretString="theirs", VersionStages=[PENDING])
    done = rotate_secret(aws, "--secret-id", secret.id, given=NEW)
    assert done.returncode == 1
    assert f"--remove-from-version-id {other['VersionId']}" in done.stderr
    assert (secret.labelled(CURRENT), secret.labelled(PENDING)) == (OLD, "theirs")


# ---- A person who takes their time


def test_the_label_is_renewed_without_a_gap_while_it_waits_for_the_new_secret(
    aws: LocalAws, make_secret: Callable[..., StoredSecret], monkeypatch: pytest.MonkeyPatch
):
    stored = make_secret(OLD)
    for name, value in aws.caller_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stored_secret, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(stored_secret, "RENEWALS", 3)
    secret = stored_secret.Secret(stored.id)
    secret.label_pending()
    seen = {stored.labelled(PENDING)}

    def renewed() -> bool:
        seen.add(stored.labelled(PENDING))
        return len(seen) == 4

    with secret.label_renewed():
        wait_for("three renewals", renewed)
    assert None not in seen
    secret.remove_label()
    assert (stored.labelled(CURRENT), stored.labelled(PENDING)) == (OLD, None)
