"""What scripts/put-back does with damaged records, and with the messages of a dead-letter queue."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import now
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.put_back import put_back

SMALL = 1024


class Queues:
    """A queue to take messages from, and one to put them back into, which refuses large ones."""

    def __init__(self, aws: LocalAws):
        self.aws, self.sqs = aws, aws.client("sqs")
        self.old = self.sqs.create_queue(QueueName="put-back-old")["QueueUrl"]
        limit = {"MaximumMessageSize": str(SMALL)}
        self.new = self.sqs.create_queue(QueueName="put-back-new", Attributes=limit)["QueueUrl"]

    def close(self) -> None:
        for url in (self.old, self.new):
            self.sqs.delete_queue(QueueUrl=url)

    def fill(self, *bodies: str) -> list[str]:
        """Sends messages to the old queue as the webhook function does, and returns their IDs."""
        reason = {"reason": {"DataType": "String", "StringValue": "PutFailed"}}
        sent = [self.sqs.send_message(QueueUrl=self.old, MessageBody=body, MessageAttributes=reason) for body in bodies]
        return [message["MessageId"] for message in sent]

    def visible(self, url: str) -> list[dict]:
        """Every message that can be received now."""
        received = []
        options = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 60, "MessageAttributeNames": ["All"]}
        while page := self.sqs.receive_message(QueueUrl=url, **options).get("Messages"):
            received += page
        return received


@pytest.fixture
def queues(aws: LocalAws) -> Iterator[Queues]:
    queues = Queues(aws)
    yield queues
    queues.close()


def message(request_id: str, body: str = "{}", **members: object) -> dict:
    common = {"reason": "TimedOut", "error": "E: m", "receivedAt": now(), "requestId": request_id}
    return {"version": 1, **common, **members, "body": body}


def unverified(request_id: str) -> dict:
    return message(request_id, version=2, reason="SecretUnavailable", signature="0" * 64)


def record(content: dict) -> str:
    kept = {"level": "ERROR", "requestId": content["requestId"], "outcome": "BothFailed", "queueMessage": content}
    return json.dumps(kept)


def texts(messages: list[dict]) -> list[str]:
    return sorted(json.loads(received["Body"])["requestId"] for received in messages)


# ---- Log records


def test_good_records_go_back_and_each_bad_one_is_named(queues: Queues):
    lines = [
        record(message("good-1")),
        record(message("cut-off"))[:-9],
        record(message("good-2")),
        record(message("without-a-time")).replace("receivedAt", "received"),
        record(message("not-base64") | {"bodyBase64": "%"}).replace('"body": "{}", ', ""),
        record(message("good-3")),
    ]
    done = put_back(queues.aws, "--queue-url", queues.new, "-", given="\n".join(lines))
    assert done.returncode == 1
    named = done.stderr.splitlines()
    assert [line.split(":")[0] for line in named[:-1]] == [
        "standard input, line 2, request cut-off",
        "standard input, line 4, request without-a-time",
        "standard input, line 5, request not-base64",
    ]
    assert "truncated" in named[0] and "does not have the fields" in named[1]
    assert named[-1] == "Not put back: 3. Each is named above."
    assert "Events put back: 3." in done.stdout
    assert texts(queues.visible(queues.new)) == ["good-1", "good-2", "good-3"]


def test_an_event_that_the_queue_refuses_is_named_and_the_others_go_back(queues: Queues):
    lines = [record(message("too-large", "x" * SMALL)), record(message("good"))]
    done = put_back(queues.aws, "--queue-url", queues.new, "-", given="\n".join(lines))
    assert done.returncode == 1
    assert done.stderr.startswith("too-large: ")
    assert "Events put back: 1." in done.stdout
    assert texts(queues.visible(queues.new)) == ["good"]


def test_output_of_the_aws_tool_that_is_cut_off_is_named_and_never_skipped_in_silence(queues: Queues):
    page = json.dumps({"events": [{"message": record(message(name))} for name in ("first", "second")]}, indent=4)
    whole = put_back(queues.aws, "--queue-url", queues.new, "-", given=page)
    assert (whole.returncode, texts(queues.visible(queues.new))) == (0, ["first", "second"])
    cut_off = put_back(queues.aws, "--queue-url", queues.new, "-", given=page[:-90])
    assert (cut_off.returncode, texts(queues.visible(queues.new))) == (1, ["first"])
    assert "standard input, line 7, request second: The record is truncated" in cut_off.stderr


def test_files_as_powershell_and_an_export_to_s3_write_them_go_back(queues: Queues, tmp_path: Path):
    files = {"powershell": "utf-16", "export.gz": "utf-8"}
    for name, encoding in files.items():
        text = json.dumps({"queueMessage": message(name, "a\u2028b\u0085c")}, ensure_ascii=False).encode(encoding)
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    done = put_back(queues.aws, "--queue-url", queues.new, *(str(tmp_path / name) for name in files))
    assert (done.returncode, done.stderr) == (0, "")
    assert texts(queues.visible(queues.new)) == ["export.gz", "powershell"]


# ---- A dead-letter queue


def test_the_messages_of_a_queue_go_to_another_as_they_are(queues: Queues):
    # More than one page of ten; the text of each is kept, in any order of keys and with any spacing.
    bodies = [json.dumps(message(f"m{number}"), indent=number % 3 or None) for number in range(23)]
    bodies.append(json.dumps(unverified("m-unverified"), separators=(",", ":")))
    queues.fill(*bodies)

    shown = put_back(queues.aws, "--queue-url", queues.new, "--from-queue", queues.old, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "Events that would be put back: 24." in shown.stdout
    assert "m-unverified  SecretUnavailable, 2 bytes" in shown.stdout

    done = put_back(queues.aws, "--queue-url", queues.new, "--from-queue", queues.old)
    assert done.returncode == 0, done.stderr
    assert "Events put back: 24." in done.stdout
    arrived = queues.visible(queues.new)
    assert sorted(received["Body"] for received in arrived) == sorted(bodies)
    assert {received["MessageAttributes"]["reason"]["StringValue"] for received in arrived} == {"PutFailed"}
    assert queues.visible(queues.old) == []


def test_a_message_that_is_not_put_back_is_named_and_stays_where_it_is(queues: Queues):
    foreign, large, _ = queues.fill(
        "not of the webhook", json.dumps(message("m1", "x" * SMALL)), json.dumps(message("m2"))
    )
    done = put_back(queues.aws, "--queue-url", queues.new, "--from-queue", queues.old)
    assert done.returncode == 1
    assert f"message {foreign}: This is not a message of the webhook function" in done.stderr
    assert f"message {large}, request m1: " in done.stderr
    assert "Not put back: 2." in done.stderr
    assert "Events put back: 1." in done.stdout
    assert texts(queues.visible(queues.new)) == ["m2"]
    assert sorted(received["MessageId"] for received in queues.visible(queues.old)) == sorted([foreign, large])


def test_a_message_that_cannot_be_deleted_is_named_since_it_is_in_both_queues(queues: Queues):
    [number] = queues.fill(json.dumps(message("m1")))
    iam = queues.aws.client("iam")
    iam.create_user(UserName="put-back")
    allowed = ["sqs:ReceiveMessage", "sqs:SendMessage", "sqs:ChangeMessageVisibility"]
    statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="put-back", PolicyName="no-delete", PolicyDocument=policy)
    key = iam.create_access_key(UserName="put-back")["AccessKey"]
    try:
        credentials = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        done = put_back(queues.aws, "--queue-url", queues.new, "--from-queue", queues.old, **credentials)
        assert done.returncode == 1
        assert f"message {number}, request m1: The message was put back, but it is also still" in done.stderr
        assert texts(queues.visible(queues.new)) == texts(queues.visible(queues.old)) == ["m1"]
    finally:
        iam.delete_access_key(UserName="put-back", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="put-back", PolicyName="no-delete")
        iam.delete_user(UserName="put-back")


@pytest.mark.parametrize("extra", [[], ["records.json"], ["--log-group", "g", "records.json"]], ids=str)
def test_one_source_has_to_be_named_and_no_queue_is_its_own_source(queues: Queues, extra: list[str]):
    arguments = ["--queue-url", queues.new, "--from-queue", queues.new if extra == [] else queues.old, *extra]
    done = put_back(queues.aws, *arguments)
    assert done.returncode == 2
    assert ("another queue" if extra == [] else "one source") in done.stderr


def test_letters_that_outlived_their_stack_reach_the_bus_through_another_stack(
    aws: LocalAws, make_bus: Callable[[str], BusWatch], queues: Queues
):
    bus = make_bus("put-back-kept")
    given = {"MomentoSecretString": "whsec", "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    letters = aws.deploy("put-back-gone", ROOT / "template.yaml", given | {"KeepDeadLetters": "yes"})
    aws.delete("put-back-gone")
    dead = letters["DeadLetterQueueUrl"]
    body = '{"cache":"c","topic":"kept","publish_timestamp":1726292279850}'
    queues.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(message("m1", body)))
    outputs = aws.deploy("put-back-next", ROOT / "template.yaml", given)
    try:
        done = put_back(queues.aws, "--queue-url", outputs["RetryQueueUrl"], "--from-queue", dead)
        assert done.returncode == 0, done.stderr
        [event] = bus.wait(1)
        assert event["detail-type"] == "c#kept"
        assert queues.visible(dead) == []
    finally:
        aws.delete("put-back-next")
        queues.sqs.delete_queue(QueueUrl=dead)
