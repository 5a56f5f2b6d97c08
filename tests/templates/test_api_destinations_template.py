"""What api-destinations.yaml says, where the local AWS does not act on it: retries, dead letters, policies, alarm."""

from __future__ import annotations

import re

import pytest

from tools.cloudformation import read_template
from tools.paths import ROOT

TEMPLATE = read_template((ROOT / "api-destinations.yaml").read_text())
PARAMETERS = TEMPLATE["Parameters"]
RESOURCES = TEMPLATE["Resources"]
RULES = {name: resource for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Events::Rule"}
DESTINATIONS = {name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Events::ApiDestination"}
TARGETS = {name: target for name, rule in RULES.items() for target in rule["Properties"]["Targets"]}
TO_MOMENTO = {name: target for name, target in TARGETS.items() if target["Arn"]["Fn::GetAtt"][0] in DESTINATIONS}

# Momento's list of regions and cells, as its HTTP API reference gives it.
CELLS = {
    "us-east-1": "cell-us-east-1-1",
    "us-east-2": "cell-1-us-east-2-1",
    "us-west-2": "cell-4-us-west-2-1",
    "eu-west-1": "cell-1-eu-west-1-1",
    "eu-west-2": "cell-1-eu-west-2-1",
    "eu-central-1": "cell-1-eu-central-1-1",
    "eu-north-1": "cell-1-eu-north-1-1",
    "ap-south-1": "cell-1-ap-south-1-1",
    "ap-northeast-1": "cell-ap-northeast-1-1",
    "ap-southeast-1": "cell-1-ap-southeast-1-1",
    "ap-southeast-2": "cell-1-ap-southeast-2-1",
}
ENDPOINTS = {region: f"https://api.cache.{cell}.prod.a.momentohq.com" for region, cell in CELLS.items()}


def attribute(name: str, of: str = "Arn") -> dict:
    return {"Fn::GetAtt": [name, of]}


def statement(sid: str) -> dict:
    statements = RESOURCES["DeadLetterQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    (found,) = [each for each in statements if each["Sid"] == sid]
    return found


def test_each_form_has_a_rule_with_one_target_and_so_have_the_forms_that_are_not_valid() -> None:
    assert len(TO_MOMENTO) == 5
    assert len(RULES) == 8
    assert all(len(rule["Properties"]["Targets"]) == 1 for rule in RULES.values())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_on_the_bus_and_leaves_alone_what_the_webhook_handler_writes(rule: str) -> None:
    properties = RULES[rule]["Properties"]
    assert properties["EventBusName"] == {"Ref": "EventBridgeBus"}
    assert properties["EventPattern"]["source"] == [{"anything-but": ["Momento"]}]


@pytest.mark.parametrize("rule", TO_MOMENTO)
def test_what_momento_does_not_take_is_tried_again_and_then_a_dead_letter(rule: str) -> None:
    target = TO_MOMENTO[rule]
    assert target["DeadLetterConfig"] == {"Arn": attribute("DeadLetterQueue")}
    # All the attempts that EventBridge makes: the time alone is the limit.
    assert target["RetryPolicy"] == {
        "MaximumRetryAttempts": 185,
        "MaximumEventAgeInSeconds": {"Ref": "RetrySeconds"},
    }


@pytest.mark.parametrize("rule", sorted(RULES.keys() - TO_MOMENTO.keys()))
def test_what_is_not_valid_goes_straight_to_the_dead_letter_queue_as_it_is(rule: str) -> None:
    assert TARGETS[rule] == {"Id": "DeadLetterQueue", "Arn": attribute("DeadLetterQueue")}


@pytest.mark.parametrize("rule", TO_MOMENTO)
def test_a_target_names_only_the_parameters_that_its_form_has(rule: str) -> None:
    """EventBridge would send a parameter that the event lacks as an empty value."""
    detail = RULES[rule]["Properties"]["EventPattern"]["detail"]
    there = {field for field, wanted in detail.items() if wanted != [{"exists": False}]}
    http = TO_MOMENTO[rule]["HttpParameters"]
    values = [*http["PathParameterValues"], *http.get("QueryStringParameters", {}).values()]
    assert {value.removeprefix("$.detail.") for value in values} == there


def test_the_queue_takes_messages_from_our_rules_only_and_over_tls_only() -> None:
    allowed = statement("OurRulesOnly")
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    sources = allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(source["Fn::GetAtt"][0] for source in sources) == sorted(RULES)
    tls = statement("TlsOnly")
    assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "sqs:*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert RESOURCES["DeadLetterQueuePolicy"]["Properties"]["Queues"] == [{"Ref": "DeadLetterQueue"}]


def test_the_queue_is_encrypted_and_keeps_messages_as_long_as_sqs_can() -> None:
    queue = RESOURCES["DeadLetterQueue"]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


def test_the_one_role_may_call_the_three_destinations_and_nothing_else() -> None:
    roles = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::IAM::Role"]
    assert roles == ["DestinationsRole"]
    (policy,) = RESOURCES["DestinationsRole"]["Properties"]["Policies"]
    (allowed,) = policy["PolicyDocument"]["Statement"]
    assert allowed["Action"] == "events:InvokeApiDestination"
    assert {each["Fn::GetAtt"][0] for each in allowed["Resource"]} == DESTINATIONS
    assert all(target["RoleArn"] == attribute("DestinationsRole") for target in TO_MOMENTO.values())


def test_only_eventbridge_in_this_account_can_take_on_the_role() -> None:
    (trust,) = RESOURCES["DestinationsRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_api_key_is_in_the_connection_and_nowhere_else() -> None:
    assert PARAMETERS["MomentoApiKey"]["NoEcho"] is True
    assert "Default" not in PARAMETERS["MomentoApiKey"]
    users = [name for name, resource in RESOURCES.items() if "'MomentoApiKey'" in str(resource)]
    assert users == ["Connection"]
    assert "'MomentoApiKey'" not in str(TEMPLATE["Outputs"])
    connection = RESOURCES["Connection"]["Properties"]
    assert connection["AuthorizationType"] == "API_KEY"
    assert connection["AuthParameters"]["ApiKeyAuthParameters"]["ApiKeyName"] == "Authorization"


def test_every_destination_uses_the_connection_and_the_rate_limit() -> None:
    assert len(DESTINATIONS) == 3
    for name in DESTINATIONS:
        assert RESOURCES[name]["Properties"]["ConnectionArn"] == attribute("Connection")
        assert RESOURCES[name]["Properties"]["InvocationRateLimitPerSecond"] == {"Ref": "RequestsPerSecond"}


def test_one_dead_letter_raises_the_alarm() -> None:
    alarm = RESOURCES["DeadLetterAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": attribute("DeadLetterQueue", "QueueName")}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Maximum", "notBreaching")
    topic = {"Fn::If": ["SomeoneIsTold", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    assert alarm["AlarmActions"] == alarm["OKActions"] == topic


def test_every_parameter_stands_in_one_group_of_the_form_has_a_label_and_explains_itself() -> None:
    interface = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]
    assert sorted(name for group in interface["ParameterGroups"] for name in group["Parameters"]) == sorted(PARAMETERS)
    assert sorted(interface["ParameterLabels"]) == sorted(PARAMETERS)
    for parameter in PARAMETERS.values():
        assert parameter["Description"].endswith(".")
        assert "ConstraintDescription" in parameter or "MinValue" in parameter


def test_a_deployment_needs_nothing_but_the_key() -> None:
    assert [name for name, parameter in PARAMETERS.items() if "Default" not in parameter] == ["MomentoApiKey"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("MomentoApiKey", ["eyJhbGciOiJIUzI1NiJ9.abc-_=="], ["two words", "a\nb"]),
        ("EventBridgeBus", ["default", "arn:aws:events:eu-west-1:123456789012:event-bus/a"], ["", "a b"]),
        ("MomentoEndpoint", ["", "https://api.cache.cell-1-x.prod.a.momentohq.com"], ["https://x/", "x.com"]),
        ("AlarmTopicArn", ["", "arn:aws:sns:eu-west-1:123456789012:alarms"], ["alarms"]),
    ],
)
def test_a_parameter_takes_what_it_should_and_refuses_the_rest(name: str, good: list[str], bad: list[str]) -> None:
    pattern = re.compile(PARAMETERS[name]["AllowedPattern"])
    assert [value for value in good if not pattern.fullmatch(value)] == []
    assert [value for value in bad if pattern.fullmatch(value)] == []


def test_every_region_of_momento_has_its_endpoint_and_the_region_rule_knows_the_same() -> None:
    known = {region: values["Endpoint"] for region, values in TEMPLATE["Mappings"]["MomentoRegions"].items()}
    assert known == ENDPOINTS
    assert len(known) == 11
    rule = TEMPLATE["Rules"]["MomentoIsInTheRegion"]["Assertions"][0]
    assert rule["Assert"]["Fn::Contains"] == [list(known), {"Ref": "AWS::Region"}]
    assert re.findall(r"\b[a-z]{2}-[a-z]+-\d\b", rule["AssertDescription"]) == list(known)
