//! From the retry queue to the bus: message → verified → entry → on the bus, or reported and so left in the queue.
//!
//! The event source mapping treats only the messages in `batchItemFailures` as failed
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>).

use std::time::Duration;

use lambda_http::{Context, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::aws::Aws;
use crate::aws::budget::{self, Deadline};
use crate::clock;
use crate::config::RedriveConfig;
use crate::event::Entry;
use crate::event_bus::EventBus;
use crate::retry_queue::{ReceivedBody, ReceivedMessage};
use crate::signing::Verified;

mod judge;
mod tally;

use judge::{Judge, Judgement, Undecided};
use tally::{MessageRecord, Tally};

/// A batch of messages, as the event source mapping sends it.
#[derive(Debug, Deserialize)]
pub struct SqsEvent {
    #[serde(rename = "Records")]
    records: Vec<SqsMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SqsMessage {
    message_id: String,
    #[serde(default)]
    body: String,
}

/// The messages that stay in the queue; all others are deleted from it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchReport {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// Everything that is kept for the lifetime of the process.
#[derive(Debug)]
pub struct Redrive {
    bus: EventBus,
    judge: Option<Judge>,
}

impl Redrive {
    /// Creates the clients without a call.
    pub fn new(config: RedriveConfig, aws: &Aws) -> Self {
        Self {
            bus: EventBus::new(config.event_bus_name, aws, budget::REDRIVE_ATTEMPT),
            judge: config.authenticity.map(|authenticity| Judge::new(authenticity, aws)),
        }
    }

    /// Puts a batch on the bus, and reports exactly the messages that stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchReport, lambda_http::Error> {
        let began = Instant::now();
        let LambdaEvent { payload, context, .. } = event;
        let deadline = deadline(&context);
        let mut tally = Tally::default();
        let verified = self.verify(payload.records, &context, deadline, &mut tally).await;
        let (mut records, mut entries) = (Vec::new(), Vec::new());
        for (record, verified) in &verified {
            let mut record = record.clone();
            match Entry::parse(verified) {
                Ok(entry) => {
                    record.note_event(&entry);
                    records.push(record);
                    entries.push(entry);
                }
                Err(unmappable) => tally.fail(record, unmappable.to_string()),
            }
        }
        let results = self.bus.put_many(&entries, &context, deadline).await;
        for (record, result) in records.into_iter().zip(results) {
            tally.add(record, result);
        }
        Ok(tally.report(&context, began.elapsed()))
    }

    /// The verified bodies of a batch: those of version 1, and those of version 2 that pass the same checks as a request.
    async fn verify(
        &self,
        messages: Vec<SqsMessage>,
        context: &Context,
        deadline: Deadline,
        tally: &mut Tally,
    ) -> Vec<(MessageRecord, Verified)> {
        let (mut verified, mut unverified) = (Vec::new(), Vec::new());
        for message in messages {
            let mut record = MessageRecord::new(&context.request_id, message.message_id);
            match ReceivedMessage::parse(&message.body) {
                Ok(message) => {
                    record.note_message(&message);
                    match message.body {
                        ReceivedBody::Verified(body) => verified.push((record, body)),
                        ReceivedBody::Unverified(signed, received_at) => unverified.push((record, signed, received_at)),
                    }
                }
                Err(unreadable) => tally.fail(record, unreadable.to_string()),
            }
        }
        if unverified.is_empty() {
            return verified;
        }
        let secrets = match &self.judge {
            Some(judge) => Some((judge, judge.read(deadline).await)),
            None => None,
        };
        for (record, signed, received_at) in unverified {
            let judgement = match &secrets {
                Some((judge, secrets)) => judge.judge(secrets, signed, received_at, clock::now()),
                None => Judgement::Stays(Undecided::without_secret()),
            };
            match judgement {
                Judgement::Authentic(body) => verified.push((record, body)),
                Judgement::Refused(outcome) => tally.refuse(record, outcome),
                Judgement::Stays(why) => tally.fail(record, why.to_string()),
            }
        }
        verified
    }
}

/// The invocation's end, less the time to report. A deadline in the past, as `cargo lambda watch` gives, counts as unknown.
fn deadline(context: &Context) -> Deadline {
    let now = u64::try_from(clock::now()).unwrap_or_default();
    Deadline::after(match context.deadline.checked_sub(now) {
        Some(left) => Duration::from_millis(left).saturating_sub(budget::REDRIVE_RESERVE),
        None => budget::REDRIVE_UNKNOWN,
    })
}
