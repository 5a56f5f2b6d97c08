//! One request: signed → verified → entry → on the bus or in the retry queue → response.

mod record;
mod request;
mod response;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::{Context, LambdaEvent};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::aws::Aws;
use crate::aws::budget::{self, Deadline};
use crate::aws::retry::CallError;
use crate::clock;
use crate::config::WebhookConfig;
use crate::event::Entry;
use crate::event::timestamp;
use crate::event_bus::{EventBus, PutError};
use crate::outcome::{Forgery, Outcome, Reason};
use crate::retry_queue::{QueueError, QueueMessage, RetryQueue};
use crate::signing::{CannotBeJudged, Judgement, SecretStore, Signed, Verified};

use record::RequestRecord;
pub use request::{MAX_BODY_BYTES, Request};
pub use response::Response;

/// The first request counts its time from the start of the process if that is no longer ago than this; otherwise the
/// environment was made before there was a request, and nobody waited.
const COLD_START: Duration = budget::START.saturating_mul(2);

/// The largest body that is kept unverified, in bytes: several times what Momento sends, and little for an attacker.
const MAX_UNVERIFIED_BYTES: usize = 16_384;

/// Everything that lives as long as the process.
#[derive(Debug)]
pub struct Webhook {
    secrets: SecretStore,
    bus: EventBus,
    retry_queue: Option<RetryQueue>,
    max_event_age: Duration,
    process_start: Instant,
    is_cold: AtomicBool,
}

/// What is known of a request apart from its body.
struct Received<'a> {
    /// In milliseconds since the Unix epoch, taken before any waiting.
    at: i64,
    deadline: Deadline,
    context: &'a Context,
}

impl Webhook {
    /// Starts reading the secret and asks for the bus, side by side, and waits for both for a second at most.
    pub async fn start(config: WebhookConfig, aws: &Aws, process_start: Instant) -> Self {
        let retry_queue = config.retry_queue_url.map(|url| RetryQueue::new(aws.sqs(), url));
        if retry_queue.is_none() {
            tracing::warn!(
                "RETRY_QUEUE_URL is not set, so an event that the bus does not take is only in the log; set it."
            );
        }
        let webhook = Self {
            secrets: SecretStore::new(config.judge.secret, config.judge.previous_secret, aws),
            bus: EventBus::new(config.event_bus_name, aws, budget::ATTEMPT),
            retry_queue,
            max_event_age: config.judge.max_event_age,
            process_start,
            is_cold: AtomicBool::new(true),
        };
        let deadline = Deadline::after(budget::START);
        tokio::join!(webhook.secrets.start(deadline), webhook.bus.connect(deadline));
        webhook
    }

