"""A publisher invokes the Momento Function: the event is on the bus and the message on the topic. Then once more while
the bus fails, and with a wrong secret."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, closing

from tools.commands.console import run_demo, step
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.function_host import MomentoFunction
from tools.momento.webhook import post
from tools.paths import ARCHITECTURE, ROOT

WASM = ROOT / "build" / "momento_function.wasm"
CACHE, TOPIC, TEXT = "serverless", "greetings", "Hello, bus!"
KEY, TOKEN_ID = "key-that-may-invoke", "the-publisher"
SECRET = "any-random-string"


class Publisher:
    def __init__(self, function: MomentoFunction):
        self.function = function

    def publish(self, status: int, published: bool) -> str:
        """Invokes the Function as a publisher does, and returns what it was told."""
        before, began = len(self.function.messages), time.monotonic()
        answer = post(f"{self.function.url}?topic={TOPIC}", TEXT.encode(), [("Authorization", KEY)])
        said = f"{answer.status} {answer.message}"
        if answer.status != status:
            raise RuntimeError(f"The Function responded with {said}")
        new = self.function.messages[before:]
        if new != [(TOPIC, TEXT)] * published:
            raise RuntimeError(f"These messages are new on the topic: {new}.")
        return f"{(time.monotonic() - began) * 1000:4.0f} ms   {said}"


def run() -> None:
    with ExitStack() as stack:
        with step("1/5 Start the local AWS", "Run make demo-function again; if it fails again, the log says why."):
            gate = stack.enter_context(closing(EventBridgeGate()))
            aws = stack.enter_context(LocalAws(environment={"AWS_ENDPOINT_URL_EVENTBRIDGE": gate.url}))
            gate.target = aws.endpoint
        log = f"The local AWS's log is {aws.log.relative_to(ROOT)}."

        with step(
            "2/5 Deploy template.yaml and the Function", f"Correct them, then run make demo-function again. {log}"
        ):
            parameters = {"MomentoSecretString": SECRET, "Architecture": ARCHITECTURE}
            outputs = aws.deploy("momento-eventbridge", ROOT / "template.yaml", parameters)
            watch = BusWatch(aws)
            variables = {"WEBHOOK_URL": aws.function_url_local(outputs["FunctionUrl"]), "SIGNING_SECRET": SECRET}
            function = stack.enter_context(MomentoFunction(WASM, CACHE, variables))
            function.tokens[KEY] = TOKEN_ID
            publisher = Publisher(function)

        with step("3/5 Invoke the Function", f"The message says why. {log}"):
            delivered = publisher.publish(200, published=True)
            [event] = watch.wait(1)
            if json.dumps(event["detail"], separators=(",", ":")).encode() != function.invocations[-1].sent[0][1]:
                raise RuntimeError(f"The detail is not what the Function signed: {json.dumps(event['detail'])}")

        with step("4/5 Invoke it while EventBridge fails", f"The message says why. {log}"), gate.refusing():
            queued = publisher.publish(202, published=True)

        with step("5/5 Invoke it with a wrong secret", f"The message says why. {log}"):
            function.variables = {**variables, "SIGNING_SECRET": "wrong"}
            refused = publisher.publish(502, published=False)

    print()
    print(f"  publisher   POST …/functions/{CACHE}/{function.name}?topic={TOPIC}   {TEXT}")
    print(f"  response    {delivered}   (with a cold start)")
    print(f"  topic       {TEXT}")
    print(f"  event bus   {event['detail-type']}   {json.dumps(event['detail'])}")
    print()
    print(f"  EventBridge fails   {queued}")
    print("                                  Published. The event is in the retry queue.")
    print(f"  wrong secret        {refused}")
    print("                                  Nothing is published.")
    print()
    print("  The Function ran as WebAssembly in a stand-in for Momento's host. Everything is removed again.")


if __name__ == "__main__":
    run_demo(run)
