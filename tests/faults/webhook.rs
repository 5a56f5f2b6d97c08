//! `webhook` is cold or warm while services fail. Checked are the response, its time, the bus, the queue and the log.

use std::time::Duration;

use momento_body_signature::sign;
use serde_json::Value;
use test_kit::fake_aws::{Endpoint, SecretsManager, Sqs};
use test_kit::fault::Fault::{Error, Hang, Html, Reset, ResponseLost};
use test_kit::momento;
use test_kit::retry_queue::webhook_body;
use test_kit::runtime_api::{Response, TRACE};
use test_kit::sandbox::{Bus, CUSTOM_BUS, Function, Sandbox};

use crate::{CLASSIC, CUSTOM, Case, EITHER, Measured, WEBHOOK, case, check_bus, fail, fail_first, of_another_account};

/// Momento stops waiting after 5 s. The rest is for the network between it and the function.
const RESPOND_WITHIN: Duration = Duration::from_millis(4_500);

/// Text that the queue message must escape: quotes, control characters, non-ASCII and supplementary characters.
const TEXT: &str = "\"quoted\"\\ \n\t\u{1}\u{7f} é ☃ 🐿 \u{fffe}";

/// What must happen to an event.
struct Expected {
    status: u64,
    reason: Option<&'static str>,
    /// How often it is on the bus.
    bus: &'static str,
    puts: Option<usize>,
}

const ONCE: &str = "once";
const ONCE_OR_MORE: &str = "once or more";
const UNVERIFIED: &str = "SecretUnavailable";

fn delivered(puts: usize) -> Expected {
    Expected { status: 200, reason: None, bus: ONCE, puts: Some(puts) }
}

fn queued(reason: &'static str) -> Expected {
    Expected { status: 202, reason: Some(reason), bus: "", puts: None }
}

fn logged(reason: &'static str) -> Expected {
    Expected { status: 500, ..queued(reason) }
}

pub fn cases() -> Vec<Case> {
    let mut cases = either_bus();
    cases.extend(nothing_works());
    cases.extend(one_kind_of_bus());
    cases
}

fn either_bus() -> Vec<Case> {
    vec![
        cold("an event is delivered when nothing fails", EITHER, async |_| {}, delivered(1)),
        cold(
            "an event is delivered over TLS with a round-trip time of 5 ms",
            EITHER,
            async |aws| *aws = Sandbox::in_a_region(aws.bus, Duration::from_millis(5)).await,
            delivered(1),
        ),
        warm(
            "a call that hangs once is retried over another connection",
            async |aws, _| fail_first(1, aws, "PutEvents", &Hang),
            delivered(2),
        ),
        warm(
            "a connection reset once is retried",
            async |aws, _| fail_first(1, aws, "PutEvents", &Reset),
            delivered(2),
        ),
        warm(
            "a response lost once is retried",
            async |aws, _| fail_first(1, aws, "PutEvents", &ResponseLost),
            Expected { bus: ONCE_OR_MORE, ..delivered(2) },
        ),
        warm(
            "connections closed while the process was frozen are opened again",
            async |aws, function| {
                // Lambda freezes a process between invocations.
                function.process.signal("STOP");
                aws.eventbridge.server.break_connections();
                tokio::time::sleep(Duration::from_millis(100)).await;
                function.process.signal("CONT");
            },
            delivered(1),
        ),
        warm(
            "refused connections queue the event",
            async |aws, _| aws.eventbridge.server.refuse().await,
            queued("PutFailed"),
        ),
        cold(
            "EventBridge hanging from the start queues the event",
            EITHER,
            async |aws| fail(aws, "PutEvents DescribeEventBus", &Hang),
            queued("TimedOut"),
        ),
        cold(
            "refused connections to Secrets Manager queue the request unverified",
            EITHER,
            async |aws| aws.secrets.server.refuse().await,
            queued(UNVERIFIED),
        ),
        cold(
            "an unreachable Secrets Manager queues the request unverified",
            EITHER,
            async |aws| aws.secrets = Endpoint::unreachable(SecretsManager::default()),
            queued(UNVERIFIED),
        ),
    ]
}

