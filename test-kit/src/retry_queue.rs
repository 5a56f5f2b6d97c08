//! Messages of the retry queue: their body, and the batches in which `redrive` gets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The webhook body in a queue message, in the queue or in the log.
pub fn kept_body(message: &Value) -> Vec<u8> {
    match (message["body"].as_str(), message["bodyBase64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => STANDARD.decode(encoded).expect("base64"),
        _ => panic!("not one body: {message}"),
    }
}

/// The event that the event source mapping makes of messages, each with its id and its text.
pub fn batch<'a>(messages: impl IntoIterator<Item = (String, &'a str)>) -> Value {
    let record = |(id, text): (String, &str)| {
        json!({
            "messageId": id,
            "receiptHandle": format!("handle-of-{id}"),
            "body": text,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1726292279851"},
            "messageAttributes": {"reason": {"stringValue": "TimedOut", "dataType": "String"}},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:retry",
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": messages.into_iter().map(record).collect::<Vec<_>>()})
}

/// The ids that `redrive` reports as failed, sorted.
pub fn failures(answer: &Value) -> Vec<String> {
    let reported = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("not a report: {answer}"));
    let id = |failure: &Value| failure["itemIdentifier"].as_str().expect("an id").to_owned();
    let mut failed: Vec<String> = reported.iter().map(id).collect();
    failed.sort_unstable();
    failed
}
