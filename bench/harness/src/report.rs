//! Figures and tables of docs/performance.md.

use std::time::Duration;

use crate::instructions::{Counts, thousands};
use crate::measure::{BODIES, IN_A_REGION, NO_DELAY, ROUND_TRIPS, Run, milliseconds};
use crate::statistics::{median, quantile};

pub const HANDLERS: [&str; 3] = ["webhook", "plain", "no-op"];
const PLAIN: usize = 1;
pub const TYPICAL_BODY: usize = 200;

/// One figure of all handlers: one value per run of each.
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    values: [Vec<f64>; 3],
    pub target: Option<f64>,
}

impl Figure {
    fn of(name: &'static str, unit: &'static str, target: Option<f64>, value: impl FnMut(usize) -> f64) -> Self {
        let mut value = value;
        Self { name, unit, values: [0, 1, 2].map(|handler| vec![value(handler)]), target }
    }

    pub fn median(&self, handler: usize) -> f64 {
        median(&self.values[handler])
    }

    /// Of `webhook` to the plain handler.
    pub fn ratio(&self) -> f64 {
        self.median(0) / self.median(PLAIN)
    }

    fn cell(&self, handler: usize) -> String {
        let values = &self.values[handler];
        let text = number(self.median(handler));
        match values.len() {
            1 => text,
            2 | 3 => {
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                format!("{text} ({} to {})", number(least), number(most))
            }
            _ => format!("{text} ({} to {})", number(quantile(values, 1, 4)), number(quantile(values, 3, 4))),
        }
    }
}

/// What is read from a run.
pub type Read = fn(&Run) -> f64;

fn cold(run: &Run) -> f64 {
    run.start_up + run.first
}

fn p50(run: &Run) -> f64 {
    median(&run.warm)
}

fn p99(run: &Run) -> f64 {
    quantile(&run.warm, 99, 100)
}

pub fn figure(
    runs: &[Run],
    name: &'static str,
    read: Read,
    round_trip: Duration,
    body: usize,
    target: Option<f64>,
) -> Figure {
    let values = HANDLERS.map(|handler| {
        let of_handler = runs.iter().filter(|run| run.handler == handler);
        of_handler.filter(|run| (run.round_trip, run.body) == (round_trip, body)).map(read).collect()
    });
    Figure { name, unit: "ms", values, target }
}

pub fn main_figures(runs: &[Run], counted: &[Counts; 3], zipped: [usize; 3]) -> Vec<Figure> {
    let counts = |name, target, read: fn(&Counts) -> u64| {
        Figure::of(name, "million", target, |handler| read(&counted[handler]) as f64 / 1e6)
    };
    let typical = |name, read: Read, target| figure(runs, name, read, NO_DELAY, TYPICAL_BODY, target);
    vec![
        Figure::of("zip", "MB", Some(0.35), |handler| zipped[handler] as f64 / 1e6),
        counts("start-up instructions", Some(0.030), |counts| counts.start_up),
        typical("start-up", |run| run.start_up, None),
        typical("start-up, CPU", |run| run.start_up_cpu, None),
        typical("first invocation", |run| run.first, Some(0.20)),
        counts("first invocation, instructions", None, |counts| counts.first),
        typical("cold total, no network delay", cold, Some(0.13)),
        figure(runs, "cold total, 4.5 ms per round trip", cold, IN_A_REGION, TYPICAL_BODY, Some(0.30)),
        typical("warm p50", p50, Some(0.70)),
        typical("warm p99", p99, None),
        typical("CPU per warm invocation", |run| run.warm_cpu, Some(0.50)),
        counts("warm invocation, instructions", None, |counts| counts.warm),
        Figure { unit: "MiB", ..typical("peak memory", |run| run.peak_mebibytes, Some(0.47)) },
    ]
}

pub fn main_table(figures: &[Figure]) -> String {
    let mut lines = vec![
        "| figure | webhook | plain handler | no-op handler | ratio to plain | target | |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |".to_owned(),
    ];
    for figure in figures {
        let ratio = figure.ratio();
        let (target, verdict) = match figure.target {
            None => (String::new(), String::new()),
            Some(target) if ratio <= target => (share(target), "met".to_owned()),
            Some(target) => (share(target), format!("missed by {:.0}%", (ratio / target - 1.0) * 100.0)),
        };
        let cells = [0, 1, 2].map(|handler| figure.cell(handler)).join(" | ");
        lines.push(format!(
            "| {}, {} | {cells} | **{}** | {target} | {verdict} |",
            figure.name,
            figure.unit,
            share(ratio)
        ));
    }
    lines.join("\n")
}

pub fn full_table(runs: &[Run]) -> String {
    let columns: [(&str, Read); 6] = [
        ("start-up", |run| run.start_up),
        ("first", |run| run.first),
        ("warm p50", p50),
        ("warm p99", p99),
        ("warm CPU", |run| run.warm_cpu),
        ("peak MiB", |run| run.peak_mebibytes),
    ];
    let mut lines = vec![
        format!("| round trip | body | handler | {} |", columns.map(|(name, _)| name).join(" | ")),
        format!("| --- | --- | --- |{}", " ---: |".repeat(columns.len())),
    ];
    for round_trip in ROUND_TRIPS {
        for body in BODIES {
            for (handler, name) in HANDLERS.iter().enumerate() {
                let cells = columns.map(|(column, read)| {
                    let figure = figure(runs, column, read, round_trip, body, None);
                    let text = number(figure.median(handler));
                    if handler == 0 { format!("{text} ({:.2})", figure.ratio()) } else { text }
                });
                let (delay, body) = (milliseconds(round_trip), body_name(body));
                lines.push(format!("| {delay} ms | {body} | {name} | {} |", cells.join(" | ")));
            }
        }
    }
    lines.join("\n")
}

/// How the instructions of a warm invocation grow with the body.
pub fn linear_table(by_body: &[(u64, u64)]) -> String {
    let mut lines = vec![
        "| body | instructions per warm invocation | per additional byte |".to_owned(),
        "| ---: | ---: | ---: |".to_owned(),
    ];
    let mut before = None;
    for &(body, count) in by_body {
        let more = before
            .map_or(String::new(), |(smaller, less)| format!("{:.1}", (count - less) as f64 / (body - smaller) as f64));
        lines.push(format!("| {} B | {} | {more} |", thousands(body), thousands(count)));
        before = Some((body, count));
    }
    lines.join("\n")
}

pub fn body_name(bytes: usize) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { format!("{} KB", bytes / 1024) }
}

pub fn number(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        1.0..100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

pub fn share(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}
