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
use crate::event_bus::EventBus;
use crate::outcome::{Forgery, Outcome, Reason};
use crate::retry_queue::{QueueError, QueueMessage, RetryQueue};
use crate::signing::{CannotBeJudged, Judgement, SecretStore, Signed, Verified};

use record::Facts;
pub use request::{MAX_BODY_BYTES, Request};
pub use response::Response;

/// The first request counts its time from the start of the process if that is no longer ago than this; otherwise no request
/// was waiting when the environment was made.
const COLD_START: Duration = budget::START.saturating_mul(2);

/// The largest body that is queued unverified, in bytes: several times what Momento sends, and little for an attacker.
const MAX_UNVERIFIED_BYTES: usize = 16_384;

/// Everything that is kept for the lifetime of the process.
#[derive(Debug)]
pub struct Webhook {
    secrets: SecretStore,
    bus: EventBus,
    retry_queue: Option<RetryQueue>,
    max_event_age: Duration,
    process_start: Instant,
    is_cold: AtomicBool,
}

/// What is known about a request apart from its body.
struct Received<'a> {
    /// In milliseconds since the Unix epoch, taken before any waiting.
    at: i64,
    deadline: Deadline,
    context: &'a Context,
}

impl Webhook {
    /// Reads the secret and checks the bus concurrently, and waits for both for at most 1 s.
    pub async fn start(config: WebhookConfig, aws: &Aws, process_start: Instant) -> Self {
        let retry_queue = config.retry_queue_url.map(|url| RetryQueue::new(aws.sqs(), url));
        if retry_queue.is_none() {
            tracing::warn!(
                "RETRY_QUEUE_URL is not set, so an event that the bus does not accept is only in the log. Set it to the URL of the retry queue."
            );
        }
        let webhook = Self {
            secrets: SecretStore::new(config.authenticity.secret, config.authenticity.previous_secret, aws),
            bus: EventBus::new(config.event_bus_name, aws, budget::ATTEMPT),
            retry_queue,
            max_event_age: config.authenticity.max_event_age,
            process_start,
            is_cold: AtomicBool::new(true),
        };
        let deadline = Deadline::after(budget::START);
        tokio::join!(webhook.secrets.start(deadline), webhook.bus.connect(deadline));
        webhook
    }

    /// Responds to one invocation, and records its outcome. The event is taken as it is, so that malformed events get a
    /// response as well, and are no errors of the function.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let (began, now) = (Instant::now(), clock::now());
        let LambdaEvent { payload, context, .. } = event;
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let received = Received { at: now, deadline: self.deadline(is_cold), context: &context };
        let facts = self.process(&payload, &received).await;
        let outcome = facts.outcome;
        facts.record(&context, is_cold, began.elapsed());
        Ok(Response::from(outcome).into())
    }

    async fn process(&self, event: &RawValue, received: &Received<'_>) -> Facts {
        let request = match Request::parse(event) {
            Ok(request) => request,
            Err(refused) => return Facts::of(refused),
        };
        let body_bytes = Some(request.body_bytes());
        let facts = match request.into_signed() {
            Ok(signed) => self.judge(signed, received).await,
            Err(refused) => Facts::of(refused),
        };
        Facts { body_bytes, ..facts }
    }

    async fn judge(&self, signed: Signed, received: &Received<'_>) -> Facts {
        match self.secrets.judge(signed, received.at, received.deadline).await {
            Judgement::Authentic(verified) => self.forward(&verified, received).await,
            Judgement::Forged { stray_character } => {
                Facts { stray_character, ..Facts::of(Outcome::Forged(Forgery::SignatureMismatch)) }
            }
            Judgement::CannotBeJudged(signed, why) => self.keep_unverified(signed, &why, received).await,
        }
    }

    async fn forward(&self, verified: &Verified, received: &Received<'_>) -> Facts {
        let entry = match Entry::parse(verified) {
            Ok(entry) => entry,
            Err(unmappable) => {
                return self.keep(verified, Reason::Unmappable, unmappable.to_string(), received).await;
            }
        };
        let facts = match timestamp::check(entry.publish_timestamp, received.at, self.max_event_age) {
            Ok(()) => self.deliver(verified, &entry, received).await,
            Err(refused) => Facts::of(refused),
        };
        facts.about(&entry)
    }

    async fn deliver(&self, verified: &Verified, entry: &Entry<'_>, received: &Received<'_>) -> Facts {
        let began = Instant::now();
        let deadline = received.deadline.leaving(budget::QUEUE).at_most(budget::PUT);
        let put = self.bus.put(entry, received.context, deadline).await;
        let facts = match put.result {
            Ok(delivered) => Facts::of_delivery(delivered, began.elapsed(), entry.publish_timestamp),
            Err(error) => self.keep(verified, error.reason(), error.to_string(), received).await,
        };
        Facts { attempts: put.attempts, ..facts }
    }

    /// Sends a verified body to the retry queue. If that fails, the log has it.
    async fn keep(&self, verified: &Verified, reason: Reason, error: String, received: &Received<'_>) -> Facts {
        let message = QueueMessage::new(verified, reason, &error, received.at, &received.context.request_id);
        let (outcome, queue_error) = match self.send(&message, received).await {
            Ok(()) => (Outcome::Queued(reason), None),
            Err(error) => (Outcome::BothFailed(reason), Some(error)),
        };
        let lost = queue_error.is_some().then_some(message);
        Facts { error: Some(error), queue_error, lost, ..Facts::of(outcome) }
    }

    /// Sends a request that cannot be judged to the retry queue. If that fails, nothing of it is logged, unless it can be
    /// verified by then.
    async fn keep_unverified(&self, signed: Signed, why: &CannotBeJudged, received: &Received<'_>) -> Facts {
        let message = QueueMessage::unverified(&signed, why, received.at, &received.context.request_id);
        let sent = if signed.body.len() > MAX_UNVERIFIED_BYTES {
            Err(QueueError::BodyTooLarge)
        } else {
            self.send(&message, received).await
        };
        let verified = if sent.is_err() { self.secrets.verify(signed, received.at).ok() } else { None };
        let facts = match verified {
            Some(verified) => self.log_lost(&verified, received),
            None => Facts::of(why.outcome(sent.is_ok())),
        };
        Facts { error: Some(why.to_string()), queue_error: sent.err(), ..facts }
    }

    /// Logs an event that could be verified only after the retry queue had refused it.
    fn log_lost(&self, verified: &Verified, received: &Received<'_>) -> Facts {
        let reason = Reason::TimedOut;
        let error = CallError::TimedOut.to_string();
        let lost = QueueMessage::new(verified, reason, &error, received.at, &received.context.request_id);
        let facts = Facts { lost: Some(lost), ..Facts::of(Outcome::BothFailed(reason)) };
        let Ok(entry) = Entry::parse(verified) else { return facts };
        match timestamp::check(entry.publish_timestamp, received.at, self.max_event_age) {
            Ok(()) => facts.about(&entry),
            Err(refused) => Facts::of(refused).about(&entry),
        }
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
