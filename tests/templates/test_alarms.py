"""The template's alarms over samples: what sets each of them off, and what does not."""

from __future__ import annotations

import pytest

from tools.templates.cloudwatch import AlarmState, Sample, alarm_state, datapoints
from tools.templates.resolver import Resolver, of_type

RESOLVERS = [
    Resolver(MomentoSecretString="x", NoEventMinutes=3, ForgedThreshold=4, Endpoint=endpoint)
    for endpoint in ("FunctionUrl", "HttpApi")
]
HOUR = 3600
OF_SILENCE = {"NoEventAlarm", "WrongSecretAlarm"}
THRESHOLDS = [name for name in of_type("AWS::CloudWatch::Alarm") if name not in OF_SILENCE]


def alarm_named(name: str) -> dict:
    """As it is with the endpoint that has it."""
    return next(resolver for resolver in RESOLVERS if resolver.exists(name)).properties(name)


def state(alarm: dict, values: dict[int, float]) -> AlarmState:
    [dimension] = alarm["Dimensions"]
    metric = (alarm["Namespace"], alarm["MetricName"], dimension["Value"])
    return alarm_state(alarm, [Sample(*metric, at, value) for at, value in values.items()], HOUR)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_an_alarm_goes_off_at_its_threshold_and_not_below_and_ends_with_what_set_it_off(name: str):
    alarm = alarm_named(name)
    threshold = float(alarm["Threshold"])
    last = HOUR - 1
    assert state(alarm, {last: threshold}) == AlarmState(True, 1)
    assert state(alarm, {last: threshold - 1}) == AlarmState(False, 0)
    assert state(alarm, {0: threshold}) == AlarmState(False, 1)
    assert state(alarm, {}) == AlarmState(False, 0)


@pytest.mark.parametrize("name", [name for name in THRESHOLDS if alarm_named(name)["Statistic"] == "Sum"])
def test_what_is_counted_adds_up_over_the_period_and_not_beyond_it(name: str):
    alarm = alarm_named(name)
    threshold, period = int(alarm["Threshold"]), alarm["Period"]
    assert state(alarm, {HOUR - 1 - place: 1.0 for place in range(threshold)}).is_alarm
    if threshold > 1:
        assert state(alarm, {HOUR - 1 - place * period: 1.0 for place in range(threshold)}) == AlarmState(False, 0)


def test_requests_without_a_well_formed_signature_raise_no_alarm():
    noise = [Sample("MomentoEventBridge", "Forged", "<WebhookFunction>", at, 1.0) for at in range(HOUR)]
    assert not any(alarm_state(alarm_named(name), noise, HOUR).is_alarm for name in THRESHOLDS)


def test_silence_for_as_long_as_was_said_is_an_alarm_and_one_event_ends_it():
    alarm = alarm_named("NoEventAlarm")
    assert state(alarm, dict.fromkeys(range(0, HOUR, 60), 1.0)) == AlarmState(False, 0)
    quiet_since = dict.fromkeys(range(0, HOUR - 180, 60), 1.0)
    assert state(alarm, quiet_since) == AlarmState(True, 1)
    assert not state(alarm, {**quiet_since, HOUR - 1: 1.0}).is_alarm


def test_a_wrong_secret_on_a_quiet_topic_is_an_alarm_and_one_delivery_ends_it():
    alarm = alarm_named("WrongSecretAlarm")
    refused = {HOUR - 600: 0.0}
    assert state(alarm, refused).is_alarm
    assert not state(alarm, {**refused, HOUR - 1: 1.0}).is_alarm


def test_no_secret_is_wrong_where_nothing_arrives_or_where_some_is_delivered():
    alarm = alarm_named("WrongSecretAlarm")
    assert state(alarm, {}) == AlarmState(False, 0)
    assert state(alarm, dict.fromkeys(range(0, HOUR, 900), 1.0)) == AlarmState(False, 0)
    half = {at: float(at % 120 == 0) for at in range(0, HOUR, 60)}
    assert state(alarm, half) == AlarmState(False, 0)


def test_a_data_point_is_the_statistic_over_only_its_period():
    metric = ("MomentoEventBridge", "PutMilliseconds", "<WebhookFunction>")
    taken = [Sample(*metric, at, float(value)) for value, at in enumerate(range(0, 100))]
    other = Sample("AWS/Lambda", *metric[1:], 5, 1e9)
    assert datapoints([*taken, other], metric, "p90", 50, 100) == {0: 44.0, 50: 94.0}
    assert datapoints(taken, metric, "Maximum", 100, 100) == {0: 99.0}
    assert datapoints(taken, metric, "Sum", 50, 60) == {0: 1225.0, 50: 545.0}
