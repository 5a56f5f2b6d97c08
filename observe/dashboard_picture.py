"""Draws a run of load.py as the template's own dashboard shows it: the same widgets, at the same places."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import matplotlib as mpl
from cloudwatch import Sample, datapoints
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

COLUMNS = 24
COLUMN_INCHES, ROW_INCHES = 0.58, 0.5
CAPTION_ROWS = 1.2
LEGEND_LEFT, LEGEND_ROW = 0.4, 0.42
INK, FAINT, PAPER, GROUND = "#16191f", "#687078", "#ffffff", "#f2f3f3"
OK, ALARM = "#1d8102", "#d13212"
# Without a colour of its own.
COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b"]


@dataclass
class Run:
    widgets: list[dict]
    samples: list[Sample]
    alarms: dict[str, dict]
    seconds: float
    scale: float
    began: datetime

    @classmethod
    def read(cls, path: Path) -> Run:
        content = json.loads(path.read_text())
        samples = [Sample(*sample) for sample in content["samples"]]
        began = datetime.fromisoformat(content["began"])
        return cls(content["widgets"], samples, content["alarms"], content["seconds"], content["scale"], began)


@dataclass
class Line:
    label: str
    colour: str
    points: dict[float, float]


class Widget:
    """A widget's place on the figure, in cells of CloudWatch's grid."""

    def __init__(self, figure: Figure, widget: dict, rows: float):
        self.figure, self.properties, self.rows = figure, widget["properties"], rows
        self.x, self.y, self.width, self.height = (widget[key] for key in ("x", "y", "width", "height"))

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        """A part of the widget, its margins given in cells, in the figure's own measure."""
        x, width = self.x + left, self.width - left - right
        y, height = self.y + top, self.height - top - bottom
        return x / COLUMNS, 1 - (y + height) / self.rows, width / COLUMNS, height / self.rows

    def frame(self) -> None:
        x, y, width, height = self.box(0.12, 0.1, 0.12, 0.1)
        # Behind the axes, which have no order of their own.
        style = {"facecolor": PAPER, "edgecolor": "#d5dbdb", "linewidth": 0.8, "zorder": -1}
        self.figure.add_artist(plt.Rectangle((x, y), width, height, **style))
        self.text(0.4, 0.62, self.properties["title"], weight="bold")

    def text(self, x: float, y: float, text: str, **style: object) -> Text:
        style = {"color": INK, "fontsize": 10, "va": "center", **style}
        return self.figure.text((self.x + x) / COLUMNS, 1 - (self.y + y) / self.rows, text, **style)

    def legend(self, lines: list[Line]) -> int:
        """Puts the labels at the foot, as many to a row as there is room for, and gives the number of rows."""
        rows, x = [[]], LEGEND_LEFT
        for line in lines:
            mark = self.text(0, 0, "\u25a0", color=line.colour, fontsize=9)
            label = self.text(0, 0, line.label, fontsize=8.5)
            width = label.get_window_extent(self.figure.canvas.get_renderer()).width
            width = width / self.figure.bbox.width * COLUMNS + 0.32
            if x + width > self.width - 0.3 and rows[-1]:
                rows.append([])
                x = LEGEND_LEFT
            rows[-1].append((x, mark, label))
            x += width + 0.35
        for row, entries in enumerate(rows):
            y = 1 - (self.y + self.height - 0.25 - LEGEND_ROW * (len(rows) - row - 0.5)) / self.rows
            for x, mark, label in entries:
                mark.set_position(((self.x + x) / COLUMNS, y))
                label.set_position(((self.x + x + 0.32) / COLUMNS, y))
        return len(rows)

    def axes(self, *margins: float) -> Axes:
        return self.figure.add_axes(self.box(*margins))


def lines_of(run: Run, properties: dict, period: float) -> list[Line]:
    lines = []
    for place, (namespace, metric, _, owner, options) in enumerate(properties["metrics"]):
        stat = options.get("stat", properties["stat"])
        points = datapoints(run.samples, (namespace, metric, owner), stat, period, run.seconds)
        lines.append(Line(options["label"], options.get("color", COLOURS[place % len(COLOURS)]), points))
    return lines


def draw_text(widget: Widget) -> None:
    heading, *rest = widget.properties["markdown"].splitlines()
    widget.text(0.2, 0.6, heading.lstrip("# "), fontsize=15, weight="bold")
    for row, text in enumerate(rest):
        widget.text(0.2, 1.4 + row, re.sub(r"\*\*|`", "", text), fontsize=10.5, color=FAINT)


