"""What the template creates for a Custom Event Bus, which the local AWS does not know."""

from __future__ import annotations

import re
import textwrap

import pytest

from tools.paths import ROOT
from tools.templates.reader import read_template
from tools.templates.resolver import PARAMETERS, Resolver

ID = "abcdefghijklmnopqrstuvwxy"
OURS = f"arn:aws:events:eu-west-1:123456789012:event-busv2/orders/{ID}"
THEIRS = OURS.replace("123456789012", "210987654321")
CLASSIC = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"


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
        CLASSIC.replace("orders", "aws.partner/orders"),
        "aws.partner/orders",
    ):
        assert not pattern.fullmatch(bad), bad


@pytest.mark.parametrize("name", ["template.yaml", "api-destinations.yaml", "publish-buckets.yaml"])
def test_a_template_names_no_type_that_some_regions_lack(name: str):
    # CloudFormation validates the types of a template before it looks at conditions.
    template = read_template((ROOT / name).read_text(encoding="utf-8"))
    assert [kind for kind in types(template) if kind.startswith("AWS::EventsV2::")] == []


def types(template: dict) -> set[str]:
    return {resource["Type"] for resource in template["Resources"].values()}


# ---- The subscribers that this project shows

EXAMPLE = ROOT / "examples" / "custom-event-bus" / "template.yaml"
PAGE = (ROOT / "docs" / "custom-event-bus.md").read_text(encoding="utf-8")


def shown() -> dict[str, dict]:
    """The templates with a subscriber, on a page or in an example."""
    pages = {f"block {number}": text for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))}
    files = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.glob("examples/*/*.yaml")}
    read = {name: read_template(textwrap.dedent(text)) for name, text in (pages | files).items()}
    return {name: template for name, template in read.items() if "AWS::EventsV2::Subscriber" in types(template)}


@pytest.mark.parametrize("name", shown())
def test_a_subscriber_retries_for_a_day_and_then_leaves_a_record(name: str):
    resources = shown()[name]["Resources"]
    for subscriber in (each["Properties"] for each in resources.values() if each["Type"].endswith("::Subscriber")):
        assert subscriber["RetryPolicy"] == {"MaxRetryAttempts": 185, "MaxEventAgeInSeconds": 86400}
        queue, role = subscriber["OnFailureConfiguration"]["Arn"], subscriber["InvokeConfiguration"]["RoleArn"]
        assert resources[queue["Fn::GetAtt"][0]]["Type"] == "AWS::SQS::Queue"
        [policy] = resources[role["Fn::GetAtt"][0]]["Properties"]["Policies"]
        [statement] = policy["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
        assert queue in statement["Resource"]
        assert subscriber["InvokeConfiguration"]["TargetArn"] in statement["Resource"]


def test_there_are_subscribers_on_the_page_and_in_the_example():
    assert len(shown()) == 2


def test_the_example_is_for_what_comes_from_momento_and_its_role_for_subscribers_of_this_account():
    given = {"EventBusArn": OURS}
    resolver = Resolver(read_template(EXAMPLE.read_text(encoding="utf-8")), **given)
    subscriber = resolver.properties("Subscriber")
    assert subscriber["EventBusArn"] == OURS
    assert subscriber["FilterConfiguration"] == {"Filters": [{"Scope": "DATA", "Pattern": '{"source":["Momento"]}'}]}
    [trust] = resolver.properties("DeliveryRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert trust["Condition"]["ArnLike"] == {"aws:SourceArn": "arn:aws:events:eu-west-1:123456789012:subscriber/*"}
