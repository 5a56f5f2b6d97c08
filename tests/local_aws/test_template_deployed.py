"""template.yaml in the local AWS, with the release binaries in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.templates.resolver import Resolver, of_type
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


def settings(aws: LocalAws, outputs: dict[str, str]) -> dict[str, str]:
    function = aws.client("lambda").get_function_configuration(FunctionName=outputs["WebhookFunctionName"])
    return function["Environment"]["Variables"]


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


def test_a_bus_of_this_account_may_be_named_by_its_arn(aws: LocalAws, deploy: Deploy, bus: BusWatch):
    arn = aws.client("events").describe_event_bus(Name=bus.bus)["Arn"]
    outputs = deploy("bus-by-arn", MomentoSecretString=SECRET, EventBridgeBus=arn)
    [archive] = aws.client("events").list_archives()["Archives"]
    assert archive["EventSourceArn"] == arn
    assert settings(aws, outputs)["EVENT_BUS_NAME"] == arn
    url = aws.function_url_local(outputs["FunctionUrl"])
    assert post_signed(url, SECRET, captured_body()).status == 200
    assert len(bus.wait(1)) == 1


def test_a_bus_of_another_account_gets_events_and_no_archive(aws: LocalAws, deploy: Deploy):
    arn = "arn:aws:events:us-east-1:111122223333:event-bus/theirs"
    outputs = deploy("bus-of-others", MomentoSecretString=SECRET, EventBridgeBus=arn, EventLog="yes")
    assert settings(aws, outputs)["EVENT_BUS_NAME"] == arn
    assert not {"Archive", "EventLogRule"} & resources(aws, "bus-of-others").keys()
    role = resources(aws, "bus-of-others")["WebhookRole"]
    policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="webhook")["PolicyDocument"]
    [on_the_bus] = [entry for entry in policy["Statement"] if "events:PutEvents" in entry["Action"]]
    assert on_the_bus["Resource"] == arn


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


@pytest.mark.parametrize("given", [{}, {"MomentoSecretString": SECRET, "ExistingSecret": "another"}])
def test_neither_secret_or_both_are_refused_before_anything_is_made(aws: LocalAws, given: dict[str, str]):
    before = everything(aws)
    with pytest.raises(DeploymentFailed, match="Specify either the signing secret itself"):
        aws.deploy("no-secret", TEMPLATE, given)
    assert everything(aws) == before


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


def test_the_address_of_the_alarms_is_notified(aws: LocalAws, deploy: Deploy):
    arn = aws.client("sns").create_topic(Name="existing-topic")["TopicArn"]
    try:
        deploy("told", MomentoSecretString=SECRET, AlarmEmail="someone@example.com", AlarmTopicArn=arn)
        made = resources(aws, "told")["AlarmTopic"]
        subscriptions = aws.client("sns").list_subscriptions_by_topic(TopicArn=made)["Subscriptions"]
        assert [(it["Protocol"], it["Endpoint"]) for it in subscriptions] == [("email", "someone@example.com")]
        alarms = [
            alarm
            for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
            if alarm["AlarmName"] in resources(aws, "told").values()
        ]
        assert len(alarms) == sum(map(Resolver(MomentoSecretString=SECRET).exists, of_type("AWS::CloudWatch::Alarm")))
        assert all(alarm["AlarmActions"] == alarm["OKActions"] == [made, arn] for alarm in alarms)
        texts = [alarm["AlarmDescription"] for alarm in alarms]
        assert all(text.startswith("Stack told: ") and "${" not in text for text in texts)
        groups = {resources(aws, "told")[name] for name in ("WebhookLogs", "RedriveLogs")}
        named = {name for text in texts for name in re.findall(r"Log: (\S+)[.]\n", text)}
        assert named == groups
    finally:
        aws.delete("told")
        aws.client("sns").delete_topic(TopicArn=arn)


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


def test_what_the_bus_does_not_take_comes_there_later_by_the_queue(aws: LocalAws, deploy: Deploy, bus: BusWatch, gate):
    outputs = deploy("outage", MomentoSecretString=SECRET, EventBridgeBus=bus.bus)
    url = aws.function_url_local(outputs["FunctionUrl"])
    # Three minutes are the product's; the test has not that much time.
    aws.client("sqs").set_queue_attributes(QueueUrl=outputs["RetryQueueUrl"], Attributes={"VisibilityTimeout": "2"})
    body = captured_body()
    with gate.refusing():
        started = time.monotonic()
        assert post_signed(url, SECRET, body).status == 202
        assert time.monotonic() - started < 4.5
        refused = gate.refused
        wait_for("the redrive function to be refused too", lambda: gate.refused > refused)
    [event] = bus.wait(1, seconds=30)
    assert event["detail"] == json.loads(body)
