"""Permissions boundary, role path and KMS key, in each template that has something to apply them to."""

from __future__ import annotations

import pytest

from tools.paths import ROOT
from tools.templates.reader import read_template
from tools.templates.resolver import Resolver
from tools.templates.variants import CHOICES, KEY, ORGANIZATION, combinations

TEMPLATES = {name: read_template((ROOT / name).read_text(encoding="utf-8")) for name in CHOICES}
COMBINATIONS = [(name, values) for name in CHOICES for values in combinations(name)]
[KEY_ARN] = KEY.values()

# The property of each type of resource that takes a key.
TAKES_KEY = {
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::Events::Archive": "KmsKeyIdentifier",
}


@pytest.mark.parametrize("name", CHOICES)
def test_all_of_them_are_off_by_default(name: str):
    parameters = TEMPLATES[name]["Parameters"]
    own = [each for each in (*ORGANIZATION, *KEY) if each in parameters]
    assert own[:2] == list(ORGANIZATION)
    assert all(parameters[each]["Default"] == "" for each in own)
    # All accounts that deploy a release would need the key of a bucket.
    assert ("KmsKeyArn" in own) is (name != "publish-buckets.yaml")


def test_every_combination_resolves_and_refers_to_nothing_that_is_not_there():
    for name, values in COMBINATIONS:
        template = TEMPLATES[name]
        resolver = Resolver(template, **values)
        assert resolver.refusals() == [], (name, values)
        for logical_id in filter(resolver.exists, template["Resources"]):
            resolver.properties(logical_id)
        for output in template.get("Outputs", {}).values():
            if "Condition" not in output or resolver.condition(output["Condition"]):
                resolver.resolve(output["Value"])
        if "OverviewDashboard" in template["Resources"] and resolver.exists("OverviewDashboard"):
            assert resolver.dashboard()


def test_every_role_has_the_boundary_and_the_path_that_were_given_and_none_otherwise():
    for name, values in COMBINATIONS:
        resolver = Resolver(TEMPLATES[name], **values)
        for logical_id, resource in TEMPLATES[name]["Resources"].items():
            if resource["Type"] == "AWS::IAM::Role" and resolver.exists(logical_id):
                properties = resolver.properties(logical_id)
                assert properties.get("PermissionsBoundary") == values.get("PermissionsBoundaryArn"), logical_id
                assert properties.get("Path") == values.get("RolePath"), logical_id


def test_every_resource_that_can_use_a_key_has_the_given_one_and_otherwise_none():
    found = set()
    for name, values in COMBINATIONS:
        resolver = Resolver(TEMPLATES[name], **values)
        for logical_id, resource in TEMPLATES[name]["Resources"].items():
            if resource["Type"] in TAKES_KEY and resolver.exists(logical_id):
                properties = resolver.properties(logical_id)
                key = properties.get(TAKES_KEY[resource["Type"]])
                assert key == values.get("KmsKeyArn"), logical_id
                if resource["Type"] == "AWS::SQS::Queue":
                    assert ("SqsManagedSseEnabled" in properties) is (key is None), logical_id
                found.add(resource["Type"])
    assert found == TAKES_KEY.keys()


def grants(name: str, role: str, **given: str) -> dict[tuple[str, str], set[str]]:
    """What a role may do with keys: for each key and the service through which it is used, the actions."""
    [policy] = Resolver(TEMPLATES[name], **given).properties(role)["Policies"]
    found: dict[tuple[str, str], set[str]] = {}
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        if any(action.startswith("kms:") for action in actions):
            [(operator, condition)] = statement["Condition"].items()
            assert operator == "StringEquals"
            service = condition["kms:ViaService"].removesuffix(".eu-west-1.amazonaws.com")
            found.setdefault((statement["Resource"], service), set()).update(actions)
    return found


SEND, READ = {"kms:GenerateDataKey", "kms:Decrypt"}, {"kms:Decrypt"}
OTHER_KEY = "arn:aws:kms:eu-west-1:123456789012:key/other"


@pytest.mark.parametrize(
    ("name", "role", "given", "expected"),
    [
        ("template.yaml", "WebhookRole", {}, {}),
        ("template.yaml", "RedriveRole", {}, {}),
        ("template.yaml", "WebhookRole", KEY, {(KEY_ARN, "sqs"): SEND, (KEY_ARN, "secretsmanager"): READ}),
        ("template.yaml", "RedriveRole", KEY, {(KEY_ARN, "sqs"): READ, (KEY_ARN, "secretsmanager"): READ}),
        ("template.yaml", "WebhookRole", {**KEY, "ExistingSecret": "momento"}, {(KEY_ARN, "sqs"): SEND}),
        (
            "template.yaml",
            "RedriveRole",
            {**KEY, "ExistingSecret": "momento", "ExistingSecretKeyArn": OTHER_KEY},
            {(KEY_ARN, "sqs"): READ, (OTHER_KEY, "secretsmanager"): READ},
        ),
        ("api-destinations.yaml", "DestinationsRole", KEY, {}),
        ("api-destinations.yaml", "TextFunctionRole", {}, {}),
        ("api-destinations.yaml", "TextFunctionRole", KEY, {(KEY_ARN, "sqs"): SEND, (KEY_ARN, "secretsmanager"): READ}),
        ("api-destinations.yaml", "TextFunctionRole", {**KEY, "ExistingApiKeySecret": "x"}, {(KEY_ARN, "sqs"): SEND}),
    ],
)
def test_a_role_may_use_the_key_only_for_its_task_and_through_that_service(
    name: str, role: str, given: dict[str, str], expected: dict
):
    assert grants(name, role, **given) == expected