/// Neither the bus nor the retry queue takes the event.
fn nothing_works() -> Vec<Case> {
    vec![
        cold(
            "EventBridge and SQS hanging from the start logs the event",
            EITHER,
            async |aws| fail(aws, "PutEvents DescribeEventBus SendMessage", &Hang),
            logged("TimedOut"),
        ),
        cold(
            "EventBridge and SQS unreachable from the start logs the event",
            EITHER,
            async |aws| {
                aws.eventbridge = Endpoint::unreachable(aws.bus.event_bridge());
                aws.sqs = Endpoint::unreachable(Sqs::default());
            },
            logged("TimedOut"),
        ),
        cold(
            "refused connections to EventBridge and SQS from the start log the event",
            EITHER,
            async |aws| {
                aws.eventbridge.server.refuse().await;
                aws.sqs.server.refuse().await;
            },
            logged("PutFailed"),
        ),
        cold(
            "every service hanging from the start returns 500",
            EITHER,
            async |aws| fail(aws, "GetSecretValue PutEvents DescribeEventBus SendMessage", &Hang),
            Expected { status: 500, reason: None, bus: "", puts: Some(0) },
        ),
    ]
}

fn one_kind_of_bus() -> Vec<Case> {
    vec![
        cold(
            "a bus of another account that is not found counts as existing",
            CLASSIC,
            of_another_account,
            delivered(1),
        ),
        cold(
            "a bus that is being created queues the event",
            CUSTOM,
            async |aws| {
                let mut state = aws.eventbridge.state();
                state.service.custom.as_mut().expect("buses").buses.insert(CUSTOM_BUS.to_owned(), "CREATING");
            },
            Expected { puts: Some(3), ..queued("PutFailed") },
        ),
        cold(
            "a 403 that is not CBOR is not retried",
            CUSTOM,
            async |aws| fail(aws, "PutEvents", &Html(403)),
            Expected { puts: Some(1), ..queued("PutFailed") },
        ),
        cold(
            "a 200 that is not CBOR once is retried",
            CUSTOM,
            async |aws| fail_first(1, aws, "PutEvents", &Html(200)),
            delivered(2),
        ),
        cold(
            "a DescribeEventBus that does not find the bus changes nothing",
            CUSTOM,
            async |aws| fail(aws, "DescribeEventBus", &Error(404, "ResourceNotFoundException")),
            delivered(1),
        ),
    ]
}

/// A new process that meets the failure from its first call on. The event is waiting when it starts.
fn cold<F>(name: &'static str, buses: &'static [Bus], fails: F, expected: Expected) -> Case
where
    F: AsyncFnOnce(&mut Sandbox) + Send + 'static,
{
    case(name, buses, async move |bus| {
        let mut aws = Sandbox::with(bus).await;
        fails(&mut aws).await;
        let function = aws.start(WEBHOOK).await;
        let response = post_and_check(&aws, &function, &expected).await;
        measured(&expected, "cold", function.since_start(&response))
    })
}

