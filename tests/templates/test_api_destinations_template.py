"""What api-destinations.yaml says, where the local AWS does not act on it: retries, dead letters, policies, alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from tools.paths import ROOT
from tools.templates.packaged import LONGEST_ADDRESS
from tools.templates.reader import read_template
from tools.templates.resolver import Resolver
from tools.templates.variants import KEY

TEMPLATE = read_template((ROOT / "api-destinations.yaml").read_text())
PARAMETERS = TEMPLATE["Parameters"]
RESOURCES = TEMPLATE["Resources"]
RULES = {name: resource for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Events::Rule"}
DESTINATIONS = {name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Events::ApiDestination"}
TARGETS = {name: target for name, rule in RULES.items() for target in rule["Properties"]["Targets"]}
TO_MOMENTO = {name: target for name, target in TARGETS.items() if target["Arn"]["Fn::GetAtt"][0] in DESTINATIONS}
TO_FUNCTION = {name: target for name, target in TARGETS.items() if target["Arn"]["Fn::GetAtt"][0] == "TextQueue"}
OF_FUNCTION = {name for name, resource in RESOURCES.items() if resource.get("Condition") == "CreateTextFunction"}

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


def statement(sid: str, policy: str = "DeadLetterQueuePolicy") -> dict:
    statements = RESOURCES[policy]["Properties"]["PolicyDocument"]["Statement"]
    (found,) = [each for each in statements if each["Sid"] == sid]
    return found


def sources(policy: str, mode: str) -> list[str]:
    """The rules that may write to a queue."""
    allowed = Resolver(TEMPLATE, StringMessages=mode).resolve(statement("OurRulesOnly", policy))
    return sorted(
        arn.removeprefix("<").removesuffix(".Arn>") for arn in allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
    )


def test_each_form_has_a_rule_with_one_target_and_so_have_the_forms_that_are_not_valid() -> None:
    assert len(TO_MOMENTO) == 5
    assert len(TO_FUNCTION) == 2
    assert len(RULES) == 10
    assert all(len(rule["Properties"]["Targets"]) == 1 for rule in RULES.values())


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_on_the_bus_and_ignores_what_the_webhook_handler_writes(rule: str) -> None:
    properties = RULES[rule]["Properties"]
    assert properties["EventBusName"] == {"Ref": "EventBridgeBus"}
    assert properties["EventPattern"]["source"] == [{"anything-but": ["Momento"]}]


@pytest.mark.parametrize("rule", TO_MOMENTO)
def test_what_momento_does_not_take_is_tried_again_and_then_a_dead_letter(rule: str) -> None:
    target = TO_MOMENTO[rule]
    assert target["DeadLetterConfig"] == {"Arn": attribute("DeadLetterQueue")}
    # EventBridge's maximum number of attempts, so that only the time is the limit.
    assert target["RetryPolicy"] == {
        "MaximumRetryAttempts": 185,
        "MaximumEventAgeInSeconds": {"Ref": "RetrySeconds"},
    }


@pytest.mark.parametrize("rule", TO_FUNCTION)
def test_a_string_that_the_functions_queue_does_not_take_is_tried_again_and_then_a_dead_letter(rule: str) -> None:
    retries = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": {"Ref": "RetrySeconds"}}
    dead_letters = {"Arn": attribute("DeadLetterQueue")}
    assert TO_FUNCTION[rule] == {
        "Id": "TextQueue",
        "Arn": attribute("TextQueue"),
        "RetryPolicy": retries,
        "DeadLetterConfig": dead_letters,
    }


@pytest.mark.parametrize("rule", sorted(RULES.keys() - TO_MOMENTO.keys() - TO_FUNCTION.keys()))
def test_what_is_not_valid_goes_straight_to_the_dead_letter_queue_as_it_is(rule: str) -> None:
    assert TARGETS[rule] == {"Id": "DeadLetterQueue", "Arn": attribute("DeadLetterQueue")}


@pytest.mark.parametrize("rule", TO_MOMENTO)
def test_a_target_names_only_the_parameters_that_its_form_has(rule: str) -> None:
    """EventBridge would send a parameter that the event lacks as an empty value."""
    detail = RULES[rule]["Properties"]["EventPattern"]["detail"]
    there = {field for field, wanted in detail.items() if wanted != [{"exists": False}]} - {"message"}
    http = TO_MOMENTO[rule]["HttpParameters"]
    values = [*http["PathParameterValues"], *http.get("QueryStringParameters", {}).values()]
    assert {value.removeprefix("$.detail.") for value in values} == there


QUEUES = ["DeadLetterQueue", "TextQueue", "TextDeadLetterQueue"]


@pytest.mark.parametrize("queue", ["DeadLetterQueue", "TextQueue"])
def test_a_queue_takes_messages_from_our_rules_only(queue: str) -> None:
    allowed = statement("OurRulesOnly", f"{queue}Policy")
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Resource"] == attribute(queue)


def test_each_queue_takes_messages_from_the_rules_that_write_to_it() -> None:
    assert sources("DeadLetterQueuePolicy", "text") == sorted(RULES)
    assert sources("DeadLetterQueuePolicy", "json") == sorted(RULES.keys() - TO_FUNCTION.keys())
    assert sources("TextQueuePolicy", "text") == sorted(TO_FUNCTION)


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_is_reached_over_tls_only(queue: str) -> None:
    tls = statement("TlsOnly", f"{queue}Policy")
    assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "sqs:*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert tls["Resource"] == attribute(queue)
    assert RESOURCES[f"{queue}Policy"]["Properties"]["Queues"] == [{"Ref": queue}]


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_is_encrypted_and_keeps_messages_as_long_as_sqs_can(queue: str) -> None:
    properties = Resolver(TEMPLATE).properties(queue)
    assert properties["SqsManagedSseEnabled"] is True
    assert properties["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


def test_the_rules_role_may_call_the_three_destinations_and_nothing_else() -> None:
    roles = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::IAM::Role"]
    assert roles == ["DestinationsRole", "TextFunctionRole"]
    (policy,) = RESOURCES["DestinationsRole"]["Properties"]["Policies"]
    (allowed,) = policy["PolicyDocument"]["Statement"]
    assert allowed["Action"] == "events:InvokeApiDestination"
    assert {each["Fn::GetAtt"][0] for each in allowed["Resource"]} == DESTINATIONS
    assert all(target["RoleArn"] == attribute("DestinationsRole") for target in TO_MOMENTO.values())


def test_only_eventbridge_in_this_account_can_take_on_the_role() -> None:
    (trust,) = RESOURCES["DestinationsRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_an_entered_api_key_is_in_the_connection_and_in_the_functions_secret_and_nowhere_else() -> None:
    assert PARAMETERS["MomentoApiKey"]["NoEcho"] is True
    assert PARAMETERS["MomentoApiKey"]["Default"] == ""
    users = [name for name, resource in RESOURCES.items() if "'MomentoApiKey'" in str(resource)]
    assert users == ["Connection", "ApiKeySecret"]
    assert "'MomentoApiKey'" not in str(TEMPLATE["Outputs"])
    connection = RESOURCES["Connection"]["Properties"]
    assert connection["AuthorizationType"] == "API_KEY"
    assert connection["AuthParameters"]["ApiKeyAuthParameters"]["ApiKeyName"] == "Authorization"


def connection_key(**given: str) -> str:
    connection = Resolver(TEMPLATE, **given).properties("Connection")
    return connection["AuthParameters"]["ApiKeyAuthParameters"]["ApiKeyValue"]


def test_a_new_api_key_changes_what_the_connection_is_made_from() -> None:
    """CloudFormation updates the connection only if this text changes; a reference without a version would not."""
    assert connection_key(MomentoApiKey="new") == "new"
    secret = {"ExistingApiKeySecret": "momento/key"}
    assert connection_key(**secret) == "{{resolve:secretsmanager:momento/key:SecretString:::}}"
    version = "7a3f7c2e-5b0d-4f0e-9a54-2f0d1c5e8b11"
    newer = connection_key(**secret, ExistingApiKeyVersion=version)
    assert newer == f"{{{{resolve:secretsmanager:momento/key:SecretString:::{version}}}}}"


@pytest.mark.parametrize("mode", ["text", "json"])
def test_an_existing_secret_takes_the_place_of_the_stacks_own(mode: str) -> None:
    given = Resolver(TEMPLATE, StringMessages=mode, MomentoApiKey="key")
    named = Resolver(TEMPLATE, StringMessages=mode, ExistingApiKeySecret="momento/key")
    assert (given.exists("ApiKeySecret"), named.exists("ApiKeySecret")) == (mode == "text", False)
    assert given.refusals() == named.refusals() == []
    for both_or_none in ({"MomentoApiKey": "key", "ExistingApiKeySecret": "momento/key"}, {}):
        (refusal,) = Resolver(TEMPLATE, StringMessages=mode, **both_or_none).refusals()
        assert refusal.startswith("Enter either the API key itself")


def test_every_destination_uses_the_connection_and_the_rate_limit() -> None:
    assert len(DESTINATIONS) == 3
    for name in DESTINATIONS:
        assert RESOURCES[name]["Properties"]["ConnectionArn"] == attribute("Connection")
        assert RESOURCES[name]["Properties"]["InvocationRateLimitPerSecond"] == {"Ref": "RequestsPerSecond"}


@pytest.mark.parametrize("queue", ["DeadLetterQueue", "TextDeadLetterQueue"])
def test_one_dead_letter_raises_the_alarm(queue: str) -> None:
    alarm = RESOURCES[queue.replace("Queue", "Alarm")]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": attribute(queue, "QueueName")}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)


def test_strings_that_the_function_does_not_receive_raise_an_alarm_and_retries_do_not() -> None:
    alarm = RESOURCES["TextWaitingAlarm"]["Properties"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateAgeOfOldestMessage")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": attribute("TextQueue", "QueueName")}]
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    # SQS no longer counts the age of a message that was received three times.
    assert alarm["Threshold"] > 3 * max(retry["Visibility"] for retry in TEMPLATE["Mappings"]["TextRetries"].values())


@pytest.mark.parametrize("name", [name for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"])
def test_an_alarm_notifies_the_topic_of_its_beginning_and_its_end(name: str) -> None:
    alarm = RESOURCES[name]["Properties"]
    assert (alarm["Statistic"], alarm["TreatMissingData"]) == ("Maximum", "notBreaching")
    topic = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    assert alarm["AlarmActions"] == alarm["OKActions"] == topic


@pytest.mark.parametrize("name", [name for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"])
def test_an_alarm_says_what_it_means_what_to_do_first_and_when_it_is_over(name: str) -> None:
    text = Resolver(TEMPLATE, MomentoApiKey="key").properties(name)["AlarmDescription"]
    assert re.match(r"Stack momento: .+ kept.+\nFirst: .+\nOver: .+\n", text)
    assert text.endswith(f"See docs/runbook.md#{name.lower()}-to-momento")
    assert f"\n## {name}, to Momento\n" in (ROOT / "docs" / "runbook.md").read_text()
    # Room for the longest names of the stack, of a log group and of a queue, and for the address of the page.
    assert len(text) + 2 * 128 + 80 + LONGEST_ADDRESS <= 1024


# ---- Strings as text


def test_with_json_there_is_neither_function_nor_anything_that_belongs_to_it() -> None:
    resolver = Resolver(TEMPLATE, StringMessages="json", MomentoApiKey="key")
    there = {name for name in RESOURCES if resolver.exists(name)}
    assert there == RESOURCES.keys() - OF_FUNCTION - {"ApiKeySecret"}
    assert not any(name.startswith("Text") or "TextRule" in name for name in there)
    for name in there:
        resolver.properties(name)
    for output in TEMPLATE["Outputs"].values():
        if "Condition" not in output:
            resolver.resolve(output)


def test_the_functions_code_is_the_module_character_by_character() -> None:
    code = RESOURCES["TextFunction"]["Properties"]["Code"]["ZipFile"]
    assert code == (ROOT / "api-destinations" / "text_messages.py").read_text()


def test_the_function_is_given_ten_messages_and_answers_for_each() -> None:
    source = RESOURCES["TextFunctionSource"]["Properties"]
    assert source["EventSourceArn"] == attribute("TextQueue")
    assert source["FunctionName"] == attribute("TextFunction")
    assert (source["BatchSize"], source["FunctionResponseTypes"]) == (10, ["ReportBatchItemFailures"])
    assert "MaximumBatchingWindowInSeconds" not in source


@pytest.mark.parametrize("seconds", PARAMETERS["RetrySeconds"]["AllowedValues"])
def test_a_string_is_retried_for_the_time_that_the_parameter_names(seconds: int) -> None:
    resolver = Resolver(TEMPLATE, RetrySeconds=seconds)
    queue = resolver.properties("TextQueue")
    receives = queue["RedrivePolicy"]["maxReceiveCount"]
    assert queue["VisibilityTimeout"] * receives == seconds
    assert 2 <= receives <= 1000
    # As Lambda recommends. It refuses a queue whose visibility timeout is shorter than the function's timeout.
    assert queue["VisibilityTimeout"] >= 6 * resolver.properties("TextFunction")["Timeout"]


def test_the_connection_is_encrypted_with_the_key_of_the_stack() -> None:
    assert "KmsKeyIdentifier" not in Resolver(TEMPLATE, MomentoApiKey="key").properties("Connection")
    with_key = Resolver(TEMPLATE, MomentoApiKey="key", **KEY).properties("Connection")
    assert with_key["KmsKeyIdentifier"] == KEY["KmsKeyArn"]


def test_the_functions_queue_names_its_own_dead_letter_queue_and_that_one_allows_no_other_source() -> None:
    resolver = Resolver(TEMPLATE)
    queue, dead_letters = resolver.properties("TextQueue"), resolver.properties("TextDeadLetterQueue")
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "<TextDeadLetterQueue.Arn>"
    allowed = dead_letters["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    assert allowed["sourceQueueArns"] == [f"arn:aws:sqs:eu-west-1:123456789012:{queue['QueueName']}"]
    assert len(queue["QueueName"]) <= 80


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:momento-key-AbCdEf"
KMS_KEY = "arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e"
READS = {
    "<ApiKeySecret.Id>": {"MomentoApiKey": "key"},
    ARN: {"ExistingApiKeySecret": ARN},
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:momento/key-??????": {"ExistingApiKeySecret": "momento/key"},
}


@pytest.mark.parametrize("secret", READS)
def test_the_functions_role_may_do_what_it_needs_and_nothing_else(secret: str) -> None:
    (policy,) = Resolver(TEMPLATE, **READS[secret]).properties("TextFunctionRole")["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert {each["Effect"] for each in statements} == {"Allow"}
    assert [(each["Action"], each["Resource"]) for each in statements] == [
        ("secretsmanager:GetSecretValue", secret),
        (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], "<TextQueue.Arn>"),
        ("sqs:SendMessage", "<TextDeadLetterQueue.Arn>"),
        (["logs:CreateLogStream", "logs:PutLogEvents"], "<TextFunctionLogs.Arn>"),
    ]


def test_the_functions_role_may_decrypt_with_the_key_that_is_named_and_through_secrets_manager_only() -> None:
    given = {"ExistingApiKeySecret": ARN, "ExistingApiKeySecretKeyArn": KMS_KEY}
    (policy,) = Resolver(TEMPLATE, **given).properties("TextFunctionRole")["Policies"]
    (allowed,) = [each for each in policy["PolicyDocument"]["Statement"] if each["Action"] == "kms:Decrypt"]
    assert allowed["Resource"] == KMS_KEY
    assert allowed["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}


# ---- Parameters


def test_a_deployment_needs_only_the_key() -> None:
    assert [name for name, parameter in PARAMETERS.items() if "Default" not in parameter] == []
    assert Resolver(TEMPLATE, MomentoApiKey="key").refusals() == []
    assert len(Resolver(TEMPLATE).refusals()) == 1


def test_strings_arrive_as_text_unless_json_is_asked_for() -> None:
    assert PARAMETERS["StringMessages"]["Default"] == "text"
    assert PARAMETERS["StringMessages"]["AllowedValues"] == ["text", "json"]


# ---- Regions


def all_regions() -> list[str]:
    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    return sorted({region for each in partitions for region in session.get_available_regions("ec2", each)})


def endpoints_in(resolver: Resolver) -> set[str]:
    """Every place that names the endpoint: the destinations, the function, the output."""
    destinations = [
        resolver.properties(name)["InvocationEndpoint"].split("/cache/")[0] for name in sorted(DESTINATIONS)
    ]
    function = resolver.properties("TextFunction")["Environment"]["Variables"]["MOMENTO_ENDPOINT"]
    output = resolver.resolve(TEMPLATE["Outputs"]["MomentoEndpointUsed"]["Value"])
    return {destination.split("/topics/")[0] for destination in destinations} | {function, output}


@pytest.mark.parametrize("region", all_regions())
def test_in_every_region_there_is_an_endpoint_or_a_sentence_that_refuses(region: str) -> None:
    resolver = Resolver(TEMPLATE, region=region, MomentoApiKey="key")
    if region in ENDPOINTS:
        assert endpoints_in(resolver) == {ENDPOINTS[region]}
        assert resolver.refusals() == []
    else:
        (refusal,) = resolver.refusals()
        assert refusal.startswith("Momento has no public endpoint in this Region. Deploy to us-east-1")
    private = "https://api.cache.cell-1-private.prod.a.momentohq.com"
    named = Resolver(TEMPLATE, region=region, MomentoApiKey="key", MomentoEndpoint=private)
    assert endpoints_in(named) == {private}
    assert named.refusals() == []


def test_all_regions_are_known_here() -> None:
    assert len(all_regions()) >= 38
    assert ENDPOINTS.keys() < set(all_regions())


def lookups(node: Any) -> Iterator[list]:
    if isinstance(node, dict):
        if "Fn::FindInMap" in node:
            yield node["Fn::FindInMap"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from lookups(each)


TEMPLATES = [ROOT / "template.yaml", ROOT / "api-destinations.yaml", *sorted(ROOT.glob("examples/*/template.yaml"))]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_lookup_in_a_map_can_miss(path: Any) -> None:
    """CloudFormation also looks up the branch of an Fn::If that is not taken, so each key must always exist."""
    template = read_template(path.read_text())
    for name, key, second in lookups(template):
        is_partition = key["Ref"] == "AWS::Partition"
        allowed = (
            botocore.session.Session().get_available_partitions()
            if is_partition
            else template["Parameters"][key["Ref"]]["AllowedValues"]
        )
        entries = template["Mappings"][name]
        assert entries.keys() == {str(value) for value in allowed}, f"{name} by {key['Ref']}"
        assert all(second in entry for entry in entries.values()), f"{name}.{second}"


def test_the_region_rule_and_its_sentence_name_momentos_regions() -> None:
    assert len(ENDPOINTS) == 11
    rule = TEMPLATE["Rules"]["MomentoIsInTheRegion"]["Assertions"][0]
    assert rule["Assert"]["Fn::Contains"] == [list(ENDPOINTS), {"Ref": "AWS::Region"}]
    assert re.findall(r"\b[a-z]{2}-[a-z]+-\d\b", rule["AssertDescription"]) == list(ENDPOINTS)
