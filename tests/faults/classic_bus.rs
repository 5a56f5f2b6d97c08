//! What only a Classic event bus does: it drops events silently where it does not exist, and has error codes of its own.

use std::time::Duration;

use serde_json::Value;
use test_kit::fake_aws::EventBridge;
use test_kit::fault::Fault::{self, Error, FailedEntries, HalfBody, Hang, Reset, Slow};
use test_kit::fault::{always, first, once};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{BUS, Bus, Function, Sandbox};

use crate::case::{Case, Failure, Failures, Target, cold, cold_with, describes, fail, puts, warm};
use crate::checks::{delivered, post_and_check, queued};
use crate::redrive::{self, failing, good, good_messages};
use crate::table::{Row, Start};
use crate::{REDRIVE, WEBHOOK};

/// The name or ARN of a bus in another account than the function's.
const OTHER_ACCOUNT: &str = "arn:aws:events:us-east-1:111122223333:event-bus/orders";

/// The least time between two checks whether the bus exists.
const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The DescribeEventBus beside a put that takes this long is answered first, and the put is still in time.
const SLOWER_THAN_DESCRIBE: Duration = Duration::from_millis(700);

pub fn cases() -> Vec<Case> {
    let mut cases = entries_that_are_invalid();
    cases.extend(event_buses_that_are_missing());
    cases.push(Case::new(
        "an event bus with a customer managed key and without a dead-letter queue receives the event, with a warning",
        |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            let key = "00000000-0000-4000-8000-000000000000".into();
            sandbox.eventbridge.state().service.description.insert("KmsKeyIdentifier".to_owned(), key);
            let function = sandbox.start(WEBHOOK).await;
            let is_warning = |record: &Value| record["level"] == "WARN" && record["eventBus"] == BUS;
            function.process.record("warning", is_warning).await;
            post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
        },
    ));
    cases
}

pub fn redrive_cases() -> Vec<Case> {
    let missing = |sandbox: &mut Sandbox| sandbox.eventbridge.state().service = EventBridge::default();
    vec![
        good_with(
            "an event bus that does not exist leaves the batch in the queue without PutEvents",
            missing,
            vec![],
            failing(0..10).calls(0),
        ),
        good_with(
            "half a response from DescribeEventBus once does not hide from redrive that the event bus is missing",
            missing,
            vec![first_describe(HalfBody)],
            failing(0..10).calls(0),
        ),
        good(
            "half a response from DescribeEventBus on every call leaves the batch in the queue",
            vec![describes(HalfBody)],
            failing(0..10).calls(0),
        ),
        Case::new("a 500 from DescribeEventBus on every call leaves the batch in the queue", |name, bus| async move {
            let mut sandbox = Sandbox::with(bus).await;
            fail(&mut sandbox, vec![describes(Error(500, "InternalFailure"))]).await;
            let row = redrive::run(name, &sandbox, good_messages(), failing(0..10).calls(0)).await;
            assert_eq!(sandbox.eventbridge.calls("DescribeEventBus").len(), 3, "DescribeEventBus calls");
            row
        }),
        good(
            "a DescribeEventBus that is reset once during redrive is called again",
            vec![first_describe(Reset)],
            failing([]).calls(1),
        ),
        good(
            "a denied DescribeEventBus counts as an existing event bus during redrive",
            vec![describes(Error(400, "AccessDeniedException"))],
            failing([]).calls(1),
        ),
        Case::new(
            "messages for an event bus of another account are put without asking for it",
            |name, bus| async move {
                let mut sandbox = Sandbox::with(bus).await;
                sandbox.set("EVENT_BUS_NAME", OTHER_ACCOUNT);
                sandbox.eventbridge.state().service = EventBridge::with_bus(OTHER_ACCOUNT);
                let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(redrive::TIMEOUT).await);
                let messages = good_messages();
                let texts = messages.iter().enumerate().map(|(place, message)| (redrive::id(place), &*message.text));
                let response = function.invoke(&batch(texts)).await;
                assert_eq!(failures(&response.payload), Vec::<String>::new());
                assert_eq!(sandbox.eventbridge.state().service.entries.len(), 10, "events on the bus");
                assert_eq!(sandbox.eventbridge.calls("DescribeEventBus").len(), 0, "DescribeEventBus calls");
                Row {
                    name,
                    start: None,
                    response: "0 of 10 reported".into(),
                    bus: "10".into(),
                    queue: "0".into(),
                    took: response.elapsed(),
                }
            },
        ),
    ]
}

