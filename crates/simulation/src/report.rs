//! What many lives exercised, as it stands in docs/faults.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use simulation::fault::{self, OPERATIONS};
use simulation::request::{Content, Kind};
use simulation::search::Lived;
use test_kit::fault::Fault;

/// What many lives found.
#[derive(Default)]
pub struct Found {
    pub lives: u64,
    pub requests: u64,
    pub failed: Vec<u64>,
    pub counts: BTreeMap<String, u64>,
    /// How often messages were answered with each status, by the operation and the fault that they met, and by whether they
    /// met it more than once.
    statuses: BTreeMap<(String, bool), BTreeMap<u64, u64>>,
}

impl Found {
    pub fn add(&mut self, lived: &Lived) {
        let history = &lived.history;
        self.lives += 1;
        self.requests += u64::try_from(history.requests.len()).unwrap_or_default();
        for (what, count) in &history.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
        let mut met: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for call in history.calls.iter().filter(|call| call.fault != Fault::None) {
            let Some(request) = call.request else { continue };
            met.entry(request).or_default().push(format!("{}: {}", call.operation, fault::name(&call.fault)));
        }
        for (number, request) in &history.requests {
            let faults = met.remove(number).unwrap_or_default();
            let fault = faults.first().map_or("", String::as_str);
            let is_message = request.kind == Kind::Webhook(Content::Message) && request.is_authentic_and_fresh();
            if let (true, Some(answer)) = (is_message && faults.iter().all(|other| *other == fault), request.answer) {
                let statuses = self.statuses.entry((fault.to_owned(), faults.len() > 1)).or_default();
                *statuses.entry(answer.status).or_default() += 1;
            }
        }
    }

    pub fn text(&self) -> String {
        let Found { lives, requests, failed, .. } = self;
        let failed = failed.len();
        let mut text = format!("\n{lives} lives, {requests} requests, {failed} lives with a violation:\n\n");
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (what, count) in &self.counts {
            let (group, name) = what.split_once(": ").unwrap_or(("process", what));
            rows.entry(group).or_default().push(format!("{} {count}", name.trim_end()));
        }
        text += "| | how often |\n| --- | --- |\n";
        for (group, counts) in rows {
            let _ = writeln!(text, "| {group} | {} |", counts.join(", "));
        }
        let without = self.cell("", false);
        let _ = write!(
            text,
            "\nResponses to messages that met no fault: {without}. To those that met only this fault:\n\n| fault |"
        );
        for operation in OPERATIONS {
            let _ = write!(text, " {operation} once | more than once |");
        }
        let _ = writeln!(text, "\n|{}", " --- |".repeat(1 + 2 * OPERATIONS.len()));
        let faults = self.statuses.keys().filter_map(|(fault, _)| Some(fault.split_once(": ")?.1));
        for fault in faults.collect::<std::collections::BTreeSet<_>>() {
            let cells = OPERATIONS.map(|operation| {
                let cell = |is_repeated| self.cell(&format!("{operation}: {fault}"), is_repeated);
                format!("{} | {}", cell(false), cell(true))
            });
            let _ = writeln!(text, "| {fault} | {} |", cells.join(" | "));
        }
        text + "\n"
    }

    fn cell(&self, fault: &str, is_repeated: bool) -> String {
        let statuses = self.statuses.get(&(fault.to_owned(), is_repeated));
        let counts = statuses.into_iter().flatten().map(|(status, count)| format!("{status} {count}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}
