//! Draws the plot of docs/performance.md as SVG: three panels of bars.

use std::time::Duration;

use crate::handler::{HANDLERS, WEBHOOKS};
use crate::measure::{BODIES, NO_DELAY, ROUND_TRIPS, Run, milliseconds};
use crate::report::{Figure, Read, TYPICAL_BODY, body_name, figure, share};

const WIDTH: f64 = 900.0;
const LABELS: f64 = 260.0;
const BARS: f64 = WIDTH - LABELS - 200.0;
const ROW: f64 = 26.0;
const BAR: f64 = ROW - 8.0;
const GAP: f64 = 8.0;
/// Of each handler: its color, and a lighter one.
const COLORS: [(&str, &str); HANDLERS.len()] =
    [("#0b6e99", "#adcedd"), ("#5fa3bd", "#d3e6ed"), ("#b5651d", "#e6cbb3"), ("#8a8a8a", "#d8d8d8")];

pub fn draw(figures: &[Figure], runs: &[Run]) -> String {
    let mut canvas = Canvas { shapes: Vec::new(), y: 8.0 };
    canvas.ratios(figures);
    canvas.cold_starts(runs);
    canvas.bodies(runs);
    canvas.finish()
}

struct Canvas {
    shapes: Vec<String>,
    y: f64,
}

impl Canvas {
    fn text(&mut self, x: f64, text: &str, attributes: &str) {
        let y = self.y + 16.0;
        self.shapes.push(format!(r##"<text x="{x:.1}" y="{y:.1}" fill="#222"{attributes}>{text}</text>"##));
    }

    fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, color: &str) {
        let width = width.max(1.0);
        self.shapes
            .push(format!(r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{color}"/>"#));
    }

    fn heading(&mut self, text: &str) {
        self.y += 6.0;
        self.text(20.0, text, r#" font-weight="600""#);
        self.y += 28.0;
    }

    /// A label, the parts of a bar (each a share of the panel's width, and a color), and a value.
    fn row(&mut self, handler: usize, label: &str, parts: &[(f64, &str)], value: &str) {
        let bold = if handler == 0 { r#" font-weight="600""# } else { "" };
        self.text(LABELS - 10.0, label, &format!(r#" text-anchor="end"{bold}"#));
        let mut x = LABELS;
        for (share, color) in parts {
            self.rectangle(x, self.y + 3.0, share * BARS, BAR, color);
            x += share * BARS;
        }
        self.text(x + 8.0, value, "");
        self.y += ROW;
    }

    fn ratios(&mut self, figures: &[Figure]) {
        self.heading("webhook relative to the plain handler (full width); light: without a profile");
        for figure in figures {
            let y = self.y;
            self.rectangle(LABELS, y + 3.0, BARS, BAR, "#f1e7dd");
            let mut values = Vec::new();
            for (place, handler) in WEBHOOKS.into_iter().filter(|&handler| figure.is_of(handler)).enumerate() {
                let ratio = figure.ratio(handler);
                let half = y + 3.0 + place as f64 * BAR / 2.0;
                self.rectangle(LABELS, half, ratio.min(1.0) * BARS, BAR / 2.0, COLORS[handler].0);
                values.push(share(ratio));
            }
            self.text(LABELS - 10.0, figure.name, r#" text-anchor="end""#);
            self.text(LABELS + BARS + 8.0, &values.join(", "), "");
            self.y += ROW;
        }
    }

    fn cold_starts(&mut self, runs: &[Run]) {
        self.heading("Cold start: start-up (dark) and first invocation (light), ms");
        let times = |round_trip, handler| {
            let of = |read: Read| medians(runs, read, round_trip, TYPICAL_BODY)[handler];
            (of(|run| run.start_up), of(|run| run.first))
        };
        let all = ROUND_TRIPS.iter().flat_map(|&delay| (0..HANDLERS.len()).map(move |handler| times(delay, handler)));
        let longest = all.map(|(start_up, first)| start_up + first).fold(0.0, f64::max);
        for round_trip in ROUND_TRIPS {
            for (handler, name) in HANDLERS.iter().enumerate() {
                let (start_up, first) = times(round_trip, handler);
                let (dark, light) = COLORS[handler];
                let label = format!("{name}, {} ms per round trip", milliseconds(round_trip));
                let value = format!("{start_up:.1} + {first:.1} = {:.1}", start_up + first);
                self.row(handler, &label, &[(start_up / longest, dark), (first / longest, light)], &value);
            }
            self.y += GAP;
        }
    }

    fn bodies(&mut self, runs: &[Run]) {
        self.heading("CPU time of a warm invocation by body size, no network delay, ms");
        let times = BODIES.map(|body| medians(runs, |run| run.warm_cpu, NO_DELAY, body));
        let longest = times.iter().flatten().copied().fold(0.0, f64::max);
        for (body, times) in BODIES.iter().zip(times) {
            self.y += GAP;
            for (handler, name) in HANDLERS.iter().enumerate() {
                let label = format!("{name}, {}", body_name(*body));
                let bar = [(times[handler] / longest, COLORS[handler].0)];
                self.row(handler, &label, &bar, &format!("{:.2}", times[handler]));
            }
        }
    }

    fn finish(self) -> String {
        let (height, shapes) = (self.y + 14.0, self.shapes.join("\n"));
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0}" viewBox="0 0 {WIDTH} {height:.0}" font-family="Helvetica, Arial, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
{shapes}
</svg>
"##
        )
    }
}

fn medians(runs: &[Run], read: Read, round_trip: Duration, body: usize) -> [f64; HANDLERS.len()] {
    let figure = figure(runs, "", read, round_trip, body);
    std::array::from_fn(|handler| figure.median(handler))
}
