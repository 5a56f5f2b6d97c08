//! `redrive` puts a batch of the retry queue on the bus, and reports what fails so that it stays in the queue.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use test_kit::fault::Fault::{self, Error, FailedEntries, FailedEntriesAt, Hang, Reset, ResponseLost, Slow};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures, message};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Function, Sandbox};

use crate::REDRIVE;
use crate::case::{Case, Failures, describes, fail, first_put, puts};
use crate::checks::entry_of;
use crate::table::Row;

/// The timeout of an invocation.
pub const TIMEOUT: Duration = Duration::from_secs(8);

/// A message of the queue, and its webhook body where `redrive` can read one.
pub struct Message {
    pub text: String,
    pub body: Option<String>,
}

/// What must happen to a batch.
pub struct Expected {
    pub failed: Vec<usize>,
    /// The positions of the messages that are put on the bus.
    pub on_the_bus: Vec<usize>,
    pub calls: Option<usize>,
}

/// The messages at these positions fail, and all others are delivered.
pub fn failing(failed: impl IntoIterator<Item = usize>) -> Expected {
    let failed: Vec<usize> = failed.into_iter().collect();
    let on_the_bus = (0..10).filter(|position| !failed.contains(position)).collect();
    Expected { failed, on_the_bus, calls: None }
}

impl Expected {
    pub fn calls(self, calls: usize) -> Self {
        Self { calls: Some(calls), ..self }
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = batches_that_fail_in_part();
    cases.extend(messages_of_all_kinds());
    cases.extend(services_that_fail());
    cases
}

fn batches_that_fail_in_part() -> Vec<Case> {
    let denied = "AccessDeniedException";
    vec![
        good("ten messages are put in one call", vec![], failing([]).calls(1)),
        good(
            "entries that fail within a batch stay in the queue without the others",
            vec![puts(FailedEntriesAt(vec![2, 7], "InternalFailure"))],
            failing([2, 7]),
        ),
        good("entries that all fail all stay in the queue", vec![puts(FailedEntries(denied))], failing(0..10)),
        Case::new("only the message for which a whole call is rejected stays in the queue", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            let refused =
                |input: &Value| input["Entries"].as_array().is_some_and(|entries| entries.iter().any(is_fourth));
            sandbox.eventbridge.plan(
                "PutEvents",
                Box::new(move |_, input| if refused(input) { Error(400, "ValidationException") } else { Fault::None }),
            );
            run(name, &sandbox, good_messages(), failing([4]).calls(11)).await
        }),
        good(
            "a 500 once during redrive leaves the batch in the queue until its next turn",
            vec![first_put(Error(500, "InternalFailure"))],
            failing(0..10).calls(1),
        ),
        good(
            "throttling on every redrive call leaves the batch in the queue",
            vec![puts(Error(400, "ThrottlingException"))],
            failing(0..10).calls(1),
        ),
    ]
}

fn messages_of_all_kinds() -> Vec<Case> {
    vec![
        with(
            "messages that cannot be read stay in the queue and block no others",
            mixed_messages(),
            failing([1, 2, 3, 4, 5, 6, 7]).calls(1),
        ),
        with("more than 1 MB is put in several calls", large_messages(), failing([]).calls(2)),
        with("messages queued for a day are put on the bus", old_messages(), failing([]).calls(1)),
    ]
}

fn services_that_fail() -> Vec<Case> {
    vec![
        good("a redrive call that takes 2 s succeeds", vec![puts(Slow(Duration::from_secs(2)))], failing([]).calls(1)),
        good("redrive calls that hang leave the batch in the queue", vec![puts(Hang)], failing(0..10)),
        good(
            "EventBridge hanging from the start leaves the batch in the queue",
            vec![puts(Hang), describes(Hang)],
            failing(0..10),
        ),
        good("a connection reset during redrive leaves the batch in the queue", vec![puts(Reset)], failing(0..10)),
        Case::new(
            "a response lost during redrive leaves the batch in the queue and on the bus",
            |name, bus| async move {
                let mut sandbox = Sandbox::with(bus).await;
                fail(&mut sandbox, vec![puts(ResponseLost)]).await;
                let expected = Expected { on_the_bus: (0..10).collect(), ..failing(0..10) };
                run(name, &sandbox, good_messages(), expected).await
            },
        ),
        Case::new("refused connections leave the batch in the queue", |name, bus| async move {
            let mut sandbox = Sandbox::with(bus).await;
            sandbox.eventbridge.server.refuse().await;
            run(name, &sandbox, good_messages(), failing(0..10)).await
        }),
    ]
}