def draw_numbers(run: Run, widget: Widget) -> None:
    widget.frame()
    lines = lines_of(run, widget.properties, run.seconds)
    rows = (len(lines) + 1) // 2
    for place, line in enumerate(lines):
        x = 0.5 + (place % 2) * (widget.width - 0.6) / 2
        y = 1.7 + (place // 2) * (widget.height - 1.6) / rows
        value = sum(line.points.values())
        widget.text(x, y + 0.15, f"{value:,.0f}", fontsize=22, color=line.colour, weight="bold")
        widget.text(x, y + 1.05, re.sub(r"^(.{11,}?) ", r"\1" + "\n", line.label), fontsize=8.5, color=FAINT)


def draw_alarms(run: Run, widget: Widget) -> None:
    widget.frame()
    alarms = widget.properties["alarms"]
    step = (widget.height - 1.3) / len(alarms)
    for place, arn in enumerate(alarms):
        state, y = run.alarms[arn], 1.35 + place * step
        # The name in the template, in words.
        name = re.sub(r"(?<=[a-z])([A-Z])", r" \1", arn.strip("<>").removesuffix(".Arn").removesuffix("Alarm"))
        colour, word = (ALARM, "In alarm") if state["is_alarm"] else (OK, "OK")
        widget.text(0.5, y, "\u25cf", color=colour, fontsize=11)
        widget.text(0.95, y, name.capitalize(), fontsize=9.5)
        was = " (was in alarm)" if state["periods_in_alarm"] and not state["is_alarm"] else ""
        widget.text(widget.width - 0.4, y, word + was, fontsize=9, color=colour, ha="right")


def draw_chart(run: Run, widget: Widget) -> None:
    widget.frame()
    properties = widget.properties
    period = properties["period"]
    lines = lines_of(run, properties, period)
    axes = widget.axes(1.45, 1.15, 0.45, 0.85 + LEGEND_ROW * widget.legend(lines))
    starts = [place * period for place in range(int(run.seconds // period))]
    minutes = [start / 60 for start in starts]
    if properties.get("stacked"):
        heights = [[line.points.get(start, 0) for start in starts] for line in lines]
        axes.stackplot(minutes, heights, colors=[line.colour for line in lines], linewidth=0)
    else:
        for line in lines:
            values = [line.points.get(start, float("nan")) for start in starts]
            axes.plot(minutes, values, color=line.colour, linewidth=1.4, marker="o", markersize=2.2)
    left = properties["yAxis"]["left"]
    axes.set_ylabel(left["label"], fontsize=9, color=FAINT)
    axes.set_xlim(0, run.seconds / 60)
    draw_thresholds(axes, properties)
    axes.set_ylim(bottom=left.get("min"), top=max(axes.get_ylim()[1], 1.2))
    axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(15))
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}" + (" min" if value == 0 else ""))
    axes.tick_params(labelsize=8.5, colors=FAINT, length=0)
    axes.grid(axis="y", color="#eaeded", linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color("#aab7b8")


def draw_thresholds(axes: Axes, properties: dict) -> None:
    for annotation in properties.get("annotations", {}).get("horizontal", []):
        colour = annotation.get("color", ALARM)
        axes.axhline(annotation["value"], color=colour, linewidth=1.1, linestyle=(0, (5, 3)))
        axes.annotate(
            annotation["label"],
            (1, annotation["value"]),
            (-3, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=8,
            ha="right",
            color=colour,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )


def draw(run: Run) -> Figure:
    grid = max(widget["y"] + widget["height"] for widget in run.widgets)
    rows = grid + CAPTION_ROWS
    figure = plt.figure(figsize=(COLUMNS * COLUMN_INCHES, rows * ROW_INCHES), facecolor=GROUND)
    for content in run.widgets:
        widget = Widget(figure, content, rows)
        if content["type"] == "text":
            draw_text(widget)
        elif content["type"] == "alarm":
            draw_alarms(run, widget)
        elif content["properties"]["view"] == "singleValue":
            draw_numbers(run, widget)
        else:
            draw_chart(run, widget)
    caption = (
        f"A local run of {run.began:%-d %B %Y}, with faults made on purpose: "
        f"{run.seconds / 60:.0f} minutes of traffic in {run.seconds / run.scale:.0f} seconds. "
        "Milliseconds are as measured, against stand-ins for AWS."
    )
    figure.text(0.5, 0.5 * CAPTION_ROWS / rows, caption, ha="center", va="center", fontsize=9.5, color=FAINT)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    mpl.use("Agg")
    mpl.rcParams["font.family"] = "DejaVu Sans"
    draw(Run.read(arguments.run)).savefig(arguments.picture, dpi=100)
    # A chart has few colours; with a palette the file is a third of its size.
    with Image.open(arguments.picture) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(arguments.picture, optimize=True)


if __name__ == "__main__":
    main()
