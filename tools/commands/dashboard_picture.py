"""Draws the dashboard of template.yaml, with its own widgets, over a life that the simulation has recorded for it."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from tools.templates.cloudwatch import Sample, alarm_state, datapoints
from tools.templates.resolver import Resolver

TEMPLATE = Resolver(MomentoSecretString="x")
COLUMNS = 24
COLUMN_INCHES, ROW_INCHES = 0.58, 0.5
LETTERS_IN_A_COLUMN = 6.7
CAPTION_ROWS = 1.2
LEGEND_LEFT, LEGEND_ROW = 0.4, 0.42
INK, FAINT, PAPER, GROUND = "#16191f", "#687078", "#ffffff", "#f2f3f3"
OK, ALARM = "#1d8102", "#d13212"


class Run:
    def __init__(self, content: dict):
        self.samples = [Sample(*sample) for sample in content["samples"]]
        self.seconds = content["seconds"]


class Line(NamedTuple):
    label: str
    colour: str
    points: dict[float, float]


class Widget:
    """A widget's place on the figure, in cells of CloudWatch's grid."""

    def __init__(self, figure: Figure, run: Run, widget: dict, rows: float):
        self.figure, self.run, self.rows = figure, run, rows
        self.kind, self.properties = widget["type"], widget["properties"]
        self.x, self.y, self.width, self.height = (widget[key] for key in ("x", "y", "width", "height"))

    def draw(self) -> None:
        if self.kind == "text":
            return self.draw_text()
        x, y, width, height = self.box(0.12, 0.1, 0.12, 0.1)
        # Behind the axes, which have no order of their own.
        style = {"facecolor": PAPER, "edgecolor": "#d5dbdb", "linewidth": 0.8, "zorder": -1}
        self.figure.add_artist(plt.Rectangle((x, y), width, height, **style))
        title = textwrap.fill(self.properties["title"], int(self.width * LETTERS_IN_A_COLUMN), break_on_hyphens=False)
        self.text(0.4, 0.7, title, fontsize=9.5, weight="bold")
        if self.kind == "alarm":
            return self.draw_alarms()
        return self.draw_numbers() if self.properties["view"] == "singleValue" else self.draw_chart()

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        """A part of the widget, its margins given in cells, in the figure's own measure."""
        x, width = self.x + left, self.width - left - right
        y, height = self.y + top, self.height - top - bottom
        return x / COLUMNS, 1 - (y + height) / self.rows, width / COLUMNS, height / self.rows

    def text(self, x: float, y: float, text: str, **style: Any) -> float:
        """Writes the text, and gives its width in cells."""
        style = {"color": INK, "fontsize": 10, "va": "center", **style}
        written = self.figure.text((self.x + x) / COLUMNS, 1 - (self.y + y) / self.rows, text, **style)
        return written.get_window_extent().width / self.figure.bbox.width * COLUMNS

    def lines(self, period: float) -> list[Line]:
        return [
            Line(
                options["label"],
                options.get("color", f"C{place}"),
                datapoints(
                    self.run.samples,
                    (namespace, metric, owner),
                    options.get("stat", self.properties["stat"]),
                    period,
                    self.run.seconds,
                ),
            )
            for place, (namespace, metric, _, owner, options) in enumerate(self.properties["metrics"])
        ]

    def draw_text(self) -> None:
        heading, *rest = self.properties["markdown"].splitlines()
        self.text(0.2, 0.6, heading.lstrip("# "), fontsize=15, weight="bold")
        for row, text in enumerate(rest):
            self.text(0.2, 1.4 + row, re.sub(r"\*\*|`", "", text), fontsize=10.5, color=FAINT)

    def draw_numbers(self) -> None:
        lines = self.lines(self.run.seconds)
        for place, line in enumerate(lines):
            x = 0.5 + (place % 2) * (self.width - 0.6) / 2
            y = 1.7 + (place // 2) * (self.height - 1.6) / ((len(lines) + 1) // 2)
            value = sum(line.points.values())
            self.text(x, y + 0.1, f"{value:,.0f}", fontsize=20, color=line.colour, weight="bold")
            self.text(x, y + 0.5, textwrap.fill(line.label, 20), fontsize=8, color=FAINT, va="top")

    def draw_alarms(self) -> None:
        alarms = self.properties["alarms"]
        for place, arn in enumerate(alarms):
            y = 1.35 + place * (self.height - 1.3) / len(alarms)
            name = arn.strip("<>").removesuffix(".Arn")
            state = alarm_state(TEMPLATE.properties(name), self.run.samples, self.run.seconds)
            colour, word = (ALARM, "In alarm") if state.is_alarm else (OK, "OK")
            was = " (was in alarm)" if state.periods_in_alarm and not state.is_alarm else ""
            self.text(0.5, y, "\u25cf", color=colour, fontsize=11)
            words = re.sub(r"(?<=[a-z])([A-Z])", r" \1", name.removesuffix("Alarm"))
            self.text(0.95, y, words.capitalize(), fontsize=9.5)
            self.text(self.width - 0.4, y, word + was, fontsize=9, color=colour, ha="right")

    def draw_legend(self, lines: list[Line]) -> int:
        """Writes the labels at the foot, as many in a row as fit, and gives the number of rows."""
        mark, gap, font = 0.32, 0.35, {"fontsize": 8.5}
        rows: list[list[tuple[float, Line]]] = [[]]
        x = LEGEND_LEFT
        for line in lines:
            unseen = self.figure.text(0, 0, line.label, **font)
            width = mark + unseen.get_window_extent().width / self.figure.bbox.width * COLUMNS
            unseen.remove()
            if x + width > self.width - 0.3 and rows[-1]:
                rows.append([])
                x = LEGEND_LEFT
            rows[-1].append((x, line))
            x += width + gap
        for row, entries in enumerate(rows):
            y = self.height - 0.25 - LEGEND_ROW * (len(rows) - row - 0.5)
            for x, line in entries:
                self.text(x, y, "\u25a0", color=line.colour, fontsize=9)
                self.text(x + mark, y, line.label, **font)
        return len(rows)

    def draw_chart(self) -> None:
        seconds, period = self.run.seconds, self.properties["period"]
        lines = self.lines(period)
        axes = self.figure.add_axes(self.box(1.45, 1.3, 0.45, 0.85 + LEGEND_ROW * self.draw_legend(lines)))
        starts = range(0, int(seconds), period)
        minutes = [start / 60 for start in starts]
        if self.properties.get("stacked"):
            heights = [[line.points.get(start, 0) for start in starts] for line in lines]
            axes.stackplot(minutes, heights, colors=[line.colour for line in lines], linewidth=0)
        else:
            for line in lines:
                values = [line.points.get(start, float("nan")) for start in starts]
                axes.plot(minutes, values, color=line.colour, linewidth=1.4, marker="o", markersize=2.2)
        left = self.properties["yAxis"]["left"]
        axes.set_ylabel(left["label"], fontsize=9, color=FAINT)
        axes.set_xlim(0, seconds / 60)
        for annotation in self.properties.get("annotations", {}).get("horizontal", []):
            draw_threshold(axes, annotation)
        axes.set_ylim(bottom=left.get("min"), top=max(axes.get_ylim()[1], 1.2))
        axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(15))
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}" + (" min" if value == 0 else ""))
        axes.tick_params(labelsize=8.5, colors=FAINT, length=0)
        axes.grid(axis="y", color="#eaeded", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["left", "top", "right"]].set_visible(False)
        axes.spines["bottom"].set_color("#aab7b8")


