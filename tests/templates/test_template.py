"""What the template says, where saying it is all that can be shown without a real account."""

from __future__ import annotations

import fnmatch
import re

import pytest
import yaml

from tools.paths import ROOT
from tools.templates.packaged import LONGEST_ADDRESS, with_linked_pages
from tools.templates.reader import read_template
from tools.templates.resolver import (
    PARAMETERS,
    PATH,
    PSEUDO,
    RESOURCES,
    TEMPLATE,
    Resolver,
    of_type,
)
from tools.testing.watched_metrics import alarm_metrics, dashboard_metrics

SECRET = {"MomentoSecretString": "whsec"}
EVERYTHING = {**SECRET, "AlarmEmail": "someone@example.com", "NoEventMinutes": 30, "EventLog": "yes"}
OTHER_ACCOUNT = "arn:aws:events:eu-west-1:210987654321:event-bus/theirs"
CUSTOM_BUSES = [
    f"arn:aws:events:eu-west-1:{account}:event-busv2/orders/abcdefghijklmnopqrstuvwxy"
    for account in ("123456789012", "210987654321")
]


# ---- The form


def test_a_deployment_needs_only_the_secret():
    assert all("Default" in parameter for parameter in PARAMETERS.values())


def test_the_secret_is_shown_nowhere():
    assert PARAMETERS["MomentoSecretString"]["NoEcho"] is True
    assert PARAMETERS["MomentoSecretString"]["Default"] == ""
    users = [name for name, resource in RESOURCES.items() if "'MomentoSecretString'" in str(resource["Properties"])]
    assert users == ["SigningSecret"]
    assert "'MomentoSecretString'" not in str(TEMPLATE["Outputs"])


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"MomentoSecretString": "whsec"}, True),
        ({"ExistingSecret": "momento"}, True),
        ({}, False),
        ({"MomentoSecretString": "whsec", "ExistingSecret": "momento"}, False),
    ],
)
def test_exactly_one_secret_is_asked_for(given: dict[str, str], allowed: bool):
    [assertion] = TEMPLATE["Rules"]["OneSecret"]["Assertions"]
    assert Resolver(**given).resolve(assertion["Assert"]) is allowed
    assert "MomentoSecretString" in assertion["AssertDescription"]


def test_the_template_uses_only_the_yaml_that_cloudformation_reads():
    tokens = list(yaml.scan(PATH.read_text()))
    assert not [token for token in tokens if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]


# ---- The function behind the URL


