"""Writes the tables and the plot of docs/performance.md from the measurements, and prints the main table."""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED

from tools.bench import instructions, plot
from tools.paths import ROOT
from tools.zip_bootstrap import zip_bootstrap

PAGE = ROOT / "docs/performance.md"
PICTURE = ROOT / "docs/performance.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

HANDLERS = ["webhook", "plain", "no-op"]
NO_DELAY, IN_A_REGION = 0.0, 4.5
TYPICAL_BODY = 200
BODY_NAMES = {200: "200 B", 4096: "4 KB", 163840: "160 KB"}

Run = dict[str, float]


@dataclass
class Figure:
    """One figure of all handlers: one value per run of each."""

    name: str
    unit: str
    values: dict[str, list[float]]
    target: float | None = None

    def median(self, handler: str) -> float:
        return statistics.median(self.values[handler])

    def ratio(self, handler: str = "webhook") -> float:
        return self.median(handler) / self.median("plain")

    def spread(self, handler: str) -> tuple[float, float]:
        values = self.values[handler]
        if len(values) < 4:
            return min(values), max(values)
        quarters = statistics.quantiles(values, n=4)
        return quarters[0], quarters[2]


class Measured:
    def __init__(self, runs: list[dict], binaries: dict[str, Path]) -> None:
        self.runs = runs
        self.binaries = binaries

    def figure(
        self,
        name: str,
        of: Callable[[dict], float],
        round_trip: float,
        body: int,
        unit: str = "ms",
        target: float | None = None,
    ) -> Figure:
        values: dict[str, list[float]] = {handler: [] for handler in HANDLERS}
        for run in self.runs:
            if (run["roundTripMilliseconds"], run["bodyBytes"]) == (round_trip, body):
                values[run["handler"]].append(of(run))
        return Figure(name, unit, values, target)

    def main_figures(self, counted: dict[str, dict[str, int]]) -> list[Figure]:
        def typical(
            name: str,
            of: Callable[[dict], float],
            target: float | None = None,
            *,
            round_trip: float = NO_DELAY,
            unit: str = "ms",
        ) -> Figure:
            return self.figure(name, of, round_trip, TYPICAL_BODY, unit, target)

        def counts(name: str, key: str, target: float | None = None) -> Figure:
            return Figure(name, "million", {handler: [counted[handler][key] / 1e6] for handler in HANDLERS}, target)

        return [
            Figure("zip", "MB", {handler: [zipped(self.binaries[handler]) / 1e6] for handler in HANDLERS}, 0.35),
            counts("start-up instructions", "startUp", 0.030),
            typical("start-up", lambda run: run["startUp"]),
            typical("start-up, CPU", lambda run: run["startUpCpu"]),
            typical("first invocation", lambda run: run["first"], 0.20),
            counts("first invocation, instructions", "first"),
            typical("cold total, no network delay", cold, 0.13),
            typical("cold total, 4.5 ms per round trip", cold, 0.30, round_trip=IN_A_REGION),
            typical("warm p50", lambda run: statistics.median(run["warm"]), 0.70),
            typical("warm p99", p99),
            typical("CPU per warm invocation", lambda run: run["warmCpu"], 0.50),
            counts("warm invocation, instructions", "warm"),
            typical("peak memory", lambda run: run["peakKibibytes"] / 1024, 0.47, unit="MiB"),
        ]


def cold(run: dict) -> float:
    return run["startUp"] + run["first"]


def p99(run: dict) -> float:
    return statistics.quantiles(run["warm"], n=100)[98]


def zipped(binary: Path) -> int:
    """The size of a deployment zip, compressed in the same way for every handler."""
    return len(zip_bootstrap(binary, ZIP_DEFLATED, 9))


