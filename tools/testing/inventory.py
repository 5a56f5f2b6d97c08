"""What is in an account: all of the kinds of things that the template can make."""

from __future__ import annotations

from tools.local_aws.server import LocalAws


def everything(aws: LocalAws, bus: str = "default") -> set[tuple[str, str]]:
    events, watch, logs, sns, functions = (
        aws.client(service) for service in ("events", "cloudwatch", "logs", "sns", "lambda")
    )
    gateway = aws.client("apigatewayv2")
    lists = {
        "queue": aws.client("sqs").list_queues().get("QueueUrls", []),
        "secret": [
            it["ARN"] for it in aws.client("secretsmanager").list_secrets(IncludePlannedDeletion=True)["SecretList"]
        ],
        "role": [it["RoleName"] for it in aws.client("iam").list_roles()["Roles"]],
        "function": [it["FunctionName"] for it in functions.list_functions()["Functions"]],
        "mapping": [it["UUID"] for it in functions.list_event_source_mappings()["EventSourceMappings"]],
        "log group": [it["logGroupName"] for it in logs.describe_log_groups()["logGroups"]],
        "log policy": [it["policyName"] for it in logs.describe_resource_policies()["resourcePolicies"]],
        "policy of a log group": [
            it["resourceArn"] for it in logs.describe_resource_policies(policyScope="RESOURCE")["resourcePolicies"]
        ],
        "api": [it["ApiId"] for it in gateway.get_apis()["Items"]],
        "domain": [it["DomainName"] for it in gateway.get_domain_names()["Items"]],
        "alarm": [it["AlarmName"] for it in watch.describe_alarms()["MetricAlarms"]],
        "dashboard": [it["DashboardName"] for it in watch.list_dashboards()["DashboardEntries"]],
        "archive": [it["ArchiveName"] for it in events.list_archives()["Archives"]],
        "rule": [it["Name"] for it in events.list_rules(EventBusName=bus)["Rules"]],
        "topic": [it["TopicArn"] for it in sns.list_topics()["Topics"]],
        "subscription": [it["SubscriptionArn"] for it in sns.list_subscriptions()["Subscriptions"]],
    }
    return {(kind, name) for kind, names in lists.items() for name in names}


def resources(aws: LocalAws, stack: str) -> dict[str, str]:
    """The physical id of each logical id."""
    described = aws.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in described}
