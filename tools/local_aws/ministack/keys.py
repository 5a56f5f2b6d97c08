"""KMS keys, where ministack stores the ARN of a key and never uses it. As in a real account:

- To send to an encrypted queue, receive from it, or read an encrypted secret, a role also needs the key, through that
  service.
- A log group or an archive is created only if the policy of its key lets the service use the key.
- EventBridge delivers to an encrypted queue only if the policy of the key lets it use the key.
"""

import json
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, kms, secretsmanager, sqs
from ministack.services.cloudformation import provisioners

NEEDED = {
    "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
}
LOGS = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey")
ARCHIVE = ("kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo")

enforce_service = iam_evaluator.enforce


def enforce(
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    denied = enforce_service(access_key_id, iam_action, service, region, resource_arn, service_context)
    key = key_of(resource_arn) if iam_action in NEEDED else ""
    if denied or not key:
        return denied
    via = {"kms:ViaService": f"{service}.{region}.amazonaws.com"}
    each = (enforce_service(access_key_id, action, "kms", region, key, via) for action in NEEDED[iam_action])
    return next((denied for denied in each if denied), None)


def key_of(arn: str) -> str:
    if queue := sqs._queue_by_arn(arn):
        return queue["attributes"].get("KmsMasterKeyId") or ""
    found = (secret.get("KmsKeyId") for secret in secretsmanager._secrets.values() if secret["ARN"] == arn)
    return next(found, "") or ""


def refused(key: str, service: str, actions: tuple[str, ...], **context: str) -> str:
    """Why the service cannot use the key, or nothing."""
    found = kms.key_policy_for_arn(key)
    if found is None:
        return f"The key {key} does not exist."
    for action in actions:
        request = iam_evaluator.EvalContext(
            principal_arn=service,
            principal_type="Service",
            principal_account=get_account_id(),
            action=action,
            resource_arn=key,
            region=get_region(),
            service_context={name.lower(): value for name, value in context.items()},
        )
        if iam_evaluator.evaluate_resource_policy(found[0], request, service).decision != "Allow":
            return f"The policy of the key {key} does not allow {action} to {service} for {json.dumps(context)}."
    return ""


def refused_to_logs(key: str, group: str) -> str:
    region = get_region()
    arn = f"arn:aws:logs:{region}:{get_account_id()}:log-group:{group}"
    return refused(key, f"logs.{region}.amazonaws.com", LOGS, **{"kms:EncryptionContext:aws:logs:arn": arn})


def refused_to_archive(key: str, bus: str) -> str:
    described = refused(key, "events.amazonaws.com", ("kms:DescribeKey",))
    context = {"kms:EncryptionContext:aws:events:event-bus:arn": bus}
    return described or refused(key, "events.amazonaws.com", ARCHIVE, **context)


def refused_to_rules(key: str) -> str:
    # A delivery names neither the rule nor the account to KMS.
    return refused(key, "events.amazonaws.com", ("kms:GenerateDataKey", "kms:Decrypt"))


def deliver(invoke: Any) -> Any:
    def run(target: dict, *event: Any) -> None:
        key = key_of(target.get("Arn", ""))
        if not (key and refused_to_rules(key)):
            invoke(target, *event)

    return run


def create_log_group(create: Any) -> Any:
    def run(logical_id: str, properties: dict, stack: str) -> tuple:
        name = properties.get("LogGroupName") or f"/aws/cloudformation/{stack}/{logical_id}"
        return checked(properties.get("KmsKeyId"), refused_to_logs, name, create, logical_id, properties, stack)

    return run


def create_archive(create: Any) -> Any:
    def run(logical_id: str, properties: dict, stack: str) -> tuple:
        key, bus = properties.get("KmsKeyIdentifier"), properties["SourceArn"]
        return checked(key, refused_to_archive, bus, create, logical_id, properties, stack)

    return run


def checked(key: str | None, refused_to: Any, resource: str, create: Any, *given: Any) -> tuple:
    if key and (reason := refused_to(key, resource)):
        raise ValueError(reason)
    return create(*given)


def register_keys() -> None:
    iam_evaluator.enforce = enforce
    eventbridge._invoke_target = deliver(eventbridge._invoke_target)
    for kind, wrapped in (("AWS::Logs::LogGroup", create_log_group), ("AWS::Events::Archive", create_archive)):
        handlers = provisioners._RESOURCE_HANDLERS[kind]
        provisioners._RESOURCE_HANDLERS[kind] = {**handlers, "create": wrapped(handlers["create"])}
