//! From entry to delivered: PutEvents of the configured event bus, which answers 200 even where an entry failed.
//!
//! A `classic` bus is EventBridge's first kind, the default bus included; a `custom` bus is a Custom Event Bus (API
//! EventBridgeV2). Only this file distinguishes what they do.

mod batches;
mod classic;
mod custom;

use std::cell::Cell;
use std::slice;
use std::time::Duration;

use lambda_http::Context;
use tokio::time::timeout_at;

use crate::aws::Aws;
use crate::budget::Deadline;
use crate::entry::Entry;
use crate::event_bus_name::EventBusName;
use crate::outcome::Reason;
use crate::retry::{CallError, CallErrorKind, attempts};

use batches::{CallLimits, batches};
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

/// The results of entries, in their order.
type Results = Vec<Result<Delivered, CallError>>;

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
            Kind::Classic(bus) => bus.connect(deadline).await,
            Kind::Custom(bus) => bus.describe(deadline).await,
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
        let function_arn = &context.invoked_function_arn;
        if let Kind::Classic(bus) = &self.0 {
            bus.check(function_arn, deadline).await;
            bus.fail_if_missing(function_arn)?;
        }
        let made = Cell::new(0);
        let result = attempts(deadline, &mut 0, || async {
            self.fail_if_missing(function_arn)?;
            made.set(made.get() + 1);
            let mut results = self.call(slice::from_ref(entry), context.xray_trace_id.as_deref()).await?;
            // A bus that is missing by now has dropped the entry.
            self.fail_if_missing(function_arn)?;
            results.pop().unwrap_or_else(not_confirmed)
        })
        .await;
        *attempts_made = made.get();
        Ok(result?)
    }

    /// Puts entries, without a trace header, in as few calls as the bus allows. The result of each is in its place.
    ///
    /// Whether the bus exists is asked first, each time, where PutEvents does not say so: nobody waits here, and what is put on
    /// a bus that has been deleted is lost. What fails is not retried, since it has its next turn in the queue.
    pub async fn put_many(
        &self,
        entries: &[Entry<'_>],
        context: &Context,
        deadline: Deadline,
    ) -> Vec<Result<Delivered, CallError>> {
        if let (Kind::Classic(bus), false) = (&self.0, entries.is_empty())
            && let Err(error) = bus.check_now(&context.invoked_function_arn, deadline).await
        {
            return vec![Err(error); entries.len()];
        }
        let mut results = Vec::with_capacity(entries.len());
        for batch in batches(entries, self.call_limits()) {
            results.extend(self.put_batch(batch, deadline).await);
        }
        results
    }

    /// One call for all. If it is refused as a whole, for what would be met again, one for each: one bad entry must not fail
    /// the others.
    async fn put_batch(&self, batch: &[Entry<'_>], deadline: Deadline) -> Results {
        let error = match self.call_before(deadline, batch).await {
            Ok(results) => return results,
            Err(error) => error,
        };
        if error.is_retryable() || is_bus_missing(&error) || batch.len() == 1 {
            return vec![Err(error); batch.len()];
        }
        let mut results = Vec::with_capacity(batch.len());
        for entry in batch {
            let result = self.call_before(deadline, slice::from_ref(entry)).await;
            results.push(result.and_then(|mut results| results.pop().unwrap_or_else(not_confirmed)));
        }
        results
    }

    async fn call_before(&self, deadline: Deadline, entries: &[Entry<'_>]) -> Result<Results, CallError> {
        if deadline.has_passed() {
            return Err(CallError::not_sent());
        }
        timeout_at(deadline.instant(), self.call(entries, None)).await.unwrap_or_else(|_| Err(CallError::timed_out()))
    }

    /// One PutEvents call: an error for the call as a whole, or a result for each entry in its place.
    async fn call(&self, entries: &[Entry<'_>], trace_header: Option<&str>) -> Result<Results, CallError> {
        match &self.0 {
            Kind::Classic(bus) => bus.put(entries, trace_header).await,
            Kind::Custom(bus) => bus.put(entries).await,
        }
    }

    fn call_limits(&self) -> CallLimits {
        match &self.0 {
            Kind::Classic(_) => classic::CALL_LIMITS,
            Kind::Custom(_) => custom::CALL_LIMITS,
        }
    }

    /// Fails while the bus is known not to exist, where PutEvents would not say so.
    fn fail_if_missing(&self, function_arn: &str) -> Result<(), CallError> {
        match &self.0 {
            Kind::Classic(bus) => bus.fail_if_missing(function_arn),
            Kind::Custom(_) => Ok(()),
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
fn is_bus_missing(error: &CallError) -> bool {
    error.code == NOT_FOUND && !error.is_of_entry
}

/// The result of an entry that EventBridge says nothing about.
fn not_confirmed() -> Result<Delivered, CallError> {
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
