"""Steps 2 to 5 of the demo; scripts/demo does the first one and then starts this."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

from tools.commands.console import can_print, run_demo, step
from tools.local_aws.bus_watch import BusWatch
from tools.local_aws.server import LocalAws
from tools.momento.webhook import captured_body, post_signed
from tools.paths import ARCHITECTURE, ROOT

SECRET = "whsec-local"
STACK = "momento-eventbridge"
COLUMN = 14


def picture(event: dict, body: bytes, url: str, answered_ms: float, arrived_ms: float) -> str:
    """The path of the event, from top to bottom."""
    detail = json.dumps(event["detail"], indent=2, ensure_ascii=False).splitlines()
    rows = [
        ("source", event["source"]),
        ("detail-type", event["detail-type"]),
        ("id", event["id"]),
        ("time", event["time"]),
        ("detail", detail[0]),
        *[("", line) for line in detail[1:]],
    ]
    line, arrow = "│▼" if can_print("│▼") else "|v"
    lines = [
        "",
        f"  Momento     POST {url}",
        f"     {line}        {len(body)} bytes, signed with HMAC-SHA3-256",
        f"     {arrow}",
        f"  webhook     answered 200 Success after {answered_ms:.0f} ms, the cold start included",
        f"     {line}",
        f"     {arrow}",
        f"  event bus   the event was on it after {arrived_ms:.0f} ms:",
        "",
        *[f"     {name:<{COLUMN}}{value}" for name, value in rows],
        "",
    ]
    return "\n".join(lines)


def function_log(aws: LocalAws, group: str) -> str:
    events = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    return "".join(f"\n  {event['message'].rstrip()}" for event in events[-10:])


def run() -> None:
    with ExitStack() as stack:
        with step("2/5 Start the local AWS", "Run make demo again; if it fails again, the log says why."):
            aws = stack.enter_context(LocalAws())
        log = f"The local AWS's log is {aws.log.relative_to(ROOT)}."

        with step("3/5 Deploy template.yaml by CloudFormation", f"Correct it, then run make demo again. {log}"):
            parameters = {"MomentoSecretString": SECRET, "Architecture": ARCHITECTURE}
            outputs = aws.deploy(STACK, ROOT / "template.yaml", parameters)
            url = outputs["FunctionUrl"]
            watch = BusWatch(aws)

        with step("4/5 Post a signed webhook to the Function URL", f"The function's log says why. {log}"):
            body = captured_body()
            began = time.monotonic()
            answer = post_signed(aws.function_url_local(url), SECRET, body)
            answered_ms = (time.monotonic() - began) * 1000
            if (answer.status, answer.message) != (200, "Success"):
                said = function_log(aws, outputs["WebhookLogGroup"])
                raise RuntimeError(
                    f"The webhook answered {answer.status} {answer.body.decode(errors='replace')}.{said}"
                )

        with step("5/5 Wait for the event on the bus", f"The handler answered 200, so look at the rule first. {log}"):
            (event,) = watch.wait(1)
            arrived_ms = (time.monotonic() - began) * 1000
            if (event["source"], event["detail-type"]) != ("Momento", "serverless#test"):
                raise RuntimeError(f"The event is not the one that was posted: {json.dumps(event)}")
            if json.dumps(event["detail"], separators=(",", ":"), ensure_ascii=False).encode() != body:
                raise RuntimeError(f"The detail is not the body that was posted: {json.dumps(event['detail'])}")

        print(picture(event, body, url, answered_ms, arrived_ms))
        print("  The detail is the posted body, byte for byte. Everything is removed again.")


if __name__ == "__main__":
    run_demo(run)
