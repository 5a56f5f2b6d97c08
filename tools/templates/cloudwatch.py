"""What CloudWatch makes of samples: a data point per period by a statistic, and the state of an alarm."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Sample(NamedTuple):
    namespace: str
    metric: str
    # The value of its one dimension.
    owner: str
    # Seconds since the beginning.
    at: float
    value: float


class AlarmState(NamedTuple):
    is_alarm: bool
    periods_in_alarm: int


def statistic(name: str, values: list[float]) -> float:
    if name.startswith("p"):
        # The nearest rank.
        return sorted(values)[max(0, math.ceil(len(values) * float(name[1:]) / 100) - 1)]
    return {"Sum": sum, "Maximum": max}[name](values)


def datapoints(
    samples: Iterable[Sample], metric: tuple[str, str, str], stat: str, period: float, seconds: float
) -> dict[float, float]:
    """The beginning of each period that has samples → its value."""
    periods: dict[float, list[float]] = defaultdict(list)
    for sample in samples:
        if sample[:3] == metric and 0 <= sample.at < seconds:
            periods[sample.at // period * period].append(sample.value)
    return {start: statistic(stat, values) for start, values in sorted(periods.items())}


def alarm_state(alarm: dict, samples: Iterable[Sample], seconds: float) -> AlarmState:
    """The state at the end, of an alarm as the template describes it."""
    [dimension] = alarm["Dimensions"]
    metric = (alarm["Namespace"], alarm["MetricName"], dimension["Value"])
    points = datapoints(samples, metric, alarm["Statistic"], alarm["Period"], seconds)
    threshold, needed = float(alarm["Threshold"]), int(alarm["EvaluationPeriods"])
    is_breaching = {
        "GreaterThanOrEqualToThreshold": lambda value: value >= threshold,
        "LessThanThreshold": lambda value: value < threshold,
    }[alarm["ComparisonOperator"]]
    breaching = [
        is_breaching(points[start]) if start in points else alarm["TreatMissingData"] == "breaching"
        for start in range(0, int(seconds), alarm["Period"])
    ]
    states = [all(breaching[end - needed : end]) for end in range(needed, len(breaching) + 1)]
    return AlarmState(bool(states) and states[-1], sum(states))
