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


ROLES = ["WebhookRole", "RedriveRole"]


def assert_all_are_refused(*calls: Callable[[], Any]) -> None:
    for call in calls:
        with pytest.raises(ClientError) as refusal:
            call()
        assert refusal.value.response["Error"]["Code"] in REFUSED, refusal.value


def put(client: Client, bus: str) -> None:
    entry = {"Source": "Momento", "DetailType": "c#t", "Detail": "{}", "EventBusName": bus}
    answer = client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        # A real bus refuses entry by entry where only its own policy is against it.
        error = {"Code": answer["Entries"][0]["ErrorCode"], "Message": "entry"}
        raise ClientError({"Error": error}, "PutEvents")


@pytest.mark.parametrize("role", ROLES)
def test_a_function_uses_its_bus_and_its_secret_and_no_other_and_nothing_else_in_the_account(
    stack: Deployed, role: str
):
    client = stack.as_role(role)
    events, vault = client("events"), client("secretsmanager")
    bus, secret, function = BUS, stack.outputs["SecretId"], stack.outputs["WebhookFunctionName"]
    put(client, bus)
    assert events.describe_event_bus(Name=bus)["Name"] == bus
    assert vault.get_secret_value(SecretId=secret)["SecretString"] == "whsec"
    assert vault.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"] == "whsec"
    assert_all_are_refused(
        lambda: put(client, OTHER_BUS),
        lambda: put(client, "default"),
        lambda: events.describe_event_bus(Name=OTHER_BUS),
        lambda: events.list_event_buses(),
        lambda: events.put_rule(Name="x", EventBusName=bus, EventPattern='{"source":["x"]}'),
        lambda: vault.get_secret_value(SecretId=stack.other_secret),
        lambda: vault.put_secret_value(SecretId=secret, SecretString="mine"),
        lambda: vault.list_secrets(),
        lambda: client("lambda").invoke(FunctionName=function),
        lambda: client("lambda").get_function(FunctionName=function),
        lambda: client("s3").list_buckets(),
        lambda: client("iam").list_roles(),
        lambda: client("sqs").list_queues(),
    )


def test_the_webhook_only_sends_to_the_retry_queue_and_redrive_only_takes_from_it(stack: Deployed):
    webhook, redrive = (stack.as_role(role)("sqs") for role in ROLES)
    own, dead, other = stack.outputs["RetryQueueUrl"], stack.outputs["DeadLetterQueueUrl"], stack.other_queue
    message = {"version": 1, "reason": "PutFailed", "error": "x", "receivedAt": 0, "requestId": "x", "body": "[]"}
    webhook.send_message(QueueUrl=own, MessageBody=json.dumps(message))
    redrive.receive_message(QueueUrl=own)
    assert "QueueArn" in redrive.get_queue_attributes(QueueUrl=own, AttributeNames=["QueueArn"])["Attributes"]
    assert_all_are_refused(
        lambda: webhook.receive_message(QueueUrl=own),
        lambda: webhook.purge_queue(QueueUrl=own),
        lambda: webhook.send_message(QueueUrl=dead, MessageBody="x"),
        lambda: webhook.send_message(QueueUrl=other, MessageBody="x"),
        lambda: redrive.send_message(QueueUrl=own, MessageBody="x"),
        lambda: redrive.receive_message(QueueUrl=dead),
        lambda: redrive.receive_message(QueueUrl=other),
    )


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
