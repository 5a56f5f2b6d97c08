"""The metrics that a template's alarms and dashboard watch: (namespace, metric, names of dimensions, their values)."""

from __future__ import annotations

from tools.templates.resolver import Resolver, of_type

Metric = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def alarm_metrics(resolver: Resolver) -> set[Metric]:
    found = set()
    for name in filter(resolver.exists, of_type("AWS::CloudWatch::Alarm")):
        alarm = resolver.properties(name)
        dimensions = alarm["Dimensions"]
        names = tuple(dimension["Name"] for dimension in dimensions)
        values = tuple(dimension["Value"] for dimension in dimensions)
        found.add((alarm["Namespace"], alarm["MetricName"], names, values))
    return found


def dashboard_metrics(resolver: Resolver) -> set[Metric]:
    found = set()
    for widget in resolver.dashboard():
        for line in widget["properties"].get("metrics", []):
            namespace, metric, *dimensions = [part for part in line if isinstance(part, str)]
            found.add((namespace, metric, tuple(dimensions[::2]), tuple(dimensions[1::2])))
    return found
