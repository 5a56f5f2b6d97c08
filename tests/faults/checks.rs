//! Sends the event of a case, and checks the response, its time, the bus, the queue and the log.

use std::time::Duration;

use momento_body_signature::sign;
use serde_json::Value;

use crate::case::RESPOND_WITHIN;
use crate::table::{Row, Start};
use test_kit::fake_aws::Message;
use test_kit::momento;
use test_kit::process::Process;
use test_kit::retry_queue::webhook_body;
use test_kit::runtime_api::{Response, TRACE};
use test_kit::sandbox::{Bus, Function, Sandbox};

/// What must happen to an event.
#[derive(Clone, Debug)]
pub struct Expected {
    status: u64,
    reason: Option<&'static str>,
    bus: OnBus,
    copies_in_queue: usize,
    puts: Option<usize>,
    sends: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum OnBus {
    Not,
    Once,
    /// EventBridge accepted it, and its response was lost or late.
    OnceOrMore,
    /// EventBridge accepted it and dropped it, since there is no bus.
    Dropped,
}

pub fn delivered() -> Expected {
    Expected { status: 200, reason: None, bus: OnBus::Once, copies_in_queue: 0, puts: None, sends: Some(0) }
}

pub fn queued(reason: &'static str) -> Expected {
    Expected { status: 202, reason: Some(reason), bus: OnBus::Not, copies_in_queue: 1, puts: None, sends: None }
}

pub fn logged(reason: &'static str) -> Expected {
    Expected { status: 500, reason: Some(reason), bus: OnBus::Not, copies_in_queue: 0, puts: None, sends: None }
}

/// A request that cannot be judged: the retry queue gets it with its signature.
pub fn unverified() -> Expected {
    Expected { puts: Some(0), ..queued(SECRET_UNAVAILABLE) }
}

/// The same, because a rotation is in progress.
pub fn unverified_in_a_rotation() -> Expected {
    Expected { puts: Some(0), ..queued(ROTATION_IN_PROGRESS) }
}

/// Without a secret and without a retry queue, nothing of the request is stored.
pub fn lost() -> Expected {
    Expected { status: 500, reason: None, bus: OnBus::Not, copies_in_queue: 0, puts: Some(0), sends: None }
}

const SECRET_UNAVAILABLE: &str = "SecretUnavailable";
const ROTATION_IN_PROGRESS: &str = "RotationInProgress";

fn is_unverified(reason: &str) -> bool {
    [SECRET_UNAVAILABLE, ROTATION_IN_PROGRESS].contains(&reason)
}

impl Expected {
    pub fn and_on_the_bus(self) -> Self {
        Self { bus: OnBus::OnceOrMore, ..self }
    }

    pub fn and_dropped(self) -> Self {
        Self { bus: OnBus::Dropped, ..self }
    }

    pub fn in_the_queue_twice(self) -> Self {
        Self { copies_in_queue: 2, ..self }
    }

    /// The number of PutEvents calls.
    pub fn puts(self, calls: usize) -> Self {
        Self { puts: Some(calls), ..self }
    }

    /// The number of SendMessage calls.
    pub fn sends(self, calls: usize) -> Self {
        Self { sends: Some(calls), ..self }
    }