def test_anyone_may_call_the_url_and_the_function_only_through_the_url():
    resolver = Resolver(**SECRET)
    permissions = [resolver.properties(name) for name in of_type("AWS::Lambda::Permission") if resolver.exists(name)]
    function = {"FunctionName": "<WebhookFunction.Arn>", "Principal": "*"}
    assert sorted(permissions, key=lambda permission: permission["Action"]) == [
        {**function, "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
        {**function, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
    ]
    [url] = of_type("AWS::Lambda::Url")
    properties = Resolver(**SECRET).properties(url)
    assert properties == {"TargetFunctionArn": "<WebhookFunction.Arn>", "AuthType": "NONE"}


@pytest.mark.parametrize("name", of_type("AWS::Lambda::Function"))
def test_a_function_runs_where_it_was_built_for_and_is_never_throttled_by_its_own_setting(name: str):
    function = Resolver(**SECRET, Architecture="x86_64").properties(name)
    assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap")
    assert function["Architectures"] == ["x86_64"]
    assert Resolver(**SECRET).properties(name)["Architectures"] == ["arm64"]
    assert "ReservedConcurrentExecutions" not in function
    assert "DeadLetterConfig" not in function
    assert RESOURCES[name]["Metadata"]["BuildMethod"] == "rust-cargolambda"
    assert function["TracingConfig"] == {"Mode": "Active"}


def test_concurrency_is_reserved_only_for_the_webhook_function_and_only_on_request():
    resolver = Resolver(**SECRET, ReservedConcurrency=20)
    assert resolver.properties("WebhookFunction")["ReservedConcurrentExecutions"] == "20"
    assert "ReservedConcurrentExecutions" not in resolver.properties("RedriveFunction")


def test_the_redrive_takes_as_little_of_the_accounts_concurrency_as_lambda_allows():
    [source] = of_type("AWS::Lambda::EventSourceMapping")
    assert Resolver(**SECRET).properties(source)["ScalingConfig"] == {"MaximumConcurrency": 2}


@pytest.mark.parametrize(
    ("partition", "console"),
    [
        ("aws", "console.aws.amazon.com"),
        ("aws-cn", "console.amazonaws.cn"),
        ("aws-us-gov", "console.amazonaws-us-gov.com"),
        ("aws-eusc", "console.amazonaws-eusc.eu"),
    ],
)
def test_the_dashboards_address_is_in_the_console_of_the_partition(partition: str, console: str):
    resolver = Resolver(**SECRET)
    resolver.pseudo["AWS::Partition"] = partition
    url = resolver.resolve(TEMPLATE["Outputs"]["DashboardUrl"]["Value"])
    assert url.startswith(f"https://eu-west-1.{console}/cloudwatch/home?region=eu-west-1#dashboards/")


def test_a_late_event_still_has_time_after_momento_hung_up():
    assert RESOURCES["WebhookFunction"]["Properties"]["Timeout"] >= 10


@pytest.mark.parametrize("name", of_type("AWS::Lambda::Function"))
def test_a_function_logs_json_to_a_group_that_forgets(name: str):
    logging = Resolver(**SECRET).properties(name)["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = logging["LogGroup"].strip("<>")
    assert Resolver(**SECRET, LogDays=7).properties(group)["RetentionInDays"] == "7"


@pytest.mark.parametrize("name", of_type("AWS::Lambda::Function"))
def test_the_log_level_is_kept_by_the_function_and_never_costs_the_metrics(name: str):
    # Lambda's own filter takes a line without a level, as those of the metrics are, for INFO.
    function = Resolver(**SECRET, LogLevel="ERROR").properties(name)
    assert function["Environment"]["Variables"]["RUST_LOG"] == "ERROR"
    assert function["LoggingConfig"]["ApplicationLogLevel"] == "DEBUG"


def test_the_functions_get_the_settings_that_they_read():
    resolver = Resolver(**SECRET, MaxEventAgeSeconds=90, PreviousSecretSeconds=0, EventBridgeBus="momento")
    assert resolver.properties("WebhookFunction")["Environment"]["Variables"] == {
        "EVENT_BUS_NAME": "momento",
        "SIGNING_SECRET_ID": "<SigningSecret>",
        "RETRY_QUEUE_URL": "<RetryQueue>",
        "MAX_EVENT_AGE_SECONDS": "90",
        "PREVIOUS_SECRET_SECONDS": "0",
        "RUST_LOG": "INFO",
    }
    assert resolver.properties("RedriveFunction")["Environment"]["Variables"] == {
        "EVENT_BUS_NAME": "momento",
        "SIGNING_SECRET_ID": "<SigningSecret>",
        "MAX_EVENT_AGE_SECONDS": "90",
        "PREVIOUS_SECRET_SECONDS": "0",
        "RUST_LOG": "INFO",
    }


# ---- The bus


@pytest.mark.parametrize(
    ("bus", "arn", "archived"),
    [
        ("default", "arn:aws:events:eu-west-1:123456789012:event-bus/default", True),
        ("team/momento.events", "arn:aws:events:eu-west-1:123456789012:event-bus/team/momento.events", True),
        (
            "arn:aws:events:eu-west-1:123456789012:event-bus/ours",
            "arn:aws:events:eu-west-1:123456789012:event-bus/ours",
            True,
        ),
        (OTHER_ACCOUNT, OTHER_ACCOUNT, False),
        *((custom, custom, False) for custom in CUSTOM_BUSES),
    ],
)
def test_a_bus_by_name_or_arn_gets_its_own_arn_in_the_roles_and_an_archive_and_a_log_where_they_are_possible(
    bus: str, arn: str, archived: bool
):
    resolver = Resolver(**SECRET, EventBridgeBus=bus, EventLog="yes")
    for function, role in READERS.items():
        may_put = statement(resolver, role, "PutOnTheBus")
        assert (may_put["Action"], may_put["Resource"]) == (["events:PutEvents", "events:DescribeEventBus"], arn)
        assert resolver.properties(function)["Environment"]["Variables"]["EVENT_BUS_NAME"] == bus
    optional = ["Archive", "EventLogGroup", "EventLogRule"]
    assert [name for name in optional if resolver.exists(name)] == (optional if archived else [])
    if archived:
        assert resolver.properties("Archive")["SourceArn"] == arn


def test_the_archive_holds_what_came_from_momento_for_as_long_as_was_asked():
    archive = Resolver(**SECRET, ArchiveDays=3).properties("Archive")
    assert archive["EventPattern"] == {"source": ["Momento"]}
    assert archive["RetentionDays"] == "3"


# ---- The event log


def test_the_event_log_has_a_policy_of_its_own_and_uses_none_of_the_accounts_ten():
    resolver = Resolver(**SECRET, EventLog="yes")
    group = resolver.properties("EventLogGroup")
    [statement] = group["ResourcePolicyDocument"]["Statement"]
    arn = f"arn:aws:logs:eu-west-1:{PSEUDO['AWS::AccountId']}:log-group:{group['LogGroupName']}"
    assert statement["Resource"] == f"{arn}:*"
    assert statement["Principal"] == {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert of_type("AWS::Logs::ResourcePolicy") == {}


# ---- Roles


def statement(resolver: Resolver, role: str, sid: str) -> dict:
    [policy] = resolver.properties(role)["Policies"]
    [found] = [entry for entry in policy["PolicyDocument"]["Statement"] if entry["Sid"] == sid]
    return found


def allowed(role: str, **given: str) -> dict[str, str]:
    """Each action that a role allows, and on what."""
    [policy] = Resolver(**given).properties(role)["Policies"]
    grants = {}
    for entry in policy["PolicyDocument"]["Statement"]:
        assert entry["Effect"] == "Allow"
        actions = entry["Action"] if isinstance(entry["Action"], list) else [entry["Action"]]
        grants |= dict.fromkeys(actions, entry["Resource"])
    return grants


BUS = f"arn:aws:events:eu-west-1:{PSEUDO['AWS::AccountId']}:event-bus/default"
X_RAY = {"xray:PutTraceSegments": "*", "xray:PutTelemetryRecords": "*"}


def test_the_webhook_may_do_what_it_does_and_nothing_else():
    assert allowed("WebhookRole", **SECRET) == {
        "events:PutEvents": BUS,
        "events:DescribeEventBus": BUS,
        "secretsmanager:GetSecretValue": "<SigningSecret.Id>",
        "sqs:SendMessage": "<RetryQueue.Arn>",
        "logs:CreateLogStream": "<WebhookLogs.Arn>",
        "logs:PutLogEvents": "<WebhookLogs.Arn>",
        **X_RAY,
    }


def test_the_redrive_function_may_do_what_it_does_and_nothing_else():
    assert allowed("RedriveRole", **SECRET) == {
        "events:PutEvents": BUS,
        "events:DescribeEventBus": BUS,
        "secretsmanager:GetSecretValue": "<SigningSecret.Id>",
        "sqs:ReceiveMessage": "<RetryQueue.Arn>",
        "sqs:DeleteMessage": "<RetryQueue.Arn>",
        "sqs:GetQueueAttributes": "<RetryQueue.Arn>",
        "logs:CreateLogStream": "<RedriveLogs.Arn>",
        "logs:PutLogEvents": "<RedriveLogs.Arn>",
        **X_RAY,
    }


SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:momento/webhook"


# The functions that read the secret, each with its role.
READERS = {"WebhookFunction": "WebhookRole", "RedriveFunction": "RedriveRole"}


@pytest.mark.parametrize(
    ("named", "allowed_arns"),
    [
        ("momento/webhook", f"{SECRET_ARN}-??????"),
        (f"{SECRET_ARN}-AbCdEf", [f"{SECRET_ARN}-AbCdEf", f"{SECRET_ARN}-AbCdEf-??????"]),
    ],
)
@pytest.mark.parametrize("function", READERS)
def test_an_existing_secret_is_read_and_none_is_made(function: str, named: str, allowed_arns: str | list[str]):
    resolver = Resolver(ExistingSecret=named)
    assert not resolver.exists("SigningSecret")
    assert statement(resolver, READERS[function], "ReadTheSigningSecret")["Resource"] == allowed_arns
    assert resolver.properties(function)["Environment"]["Variables"]["SIGNING_SECRET_ID"] == named


@pytest.mark.parametrize("role", READERS.values())
def test_the_key_of_an_existing_secret_may_be_used_only_through_secrets_manager(role: str):
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    decrypt = statement(Resolver(ExistingSecret="momento", ExistingSecretKeyArn=key), role, "DecryptTheSigningSecret")
    assert (decrypt["Action"], decrypt["Resource"]) == ("kms:Decrypt", key)
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}


@pytest.mark.parametrize(
    "given",
    [{"MomentoSecretString": "whsec"}, {"ExistingSecret": "momento", "ExistingSecretKeyArn": "key"}],
    ids=["own", "existing"],
)
def test_every_function_that_is_told_the_secret_may_read_it_and_with_the_same_settings_as_the_others(given: dict):
    resolver = Resolver(**given)
    settings = {}
    for name in of_type("AWS::Lambda::Function"):
        variables = resolver.properties(name)["Environment"]["Variables"]
        if "SIGNING_SECRET_ID" in variables:
            settings[name] = {key: variables[key] for key in variables if key.endswith(("_SECONDS", "_SECRET_ID"))}
    assert settings.keys() == READERS.keys()
    assert settings["RedriveFunction"] == settings["WebhookFunction"]

    def grants(role: str) -> list[dict]:
        [policy] = resolver.properties(role)["Policies"]
        return [entry for entry in policy["PolicyDocument"]["Statement"] if entry["Sid"].endswith("TheSigningSecret")]

    assert len(grants("WebhookRole")) == 1 + ("ExistingSecretKeyArn" in given)
    assert grants("RedriveRole") == grants("WebhookRole")


def test_a_partial_arn_whose_last_word_has_six_letters_is_read_under_the_arn_that_secrets_manager_completes():
    partial = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:momento-secret"
    assert re.fullmatch(PARAMETERS["ExistingSecret"]["AllowedPattern"], partial)
    for role in READERS.values():
        allowed_arns = statement(Resolver(ExistingSecret=partial), role, "ReadTheSigningSecret")["Resource"]
        assert any(fnmatch.fnmatchcase(f"{partial}-AbCdEf", pattern) for pattern in allowed_arns)
        assert not any(fnmatch.fnmatchcase(f"{partial}s-AbCdEf", pattern) for pattern in allowed_arns)


@pytest.mark.parametrize("name", of_type("AWS::IAM::Role"))
def test_a_role_is_for_only_one_service(name: str):
    [trust] = Resolver(**EVERYTHING).properties(name)["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Principal"], trust["Action"]) == ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole")
    assert "ManagedPolicyArns" not in RESOURCES[name]["Properties"]


# ---- Queues

KEPT = {"no": "DeadLetterQueue", "yes": "KeptDeadLetterQueue"}


@pytest.mark.parametrize("keep", KEPT)
def test_the_queues_name_each_other_so_that_a_redrive_can_be_started_from_the_console(keep: str):
    resolver = Resolver(**SECRET, KeepDeadLetters=keep)
    assert [name for name in KEPT.values() if resolver.exists(name)] == [KEPT[keep]]
    retry, dead = resolver.properties("RetryQueue"), resolver.properties(KEPT[keep])
    arn = f"arn:aws:sqs:eu-west-1:{PSEUDO['AWS::AccountId']}:{retry['QueueName']}"
    assert retry["RedrivePolicy"]["deadLetterTargetArn"] == f"<{KEPT[keep]}.Arn>"
    assert dead["RedriveAllowPolicy"] == {"redrivePermission": "byQueue", "sourceQueueArns": [arn]}
    assert len(retry["QueueName"]) <= 80


def test_both_forms_of_the_dead_letter_queue_are_alike_except_for_the_deletion_policy():
    gone, kept = RESOURCES["DeadLetterQueue"], RESOURCES["KeptDeadLetterQueue"]
    assert gone["Properties"] == kept["Properties"]
    assert (gone["DeletionPolicy"], kept["DeletionPolicy"]) == ("Delete", "RetainExceptOnCreate")


def test_an_outage_of_half_an_hour_heals_by_itself():
    queue, function = RESOURCES["RetryQueue"]["Properties"], RESOURCES["RedriveFunction"]["Properties"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert (queue["RedrivePolicy"]["maxReceiveCount"] - 1) * queue["VisibilityTimeout"] >= 1.5 * 30 * 60


def test_a_message_is_kept_for_fourteen_days_and_encrypted():
    for name, queue in of_type("AWS::SQS::Queue").items():
        assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 60 * 60, name
        properties = Resolver(**SECRET, KeepDeadLetters="yes" if name.startswith("Kept") else "no").properties(name)
        assert properties["SqsManagedSseEnabled"] is True, name


@pytest.mark.parametrize("keep", KEPT)
def test_the_queues_accept_only_tls(keep: str):
    resolver = Resolver(**EVERYTHING, KeepDeadLetters=keep)
    protected = {}
    for name in of_type("AWS::SQS::QueuePolicy"):
        policy = resolver.properties(name)
        [deny] = policy["PolicyDocument"]["Statement"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "sqs:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        [queue] = policy["Queues"]
        protected[queue] = deny["Resource"]
    assert protected == {f"<{name}>": f"<{name}.Arn>" for name in ("RetryQueue", KEPT[keep])}


def test_the_redrive_function_takes_ten_messages_and_reports_each_one_that_failed():
    [source] = of_type("AWS::Lambda::EventSourceMapping")
    mapping = Resolver(**SECRET).properties(source)
    assert (mapping["EventSourceArn"], mapping["FunctionName"]) == ("<RetryQueue.Arn>", "<RedriveFunction.Arn>")
    assert mapping["BatchSize"] == 10
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# ---- Stacks side by side, and their end

NAMING = re.compile(
    r"^(Name|\w*(FunctionName|RoleName|QueueName|TopicName|AlarmName|DashboardName|LogGroupName|PolicyName|ArchiveName))$"
)


def test_no_resource_has_a_name_that_a_second_stack_would_have_too():
    for logical_id, resource in RESOURCES.items():
        for key, value in resource["Properties"].items():
            if NAMING.match(key):
                own = ("AWS::StackId", "AWS::StackName", "Fn::GetAtt")
                assert any(name in str(value) for name in own), f"{logical_id}.{key} is {value}"


def test_deleting_the_stack_leaves_only_the_dead_letters_that_were_asked_to_stay():
    policies = {name: resource.get("DeletionPolicy", "Delete") for name, resource in RESOURCES.items()}
    assert {name for name, policy in policies.items() if policy != "Delete"} == {"KeptDeadLetterQueue"}


def test_what_holds_data_says_what_becomes_of_it():
    holding = ("AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::SecretsManager::Secret")
    for name, resource in RESOURCES.items():
        if resource["Type"] in holding:
            assert resource.keys() >= {"DeletionPolicy", "UpdateReplacePolicy"}, name


def test_every_resource_that_can_have_a_tag_has_one():
    untagged = {
        "AWS::ApiGatewayV2::ApiMapping",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::Events::Archive",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Url",
        "AWS::Logs::QueryDefinition",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }
    for name, resource in RESOURCES.items():
        if resource["Type"] not in untagged:
            tags = resource["Properties"]["Tags"]
            if isinstance(tags, list):
                tags = {tag["Key"]: tag["Value"] for tag in tags}
            assert tags["application"] == "momento-eventbridge", name


# ---- Alarms and the dashboard

ALARMS = of_type("AWS::CloudWatch::Alarm")
ENDPOINTS = ["FunctionUrl", "HttpApi"]
# As AWS's documentation of each service names them.
METRICS_OF_AWS = {
    "AWS/ApiGateway": {"ApiId": {"5xx"}},
    "AWS/Lambda": {"FunctionName": {"Duration", "Errors", "Throttles", "Url5xxCount"}},
    "AWS/SQS": {
        "QueueName": {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
        }
    },
}


class Longest(Resolver):
    """Gives each resource the longest name that it can have: the stack's, the resource's own, and 13 characters."""

    def __init__(self, **given):
        super().__init__(region="ap-southeast-7", **given)
        self.pseudo["AWS::StackName"] = "s" * 128

    def reference(self, name: str):
        value = super().reference(name)
        return self.physical(name) if name in self.resources else value

    def attribute(self, name: str, attribute: str) -> str:
        super().attribute(name, attribute)
        return self.physical(name)

    def physical(self, name: str) -> str:
        longest = {"AWS::Lambda::Function": 64, "AWS::SQS::Queue": 80}.get(self.resources[name]["Type"], 512)
        return f"{'s' * 128}-{name}-{'x' * 12}"[-longest:]


def endpoint_of(alarm: str) -> str:
    return "HttpApi" if alarm.startswith("HttpApi") else "FunctionUrl"


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_for_the_events_what_to_do_first_and_when_it_is_over(name: str):
    resolver = Resolver(**EVERYTHING, Endpoint=endpoint_of(name))
    text = resolver.properties(name)["AlarmDescription"]
    stack = PSEUDO["AWS::StackName"]
    assert re.match(rf"Stack {stack}: .+\nFirst: .+\nOver: .+\n", text)
    assert re.search(r"kept|late|lost|again", text.splitlines()[0])
    queries = [each["Name"] for each in map(resolver.properties, of_type("AWS::Logs::QueryDefinition"))]
    named = re.findall(r'[Qq]uery "(.+?)"', text)
    assert {f"{stack}/{title}" for title in named} <= set(queries)
    if named:
        [group] = re.findall(r"Log: <(\w+)>", text)
        assert resolver.resources[group]["Type"] == "AWS::Logs::LogGroup"
    else:
        assert "No log has it" in text
    assert f"docs/runbook.md#{name.lower()}" in text.splitlines()[-1]
    page = (ROOT / "docs" / "runbook.md").read_text()
    assert f"\n## {name}\n" in page


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_links_to_the_dashboard_if_there_is_one(name: str):
    given = {**EVERYTHING, "Endpoint": endpoint_of(name)}
    with_dashboard = Resolver(**given)
    dashboard = with_dashboard.properties("OverviewDashboard")["DashboardName"]
    url = f"https://console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/{dashboard}"
    assert with_dashboard.properties(name)["AlarmDescription"].endswith(f" Dashboard: {url}")
    assert "Dashboard:" not in Resolver(**given, Dashboard="no").properties(name)["AlarmDescription"]


@pytest.mark.parametrize("name", ALARMS)
def test_the_description_of_an_alarm_is_never_too_long_for_cloudwatch(name: str):
    address = f"https://github.com/{'r' * LONGEST_ADDRESS}"[: LONGEST_ADDRESS - len("/docs/")] + "/docs/"
    published = read_template(with_linked_pages(PATH.read_text(), address))
    text = Longest(template=published, **EVERYTHING, Endpoint=endpoint_of(name)).properties(name)["AlarmDescription"]
    assert f"{address}runbook.md#" in text
    assert len(text) <= 1024, len(text)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, []),
        ({"AlarmEmail": "a@example.com"}, ["<AlarmTopic>"]),
        ({"AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:x"}, ["arn:aws:sns:eu-west-1:123456789012:x"]),
    ],
)
@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_notifies_the_given_topics_and_addresses(name: str, given: dict[str, str], told: list[str]):
    alarm = Resolver(**SECRET, **given, Endpoint=endpoint_of(name)).properties(name)
    assert alarm["AlarmActions"] == alarm["OKActions"] == told


def test_the_topic_of_the_alarms_sends_them_to_the_address():
    subscriptions = Resolver(**EVERYTHING).properties("AlarmTopic")["Subscription"]
    assert subscriptions == [{"Protocol": "email", "Endpoint": "someone@example.com"}]


@pytest.mark.parametrize(
    ("endpoint", "server_errors"),
    [("FunctionUrl", ("AWS/Lambda", "Url5xxCount")), ("HttpApi", ("AWS/ApiGateway", "5xx"))],
)
def test_there_is_an_alarm_for_each_thing_that_can_go_wrong(endpoint: str, server_errors: tuple[str, str]):
    resolver = Resolver(**EVERYTHING, Endpoint=endpoint)
    watched = {(namespace, metric) for namespace, metric, _, _ in alarm_metrics(resolver)}
    assert watched == {
        server_errors,
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Errors"),
        ("MomentoEventBridge", "BothFailed"),
        ("MomentoEventBridge", "SecretUnavailable"),
        ("MomentoEventBridge", "SignatureMismatch"),
        ("MomentoEventBridge", "Delivered"),
        ("MomentoEventBridge", "EventRefused"),
    }


@pytest.mark.parametrize("keep", KEPT)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("metrics", [alarm_metrics, dashboard_metrics])
def test_a_metric_of_aws_exists_and_belongs_to_this_stack(metrics, endpoint: str, keep: str):
    owners = {
        "ApiId": {"<HttpApi>"},
        "FunctionName": {"<WebhookFunction>"},
        "QueueName": {"<RetryQueue.QueueName>", f"<{KEPT[keep]}.QueueName>"},
    }
    for namespace, metric, names, values in metrics(Resolver(**EVERYTHING, KeepDeadLetters=keep, Endpoint=endpoint)):
        if namespace != "MomentoEventBridge":
            [dimension], [value] = names, values
            assert metric in METRICS_OF_AWS[namespace][dimension]
            assert value in owners[dimension]


def test_the_dead_letter_alarm_watches_the_dead_letter_queue():
    for keep, queue in KEPT.items():
        alarm = Resolver(**SECRET, KeepDeadLetters=keep).properties("DeadLetterAlarm")
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": f"<{queue}.QueueName>"}]
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")


def test_a_secret_that_cannot_be_read_is_an_alarm_within_minutes_that_says_where_the_requests_are():
    alarm = Resolver(**SECRET).properties("SecretUnavailableAlarm")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": "<WebhookFunction>"}]
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 120
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 1)
    for word in (
        "kept unverified",
        "retry queue",
        "lost",
        "dead-letter queue",
        "roles of both functions",
        "Start DLQ redrive",
    ):
        assert word in alarm["AlarmDescription"], word
    assert "no event is lost" not in alarm["AlarmDescription"].lower()


