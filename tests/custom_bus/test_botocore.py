"""botocore reads from the stand-in what AWS's model says, and sends the same requests as the webhook function."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.testing.custom_event_bus import StandIn, built

BODY = json.dumps({"cache": "c", "topic": "tüv", "publish_timestamp": 0, "text": "é 🐿"}, ensure_ascii=False)


def entry(id: str, group: str = "c#t", **members: Any) -> dict[str, Any]:
    metadata = {"DeduplicationId": id, "EventGroupId": group}
    return {"Source": "Momento", "DetailType": "c#t", "Detail": BODY, "SystemMetadata": metadata, **members}


def put(stand_in: StandIn, *entries: dict[str, Any], account: str = "111122223333", bus: str | None = None) -> Any:
    return stand_in.client(account).put_events(EventBusArn=bus or stand_in.arn, Entries=list(entries))


def codes(answer: Any) -> list[str]:
    return [result["SuccessCode"] for result in answer["Entries"]]


def test_an_entry_is_published_and_arrives_as_it_was_sent(stand_in: StandIn) -> None:
    sent = entry("a", Resources=["r"], Time=1_767_323_045.678)
    answer = put(stand_in, sent)
    (result,) = answer["Entries"]
    assert result["SuccessCode"] == "PUBLISHED"
    assert result["EventId"] and result["SequenceNumber"]
    assert answer.get("FailedEntryCount", 0) == 0
    assert stand_in.ask("events") == [{**sent, "EventBusArn": stand_in.arn}]


def test_a_repeat_is_suppressed_for_300_seconds(stand_in: StandIn) -> None:
    assert codes(put(stand_in, entry("a"), entry("a"), entry("b"))) == ["PUBLISHED", "DEDUPLICATED", "PUBLISHED"]
    stand_in.ask("advance 299")
    assert codes(put(stand_in, entry("a"))) == ["DEDUPLICATED"]
    stand_in.ask("advance 2")
    assert codes(put(stand_in, entry("a"))) == ["PUBLISHED"]
    assert len(stand_in.ask("events")) == 3


def test_a_repeat_has_the_same_account_bus_group_and_id(stand_in: StandIn) -> None:
    put(stand_in, entry("a"))
    assert codes(put(stand_in, entry("a", group="c#other"))) == ["PUBLISHED"]
    assert codes(put(stand_in, entry("a"), account="444455556666")) == ["PUBLISHED"]
    assert codes(put(stand_in, {**entry("a"), "SystemMetadata": {"EventGroupId": "c#t"}})) == ["PUBLISHED"]
    assert codes(put(stand_in, entry("a"))) == ["DEDUPLICATED"]


def test_an_entry_that_failed_leaves_nothing_behind(stand_in: StandIn) -> None:
    answer = put(stand_in, entry("a", Detail="no JSON"), entry("b"))
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "VALIDATION_ERROR"
    assert "SuccessCode" not in answer["Entries"][0]
    assert codes(put(stand_in, entry("a"))) == ["PUBLISHED"]


def test_a_bus_is_described(stand_in: StandIn) -> None:
    answer = stand_in.client().describe_event_bus(EventBusArn=stand_in.arn)
    assert (answer["Name"], answer["State"], answer["EventBusArn"]) == ("events", "ACTIVE", stand_in.arn)
    assert answer["CreationTime"].year == 2026
    assert answer["StorageConfiguration"] == {"RetentionPeriodInDays": 1}


@pytest.mark.parametrize(
    ("bus", "status", "code"),
    [
        ("AccessDeniedException", 403, "AccessDeniedException"),
        ("InternalException", 500, "InternalException"),
        ("ThrottlingException", 429, "ThrottlingException"),
        ("creating", 409, "InvalidStateException"),
        ("nowhere", 404, "ResourceNotFoundException"),
    ],
)
def test_each_error_is_read_with_its_status_and_its_code(stand_in: StandIn, bus: str, status: int, code: str) -> None:
    client = stand_in.client()
    with pytest.raises(ClientError) as error:
        client.put_events(EventBusArn=stand_in.bus(bus), Entries=[entry("a")])
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["Error"]["Message"]
    assert isinstance(error.value, getattr(client.exceptions, code))
    assert stand_in.ask("events") == []


@pytest.mark.parametrize(
    "entries",
    [
        [entry(str(number)) for number in range(101)],
        [entry("a", Source="aws.s3")],
        [entry("a", DetailType="x" * 129)],
        [entry("x" * 129)],
        [entry("a", group="x" * 129)],
        [entry("a", Detail=json.dumps("x" * 1_048_576))],
    ],
)
def test_what_is_over_a_limit_is_invalid_and_nothing_of_it_is_published(
    stand_in: StandIn, entries: list[dict[str, Any]]
) -> None:
    client = stand_in.client()
    with pytest.raises(client.exceptions.InvalidInputException):
        client.put_events(EventBusArn=stand_in.arn, Entries=entries)
    assert stand_in.ask("events") == []


def test_the_function_sends_the_same_requests_as_botocore(stand_in: StandIn) -> None:
    body = BODY.replace('"publish_timestamp": 0', f'"publish_timestamp": {int(time.time() * 1000)}')
    assert stand_in.ask(f"post {built()['webhook']} {body}") == 200
    ours = stand_in.ask("calls")
    stand_in.client().describe_event_bus(EventBusArn=stand_in.arn)
    digest = hashlib.sha256(body.encode()).hexdigest()
    put(stand_in, {**entry(digest, group="c#tüv"), "DetailType": "c#tüv", "Detail": body})
    theirs = stand_in.ask("calls")

    assert [call["operation"] for call in ours] == ["DescribeEventBus", "PutEvents"]
    assert [call["operation"] for call in theirs] == ["DescribeEventBus", "PutEvents"]
    for our, their in zip(ours, theirs, strict=True):
        assert our["input"] == their["input"]
        # Each client names itself, the attempt and the time in its own way.
        own = {"user-agent", "x-amz-user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date"}
        # Both sign, with different keys and headers. The encoding of CBOR decides the length.
        own |= {"authorization", "content-length", "x-amz-security-token", "accept-encoding", "x-amzn-trace-id"}
        assert without(our["headers"], own) == without(their["headers"], own)
        for call in (our, their):
            signed = call["headers"]["authorization"]
            assert signed.startswith("AWS4-HMAC-SHA256 Credential=")
            assert "/us-east-1/events/aws4_request, SignedHeaders=" in signed
            assert {"host", "x-amz-date", "x-amz-security-token"} <= set(
                signed.split("SignedHeaders=")[1].split(",")[0].split(";")
            )


def without(headers: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}
