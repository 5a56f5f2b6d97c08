//! What is recorded of a request: one log record and one line of metrics, written at once.
//!
//! No payload, secret or signature, but for the queue message of an event that neither bus nor queue took.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use tracing::Level;

use crate::clock;
use crate::event::Entry;
use crate::event_bus::Delivered;
use crate::outcome::Outcome;
use crate::retry_queue::QueueMessage;
use crate::signing::StrayCharacter;
use crate::telemetry::log;
use crate::telemetry::metrics::{DEDUPLICATED, Metrics};
use crate::telemetry::milliseconds;

/// The log record of one request. What is not known of it is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestRecord {
    request_id: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Why the bus did not take the event: a code and a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Why the retry queue did not take it either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_sequence_number: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    detail_type_cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Whether the bus had the event already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deduplicated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    put_milliseconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publish_to_bus_milliseconds: Option<f64>,
    total_milliseconds: f64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) attempts: u32,
    cold_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_message: Option<Box<RawValue>>,
    /// The character without which a stored secret would match.
    #[serde(skip)]
    pub(crate) stray_character: Option<StrayCharacter>,
}

impl RequestRecord {
    /// The record of a request.
    pub fn new(request_id: &str, cold_start: bool) -> Self {
        Self { request_id: request_id.to_owned(), cold_start, ..Self::default() }
    }

    /// Notes what the event is about.
    pub fn note_event(&mut self, entry: &Entry<'_>) {
        self.cache = Some(entry.cache.clone().into_owned());
        self.topic = Some(entry.topic.clone().into_owned());
        self.topic_sequence_number = entry.topic_sequence_number;
        self.detail_type_cut = entry.is_detail_type_cut();
    }

    /// Notes that the bus has the event, and how long that took; `publish_timestamp` in Unix milliseconds.
    pub fn note_delivery(&mut self, delivered: Delivered, put: Duration, publish_timestamp: i64) {
        self.event_id = delivered.event_id;
        self.deduplicated = delivered.is_repeat;
        self.put_milliseconds = Some(milliseconds(put));
        // Momento's clock may be ahead of this one.
        let since_publish = clock::now().saturating_sub(publish_timestamp).max(0);
        self.publish_to_bus_milliseconds = Some(since_publish as f64);
    }

    /// Notes the message that has to be put back by hand.
    pub fn note_lost(&mut self, message: &QueueMessage) {
        self.queue_message = RawValue::from_string(message.text().to_owned()).ok();
    }

    /// Writes the record and the metrics.
    pub fn write(mut self, outcome: Outcome, total: Duration, function_name: &str) {
        self.outcome = outcome.name();
        self.reason = outcome.reason();
        self.total_milliseconds = milliseconds(total);
        let mut lines = String::new();
        let (level, message) = sentence(outcome, self.stray_character);
        // A record with a queue message is the event's last copy, so it is written whatever the level.
        if self.queue_message.is_some() || log::is_enabled(level) {
            lines += &log::line(level, &message, &self);
        }
        lines += &self.metrics(outcome, function_name).line(clock::now());
        log::write(&lines);
    }

    fn metrics<'a>(&self, outcome: Outcome, function_name: &'a str) -> Metrics<'a> {
        let mut metrics = Metrics::new(function_name);
        for name in outcome.metrics() {
            metrics.count(name, 1);
        }
        metrics.count(DEDUPLICATED, self.deduplicated.into());
        metrics.count("DetailTypeCut", self.detail_type_cut.into());
        metrics.count("ColdStart", self.cold_start.into());
        metrics.milliseconds("PutMilliseconds", self.put_milliseconds);
        metrics.milliseconds("PublishToBusMilliseconds", self.publish_to_bus_milliseconds);
        metrics
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn sentence(outcome: Outcome, stray_character: Option<StrayCharacter>) -> (Level, Cow<'static, str>) {
    let (level, sentence) = match outcome {
        Outcome::Delivered => (Level::INFO, "The event is on the bus."),
        Outcome::Queued(_) => {
            (Level::WARN, "The bus did not take the event; redrive puts it there from the retry queue.")
        }
        Outcome::Forged(_) => (Level::WARN, "The request is refused: no accepted signing secret made its signature."),
        Outcome::Stale => (Level::WARN, "The webhook is refused: it was sent too long ago, or this is a replay."),
        Outcome::Future => {
            (Level::WARN, "The webhook is refused: it was sent in the future; one of the clocks is wrong.")
        }
        Outcome::BadRequest => {
            (Level::WARN, "The request is refused: it is not in payload format 2.0, or holds text that is not Unicode.")
        }
        Outcome::MethodNotAllowed => (Level::WARN, "The request is refused: a webhook is a POST."),
        Outcome::PayloadTooLarge => (Level::WARN, "The request is refused: no webhook of Momento's is that large."),
        Outcome::BothFailed(_) => (
            Level::ERROR,
            "Neither the bus nor the retry queue took the event; put it back from the queueMessage of this record.",
        ),
        Outcome::SecretUnavailable { is_kept: true } => (
            Level::ERROR,
            "No known signing secret made the signature, and the secret cannot be read, so the request is kept unverified in the \
             retry queue; check the secret and the role. Redrive verifies it as soon as the secret can be read.",
        ),
        Outcome::SecretUnavailable { is_kept: false } => (
            Level::ERROR,
            "No known signing secret made the signature, the secret cannot be read, and the request could not be kept unverified; \
             check the secret and the role.",
        ),
        Outcome::RotationInProgress { is_kept: true } => (
            Level::WARN,
            "No known signing secret made the signature, and a rotation is in progress, so the request is kept unverified in the \
             retry queue. Redrive verifies it when the rotation is over.",
        ),
        Outcome::RotationInProgress { is_kept: false } => (
            Level::ERROR,
            "No known signing secret made the signature, a rotation is in progress, and the request could not be kept unverified; \
             check the retry queue.",
        ),
    };
    match stray_character {
        Some(stray) => {
            let hint =
                format!(" The stored secret would match without the {stray} at its ends; store it again without it.");
            (level, Cow::Owned(sentence.to_owned() + &hint))
        }
        None => (level, Cow::Borrowed(sentence)),
    }
}