    /// Responds to one invocation, and records its outcome. The event comes as it is, so that one that is no request is
    /// answered too, and is no error of the function.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let (began, now) = (Instant::now(), clock::now());
        let LambdaEvent { payload, context, .. } = event;
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let received = Received { at: now, deadline: self.deadline(is_cold), context: &context };
        let mut record = RequestRecord::new(&context.request_id, is_cold);
        let outcome = self.outcome(&payload, &received, &mut record).await.unwrap_or_else(|refused| refused);
        record.write(outcome, began.elapsed(), &context.env_config.function_name);
        Ok(Response::from(outcome).into())
    }

    async fn outcome(
        &self,
        event: &RawValue,
        received: &Received<'_>,
        record: &mut RequestRecord,
    ) -> Result<Outcome, Outcome> {
        let request = Request::parse(event)?;
        record.body_bytes = Some(request.body_bytes());
        let signed = request.into_signed()?;
        let verified = match self.secrets.judge(signed, received.at, received.deadline).await {
            Judgement::Authentic(verified) => verified,
            Judgement::Forged { stray_character } => {
                record.stray_character = stray_character;
                return Err(Outcome::Forged(Forgery::SignatureMismatch));
            }
            Judgement::CannotBeJudged(signed, why) => {
                return self.keep_unverified(signed, &why, received, record).await;
            }
        };
        let entry = match Entry::parse(&verified) {
            Ok(entry) => entry,
            Err(unmappable) => {
                let error = unmappable.to_string();
                return Ok(self.keep(&verified, Reason::Unmappable, error, received, record).await);
            }
        };
        record.note_event(&entry);
        timestamp::check(entry.publish_timestamp, received.at, self.max_event_age)?;
        match self.deliver(&entry, received, record).await {
            Ok(()) => Ok(Outcome::Delivered),
            Err(error) => Ok(self.keep(&verified, error.reason(), error.to_string(), received, record).await),
        }
    }

    async fn deliver(
        &self,
        entry: &Entry<'_>,
        received: &Received<'_>,
        record: &mut RequestRecord,
    ) -> Result<(), PutError> {
        let began = Instant::now();
        let deadline = received.deadline.leaving(budget::QUEUE).at_most(budget::PUT);
        let put = self.bus.put(entry, received.context, deadline).await;
        record.attempts = put.attempts;
        record.note_delivery(put.result?, began.elapsed(), entry.publish_timestamp);
        Ok(())
    }

    /// Sends a verified body to the retry queue; where that fails, the log has it.
    async fn keep(
        &self,
        verified: &Verified,
        reason: Reason,
        error: String,
        received: &Received<'_>,
        record: &mut RequestRecord,
    ) -> Outcome {
        let message = QueueMessage::new(verified, reason, &error, received.at, &received.context.request_id);
        record.error = Some(error);
        match self.send(&message, received).await {
            Ok(()) => Outcome::Queued(reason),
            Err(error) => {
                record.queue_error = Some(error.to_string());
                record.note_lost(&message);
                Outcome::BothFailed(reason)
            }
        }
    }

    /// Sends a request that cannot be judged to the retry queue. Where that fails, nothing of it is logged, unless it can be
    /// verified by then.
    async fn keep_unverified(
        &self,
        signed: Signed,
        why: &CannotBeJudged,
        received: &Received<'_>,
        record: &mut RequestRecord,
    ) -> Result<Outcome, Outcome> {
        let message = QueueMessage::unverified(&signed, why, received.at, &received.context.request_id);
        record.error = Some(why.to_string());
        let sent = if signed.body.len() > MAX_UNVERIFIED_BYTES {
            Err(QueueError::BodyTooLarge)
        } else {
            self.send(&message, received).await
        };
        let is_kept = sent.is_ok();
        record.queue_error = sent.err().map(|error| error.to_string());
        if !is_kept && let Ok(verified) = self.secrets.verify(signed, received.at) {
            return self.note_lost(&verified, received, record);
        }
        Ok(match why {
            CannotBeJudged::SecretUnavailable(_) => Outcome::SecretUnavailable { is_kept },
            CannotBeJudged::RotationInProgress => Outcome::RotationInProgress { is_kept },
        })
    }

    /// An event that could be verified only after the retry queue had not taken it: the log has it.
    fn note_lost(
        &self,
        verified: &Verified,
        received: &Received<'_>,
        record: &mut RequestRecord,
    ) -> Result<Outcome, Outcome> {
        if let Ok(entry) = Entry::parse(verified) {
            record.note_event(&entry);
            timestamp::check(entry.publish_timestamp, received.at, self.max_event_age)?;
        }
        let error = CallError::TimedOut.to_string();
        let message = QueueMessage::new(verified, Reason::TimedOut, &error, received.at, &received.context.request_id);
        record.note_lost(&message);
        Ok(Outcome::BothFailed(Reason::TimedOut))
    }

    async fn send(&self, message: &QueueMessage, received: &Received<'_>) -> Result<(), QueueError> {
        match &self.retry_queue {
            Some(retry_queue) => retry_queue.send(message, received.deadline.at_most(budget::QUEUE)).await,
            None => Err(QueueError::NoRetryQueue),
        }
    }

    fn deadline(&self, is_cold: bool) -> Deadline {
        let age = self.process_start.elapsed();
        Deadline::of_request(if is_cold && age <= COLD_START { age } else { Duration::ZERO })
    }
}
