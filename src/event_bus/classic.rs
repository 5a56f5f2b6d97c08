//! The default bus and the buses that EventBridge now calls *Classic*.

mod existence;
mod probe;

use std::sync::Arc;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use tokio::time::timeout_at;

use super::{CallLimits, Delivered, PutError, Results};
use crate::aws::budget::{self, Deadline};
use crate::aws::retry::{CallError, ServiceError};
use crate::event::{Entry, SOURCE};
use probe::Probe;

/// The longest trace header that EventBridge allows, in characters.
const MAX_TRACE_HEADER_CHARS: usize = 500;

/// EventBridge's limits for a call. AWS says 1 MB without saying which; this is the smaller one.
pub(super) const CALL_LIMITS: CallLimits = CallLimits { entries: 10, bytes: 1_000_000, metadata_bytes: 0 };

#[derive(Debug)]
pub(super) struct ClassicBus {
    client: Client,
    name: String,
    /// The account in the name, if that is an ARN.
    account: Option<String>,
    probe: Arc<Probe>,
}

impl ClassicBus {
    pub(super) fn new(client: Client, name: String) -> Self {
        let account = account_of(&name).map(str::to_owned);
        let probe = Arc::new(Probe::new(client.clone(), name.clone()));
        Self { client, name, account, probe }
    }

    /// Begins to check whether the bus exists, and waits for the answer until the deadline. This also opens the connection
    /// that the first event will use.
    pub(super) async fn connect(&self, deadline: Deadline) {
        self.probe.begin_check();
        self.probe.known(deadline).await;
    }

    /// Fails while the bus is known to be missing. If another check is due, it runs beside the put. A request waits for its
    /// answer only while the bus is missing.
    pub(super) async fn check(&self, function_arn: &str, deadline: Deadline) -> Result<(), PutError> {
        if self.is_of_another_account(function_arn) {
            return Ok(());
        }
        self.probe.begin_check();
        if self.probe.is_missing() {
            self.probe.answered(deadline.at_most(budget::DESCRIBE_BUS)).await;
        }
        self.fail_if_missing(function_arn)
    }

    /// Checks now whether the bus exists. Fails if it doesn't, or if EventBridge gives no clear answer.
    pub(super) async fn check_now(&self, function_arn: &str, deadline: Deadline) -> Result<(), PutError> {
        if self.is_of_another_account(function_arn) || self.probe.is_denied() {
            return Ok(());
        }
        let answer = timeout_at(deadline.instant(), self.probe.check()).await;
        self.fail_if_missing(function_arn)?;
        let answer = answer.unwrap_or(Err(CallError::TimedOut));
        answer.map(drop).map_err(PutError::BusUnknown)
    }

    /// Fails while the bus is known to be missing. A bus of another account never counts as missing, because AWS doesn't
    /// document what it returns for one.
    pub(super) fn fail_if_missing(&self, function_arn: &str) -> Result<(), PutError> {
        if self.probe.is_missing() && !self.is_of_another_account(function_arn) {
            return Err(PutError::BusNotFound("The event bus does not exist.".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn put(&self, entries: &[Entry<'_>], trace_header: Option<&str>) -> Result<Results, CallError> {
        let request = entries.iter().map(|entry| self.request_entry(entry, trace_header)).collect();
        let output = self.client.put_events().set_entries(Some(request)).send().await?;
        Ok(results(&output, entries.len()))
    }

    /// `Time` and `Resources` are left unset, and so is a trace header that EventBridge would refuse.
    fn request_entry(&self, entry: &Entry<'_>, trace_header: Option<&str>) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(entry.detail_type())
            .detail(entry.detail)
            .event_bus_name(&self.name)
            .set_trace_header(trace_header.filter(|header| is_trace_header(header)).map(str::to_owned))
            .build()
    }

    fn is_of_another_account(&self, function_arn: &str) -> bool {
        match (&self.account, account_of(function_arn)) {
            (Some(bus), Some(function)) => bus != function,
            _ => false,
        }
    }
}

/// The account of an ARN; `None` for a name.
fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

fn is_trace_header(header: &str) -> bool {
    !header.is_empty() && header.chars().count() <= MAX_TRACE_HEADER_CHARS
}

/// The result of each entry. It counts as delivered only if EventBridge confirms it.
fn results(output: &PutEventsOutput, count: usize) -> Results {
    let is_failure_unnamed =
        output.failed_entry_count() > 0 && output.entries().iter().all(|entry| entry.error_code().is_none());
    let result = |place: usize| {
        let Some(entry) = output.entries().get(place).filter(|_| !is_failure_unnamed) else {
            return Err(PutError::NotConfirmed);
        };
        match (entry.error_code(), entry.event_id()) {
            (Some(code), _) => {
                let message = entry.error_message().unwrap_or("EventBridge gave no message.");
                Err(PutError::Entry(ServiceError::new(code, message)))
            }
            (None, Some(event_id)) => Ok(Delivered { event_id: Some(event_id.to_owned()), is_repeat: false }),
            (None, None) => Err(PutError::NotConfirmed),
        }
    };
    (0..count).map(result).collect()
}

#[cfg(test)]
mod tests;
