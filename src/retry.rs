//! One call to AWS: what its failure means, and whether it is retried.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{sleep, timeout, timeout_at};

use crate::budget::{BACKOFF, Deadline};

/// The longest text of an error that is kept, in characters, so that a queue message stays small.
const MAX_MESSAGE_CHARS: usize = 500;

/// Codes of a transient error that AWS gives with a status below 500, or inside a 200, and that are not in the SDK's own
/// lists: EventBridge's for a failed entry, SQS's for its KMS key, and the codes of a signature that AWS takes for expired
/// or from the future (a wrong clock, or a process that was frozen).
const TRANSIENT_CODES: [&str; 6] = [
    "InternalException",
    "InternalFailure",
    "KmsThrottled",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
];

/// Codes of a refused signature, which is transient only where the message blames the time.
const SIGNATURE_CODES: [&str; 2] = ["InvalidSignatureException", "SignatureDoesNotMatch"];
const SIGNATURE_TIME_MESSAGES: [&str; 2] = ["Signature expired", "Signature not yet current"];

/// A call that did not succeed: a code and a message, never a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// What kind of failure it is.
    pub kind: CallErrorKind,
    /// The service's error code, or a name for a call that had no answer.
    pub code: String,
    /// What the service or the connection said.
    pub message: String,
    /// Whether the call itself succeeded and an entry within it failed.
    pub is_of_entry: bool,
}

/// The kinds of failure that are distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke, or an answer that cannot be read.
    NoAnswer,
    /// The service answered with an error that may not occur again.
    Transient,
    /// The service answered with an error that another attempt would meet again.
    Permanent,
}

impl CallError {
    /// The error of a call that was not answered before the deadline.
    pub fn timed_out() -> Self {
        Self::new(CallErrorKind::TimedOut, "TimedOut", "No answer came in time.")
    }

    /// An error by its parts; a long message is cut.
    pub fn new(kind: CallErrorKind, code: &str, message: &str) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
            is_of_entry: false,
        }
    }

    /// The same error, of an entry within a call that succeeded.
    pub fn of_entry(self) -> Self {
        Self { is_of_entry: true, ..self }
    }

    /// The error that a service gave with this code.
    pub fn from_code(code: &str, message: &str) -> Self {
        let kind = if is_transient(code, message) { CallErrorKind::Transient } else { CallErrorKind::Permanent };
        Self::new(kind, code, message)
    }

    /// The error of a call that was not made, because its deadline had passed.
    pub fn not_sent() -> Self {
        Self::new(CallErrorKind::NoAnswer, "NotSent", "There was no time left for the call.")
    }

    /// Whether another attempt may succeed.
    pub fn is_retryable(&self) -> bool {
        self.kind != CallErrorKind::Permanent
    }

    /// Whether the service itself said no, so that the call did arrive.
    pub fn is_answer(&self) -> bool {
        matches!(self.kind, CallErrorKind::Transient | CallErrorKind::Permanent)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl Error for CallError {}

impl<E> From<SdkError<E, HttpResponse>> for CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::TimeoutError(_) => Self::timed_out(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::timed_out(),
            SdkError::DispatchFailure(_) => Self::new(CallErrorKind::NoAnswer, "NoAnswer", &root_cause(&error)),
            SdkError::ResponseError(_) => Self::new(CallErrorKind::NoAnswer, "UnreadableAnswer", &root_cause(&error)),
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let code = service.err().code().map_or_else(|| format!("Status{status}"), str::to_owned);
                let message = service.err().message().unwrap_or("The service gave no message.");
                match status {
                    200..300 => Self::new(CallErrorKind::NoAnswer, "UnreadableAnswer", "The response cannot be read."),
                    408 | 429 | 500.. => Self::new(CallErrorKind::Transient, &code, message),
                    _ => Self::from_code(&code, message),
                }
            }
            _ => Self::new(CallErrorKind::Permanent, "NotSent", &root_cause(&error)),
        }
    }
}

fn is_transient(code: &str, message: &str) -> bool {
    let is_late = SIGNATURE_TIME_MESSAGES.iter().any(|start| message.starts_with(start));
    let lists = [THROTTLING_ERRORS, TRANSIENT_ERRORS, &TRANSIENT_CODES];
    lists.iter().any(|codes| codes.contains(&code)) || (SIGNATURE_CODES.contains(&code) && is_late)
}

/// The innermost source of an error, which is the one that says what happened.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The result of a call that is made a second time beside the first where that takes longer than `late`: the first
/// success, or the last error. It survives a connection that is dead, and still takes an answer that is slow.
pub async fn hedged<T, F>(late: Duration, call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut first = pin!(call());
    if let Ok(result) = timeout(late, &mut first).await {
        return result;
    }
    let mut second = pin!(call());
    tokio::select! {
        result = &mut first => if result.is_ok() { result } else { second.await },
        result = &mut second => if result.is_ok() { result } else { first.await },
    }
}

