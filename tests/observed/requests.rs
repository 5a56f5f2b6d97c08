//! A request of every kind, and what the log and the metrics say about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::{KINDS, WEBHOOK_NAME, World};
use crate::output::{Metrics, Record, Unit, sums};
use crate::runs::{EVERY_KIND, Sent};

fn requests() -> impl Iterator<Item = (&'static Sent, &'static Record, &'static Metrics)> {
    let runs = EVERY_KIND.webhook.iter();
    runs.flat_map(|run| run.recorded().zip(&run.output.metrics)).map(|((sent, record), line)| (sent, record, line))
}

#[test]
fn the_metrics_add_up_to_exactly_what_was_sent() {
    let mut expected = BTreeMap::new();
    for kind in KINDS {
        *expected.entry(kind.outcome().to_owned()).or_default() += 1;
    }
    let refused = ["Stale", "Future", "PayloadTooLarge"].map(|outcome| expected[outcome]).iter().sum();
    expected.extend([
        ("DetailTypeCut".to_owned(), KINDS.iter().filter(|kind| kind.is_cut).count() as u64),
        ("SignatureMismatch".to_owned(), 1),
        ("EventRefused".to_owned(), refused),
        ("Deduplicated".to_owned(), 1),
        ("ColdStart".to_owned(), EVERY_KIND.webhook.len() as u64),
    ]);
    assert_eq!(sums(requests().map(|(_, _, line)| line)), expected);
}

#[test]
fn a_request_that_no_known_secret_signed_counts_as_no_delivery() {
    for (_, record, line) in requests() {
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
fn a_request_has_the_response_of_its_outcome_and_one_record_and_one_line_of_metrics() {
    for run in &EVERY_KIND.webhook {
        let output = &run.output;
        // A start that meets a fault logs it; nothing else is logged.
        assert_eq!(output.lines.len(), 2 * run.sent.len() + output.notes.len());
        let lines = output.lines.iter().filter(|line| !output.notes.contains(line));
        assert!(lines.enumerate().all(|(place, line)| line.starts_with(r#"{"_aws""#) == (place % 2 == 1)));
        let cold: Vec<_> = output.records.iter().map(|record| record.fields["coldStart"] == true).collect();
        assert!(cold[0] && !cold[1..].contains(&true), "only the first request of a process is a cold start");
        let ids: BTreeSet<_> = output.records.iter().map(|record| record.text("requestId")).collect();
        assert_eq!(ids.len(), run.sent.len());
    }
    for (sent, record, metrics) in requests() {
        let (kind, line) = (sent.kind, &record.line);
        assert_eq!(record.text("requestId"), sent.request_id);
        assert_eq!(sent.status, kind.status, "{line}");
        assert_eq!((record.text("outcome"), record.text("reason")), (kind.outcome(), kind.reason.unwrap_or_default()));
        assert_eq!(record.fields["detailTypeCut"].as_bool().unwrap_or_default(), kind.is_cut, "{line}");
        assert!(metrics.values.contains_key(kind.outcome()), "{line}");
        assert_eq!(metrics.function, WEBHOOK_NAME);
    }
}

#[test]
fn a_missing_bus_or_secret_is_reported_at_start_by_a_record_of_its_own() {
    let [ready, no_bus, no_secret] = [0, 1, 2].map(|place| &EVERY_KIND.webhook[place].output.notes);
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
    for (_, record, line) in requests() {
        for (metric, field) in TIMES {
            let time = line.values.get(metric);
            assert_eq!(time.is_some(), record.text("outcome") == "Delivered", "{}", record.line);
            if let Some((unit, value)) = time {
                assert_eq!((*unit, record.fields[field].as_f64()), (Unit::Milliseconds, Some(*value)));
                assert!((0.0..60_000.0).contains(value), "{metric} is {value}");
            }
        }
    }
}

#[test]
fn a_record_has_what_is_known_of_the_event() {
    for (sent, record, _) in requests() {
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
