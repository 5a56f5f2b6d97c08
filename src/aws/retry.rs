//! One call to AWS: what its failure means, and whether it is retried.

use std::future::{Future, ready};
use std::pin::pin;
use std::time::Duration;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use thiserror::Error;
use tokio::time::{sleep, timeout, timeout_at};

use crate::aws::budget::{BACKOFF, Deadline};

/// The longest text of an error that is kept, in characters, so that a queue message stays small.
const MAX_MESSAGE_CHARS: usize = 500;

/// Codes of a transient error that AWS gives with a status below 500, or inside a 200, and that are not in the SDK's own
/// lists: EventBridge's for a failed entry, SQS's for its KMS key, and the codes of a signature that AWS considers expired
/// or from the future (a wrong clock, or a process that was frozen).
const TRANSIENT_CODES: [&str; 6] = [
    "InternalException",
    "InternalFailure",
    "KmsThrottled",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ServiceUnavailable",
];

/// Codes of a refused signature, which is a transient error only if the message names the time as the cause.
const SIGNATURE_CODES: [&str; 2] = ["InvalidSignatureException", "SignatureDoesNotMatch"];
const SIGNATURE_TIME_MESSAGES: [&str; 2] = ["Signature expired", "Signature not yet current"];

/// The error code of a missing resource, in every service that is called here.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Why a call failed: a code and a message, without debug output.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// There was no response in time.
    #[error("TimedOut: There was no response in time.")]
    TimedOut,
    /// There was no connection, or it broke.
    #[error("NoAnswer: {0}")]
    NoAnswer(String),
    /// The response cannot be read.
    #[error("UnreadableAnswer: {0}")]
    UnreadableAnswer(String),
    /// The deadline had passed before the call was made.
    #[error("NotSent: There was no time left for the call.")]
    NoTimeLeft,
    /// The request could not be made.
    #[error("NotSent: {0}")]
    InvalidRequest(String),
    /// The service responded with an error.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// The error that a service gave for a call, or for an entry of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    /// The service's error code, or the status if there is none.
    pub code: String,
    /// What the service said.
    pub message: String,
    /// Whether another attempt may succeed.
    pub is_transient: bool,
}

/// An error of [`attempts`].
pub trait AttemptError: From<CallError> {
    /// Whether another attempt may succeed.
    fn is_retryable(&self) -> bool;
}

impl CallError {
    /// The error of a response that doesn't match its call.
    pub fn unreadable() -> Self {
        Self::UnreadableAnswer("The response cannot be read.".to_owned())
    }

    /// Whether the resource does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Service(error) if error.is_not_found())
    }

    /// Whether a policy forbids the call.
    pub fn is_access_denied(&self) -> bool {
        matches!(self, Self::Service(error) if error.code == "AccessDeniedException")
    }
}

impl AttemptError for CallError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut | Self::NoAnswer(_) | Self::UnreadableAnswer(_) | Self::NoTimeLeft => true,
            Self::InvalidRequest(_) => false,
            Self::Service(error) => error.is_transient,
        }
    }
}

impl ServiceError {
    /// An error from its code, which says whether it is transient. A long message is truncated.
    pub fn new(code: &str, message: &str) -> Self {
        let is_transient = is_transient(code, message);
        Self { code: code.to_owned(), message: message.chars().take(MAX_MESSAGE_CHARS).collect(), is_transient }
    }

    /// Whether the resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code == NOT_FOUND
    }
}

impl<E> From<SdkError<E, HttpResponse>> for CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::TimeoutError(_) => Self::TimedOut,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TimedOut,
            SdkError::DispatchFailure(_) => Self::NoAnswer(root_cause(&error)),
            SdkError::ResponseError(_) => Self::UnreadableAnswer(root_cause(&error)),
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let code = service.err().code();
                if matches!((status, code), (200..300, _) | (400, None)) {
                    return Self::unreadable();
                }
                let code = code.map_or_else(|| format!("Status{status}"), str::to_owned);
                let error = ServiceError::new(&code, service.err().message().unwrap_or("The service gave no message."));
                let is_transient = error.is_transient || matches!(status, 408 | 429 | 500..);
                Self::Service(ServiceError { is_transient, ..error })
            }
            _ => Self::InvalidRequest(root_cause(&error)),
        }
    }
}

fn is_transient(code: &str, message: &str) -> bool {
    let is_late = SIGNATURE_TIME_MESSAGES.iter().any(|start| message.starts_with(start));
    let lists = [THROTTLING_ERRORS, TRANSIENT_ERRORS, &TRANSIENT_CODES];
    lists.iter().any(|codes| codes.contains(&code)) || (SIGNATURE_CODES.contains(&code) && is_late)
}

/// The innermost source of an error, which says what happened. A long text is truncated.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().chars().take(MAX_MESSAGE_CHARS).collect()
}

/// The result of a call. If it takes longer than `late`, a second one starts beside it. The result is the first success
/// or permanent error, or the last error. A dead connection does not fail the call, and a slow response is still accepted.
/// Where both responses are there at once, after a freeze, an error hides no success, and the later call's success counts.
pub async fn hedged<T, F>(late: Duration, call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut first = pin!(call());
    if let Ok(result) = timeout(late, &mut first).await {
        return result;
    }
    let mut second = pin!(call());
    let (result, mut other) = tokio::select! {
        biased;
        result = &mut first => (result, second),
        result = &mut second => (result, first),
    };
    match result {
        Err(error) if error.is_retryable() => other.await,
        result => tokio::select! {
            biased;
            Ok(success) = &mut other => Ok(success),
            () = ready(()) => result,
        },
    }
}

/// Makes up to three attempts, until one succeeds or fails permanently, or the deadline is reached.
pub async fn attempts<T, E, F>(deadline: Deadline, mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    E: AttemptError,
    F: Future<Output = Result<T, E>>,
{
    let mut waits = BACKOFF.iter();
    if deadline.has_passed() {
        return Err(CallError::NoTimeLeft.into());
    }
    loop {
        let error = match timeout_at(deadline.instant(), attempt()).await {
            Ok(Ok(success)) => return Ok(success),
            Ok(Err(error)) => error,
            Err(_) => return Err(CallError::TimedOut.into()),
        };
        let Some(wait) = waits.next().filter(|_| error.is_retryable()) else { return Err(error) };
        if timeout_at(deadline.instant(), sleep(*wait)).await.is_err() {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests;