pub fn good(name: &'static str, failures: Failures, expected: Expected) -> Case {
    Case::new(name, move |name, bus| async move {
        let mut sandbox = Sandbox::with(bus).await;
        fail(&mut sandbox, failures).await;
        run(name, &sandbox, good_messages(), expected).await
    })
}

fn with(name: &'static str, messages: Vec<Message>, expected: Expected) -> Case {
    Case::new(name, move |name, bus| async move { run(name, &Sandbox::with(bus).await, messages, expected).await })
}

pub async fn run(name: &'static str, sandbox: &Sandbox, messages: Vec<Message>, expected: Expected) -> Row {
    let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
    run_in(name, sandbox, &function, messages, expected).await
}

/// Gives the messages to a function, and checks what it reports and what is on the bus.
pub async fn run_in(
    name: &'static str,
    sandbox: &Sandbox,
    function: &Function,
    messages: Vec<Message>,
    expected: Expected,
) -> Row {
    let texts = messages.iter().enumerate().map(|(position, message)| (id(position), &*message.text));
    let response = function.invoke(&batch(texts)).await;
    let took = response.elapsed();
    assert!(!response.is_error && took < TIMEOUT, "{took:?} {}", response.payload);
    let failed = failures(&response.payload);
    let ids: Vec<String> = expected.failed.iter().map(|position| id(*position)).collect();
    assert_eq!(failed, ids, "messages that are reported");
    let state = sandbox.eventbridge.state();
    assert_eq!(state.service.dropped, Vec::<Value>::new(), "entries that EventBridge accepted and dropped");
    let entry = |position: &usize| {
        let body = messages[*position].body.as_deref().expect("a body");
        entry_of(sandbox.bus, body, None)
    };
    let on_the_bus: Vec<Value> = expected.on_the_bus.iter().map(entry).collect();
    assert_eq!(state.service.entries, on_the_bus, "events on the bus");
    drop(state);
    if let Some(calls) = expected.calls {
        assert_eq!(sandbox.eventbridge.calls("PutEvents").len(), calls, "PutEvents calls");
    }
    Row {
        name,
        start: None,
        response: format!("{} of 10 reported", failed.len()),
        bus: on_the_bus.len().to_string(),
        queue: failed.len().to_string(),
        took,
    }
}

pub fn id(position: usize) -> String {
    format!("message-{position}")
}

fn readable(body: &str) -> Message {
    Message { text: message(body), body: Some(body.to_owned()) }
}

fn unreadable(text: impl ToString) -> Message {
    Message { text: text.to_string(), body: None }
}

pub fn body_at(position: usize) -> String {
    momento::body("serverless", "test", position as u64, &format!("message {position} \u{1} é 🐿 \u{ffff}"))
}

fn is_fourth(entry: &Value) -> bool {
    entry["Detail"].as_str().is_some_and(|detail| detail.contains("message 4"))
}

pub fn good_messages() -> Vec<Message> {
    (0..10).map(|position| readable(&body_at(position))).collect()
}

fn old_messages() -> Vec<Message> {
    let yesterday = momento::now() - 86_400_000;
    (0..10).map(|position| readable(&momento::body_at(yesterday, "serverless", "test", position, "old"))).collect()
}

/// 170 KB each, 1.7 MB in total.
fn large_messages() -> Vec<Message> {
    (0..10).map(|position| readable(&momento::body("serverless", "test", position, &"x".repeat(170_000)))).collect()
}

/// The first and the last two can be put. Each of the others is unreadable for another reason.
fn mixed_messages() -> Vec<Message> {
    let envelope = |members: Value| {
        let mut message = json!({"version": 1, "reason": "TimedOut", "error": "", "receivedAt": 1, "requestId": ""});
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        message
    };
    let body = body_at(8);
    let as_base64 = envelope(json!({"bodyBase64": STANDARD.encode(&body)}));
    vec![
        readable(&body_at(0)),
        unreadable("hello"),
        unreadable(envelope(json!({"version": 2, "body": body_at(2)}))),
        unreadable(envelope(json!({}))),
        unreadable(envelope(json!({"bodyBase64": "*"}))),
        unreadable(envelope(json!({"body": body_at(5), "bodyBase64": "e30="}))),
        unreadable(envelope(json!({"body": "{\"cache\":\"c\"}"}))),
        unreadable(envelope(json!({"bodyBase64": STANDARD.encode(b"\xff\xfe")}))),
        Message { text: as_base64.to_string(), body: Some(body) },
        readable(&body_at(9)),
    ]
}