/// Makes up to three attempts until one succeeds, fails permanently, or the deadline comes; counts them in `attempts`.
pub async fn attempts<T, F>(
    deadline: Deadline,
    attempts: &mut u32,
    mut attempt: impl FnMut() -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut waits = BACKOFF.iter();
    if deadline.has_passed() {
        return Err(CallError::not_sent());
    }
    loop {
        *attempts += 1;
        let error = match timeout_at(deadline.instant(), attempt()).await {
            Ok(Ok(success)) => return Ok(success),
            Ok(Err(error)) => error,
            Err(_) => return Err(CallError::timed_out()),
        };
        let Some(wait) = waits.next().filter(|_| error.is_retryable()) else { return Err(error) };
        if timeout_at(deadline.instant(), sleep(*wait)).await.is_err() {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    async fn count(failures: u32, error: CallError, limit: Duration) -> (Result<u32, CallError>, u32) {
        let (made, mut counted) = (Cell::new(0), 0);
        let result = attempts(Deadline::after(limit), &mut counted, || {
            made.set(made.get() + 1);
            let outcome = if made.get() <= failures { Err(error.clone()) } else { Ok(made.get()) };
            async move { outcome }
        });
        (result.await, counted)
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_error_is_tried_three_times() {
        let error = CallError::from_code("ThrottlingException", "Slow down.");
        let second = Duration::from_secs(1);
        assert_eq!(count(2, error.clone(), second).await, (Ok(3), 3));
        assert_eq!(count(3, error.clone(), second).await, (Err(error), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_error_is_tried_once() {
        let error = CallError::from_code("AccessDeniedException", "No.");
        assert_eq!(count(1, error.clone(), Duration::from_secs(1)).await, (Err(error), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_after_the_deadline_and_the_last_error_is_the_one_that_is_told() {
        let error = CallError::from_code("InternalFailure", "Later.");
        assert_eq!(count(9, error.clone(), BACKOFF[0] / 2).await, (Err(error), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_ends_at_the_deadline() {
        let mut counted = 0;
        let hanging =
            attempts(Deadline::after(Duration::from_secs(1)), &mut counted, std::future::pending::<Result<(), _>>);
        assert_eq!(hanging.await, Err(CallError::timed_out()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_deadline_nothing_is_sent_and_nothing_says_that_no_answer_came() {
        let (result, counted) = count(0, CallError::timed_out(), Duration::ZERO).await;
        assert_eq!((result, counted), (Err(CallError::not_sent()), 0));
    }

    const LATE: Duration = Duration::from_millis(500);

    /// The result of hedged calls that take these times (milliseconds) and succeed or not, and when it came.
    async fn hedge(calls: [(u64, bool); 2]) -> (Result<usize, CallError>, u128, usize) {
        let (made, began) = (Cell::new(0), tokio::time::Instant::now());
        let result = hedged(LATE, || {
            let number = made.replace(made.get() + 1);
            async move {
                sleep(Duration::from_millis(calls[number].0)).await;
                if calls[number].1 { Ok(number) } else { Err(CallError::from_code("X", &number.to_string())) }
            }
        });
        (result.await, began.elapsed().as_millis(), made.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_in_time_is_made_once_whether_it_succeeds_or_not() {
        assert_eq!(hedge([(499, true), (0, true)]).await, (Ok(0), 499, 1));
        let failed = Err(CallError::from_code("X", "0"));
        assert_eq!(hedge([(499, false), (0, true)]).await, (failed, 499, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_call_is_made_again_and_the_first_success_counts() {
        assert_eq!(hedge([(9_999, true), (100, true)]).await, (Ok(1), 600, 2));
        assert_eq!(hedge([(700, true), (9_999, true)]).await, (Ok(0), 700, 2));
        assert_eq!(hedge([(700, false), (300, true)]).await, (Ok(1), 800, 2));
        assert_eq!(hedge([(900, true), (100, false)]).await, (Ok(0), 900, 2));
        assert_eq!(hedge([(700, false), (300, false)]).await, (Err(CallError::from_code("X", "1")), 800, 2));
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
            assert!(CallError::from_code(code, "").is_retryable(), "{code}");
        }
        for (message, transient) in [
            ("Signature expired: 20240914T053759Z is now earlier than 20240914T054000Z", true),
            ("Signature not yet current: 20240914T053759Z is still later than 20240914T053000Z", true),
            ("The request signature we calculated does not match the signature you provided.", false),
        ] {
            for code in SIGNATURE_CODES {
                assert_eq!(CallError::from_code(code, message).is_retryable(), transient, "{code}: {message}");
            }
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = CallError::from_code("X", &"é".repeat(9_999));
        assert_eq!(error.message.chars().count(), MAX_MESSAGE_CHARS);
    }
}
