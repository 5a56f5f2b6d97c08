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
            "a 500 of SQS once is still a 202",
            vec![denied(), first_send(internal.clone())],
            queued("PutFailed").sends(2),
        ),
        warm(
            "a 500 of SQS always is an event in the log",
            vec![denied(), sends(internal)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "a 503 of SQS in HTML once is still a 202",
            vec![denied(), first_send(unavailable.clone())],
            queued("PutFailed").sends(2),
        ),
        warm(
            "a 503 of SQS in HTML always is an event in the log",
            vec![denied(), sends(unavailable)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "a throttled message is still a 202",
            vec![denied(), first_send(throttled.clone())],
            queued("PutFailed").sends(2),
        ),
        warm(
            "messages that are throttled always are an event in the log",
            vec![denied(), sends(throttled)],
            logged("PutFailed").sends(3),
        ),
        warm(
            "a message that is denied is an event in the log at once",
            vec![denied(), sends(refused)],
            logged("PutFailed").sends(1),
        ),
        warm(
            "a queue that does not exist is an event in the log",
            vec![denied(), sends(Error(400, "AWS.SimpleQueueService.NonExistentQueue"))],
            logged("PutFailed"),
        ),
        cold_with(
            "no retry queue is an event in the log",
            |sandbox| sandbox.set("RETRY_QUEUE_URL", ""),
            vec![denied()],
            logged("PutFailed").sends(0),
        ),
        cold_with(
            "the event is in the log whatever the log level",
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
            "SQS taking 400 ms is still a 202",
            vec![denied(), sends(Slow(Duration::from_millis(400)))],
            queued("PutFailed").sends(1),
        ),
        warm("SQS hanging once is still a 202", vec![denied(), first_send(Hang)], queued("PutFailed").sends(2)),
        warm("SQS always hanging is an event in the log", vec![denied(), sends(Hang)], logged("PutFailed")),
        warm("SQS resetting once is still a 202", vec![denied(), first_send(Reset)], queued("PutFailed").sends(2)),
        warm("SQS always resetting is an event in the log", vec![denied(), sends(Reset)], logged("PutFailed").sends(3)),
        warm(
            "an answer of SQS that is lost is a message twice",
            vec![denied(), first_send(ResponseLost)],
            queued("PutFailed").in_the_queue_twice().sends(2),
        ),
        warm(
            "SQS refusing connections is an event in the log",
            vec![denied(), queue(Failure::Refused)],
            logged("PutFailed"),
        ),
        cold(
            "SQS that cannot be reached is an event in the log",
            vec![denied(), queue(Failure::Unreachable)],
            logged("PutFailed"),
        ),
    ]
}

fn everything_fails() -> Vec<Case> {
    let slow_secret = || reads(Slow(Duration::from_millis(1_500)));
    vec![
        warm(
            "EventBridge always hanging and SQS once is still a 202",
            vec![puts(Hang), first_send(Hang)],
            queued("TimedOut").sends(2),
        ),
        cold(
            "EventBridge hanging from the start and SQS once is still a 202",
            vec![puts(Hang), describes(Hang), first_send(Hang)],
            queued("TimedOut").sends(2),
        ),
        warm("EventBridge and SQS hanging is an event in the log", vec![puts(Hang), sends(Hang)], logged("TimedOut")),
        cold(
            "EventBridge and SQS hanging from the start is an event in the log",
            vec![puts(Hang), describes(Hang), sends(Hang)],
            logged("TimedOut"),
        ),
        cold(
            "EventBridge and SQS hanging and a secret that takes 1.5 s is an event in the log",
            vec![slow_secret(), puts(Hang), describes(Hang), sends(Hang)],
            logged("TimedOut"),
        ),
        cold(
            "EventBridge hanging, SQS once, and a secret that takes 1.5 s is still a 202",
            vec![slow_secret(), puts(Hang), describes(Hang), first_send(Hang)],
            queued("TimedOut").sends(2),
        ),
        cold(
            "EventBridge and SQS that cannot be reached from the start is an event in the log",
            vec![(Target::EventBridge, Failure::Unreachable), queue(Failure::Unreachable)],
            logged("TimedOut"),
        ),
        warm(
            "EventBridge and SQS refusing connections is an event in the log",
            vec![(Target::EventBridge, Failure::Refused), queue(Failure::Refused)],
            logged("PutFailed"),
        ),
        cold(
            "EventBridge and SQS refusing connections from the start is an event in the log",
            vec![(Target::EventBridge, Failure::Refused), queue(Failure::Refused)],
            logged("PutFailed"),
        ),
    ]
}