def test_the_age_of_waiting_events_is_judged_before_sqs_leaves_them_out_of_it():
    # SQS's ApproximateAgeOfOldestMessage leaves out what was received three times: after two visibility timeouts.
    waits = 2 * RESOURCES["RetryQueue"]["Properties"]["VisibilityTimeout"]
    assert RESOURCES["WaitingAlarm"]["Properties"]["Threshold"] <= waits - 120


def test_silence_is_an_alarm_only_where_it_was_asked_for():
    assert not Resolver(**SECRET).exists("NoEventAlarm")
    alarm = Resolver(**SECRET, NoEventMinutes=45).properties("NoEventAlarm")
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, "45")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"
    assert PARAMETERS["NoEventMinutes"]["MaxValue"] * alarm["Period"] <= 24 * 60 * 60


def test_only_alarms_of_this_account_may_use_the_topic_and_only_over_tls():
    policy = Resolver(**EVERYTHING).properties("AlarmTopicPolicy")["PolicyDocument"]
    allow, deny = policy["Statement"]
    assert allow["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": PSEUDO["AWS::AccountId"]}}
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert {allow["Resource"], deny["Resource"]} == {"<AlarmTopic>"}


@pytest.mark.parametrize("given", [SECRET, EVERYTHING], ids=["plain", "everything"])
def test_the_dashboard_is_laid_out_without_gaps_or_overlaps(given: dict):
    cells = set()
    for widget in Resolver(**given).dashboard():
        for x in range(widget["x"], widget["x"] + widget["width"]):
            for y in range(widget["y"], widget["y"] + widget["height"]):
                assert (x, y) not in cells, widget
                cells.add((x, y))
    height = max(y for _, y in cells) + 1
    assert cells == {(x, y) for x in range(24) for y in range(height)}


