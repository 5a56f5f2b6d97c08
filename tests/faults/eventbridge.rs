//! EventBridge fails, and the retry queue works.

use std::time::Duration;

use test_kit::fake_aws::EventBridge;
use test_kit::fault::Fault::{Error, FailedEntries, Hang, Html, Reset, ResponseLost, Slow};
use test_kit::momento;
use test_kit::sandbox::{BUS, Sandbox};

use crate::WEBHOOK;
use crate::case::{Case, Failure, Target, cold, cold_with, describes, first_put, in_sandbox, puts, warm, warmed_up};
use crate::checks::{delivered, post_and_check, queued};
use crate::table::Start;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn bus(failure: Failure) -> Vec<(Target, Failure)> {
    vec![(Target::EventBridge, failure)]
}

pub fn cases() -> Vec<Case> {
    let mut cases = calls_that_fail();
    cases.extend(connections_that_fail());
    cases.extend(event_buses_that_are_missing());
    cases
}

fn calls_that_fail() -> Vec<Case> {
    let (internal, unavailable) = (Error(500, "InternalFailure"), Html(503));
    let (throttled, denied) = (Error(400, "ThrottlingException"), Error(400, "AccessDeniedException"));
    vec![
        cold("nothing fails", vec![], delivered().puts(1)),
        Case::new("over TLS and 5 ms away nothing fails either", |name| async move {
            let sandbox = Sandbox::in_a_region(ms(5)).await;
            in_sandbox(name, &sandbox, Start::Cold, delivered().puts(1)).await
        }),
        warm("a 500 once is a second put", vec![first_put(internal.clone())], delivered().puts(2)),
        warm("a 500 always is an event in the queue", vec![puts(internal)], queued("PutFailed").puts(3).sends(1)),
        warm("a 503 in HTML once is a second put", vec![first_put(unavailable.clone())], delivered().puts(2)),
        warm("a 503 in HTML always is an event in the queue", vec![puts(unavailable)], queued("PutFailed").puts(3)),
        warm("a throttled put is a second put", vec![first_put(throttled.clone())], delivered().puts(2)),
        warm(
            "puts that are throttled always are an event in the queue",
            vec![puts(throttled)],
            queued("PutFailed").puts(3),
        ),
        warm("a put that is denied is not tried again", vec![puts(denied)], queued("PutFailed").puts(1).sends(1)),
        warm(
            "an entry that fails once with InternalFailure is put again",
            vec![first_put(FailedEntries("InternalFailure"))],
            delivered().puts(2),
        ),
        warm(
            "an entry that fails once with ThrottlingException is put again",
            vec![first_put(FailedEntries("ThrottlingException"))],
            delivered().puts(2),
        ),
        warm(
            "an entry that always fails with InternalException is an event in the queue",
            vec![puts(FailedEntries("InternalException"))],
            queued("EntryFailed").puts(3),
        ),
        warm(
            "an entry that is denied is not put again",
            vec![puts(FailedEntries("AccessDeniedException"))],
            queued("EntryFailed").puts(1),
        ),
        warm(
            "an entry that is malformed to EventBridge is not put again",
            vec![puts(FailedEntries("MalformedDetail"))],
            queued("EntryFailed").puts(1),
        ),
    ]
}

fn connections_that_fail() -> Vec<Case> {
    vec![
        warm("a put that takes 400 ms is still a 200", vec![puts(Slow(ms(400)))], delivered().puts(1)),
        cold("a put that takes 400 ms on a cold start is still a 200", vec![puts(Slow(ms(400)))], delivered().puts(1)),
        warm("a put that takes 2 s once is put again", vec![first_put(Slow(ms(2_000)))], delivered().and_on_the_bus()),
        warm(
            "puts that all take 2 s are an event in the queue, and on the bus as well",
            vec![puts(Slow(ms(2_000)))],
            queued("TimedOut").and_on_the_bus(),
        ),
        warm("a put that hangs once is put again over another connection", vec![first_put(Hang)], delivered()),
        warm("puts that always hang are an event in the queue", vec![puts(Hang)], queued("TimedOut").sends(1)),
        cold(
            "EventBridge hanging from the start is an event in the queue",
            vec![puts(Hang), describes(Hang)],
            queued("TimedOut").sends(1),
        ),
        warm("a connection reset once is put again", vec![first_put(Reset)], delivered().puts(2)),
        warm(
            "a connection that is always reset is an event in the queue",
            vec![puts(Reset)],
            queued("PutFailed").puts(3),
        ),
        cold(
            "EventBridge resetting from the start is an event in the queue",
            vec![puts(Reset), describes(Reset)],
            queued("PutFailed"),
        ),
        warm(
            "an answer that is lost once is put again",
            vec![first_put(ResponseLost)],
            delivered().and_on_the_bus().puts(2),
        ),
        warm(
            "answers that are always lost are an event in the queue, and on the bus as well",
            vec![puts(ResponseLost)],
            queued("PutFailed").and_on_the_bus(),
        ),
        Case::new("connections closed while the process was frozen are opened again", |name| async move {
            let sandbox = Sandbox::new().await;
            let function = warmed_up(&sandbox).await;
            // Lambda freezes a process between invocations.
            function.process.signal("STOP");
            sandbox.eventbridge.server.break_connections();
            tokio::time::sleep(ms(100)).await;
            function.process.signal("CONT");
            post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
        }),
        warm(
            "EventBridge refusing connections is an event in the queue",
            bus(Failure::Refused),
            queued("PutFailed").puts(0),
        ),
        cold(
            "EventBridge refusing connections from the start is an event in the queue",
            bus(Failure::Refused),
            queued("PutFailed").puts(0),
        ),
        cold(
            "EventBridge that cannot be reached from the start is an event in the queue",
            bus(Failure::Unreachable),
            queued("TimedOut").puts(0),
        ),
    ]
}

fn event_buses_that_are_missing() -> Vec<Case> {
    vec![
        cold_with(
            "a bus that does not exist is an event in the queue, and no put",
            |sandbox| sandbox.eventbridge.state().service = EventBridge::default(),
            vec![],
            queued("BusNotFound").puts(0).sends(1),
        ),
        Case::new("a bus that is created later gets the next events", |name| async move {
            let sandbox = Sandbox::new().await;
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
                tokio::time::sleep(ms(250)).await;
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
            "a bus that may not be asked for counts as there",
            vec![describes(Error(400, "AccessDeniedException"))],
            delivered().puts(1),
        ),
        cold(
            "a bus whose description is a 500 counts as there",
            vec![describes(Error(500, "InternalFailure"))],
            delivered().puts(1),
        ),
        cold("a bus whose description hangs counts as there", vec![describes(Hang)], delivered().puts(1)),
    ]
}
