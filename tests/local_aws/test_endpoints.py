"""Both endpoints of template.yaml in the local AWS: what each lets in, and what the gateway itself answers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator

import pytest

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post, post_signed, sign
from tools.paths import ARCHITECTURE, ROOT
from tools.waiting import wait_for

TEMPLATE = ROOT / "template.yaml"
SECRET = "whsec-of-the-endpoints"
ENDPOINTS = ("FunctionUrl", "HttpApi")
DOMAIN = "hooks.example.com"
CERTIFICATE = "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"


@pytest.fixture(scope="module")
def bus(make_bus: Callable[[str], BusWatch]) -> BusWatch:
    return make_bus("endpoints")


@pytest.fixture(scope="module")
def stacks(aws: LocalAws, bus: BusWatch) -> Iterator[dict[str, dict[str, str]]]:
    """The outputs of one stack for each endpoint, side by side."""
    given = {"MomentoSecretString": SECRET, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    yield {each: aws.deploy(f"endpoint-{each}", TEMPLATE, {**given, "Endpoint": each}) for each in ENDPOINTS}
    for each in ENDPOINTS:
        aws.delete(f"endpoint-{each}")


def function_policy(aws: LocalAws, outputs: dict[str, str]) -> list[dict]:
    policy = aws.client("lambda").get_policy(FunctionName=outputs["WebhookFunctionName"])["Policy"]
    return json.loads(policy)["Statement"]


def records(aws: LocalAws, outputs: dict[str, str]) -> list[str]:
    events = aws.client("logs").filter_log_events(logGroupName=outputs["WebhookLogGroup"])["events"]
    return [event["message"] for event in events]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_the_gateway_itself_answers_another_method(aws: LocalAws, stacks: dict[str, dict[str, str]], method: str):
    outputs = stacks["HttpApi"]
    before = records(aws, outputs)
    body = captured_body()
    answer = post(
        aws.function_url_local(outputs["FunctionUrl"]), body, [("momento-signature", sign(SECRET, body))], method
    )
    assert answer.status == 404
    if method != "HEAD":
        assert json.loads(answer.body) == {"message": "Not Found"}
    assert records(aws, outputs) == before


def test_the_gateway_itself_answers_another_path(aws: LocalAws, stacks: dict[str, dict[str, str]]):
    url = aws.function_url_local(stacks["HttpApi"]["FunctionUrl"])
    answer = post_signed(f"{url}webhook", SECRET, captured_body())
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "Not Found"})


def test_a_custom_domain_leads_to_the_api_and_the_stack_says_which_record_to_set(aws: LocalAws, bus: BusWatch):
    given = {"MomentoSecretString": SECRET, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    domain = {"Endpoint": "HttpApi", "DomainName": DOMAIN, "CertificateArn": CERTIFICATE}
    try:
        outputs = aws.deploy("endpoint-domain", TEMPLATE, {**given, **domain})
        assert outputs["FunctionUrl"] == f"https://{DOMAIN}/"
        made = aws.client("apigatewayv2").get_domain_name(DomainName=DOMAIN)["DomainNameConfigurations"][0]
        assert outputs["DomainNameTarget"] == made["ApiGatewayDomainName"]
        assert outputs["DomainNameHostedZoneId"] == made["HostedZoneId"]
        assert (made["CertificateArn"], made["SecurityPolicy"]) == (CERTIFICATE, "TLS_1_2")

        body = captured_body()
        connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=30)
        headers = {"Host": DOMAIN, "momento-signature": sign(SECRET, body), "Content-Type": "application/json"}
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"message": "Success"})
        assert len(bus.wait(1)) == 1
    finally:
        aws.delete("endpoint-domain")
    assert aws.client("apigatewayv2").get_domain_names()["Items"] == []


def test_an_update_changes_the_endpoint_and_takes_the_public_permissions_away(aws: LocalAws, bus: BusWatch):
    given = {"MomentoSecretString": SECRET, "EventBridgeBus": bus.bus, "Architecture": ARCHITECTURE}
    try:
        first = aws.deploy("endpoint-changed", TEMPLATE, given)
        second = aws.deploy("endpoint-changed", TEMPLATE, {**given, "Endpoint": "HttpApi"})
        assert second["WebhookFunctionName"] == first["WebhookFunctionName"]
        assert second["FunctionUrl"] != first["FunctionUrl"]
        assert all(statement["Principal"] != "*" for statement in function_policy(aws, second))
        url = aws.function_url_local(second["FunctionUrl"])
        assert post_signed(url, SECRET, captured_body()).status == 200
        assert len(bus.wait(1)) == 1
        wait_for(
            "the function URL to be gone",
            lambda: (
                post_signed(aws.function_url_local(first["FunctionUrl"]), SECRET, captured_body()).status in (403, 404)
            ),
        )
    finally:
        aws.delete("endpoint-changed")
