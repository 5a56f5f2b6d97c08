"""Each alarm of the templates has a drill, which raises it, and whose queries find what the alarm is about."""

from __future__ import annotations

import pytest

from tools.commands.drill import alert, scene_of
from tools.drills.causes import BACK, DRILLS
from tools.local_aws.event_bridge_gate import EventBridgeGate
from tools.local_aws.server import LocalAws
from tools.paths import ROOT
from tools.templates.reader import read_template

# How many rows each query of an alarm has, if it is not one.
ROWS = {
    "BothFailedAlarm": [3],
    "DeadLetterAlarm": [3],
    "NoEventAlarm": [0],
    "ServerErrorAlarm": [0, 3],
    "HttpApiServerErrorAlarm": [0, 3],
    "WaitingAlarm": [2],
}


def alarms(template: str) -> set[str]:
    resources = read_template((ROOT / template).read_text())["Resources"]
    return {name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}


def test_each_alarm_of_the_templates_has_a_drill_with_a_section_in_the_runbook():
    from_momento, to_momento = alarms("template.yaml"), alarms("api-destinations.yaml")
    assert DRILLS.keys() == from_momento | {name + BACK for name in to_momento}
    page = (ROOT / "docs" / "runbook.md").read_text()
    for name in DRILLS:
        assert f"\n## {name.replace(BACK, ', to Momento')}\n" in page


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_raises_its_alarm_and_the_queries_that_it_names_answer(aws: LocalAws, gate: EventBridgeGate, name: str):
    drill = DRILLS[name]
    with scene_of(drill, aws, gate, f"drill-{name.lower()[:40]}") as scene:
        assert not alert(drill, scene).is_alarm or name == "NoEventAlarm"
        drill.cause(scene)
        found = alert(drill, scene)
        assert found.is_alarm, found.values
        assert f"docs/runbook.md#{name.lower()}" in found.mail()
        rows = [len(rows) for rows in found.answers.values()]
        assert rows == ROWS.get(name, [1] * len(rows)), found.queries()
