//! What is recorded of a request: one log record and one line of metrics, written at once.
//!
//! It contains no payload, secret, or signature. The exception is the queue message of an event that neither the bus nor the
//! retry queue accepted.

use std::borrow::Cow;
use std::time::Duration;

use lambda_http::Context;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::Level;

use crate::clock;
use crate::event::Entry;
use crate::event_bus::Delivered;
use crate::outcome::{Forgery, Outcome};
use crate::retry_queue::{QueueError, QueueMessage};
use crate::signing::StrayCharacter;
use crate::telemetry::log;
use crate::telemetry::metrics::{DEDUPLICATED, Metrics};
use crate::telemetry::milliseconds;

/// The longest name of a cache or topic in a record, in Unicode scalar values.
const MAX_NAME_CHARS: usize = 128;

/// What is known of a request once it has its outcome.
#[derive(Debug)]
pub(super) struct Facts {
    pub outcome: Outcome,
    /// Why the bus did not accept the event, or why the request cannot be judged.
    pub error: Option<String>,
    /// Why the retry queue did not accept it either.
    pub queue_error: Option<QueueError>,
    /// The size of the body, decoded.
    pub body_bytes: Option<usize>,
    /// The number of PutEvents calls.
    pub attempts: u32,
    /// The event's only copy, from which `scripts/put-back` restores it.
    pub lost: Option<QueueMessage>,
    /// The character without which a stored secret would match.
    pub stray_character: Option<StrayCharacter>,
    /// Which event it is.
    pub about: Option<About>,
    /// How it was delivered.
    pub delivery: Option<Delivery>,
}

/// Which event it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    cache: String,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_sequence_number: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    detail_type_cut: bool,
}

/// That the bus has the event, and how long that took.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivery {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Whether the bus had the event already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deduplicated: bool,
    put_milliseconds: f64,
    publish_to_bus_milliseconds: f64,
}

/// The log record of one request. What is not known of it is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestRecord<'a> {
    request_id: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_error: Option<String>,
    #[serde(flatten)]
    about: &'a Option<About>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<usize>,
    #[serde(flatten)]
    delivery: &'a Option<Delivery>,
    total_milliseconds: f64,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u32,
    cold_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_message: Option<Box<RawValue>>,
}

impl Facts {
    /// An outcome, if nothing else is known about the request.
    pub(super) fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            error: None,
            queue_error: None,
            body_bytes: None,
            attempts: 0,
            lost: None,
            stray_character: None,
            about: None,
            delivery: None,
        }
    }

    /// The bus has the event, after this time; `publish_timestamp` in Unix milliseconds.
    pub(super) fn of_delivery(delivered: Delivered, put: Duration, publish_timestamp: i64) -> Self {
        // Momento's clock may be ahead of this one.
        let since_publish = clock::now().saturating_sub(publish_timestamp).max(0);
        let delivery = Delivery {
            event_id: delivered.event_id,
            deduplicated: delivered.is_repeat,
            put_milliseconds: milliseconds(put),
            publish_to_bus_milliseconds: since_publish as f64,
        };
        Self { delivery: Some(delivery), ..Self::of(Outcome::Delivered) }
    }

    /// The same, with the event's cache, topic, and sequence number.
    pub(super) fn about(self, entry: &Entry<'_>) -> Self {
        let about = About {
            cache: cut(&entry.cache),
            topic: cut(&entry.topic),
            topic_sequence_number: entry.topic_sequence_number,
            detail_type_cut: entry.is_detail_type_cut(),
        };
        Self { about: Some(about), ..self }
    }

    /// Writes the record and the metrics.
    pub(super) fn record(self, context: &Context, cold_start: bool, total: Duration) {
        let metrics = self.metrics(cold_start, &context.env_config.function_name).line(clock::now());
        let (level, message) = sentence(self.outcome, self.stray_character);
        // A record with a queue message is the event's only copy, so it is written at any log level.
        let record = (self.lost.is_some() || log::is_enabled(level)).then(|| {
            let record = RequestRecord {
                request_id: &context.request_id,
                outcome: self.outcome.name(),
                reason: self.outcome.reason(),
                error: self.error,
                queue_error: self.queue_error.map(|error| error.to_string()),
                about: &self.about,
                body_bytes: self.body_bytes,
                delivery: &self.delivery,
                total_milliseconds: milliseconds(total),
                attempts: self.attempts,
                cold_start,
                queue_message: self.lost.and_then(|lost| RawValue::from_string(lost.text().to_owned()).ok()),
            };
            log::line(level, &message, &record)
        });
        log::write(&(record.unwrap_or_default() + &metrics));
    }

    fn metrics<'a>(&self, cold_start: bool, function_name: &'a str) -> Metrics<'a> {
        let mut metrics = Metrics::new(function_name);
        for name in self.outcome.metrics() {
            metrics.count(name, 1);
        }
        if self.outcome == Outcome::Forged(Forgery::SignatureMismatch) {
            // An alarm is told from this that a wrong secret is all there is: what is not measured is not 0.
            metrics.zero(Outcome::Delivered.name());
        }
        let delivery = self.delivery.as_ref();
        metrics.count(DEDUPLICATED, delivery.is_some_and(|delivery| delivery.deduplicated).into());
        metrics.count("DetailTypeCut", self.about.as_ref().is_some_and(|about| about.detail_type_cut).into());
        metrics.count("ColdStart", cold_start.into());
        metrics.milliseconds("PutMilliseconds", delivery.map(|delivery| delivery.put_milliseconds));
        metrics.milliseconds("PublishToBusMilliseconds", delivery.map(|delivery| delivery.publish_to_bus_milliseconds));
        metrics
    }
}

