"""The example of Momento's guide, through api-destinations.yaml: put on the bus, set as an item, read back."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

from tools.commands.console import run_demo, step
from tools.local_aws.server import LocalAws
from tools.momento.stand_in import MomentoStandIn
from tools.paths import ROOT

API_KEY = "momento-key"
STACK = "momento-api-destinations"
DETAIL = {"cacheName": "my-cache", "key": "test-key", "message": "hello world!", "ttl": 300}
PROMISED = b"hello world!"


def run() -> None:
    with ExitStack() as stack:
        with step("1/4 Start the local AWS and a stand-in for Momento", "Run make demo-back again; the log says why."):
            aws = stack.enter_context(LocalAws())
            momento = stack.enter_context(MomentoStandIn(API_KEY, caches={DETAIL["cacheName"]}))
        log = f"The local AWS's log is {aws.log.relative_to(ROOT)}."

        with step(
            "2/4 Deploy api-destinations.yaml by CloudFormation", f"Correct it and run make demo-back again. {log}"
        ):
            aws.deploy(
                STACK, ROOT / "api-destinations.yaml", {"MomentoApiKey": API_KEY, "MomentoEndpoint": momento.url}
            )

        with step("3/4 Put the event of Momento's guide on the bus", f"EventBridge's response says why. {log}"):
            entry = {"Source": "demo", "DetailType": "cacheSet", "Detail": json.dumps(DETAIL)}
            began = time.monotonic()
            answer = aws.client("events").put_events(Entries=[entry])
            if answer["FailedEntryCount"]:
                raise RuntimeError(f"EventBridge did not accept the event: {answer['Entries'][0]}")

        with step("4/4 Read the item back", f"Look at the rules and at the function first. {log}"):
            item = momento.wait_for_item(DETAIL["cacheName"], DETAIL["key"])
            arrived_ms = (time.monotonic() - began) * 1000
            if item.value != PROMISED:
                raise RuntimeError(f"The value is {item.value!r}, and Momento's guide promises {PROMISED!r}.")

    print()
    print(f"  event    source demo, detail-type cacheSet, detail {json.dumps(DETAIL)}")
    print(f"  item     {DETAIL['key']} of {DETAIL['cacheName']}, for {item.ttl_seconds} s, after {arrived_ms:.0f} ms")
    print(f"  value    {item.value.decode()}")
    print()
    print("  As Momento's guide promises: the text itself, without JSON quotes. Everything is removed again.")


if __name__ == "__main__":
    run_demo(run)
