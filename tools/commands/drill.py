"""Causes an alarm in the local AWS, and shows what its recipient gets: the text, and the answers of its saved queries.

The local AWS does not evaluate alarms as CloudWatch does. tools/templates/cloudwatch.py does, over the metrics that the
functions wrote to their logs, the state of the queues, and the responses that the drill got. The saved queries run as
SQL (tools/drills/insights.py).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tools.commands.console import run_demo, step
from tools.drills.causes import DRILLS, Drill
from tools.drills.insights import answer
from tools.drills.scene import CACHE, SECRET, Scene
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.momento.stand_in import MomentoStandIn
from tools.paths import ARCHITECTURE, ROOT
from tools.templates.cloudwatch import alarm_state, datapoints
from tools.templates.reader import read_template

SHOWN_ROWS = 20
HOW = """\
The local AWS evaluates no alarm and runs no saved query. The drill applied the alarm's condition to the metrics that
the functions logged, to the queues, and to the responses that it got, and ran the queries as SQL over the same logs."""
API_KEY = "momento-key"
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to the threshold",
    "LessThanThreshold": "less than the threshold",
}


@dataclass
class Alert:
    alarm: dict
    is_alarm: bool
    values: list[float]
    # Of the saved queries that the alarm names.
    answers: dict[str, list[dict]]

    def mail(self) -> str:
        threshold = f"{COMPARISONS[self.alarm['ComparisonOperator']]} ({float(self.alarm['Threshold'])})"
        missing = "no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]"
        crossed = f"1 datapoint {self.values} was {threshold}" if self.values else missing
        rows = {
            "Name": self.alarm["AlarmName"],
            "Description": self.alarm["AlarmDescription"],
            "State Change": "OK -> ALARM",
            "Reason for State Change": f"Threshold Crossed: {crossed}.",
        }
        lines = [f'Subject: ALARM: "{self.alarm["AlarmName"]}" in US East (N. Virginia)', "", "Alarm Details:"]
        return "\n".join(lines + [f"- {name + ':':25}{text}" for name, text in rows.items()])

    def queries(self) -> str:
        return "\n".join(
            f'Query "{title}": {len(rows)} rows\n' + "".join(shown(row) for row in rows[:SHOWN_ROWS])
            for title, rows in self.answers.items()
        )


def shown(row: dict) -> str:
    present = {name: value for name, value in row.items() if value is not None}
    width = max(map(len, present)) + 2
    return "\n".join(f"  {name:{width}}{value}" for name, value in present.items()) + "\n\n"


@contextmanager
def scene_of(drill: Drill, aws: LocalAws, gate: EventBridgeGate, name: str) -> Iterator[Scene]:
    """The drill's stack, on a bus of its own, until the drill ends."""
    events = aws.client("events")
    with ExitStack() as cleanup:
        momento = cleanup.enter_context(MomentoStandIn(API_KEY, caches={CACHE}))
        events.create_event_bus(Name=name)
        cleanup.callback(events.delete_event_bus, Name=name)
        if drill.template == "template.yaml":
            given = {"MomentoSecretString": SECRET, "Architecture": ARCHITECTURE}
        else:
            given = {"MomentoApiKey": API_KEY, "MomentoEndpoint": momento.url}
        outputs = aws.deploy(name, ROOT / drill.template, {"EventBridgeBus": name, **given, **drill.parameters})
        cleanup.callback(aws.delete, name)
        yield Scene(aws, gate, momento, name, outputs)


def alert(drill: Drill, scene: Scene) -> Alert:
    """What CloudWatch makes of what the drill caused, at the end of the periods that the alarm looks at."""
    names = [scene.resources[drill.alarm]]
    [alarm] = scene.aws.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    seconds = alarm["Period"] * alarm["EvaluationPeriods"]
    samples = scene.samples(alarm)
    metric = (alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"][0]["Value"])
    points = datapoints(samples, metric, alarm["Statistic"], alarm["Period"], seconds)
    saved = {
        resource["Properties"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}/"): resource["Properties"]
        for resource in read_template((ROOT / drill.template).read_text())["Resources"].values()
        if resource["Type"] == "AWS::Logs::QueryDefinition"
    }
    answers = {}
    for title in re.findall(r'[Qq]uery "(.+?)"', alarm["AlarmDescription"]):
        groups = [scene.resources[name["Ref"]] for name in saved[title]["LogGroupNames"]]
        answers[title] = answer(saved[title]["QueryString"], scene.lines(groups))
    return Alert(alarm, alarm_state(alarm, samples, seconds).is_alarm, list(points.values()), answers)


def run(name: str) -> None:
    drill = DRILLS[name]
    with ExitStack() as cleanup:
        gate = EventBridgeGate()
        cleanup.callback(gate.close)
        with step("1/3 Start the local AWS", "Run make drill again; if it fails again, the log says why."):
            aws = cleanup.enter_context(LocalAws(environment={"AWS_ENDPOINT_URL_EVENTBRIDGE": gate.url}))
            gate.target = aws.endpoint
        log = f"The local AWS's log is {aws.log.relative_to(ROOT)}."
        with step(f"2/3 Deploy {drill.template}", log):
            scene = cleanup.enter_context(scene_of(drill, aws, gate, "momento-eventbridge"))
        with step(f"3/3 Cause {drill.alarm}", log):
            drill.cause(scene)
            found = alert(drill, scene)
            if not found.is_alarm:
                raise RuntimeError(f"The alarm was not raised. Its metric had the values {found.values}.")
        print(f"\n{HOW}\n\n{found.mail()}\n\n{found.queries()}")
        print(f"Find the cause, the repair, and the number of lost events: docs/runbook.md#{name.lower()}")
        print(f"\nThe solution: {drill.what}\n")


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in DRILLS:
        run_demo(lambda: run(name))
        return
    print("Name one of these alarms: make drill ALARM=…", *DRILLS, sep="\n  ")
    sys.exit(bool(name))


if __name__ == "__main__":
    main()
