"""scripts/dead-letters lists what is in a dead-letter queue, puts it back into the retry queue, and drops it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, now, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.deployed_stack import deployed
from tools.testing.queue_scripts import SMALL, Queues, message, requests_of, run
from tools.waiting import wait_for

SECRET = "whsec-of-the-dead-letters"


def dead_letters(queues: Queues, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess:
    return run(queues.aws, "dead-letters", *arguments, "--queue-url", queues.old, given=given, **environment)


def test_one_of_each_kind_is_listed_and_one_is_dropped_and_the_others_are_on_the_bus_once(
    aws: LocalAws, gate: EventBridgeGate, make_bus: Callable[[str], BusWatch]
):
    bus = make_bus("dead-letters")
    with deployed(aws, "dead-letters", SECRET) as stack:
        stack.end_retries()
        vault, dead = aws.client("secretsmanager"), stack.outputs["DeadLetterQueueUrl"]
        bodies = {kind: captured_body().replace(b"test", kind.encode()) for kind in ("late", "unjudged")}
        gate.take()
        with gate.refusing():
            vault.put_secret_value(SecretId=stack.outputs["SecretId"], SecretString='["' + SECRET)
            assert post_signed(stack.url, SECRET, bodies["unjudged"]).status == 202
            wait_for("the unverified request to be a dead letter", lambda: stack.waiting("DeadLetterQueueUrl") == 1)
            vault.put_secret_value(SecretId=stack.outputs["SecretId"], SecretString=SECRET)
            for body in (bodies["late"], b'"no event"'):
                wait_for(
                    "the new secret to be known and the body to be queued",
                    lambda body=body: post_signed(stack.url, SECRET, body).message == "Queued",
                )
            wait_for("all to be dead letters", lambda: stack.waiting("DeadLetterQueueUrl") == 3)
        aws.client("sqs").send_message(QueueUrl=dead, MessageBody="sent by hand\u202e")
        assert gate.take() == []

        def letters(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
            return run(aws, "dead-letters", *arguments, "--stack-name", stack.name, given=given)

        for _ in range(2):
            # The first list hides nothing from the second one.
            listed = letters("list")
            assert listed.returncode == 0, listed.stderr
            _, *rows, total = listed.stdout.splitlines()
            assert total == "Messages in the queue: 4."
        by_reason = {row.split()[3]: row for row in rows}
        ids = {reason: row.split()[0] for reason, row in by_reason.items()}
        assert "serverless#late, " in by_reason["PutFailed"]
        assert by_reason["PutFailed"].split()[2:5] == ["authentic", "PutFailed", "3"]
        assert by_reason["Unmappable"].split()[2:7] == ["authentic", "Unmappable", "-", "no", "event,"]
        assert "serverless#unjudged, " in by_reason["SecretUnavailable"]
        assert by_reason["SecretUnavailable"].split()[2:5] == ["unverified", "SecretUnavailable", "3"]
        [by_hand] = [row for row in rows if "not a message of the webhook function" in row]
        assert letters("body", ids["Unmappable"]).stdout == '"no event"'

        kept = letters("drop", ids["Unmappable"], given="no\n")
        assert (kept.returncode, stack.waiting("DeadLetterQueueUrl")) == (1, 4)
        dropped = letters("drop", ids["Unmappable"], given="yes\n")
        assert dropped.returncode == 0, dropped.stderr
        assert "Messages deleted: 1." in dropped.stdout

        done = letters("put-back", "--all")
        assert done.returncode == 1
        assert done.stderr.startswith(f"message {by_hand.split()[0]}: This is not a message of the webhook function")
        assert "Messages put back: 2." in done.stdout
        assert len(bus.wait(2)) == 2
        wait_for("the retry queue to be empty", lambda: stack.waiting("RetryQueueUrl") == 0)
        assert sorted(entry["Detail"].encode() for entry in gate.take()) == sorted(bodies.values())
        assert stack.waiting("DeadLetterQueueUrl") == 1


def test_the_messages_of_a_queue_go_to_another_as_they_are(queues: Queues):
    # More than one page of ten; the text of each is kept, in any order of keys and with any spacing.
    bodies = [json.dumps(message(f"m{number}"), indent=number % 3 or None) for number in range(23)]
    kept_unverified = message("m-unverified", version=2, reason="SecretUnavailable", signature="0" * 64)
    bodies.append(json.dumps(kept_unverified, separators=(",", ":")))
    first, second, *_ = queues.fill(*bodies)

    shown = dead_letters(queues, "list")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.endswith("Messages in the queue: 24.\n")

    one = dead_letters(queues, "put-back", second, "--to", queues.new)
    assert one.returncode == 0, one.stderr
    assert requests_of(queues.visible(queues.new)) == ["m1"]
    queues.sqs.purge_queue(QueueUrl=queues.new)

    done = dead_letters(queues, "put-back", "--all", "--to", queues.new)
    assert done.returncode == 0, done.stderr
    assert "Messages put back: 23." in done.stdout
    arrived = queues.visible(queues.new)
    assert sorted(received["Body"] for received in arrived) == sorted(bodies[:1] + bodies[2:])
    assert {received["MessageAttributes"]["reason"]["StringValue"] for received in arrived} == {"PutFailed"}
    assert queues.visible(queues.old) == []
    gone = dead_letters(queues, "put-back", first, "--to", queues.new)
    assert (gone.returncode, gone.stderr.split(":")[0]) == (1, f"message {first}")


def test_a_message_that_is_not_put_back_is_named_and_stays_where_it_is(queues: Queues):
    foreign, large, _ = queues.fill(
        "not of the webhook", json.dumps(message("m1", "x" * SMALL)), json.dumps(message("m2"))
    )
    done = dead_letters(queues, "put-back", "--all", "--to", queues.new)
    assert done.returncode == 1
    assert f"message {foreign}: This is not a message of the webhook function" in done.stderr
    assert f"message {large}: " in done.stderr
    assert "Messages put back: 1." in done.stdout
    assert requests_of(queues.visible(queues.new)) == ["m2"]
    assert sorted(received["MessageId"] for received in queues.visible(queues.old)) == sorted([foreign, large])


def test_a_message_that_cannot_be_deleted_is_named_since_it_is_in_both_queues(queues: Queues):
    [number] = queues.fill(json.dumps(message("m1")))
    iam = queues.aws.client("iam")
    iam.create_user(UserName="put-back")
    allowed = ["sqs:ReceiveMessage", "sqs:SendMessage", "sqs:ChangeMessageVisibility*"]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="put-back", PolicyName="no-delete", PolicyDocument=policy)
    key = iam.create_access_key(UserName="put-back")["AccessKey"]
    try:
        credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        done = dead_letters(queues, "put-back", "--all", "--to", queues.new, **credentials)
        assert done.returncode == 1
        assert f"message {number}: It was put back, but it is also still in the dead-letter queue" in done.stderr
        assert requests_of(queues.visible(queues.new)) == requests_of(queues.visible(queues.old)) == ["m1"]
    finally:
        iam.delete_access_key(UserName="put-back", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="put-back", PolicyName="no-delete")
        iam.delete_user(UserName="put-back")


def test_what_is_hidden_from_the_list_is_said_and_what_it_hides_is_shown_again_when_it_is_interrupted(queues: Queues):
    queues.fill(*(json.dumps(message(f"m{number}")) for number in range(2)))
    [other] = queues.sqs.receive_message(QueueUrl=queues.old, VisibilityTimeout=600)["Messages"]
    listed = dead_letters(queues, "list")
    assert "Messages in the queue: 1.\nSQS counts about 2." in listed.stdout
    queues.sqs.change_message_visibility(QueueUrl=queues.old, ReceiptHandle=other["ReceiptHandle"], VisibilityTimeout=0)

    command = [sys.executable, ROOT / "scripts" / "dead-letters", "list", "--queue-url", queues.old]
    with subprocess.Popen(
        command, env=queues.aws.caller_environment | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True
    ) as listing:
        assert listing.stdout.readline().startswith("ID")
        listing.send_signal(signal.SIGTERM)
        assert listing.wait(20) == 130
    assert len(queues.visible(queues.old)) == 2


def test_a_terminal_gets_no_character_that_it_would_obey(queues: Queues):
    evil = json.dumps({"cache": "c\x1b[2J", "topic": "\u202et", "topic_sequence_number": 7}, ensure_ascii=False)
    [number] = queues.fill(json.dumps(message("m1", evil)))
    listed = dead_letters(queues, "list").stdout
    assert "\x1b" not in listed and "\\x1b[2J#\\u202et, " in listed
    assert dead_letters(queues, "body", number).stdout == evil
    terminal, end = pty.openpty()
    command = [sys.executable, ROOT / "scripts" / "dead-letters", "body", number, "--queue-url", queues.old]
    subprocess.run(command, env=queues.aws.caller_environment, stdout=end, check=True, timeout=60)
    os.close(end)
    assert "\x1b" not in os.read(terminal, 1 << 16).decode()
    os.close(terminal)


@pytest.mark.parametrize(
    "arguments", [["put-back"], ["drop"], ["body"], ["list", "id"], ["drop", "--all"], ["put-back", "id", "--all"]]
)
def test_each_command_says_which_messages_it_is_about(queues: Queues, arguments: list[str]):
    done = dead_letters(queues, *arguments)
    assert done.returncode == 2
    assert "Use list, body ID, put-back ID" in done.stderr


def test_no_queue_is_its_own_destination(queues: Queues):
    done = dead_letters(queues, "put-back", "--all", "--to", queues.old)
    assert (done.returncode, "another queue" in done.stderr) == (2, True)


def test_letters_that_outlived_their_stack_reach_the_bus_through_another_stack(
    aws: LocalAws, make_bus: Callable[[str], BusWatch], queues: Queues
):
    bus = make_bus("put-back-kept")
    given = {"MomentoSecretString": "whsec", "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    letters = aws.deploy("put-back-gone", ROOT / "template.yaml", given | {"KeepDeadLetters": "yes"})
    aws.delete("put-back-gone")
    dead = letters["DeadLetterQueueUrl"]
    body = json.dumps({"cache": "c", "topic": "kept", "publish_timestamp": now()})
    queues.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(message("m1", body)))
    aws.deploy("put-back-next", ROOT / "template.yaml", given)
    try:
        done = run(aws, "dead-letters", "put-back", "--all", "--queue-url", dead, "--stack-name", "put-back-next")
        assert done.returncode == 0, done.stderr
        [event] = bus.wait(1)
        assert event["detail-type"] == "c#kept"
        assert queues.visible(dead) == []
    finally:
        aws.delete("put-back-next")
        queues.sqs.delete_queue(QueueUrl=dead)
