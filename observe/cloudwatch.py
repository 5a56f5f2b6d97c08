"""What CloudWatch makes of samples: data points of a period by a statistic, and the state of an alarm.

Standard library alone: two environments use it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    namespace: str
    metric: str
    # The value of its one dimension.
    owner: str
    # Seconds since the beginning.
    at: float
    value: float


@dataclass(frozen=True)
class AlarmState:
    is_alarm: bool
    periods_in_alarm: int


def statistic(name: str, values: list[float]) -> float:
    match name:
        case "Sum":
            return sum(values)
        case "Maximum":
            return max(values)
        case "Average":
            return sum(values) / len(values)
    if name.startswith("p"):
        # The nearest rank.
        return sorted(values)[max(0, math.ceil(len(values) * float(name[1:]) / 100) - 1)]
    raise ValueError(f"The statistic {name} is not known here.")


def datapoints(
    samples: Iterable[Sample], metric: tuple[str, str, str], stat: str, period: float, seconds: float
) -> dict[float, float]:
    """The beginning of each period that has samples → its value."""
    periods: dict[float, list[float]] = defaultdict(list)
    for sample in samples:
        if (sample.namespace, sample.metric, sample.owner) == metric and 0 <= sample.at < seconds:
            periods[sample.at // period * period].append(sample.value)
    return {start: statistic(stat, values) for start, values in sorted(periods.items())}


def alarm_state(alarm: dict, samples: Iterable[Sample], seconds: float) -> AlarmState:
    """The state at the end, of an alarm as the template describes it."""
    [dimension] = alarm["Dimensions"]
    metric = (alarm["Namespace"], alarm["MetricName"], dimension["Value"])
    points = datapoints(samples, metric, alarm["Statistic"], alarm["Period"], seconds)
    threshold, needed = float(alarm["Threshold"]), int(alarm["EvaluationPeriods"])
    breaching = []
    for start in range(0, int(seconds), alarm["Period"]):
        value = points.get(start)
        if value is None:
            breaching.append(alarm["TreatMissingData"] == "breaching")
        elif alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold":
            breaching.append(value >= threshold)
        elif alarm["ComparisonOperator"] == "LessThanThreshold":
            breaching.append(value < threshold)
        else:
            raise ValueError(f"The comparison {alarm['ComparisonOperator']} is not known here.")
    states = [all(breaching[end - needed : end]) for end in range(needed, len(breaching) + 1)]
    return AlarmState(bool(states) and states[-1], sum(states))