def test_the_dashboard_shows_delivery_then_latency_then_failures_then_queues():
    texts = [widget for widget in Resolver(**SECRET).dashboard() if widget["type"] == "text"]
    headings = [text["properties"]["markdown"].splitlines()[0] for text in sorted(texts, key=lambda text: text["y"])]
    assert headings == ["## Delivery", "## Latency", "## Refusals and failures", "## Queues"]


def test_each_chart_has_a_title_a_unit_and_a_label_for_each_line():
    for widget in Resolver(**EVERYTHING).dashboard():
        properties = widget["properties"]
        if widget["type"] != "metric":
            continue
        assert properties["title"]
        assert properties["region"] == PSEUDO["AWS::Region"]
        assert all(line[-1]["label"] for line in properties["metrics"])
        if properties["view"] == "timeSeries":
            assert properties["yAxis"]["left"]["label"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_threshold_drawn_on_the_dashboard_is_the_alarms_own(endpoint: str):
    resolver = Resolver(**EVERYTHING, ForgedThreshold=7, Endpoint=endpoint)
    drawn = {}
    for widget in resolver.dashboard():
        for annotation in widget["properties"].get("annotations", {}).get("horizontal", []):
            if annotation["label"].startswith("Alarm"):
                # After a colon, it names the one line that it is for.
                _, _, line = annotation["label"].partition(": ")
                for namespace, metric, *_, options in widget["properties"]["metrics"]:
                    if options["label"].endswith(line):
                        drawn[namespace, metric] = annotation["value"]
    # An event is delivered or not: no chart has a line for that.
    not_drawn = ("NoEventAlarm", "WrongSecretAlarm")
    alarms = [resolver.properties(name) for name in ALARMS if name not in not_drawn and resolver.exists(name)]
    assert {(alarm["Namespace"], alarm["MetricName"]) for alarm in alarms} <= drawn.keys()
    for alarm in alarms:
        assert drawn[alarm["Namespace"], alarm["MetricName"]] == int(alarm["Threshold"]), alarm["MetricName"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_dashboard_shows_the_state_of_every_alarm(endpoint: str):
    resolver = Resolver(**EVERYTHING, Endpoint=endpoint)
    [widget] = [widget for widget in resolver.dashboard() if widget["type"] == "alarm"]
    assert sorted(widget["properties"]["alarms"]) == sorted(f"<{name}.Arn>" for name in ALARMS if resolver.exists(name))


# ---- What the documentation says of it


def documented(heading: str) -> dict[str, list[str]]:
    """The table rows of one section of docs/deploying.md, by each name in their first column."""
    text = (ROOT / "docs" / "deploying.md").read_text()
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {name: row for row in rows for name in re.findall(r"`(\w+)`", row[0])}


def test_the_documentation_names_each_parameter_with_its_default_and_each_output():
    rows = documented("Parameters and outputs")
    assert rows.keys() == PARAMETERS.keys() | TEMPLATE["Outputs"].keys()
    for name, parameter in PARAMETERS.items():
        assert rows[name][2].strip("`") == str(parameter["Default"]), name
