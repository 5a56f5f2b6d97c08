"""template.yaml with a permissions boundary, a role path and a KMS key. The policies are those of the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.docs import blocks
from tools.testing.inventory import everything, resources
from tools.waiting import wait_for

TEMPLATE = ROOT / "template.yaml"
SECRET = "whsec-of-the-organization"
STACK = "organization"
PATH = "/integration/"
ACCOUNT = "000000000000"


def documented(heading: str) -> dict:
    [policy] = blocks("security-review.md", heading, "json")
    return json.loads(policy.replace("111122223333", ACCOUNT))


KEY_POLICY = documented("Key policy")
BOUNDARY = documented("Permissions boundary and role path")


class Organization:
    def __init__(self, aws: LocalAws, bus: str):
        self.aws = aws
        self.iam = aws.client("iam")
        self.kms = aws.client("kms")
        self.boundary = self.policy("boundary", BOUNDARY)
        self.key = self.kms.create_key(Policy=json.dumps(KEY_POLICY))["KeyMetadata"]["Arn"]
        self.given = {
            "MomentoSecretString": SECRET,
            "EventBridgeBus": bus,
            "Architecture": ARCHITECTURE,
            "AlarmEmail": "someone@example.com",
            "EventLog": "yes",
            "Endpoint": "HttpApi",
            "PermissionsBoundaryArn": self.boundary,
            "RolePath": PATH,
            "KmsKeyArn": self.key,
        }
        self.outputs = aws.deploy(STACK, TEMPLATE, self.given)
        self.resources = resources(aws, STACK)
        self.url = aws.function_url_local(self.outputs["FunctionUrl"])
        # The three minutes of the product are too long for a test.
        aws.client("sqs").set_queue_attributes(
            QueueUrl=self.outputs["RetryQueueUrl"], Attributes={"VisibilityTimeout": "2"}
        )

    def close(self) -> None:
        self.aws.delete(STACK)
        self.iam.delete_policy(PolicyArn=self.boundary)

    def policy(self, name: str, document: dict) -> str:
        return self.iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))["Policy"]["Arn"]

    @contextmanager
    def key_policy(self, *sids: str) -> Iterator[None]:
        """The key with a policy that does not have these statements."""
        left = [statement for statement in KEY_POLICY["Statement"] if statement["Sid"] not in sids]
        self.kms.put_key_policy(KeyId=self.key, Policy=json.dumps({**KEY_POLICY, "Statement": left}))
        try:
            yield
        finally:
            self.kms.put_key_policy(KeyId=self.key, Policy=json.dumps(KEY_POLICY))

    def as_role(self, role: str, service: str) -> Any:
        return self.aws.as_role(self.resources[role])(service)

    def post(self) -> int:
        return post_signed(self.url, SECRET, captured_body()).status


@pytest.fixture(scope="module")
def bus(make_bus: Callable[[str], BusWatch]) -> BusWatch:
    return make_bus(STACK)


@pytest.fixture(scope="module")
def organization(aws: LocalAws, bus: BusWatch) -> Iterator[Organization]:
    before = everything(aws, bus.bus)
    organization = Organization(aws, bus.bus)
    yield organization
    organization.close()
    assert everything(aws, bus.bus) == before


def is_refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as refusal:
        assert "AccessDenied" in refusal.response["Error"]["Code"], refusal
        return True
    return False


def test_the_documented_boundary_and_key_policy_are_enough_for_an_event_on_both_ways(
    organization: Organization, bus: BusWatch, gate: EventBridgeGate
):
    assert organization.post() == 200
    assert len(bus.wait(1)) == 1
    with gate.refusing():
        assert organization.post() == 202
    assert len(bus.wait(1, seconds=30)) == 1
    logs = organization.aws.client("logs")
    group = organization.outputs["EventLogGroup"]
    wait_for("both events in the event log", lambda: len(logs.filter_log_events(logGroupName=group)["events"]) >= 2)


def test_an_event_waits_in_the_queue_while_the_boundary_forbids_the_bus(organization: Organization, bus: BusWatch):
    [statement] = BOUNDARY["Statement"]
    left = [action for action in statement["Action"] if action != "events:PutEvents"]
    narrower = organization.policy("narrower-boundary", {**BOUNDARY, "Statement": [{**statement, "Action": left}]})
    limit = organization.iam.put_role_permissions_boundary
    role = organization.resources["WebhookRole"]
    limit(RoleName=role, PermissionsBoundary=narrower)
    try:
        assert organization.post() == 202
    finally:
        limit(RoleName=role, PermissionsBoundary=organization.boundary)
        organization.iam.delete_policy(PolicyArn=narrower)
    assert len(bus.wait(1, seconds=30)) == 1


def test_a_boundary_that_does_not_exist_fails_the_deployment(organization: Organization):
    given = {**organization.given, "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/none"}
    with pytest.raises(DeploymentFailed, match=r"Role: .*policy/none does not exist"):
        organization.aws.deploy("no-boundary", TEMPLATE, given)
    organization.aws.delete("no-boundary")


@pytest.mark.parametrize(
    ("sid", "resource"),
    [
        ("CloudWatchLogsEncryptsTheLogs", "Log"),
        ("EventBridgeFindsTheKeyOfTheArchive", "Archive"),
        ("EventBridgeEncryptsTheArchive", "Archive"),
    ],
)
def test_a_key_policy_without_a_documented_statement_fails_the_deployment(
    organization: Organization, sid: str, resource: str
):
    with organization.key_policy(sid), pytest.raises(DeploymentFailed, match=rf"{resource}\w*: The policy of the key"):
        organization.aws.deploy("no-key", TEMPLATE, organization.given)
    organization.aws.delete("no-key")


def test_without_the_key_neither_the_secret_nor_the_queue_can_be_used(organization: Organization):
    queue = organization.outputs["RetryQueueUrl"]
    secret = organization.outputs["SecretId"]
    calls = [
        lambda: organization.as_role("WebhookRole", "secretsmanager").get_secret_value(SecretId=secret),
        lambda: organization.as_role("RedriveRole", "secretsmanager").get_secret_value(SecretId=secret),
        lambda: organization.as_role("WebhookRole", "sqs").send_message(QueueUrl=queue, MessageBody="{}"),
        lambda: organization.as_role("RedriveRole", "sqs").receive_message(QueueUrl=queue),
    ]
    with organization.key_policy("TheAccountAdministersTheKey"):
        assert all(map(is_refused, calls))
    assert not any(map(is_refused, calls))
    organization.aws.client("sqs").purge_queue(QueueUrl=queue)
