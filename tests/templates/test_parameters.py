"""The parameters of each template: the form that asks for them, and the values that it takes."""

from __future__ import annotations

import re

import pytest

from tools.paths import ROOT
from tools.templates.reader import read_template
from tools.templates.variants import CHOICES, DOMAIN, KEY

TEMPLATES = {name: read_template((ROOT / name).read_text(encoding="utf-8")) for name in CHOICES}
EVENTS, BACK = "template.yaml", "api-destinations.yaml"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:momento/secret"
OTHER_ACCOUNT = "arn:aws:events:eu-west-1:210987654321:event-bus/theirs"
A_KEY, NO_KEYS = *KEY.values(), ["alias/x", "arn:aws:kms:eu-west-1:123456789012:alias/x", "1234abcd"]
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"

# Values that a parameter takes, and values that it refuses.
GOV_BOUNDARY = "arn:aws-us-gov:iam::aws:policy/PowerUserAccess"
OF_AN_ORGANIZATION = {
    "PermissionsBoundaryArn": (
        ["", "arn:aws:iam::123456789012:policy/team/boundary", GOV_BOUNDARY],
        ["boundary", "arn:aws:iam::123456789012:role/x"],
    ),
    "RolePath": (["", "/", "/team/", "/a/b/"], ["team", "/team", "team/", "/a b/"]),
    "KmsKeyArn": (["", A_KEY], NO_KEYS),
}
VALUES = [
    (
        EVENTS,
        "EventBridgeBus",
        ["default", "my.bus.a-b_c", OTHER_ACCOUNT],
        ["", "a b", "partner/bus", f"{OTHER_ACCOUNT}/x", "arn:aws:sns:eu-west-1:210987654321:x"],
    ),
    (BACK, "EventBridgeBus", ["default", "arn:aws:events:eu-west-1:123456789012:event-bus/a"], ["", "a b"]),
    (EVENTS, "ExistingSecret", ["", "momento/webhook", f"{ARN}-AbCdEf"], ["two words", ARN]),
    (EVENTS, "ExistingSecretKeyArn", ["", A_KEY], NO_KEYS),
    (EVENTS, "AlarmEmail", ["", "someone@example.com"], ["someone", "a b@example.com"]),
    (EVENTS, "AlarmTopicArn", ["", TOPIC], ["alarms", OTHER_ACCOUNT]),
    (BACK, "AlarmTopicArn", ["", TOPIC], ["alarms"]),
    (
        EVENTS,
        "DomainName",
        ["", "hooks.example.com", "a.b-c.example.co.uk", "xn--bcher-kva.example"],
        ["localhost", "https://hooks.example.com", "Hooks.example.com", "*.example.com", "-a.example.com", "a."],
    ),
    (
        EVENTS,
        "CertificateArn",
        ["", DOMAIN["CertificateArn"]],
        ["certificate", "arn:aws:iam::123456789012:server-certificate/x"],
    ),
    (BACK, "MomentoApiKey", ["", "eyJhbGciOiJIUzI1NiJ9.abc-_=="], ["two words", "a\nb"]),
    (BACK, "ExistingApiKeySecret", ["", "momento/key", f"{ARN}-AbCdEf"], ["two words", ARN, "arn:aws:s3:::b"]),
    (BACK, "ExistingApiKeyVersion", ["", "7a3f7c2e-5b0d-4f0e-9a54-2f0d1c5e8b11"], ["AWSCURRENT", "1"]),
    (BACK, "ExistingApiKeySecretKeyArn", ["", A_KEY], NO_KEYS),
    (
        BACK,
        "MomentoEndpoint",
        ["", "https://api.cache.cell-1-x.prod.a.momentohq.com"],
        ["https://x/", "x.com", "http://x"],
    ),
    *(
        (template, name, *values)
        for template in TEMPLATES
        for name, values in OF_AN_ORGANIZATION.items()
        if name in TEMPLATES[template]["Parameters"]
    ),
]


@pytest.mark.parametrize(("template", "name", "good", "bad"), VALUES)
def test_a_parameter_takes_what_it_should_and_refuses_the_rest(
    template: str, name: str, good: list[str], bad: list[str]
) -> None:
    pattern = re.compile(TEMPLATES[template]["Parameters"][name]["AllowedPattern"])
    assert [value for value in good if not pattern.fullmatch(value)] == []
    assert [value for value in bad if pattern.fullmatch(value)] == []


@pytest.mark.parametrize("template", [EVENTS, BACK])
def test_every_parameter_stands_in_one_group_of_the_form_has_a_label_and_says_what_it_takes(template: str) -> None:
    parameters = TEMPLATES[template]["Parameters"]
    interface = TEMPLATES[template]["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [parameter for group in interface["ParameterGroups"] for parameter in group["Parameters"]]
    assert sorted(grouped) == sorted(interface["ParameterLabels"]) == sorted(parameters)
    assert all(group["Label"]["default"] for group in interface["ParameterGroups"])
    for name, parameter in parameters.items():
        assert parameter["Description"].endswith("."), name
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"].startswith("must be"), name
        elif parameter["Type"] == "Number":
            assert "MinValue" in parameter or "AllowedValues" in parameter, name
        else:
            assert "AllowedValues" in parameter or "MaxLength" in parameter, name
