"""The two endpoints of template.yaml: a function URL, or an HTTP API with or without a domain name of its own."""

from __future__ import annotations

import json
import re

import pytest

from tools.templates.resolver import PARAMETERS, PSEUDO, RESOURCES, TEMPLATE, Resolver, of_type
from tools.templates.variants import DOMAIN

SECRET = {"MomentoSecretString": "whsec"}
ACCOUNT = PSEUDO["AWS::AccountId"]
HTTP_API = {**SECRET, "Endpoint": "HttpApi"}
ONLY_URL = {"WebhookUrl", "WebhookUrlPermission", "WebhookInvokePermission", "ServerErrorAlarm"}
ONLY_API = {name for name in RESOURCES if name.startswith("HttpApi")}
ONLY_DOMAIN = {"HttpApiDomain", "HttpApiMapping"}


def made(**given: str) -> set[str]:
    resolver = Resolver(**given)
    return {name for name in RESOURCES if resolver.exists(name)}


def test_an_endpoint_changes_what_belongs_to_it_and_nothing_else():
    rest = RESOURCES.keys() - ONLY_URL - ONLY_API
    url, api = made(**SECRET), made(**HTTP_API)
    assert url & rest == api & rest
    assert url - rest == ONLY_URL
    assert api - rest == ONLY_API - ONLY_DOMAIN
    assert made(**HTTP_API, **DOMAIN) - rest == ONLY_API


def test_the_function_url_is_the_default():
    assert PARAMETERS["Endpoint"]["Default"] == "FunctionUrl"
    assert made(**SECRET) == made(**SECRET, Endpoint="FunctionUrl")


def test_with_an_http_api_only_that_api_may_invoke_the_function():
    resolver = Resolver(**HTTP_API)
    permissions = [resolver.properties(name) for name in of_type("AWS::Lambda::Permission") if resolver.exists(name)]
    assert permissions == [
        {
            "FunctionName": "<WebhookFunction.Arn>",
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": f"arn:aws:execute-api:eu-west-1:{ACCOUNT}:<HttpApi>/*/POST/",
        }
    ]


def test_the_api_has_one_post_route_to_the_function_in_payload_format_two():
    resolver = Resolver(**HTTP_API)
    assert resolver.properties("HttpApi")["ProtocolType"] == "HTTP"
    integration = resolver.properties("HttpApiIntegration")
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert integration["IntegrationUri"] == "<WebhookFunction.Arn>"
    [route] = of_type("AWS::ApiGatewayV2::Route")
    assert resolver.properties(route)["RouteKey"] == "POST /"
    assert resolver.properties(route)["Target"] == "integrations/<HttpApiIntegration>"
    assert resolver.properties("HttpApiStage")["StageName"] == "$default"


def test_the_api_waits_for_an_answer_longer_than_the_function_takes():
    # 30 s where the integration names no timeout.
    assert RESOURCES["WebhookFunction"]["Properties"]["Timeout"] < 30
    assert "TimeoutInMillis" not in RESOURCES["HttpApiIntegration"]["Properties"]


def test_the_limits_of_the_api_are_always_set_so_that_an_update_can_take_them_back():
    unlimited = Resolver(**HTTP_API).properties("HttpApiStage")["DefaultRouteSettings"]
    assert unlimited == {"ThrottlingRateLimit": 10000, "ThrottlingBurstLimit": 5000}
    throttled = Resolver(**HTTP_API, ThrottlingRateLimit=50, ThrottlingBurstLimit=100).properties("HttpApiStage")
    assert throttled["DefaultRouteSettings"] == {"ThrottlingRateLimit": "50", "ThrottlingBurstLimit": "100"}


def test_the_access_log_is_one_json_record_with_both_request_ids_and_no_payload():
    settings = Resolver(**HTTP_API).properties("HttpApiStage")["AccessLogSettings"]
    assert settings["DestinationArn"] == f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:<HttpApiLogs>"
    assert len(settings["Format"]) < 3 * 1024
    record = json.loads(settings["Format"])
    assert record["requestId"] == "$context.requestId"
    assert record["integrationRequestId"] == "$context.integration.requestId"
    assert all(re.fullmatch(r"\$context(\.\w+)+", value) for value in record.values())
    logs = Resolver(**HTTP_API, LogDays=7).properties("HttpApiLogs")
    assert logs["RetentionInDays"] == "7"
    assert logs["LogGroupName"].startswith("/aws/vendedlogs/")


def test_a_domain_name_gets_its_certificate_and_a_mapping_to_the_stage():
    resolver = Resolver(**HTTP_API, **DOMAIN)
    domain = resolver.properties("HttpApiDomain")
    assert domain["DomainName"] == DOMAIN["DomainName"]
    assert domain["DomainNameConfigurations"] == [
        {"CertificateArn": DOMAIN["CertificateArn"], "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    ]
    mapping = resolver.properties("HttpApiMapping")
    assert mapping == {"ApiId": "<HttpApi>", "DomainName": "<HttpApiDomain>", "Stage": "<HttpApiStage>"}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (SECRET, "<WebhookUrl.FunctionUrl>"),
        (HTTP_API, "<HttpApi.ApiEndpoint>/"),
        ({**HTTP_API, **DOMAIN}, "https://hooks.example.com/"),
    ],
)
def test_the_output_function_url_is_the_webhooks_destination_for_each_endpoint(given: dict[str, str], url: str):
    assert Resolver(**given).resolve(TEMPLATE["Outputs"]["FunctionUrl"]["Value"]) == url


HALF = "custom domain name needs both"
THROTTLING = "both ThrottlingRateLimit and ThrottlingBurstLimit"


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({}, None),
        ({"Endpoint": "HttpApi", **DOMAIN}, None),
        ({"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}, None),
        (DOMAIN, HALF),
        ({"Endpoint": "HttpApi", "DomainName": DOMAIN["DomainName"]}, HALF),
        ({"Endpoint": "HttpApi", "CertificateArn": DOMAIN["CertificateArn"]}, HALF),
        ({"ThrottlingRateLimit": 1}, THROTTLING),
        ({"ThrottlingBurstLimit": 1}, THROTTLING),
    ],
)
def test_half_of_a_domain_or_of_a_limit_is_refused(given: dict, refusal: str | None):
    refusals = Resolver(**SECRET, **given).refusals()
    assert [refusal in sentence for sentence in refusals] == ([True] if refusal else [])
