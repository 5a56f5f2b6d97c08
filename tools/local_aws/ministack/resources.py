"""CloudFormation resource types that ministack lacks or makes in part, behaving as the real service does.

- AWS::Events::Connection, ApiDestination and Archive. An archive on a bus that does not exist and a destination whose
  connection does not exist fail, so that the stack rolls back; so does a connection whose key lacks its tag.
- AWS::Events::Rule, ministack's own, fails on a bus that does not exist and for a pattern that EventBridge refuses.
- Ref of an AWS::SecretsManager::Secret is its ARN, as in a real account (ministack gives the name).
- AWS::IAM::Role keeps its permissions boundary (ministack drops it), and fails for a policy that does not exist.
- AWS::Logs::QueryDefinition, which is kept for DescribeStackResources alone: ministack has no saved queries.
- DescribeEventBus takes an ARN as well as a name, and a role that allows it on that bus allows it.
"""

import json
import uuid
from collections.abc import Callable
from typing import ClassVar

from ministack.core import iam_actions
from ministack.services import cloudwatch_logs, eventbridge, iam, kms, secretsmanager
from ministack.services.cloudformation import provisioners

Attributes = dict[str, str]


def call(operation: Callable[[dict], tuple], request: dict) -> dict:
    """Calls an operation of ministack's EventBridge; a refusal becomes the reason why the resource failed."""
    status, _, body = operation(request)
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(f"{answer.get('__type', 'Error').split('#')[-1]}: {answer.get('message', answer)}")
    return answer


def given(properties: dict, *names: str) -> dict:
    return {name: properties[name] for name in names if name in properties}


def own_name(properties: dict, stack: str, logical_id: str, longest: int) -> str:
    return properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=longest)


def create_connection(logical_id: str, properties: dict, stack: str) -> tuple[str, Attributes]:
    name = own_name(properties, stack, logical_id, 64)
    request = {"Name": name, **given(properties, "AuthorizationType", "AuthParameters", "Description")}
    require_tag(properties.get("KmsKeyIdentifier"))
    arn = call(eventbridge._create_connection, request)["ConnectionArn"]
    return name, {"Arn": arn, "ArnForPolicy": arn}


def update_connection(name: str, _old: dict, properties: dict, _stack: str) -> tuple[str, Attributes]:
    request = {"Name": name, **given(properties, "AuthorizationType", "AuthParameters", "Description")}
    require_tag(properties.get("KmsKeyIdentifier"))
    arn = call(eventbridge._update_connection, request)["ConnectionArn"]
    return name, {"Arn": arn, "ArnForPolicy": arn}


def require_tag(key: str | None) -> None:
    """EventBridge uses a customer managed key for a connection only if the key has this tag."""
    if (
        key
        and {"TagKey": "EventBridgeApiDestinations", "TagValue": "true"} not in kms._keys[key.split("/")[-1]]["Tags"]
    ):
        raise ValueError(f"The key {key} lacks the tag EventBridgeApiDestinations=true.")


def delete_connection(name: str, _properties: dict) -> None:
    call(eventbridge._delete_connection, {"Name": name})


DESTINATION = ("ConnectionArn", "InvocationEndpoint", "HttpMethod", "InvocationRateLimitPerSecond", "Description")


def require_connection(arn: str) -> None:
    if not any(connection["ConnectionArn"] == arn for connection in eventbridge._connections.values()):
        raise ValueError(f"ResourceNotFoundException: Connection '{arn}' does not exist.")


def create_destination(logical_id: str, properties: dict, stack: str) -> tuple[str, Attributes]:
    require_connection(properties.get("ConnectionArn", ""))
    name = own_name(properties, stack, logical_id, 64)
    request = {"Name": name, **given(properties, *DESTINATION)}
    arn = call(eventbridge._create_api_destination, request)["ApiDestinationArn"]
    return name, {"Arn": arn, "ArnForPolicy": arn}


def update_destination(name: str, _old: dict, properties: dict, _stack: str) -> tuple[str, Attributes]:
    require_connection(properties.get("ConnectionArn", ""))
    request = {"Name": name, **given(properties, *DESTINATION)}
    arn = call(eventbridge._update_api_destination, request)["ApiDestinationArn"]
    return name, {"Arn": arn, "ArnForPolicy": arn}


def delete_destination(name: str, _properties: dict) -> None:
    call(eventbridge._delete_api_destination, {"Name": name})


def archive_settings(properties: dict) -> dict:
    settings = given(properties, "Description", "RetentionDays", "KmsKeyIdentifier")
    if "EventPattern" in properties:
        settings["EventPattern"] = json.dumps(properties["EventPattern"])
    return settings


def create_archive(logical_id: str, properties: dict, stack: str) -> tuple[str, Attributes]:
    source = properties.get("SourceArn", "")
    eventbridge._ensure_default_bus()
    call(describe_event_bus, {"Name": source})
    name = properties.get("ArchiveName") or provisioners._physical_name(stack, logical_id, max_len=48)
    request = {"ArchiveName": name, "EventSourceArn": source, **archive_settings(properties)}
    return name, {"Arn": call(eventbridge._create_archive, request)["ArchiveArn"], "ArchiveName": name}


def update_archive(name: str, _old: dict, properties: dict, _stack: str) -> tuple[str, Attributes]:
    answer = call(eventbridge._update_archive, {"ArchiveName": name, **archive_settings(properties)})
    return name, {"Arn": answer["ArchiveArn"], "ArchiveName": name}


def delete_archive(name: str, _properties: dict) -> None:
    call(eventbridge._delete_archive, {"ArchiveName": name})