fn first_describe(fault: Fault) -> (Target, Failure) {
    (Target::EventBridge, Failure::First(1, "DescribeEventBus", fault))
}

fn good_with(
    name: &'static str,
    change: impl FnOnce(&mut Sandbox) + Send + 'static,
    failures: Failures,
    expected: redrive::Expected,
) -> Case {
    Case::new(name, move |name, bus| async move {
        let mut sandbox = Sandbox::with(bus).await;
        change(&mut sandbox);
        fail(&mut sandbox, failures).await;
        redrive::run(name, &sandbox, good_messages(), expected).await
    })
}

fn entries_that_are_invalid() -> Vec<Case> {
    vec![
        warm(
            "an entry that fails with AccessDeniedException is not retried",
            vec![puts(FailedEntries("AccessDeniedException"))],
            queued("EntryFailed").puts(1),
        ),
        warm(
            "an entry that fails with MalformedDetail is not retried",
            vec![puts(FailedEntries("MalformedDetail"))],
            queued("EntryFailed").puts(1),
        ),
    ]
}

fn event_buses_that_are_missing() -> Vec<Case> {
    vec![
        Case::new("an event bus of another account that is not found counts as existing", |name, bus| async move {
            let mut sandbox = Sandbox::with(bus).await;
            sandbox.set("EVENT_BUS_NAME", OTHER_ACCOUNT);
            sandbox.eventbridge.plan("DescribeEventBus", always(Error(400, "ResourceNotFoundException")));
            let function = sandbox.start(WEBHOOK).await;
            let body = momento::body("serverless", "test", 1, "text");
            let response = function.post(&body).await;
            assert_eq!(response.status(), 200);
            let puts = sandbox.eventbridge.calls("PutEvents");
            assert_eq!(puts.len(), 1);
            assert_eq!(puts[0].input["Entries"][0]["EventBusName"], OTHER_ACCOUNT);
            Row {
                name,
                start: Some(Start::Cold),
                response: "200 Success".into(),
                bus: "once".into(),
                queue: String::new(),
                took: function.since_start(&response),
            }
        }),
        cold_with(
            "an event bus that does not exist queues the event without PutEvents",
            |sandbox| sandbox.eventbridge.state().service = EventBridge::default(),
            vec![],
            queued("BusNotFound").puts(0).sends(1),
        ),
        Case::new("an event bus that is created later receives the next events", |name, bus| async move {
            let (sandbox, function) = with_missing_bus(bus).await;
            sandbox.eventbridge.state().service = EventBridge::with_bus(BUS);
            while function.post(&momento::body("serverless", "test", 0, "still too early")).await.status() == 202 {
                let elapsed = function.process.started.elapsed();
                assert!(elapsed < CHECK_AGAIN_AFTER + Duration::from_secs(3), "DescribeEventBus is not called again");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            let elapsed = function.process.started.elapsed();
            assert!(elapsed >= CHECK_AGAIN_AFTER, "DescribeEventBus is called too often");
            assert_eq!(sandbox.eventbridge.calls("DescribeEventBus").len(), 2);
            forget(&sandbox);
            post_and_check(name, &sandbox, &function, Start::Warm, &delivered()).await
        }),
        Case::new(
            "a DescribeEventBus that is reset once after the event bus was created is called again",
            |name, bus| async move {
                let (sandbox, function) = with_missing_bus(bus).await;
                sandbox.eventbridge.state().service = EventBridge::with_bus(BUS);
                sandbox.eventbridge.plan("DescribeEventBus", once(Reset));
                until_a_check_is_due(&sandbox).await;
                forget(&sandbox);
                post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
            },
        ),
        Case::new(
            "a DescribeEventBus that fails after the event bus was not found changes nothing",
            |name, bus| async move {
                let (sandbox, function) = with_missing_bus(bus).await;
                sandbox.eventbridge.plan("DescribeEventBus", always(Error(500, "InternalFailure")));
                until_a_check_is_due(&sandbox).await;
                forget(&sandbox);
                post_and_check(name, &sandbox, &function, Start::Warm, &queued("BusNotFound").puts(0).sends(1)).await
            },
        ),
        cold_with(
            "a DescribeEventBus that is reset once at start does not hide that the event bus is missing",
            |sandbox| sandbox.eventbridge.state().service = EventBridge::default(),
            vec![first_describe(Reset)],
            queued("BusNotFound").puts(0).sends(1),
        ),
        cold_with(
            "a DescribeEventBus that hangs once at start does not hide that the event bus is missing",
            |sandbox| sandbox.eventbridge.state().service = EventBridge::default(),
            vec![first_describe(Hang)],
            queued("BusNotFound").puts(0).sends(1),
        ),
        Case::new(
            "a PutEvents that fails before the event bus is not found is not called again",
            |name, bus| async move {
                let (sandbox, function) = with_open_question(bus).await;
                // The last attempt comes 260 ms after the first, and EventBridge would accept it.
                sandbox.eventbridge.plan("PutEvents", first(2, Error(408, "RequestTimeout")));
                let expected = queued("BusNotFound").sends(1);
                let row = post_and_check(name, &sandbox, &function, Start::Warm, &expected).await;
                let record = function.process.record("Queued", |record| record["outcome"] == "Queued").await;
                assert_eq!(record["attempts"], sandbox.eventbridge.calls("PutEvents").len(), "{record}");
                row
            },
        ),
        Case::new(
            "a PutEvents that succeeds after the event bus was not found queues the event",
            |name, bus| async move {
                let (sandbox, function) = with_open_question(bus).await;
                sandbox.eventbridge.plan("PutEvents", once(Slow(SLOWER_THAN_DESCRIBE)));
                let expected = queued("BusNotFound").and_dropped().puts(1).sends(1);
                post_and_check(name, &sandbox, &function, Start::Warm, &expected).await
            },
        ),
        cold(
            "a denied DescribeEventBus counts as an existing event bus",
            vec![describes(Error(400, "AccessDeniedException"))],
            delivered().puts(1),
        ),
        cold(
            "a 500 from DescribeEventBus counts as an existing event bus",
            vec![describes(Error(500, "InternalFailure"))],
            delivered().puts(1),
        ),
        cold(
            "a DescribeEventBus that hangs counts as an existing event bus",
            vec![describes(Hang)],
            delivered().puts(1),
        ),
    ]
}

/// A process that did not find its event bus at start, and has queued one event since.
async fn with_missing_bus(bus: Bus) -> (Sandbox, Function) {
    let sandbox = Sandbox::with(bus).await;
    sandbox.eventbridge.state().service = EventBridge::default();
    let function = sandbox.start(WEBHOOK).await;
    assert_eq!(function.post(&momento::body("serverless", "test", 0, "too early")).await.status(), 202);
    (sandbox, function)
}

/// A process whose check at start had no clear answer, and whose event bus is missing. It may check again.
async fn with_open_question(bus: Bus) -> (Sandbox, Function) {
    let sandbox = Sandbox::with(bus).await;
    sandbox.eventbridge.state().service = EventBridge::default();
    sandbox.eventbridge.plan("DescribeEventBus", first(3, Reset));
    let function = sandbox.start(WEBHOOK).await;
    function.runtime.ready().await;
    until_a_check_is_due(&sandbox).await;
    assert_eq!(sandbox.eventbridge.calls("DescribeEventBus").len(), 3, "DescribeEventBus calls at start");
    (sandbox, function)
}

/// Waits for 5 s after the last check began.
async fn until_a_check_is_due(sandbox: &Sandbox) {
    let first_call = sandbox.eventbridge.calls("DescribeEventBus").first().expect("a call").at;
    tokio::time::sleep_until((first_call + CHECK_AGAIN_AFTER + Duration::from_millis(100)).into()).await;
}

fn forget(sandbox: &Sandbox) {
    let mut eventbridge = sandbox.eventbridge.state();
    eventbridge.service.entries.clear();
    eventbridge.service.dropped.clear();
    let mut sqs = sandbox.sqs.state();
    sqs.service.messages.clear();
    sqs.calls.clear();
}
