//! A Custom Event Bus (API EventBridgeV2). It suppresses a repeat of an event for five minutes.

use aws_sdk_eventbridgev2::Client;
use aws_sdk_eventbridgev2::error::{BuildError, SdkError};
use aws_sdk_eventbridgev2::operation::describe_event_bus::DescribeEventBusError;
use aws_sdk_eventbridgev2::operation::put_events::{PutEventsError, PutEventsOutput};
use aws_sdk_eventbridgev2::types::{PutEventsRequestEntry, PutEventsResultEntry, PutEventsSystemMetadata, SuccessCode};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;

use super::{CallLimits, Delivered, PutError, Results};
use crate::aws::budget::Deadline;
use crate::aws::retry::{CallError, ServiceError};
use crate::event::{Entry, MAX_DETAIL_TYPE_CHARS, SOURCE};

/// The hex digits of a SHA-256.
const DEDUPLICATION_ID_CHARS: usize = 64;

/// EventBridge's limits for a call. AWS does not say how it counts the size, so the system metadata is counted too.
pub(super) const CALL_LIMITS: CallLimits =
    CallLimits { entries: 100, bytes: 1_048_576, metadata_bytes: DEDUPLICATION_ID_CHARS + MAX_DETAIL_TYPE_CHARS * 4 };

/// The only code that AWS documents for an invalid entry.
const INVALID_ENTRY: &str = "VALIDATION_ERROR";

#[derive(Debug)]
pub(super) struct CustomBus {
    client: Client,
    arn: String,
}

impl CustomBus {
    pub(super) fn new(client: Client, arn: String) -> Self {
        Self { client, arn }
    }

    /// Opens the connection that the first event will use. The answer changes nothing, because PutEvents itself reports a
    /// missing bus.
    pub(super) async fn describe(&self, deadline: Deadline) {
        let describe = self.client.describe_event_bus().event_bus_arn(&self.arn).send();
        let answer = timeout_at(deadline.instant(), describe).await;
        let error = answer.ok().and_then(Result::err);
        let error = error.as_ref().and_then(SdkError::as_service_error);
        if error.is_some_and(DescribeEventBusError::is_resource_not_found_exception) {
            tracing::error!(
                eventBus = self.arn,
                "EventBridge does not find the event bus. Create it or correct EVENT_BUS_NAME. Until then, events wait in the \
                 retry queue."
            );
        }
    }

    pub(super) async fn put(&self, entries: &[Entry<'_>]) -> Result<Results, CallError> {
        let request: Result<Vec<_>, _> = entries.iter().map(request_entry).collect();
        let request = request.map_err(|error| call_error(SdkError::construction_failure(error)))?;
        let put = self.client.put_events().event_bus_arn(&self.arn).set_entries(Some(request));
        let output = put.send().await.map_err(call_error)?;
        Ok(results(&output, entries.len()))
    }
}

/// `Time` and `Resources` stay unset. This kind of bus has no trace header.
fn request_entry(entry: &Entry<'_>) -> Result<PutEventsRequestEntry, BuildError> {
    let detail_type = entry.detail_type();
    let metadata = PutEventsSystemMetadata::builder()
        .deduplication_id(hex::encode(Sha256::digest(entry.detail)))
        .event_group_id(&detail_type)
        .build();
    PutEventsRequestEntry::builder()
        .source(SOURCE)
        .detail_type(detail_type)
        .detail(entry.detail)
        .system_metadata(metadata)
        .build()
}

/// Status 409 means that the bus is being created or deleted.
fn call_error(error: SdkError<PutEventsError, HttpResponse>) -> CallError {
    let is_conflict = error.raw_response().is_some_and(|response| response.status().as_u16() == 409);
    match CallError::from(error) {
        CallError::Service(error) if is_conflict => ServiceError { is_transient: true, ..error }.into(),
        error => error,
    }
}

/// The result of each entry. Only a known success code counts as delivered, because a repeat may have no event id.
fn results(output: &PutEventsOutput, count: usize) -> Results {
    (0..count).map(|place| output.entries().get(place).map_or(Err(PutError::NotConfirmed), result)).collect()
}

fn result(entry: &PutEventsResultEntry) -> Result<Delivered, PutError> {
    if let Some(code) = entry.error_code() {
        let message = entry.error_message().unwrap_or("EventBridge gave no message.");
        // AWS documents only one code. Any other may mean that an event group exceeded its rate.
        let is_transient = code != INVALID_ENTRY;
        return Err(PutError::Entry(ServiceError { is_transient, ..ServiceError::new(code, message) }));
    }
    let delivered = |is_repeat| Ok(Delivered { event_id: entry.event_id().map(str::to_owned), is_repeat });
    match entry.success_code() {
        Some(SuccessCode::Published) => delivered(false),
        Some(SuccessCode::Deduplicated) => delivered(true),
        _ => Err(PutError::NotConfirmed),
    }
}

#[cfg(test)]
mod tests;
