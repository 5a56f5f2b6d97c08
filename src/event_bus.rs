//! Puts entries on the configured event bus. PutEvents responds with 200 even if an entry failed.
//!
//! A `classic` bus is EventBridge's first kind, the default bus included; a `custom` bus is a Custom Event Bus (API
//! EventBridgeV2). Only this file distinguishes what they do.

mod batches;
mod classic;
mod custom;
mod error;
mod name;

use std::cell::Cell;
use std::slice;
use std::time::Duration;

use lambda_http::Context;
use tokio::time::timeout_at;

use crate::aws::Aws;
use crate::aws::budget::Deadline;
use crate::aws::retry::{AttemptError, CallError, attempts};
use crate::event::Entry;

use batches::{CallLimits, batches};
use classic::ClassicBus;
use custom::CustomBus;
pub use error::PutError;
pub use name::EventBusName;

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
    /// EventBridge's id of the event, if it gives one.
    pub event_id: Option<String>,
    /// Whether the bus had the event already and suppressed this repeat.
    pub is_repeat: bool,
}

/// The result of putting one entry.
#[derive(Debug)]
pub struct Put {
    /// The confirmation, or why there is none.
    pub result: Result<Delivered, PutError>,
    /// The number of PutEvents calls.
    pub attempts: u32,
}

/// The results of entries, in their order.
type Results = Vec<Result<Delivered, PutError>>;

impl EventBus {
    /// The bus with this name or ARN. `attempt` is the timeout of one call.
    pub fn new(name: EventBusName, aws: &Aws, attempt: Duration) -> Self {
        Self(match name {
            EventBusName::Classic(name) => Kind::Classic(ClassicBus::new(aws.event_bridge(attempt), name)),
            EventBusName::Custom(arn) => Kind::Custom(CustomBus::new(aws.event_bridge_v2(attempt), arn)),
        })
    }

    /// Opens the connection that the first event will use, by a call about the bus.
    pub async fn connect(&self, deadline: Deadline) {
        match &self.0 {
            Kind::Classic(bus) => bus.connect(deadline).await,
            Kind::Custom(bus) => bus.describe(deadline).await,
        }
    }

    /// Puts one entry, and retries transient errors.
    pub async fn put(&self, entry: &Entry<'_>, context: &Context, deadline: Deadline) -> Put {
        let function_arn = &context.invoked_function_arn;
        if let Kind::Classic(bus) = &self.0
            && let Err(error) = bus.check(function_arn, deadline).await
        {
            return Put { result: Err(error), attempts: 0 };
        }
        let made = Cell::new(0);
        let result = attempts(deadline, || async {
            self.fail_if_missing(function_arn)?;
            made.set(made.get() + 1);
            let mut results = self.call(slice::from_ref(entry), context.xray_trace_id.as_deref()).await?;
            // PutEvents succeeds on a missing bus, and EventBridge drops the entry.
            self.fail_if_missing(function_arn)?;
            results.pop().unwrap_or(Err(PutError::NotConfirmed))
        })
        .await;
        Put { result, attempts: made.get() }
    }

    /// Puts entries, without a trace header, in as few calls as the bus allows. The result of each is in its place.
    ///
    /// First checks each time whether a Classic bus exists: an event that is put on a deleted bus is lost, and no request waits
    /// for the check. Errors are not retried here, because SQS delivers the messages again.
    pub async fn put_many(
        &self,
        entries: &[Entry<'_>],
        context: &Context,
        deadline: Deadline,
    ) -> Vec<Result<Delivered, PutError>> {
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

    /// Makes one call for all entries. If EventBridge refuses the whole call with a permanent error, makes one for each entry:
    /// one bad entry must not fail the others.
    async fn put_batch(&self, batch: &[Entry<'_>], deadline: Deadline) -> Results {
        let error = match self.call_before(deadline, batch).await {
            Ok(results) => return results,
            Err(error) => error,
        };
        if error.is_retryable() || matches!(error, PutError::BusNotFound(_)) || batch.len() == 1 {
            return vec![Err(error); batch.len()];
        }
        let mut results = Vec::with_capacity(batch.len());
        for entry in batch {
            let result = self.call_before(deadline, slice::from_ref(entry)).await;
            results.push(result.and_then(|mut results| results.pop().unwrap_or(Err(PutError::NotConfirmed))));
        }
        results
    }

    async fn call_before(&self, deadline: Deadline, entries: &[Entry<'_>]) -> Result<Results, PutError> {
        if deadline.has_passed() {
            return Err(CallError::NoTimeLeft.into());
        }
        let call = timeout_at(deadline.instant(), self.call(entries, None));
        call.await.unwrap_or_else(|_| Err(CallError::TimedOut.into()))
    }

    /// One PutEvents call: an error for the call as a whole, or a result for each entry in its place.
    async fn call(&self, entries: &[Entry<'_>], trace_header: Option<&str>) -> Result<Results, PutError> {
        Ok(match &self.0 {
            Kind::Classic(bus) => bus.put(entries, trace_header).await?,
            Kind::Custom(bus) => bus.put(entries).await?,
        })
    }

    fn call_limits(&self) -> CallLimits {
        match &self.0 {
            Kind::Classic(_) => classic::CALL_LIMITS,
            Kind::Custom(_) => custom::CALL_LIMITS,
        }
    }

    /// Fails while a Classic bus is known to be missing. For a Custom Event Bus, PutEvents itself reports it.
    fn fail_if_missing(&self, function_arn: &str) -> Result<(), PutError> {
        match &self.0 {
            Kind::Classic(bus) => bus.fail_if_missing(function_arn),
            Kind::Custom(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ID of a delivered event, or the code of its error.
    pub(super) fn id_or_code(result: Result<Delivered, PutError>) -> String {
        match result {
            Ok(delivered) => delivered.event_id.unwrap_or_default(),
            Err(error) => error.to_string().split(':').next().unwrap_or_default().to_owned(),
        }
    }
}
