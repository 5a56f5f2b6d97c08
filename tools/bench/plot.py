"""Draws the plot of docs/performance.md as SVG: three panels of bars."""

from dataclasses import dataclass
from html import escape

WIDTH = 900
LABELS = 260
BARS = WIDTH - LABELS - 200
ROW = 26
GAP = 8
COLOURS = {"webhook": "#0b6e99", "plain": "#b5651d", "no-op": "#8a8a8a"}
MISSED = "#c0392b"
BODY_NAMES = {200: "200 B", 4096: "4 KB", 163840: "160 KB"}


@dataclass
class Bar:
    """A figure as a ratio to the plain handler, and its target."""

    name: str
    ratio: float
    target: float
    text: str


class Canvas:
    def __init__(self) -> None:
        self.shapes: list[str] = []
        self.y = 8.0

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#222", bold: bool = False
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        self.shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'
        )

    def rectangle(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self.shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" fill="{colour}"/>'
        )

    def heading(self, text: str) -> None:
        self.y += 22
        self.text(20, self.y, text, bold=True)
        self.y += 12

    def row(self, label: str, parts: list[tuple[float, str]], value: str, *, bold: bool = False) -> None:
        """A bar made of parts; each part is a share of the panel's width, and a color."""
        self.text(LABELS - 10, self.y + 16, label, anchor="end", bold=bold)
        x = float(LABELS)
        for share, colour in parts:
            self.rectangle(x, self.y + 3, share * BARS, ROW - 8, colour)
            x += share * BARS
        self.text(x + 8, self.y + 16, value)
        self.y += ROW

    def finish(self) -> str:
        height = self.y + 14
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="13">\n'
            f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(self.shapes) + "\n</svg>\n"
        )


def draw(bars: list[Bar], cold: dict[str, tuple[float, float]], by_body: dict[str, dict[int, float]]) -> str:
    canvas = Canvas()
    draw_ratios(canvas, bars)
    draw_cold_starts(canvas, cold)
    draw_bodies(canvas, by_body)
    return canvas.finish()


def draw_ratios(canvas: Canvas, bars: list[Bar]) -> None:
    canvas.heading("webhook relative to the plain handler (full width); the dark line is the target")
    for bar in bars:
        canvas.rectangle(LABELS, canvas.y + 3, BARS, ROW - 8, "#f1e7dd")
        colour = COLOURS["webhook"] if bar.ratio <= bar.target else MISSED
        canvas.rectangle(LABELS, canvas.y + 3, min(bar.ratio, 1) * BARS, ROW - 8, colour)
        canvas.rectangle(LABELS + bar.target * BARS - 1, canvas.y, 2, ROW - 2, "#222")
        canvas.text(LABELS - 10, canvas.y + 16, bar.name, anchor="end")
        ratio = f"{bar.ratio:.3f}" if bar.ratio < 0.1 else f"{bar.ratio:.2f}"
        canvas.text(LABELS + BARS + 8, canvas.y + 16, f"{ratio}: {bar.text}")
        canvas.y += ROW


def draw_cold_starts(canvas: Canvas, cold: dict[str, tuple[float, float]]) -> None:
    canvas.heading("Cold start: start-up (dark) and first invocation (light), ms")
    longest = max(sum(times) for times in cold.values())
    for label, (start_up, first) in cold.items():
        colour = COLOURS[label.split(",")[0]]
        parts = [(start_up / longest, colour), (first / longest, lighter(colour))]
        canvas.row(
            label, parts, f"{start_up:.1f} + {first:.1f} = {start_up + first:.1f}", bold=label.startswith("webhook")
        )
        if label.startswith("no-op"):
            canvas.y += GAP


def draw_bodies(canvas: Canvas, by_body: dict[str, dict[int, float]]) -> None:
    canvas.heading("CPU time of a warm invocation by body size, no network delay, ms")
    longest = max(max(times.values()) for times in by_body.values())
    for body, name in BODY_NAMES.items():
        canvas.y += GAP
        for handler, times in by_body.items():
            canvas.row(
                f"{handler}, {name}",
                [(times[body] / longest, COLOURS[handler])],
                f"{times[body]:.2f}",
                bold=handler == "webhook",
            )


def lighter(colour: str) -> str:
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{(part + 2 * 255) // 3:02x}" for part in parts)