rule_handlers = dict(provisioners._RESOURCE_HANDLERS["AWS::Events::Rule"])


def create_rule(logical_id: str, properties: dict, stack: str) -> tuple[str, Attributes]:
    eventbridge._ensure_default_bus()
    bus = provisioners._eb_rule_bus_name(properties)
    call(describe_event_bus, {"Name": bus})
    name = own_name(properties, stack, logical_id, 64)
    pattern = {"EventPattern": json.dumps(properties["EventPattern"])} if "EventPattern" in properties else {}
    rule = {"Name": name, "EventBusName": bus, **pattern, **given(properties, "ScheduleExpression", "State")}
    call(eventbridge._put_rule, rule)
    return rule_handlers["create"](logical_id, {**properties, "Name": name}, stack)


describe_by_name = eventbridge._describe_event_bus


def describe_event_bus(request: dict) -> tuple:
    """Takes the bus's ARN too, as the real operation does."""
    name, refused = eventbridge._event_bus_name_from_ref(request.get("Name", "default"))
    if refused:
        return eventbridge.error_response_json(*refused, 400)
    return describe_by_name({**request, "Name": name})


arn_by_request = iam_actions.extract_resource_arn


def extract_resource_arn(service, method, path, headers, body, query_params, region, account_id) -> str:
    """What a role must allow for DescribeEventBus is the bus (ministack takes its name for a rule's)."""
    if service == "events" and headers.get("x-amz-target", "").endswith(".DescribeEventBus"):
        bus = json.loads(body or b"{}").get("Name", "default")
        return bus if bus.startswith("arn:") else f"arn:aws:events:{region}:{account_id}:event-bus/{bus}"
    return arn_by_request(service, method, path, headers, body, query_params, region, account_id)


def create_query(_logical_id: str, properties: dict, _stack: str) -> tuple[str, Attributes]:
    require_log_groups(properties)
    query = str(uuid.uuid4())
    return query, {"QueryDefinitionId": query}


def update_query(query: str, _old: dict, properties: dict, _stack: str) -> tuple[str, Attributes]:
    require_log_groups(properties)
    return query, {"QueryDefinitionId": query}


def require_log_groups(query: dict) -> None:
    if missing := [name for name in query.get("LogGroupNames", []) if name not in cloudwatch_logs._log_groups]:
        raise ValueError(f"ResourceNotFoundException: There is no log group {', '.join(missing)}.")


class SecretByArn:
    """ministack's own handlers for a secret, with its ARN as the physical id."""

    handlers: ClassVar[dict] = dict(provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"])

    @staticmethod
    def name(arn: str) -> str:
        return next((name for name, secret in secretsmanager._secrets.items() if secret["ARN"] == arn), arn)

    @classmethod
    def create(cls, logical_id: str, properties: dict, stack: str) -> tuple[str, Attributes]:
        _, attributes = cls.handlers["create"](logical_id, properties, stack)
        return attributes["Arn"], attributes

    @classmethod
    def update(cls, arn: str, old: dict, new: dict, stack: str, logical_id: str) -> tuple[str, Attributes]:
        _, attributes = cls.handlers["update"](cls.name(arn), old, new, stack, logical_id)
        return attributes["Arn"], attributes

    @classmethod
    def delete(cls, arn: str, properties: dict) -> None:
        cls.handlers["delete"](cls.name(arn), properties)


class RoleWithBoundary:
    """ministack's own handlers for a role, with its permissions boundary."""

    handlers: ClassVar[dict] = dict(provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"])

    @classmethod
    def create(cls, logical_id: str, properties: dict, stack: str) -> tuple[str, Attributes]:
        require_policy(properties.get("PermissionsBoundary"))
        name, attributes = cls.handlers["create"](logical_id, properties, stack)
        iam._roles[name]["PermissionsBoundary"] = properties.get("PermissionsBoundary")
        return name, attributes

    @classmethod
    def update(cls, name: str, old: dict, new: dict, stack: str, logical_id: str) -> tuple[str, Attributes]:
        require_policy(new.get("PermissionsBoundary"))
        name, attributes = cls.handlers["update"](name, old, new, stack, logical_id)
        iam._roles[name]["PermissionsBoundary"] = new.get("PermissionsBoundary")
        return name, attributes


def require_policy(boundary: str | None) -> None:
    if boundary and (refusal := iam._boundary_policy_error(boundary)):
        raise ValueError(refusal[2].decode())


def register_handlers() -> None:
    eventbridge._describe_event_bus = describe_event_bus
    iam_actions.extract_resource_arn = extract_resource_arn
    provisioners._RESOURCE_HANDLERS.update(
        {
            "AWS::Events::Connection": {
                "create": create_connection,
                "update": update_connection,
                "delete": delete_connection,
            },
            "AWS::Events::ApiDestination": {
                "create": create_destination,
                "update": update_destination,
                "delete": delete_destination,
            },
            "AWS::Events::Archive": {"create": create_archive, "update": update_archive, "delete": delete_archive},
            "AWS::Events::Rule": {**rule_handlers, "create": create_rule},
            "AWS::Logs::QueryDefinition": {
                "create": create_query,
                "update": update_query,
                "delete": lambda _query, _properties: None,
            },
            "AWS::IAM::Role": {
                **RoleWithBoundary.handlers,
                "create": RoleWithBoundary.create,
                "update": RoleWithBoundary.update,
            },
            "AWS::SecretsManager::Secret": {
                **SecretByArn.handlers,
                "create": SecretByArn.create,
                "update": SecretByArn.update,
                "delete": SecretByArn.delete,
            },
        }
    )
