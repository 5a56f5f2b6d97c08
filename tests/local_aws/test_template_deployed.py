"""template.yaml in the local AWS, with the release binaries in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.testing.inventory import everything, resources
from tools.waiting import wait_for

TEMPLATE = ROOT / "template.yaml"
SECRET = "whsec-of-the-template-tests"

Deploy = Callable[..., dict[str, str]]


@pytest.fixture
def deploy(aws: LocalAws) -> Iterator[Deploy]:
    """Deploys a stack, which is gone after the test."""
    deployed = []

    def run(stack: str, **parameters: str) -> dict[str, str]:
        deployed.append(stack)
        return aws.deploy(stack, TEMPLATE, {"Architecture": ARCHITECTURE, **parameters})

    yield run
    for stack in deployed:
        aws.delete(stack)


@pytest.fixture(scope="module")
def shared_bus(make_bus: Callable[[str], BusWatch]) -> BusWatch:
    return make_bus("template-tests")


@pytest.fixture
def bus(shared_bus: BusWatch) -> Iterator[BusWatch]:
    yield shared_bus
    shared_bus.take()


def messages(aws: LocalAws, queue: str) -> int:
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def test_two_stacks_side_by_side_have_nothing_in_common_and_leave_nothing_behind(aws: LocalAws, bus: BusWatch):
    before = everything(aws, bus.bus)
    secrets = {"side-a": "whsec-of-a", "side-b": "whsec-of-b"}
    outputs = {}
    for stack, secret in secrets.items():
        given = {"MomentoSecretString": secret, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
        extras = {"AlarmEmail": "someone@example.com", "EventLog": "yes", "NoEventMinutes": "30"}
        outputs[stack] = aws.deploy(stack, TEMPLATE, given | extras)

    shared = {key for key in outputs["side-a"] if outputs["side-a"][key] == outputs["side-b"][key]}
    assert shared == set()
    assert set(resources(aws, "side-a").values()) & set(resources(aws, "side-b").values()) == set()

    for stack, secret in secrets.items():
        url = aws.function_url_local(outputs[stack]["FunctionUrl"])
        other = secrets["side-b" if stack == "side-a" else "side-a"]
        assert post_signed(url, secret, captured_body()).status == 200
        assert post_signed(url, other, captured_body()).status == 403
    assert len(bus.wait(2)) == 2

    for stack in secrets:
        aws.delete(stack)
    assert everything(aws, bus.bus) == before


def test_a_bus_that_is_not_there_fails_the_deployment_and_says_so(aws: LocalAws):
    before = everything(aws)
    with pytest.raises(DeploymentFailed, match=r"Archive: .*no-such-bus"):
        aws.deploy("wrong-bus", TEMPLATE, {"MomentoSecretString": SECRET, "EventBridgeBus": "no-such-bus"})
    aws.delete("wrong-bus")
    assert everything(aws) == before


@pytest.mark.parametrize("by", ["Name", "ARN"])
def test_an_existing_secret_is_used_and_stays(aws: LocalAws, deploy: Deploy, bus: BusWatch, by: str):
    vault = aws.client("secretsmanager")
    secret = vault.create_secret(Name=f"existing/{by}", SecretString=SECRET)
    try:
        outputs = deploy("existing-secret", ExistingSecret=secret[by], EventBridgeBus=bus.bus)
        assert "SigningSecret" not in resources(aws, "existing-secret")
        url = aws.function_url_local(outputs["FunctionUrl"])
        assert post_signed(url, SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1
        aws.delete("existing-secret")
        assert vault.get_secret_value(SecretId=secret["ARN"])["SecretString"] == SECRET
    finally:
        vault.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


def test_an_update_keeps_the_url_and_brings_the_new_secret(aws: LocalAws, deploy: Deploy, bus: BusWatch):
    first = deploy("updated", MomentoSecretString="whsec-before", EventBridgeBus=bus.bus)
    url = aws.function_url_local(first["FunctionUrl"])
    assert post_signed(url, "whsec-before", captured_body()).status == 200

    second = deploy("updated", MomentoSecretString="whsec-after", EventBridgeBus=bus.bus, LogDays="7")
    assert second["FunctionUrl"] == first["FunctionUrl"]
    wait_for(
        "the new secret to be known",
        lambda: post_signed(url, "whsec-after", captured_body()).status == 200,
        seconds=20,
        pause=0.5,
    )
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=second["WebhookLogGroup"])["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [7]


def test_dead_letters_that_were_asked_to_stay_are_all_that_stays(aws: LocalAws):
    before = everything(aws)
    given = {"MomentoSecretString": SECRET, "KeepDeadLetters": "yes", "Architecture": ARCHITECTURE}
    queue = aws.deploy("kept-letters", TEMPLATE, given)["DeadLetterQueueUrl"]
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody="a dead letter")
    aws.delete("kept-letters")
    try:
        assert everything(aws) - before == {("queue", queue)}
        assert messages(aws, queue) == 1
    finally:
        sqs.delete_queue(QueueUrl=queue)


def test_the_event_log_shows_each_event_that_came(aws: LocalAws, deploy: Deploy, bus: BusWatch):
    outputs = deploy("event-log", MomentoSecretString=SECRET, EventBridgeBus=bus.bus, EventLog="yes")
    body = captured_body()
    url = aws.function_url_local(outputs["FunctionUrl"])
    assert post_signed(url, SECRET, body).status == 200
    logs = aws.client("logs")
    [shown] = wait_for(
        "the event in the log group",
        lambda: logs.filter_log_events(logGroupName=outputs["EventLogGroup"])["events"],
    )
    event = json.loads(shown["message"])
    assert (event["source"], event["detail-type"]) == ("Momento", "serverless#test")
    assert event["detail"] == json.loads(body)


def test_the_dashboard_is_there_under_the_address_that_the_stack_gives(aws: LocalAws, deploy: Deploy):
    outputs = deploy("dashboard", MomentoSecretString=SECRET)
    name = outputs["DashboardUrl"].rsplit("/", 1)[1]
    body = json.loads(aws.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    assert any(outputs["WebhookFunctionName"] in json.dumps(widget) for widget in body["widgets"])
    assert "DashboardUrl" not in deploy("dashboard", MomentoSecretString=SECRET, Dashboard="no")


def test_the_queues_refuse_connections_without_tls():
    with LocalAws(environment={"LOCAL_AWS_PLAIN_HTTP": "true"}) as aws:
        outputs = aws.deploy("plain", TEMPLATE, {"MomentoSecretString": SECRET})
        for queue in ("RetryQueueUrl", "DeadLetterQueueUrl"):
            with pytest.raises(ClientError, match="AccessDenied"):
                aws.client("sqs").send_message(QueueUrl=outputs[queue], MessageBody="in the clear")
