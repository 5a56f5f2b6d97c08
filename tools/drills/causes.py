"""What causes each alarm of the two templates. A drill has the name of its section in docs/runbook.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tools.drills.scene import CACHE, SECRET, Scene
from tools.waiting import wait_for

BACK = "-to-Momento"
OTHER_SECRET = "whsec-that-is-not-stored"


class Drill(NamedTuple):
    alarm: str
    cause: Callable[[Scene], None]
    parameters: dict[str, str]
    template: str

    @property
    def what(self) -> str:
        return self.cause.__doc__ or ""


DRILLS: dict[str, Drill] = {}


def causes(name: str, **parameters: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    def register(cause: Callable[[Scene], None]) -> Callable[[Scene], None]:
        template = "api-destinations.yaml" if name.endswith(BACK) else "template.yaml"
        DRILLS[name] = Drill(name.removesuffix(BACK), cause, parameters, template)
        return cause

    return register


@causes("DeadLetterAlarm")
def dead_letter(scene: Scene) -> None:
    """EventBridge refused all calls while three events arrived. The retry queue tried each once instead of 20 times."""
    scene.stack.end_retries()
    with scene.gate.refusing():
        scene.post(1, 2, 3)
        wait_for("three dead letters", lambda: scene.visible(scene.outputs["DeadLetterQueueUrl"]) == 3, 30)


@causes("BothFailedAlarm")
def both_failed(scene: Scene) -> None:
    """EventBridge refused all calls and SQS could not be reached while three events arrived."""
    scene.without_queue()
    with scene.gate.refusing():
        scene.post(1, 2, 3)


@causes("SecretUnavailableAlarm")
def secret_unavailable(scene: Scene) -> None:
    """The stored secret was half a JSON object while three events arrived. The last one had 17,000 bytes."""
    vault = scene.aws.client("secretsmanager")
    vault.put_secret_value(SecretId=scene.outputs["SecretId"], SecretString='{"momento":"' + SECRET)
    scene.post(1, 2)
    scene.post(3, text="x" * 17_000)


@causes("ForgedAlarm")
def forged(scene: Scene) -> None:
    """The secret was changed in Momento and not in AWS, and 20 events arrived."""
    scene.post(*range(1, 21), secret=OTHER_SECRET)


@causes("WrongSecretAlarm")
def wrong_secret(scene: Scene) -> None:
    """The secret was changed in Momento and not in AWS, and two events arrived."""
    scene.post(1, 2, secret=OTHER_SECRET)


@causes("EventRefusedAlarm")
def event_refused(scene: Scene) -> None:
    """Momento delivered event 2 two minutes late."""
    scene.post(1)
    scene.post(2, age_seconds=120)


@causes("ThrottleAlarm")
def throttled(scene: Scene) -> None:
    """The function had no concurrency left while two events arrived."""
    name = scene.outputs["WebhookFunctionName"]
    scene.aws.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    scene.post(1, 2)


@causes("FunctionErrorAlarm")
def function_error(scene: Scene) -> None:
    """An invalid MAX_EVENT_AGE_SECONDS was deployed, and an event arrived."""
    scene.configure(MAX_EVENT_AGE_SECONDS="a minute")
    scene.post(1)


@causes("ServerErrorAlarm")
def server_error(scene: Scene) -> None:
    """As for BothFailedAlarm."""
    both_failed(scene)


@causes("HttpApiServerErrorAlarm", Endpoint="HttpApi")
def server_error_of_the_api(scene: Scene) -> None:
    """As for BothFailedAlarm, behind an HTTP API."""
    both_failed(scene)


@causes("WaitingAlarm")
def waiting(scene: Scene) -> None:
    """EventBridge refuses all calls since two events arrived."""
    with scene.gate.refusing():
        scene.post(1, 2)
        wait_for("the first redrive attempts", lambda: len(scene.stack.log("RedriveLogGroup", "messageId")) == 2, 30)


@causes("NoEventAlarm", NoEventMinutes="1")
def no_event(_: Scene) -> None:
    """Nothing was published."""


@causes(f"DeadLetterAlarm{BACK}")
def invalid_event(scene: Scene) -> None:
    """An application put an event without a key on the bus."""
    scene.put({"cacheName": CACHE, "message": "paid", "ttl": 60})
    scene.wait_for_letter(scene.outputs["DeadLetterQueueUrl"])


@causes(f"TextDeadLetterAlarm{BACK}")
def refused_string(scene: Scene) -> None:
    """Momento refused a string, because the API key may not write to the cache."""
    scene.momento.fault = lambda _method, _target: 403
    scene.put({"cacheName": CACHE, "key": "order-1", "message": "paid", "ttl": 60})
    scene.wait_for_letter(scene.outputs["TextDeadLetterQueueUrl"])


@causes(f"TextWaitingAlarm{BACK}")
def waiting_string(scene: Scene) -> None:
    """Someone disabled the function's event source mapping, and an application put a string on the bus."""
    functions, queue = scene.aws.client("lambda"), scene.outputs["TextQueueArn"]
    [mapping] = functions.list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    scene.put({"cacheName": CACHE, "key": "order-1", "message": "paid", "ttl": 60})
    wait_for("the string to be queued", lambda: scene.waits(queue.split(":")[-1]))
