//! A thousand requests of every kind, and what the log and the metrics say about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::kinds::{KINDS, Kind, WEBHOOK_NAME, WORLDS, World};
use crate::output::{Metrics, Record, Unit, sums};
use crate::runs::{Run, Sent, block_on};

/// A run in each world.
static RUNS: LazyLock<Vec<Run>> = LazyLock::new(|| {
    block_on(async {
        let mut runs = Vec::new();
        for world in WORLDS {
            runs.push(Run::of(world, shuffled(world), &mut Vec::new()).await);
        }
        runs
    })
});

/// The kinds of a world as often as they occur, in an order in which they follow each other in many ways.
fn shuffled(world: World) -> impl Iterator<Item = &'static Kind> {
    let kinds = KINDS.iter().filter(move |kind| kind.world == world);
    let all: Vec<_> = kinds.flat_map(|kind| std::iter::repeat_n(kind, kind.times)).collect();
    // A step that is prime, and no factor of any of the numbers, passes each place once.
    (0..all.len()).map(move |place| all[place * 389 % all.len()])
}

fn requests() -> impl Iterator<Item = (&'static Sent, &'static Record)> {
    RUNS.iter().flat_map(Run::recorded)
}

fn records() -> impl Iterator<Item = &'static Record> {
    requests().map(|(_, record)| record)
}

fn metrics() -> impl Iterator<Item = &'static Metrics> {
    RUNS.iter().flat_map(|run| &run.output.metrics)
}

/// How many requests are sent, by what their kind says.
fn sent_by<K: Ord>(key: impl Fn(&'static Kind) -> K) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for kind in KINDS {
        *counts.entry(key(kind)).or_default() += kind.times as u64;
    }
    counts
}

#[test]
fn a_thousand_requests_of_every_kind_are_sent() {
    let mut sent = BTreeMap::new();
    for (request, _) in requests() {
        *sent.entry(request.kind.name).or_default() += 1;
    }
    assert_eq!((requests().count(), sent), (1000, sent_by(|kind| kind.name)));
}

#[test]
fn the_metrics_add_up_to_exactly_what_was_sent() {
    let mut expected = sent_by(|kind| kind.outcome().to_owned());
    expected.insert("DetailTypeCut".into(), sent_by(|kind| kind.is_cut)[&true]);
    let mismatches = sent_by(|kind| kind.reason == Some("SignatureMismatch"))[&true];
    expected.insert("SignatureMismatch".into(), mismatches);
    let refused = ["Stale", "Future", "PayloadTooLarge"].map(|outcome| expected[outcome]).iter().sum();
    expected.insert("EventRefused".into(), refused);
    expected.insert("Deduplicated".into(), sent_by(|kind| kind.world)[&World::CustomBus]);
    expected.insert("ColdStart".into(), RUNS.len() as u64);
    assert_eq!(sums(metrics()), expected);
}

#[test]
fn a_request_that_no_known_secret_signed_counts_as_no_delivery() {
    for (record, line) in RUNS.iter().flat_map(|run| run.output.records.iter().zip(&run.output.metrics)) {
        let delivered = line.values.get("Delivered").map(|&(_, number)| number);
        let expected = match (record.text("outcome"), record.text("reason")) {
            ("Delivered", _) => Some(1.0),
            ("Forged", "SignatureMismatch") => Some(0.0),
            _ => None,
        };
        assert_eq!(delivered, expected, "{}", record.line);
    }
}

#[test]
fn every_line_of_metrics_has_the_name_of_the_function_from_its_environment() {
    assert!(metrics().all(|line| line.function == WEBHOOK_NAME));
}

#[test]
fn each_response_is_that_of_the_outcome() {
    for (sent, record) in requests() {
        assert_eq!(sent.status, sent.kind.status, "{}", record.line);
    }
}

#[test]
fn each_record_has_the_outcome_and_the_reason_of_the_request() {
    for (sent, record) in requests() {
        let (kind, line) = (sent.kind, &record.line);
        assert_eq!((record.text("outcome"), record.text("reason")), (kind.outcome(), kind.reason.unwrap_or_default()));
        assert_eq!(record.fields["detailTypeCut"].as_bool().unwrap_or_default(), kind.is_cut, "{line}");
    }
}

