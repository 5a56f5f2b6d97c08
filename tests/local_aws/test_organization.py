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


def without(policy: dict, *actions: str) -> dict:
    [statement] = policy["Statement"]
    left = [action for action in statement["Action"] if action not in actions]
    return {**policy, "Statement": [{**statement, "Action": left}]}


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
    def narrower(self, role: str, *actions: str) -> Iterator[None]:
        """The role with a boundary that does not have these actions. Its own policy stays as it is."""
        name = self.resources[role]
        narrow = self.policy("narrower-boundary", without(BOUNDARY, *actions))
        self.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=narrow)
        try:
            yield
        finally:
            self.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=self.boundary)
            self.iam.delete_policy(PolicyArn=narrow)

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


def test_every_role_has_the_boundary_and_the_path(organization: Organization):
    for name in ("WebhookRole", "RedriveRole"):
        role = organization.iam.get_role(RoleName=organization.resources[name])["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == organization.boundary
        assert role["Path"] == PATH


def test_everything_that_takes_a_key_is_encrypted_with_it(organization: Organization):
    aws, key, made = organization.aws, organization.key, organization.resources
    for queue in ("RetryQueueUrl", "DeadLetterQueueUrl"):
        url = organization.outputs[queue]
        attributes = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["KmsMasterKeyId"] == key
        assert attributes.get("SqsManagedSseEnabled", "false") == "false"
    logs = aws.client("logs").describe_log_groups()["logGroups"]
    keys = {group["logGroupName"]: group.get("kmsKeyId") for group in logs}
    for group in ("WebhookLogs", "RedriveLogs", "HttpApiLogs", "EventLogGroup"):
        assert keys[made[group]] == key, group
    assert aws.client("secretsmanager").describe_secret(SecretId=made["SigningSecret"])["KmsKeyId"] == key
    # The local AWS drops the key of a topic; tests/templates looks at it.
    archive = aws.client("events").describe_archive(ArchiveName=made["Archive"])
    assert archive["KmsKeyIdentifier"] == key


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


def test_what_the_boundary_leaves_out_is_refused_although_the_role_allows_it(organization: Organization, bus: BusWatch):
    queue = organization.outputs["RetryQueueUrl"]
    secret = organization.outputs["SecretId"]

    def put() -> Any:
        entry = {"Source": "Other", "DetailType": "c#t", "Detail": "{}", "EventBusName": bus.bus}
        return organization.as_role("WebhookRole", "events").put_events(Entries=[entry])

    def send() -> Any:
        return organization.as_role("WebhookRole", "sqs").send_message(QueueUrl=queue, MessageBody="{}")

    def read() -> Any:
        return organization.as_role("RedriveRole", "secretsmanager").get_secret_value(SecretId=secret)

    calls = {
        "events:PutEvents": ("WebhookRole", put),
        "sqs:SendMessage": ("WebhookRole", send),
        "secretsmanager:GetSecretValue": ("RedriveRole", read),
    }
    for action, (role, call) in calls.items():
        assert not is_refused(call), action
        with organization.narrower(role, action):
            assert is_refused(call), action
            others = [other for name, (own, other) in calls.items() if own == role and name != action]
            assert not any(map(is_refused, others)), action
    organization.aws.client("sqs").purge_queue(QueueUrl=queue)


def test_the_boundary_gives_a_role_nothing_that_its_own_policy_does_not(organization: Organization):
    queue = organization.outputs["RetryQueueUrl"]
    assert "sqs:ReceiveMessage" in BOUNDARY["Statement"][0]["Action"]
    assert is_refused(lambda: organization.as_role("WebhookRole", "sqs").receive_message(QueueUrl=queue))
    assert is_refused(lambda: organization.as_role("RedriveRole", "sqs").send_message(QueueUrl=queue, MessageBody="x"))


def test_an_event_waits_in_the_queue_while_the_boundary_forbids_the_bus(organization: Organization, bus: BusWatch):
    with organization.narrower("WebhookRole", "events:PutEvents"):
        assert organization.post() == 202
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


def test_a_role_may_use_the_key_only_through_its_services(organization: Organization):
    for role in ("WebhookRole", "RedriveRole"):
        kms = organization.as_role(role, "kms")
        assert is_refused(lambda kms=kms: kms.generate_data_key(KeyId=organization.key, KeySpec="AES_256"))
        assert is_refused(lambda kms=kms: kms.encrypt(KeyId=organization.key, Plaintext=b"x"))
