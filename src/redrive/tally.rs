//! The results of a batch: the report to SQS, a log record for each message, one line of metrics for all.

use std::collections::BTreeMap;
use std::time::Duration;

use lambda_http::Context;
use serde::Serialize;
use tracing::Level;

use super::{BatchReport, Failure};
use crate::clock;
use crate::event::Entry;
use crate::event_bus::{Delivered, PutError};
use crate::outcome::Outcome;
use crate::retry_queue::ReceivedMessage;
use crate::telemetry::log;
use crate::telemetry::metrics::{DEDUPLICATED, Metrics};
use crate::telemetry::milliseconds;

/// The outcome of a message that is on the bus, and its metric.
const REDRIVEN: &str = "Redriven";

/// The outcome of a message that stays in the queue, and its metric.
const REDRIVE_FAILED: &str = "RedriveFailed";

/// The log record of one message, with the field names of the webhook function, so that one query follows an event.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageRecord {
    request_id: String,
    outcome: &'static str,
    message_id: String,
    /// The request id of the webhook's invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_request_id: Option<String>,
    /// Why the webhook function queued the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_sequence_number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Whether the bus had the event already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deduplicated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The results of a batch.
#[derive(Default)]
pub(super) struct Tally {
    redriven: u32,
    deduplicated: u32,
    refused: BTreeMap<&'static str, u32>,
    failures: Vec<Failure>,
    lines: String,
}

impl MessageRecord {
    /// The record of this message, within this invocation of `redrive`.
    pub(super) fn new(request_id: &str, message_id: String) -> Self {
        Self { request_id: request_id.to_owned(), message_id, ..Self::default() }
    }

    /// Adds why the event was queued, and by which request.
    pub(super) fn note_message(&mut self, message: &ReceivedMessage) {
        self.webhook_request_id.clone_from(&message.request_id);
        self.reason.clone_from(&message.reason);
    }

    /// Adds the event's cache, topic, and sequence number.
    pub(super) fn note_event(&mut self, entry: &Entry<'_>) {
        self.cache = Some(entry.cache.clone().into_owned());
        self.topic = Some(entry.topic.clone().into_owned());
        self.topic_sequence_number = entry.topic_sequence_number;
    }
}

impl Tally {
    pub(super) fn add(&mut self, mut record: MessageRecord, result: Result<Delivered, PutError>) {
        match result {
            Ok(delivered) => {
                self.redriven += 1;
                self.deduplicated += u32::from(delivered.is_repeat);
                record.event_id = delivered.event_id;
                record.deduplicated = delivered.is_repeat;
                self.log(Level::INFO, "The event is on the bus, from the retry queue.", record, REDRIVEN);
            }
            Err(error) => self.fail(record, error.to_string()),
        }
    }

    pub(super) fn fail(&mut self, mut record: MessageRecord, error: String) {
        self.failures.push(Failure { item_identifier: record.message_id.clone() });
        record.error = Some(error);
        self.log(Level::WARN, "The message stays in the retry queue.", record, REDRIVE_FAILED);
    }

    /// A request that was queued unverified and is not authentic. It is deleted, and nothing from its body is logged.
    pub(super) fn refuse(&mut self, mut record: MessageRecord, outcome: Outcome) {
        for name in outcome.metrics() {
            *self.refused.entry(name).or_default() += 1;
        }
        record.reason = outcome.reason().map(str::to_owned);
        let message = "The request was queued unverified. Now it was judged, and is refused and deleted.";
        self.log(Level::WARN, message, record, outcome.name());
    }

    fn log(&mut self, level: Level, message: &str, mut record: MessageRecord, outcome: &'static str) {
        record.outcome = outcome;
        if log::is_enabled(level) {
            self.lines += &log::line(level, message, &record);
        }
    }

    /// Writes the records and the metrics, and reports what has failed.
    pub(super) fn report(mut self, context: &Context, took: Duration) -> BatchReport {
        let mut metrics = Metrics::new(&context.env_config.function_name);
        metrics.count(REDRIVEN, self.redriven);
        metrics.count(DEDUPLICATED, self.deduplicated);
        for (name, number) in self.refused {
            metrics.count(name, number);
        }
        metrics.count(REDRIVE_FAILED, self.failures.len().try_into().unwrap_or(u32::MAX));
        metrics.milliseconds("PutMilliseconds", Some(milliseconds(took)));
        self.lines += &metrics.line(clock::now());
        log::write(&self.lines);
        BatchReport { batch_item_failures: self.failures }
    }
}
