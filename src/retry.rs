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

    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code == "ResourceNotFoundException"
    }

    /// Whether a policy forbids the call.
    pub fn is_access_denied(&self) -> bool {
        self.code == "AccessDeniedException"
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
                let code = service.err().code();
                let message = service.err().message().unwrap_or("The service gave no message.");
                let is_unreadable = matches!((status, code), (200..300, _) | (400, None));
                let code = code.map_or_else(|| format!("Status{status}"), str::to_owned);
                match status {
                    _ if is_unreadable => {
                        Self::new(CallErrorKind::NoAnswer, "UnreadableAnswer", "The response cannot be read.")
                    }
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
/// success or permanent error, or the last error. It survives a connection that is dead, and still takes an answer that is
/// slow.
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
        biased;
        result = &mut first => if is_final(&result) { result } else { second.await },
        result = &mut second => if is_final(&result) { result } else { first.await },
    }
}

fn is_final<T>(result: &Result<T, CallError>) -> bool {
    result.as_ref().err().is_none_or(|error| !error.is_retryable())
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
mod tests;
