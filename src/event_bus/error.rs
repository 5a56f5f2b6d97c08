//! Why an entry is not on the bus.

use thiserror::Error;

use crate::aws::retry::{AttemptError, CallError, ServiceError};
use crate::outcome::Reason;

/// Why an entry is not on the bus, or not known to be: a code and a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PutError {
    /// The event bus does not exist.
    #[error("ResourceNotFoundException: {0}")]
    BusNotFound(String),
    /// EventBridge did not say whether the event bus exists, so nothing was put.
    #[error("BusUnknown: EventBridge did not say whether the event bus exists. {0}")]
    BusUnknown(CallError),
    /// The PutEvents call failed.
    #[error(transparent)]
    Call(CallError),
    /// The call succeeded, and EventBridge refused the entry.
    #[error(transparent)]
    Entry(ServiceError),
    /// The call succeeded, and the response has no result for the entry.
    #[error("NotConfirmed: EventBridge did not confirm the entry.")]
    NotConfirmed,
}

impl PutError {
    /// The reason in the log and in the queue message.
    pub fn reason(&self) -> Reason {
        match self {
            Self::BusNotFound(_) => Reason::BusNotFound,
            Self::Call(CallError::TimedOut) => Reason::TimedOut,
            Self::Call(_) | Self::BusUnknown(_) => Reason::PutFailed,
            Self::Entry(_) | Self::NotConfirmed => Reason::EntryFailed,
        }
    }
}

impl AttemptError for PutError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::BusNotFound(_) => false,
            Self::Call(error) | Self::BusUnknown(error) => error.is_retryable(),
            Self::Entry(error) => error.is_transient,
            Self::NotConfirmed => true,
        }
    }
}

impl From<CallError> for PutError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Service(error) if error.is_not_found() => Self::BusNotFound(error.message),
            error => Self::Call(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service_error(code: &str) -> ServiceError {
        ServiceError::new(code, "Why.")
    }

    fn of_call(code: &str) -> PutError {
        CallError::from(service_error(code)).into()
    }

    #[test]
    fn the_reason_tells_what_failed() {
        for (error, reason) in [
            (CallError::TimedOut.into(), Reason::TimedOut),
            (CallError::NoTimeLeft.into(), Reason::PutFailed),
            (of_call("AccessDeniedException"), Reason::PutFailed),
            (of_call("ResourceNotFoundException"), Reason::BusNotFound),
            (PutError::Entry(service_error("AccessDeniedException")), Reason::EntryFailed),
            (PutError::Entry(service_error("ResourceNotFoundException")), Reason::EntryFailed),
            (PutError::NotConfirmed, Reason::EntryFailed),
            (PutError::BusUnknown(CallError::TimedOut), Reason::PutFailed),
        ] {
            assert_eq!(error.reason(), reason, "{error:?}");
        }
    }

    #[test]
    fn an_error_reads_as_its_code_and_its_message() {
        for (error, text) in [
            (of_call("InternalFailure"), "InternalFailure: Why."),
            (of_call("ResourceNotFoundException"), "ResourceNotFoundException: Why."),
            (PutError::Entry(service_error("MalformedDetail")), "MalformedDetail: Why."),
            (PutError::NotConfirmed, "NotConfirmed: EventBridge did not confirm the entry."),
            (
                PutError::BusUnknown(service_error("InternalFailure").into()),
                "BusUnknown: EventBridge did not say whether the event bus exists. InternalFailure: Why.",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
