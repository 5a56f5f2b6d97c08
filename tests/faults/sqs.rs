//! EventBridge fails, and SQS fails as well.

use std::time::Duration;

use test_kit::fault::Fault::{Error, Hang, Html, Reset, ResponseLost, Slow};

use crate::case::{Case, Failure, Target, cold, cold_with, describes, first_send, puts, reads, sends, warm};
use crate::checks::{logged, queued};

/// EventBridge fails in a way that is not retried, so the event goes to the queue at once.
fn denied() -> (Target, Failure) {
    puts(Error(400, "AccessDeniedException"))
}

fn queue(failure: Failure) -> (Target, Failure) {
    (Target::Sqs, failure)
}

pub fn cases() -> Vec<Case> {
    let mut cases = calls_that_fail();
    cases.extend(connections_that_fail());
    cases.extend(everything_fails());
    cases
}

fn calls_that_fail() -> Vec<Case> {
    let (internal, unavailable) = (Error(500, "InternalFailure"), Html(503));
    let (throttled, refused) = (Error(400, "RequestThrottled"), Error(403, "AccessDeniedException"));
    vec![
        warm(
            "a 500 from SQS once is retried",
            vec![denied(), first_send(internal.clone())],
            queued("PutFailed").sends(2),
        ),
        warm(
            "a 500 from SQS on every call logs the event",
            vec![denied(), sends(internal)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "a 503 from SQS with an HTML body once is retried",
            vec![denied(), first_send(unavailable.clone())],
            queued("PutFailed").sends(2),
        ),
        warm(
            "a 503 from SQS with an HTML body on every call logs the event",
            vec![denied(), sends(unavailable)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "throttling by SQS once is retried",
            vec![denied(), first_send(throttled.clone())],
            queued("PutFailed").sends(2),
        ),
        warm(
            "throttling by SQS on every call logs the event",
            vec![denied(), sends(throttled)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "access denied by SQS logs the event without a retry",
            vec![denied(), sends(refused)],
            logged("PutFailed").sends(1),
        ),
        warm(
            "a retry queue that does not exist logs the event",
            vec![denied(), sends(Error(400, "AWS.SimpleQueueService.NonExistentQueue"))],
            logged("PutFailed"),
        ),
        cold_with(
            "without a retry queue the event is logged",
            |sandbox| sandbox.set("RETRY_QUEUE_URL", ""),
            vec![denied()],
            logged("PutFailed").sends(0),
        ),
        cold_with(
            "the event is logged at any log level",
            |sandbox| {
                sandbox.set("RUST_LOG", "off");
                sandbox.set("AWS_LAMBDA_LOG_LEVEL", "FATAL");
            },
            vec![denied(), sends(Error(403, "AccessDeniedException"))],
            logged("PutFailed"),
        ),
    ]
}

fn connections_that_fail() -> Vec<Case> {
    vec![
        warm(
            "an SQS call that takes 400 ms succeeds",
            vec![denied(), sends(Slow(Duration::from_millis(400)))],
            queued("PutFailed").sends(1),
        ),
        warm("an SQS call that hangs once is retried", vec![denied(), first_send(Hang)], queued("PutFailed").sends(2)),
        warm("SQS calls that all hang log the event", vec![denied(), sends(Hang)], logged("PutFailed")),
        warm(
            "a connection reset by SQS once is retried",
            vec![denied(), first_send(Reset)],
            queued("PutFailed").sends(2),
        ),
        warm(
            "a connection reset by SQS on every call logs the event",
            vec![denied(), sends(Reset)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "a response lost by SQS once queues the event twice",
            vec![denied(), first_send(ResponseLost)],
            queued("PutFailed").in_the_queue_twice().sends(2),
        ),
        warm("refused connections to SQS log the event", vec![denied(), queue(Failure::Refused)], logged("PutFailed")),
        cold("an unreachable SQS logs the event", vec![denied(), queue(Failure::Unreachable)], logged("PutFailed")),
    ]
}

fn everything_fails() -> Vec<Case> {
    let slow_secret = || reads(Slow(Duration::from_millis(1_500)));
    vec![
        warm(
            "EventBridge hanging and SQS hanging once queues the event",
            vec![puts(Hang), first_send(Hang)],
            queued("TimedOut").sends(2),
        ),
        cold(
            "EventBridge hanging from the start and SQS hanging once queues the event",
            vec![puts(Hang), describes(Hang), first_send(Hang)],
            queued("TimedOut").sends(2),
        ),
        warm("EventBridge and SQS hanging logs the event", vec![puts(Hang), sends(Hang)], logged("TimedOut")),
        cold(
            "EventBridge and SQS hanging from the start logs the event",
            vec![puts(Hang), describes(Hang), sends(Hang)],
            logged("TimedOut"),
        ),
        cold(
            "EventBridge and SQS hanging and a secret that takes 1.5 s logs the event",
            vec![slow_secret(), puts(Hang), describes(Hang), sends(Hang)],
            logged("TimedOut"),
        ),
        cold(
            "EventBridge hanging, SQS hanging once and a secret that takes 1.5 s queues the event",
            vec![slow_secret(), puts(Hang), describes(Hang), first_send(Hang)],
            queued("TimedOut").sends(2),
        ),
        cold(
            "EventBridge and SQS unreachable from the start logs the event",
            vec![(Target::EventBridge, Failure::Unreachable), queue(Failure::Unreachable)],
            logged("TimedOut"),
        ),
        warm(
            "refused connections to EventBridge and SQS log the event",
            vec![(Target::EventBridge, Failure::Refused), queue(Failure::Refused)],
            logged("PutFailed"),
        ),
        cold(
            "refused connections to EventBridge and SQS from the start log the event",
            vec![(Target::EventBridge, Failure::Refused), queue(Failure::Refused)],
            logged("PutFailed"),
        ),
    ]
}
