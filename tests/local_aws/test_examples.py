"""The examples, next to both stacks in the local AWS: from a Momento topic over the bus and back to Momento."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.local_aws.stacks import DeploymentFailed
from tools.momento.stand_in import MomentoStandIn
from tools.momento.webhook import now, post_signed
from tools.paths import ARCHITECTURE, ROOT
from tools.templates.reader import read_template
from tools.testing.inventory import resources
from tools.waiting import wait_for

ASYNC_PROCESSING = ROOT / "examples" / "async-processing" / "template.yaml"
TOKEN_IDENTITY = ROOT / "examples" / "token-identity" / "template.yaml"
BUS = "examples"
CACHE, TOPIC_1, TOPIC_2 = "my cache", "topic/1", "topic/2"
SECRET = "whsec-examples"


@dataclass
class BothWays:
    momento: MomentoStandIn
    watch: BusWatch
    url: str
    posted: int = 0

    def post(self, body: dict) -> None:
        """A webhook that the stand-in knows nothing of."""
        self.posted += 1
        assert post_signed(self.url, SECRET, json.dumps(body).encode()).status == 200

    def say(self, text: str, token_id: str = "") -> None:
        """A publisher's message on Topic 1, which has a webhook; so has Topic 2."""
        self.momento.publish(CACHE, TOPIC_1, text.encode(), token_id)

    def settle(self) -> None:
        """Waits until each message of Topic 1, and one more, has gone all the way to Topic 2 and its webhook."""
        self.say("settled")
        self.momento.wait_for_messages(CACHE, TOPIC_2, len(self.momento.messages[CACHE, TOPIC_1]) + self.posted)
        sent = sum(len(messages) for messages in self.momento.messages.values())
        wait_for("the webhooks' answers", lambda: len(self.momento.webhook_answers) >= sent)

    def begin_anew(self) -> None:
        self.settle()
        self.watch.take()
        self.posted = 0
        for kept in (self.momento.items, self.momento.messages, self.momento.requests, self.momento.webhook_answers):
            kept.clear()


@pytest.fixture(scope="module")
def both_ways(aws: LocalAws, make_bus: Callable[[str], BusWatch]) -> Iterator[BothWays]:
    watch = make_bus(BUS)
    with MomentoStandIn(api_key="momento-key", caches={CACHE}) as momento, ExitStack() as stack:

        def deploy(name: str, template: str, **parameters: str) -> dict[str, str]:
            outputs = aws.deploy(name, ROOT / template, {"EventBridgeBus": BUS, **parameters})
            stack.callback(aws.delete, name)
            return outputs

        key = {"MomentoApiKey": momento.api_key, "MomentoEndpoint": momento.url}
        topics = {"CacheName": CACHE, "SourceTopic": TOPIC_1, "TargetTopic": TOPIC_2}
        identity = {"CacheName": CACHE, "TopicName": TOPIC_1, "TtlSeconds": "60"}
        handler = deploy("examples", "template.yaml", MomentoSecretString=SECRET, Architecture=ARCHITECTURE)
        deploy("examples-back", "api-destinations.yaml", **key)
        deploy("examples-async", str(ASYNC_PROCESSING), **topics)
        deploy("examples-identity", str(TOKEN_IDENTITY), **identity)
        url = aws.function_url_local(handler["FunctionUrl"])
        for topic in (TOPIC_1, TOPIC_2):
            momento.add_webhook(CACHE, topic, url, SECRET)
        yield BothWays(momento, watch, url)


@pytest.fixture(autouse=True)
def each_test_begins_anew(request: pytest.FixtureRequest) -> None:
    if "both_ways" in request.fixturenames:
        request.getfixturevalue("both_ways").begin_anew()


@pytest.mark.parametrize("text", ["hello", '"quoted"', '{"a":"b c"}', "line\nbreak", "straße, ключ 🚀", "1.5"])
def test_a_message_on_topic_1_arrives_on_topic_2_in_upper_case_and_as_the_text_itself(
    both_ways: BothWays, text: str
) -> None:
    both_ways.say(text)
    assert both_ways.momento.wait_for_messages(CACHE, TOPIC_2) == [text.upper().encode()]
    (request,) = [request for request in both_ways.momento.requests if request.method == "POST"]
    assert (request.target, request.content_type) == ("/topics/my%20cache/topic%2F2", "text/plain")


@pytest.mark.parametrize("text", ['","key":"victim","x":"', '"}', "<key>", "\u0000"])
def test_a_message_sets_no_other_item_than_that_of_its_publisher(both_ways: BothWays, text: str) -> None:
    both_ways.say(text, "somebody")
    assert both_ways.momento.wait_for_item(CACHE, "somebody").value == text.encode()
    both_ways.settle()
    assert list(both_ways.momento.items) == [(CACHE, b"somebody")]


@pytest.mark.parametrize("token_id", ["user-1", "user/1 & ü+%"])
def test_a_message_with_a_token_id_sets_that_users_item(both_ways: BothWays, token_id: str) -> None:
    both_ways.say("my profile", token_id)
    item = both_ways.momento.wait_for_item(CACHE, token_id)
    assert (item.value, item.ttl_seconds) == (b"my profile", 60)
    assert list(both_ways.momento.items) == [(CACHE, token_id.encode())]