def number(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def cell(figure: Figure, handler: str) -> str:
    text = number(figure.median(handler))
    if len(figure.values[handler]) > 1:
        low, high = figure.spread(handler)
        text += f" ({number(low)} to {number(high)})"
    return text


def main_table(figures: list[Figure]) -> str:
    lines = [
        "| figure | webhook | plain handler | no-op handler | ratio to plain | target | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for figure in figures:
        ratio = figure.ratio()
        target, verdict = "", ""
        if figure.target is not None:
            target = f"{figure.target:.3f}" if figure.target < 0.1 else f"{figure.target:.2f}"
            verdict = "met" if ratio <= figure.target else f"missed by {ratio / figure.target - 1:.0%}"
        shown = f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}"
        cells = " | ".join(cell(figure, handler) for handler in HANDLERS)
        lines.append(f"| {figure.name}, {figure.unit} | {cells} | **{shown}** | {target} | {verdict} |")
    return "\n".join(lines)


def full_table(measured: Measured) -> str:
    columns: list[tuple[str, Callable[[dict], float]]] = [
        ("start-up", lambda run: run["startUp"]),
        ("first", lambda run: run["first"]),
        ("warm p50", lambda run: statistics.median(run["warm"])),
        ("warm p99", p99),
        ("warm CPU", lambda run: run["warmCpu"]),
        ("peak MiB", lambda run: run["peakKibibytes"] / 1024),
    ]
    lines = [
        "| round trip | body | handler | " + " | ".join(name for name, _ in columns) + " |",
        "| --- | --- | --- |" + " ---: |" * len(columns),
    ]
    for round_trip in (NO_DELAY, IN_A_REGION):
        for body, body_name in BODY_NAMES.items():
            for handler in HANDLERS:
                cells = []
                for name, of in columns:
                    figure = measured.figure(name, of, round_trip, body)
                    text = number(figure.median(handler))
                    cells.append(f"{text} ({figure.ratio():.2f})" if handler == "webhook" else text)
                lines.append(f"| {round_trip:g} ms | {body_name} | {handler} | {' | '.join(cells)} |")
    return "\n".join(lines)


def linear_table(by_body: dict[int, int]) -> str:
    lines = ["| body | instructions per warm invocation | per additional byte |", "| ---: | ---: | ---: |"]
    before: tuple[int, int] | None = None
    for body, count in by_body.items():
        more = f"{(count - before[1]) / (body - before[0]):.1f}" if before else ""
        lines.append(f"| {body:,} B | {count:,} | {more} |")
        before = body, count
    return "\n".join(lines)


def machine() -> str:
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {kernel}; {instructions.compiler()}"


def section(measured: Measured, figures: list[Figure], by_body: dict[int, int]) -> str:
    rounds = len(figures[2].values["webhook"])
    return f"""{BEGIN}
Measured on {datetime.now(UTC):%Y-%m-%d} ({machine()}).
Medians of {rounds} runs of each handler; in parentheses, the interquartile range.
Bodies of {TYPICAL_BODY} B; no network delay unless stated.

{main_table(figures)}

![Figures and their targets, cold starts, and CPU time by body size]({PICTURE.name})

By network delay and body size (times in milliseconds; in parentheses, the ratio to the plain handler):

{full_table(measured)}

Instructions by body size (callgrind):

{linear_table(by_body)}
{END}"""


def picture(measured: Measured, figures: list[Figure]) -> str:
    def median(key: str, round_trip: float, body: int, handler: str) -> float:
        return measured.figure(key, lambda run: run[key], round_trip, body).median(handler)

    bars = []
    for figure in figures:
        if figure.target is not None:
            text = f"{number(figure.median('webhook'))} of {number(figure.median('plain'))} {figure.unit}"
            bars.append(plot.Bar(figure.name, figure.ratio(), figure.target, text))
    cold_starts = {}
    for round_trip in (NO_DELAY, IN_A_REGION):
        for handler in HANDLERS:
            times = (median(key, round_trip, TYPICAL_BODY, handler) for key in ("startUp", "first"))
            cold_starts[f"{handler}, {round_trip:g} ms per round trip"] = tuple(times)
    by_body = {
        handler: {body: median("warmCpu", NO_DELAY, body, handler) for body in BODY_NAMES} for handler in HANDLERS
    }
    return plot.draw(bars, cold_starts, by_body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurements", type=Path, help="the output of `harness measure`")
    parser.add_argument("handlers", nargs="+", help="NAME=PATH of each binary")
    arguments = parser.parse_args()
    binaries = {name: Path(path) for name, path in (handler.split("=", 1) for handler in arguments.handlers)}

    print("Counting instructions under callgrind ...", flush=True)
    counted = {
        name: instructions.measure(name, binary, repeats=3 if name == "webhook" else 1)
        for name, binary in binaries.items()
    }
    by_body = {
        body: instructions.measure("webhook", binaries["webhook"], repeats=1, body_bytes=body)["warm"]
        for body in (200, 4096, 40960, 163840)
    }

    measured = Measured(json.loads(arguments.measurements.read_text()), binaries)
    figures = measured.main_figures(counted)
    print(main_table(figures))

    PICTURE.write_text(picture(measured, figures))
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + section(measured, figures, by_body) + after)
    print(f"\nWritten to {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
