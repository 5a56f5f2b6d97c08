"""More stacks with an event log in one account and Region than it can have log resource policies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from botocore.exceptions import ClientError

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.waiting import wait_for

SECRET = "whsec-of-eleven"
# CloudWatch Logs's quota for an account in a Region, which cannot be raised.
POLICIES = 10


@pytest.mark.timeout(300)
def test_eleven_stacks_with_an_event_log_use_none_of_the_accounts_ten_log_policies(
    aws: LocalAws, make_bus: Callable[[str], BusWatch]
):
    bus = make_bus("eleven")
    logs = aws.client("logs")
    with ExitStack() as stack:
        for number in range(POLICIES):
            name = f"of-another-{number}"
            logs.put_resource_policy(policyName=name, policyDocument='{"Statement":[]}')
            stack.callback(logs.delete_resource_policy, policyName=name)
        with pytest.raises(ClientError, match="LimitExceeded"):
            logs.put_resource_policy(policyName="one-too-many", policyDocument='{"Statement":[]}')

        given = {"MomentoSecretString": SECRET, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
        outputs = []
        for number in range(POLICIES + 1):
            stack.callback(aws.delete, f"eleven-{number}")
            outputs.append(aws.deploy(f"eleven-{number}", ROOT / "template.yaml", {**given, "EventLog": "yes"}))

        url = aws.function_url_local(outputs[-1]["FunctionUrl"])
        assert post_signed(url, SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1
        for each in outputs:
            group = each["EventLogGroup"]
            [event] = wait_for(
                f"the event in {group}",
                lambda group=group: logs.filter_log_events(logGroupName=group)["events"],
            )
            assert '"source": "Momento"' in event["message"]
    assert logs.describe_resource_policies(policyScope="RESOURCE")["resourcePolicies"] == []
