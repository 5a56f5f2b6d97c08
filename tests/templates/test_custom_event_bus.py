"""What the template creates for a Custom Event Bus, which the local AWS does not know."""

from __future__ import annotations

import re

import pytest

from tools.templates.resolver import PARAMETERS, RESOURCES, TEMPLATE, Resolver, of_type

SECRET = {"MomentoSecretString": "whsec"}
ID = "abcdefghijklmnopqrstuvwxy"
OURS = f"arn:aws:events:eu-west-1:123456789012:event-busv2/orders/{ID}"
THEIRS = OURS.replace("123456789012", "210987654321")
CLASSIC = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"
LOG = ["EventLogQueue", "EventLogQueuePolicy", "EventLogRole", "EventLogSubscriber"]
CLASSIC_LOG = ["EventLogGroup", "EventLogRule"]


def for_bus(bus: str, log: str = "yes") -> Resolver:
    return Resolver(**SECRET, EventBridgeBus=bus, EventLog=log)


def test_the_arn_of_a_custom_event_bus_is_accepted_and_nothing_that_resembles_it():
    pattern = re.compile(PARAMETERS["EventBridgeBus"]["AllowedPattern"])
    for good in (OURS, THEIRS, OURS.replace("arn:aws:", "arn:aws-us-gov:"), OURS.replace("orders", "O.r_d-1")):
        assert pattern.fullmatch(good), good
    for bad in (
        OURS[:-1],
        OURS + "z",
        OURS.replace(ID, ID.upper()),
        OURS.replace("/orders/", "/-orders/"),
        OURS.replace("/orders", ""),
        OURS.replace("orders", "o" * 257),
        OURS.replace("123456789012", ""),
    ):
        assert not pattern.fullmatch(bad), bad


@pytest.mark.parametrize("bus", [OURS, THEIRS])
@pytest.mark.parametrize("role", ["WebhookRole", "RedriveRole"])
def test_the_roles_may_put_on_the_bus_and_describe_it(bus: str, role: str):
    [policy] = for_bus(bus).properties(role)["Policies"]
    [statement] = [each for each in policy["PolicyDocument"]["Statement"] if each["Sid"] == "PutOnTheBus"]
    assert statement["Action"] == ["events:PutEvents", "events:DescribeEventBus"]
    assert statement["Resource"] == bus


@pytest.mark.parametrize("function", ["WebhookFunction", "RedriveFunction"])
def test_the_functions_get_the_arn(function: str):
    assert for_bus(OURS).properties(function)["Environment"]["Variables"]["EVENT_BUS_NAME"] == OURS


@pytest.mark.parametrize("bus", [OURS, THEIRS])
@pytest.mark.parametrize("log", ["yes", "no"])
def test_there_is_no_archive_and_no_rule_and_the_log_is_a_subscriber_with_a_queue(bus: str, log: str):
    resolver = for_bus(bus, log)
    assert not resolver.exists("Archive")
    assert [name for name in CLASSIC_LOG if resolver.exists(name)] == []
    assert [name for name in LOG if resolver.exists(name)] == (LOG if log == "yes" else [])


@pytest.mark.parametrize("bus", ["default", "team/orders", CLASSIC])
def test_a_classic_bus_keeps_its_archive_and_its_rule(bus: str):
    resolver = for_bus(bus)
    assert resolver.exists("Archive")
    assert [name for name in CLASSIC_LOG if resolver.exists(name)] == CLASSIC_LOG
    assert [name for name in LOG if resolver.exists(name)] == []


def test_by_default_no_resource_has_a_type_that_some_regions_lack():
    defaults = Resolver(**SECRET)
    assert [name for name, each in RESOURCES.items() if "EventsV2" in each["Type"] and defaults.exists(name)] == []


def test_the_subscriber_sends_what_comes_from_momento_to_the_queue_with_a_role_of_its_own():
    [name] = of_type("AWS::EventsV2::Subscriber")
    subscriber = for_bus(OURS).properties(name)
    assert subscriber["EventBusArn"] == OURS
    assert subscriber["FilterConfiguration"] == {"Filters": [{"Scope": "DATA", "Pattern": '{"source":["Momento"]}'}]}
    assert subscriber["InvokeConfiguration"] == {"TargetArn": "<EventLogQueue.Arn>", "RoleArn": "<EventLogRole.Arn>"}


def test_the_role_of_the_subscriber_is_for_eventbridge_in_this_account_and_for_the_queue():
    role = for_bus(OURS).properties("EventLogRole")
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert trust["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:events:eu-west-1:123456789012:subscriber/*"}
    [policy] = role["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", "<EventLogQueue.Arn>")


def test_the_queue_is_encrypted_and_spoken_to_over_tls_alone():
    resolver = for_bus(OURS)
    assert resolver.properties("EventLogQueue")["SqsManagedSseEnabled"] is True
    [statement] = resolver.properties("EventLogQueuePolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert TEMPLATE["Outputs"]["EventLogQueueUrl"]["Condition"] == "CreateEventLogQueue"
