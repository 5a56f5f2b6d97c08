"""The template's alarms over samples: what sets each of them off, and what does not."""

from __future__ import annotations

import pytest
from cloudwatch import AlarmState, Sample, alarm_state, datapoints
from template_reader import Resolver, of_type

RESOLVER = Resolver(MomentoSecretString="x", NoEventMinutes=3, ForgedThreshold=4)
HOUR = 3600
THRESHOLDS = [name for name in of_type("AWS::CloudWatch::Alarm") if name != "NoEventAlarm"]


def samples(alarm: dict, values: dict[int, float]) -> list[Sample]:
    [dimension] = alarm["Dimensions"]
    return [
        Sample(alarm["Namespace"], alarm["MetricName"], dimension["Value"], at, value) for at, value in values.items()
    ]


@pytest.mark.parametrize("name", THRESHOLDS)
def test_an_alarm_goes_off_at_its_threshold_and_not_below_and_ends_with_what_set_it_off(name: str):
    alarm = RESOLVER.properties(name)
    threshold = float(alarm["Threshold"])
    last = HOUR - 1
    assert alarm_state(alarm, samples(alarm, {last: threshold}), HOUR) == AlarmState(True, 1)
    assert alarm_state(alarm, samples(alarm, {last: threshold - 1}), HOUR) == AlarmState(False, 0)
    assert alarm_state(alarm, samples(alarm, {0: threshold}), HOUR) == AlarmState(False, 1)
    assert alarm_state(alarm, [], HOUR) == AlarmState(False, 0)


@pytest.mark.parametrize("name", [name for name in THRESHOLDS if RESOLVER.properties(name)["Statistic"] == "Sum"])
def test_what_is_counted_adds_up_over_the_period_and_not_beyond_it(name: str):
    alarm = RESOLVER.properties(name)
    threshold, period = int(alarm["Threshold"]), alarm["Period"]
    within = {HOUR - 1 - place: 1.0 for place in range(threshold)}
    assert alarm_state(alarm, samples(alarm, within), HOUR).is_alarm
    if threshold > 1:
        beyond = {HOUR - 1 - place * period: 1.0 for place in range(threshold)}
        assert alarm_state(alarm, samples(alarm, beyond), HOUR) == AlarmState(False, 0)


def test_silence_for_as_long_as_was_said_is_an_alarm_and_one_event_ends_it():
    alarm = RESOLVER.properties("NoEventAlarm")
    every_minute = dict.fromkeys(range(0, HOUR, 60), 1.0)
    assert alarm_state(alarm, samples(alarm, every_minute), HOUR) == AlarmState(False, 0)
    quiet_since = dict.fromkeys(range(0, HOUR - 180, 60), 1.0)
    assert alarm_state(alarm, samples(alarm, quiet_since), HOUR) == AlarmState(True, 1)
    assert not alarm_state(alarm, samples(alarm, {**quiet_since, HOUR - 1: 1.0}), HOUR).is_alarm


def test_a_data_point_is_the_statistic_over_its_period_alone():
    metric = ("MomentoEventBridge", "PutMilliseconds", "<WebhookFunction>")
    taken = [Sample(*metric, at, float(value)) for value, at in enumerate(range(0, 100))]
    other = Sample("AWS/Lambda", *metric[1:], 5, 1e9)
    points = datapoints([*taken, other], metric, "p90", 50, 100)
    assert points == {0: 44.0, 50: 94.0}
    assert datapoints(taken, metric, "Maximum", 100, 100) == {0: 99.0}
    assert datapoints(taken, metric, "Sum", 50, 60) == {0: 1225.0, 50: 545.0}