def test_a_message_without_a_token_id_sets_nothing(both_ways: BothWays) -> None:
    body = {"cache": CACHE, "topic": TOPIC_1, "publish_timestamp": now(), "text": "anonymous"}
    both_ways.post(body)
    both_ways.post({**body, "token_id": ""})
    both_ways.say("and a last one", "somebody")
    both_ways.momento.wait_for_item(CACHE, "somebody")
    both_ways.settle()
    assert list(both_ways.momento.items) == [(CACHE, b"somebody")]


def test_a_forged_token_id_sets_nothing(both_ways: BothWays) -> None:
    body = {"cache": CACHE, "topic": TOPIC_1, "publish_timestamp": now(), "token_id": "victim", "text": "forged"}
    assert post_signed(both_ways.url, "not the secret", json.dumps(body).encode()).status == 403
    both_ways.settle()
    assert both_ways.momento.items == {}


def test_nothing_runs_in_a_circle(both_ways: BothWays) -> None:
    """Both topics have a webhook to the handler, and both examples answer to Topic 1."""
    both_ways.say("round and round", "somebody")
    both_ways.momento.wait_for_item(CACHE, "somebody")
    both_ways.momento.wait_for_messages(CACHE, TOPIC_2)
    both_ways.settle()
    both_ways.settle()
    messages = both_ways.momento.messages
    assert messages[CACHE, TOPIC_1] == [b"round and round", b"settled", b"settled"]
    assert sorted(messages[CACHE, TOPIC_2]) == [b"ROUND AND ROUND", b"SETTLED", b"SETTLED"]
    sent = sorted((request.method, request.status) for request in both_ways.momento.requests)
    assert sent == [("POST", 204), ("POST", 204), ("POST", 204), ("PUT", 204)]
    events = sorted(event["detail-type"] for event in both_ways.watch.take())
    assert events == [f"{CACHE}#{TOPIC_1}"] * 3 + [f"{CACHE}#{TOPIC_2}"] * 3
    assert {answer.status for answer in both_ways.momento.webhook_answers} <= {200, 202}


def test_one_topic_for_both_ends_is_refused_with_a_sentence(aws: LocalAws) -> None:
    parameters = {"CacheName": CACHE, "SourceTopic": "one", "TargetTopic": "one"}
    with pytest.raises(DeploymentFailed, match="Topic 1 and Topic 2 must differ"):
        aws.deploy("one-topic", ASYNC_PROCESSING, parameters)


@pytest.mark.parametrize("path", [ASYNC_PROCESSING, TOKEN_IDENTITY], ids=lambda path: path.parent.name)
def test_an_example_keeps_what_fails_where_only_its_own_rule_writes_and_may_do_no_more_than_it_needs(path) -> None:
    resources = read_template(path.read_text())["Resources"]
    queue = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    rules = {name: resource for name, resource in resources.items() if resource["Type"] == "AWS::Events::Rule"}
    (rule,) = rules
    (target,) = rules[rule]["Properties"]["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": queue}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 3600}
    allow, tls = resources["DeadLetterQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}}
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert resources["DeadLetterQueue"]["Properties"]["SqsManagedSseEnabled"] is True
    assert resources["Function"]["Properties"]["DeadLetterConfig"] == {"TargetArn": queue}
    (policy,) = resources["FunctionRole"]["Properties"]["Policies"]
    allowed = {str(statement["Action"]): statement["Resource"] for statement in policy["PolicyDocument"]["Statement"]}
    assert allowed.keys() == {"events:PutEvents", "sqs:SendMessage", "['logs:CreateLogStream', 'logs:PutLogEvents']"}
    assert allowed["events:PutEvents"]["Fn::If"][:2] == ["IsBusArn", {"Ref": "EventBridgeBus"}]
    assert allowed["sqs:SendMessage"] == queue


@pytest.mark.parametrize("path", [ASYNC_PROCESSING, TOKEN_IDENTITY], ids=lambda path: path.parent.name)
def test_an_example_leaves_calling_momento_to_the_stack_of_api_destinations(path) -> None:
    template = read_template(path.read_text())
    assert not {"MomentoApiKey", "MomentoEndpoint"} & template["Parameters"].keys()
    assert "Mappings" not in template
    assert "AWS::SecretsManager::Secret" not in {resource["Type"] for resource in template["Resources"].values()}


def test_the_event_log_of_a_custom_event_bus_deploys_except_for_its_subscriber_which_the_local_aws_lacks(
    aws: LocalAws, tmp_path: Path
) -> None:
    template = read_template((ROOT / "examples" / "custom-event-bus" / "template.yaml").read_text())
    del template["Resources"]["Subscriber"]
    (tmp_path / "template.json").write_text(json.dumps(template, default=str))
    bus = "arn:aws:events:us-east-1:000000000000:event-busv2/orders/abcdefghijklmnopqrstuvwxy"
    outputs = aws.deploy("event-log", tmp_path / "template.json", {"EventBusArn": bus})
    try:
        role = resources(aws, "event-log")["DeliveryRole"]
        with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
            aws.as_role(role)
        anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
        aws.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=trust)
        delivery = aws.as_role(role)("sqs")
        for queue in (outputs["QueueUrl"], outputs["DeadLetterQueueUrl"]):
            delivery.send_message(QueueUrl=queue, MessageBody="{}")
            with pytest.raises(ClientError, match="AccessDenied"):
                delivery.receive_message(QueueUrl=queue)
    finally:
        aws.delete("event-log")