/// A process that has delivered one event before the failure begins.
fn warm<F>(name: &'static str, fails: F, expected: Expected) -> Case
where
    F: AsyncFnOnce(&mut Sandbox, &Function) + Send + 'static,
{
    case(name, EITHER, async move |bus| {
        let mut aws = Sandbox::with(bus).await;
        let function = aws.start(WEBHOOK).await;
        assert_eq!(function.post(&momento::body("serverless", "test", 0, "before the failure")).await.status(), 200);
        aws.eventbridge.state().service.entries.clear();
        aws.eventbridge.state().calls.clear();
        fails(&mut aws, &function).await;
        let response = post_and_check(&aws, &function, &expected).await;
        measured(&expected, "warm", response.elapsed())
    })
}

fn measured(expected: &Expected, start: &str, took: Duration) -> Measured {
    assert!(took < RESPOND_WITHIN, "the response took {took:?}");
    (expected.cells(start), took)
}

impl Expected {
    fn message(&self) -> &'static str {
        match self.status {
            200 => "Success",
            202 => "Queued",
            _ => "Internal Server Error",
        }
    }

    fn cells(&self, start: &str) -> String {
        let queue = match (self.status, self.reason) {
            (500, Some(reason)) => format!("in the log: `{reason}`"),
            (_, Some(reason)) => format!("`{reason}`"),
            _ => String::new(),
        };
        format!("{start} | {} {} | {} | {queue}", self.status, self.message(), self.bus)
    }
}

async fn post_and_check(aws: &Sandbox, function: &Function, expected: &Expected) -> Response {
    let body = momento::body("serverless", "test", 1, TEXT);
    let before = momento::now();
    let response = function.post(&body).await;
    let log = || function.process.lines().join("\n");
    assert_eq!((response.status(), &*response.message()), (expected.status, expected.message()), "{}", log());
    let puts = aws.eventbridge.calls("PutEvents").len();
    assert!(expected.puts.is_none_or(|expected| expected == puts), "{puts} PutEvents calls");
    let copies = match expected.bus {
        ONCE => 1,
        // A Custom Event Bus suppresses the repeat.
        ONCE_OR_MORE if aws.bus == Bus::Classic => 2,
        ONCE_OR_MORE => 1,
        _ => 0,
    };
    check_bus(aws, &vec![&*body; copies], (aws.bus == Bus::Classic).then_some(TRACE));
    let messages = aws.sqs.state().service.messages.clone();
    assert_eq!(messages.len(), usize::from(expected.status == 202), "messages in the queue");
    let check = |message: &Value| {
        let reason = expected.reason.expect("a reason");
        check_message(message, reason, &body, &response.request_id);
        // It is taken before any waiting, so it is close to the time of the request.
        let received = message["receivedAt"].as_i64().expect("a time");
        assert!((before..before + 3_000).contains(&received), "receivedAt {received}, sent {before}");
    };
    for message in messages {
        assert!(message.body.bytes().all(|byte| (0x20..0x80).contains(&byte)), "{}", message.body);
        assert_eq!(Some(&message.attributes["reason"]["StringValue"]), expected.reason.map(Value::from).as_ref());
        assert_eq!(message.queue, aws.queue_url());
        check(&serde_json::from_str(&message.body).expect("JSON"));
    }
    match (expected.status, expected.reason) {
        (500, Some(_)) => {
            let record = function.process.record("BothFailed", |record| record["outcome"] == "BothFailed").await;
            assert_eq!(record["level"], "ERROR");
            check(&record["queueMessage"]);
        }
        (500, None) => {
            function.process.record("the outcome", |record| record["outcome"] == UNVERIFIED).await;
            assert!(!log().contains("serverless") && !log().contains("quoted"), "of an unverified body:\n{}", log());
        }
        _ => {}
    }
    response
}

/// Checks a queue message, which is in the queue or in the log.
fn check_message(message: &Value, reason: &str, body: &str, request_id: &str) {
    assert_eq!((&message["reason"], &message["requestId"]), (&reason.into(), &request_id.into()));
    assert!(message["error"].as_str().is_some_and(|error| error.contains(": ")), "{message}");
    assert_eq!(webhook_body(message), body.as_bytes());
    let is_unverified = reason == UNVERIFIED;
    assert_eq!(message["version"], if is_unverified { 2 } else { 1 });
    let signature = is_unverified.then(|| sign(momento::SECRET.as_bytes(), body.as_bytes()));
    assert_eq!(message.get("signature"), signature.map(Value::from).as_ref());
}