    fn row(&self, name: &'static str, bus: Bus, start: Start, took: Duration) -> Row {
        Row {
            name,
            start: Some(start),
            response: match self.status {
                200 => "200 Success",
                202 => "202 Queued",
                _ => "500 Internal Server Error",
            }
            .into(),
            bus: match self.bus {
                OnBus::Not => "",
                OnBus::Dropped => "accepted and dropped",
                OnBus::OnceOrMore if bus == Bus::Classic => "once or more",
                OnBus::Once | OnBus::OnceOrMore => "once",
            }
            .into(),
            queue: match (self.status, self.copies_in_queue, self.reason) {
                (500, _, Some(reason)) => format!("in the log: `{reason}`"),
                (_, 2, Some(reason)) => format!("twice: `{reason}`"),
                (_, 1, Some(reason)) => format!("`{reason}`"),
                _ => String::new(),
            },
            took,
        }
    }
}

/// Text that the queue message must escape: quotes, control characters, non-ASCII and supplementary characters.
const TEXT: &str = "\"quoted\"\\ \n\t\u{1}\u{7f} é ☃ 🐿 \u{fffe}";

pub fn body_of_the_case() -> String {
    momento::body("serverless", "test", 1, TEXT)
}

pub async fn post_and_check(
    name: &'static str,
    sandbox: &Sandbox,
    function: &Function,
    start: Start,
    expected: &Expected,
) -> Row {
    let puts_before = sandbox.eventbridge.calls("PutEvents").len();
    let body = body_of_the_case();
    let before = momento::now();
    let response = function.post(&body).await;
    let took = match start {
        Start::Cold => function.since_start(&response),
        Start::Warm => response.elapsed(),
    };
    assert_eq!(response.status(), expected.status, "{}", function.process.lines().join("\n"));
    assert!(took < RESPOND_WITHIN, "the response took {took:?}");
    check_response(&response);
    check_bus(sandbox, &body, expected);
    let messages = sandbox.sqs.state().service.messages.clone();
    assert_eq!(messages.len(), expected.copies_in_queue, "messages in the queue");
    for message in messages {
        assert_eq!(message.queue, sandbox.queue_url());
        check_message(&message, expected.reason.unwrap(), &body, before, &response.request_id);
    }
    if let Some(puts) = expected.puts {
        assert_eq!(sandbox.eventbridge.calls("PutEvents").len() - puts_before, puts, "PutEvents calls");
    }
    if let Some(sends) = expected.sends {
        assert_eq!(sandbox.sqs.calls("SendMessage").len(), sends, "SendMessage calls");
    }
    if expected.status == 500 {
        check_log(&function.process, expected, &body, before, &response.request_id).await;
    }
    expected.row(name, sandbox.bus, start, took)
}

fn check_response(response: &Response) {
    assert!(!response.is_error, "{}", response.payload);
    let message = match response.status() {
        200 => "Success",
        202 => "Queued",
        _ => "Internal Server Error",
    };
    assert_eq!(response.message(), message);
    assert_eq!(response.payload["headers"]["content-type"], "application/json");
}

fn check_bus(sandbox: &Sandbox, body: &str, expected: &Expected) {
    let eventbridge = &sandbox.eventbridge.state().service;
    let dropped = usize::from(expected.bus == OnBus::Dropped);
    assert_eq!(eventbridge.dropped.len(), dropped, "entries that EventBridge accepted and dropped");
    match expected.bus {
        OnBus::Not | OnBus::Dropped => assert_eq!(eventbridge.entries.len(), 0, "events on the bus"),
        OnBus::Once => assert_eq!(eventbridge.entries.len(), 1, "events on the bus"),
        // A Custom Event Bus suppresses the repeats.
        OnBus::OnceOrMore if sandbox.bus == Bus::Custom => {
            assert_eq!(eventbridge.entries.len(), 1, "events on the bus")
        }
        OnBus::OnceOrMore => assert!(!eventbridge.entries.is_empty(), "no event is on the bus"),
    }
    for entry in &eventbridge.entries {
        assert_eq!(*entry, entry_of(sandbox.bus, body, Some(TRACE)));
    }
}

/// The expected entry.
pub fn entry_of(bus: Bus, body: &str, trace: Option<&str>) -> Value {
    let parsed: Value = serde_json::from_str(body).expect("a body");
    let name = |key: &str| parsed[key].as_str().expect("a name").to_owned();
    bus.entry(&format!("{}#{}", name("cache"), name("topic")), body, trace)
}

fn check_message(message: &Message, reason: &str, body: &str, before: i64, request_id: &str) {
    assert!(message.body.bytes().all(|byte| (0x20..0x80).contains(&byte)), "not one line of ASCII: {}", message.body);
    let parsed: Value = serde_json::from_str(&message.body).expect("JSON");
    let version = if is_unverified(reason) { 2 } else { 1 };
    let start = format!(r#"{{"version":{version},"reason":"{reason}","error":"#);
    assert!(message.body.starts_with(&start), "{}", message.body);
    assert_eq!(message.attributes["reason"]["StringValue"], reason);
    check_queue_message(&parsed, reason, body, before, request_id);
}

/// Checks a queue message, which is in the queue or in the log.
fn check_queue_message(queue_message: &Value, reason: &str, body: &str, before: i64, request_id: &str) {
    assert_eq!(queue_message["reason"], reason);
    assert_eq!(queue_message["requestId"], request_id);
    let error = queue_message["error"].as_str().expect("an error");
    assert!(error.contains(": ") && error.len() < 600 && !error.contains("Error {"), "{error}");
    let received = queue_message["receivedAt"].as_i64().expect("a time");
    // It is taken before any waiting, so it is close to the time of the request.
    assert!((before..before + 3_000).contains(&received), "receivedAt {received}, sent {before}");
    let (version, members) = if is_unverified(reason) {
        assert_eq!(queue_message["signature"], sign(momento::SECRET.as_bytes(), body.as_bytes()));
        (2, 7)
    } else {
        (1, 6)
    };
    assert_eq!(queue_message["version"], version);
    assert_eq!(queue_message.as_object().map(|object| object.len()), Some(members), "{queue_message}");
    assert_eq!(webhook_body(queue_message), body.as_bytes());
}

/// A 500 leaves a verified event in one ERROR record, and nothing of an unverified one.
async fn check_log(process: &Process, expected: &Expected, body: &str, before: i64, request_id: &str) {
    match expected.reason {
        Some(reason) => {
            let record = process.record("BothFailed", |record| record["outcome"] == "BothFailed").await;
            assert_eq!((&record["level"], &record["requestId"]), (&"ERROR".into(), &request_id.into()), "{record}");
            check_queue_message(&record["queueMessage"], reason, body, before, request_id);
            let records = process.records().into_iter().filter(|record| !record["queueMessage"].is_null()).count();
            assert_eq!(records, 1, "records with the event");
        }
        None => {
            process.record("SecretUnavailable", |record| record["outcome"] == "SecretUnavailable").await;
            let log = process.lines().join("\n");
            assert!(!log.contains("serverless") && !log.contains("quoted"), "the log has an unverified body:\n{log}");
        }
    }
}
