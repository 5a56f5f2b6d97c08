//! What the redrive function writes, and how an event or a request is followed through both logs.

use std::collections::BTreeMap;

use serde_json::json;
use test_kit::fault::{Fault, always};
use test_kit::momento::now;
use test_kit::retry_queue::{failures, message};

use crate::kinds::{REDRIVE_NAME, TEXT, body};
use crate::output::{Record, Unit, sums};
use crate::runs::{EVERY_KIND, block_on, redriven};

#[test]
fn redrive_counts_what_it_put_on_the_bus_and_what_it_did_not() {
    let batch = |size| (0..size).map(|_| message(&body("paid", now(), TEXT))).collect::<Vec<_>>();
    let (four, six) = (batch(4), batch(6));
    let failing = always(Fault::FailedEntriesAt(vec![0, 2, 5], "InternalFailure"));
    let (reports, output) = block_on(redriven([(always(Fault::None), &four), (failing, &six)]));
    assert_eq!(reports[0], json!({"batchItemFailures": []}));
    assert_eq!(failures(&reports[1]), ["message-0", "message-2", "message-5"]);
    assert_eq!(sums(&output.metrics), BTreeMap::from([("Redriven".into(), 7), ("RedriveFailed".into(), 3)]));
    let outcomes: Vec<_> = output.records.iter().map(|record| record.text("outcome")).collect();
    assert_eq!(outcomes[..4], ["Redriven"; 4]);
    assert_eq!(outcomes[4..], ["RedriveFailed", "Redriven", "RedriveFailed", "Redriven", "Redriven", "RedriveFailed"]);
    assert_eq!(output.metrics.len(), 2);
    for line in &output.metrics {
        assert_eq!(line.values["PutMilliseconds"].0, Unit::Milliseconds);
        assert_eq!(line.function, REDRIVE_NAME);
    }
}

fn outcomes<'a>(records: &[&'a Record]) -> Vec<&'a str> {
    records.iter().map(|record| record.text("outcome")).collect()
}

#[test]
fn one_event_is_found_in_both_logs_by_its_cache_topic_and_number() {
    let queued = EVERY_KIND.records().find(|record| record.text("topic") == "put-failed").expect("a record");
    let names = ["cache", "topic", "topicSequenceNumber"];
    let path: Vec<_> = EVERY_KIND
        .records()
        .filter(|record| names.iter().all(|name| record.has(name) && record.fields[name] == queued.fields[name]))
        .collect();
    assert_eq!(outcomes(&path), ["Queued", "RedriveFailed", "Redriven"]);
    assert!(path.iter().all(|record| record.text("reason") == "PutFailed"));
    assert!(path[2].has("eventId"));
}

#[test]
fn one_request_is_found_in_both_logs_by_its_id_even_if_its_body_is_not_an_event() {
    let queued = EVERY_KIND.records().find(|record| record.text("reason") == "Unmappable").expect("a record");
    let id = queued.text("requestId");
    let later: Vec<_> =
        EVERY_KIND.redrive.records.iter().filter(|record| record.text("webhookRequestId") == id).collect();
    assert_eq!(outcomes(&later), ["RedriveFailed", "RedriveFailed"]);
}

#[test]
fn what_was_kept_unverified_and_is_not_authentic_is_refused_like_a_request() {
    let records = EVERY_KIND.redrive.records.iter();
    let refused: Vec<_> = records.filter(|record| !record.text("outcome").starts_with("Redrive")).collect();
    assert_eq!(outcomes(&refused), ["Forged", "Stale", "Future"]);
    assert!(refused.iter().all(|record| record.has("webhookRequestId")));
}
