//! Unit tests of [`CallError`], [`attempts`] and [`hedged`].

use super::*;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;
use std::cell::Cell;
use std::io;

fn service_error(code: &str, message: &str) -> CallError {
    ServiceError::new(code, message).into()
}

async fn count(failures: u32, error: CallError, limit: Duration) -> (Result<u32, CallError>, u32) {
    let made = Cell::new(0);
    let result = attempts(Deadline::after(limit), || {
        made.set(made.get() + 1);
        let outcome = if made.get() <= failures { Err(error.clone()) } else { Ok(made.get()) };
        async move { outcome }
    });
    (result.await, made.get())
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_is_tried_three_times() {
    let error = service_error("ThrottlingException", "Slow down.");
    let second = Duration::from_secs(1);
    assert_eq!(count(2, error.clone(), second).await, (Ok(3), 3));
    assert_eq!(count(3, error.clone(), second).await, (Err(error), 3));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_tried_once() {
    let error = service_error("AccessDeniedException", "No.");
    assert_eq!(count(1, error.clone(), Duration::from_secs(1)).await, (Err(error), 1));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_deadline_and_the_last_error_is_returned() {
    let error = service_error("InternalFailure", "Later.");
    assert_eq!(count(9, error.clone(), BACKOFF[0] / 2).await, (Err(error), 1));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_ends_at_the_deadline() {
    let hanging = attempts(Deadline::after(Duration::from_secs(1)), std::future::pending::<Result<(), _>>);
    assert_eq!(hanging.await, Err(CallError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_sent_and_nothing_says_that_no_answer_came() {
    let (result, counted) = count(0, CallError::TimedOut, Duration::ZERO).await;
    assert_eq!((result, counted), (Err(CallError::NoTimeLeft), 0));
}

const LATE: Duration = Duration::from_millis(500);

/// A transient error of the call with this number.
fn failed(number: usize) -> CallError {
    CallError::NoAnswer(number.to_string())
}

/// The result of hedged calls that take these times (milliseconds) and succeed or not, and when it came.
async fn hedge(calls: [(u64, bool); 2]) -> (Result<usize, CallError>, u128, usize) {
    let (made, began) = (Cell::new(0), tokio::time::Instant::now());
    let result = hedged(LATE, || {
        let number = made.replace(made.get() + 1);
        async move {
            sleep(Duration::from_millis(calls[number].0)).await;
            if calls[number].1 { Ok(number) } else { Err(failed(number)) }
        }
    });
    (result.await, began.elapsed().as_millis(), made.get())
}

#[tokio::test(start_paused = true)]
async fn a_call_in_time_is_made_once_whether_it_succeeds_or_not() {
    assert_eq!(hedge([(499, true), (0, true)]).await, (Ok(0), 499, 1));
    assert_eq!(hedge([(499, false), (0, true)]).await, (Err(failed(0)), 499, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_call_is_made_again_and_the_first_success_counts() {
    assert_eq!(hedge([(9_999, true), (100, true)]).await, (Ok(1), 600, 2));
    assert_eq!(hedge([(700, true), (9_999, true)]).await, (Ok(0), 700, 2));
    assert_eq!(hedge([(700, false), (300, true)]).await, (Ok(1), 800, 2));
    assert_eq!(hedge([(900, true), (100, false)]).await, (Ok(0), 900, 2));
    assert_eq!(hedge([(700, false), (300, false)]).await, (Err(failed(1)), 800, 2));
}

#[tokio::test(start_paused = true)]
async fn a_late_call_ends_with_an_answer_that_would_be_met_again() {
    let (made, began) = (Cell::new(0), tokio::time::Instant::now());
    let denied = || service_error("AccessDeniedException", "No.");
    let result: Result<(), _> = hedged(LATE, || {
        let number = made.replace(made.get() + 1);
        async move {
            sleep(if number == 0 { Duration::from_secs(9) } else { Duration::from_millis(100) }).await;
            Err(denied())
        }
    })
    .await;
    assert_eq!((result, began.elapsed().as_millis()), (Err(denied()), 600));
}

#[tokio::test(start_paused = true)]
async fn of_two_results_at_once_an_error_hides_no_success_and_the_later_call_counts() {
    for (denied, expected) in [(Some(0), 1), (Some(1), 0), (None, 1)] {
        let made = Cell::new(0);
        let both = hedged(LATE, || {
            let number = made.replace(made.get() + 1);
            async move {
                sleep(LATE * 2 - LATE * number).await;
                if denied == Some(number) { Err(service_error("AccessDeniedException", "No.")) } else { Ok(number) }
            }
        });
        assert_eq!(both.await, Ok(expected));
    }
}

#[test]
fn throttling_timeouts_internal_errors_and_a_wrong_time_are_transient() {
    for code in [
        "ThrottledException",
        "RequestLimitExceeded",
        "KmsThrottled",
        "RequestTimeout",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "InternalFailure",
    ] {
        assert!(service_error(code, "").is_retryable(), "{code}");
    }
    for (message, transient) in [
        ("Signature expired: 20240914T053759Z is now earlier than 20240914T054000Z", true),
        ("Signature not yet current: 20240914T053759Z is still later than 20240914T053000Z", true),
        ("The request signature we calculated does not match the signature you provided.", false),
    ] {
        for code in SIGNATURE_CODES {
            assert_eq!(service_error(code, message).is_retryable(), transient, "{code}: {message}");
        }
    }
}

#[test]
fn a_long_message_is_cut() {
    let long = "é".repeat(9_999);
    assert_eq!(ServiceError::new("X", &long).message.chars().count(), MAX_MESSAGE_CHARS);
    assert_eq!(root_cause(&io::Error::other(long)).chars().count(), MAX_MESSAGE_CHARS);
}

fn answer(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::empty())
}

#[test]
fn an_error_says_whether_there_was_no_response_a_late_or_unreadable_one_or_no_call() {
    let reset = || io::Error::other("connection reset by peer");
    let cause = || "connection reset by peer".to_owned();
    for (error, expected, is_retryable) in [
        (SdkError::<ErrorMetadata, _>::timeout_error(reset()), CallError::TimedOut, true),
        (SdkError::dispatch_failure(ConnectorError::timeout(reset().into())), CallError::TimedOut, true),
        (SdkError::dispatch_failure(ConnectorError::io(reset().into())), CallError::NoAnswer(cause()), true),
        (SdkError::response_error(reset(), answer(500)), CallError::UnreadableAnswer(cause()), true),
        (SdkError::construction_failure(reset()), CallError::InvalidRequest(cause()), false),
    ] {
        let error = CallError::from(error);
        assert_eq!((error.is_retryable(), error), (is_retryable, expected));
    }
}

#[test]
fn every_error_reads_as_its_code_and_its_message() {
    let cause = || "Why.".to_owned();
    for (error, text) in [
        (CallError::TimedOut, "TimedOut: There was no response in time."),
        (CallError::NoAnswer(cause()), "NoAnswer: Why."),
        (CallError::unreadable(), "UnreadableAnswer: The response cannot be read."),
        (CallError::NoTimeLeft, "NotSent: There was no time left for the call."),
        (CallError::InvalidRequest(cause()), "NotSent: Why."),
        (service_error("InternalFailure", "Later."), "InternalFailure: Later."),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn an_error_that_a_service_gave_is_judged_by_its_status_and_then_by_its_code() {
    let service_error = |code: &str, is_transient| {
        Some(ServiceError { code: code.to_owned(), message: "No.".to_owned(), is_transient })
    };
    for (status, code, expected) in [
        (200, Some("InternalFailure"), None),
        (301, None, service_error("Status301", false)),
        (400, Some("ThrottlingException"), service_error("ThrottlingException", true)),
        (400, Some("ValidationException"), service_error("ValidationException", false)),
        (400, None, None),
        (408, None, service_error("Status408", true)),
        (429, None, service_error("Status429", true)),
        (499, None, service_error("Status499", false)),
        (500, Some("ValidationException"), service_error("ValidationException", true)),
        (503, None, service_error("Status503", true)),
    ] {
        let mut metadata = ErrorMetadata::builder().message("No.");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        let error = CallError::from(SdkError::service_error(metadata.build(), answer(status)));
        let expected = expected.map_or_else(CallError::unreadable, CallError::Service);
        assert_eq!(error, expected, "{status} {code:?}");
    }
}