/// A name of any length, since with a queue message that has it too, a record must fit CloudWatch's 256 KB.
fn cut(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn sentence(outcome: Outcome, stray_character: Option<StrayCharacter>) -> (Level, Cow<'static, str>) {
    let (level, sentence) = match outcome {
        Outcome::Delivered => (Level::INFO, "The event is on the bus."),
        Outcome::Queued(_) => (
            Level::WARN,
            "The bus did not accept the event. It is in the retry queue, from which redrive puts it on the bus.",
        ),
        Outcome::Forged(_) => (Level::WARN, "The request is refused: no accepted signing secret made its signature."),
        Outcome::Stale => (Level::WARN, "The webhook is refused: it was sent too long ago, or is a replay."),
        Outcome::Future => {
            (Level::WARN, "The webhook is refused: its timestamp is in the future. One of the clocks is wrong.")
        }
        Outcome::BadRequest => {
            (Level::WARN, "The request is refused: it is not in payload format 2.0, or contains invalid Unicode.")
        }
        Outcome::MethodNotAllowed => (Level::WARN, "The request is refused: its method is not POST."),
        Outcome::PayloadTooLarge => (Level::WARN, "The request is refused: its body is larger than 180,000 bytes."),
        Outcome::BothFailed(_) => (
            Level::ERROR,
            "Neither the bus nor the retry queue accepted the event. Put it back from the queueMessage of this record.",
        ),
        Outcome::SecretUnavailable { is_kept: true } => (
            Level::ERROR,
            "No known signing secret made the signature, and the secret cannot be read, so the request is in the retry queue, \
             unverified. The error says why. Redrive verifies it when the secret can be read.",
        ),
        Outcome::SecretUnavailable { is_kept: false } => (
            Level::ERROR,
            "No known signing secret made the signature, the secret cannot be read, and the request could not be queued. The \
             errors say why.",
        ),
        Outcome::RotationInProgress { is_kept: true } => (
            Level::WARN,
            "No known signing secret made the signature, and a rotation is in progress, so the request is in the retry queue, \
             unverified. Redrive verifies it when the rotation is over.",
        ),
        Outcome::RotationInProgress { is_kept: false } => (
            Level::ERROR,
            "No known signing secret made the signature, a rotation is in progress, and the request could not be queued. Check the \
             retry queue.",
        ),
    };
    match stray_character {
        Some(stray) => {
            let hint =
                format!(" The stored secret would match without the {stray} at its ends. Store it again without it.");
            (level, Cow::Owned(sentence.to_owned() + &hint))
        }
        None => (level, Cow::Borrowed(sentence)),
    }
}
