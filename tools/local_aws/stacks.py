"""Stacks of CloudFormation, through a boto3 client of it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from tools.waiting import wait_for


class DeploymentFailed(Exception):
    """CloudFormation did not accept the template. The message has its reasons."""


def deploy(formation: Any, stack: str, url: str, parameters: dict[str, str]) -> dict[str, str]:
    """Creates the stack, or updates the one that is there, and returns its outputs."""
    request = {
        "StackName": stack,
        "TemplateURL": url,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    is_new = status_of(formation, stack) in (None, "DELETE_COMPLETE")
    try:
        (formation.create_stack if is_new else formation.update_stack)(**request)
    except ClientError as refusal:
        message = refusal.response["Error"]["Message"]
        if "No updates are to be performed" not in message:
            raise DeploymentFailed(f"CloudFormation refused the stack {stack}: {message}") from refusal
    status = wait_for(f"the stack {stack}", lambda: settled(formation, stack), 120)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeploymentFailed(f"The stack {stack} ended as {status}: {reasons(formation, stack)}")
    described = formation.describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def delete(formation: Any, stack: str) -> None:
    formation.delete_stack(StackName=stack)
    gone = "DELETE_COMPLETE"
    status = wait_for(f"the stack {stack} to be gone", lambda: settled(formation, stack, unknown=gone), 60)
    if status != gone:
        raise DeploymentFailed(f"The stack {stack} was not deleted ({status}): {reasons(formation, stack)}")


def status_of(formation: Any, stack: str) -> str | None:
    try:
        return formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError:
        return None


def settled(formation: Any, stack: str, unknown: str | None = None) -> str | None:
    """The status once nothing is in progress; `unknown` if there is no such stack."""
    status = status_of(formation, stack) or unknown
    return None if status is None or status.endswith("_IN_PROGRESS") else status


def reasons(formation: Any, stack: str) -> str:
    events = formation.describe_stack_events(StackName=stack)["StackEvents"]
    found = [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events
        if "FAILED" in event["ResourceStatus"] and event.get("ResourceStatusReason")
    ]
    return "; ".join(reversed(found)) or "no reason was given"
