"""The functions' roles, with policies enforced: what the functions do is allowed, and one step beyond it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.local_aws.server import LocalAws
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.inventory import resources

BUS, OTHER_BUS = "roles-own", "roles-other"
REFUSED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}

Client = Callable[[str], Any]


class Deployed:
    """The stack, and things next to it that are none of its business."""

    def __init__(self, aws: LocalAws):
        self.aws = aws
        events = aws.client("events")
        for bus in (BUS, OTHER_BUS):
            events.create_event_bus(Name=bus)
        self.other_queue = aws.client("sqs").create_queue(QueueName="roles-other")["QueueUrl"]
        self.other_secret = aws.client("secretsmanager").create_secret(Name="roles-other", SecretString="x")["ARN"]
        given = {"MomentoSecretString": "whsec", "EventBridgeBus": BUS, "Architecture": ARCHITECTURE}
        self.outputs = aws.deploy("roles", ROOT / "template.yaml", given)
        self.resources = resources(aws, "roles")

    def close(self) -> None:
        self.aws.delete("roles")
        self.aws.client("secretsmanager").delete_secret(SecretId=self.other_secret, ForceDeleteWithoutRecovery=True)
        self.aws.client("sqs").delete_queue(QueueUrl=self.other_queue)
        for bus in (BUS, OTHER_BUS):
            self.aws.client("events").delete_event_bus(Name=bus)

    def as_role(self, logical_id: str) -> Client:
        return self.aws.as_role(self.resources[logical_id])


@pytest.fixture(scope="module")
def stack(aws: LocalAws) -> Iterator[Deployed]:
    deployed = Deployed(aws)
    yield deployed
    deployed.close()


@pytest.fixture(scope="module")
def webhook(stack: Deployed) -> Client:
    return stack.as_role("WebhookRole")


@pytest.fixture(scope="module")
def redrive(stack: Deployed) -> Client:
    return stack.as_role("RedriveRole")


def is_refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as refusal:
        assert refusal.response["Error"]["Code"] in REFUSED, refusal
        return True
    return False


def put(client: Client, bus: str) -> None:
    entry = {"Source": "Momento", "DetailType": "c#t", "Detail": "{}", "EventBusName": bus}
    answer = client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        # A real bus refuses entry by entry where only its own policy is against it.
        error = {"Code": answer["Entries"][0]["ErrorCode"], "Message": "entry"}
        raise ClientError({"Error": error}, "PutEvents")


@pytest.mark.parametrize("role", ["webhook", "redrive"])
def test_a_function_puts_events_on_its_bus_and_on_no_other(role: str, request: pytest.FixtureRequest):
    client = request.getfixturevalue(role)
    put(client, BUS)
    assert client("events").describe_event_bus(Name=BUS)["Name"] == BUS
    assert is_refused(lambda: put(client, OTHER_BUS))
    assert is_refused(lambda: put(client, "default"))
    assert is_refused(lambda: client("events").describe_event_bus(Name=OTHER_BUS))
    assert is_refused(lambda: client("events").list_event_buses())
    assert is_refused(lambda: client("events").put_rule(Name="x", EventBusName=BUS, EventPattern='{"source":["x"]}'))


@pytest.mark.parametrize("role", ["webhook", "redrive"])
def test_a_function_reads_its_secret_and_no_other(stack: Deployed, role: str, request: pytest.FixtureRequest):
    vault = request.getfixturevalue(role)("secretsmanager")
    own = stack.outputs["SecretId"]
    assert vault.get_secret_value(SecretId=own)["SecretString"] == "whsec"
    assert vault.get_secret_value(SecretId=own, VersionStage="AWSCURRENT")["SecretString"] == "whsec"
    assert is_refused(lambda: vault.get_secret_value(SecretId=stack.other_secret))
    assert is_refused(lambda: vault.put_secret_value(SecretId=own, SecretString="mine"))
    assert is_refused(lambda: vault.list_secrets())


def test_the_webhook_sends_to_the_retry_queue_and_takes_nothing_from_it(stack: Deployed, webhook: Client):
    sqs = webhook("sqs")
    own, dead = stack.outputs["RetryQueueUrl"], stack.outputs["DeadLetterQueueUrl"]
    message = {"version": 1, "reason": "PutFailed", "error": "x", "receivedAt": 0, "requestId": "x", "body": "[]"}
    sqs.send_message(QueueUrl=own, MessageBody=json.dumps(message))
    assert is_refused(lambda: sqs.receive_message(QueueUrl=own))
    assert is_refused(lambda: sqs.purge_queue(QueueUrl=own))
    for other in (dead, stack.other_queue):
        assert is_refused(lambda other=other: sqs.send_message(QueueUrl=other, MessageBody="x"))


def test_the_redrive_function_takes_from_the_retry_queue_and_from_no_other(stack: Deployed, redrive: Client):
    sqs = redrive("sqs")
    own, dead = stack.outputs["RetryQueueUrl"], stack.outputs["DeadLetterQueueUrl"]
    sqs.receive_message(QueueUrl=own)
    assert "QueueArn" in sqs.get_queue_attributes(QueueUrl=own, AttributeNames=["QueueArn"])["Attributes"]
    assert is_refused(lambda: sqs.send_message(QueueUrl=own, MessageBody="x"))
    for other in (dead, stack.other_queue):
        assert is_refused(lambda other=other: sqs.receive_message(QueueUrl=other))


@pytest.mark.parametrize(
    ("role", "own", "other"),
    [("WebhookRole", "WebhookLogs", "RedriveLogs"), ("RedriveRole", "RedriveLogs", "WebhookLogs")],
)
def test_a_function_writes_its_own_log_and_no_other(stack: Deployed, role: str, own: str, other: str):
    iam = stack.aws.client("iam")
    arn = iam.get_role(RoleName=stack.resources[role])["Role"]["Arn"]

    def decide(action: str, group: str) -> str:
        # The resource for which a real account asks; the local one leaves the stream away in a call itself.
        stream = f"arn:aws:logs:{stack.aws.region}:000000000000:log-group:{group}:log-stream:2026/01/01/[$LATEST]0"
        simulated = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], ResourceArns=[stream])
        return simulated["EvaluationResults"][0]["EvalDecision"]

    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert decide(action, stack.resources[own]) == "allowed"
        assert decide(action, stack.resources[other]) == "implicitDeny"
        assert decide(action, "/roles/other") == "implicitDeny"
    for action in ("logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:GetLogEvents"):
        assert decide(action, stack.resources[own]) == "implicitDeny"


@pytest.mark.parametrize("role", ["webhook", "redrive"])
def test_a_function_can_do_nothing_else_in_the_account(stack: Deployed, role: str, request: pytest.FixtureRequest):
    client = request.getfixturevalue(role)
    function = stack.outputs["WebhookFunctionName"]
    assert is_refused(lambda: client("lambda").invoke(FunctionName=function))
    assert is_refused(lambda: client("lambda").get_function(FunctionName=function))
    assert is_refused(lambda: client("s3").list_buckets())
    assert is_refused(lambda: client("iam").list_roles())
    assert is_refused(lambda: client("sqs").list_queues())