#[test]
fn only_the_first_request_of_a_process_is_a_cold_start() {
    for run in RUNS.iter() {
        let cold: Vec<_> = run.output.records.iter().map(|record| record.fields["coldStart"] == true).collect();
        assert!(cold[0] && !cold[1..].contains(&true));
    }
}

#[test]
fn a_request_has_one_record_and_one_line_of_metrics() {
    for run in RUNS.iter() {
        let output = &run.output;
        assert_eq!((output.records.len(), output.metrics.len()), (run.sent.len(), run.sent.len()));
        // A start that meets a fault logs it; nothing else is logged.
        assert_eq!(output.lines.len(), 2 * run.sent.len() + output.notes.len());
        let lines = output.lines.iter().filter(|line| !output.notes.contains(line));
        assert!(lines.enumerate().all(|(place, line)| line.starts_with(r#"{"_aws""#) == (place % 2 == 1)));
        for ((sent, record), line) in run.recorded().zip(&output.metrics) {
            assert_eq!(record.text("requestId"), sent.request_id);
            assert!(line.values.contains_key(record.text("outcome")), "{}", record.line);
        }
        let ids: BTreeSet<_> = output.records.iter().map(|record| record.text("requestId")).collect();
        assert_eq!(ids.len(), run.sent.len());
    }
}

#[test]
fn a_missing_bus_or_secret_is_reported_at_start_by_a_record_of_its_own() {
    let [ready, no_bus, no_secret] = [0, 1, 2].map(|place| &RUNS[place].output.notes);
    assert!(ready.is_empty(), "{ready:?}");
    assert!(no_bus[0].contains("Create it or correct EVENT_BUS_NAME"), "{no_bus:?}");
    assert!(
        no_secret.iter().any(|note| note.contains(r#""level":"ERROR""#) && note.contains("secret")),
        "{no_secret:?}"
    );
}

#[test]
fn each_delivery_has_its_two_times_and_nothing_else_has() {
    const TIMES: [(&str, &str); 2] =
        [("PutMilliseconds", "putMilliseconds"), ("PublishToBusMilliseconds", "publishToBusMilliseconds")];
    for (record, line) in records().zip(metrics()) {
        for (metric, field) in TIMES {
            let time = line.values.get(metric);
            assert_eq!(time.is_some(), record.text("outcome") == "Delivered", "{}", record.line);
            if let Some((unit, value)) = time {
                assert_eq!(*unit, Unit::Milliseconds);
                assert_eq!(record.fields[field].as_f64(), Some(*value));
                assert!((0.0..60_000.0).contains(value), "{metric} is {value}");
            }
        }
    }
}

#[test]
fn a_record_has_what_is_known_of_the_event() {
    for (sent, record) in requests() {
        let (outcome, line) = (record.text("outcome"), &record.line);
        let is_verified = ["Delivered", "Queued", "BothFailed", "Stale", "Future"].contains(&outcome);
        for name in ["cache", "topic", "topicSequenceNumber"] {
            assert_eq!(record.has(name), is_verified && record.text("reason") != "Unmappable", "{name}: {line}");
        }
        assert_eq!(record.has("deduplicated"), sent.kind.world == World::CustomBus, "{line}");
        assert_eq!(record.has("eventId"), outcome == "Delivered" && !record.has("deduplicated"), "{line}");
        let is_failure = ["Queued", "BothFailed", "SecretUnavailable", "RotationInProgress"].contains(&outcome);
        assert_eq!(record.has("error"), is_failure, "{line}");
        assert_eq!(record.has("queueError"), sent.status == 500, "{line}");
        assert_eq!(record.has("queueMessage"), outcome == "BothFailed", "{line}");
        let put = record.fields["putMilliseconds"].as_f64().unwrap_or_default();
        assert!(record.fields["totalMilliseconds"].as_f64() >= Some(put), "{line}");
        assert_eq!(record.fields["bodyBytes"].as_u64() > Some(0), outcome != "BadRequest", "{line}");
    }
}
