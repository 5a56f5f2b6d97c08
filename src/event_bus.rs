//! From entry to delivered: PutEvents of the configured event bus, which answers 200 even where an entry failed.
//!
//! A `classic` bus is EventBridge's first kind, the default bus included; a `custom` bus is a Custom Event Bus (API
//! EventBridgeV2). Only this file distinguishes what they do.

mod classic;
mod custom;

use std::time::Duration;

use lambda_http::Context;

use crate::aws::Aws;
use crate::budget::Deadline;
use crate::entry::Entry;
use crate::event_bus_name::EventBusName;
use crate::outcome::Reason;
use crate::retry::{CallError, CallErrorKind, attempts};

use classic::ClassicBus;
use custom::CustomBus;

/// The error code of a bus that does not exist.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// The event bus that events go to.
#[derive(Debug)]
pub struct EventBus(Kind);

#[derive(Debug)]
enum Kind {
    Classic(ClassicBus),
    Custom(CustomBus),
}

/// EventBridge's confirmation that it has the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// EventBridge's id of the event, where it gives one.
    pub event_id: Option<String>,
    /// Whether the bus had the event already and suppressed this repeat.
    pub is_repeat: bool,
}

/// An entry that is not on the bus, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDelivered {
    /// The reason in the contract's words.
    pub reason: Reason,
    /// The code and message behind it.
    pub error: CallError,
}

/// The results of the entries of one call, in their order.
pub type Results = Vec<Result<Delivered, CallError>>;

/// How much fits one PutEvents call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// The number of entries.
    pub entries: usize,
    /// The size of all entries, in UTF-8 bytes.
    pub bytes: usize,
    /// What an entry may have besides source, detail-type and detail, in bytes.
    pub metadata_bytes: usize,
}

impl EventBus {
    /// The bus of this name or ARN. One attempt at a call to it is given up after this time.
    pub fn new(name: EventBusName, aws: &Aws, attempt: Duration) -> Self {
        Self(match name {
            EventBusName::Classic(name) => Kind::Classic(ClassicBus::new(aws.event_bridge(attempt), name)),
            EventBusName::Custom(arn) => Kind::Custom(CustomBus::new(aws.event_bridge_v2(attempt), arn)),
        })
    }

    /// Opens the connection that the first event will use, by asking for the bus.
    pub async fn connect(&self, deadline: Deadline) {
        match &self.0 {
            Kind::Classic(bus) => bus.probe(deadline).await,
            Kind::Custom(bus) => bus.describe(deadline).await,
        }
    }

    /// Asks anew whether the bus exists, where PutEvents would not say so.
    pub async fn refresh(&self, deadline: Deadline) {
        match &self.0 {
            Kind::Classic(bus) => bus.probe(deadline).await,
            Kind::Custom(_) => {}
        }
    }

    /// Fails while the bus is known not to exist, where PutEvents would not say so.
    pub async fn check(&self, function_arn: &str, deadline: Deadline) -> Result<(), NotDelivered> {
        match &self.0 {
            Kind::Classic(bus) => Ok(bus.check(function_arn, deadline).await?),
            Kind::Custom(_) => Ok(()),
        }
    }

    /// Puts one entry, and retries transient errors; counts the attempts in `attempts_made`.
    pub async fn put(
        &self,
        entry: &Entry<'_>,
        context: &Context,
        deadline: Deadline,
        attempts_made: &mut u32,
    ) -> Result<Delivered, NotDelivered> {
        self.check(&context.invoked_function_arn, deadline).await?;
        let put = attempts(deadline, attempts_made, || async {
            let mut results = self.call(&[entry], context.xray_trace_id.as_deref()).await?;
            results.pop().unwrap_or_else(not_confirmed)
        });
        Ok(put.await?)
    }

    /// One PutEvents call, without a trace header: an error for the call as a whole, or a result for each entry in its place.
    pub async fn put_all(&self, entries: &[&Entry<'_>]) -> Result<Results, CallError> {
        self.call(entries, None).await
    }

    /// How much fits one call of [`put_all`](Self::put_all).
    pub fn call_limits(&self) -> CallLimits {
        match &self.0 {
            Kind::Classic(_) => classic::CALL_LIMITS,
            Kind::Custom(_) => custom::CALL_LIMITS,
        }
    }

    async fn call(&self, entries: &[&Entry<'_>], trace_header: Option<&str>) -> Result<Results, CallError> {
        match &self.0 {
            Kind::Classic(bus) => bus.put(entries, trace_header).await,
            Kind::Custom(bus) => bus.put(entries).await,
        }
    }
}

impl From<CallError> for NotDelivered {
    fn from(error: CallError) -> Self {
        let reason = match error.kind {
            CallErrorKind::TimedOut => Reason::TimedOut,
            _ if error.is_of_entry => Reason::EntryFailed,
            _ if is_bus_missing(&error) => Reason::BusNotFound,
            _ => Reason::PutFailed,
        };
        Self { reason, error }
    }
}

/// Whether the error says that the bus itself does not exist.
pub(crate) fn is_bus_missing(error: &CallError) -> bool {
    error.code == NOT_FOUND && !error.is_of_entry
}

/// The result of an entry that EventBridge says nothing about.
pub(crate) fn not_confirmed() -> Result<Delivered, CallError> {
    let message = "EventBridge did not confirm the entry.";
    Err(CallError::new(CallErrorKind::Transient, "NotConfirmed", message).of_entry())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_tells_what_failed() {
        for (error, reason) in [
            (CallError::timed_out(), Reason::TimedOut),
            (CallError::timed_out().of_entry(), Reason::TimedOut),
            (CallError::from_code("AccessDeniedException", ""), Reason::PutFailed),
            (CallError::from_code("AccessDeniedException", "").of_entry(), Reason::EntryFailed),
            (CallError::from_code(NOT_FOUND, ""), Reason::BusNotFound),
            (CallError::from_code(NOT_FOUND, "").of_entry(), Reason::EntryFailed),
        ] {
            assert_eq!(NotDelivered::from(error.clone()).reason, reason, "{error:?}");
        }
    }
}
