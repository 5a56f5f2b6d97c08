//! Figures and tables of docs/performance.md.

use std::time::Duration;

use crate::handler::{HANDLERS, PLAIN, WEBHOOKS};
use crate::instructions::Counts;
use crate::measure::{IN_A_REGION, NO_DELAY, Run};
use crate::statistics::{median, quantile};

pub const TYPICAL_BODY: usize = 200;

/// One figure of all handlers: one value per run of each, and none where it was not measured.
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    values: [Vec<f64>; HANDLERS.len()],
}

impl Figure {
    pub fn is_of(&self, handler: usize) -> bool {
        !self.values[handler].is_empty()
    }

    pub fn median(&self, handler: usize) -> f64 {
        median(&self.values[handler])
    }

    /// To the plain handler.
    pub fn ratio(&self, handler: usize) -> f64 {
        self.median(handler) / self.median(PLAIN)
    }

    fn cell(&self, handler: usize) -> String {
        let values = &self.values[handler];
        if values.is_empty() {
            return String::new();
        }
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

pub fn figure(runs: &[Run], name: &'static str, read: Read, round_trip: Duration, body: usize) -> Figure {
    let values = HANDLERS.map(|handler| {
        let of_handler = runs.iter().filter(|run| run.handler == handler);
        of_handler.filter(|run| (run.round_trip, run.body) == (round_trip, body)).map(read).collect()
    });
    Figure { name, unit: "ms", values }
}

pub fn figures(runs: &[Run], counted: &[Counts; HANDLERS.len() - 1], sizes: &[(&str, usize)]) -> Vec<Figure> {
    let counts = |name, read: fn(&Counts) -> u64| {
        let of = |handler: usize| vec![read(&counted[handler]) as f64 / 1e6];
        Figure { name, unit: "million", values: [vec![], of(0), of(1), of(2)] }
    };
    let size =
        |handler| sizes.iter().filter(|(name, _)| *name == handler).map(|(_, bytes)| *bytes as f64 / 1e6).collect();
    let typical = |name, read: Read| figure(runs, name, read, NO_DELAY, TYPICAL_BODY);
    vec![
        Figure { name: "zip", unit: "MB", values: HANDLERS.map(size) },
        counts("start-up instructions", |counts| counts.start_up),
        typical("start-up", |run| run.start_up),
        typical("start-up, CPU", |run| run.start_up_cpu),
        typical("first invocation", |run| run.first),
        counts("first invocation, instructions", |counts| counts.first),
        typical("cold total, no network delay", cold),
        figure(runs, "cold total, 4.5 ms per round trip", cold, IN_A_REGION, TYPICAL_BODY),
        typical("warm p50", p50),
        typical("warm p99", p99),
        typical("CPU per warm invocation", |run| run.warm_cpu),
        counts("warm invocation, instructions", |counts| counts.warm),
        Figure { unit: "MiB", ..typical("peak memory", |run| run.peak_mebibytes) },
    ]
}

pub fn table(figures: &[Figure]) -> String {
    let mut lines = vec![
        "| figure | webhook | ratio | webhook without a profile | ratio | plain handler | no-op handler |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    for figure in figures {
        let ratio = |handler| if figure.is_of(handler) { share(figure.ratio(handler)) } else { String::new() };
        let webhooks = WEBHOOKS.map(|handler| format!("{} | **{}**", figure.cell(handler), ratio(handler)));
        let others = [figure.cell(PLAIN), figure.cell(PLAIN + 1)].join(" | ");
        lines.push(format!("| {}, {} | {} | {others} |", figure.name, figure.unit, webhooks.join(" | ")));
    }
    lines.join("\n").replace("****", "")
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
