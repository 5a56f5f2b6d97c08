//! What only a Classic event bus does: it drops events silently where it does not exist, and has error codes of its own.

use std::time::Duration;

use test_kit::fake_aws::EventBridge;
use test_kit::fault::Fault::{Error, FailedEntries, Hang};
use test_kit::fault::always;
use test_kit::momento;
use test_kit::sandbox::{BUS, Sandbox};

use crate::WEBHOOK;
use crate::case::{Case, cold, cold_with, describes, puts, warm};
use crate::checks::{delivered, post_and_check, queued};
use crate::redrive::{self, failing, good_messages};
use crate::table::{Row, Start};

pub fn cases() -> Vec<Case> {
    let mut cases = entries_that_are_invalid();
    cases.extend(event_buses_that_are_missing());
    cases
}

pub fn redrive_cases() -> Vec<Case> {
    vec![Case::new(
        "an event bus that does not exist leaves the batch in the queue without PutEvents",
        |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            sandbox.eventbridge.state().service = EventBridge::default();
            redrive::run(name, &sandbox, good_messages(), failing(0..10).calls(0)).await
        },
    )]
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
    const OTHER_ACCOUNT: &str = "arn:aws:events:us-east-1:111122223333:event-bus/orders";
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
            let sandbox = Sandbox::with(bus).await;
            sandbox.eventbridge.state().service = EventBridge::default();
            let function = sandbox.start(WEBHOOK).await;
            assert_eq!(function.post(&momento::body("serverless", "test", 0, "too early")).await.status(), 202);
            sandbox.eventbridge.state().service = EventBridge::with_bus(BUS);
            // DescribeEventBus is called again at most every 5 s.
            while function.post(&momento::body("serverless", "test", 0, "still too early")).await.status() == 202 {
                assert!(
                    function.process.started.elapsed() < Duration::from_secs(8),
                    "DescribeEventBus is not called again"
                );
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            assert!(
                function.process.started.elapsed() >= Duration::from_secs(5),
                "DescribeEventBus is called too often"
            );
            assert_eq!(sandbox.eventbridge.calls("DescribeEventBus").len(), 2);
            sandbox.eventbridge.state().service.entries.clear();
            sandbox.sqs.state().service.messages.clear();
            sandbox.sqs.state().calls.clear();
            post_and_check(name, &sandbox, &function, Start::Warm, &delivered()).await
        }),
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
