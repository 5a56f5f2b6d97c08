//! One call to AWS: what its failure means, and whether it is retried.

use std::error::Error;
use std::fmt;
use std::future::Future;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{sleep, timeout_at};

use crate::budget::{BACKOFF, Deadline};

/// The longest text of an error that is kept, in characters, so that a queue message stays small.
const MAX_MESSAGE_CHARS: usize = 500;

/// Codes of a transient error that AWS answers with a status below 500, or inside a 200.
const TRANSIENT_CODES: [&str; 8] = [
    "InternalException",
    "InternalFailure",
    "RequestThrottled",
    "RequestThrottledException",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

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
        let kind = if TRANSIENT_CODES.contains(&code) { CallErrorKind::Transient } else { CallErrorKind::Permanent };
        Self::new(kind, code, message)
    }

    /// The same error, for which there is no time to try again.
    pub fn permanent(self) -> Self {
        Self { kind: CallErrorKind::Permanent, ..self }
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
                let mut error = Self::from_code(&code, message);
                if status >= 500 || status == 429 {
                    error.kind = CallErrorKind::Transient;
                }
                error
            }
            _ => Self::new(CallErrorKind::Permanent, "NotSent", &root_cause(&error)),
        }
    }
}

/// The innermost source of an error, which is the one that says what happened.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Makes up to three attempts until one succeeds, fails for good, or the deadline comes; counts them in `attempts`.
pub async fn attempts<T, F>(
    deadline: Deadline,
    attempts: &mut u32,
    mut attempt: impl FnMut() -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut waits = BACKOFF.iter();
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
    use std::time::Duration;

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

    #[test]
    fn a_long_message_is_cut() {
        let error = CallError::from_code("X", &"é".repeat(9_999));
        assert_eq!(error.message.chars().count(), MAX_MESSAGE_CHARS);
    }
}
