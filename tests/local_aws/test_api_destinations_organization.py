"""api-destinations.yaml with a permissions boundary, a role path and a KMS key, as docs/security-review.md says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.stand_in import MomentoStandIn
from tools.paths import ROOT
from tools.testing.docs import blocks
from tools.waiting import wait_for

STACK = BUS = "organization-back"
CACHE = "orders"
API_KEY = "key-of-the-organization"
PATH = "/integration/"
ACCOUNT = "000000000000"


def documented(heading: str) -> list[dict]:
    found = blocks("security-review.md", heading, "json")
    return [json.loads(policy.replace("111122223333", ACCOUNT)) for policy in found]


[KEY_POLICY] = documented("Key policy")
DELIVERY, CONNECTION = documented("EventBridge to Momento")
[BOUNDARY] = documented("Permissions boundary and role path")
TAG = {"TagKey": "EventBridgeApiDestinations", "TagValue": "true"}


class Organization:
    def __init__(self, aws: LocalAws):
        self.aws = aws
        self.kms = aws.client("kms")
        self.key = self.kms.create_key(Policy=json.dumps(KEY_POLICY), Tags=[TAG])["KeyMetadata"]["Arn"]
        self.allow(DELIVERY, CONNECTION)
        [statement] = BOUNDARY["Statement"]
        both = {**statement, "Action": [*statement["Action"], "events:InvokeApiDestination"]}
        document = json.dumps({**BOUNDARY, "Statement": [both]})
        created = aws.client("iam").create_policy(PolicyName="boundary-back", PolicyDocument=document)
        self.boundary = created["Policy"]["Arn"]

    def allow(self, *statements: dict) -> None:
        """Adds these statements to the documented policy of the key, and no others."""
        policy = {**KEY_POLICY, "Statement": [*KEY_POLICY["Statement"], *statements]}
        self.kms.put_key_policy(KeyId=self.key, Policy=json.dumps(policy))

    def deploy(self, momento: MomentoStandIn) -> dict[str, str]:
        given = {
            "EventBridgeBus": BUS,
            "MomentoApiKey": API_KEY,
            "MomentoEndpoint": momento.url,
            "PermissionsBoundaryArn": self.boundary,
            "RolePath": PATH,
            "KmsKeyArn": self.key,
        }
        return self.aws.deploy(STACK, ROOT / "api-destinations.yaml", given)

    def put(self, key: str, message: str | dict) -> None:
        detail = json.dumps({"cacheName": CACHE, "key": key, "message": message, "ttl": 60})
        entry = {"Source": "orders", "DetailType": "cacheSet", "Detail": detail, "EventBusName": BUS}
        assert self.aws.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


@pytest.fixture(scope="module")
def momento() -> Iterator[MomentoStandIn]:
    with MomentoStandIn(api_key=API_KEY, caches={CACHE}) as momento:
        yield momento


@pytest.fixture(scope="module")
def organization(aws: LocalAws, make_bus: Callable[[str], BusWatch], momento: MomentoStandIn) -> Iterator[Organization]:
    make_bus(BUS)
    organization = Organization(aws)
    organization.deploy(momento)
    yield organization
    aws.delete(STACK)
    aws.client("iam").delete_policy(PolicyArn=organization.boundary)


def test_a_string_and_an_object_arrive_with_the_documented_policies(
    organization: Organization, momento: MomentoStandIn
):
    organization.put("text", "hello")
    organization.put("object", {"name": "Ada"})
    wait_for("both items", lambda: {(CACHE, b"text"), (CACHE, b"object")} <= momento.items.keys(), 30)
    assert momento.items[CACHE, b"text"].value == b"hello"


def test_a_key_without_the_documented_tag_fails_the_deployment(organization: Organization, momento: MomentoStandIn):
    key = organization.kms.create_key(Policy=json.dumps(KEY_POLICY))["KeyMetadata"]["Arn"]
    given = {"EventBridgeBus": BUS, "MomentoApiKey": API_KEY, "MomentoEndpoint": momento.url, "KmsKeyArn": key}
    with pytest.raises(DeploymentFailed, match="lacks the tag EventBridgeApiDestinations=true"):
        organization.aws.deploy("untagged", ROOT / "api-destinations.yaml", given)
    organization.aws.delete("untagged")


def test_without_the_statement_for_deliveries_no_string_reaches_the_queue(
    organization: Organization, momento: MomentoStandIn
):
    organization.allow()
    try:
        organization.put("lost", "hello")
    finally:
        organization.allow(DELIVERY, CONNECTION)
    organization.put("next", "hello")
    wait_for("the next item", lambda: (CACHE, b"next") in momento.items, 30)
    assert (CACHE, b"lost") not in momento.items
