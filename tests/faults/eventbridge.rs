//! EventBridge fails, and the retry queue works.

use std::time::Duration;

use test_kit::fault::Fault::{Error, FailedEntries, Hang, Html, Reset, ResponseLost, Slow};
use test_kit::sandbox::Sandbox;

use crate::case::{Case, Failure, Target, cold, describes, first_put, in_sandbox, puts, warm, warmed_up};
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
    cases
}

fn calls_that_fail() -> Vec<Case> {
    let (internal, unavailable) = (Error(500, "InternalFailure"), Html(503));
    let (throttled, denied) = (Error(400, "ThrottlingException"), Error(400, "AccessDeniedException"));
    vec![
        cold("an event is delivered when nothing fails", vec![], delivered().puts(1)),
        Case::new("an event is delivered over TLS with a round-trip time of 5 ms", |name, bus| async move {
            let sandbox = Sandbox::in_a_region(bus, ms(5)).await;
            in_sandbox(name, &sandbox, Start::Cold, delivered().puts(1)).await
        }),
        warm("a 500 once is retried", vec![first_put(internal.clone())], delivered().puts(2)),
        warm("a 500 on every call queues the event", vec![puts(internal)], queued("PutFailed").puts(3).sends(1)),
        warm("a 503 with an HTML body once is retried", vec![first_put(unavailable.clone())], delivered().puts(2)),
        warm(
            "a 503 with an HTML body on every call queues the event",
            vec![puts(unavailable)],
            queued("PutFailed").puts(3),
        ),
        warm("throttling once is retried", vec![first_put(throttled.clone())], delivered().puts(2)),
        warm("throttling on every call queues the event", vec![puts(throttled)], queued("PutFailed").puts(3)),
        warm("access denied is not retried", vec![puts(denied)], queued("PutFailed").puts(1).sends(1)),
        warm(
            "an entry that fails once with InternalFailure is retried",
            vec![first_put(FailedEntries("InternalFailure"))],
            delivered().puts(2),
        ),
        warm(
            "an entry that fails once with ThrottlingException is retried",
            vec![first_put(FailedEntries("ThrottlingException"))],
            delivered().puts(2),
        ),
        warm(
            "an entry that fails on every call with InternalException is queued",
            vec![puts(FailedEntries("InternalException"))],
            queued("EntryFailed").puts(3),
        ),
    ]
}

fn connections_that_fail() -> Vec<Case> {
    vec![
        warm("a call that takes 400 ms succeeds", vec![puts(Slow(ms(400)))], delivered().puts(1)),
        cold("a call that takes 400 ms succeeds on a cold start", vec![puts(Slow(ms(400)))], delivered().puts(1)),
        warm("a call that takes 2 s once is retried", vec![first_put(Slow(ms(2_000)))], delivered().and_on_the_bus()),
        warm(
            "calls that all take 2 s leave the event in the queue and on the bus",
            vec![puts(Slow(ms(2_000)))],
            queued("TimedOut").and_on_the_bus(),
        ),
        warm("a call that hangs once is retried over another connection", vec![first_put(Hang)], delivered()),
        warm("calls that all hang queue the event", vec![puts(Hang)], queued("TimedOut").sends(1)),
        cold(
            "EventBridge hanging from the start queues the event",
            vec![puts(Hang), describes(Hang)],
            queued("TimedOut").sends(1),
        ),
        warm("a connection reset once is retried", vec![first_put(Reset)], delivered().puts(2)),
        warm("a connection reset on every call queues the event", vec![puts(Reset)], queued("PutFailed").puts(3)),
        cold(
            "connection resets from the start queue the event",
            vec![puts(Reset), describes(Reset)],
            queued("PutFailed"),
        ),
        warm("a response lost once is retried", vec![first_put(ResponseLost)], delivered().and_on_the_bus().puts(2)),
        warm(
            "a response lost on every call leaves the event in the queue and on the bus",
            vec![puts(ResponseLost)],
            queued("PutFailed").and_on_the_bus(),
        ),
        Case::new("connections closed while the process was frozen are opened again", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            let function = warmed_up(&sandbox).await;
            // Lambda freezes a process between invocations.
            function.process.signal("STOP");
            sandbox.eventbridge.server.break_connections();
            tokio::time::sleep(ms(100)).await;
            function.process.signal("CONT");
            post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
        }),
        warm("refused connections queue the event", bus(Failure::Refused), queued("PutFailed").puts(0)),
        cold("refused connections from the start queue the event", bus(Failure::Refused), queued("PutFailed").puts(0)),
        cold(
            "an unreachable EventBridge from the start queues the event",
            bus(Failure::Unreachable),
            queued("TimedOut").puts(0),
        ),
    ]
}
