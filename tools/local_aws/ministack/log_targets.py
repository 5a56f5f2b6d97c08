"""A log group as the target of a rule: ministack's EventBridge delivers to none.

As in a real account, the group's name begins with /aws/events/ and a resource policy, the account's or the group's own,
lets EventBridge write there; else the event does not arrive.
"""

import json
import uuid
from fnmatch import fnmatchcase
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import cloudwatch_logs, eventbridge

invoke_target = eventbridge._invoke_target
GROUP = "log-group:"
PREFIX = "/aws/events/"


def is_writing_allowed(stream_arn: str) -> bool:
    policies = [*cloudwatch_logs._resource_policies.values(), *cloudwatch_logs._log_group_policies.values()]
    for policy in policies:
        for statement in json.loads(policy["policyDocument"])["Statement"]:
            services, actions, resources = (
                [value] if isinstance(value, str) else value
                for value in (statement["Principal"]["Service"], statement["Action"], statement["Resource"])
            )
            if (
                statement["Effect"] == "Allow"
                and "events.amazonaws.com" in services
                and "logs:PutLogEvents" in actions
                and any(fnmatchcase(stream_arn, resource) for resource in resources)
            ):
                return True
    return False


def invoke(target: dict, event: dict, rule: dict, view: Any = None) -> None:
    arn = target.get("Arn", "")
    if not arn.startswith("arn:") or parse_arn(arn).service != "logs":
        invoke_target(target, event, rule, view)
        return
    group = parse_arn(arn).resource.removeprefix(GROUP).removesuffix(":*")
    stream = str(uuid.uuid4())
    if not group.startswith(PREFIX) or not is_writing_allowed(f"{arn.removesuffix(':*')}:log-stream:{stream}"):
        return
    message = json.dumps((view or eventbridge._pattern_event_view(event)).event_with_detail())
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    cloudwatch_logs._put_log_events(
        {"logGroupName": group, "logStreamName": stream, "logEvents": [{"message": message}]}
    )


def register_log_targets() -> None:
    eventbridge._invoke_target = invoke
