//! Messages of the retry queue, and the batches in which `redrive` receives them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A queue message with this webhook body, made without code of `src/`.
pub fn message(body: &str) -> String {
    json!({
        "version": 1,
        "reason": "TimedOut",
        "error": "TimedOut: No response in time.",
        "receivedAt": 1726292279851_i64,
        "requestId": "00000000-0000-4000-8000-000000000001",
        "body": body,
    })
    .to_string()
}

/// The webhook body in a queue message, which is in the queue or in the log.
pub fn webhook_body(message: &Value) -> Vec<u8> {
    match (message["body"].as_str(), message["bodyBase64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => STANDARD.decode(encoded).expect("base64"),
        _ => panic!("the message must have one body: {message}"),
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
pub fn failures(response: &Value) -> Vec<String> {
    let reported = response["batchItemFailures"].as_array().unwrap_or_else(|| panic!("not a report: {response}"));
    let id = |failure: &Value| failure["itemIdentifier"].as_str().expect("an id").to_owned();
    let mut failed: Vec<String> = reported.iter().map(id).collect();
    failed.sort_unstable();
    failed
}