def draw_threshold(axes: Axes, annotation: dict) -> None:
    style = {"fontsize": 8, "ha": "right", "color": annotation["color"]}
    axes.axhline(annotation["value"], color=annotation["color"], linewidth=1.1, linestyle=(0, (5, 3)))
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "bbox": box}
    axes.annotate(annotation["label"], (1, annotation["value"]), (-3, 3), **place, **style)


def draw(run: Run) -> Figure:
    widgets = TEMPLATE.dashboard()
    rows = max(widget["y"] + widget["height"] for widget in widgets) + CAPTION_ROWS
    figure = plt.figure(figsize=(COLUMNS * COLUMN_INCHES, rows * ROW_INCHES), facecolor=GROUND)
    for widget in widgets:
        Widget(figure, run, widget, rows).draw()
    caption = (
        f"{run.seconds / 60:.0f} minutes of simulated traffic with deliberate faults. "
        "Milliseconds are those of the simulated network, without CPU time."
    )
    figure.text(0.5, 0.5 * CAPTION_ROWS / rows, caption, ha="center", va="center", fontsize=9.5, color=FAINT)
    return figure


def main(recorded: Path, picture: Path) -> None:
    mpl.use("Agg")
    mpl.rcParams["font.family"] = "DejaVu Sans"
    draw(Run(json.loads(recorded.read_text()))).savefig(picture, dpi=100)
    # A chart has few colours; with a palette the file is a third of its size.
    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
