//! `docs/logs-and-metrics.md` and `docs/records.md` against a run: tables of fields and metrics, sizes, and sample records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use test_kit::docs::Part;

use crate::kinds::LONG;
use crate::output::Record;
use crate::runs::EVERY_KIND;

pub const PAGE: &str = "logs-and-metrics.md";
const SAMPLES: &str = "records.md";
const RUN: &str = "is not what the functions write: run `make observed`, and review the changes.";
const BY_HAND: &str = "left is what the table lists, right is what the functions write: correct the table by hand.";
const WIDTH: usize = 118;

/// What CloudWatch Logs adds to each event, and its price in dollars for a GB of a function's log in US East (N. Virginia).
/// <https://aws.amazon.com/cloudwatch/pricing/>
const EVENT_BYTES: usize = 26;
const DOLLARS_PER_GB: f64 = 0.50;

pub fn part(page: &str, name: &str) -> Part {
    let (begin, end) = (format!("<!-- {name}: written by `make observed` -->"), format!("<!-- end of {name} -->"));
    Part::of(page, &begin, &end).expect("a part of the page")
}

/// A heading and a record for each kind of request, and for what redrive does with a message.
fn samples() -> Vec<(String, &'static Record)> {
    let mut samples: Vec<_> = EVERY_KIND.requests().map(|(sent, record)| (sent.kind.name.to_owned(), record)).collect();
    for record in &EVERY_KIND.redrive.records {
        let heading = match (record.text("outcome"), record.text("reason")) {
            (outcome, "Unmappable") => format!("{outcome}: not a valid event"),
            (outcome @ ("Redriven" | "RedriveFailed"), _) => outcome.to_owned(),
            (outcome, _) => format!("{outcome}, queued unverified before"),
        };
        if !samples.iter().any(|(seen, _)| *seen == heading) {
            samples.push((heading, record));
        }
    }
    samples
}

/// One row for each request: its name, and the bytes of its record and of its metrics.
fn sizes() -> Vec<(&'static str, usize, usize)> {
    let runs = EVERY_KIND.webhook.iter();
    let written = runs.flat_map(|run| run.recorded().zip(&run.output.metrics));
    written.map(|((sent, record), metrics)| (sent.kind.name, record.line.len(), metrics.bytes)).collect()
}

#[test]
fn the_sample_records_and_their_sizes_on_the_pages_are_those_of_a_run() {
    if Part::may_be_updated() {
        part(PAGE, "costs").update(&costs_text()).expect(PAGE);
        part(SAMPLES, "records").update(&records_text()).expect(SAMPLES);
    }
    check_records(part(SAMPLES, "records").text());
    check_costs(part(PAGE, "costs").text());
}

fn records_text() -> String {
    let mut text = String::new();
    for (heading, record) in samples() {
        let _ = write!(text, "\n## {heading}\n\n```\n{}\n```\n", wrapped(&record.line));
    }
    text + "\n"
}

fn check_records(shown: &str) {
    let shown: BTreeMap<_, _> = shown.split("\n## ").skip(1).map(|sample| sample.split_once("\n").unwrap()).collect();
    let samples: BTreeMap<_, _> = samples().into_iter().collect();
    assert!(shown.keys().copied().eq(samples.keys()), "docs/{SAMPLES} {RUN} It should have: {:?}", samples.keys());
    for (heading, text) in shown {
        let sample: Value = serde_json::from_str(text.trim().trim_matches('`')).expect("JSON");
        let (record, members) = (samples[heading], sample.as_object().expect("an object"));
        assert!(
            members.keys().map(String::as_str).eq(record.names()),
            "docs/{SAMPLES}, {heading}, {RUN} {}",
            record.line
        );
        for name in ["level", "message", "outcome", "reason", "error"] {
            assert_eq!(sample[name], record.fields[name], "docs/{SAMPLES}, {heading}, {RUN}");
        }
    }
}

fn costs_text() -> String {
    let head = "| request | record | metrics | total | cost per million |\n| --- | ---: | ---: | ---: | ---: |\n";
    let mut text = format!("\n{head}");
    for (name, record, metrics) in sizes() {
        let billed = record + metrics + 2 * EVENT_BYTES;
        let dollars = billed as f64 * 1e6 / 1e9 * DOLLARS_PER_GB;
        let _ = writeln!(text, "| {name} | {record} B | {metrics} B | {} B | ${dollars:.2} |", record + metrics);
    }
    text + "\n"
}

fn check_costs(shown: &str) {
    let rows: Vec<Vec<_>> = table(shown).collect();
    assert!(rows.iter().map(|row| row[0]).eq(sizes().into_iter().map(|(name, ..)| name)), "docs/{PAGE} {RUN}\n{shown}");
    for (row, (name, record, metrics)) in rows.iter().zip(sizes()) {
        let bytes = |cell: &str| cell.trim_end_matches(" B").parse::<usize>().expect("bytes");
        // A time may have another number of digits, and only the first request of a process has the metric ColdStart.
        assert!(bytes(row[1]).abs_diff(record) <= 30, "docs/{PAGE}, {name}: {record}. It {RUN}");
        assert!(bytes(row[2]).abs_diff(metrics) <= 70, "docs/{PAGE}, {name}: {metrics}. It {RUN}");
    }
}

/// A line of JSON in lines that are short enough to be read, and without most of a long name.
pub fn wrapped(line: &str) -> String {
    let (mut text, mut width) = (String::new(), 0);
    for member in members(&line.replace(&"x".repeat(LONG), "xx…xx")) {
        if width > 0 && width + member.len() + 1 > WIDTH {
            (text, width) = (text + "\n", 0);
        }
        if !text.is_empty() {
            (text, width) = (text + " ", width + 1);
        }
        width += member.len();
        text += &member;
    }
    text
}

/// Splits JSON after each comma that is not in a string, and adds a space after each colon.
fn members(json: &str) -> Vec<String> {
    let (mut members, mut member) = (Vec::new(), String::new());
    let (mut is_in_string, mut is_escaped) = (false, false);
    for letter in json.chars() {
        member.push(letter);
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_in_string = !is_in_string,
            ':' if !is_in_string => member.push(' '),
            ',' if !is_in_string => members.push(std::mem::take(&mut member)),
            _ => {}
        }
    }
    members.push(member);
    members
}

fn page() -> String {
    let path = format!("{}/docs/{PAGE}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect(PAGE)
}

/// The text under a heading, up to the next heading of its level or above.
fn section(heading: &str) -> String {
    let page = page();
    let level = heading.split(' ').next().expect("a level").len();
    let (_, after) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{PAGE} has no {heading}"));
    let is_end =
        |line: &&str| line.starts_with('#') && line.split(' ').next().is_some_and(|hashes| hashes.len() <= level);
    after.lines().take_while(|line| !is_end(line)).collect::<Vec<_>>().join("\n")
}

/// The cells of the rows under a table's head.
fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    rows.take_while(|line| line.starts_with('|')).map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// What is marked as code.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_of_fields_lists_exactly_those_that_occur() {
    let section = section("### Fields");
    let listed: BTreeSet<_> = table(&section).flat_map(|row| names(row[0]).collect::<Vec<_>>()).collect();
    assert_eq!(listed, EVERY_KIND.records().flat_map(Record::names).collect(), "docs/{PAGE}, Fields; {BY_HAND}");
}

#[test]
fn the_outcomes_in_that_table_are_exactly_those_that_occur() {
    let section = section("### Fields");
    let row = table(&section).find(|row| row[0] == "`outcome`").expect("a row");
    assert_eq!(
        names(row[1]).collect::<BTreeSet<_>>(),
        EVERY_KIND.records().map(|record| record.text("outcome")).collect(),
        "docs/{PAGE}, Fields, the row of `outcome`; {BY_HAND}"
    );
}

#[test]
fn the_table_of_metrics_lists_exactly_those_that_occur_with_their_units() {
    let section = section("## Metrics");
    let rows: Vec<_> = table(&section).collect();
    let listed: BTreeMap<_, _> = rows.iter().map(|row| (row[0].trim_matches('`'), row[2].to_owned())).collect();
    let values = EVERY_KIND.outputs().flat_map(|output| &output.metrics).flat_map(|line| &line.values);
    let written: BTreeMap<_, _> = values.map(|(name, (unit, _))| (name.as_str(), format!("{unit:?}"))).collect();
    assert_eq!(listed, written, "docs/{PAGE}, Metrics; {BY_HAND}");
    assert_eq!(rows.len(), listed.len(), "docs/{PAGE}, Metrics: a metric is listed twice.");
}
