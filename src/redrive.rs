//! From the retry queue to the bus: message → verified → entry → on the bus, or reported and so left in the queue.
//!
//! The event source mapping takes what is reported in `batchItemFailures` as failed, one by one
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_http::{Context, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::aws::Aws;
use crate::budget::{self, Deadline};
use crate::config::RedriveConfig;
use crate::entry::Entry;
use crate::event_bus::{EventBus, Results, is_bus_missing, not_confirmed};
use crate::queue_message::{ReceivedBody, ReceivedMessage};
use crate::retry::CallError;
use crate::signature::Verified;

mod batches;
mod judge;
mod tally;

use batches::batches;
use judge::{Judgement, SecretJudge};
use tally::{MessageRecord, Tally};

/// A batch of messages, as the event source mapping hands it over.
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

/// Everything that lives as long as the process.
#[derive(Debug)]
pub struct Redrive {
    bus: EventBus,
    judge: Option<SecretJudge>,
}

/// A message that has become an entry.
struct Redriven<'a> {
    record: MessageRecord,
    entry: Entry<'a>,
}

impl Redrive {
    /// Makes the clients; nothing is asked yet.
    pub fn new(config: RedriveConfig, aws: &Aws) -> Self {
        Self {
            bus: EventBus::new(config.event_bus_name, aws, budget::REDRIVE_ATTEMPT),
            judge: config.judge.map(|judge| SecretJudge::new(judge, aws)),
        }
    }

    /// Puts a batch on the bus, and reports exactly the messages that stay in the queue. The bus is probed each time: an
    /// event put on a bus that has been deleted would be lost, and nobody waits here.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchReport, lambda_http::Error> {
        let began = Instant::now();
        let LambdaEvent { payload, context, .. } = event;
        let deadline = deadline(&context);
        let mut tally = Tally::default();
        self.bus.refresh(deadline).await;
        let verified = self.verify(payload.records, &context, deadline, &mut tally).await;
        let mut redriven = Vec::new();
        for (record, verified) in &verified {
            let mut record = record.clone();
            match Entry::parse(verified) {
                Ok(entry) => {
                    record.note_event(&entry);
                    redriven.push(Redriven { record, entry });
                }
                Err(unmappable) => tally.fail(record, format!("{}: {unmappable}", unmappable.code())),
            }
        }
        let missing = self.bus.check(&context.invoked_function_arn, deadline).await.err();
        for batch in batches(redriven, self.bus.call_limits()) {
            match &missing {
                None => self.put(batch, deadline, &mut tally).await,
                Some(missing) => tally.fail_all(batch, &missing.error),
            }
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
        if let Some(earliest) = unverified.iter().map(|(.., received_at)| *received_at).min() {
            let judge = match &self.judge {
                Some(judge) => judge.read(earliest, deadline).await,
                None => None,
            };
            for (record, signed, received_at) in unverified {
                match judge.as_ref().map(|judge| judge.judge(signed, received_at)) {
                    Some(Judgement::Authentic(body)) => verified.push((record, body)),
                    Some(Judgement::Refused(outcome)) => tally.refuse(record, outcome),
                    Some(Judgement::Undecided) | None => {
                        tally.fail(record, "SecretUnavailable: No signing secret can be read to judge it.".to_owned());
                    }
                }
            }
        }
        verified
    }

    /// One call for all; where that is refused as a whole, one for each, so that one bad message does not fail the others.
    async fn put(&self, batch: Vec<Redriven<'_>>, deadline: Deadline, tally: &mut Tally) {
        let entries: Vec<&Entry<'_>> = batch.iter().map(|redriven| &redriven.entry).collect();
        match self.call(&entries, deadline).await {
            Ok(results) => {
                for (redriven, result) in batch.into_iter().zip(results) {
                    tally.add(redriven.record, result);
                }
            }
            Err(error) if error.is_answer() && !is_bus_missing(&error) && batch.len() > 1 => {
                for Redriven { record, entry } in batch {
                    let results = self.call(&[&entry], deadline).await;
                    let result = results.and_then(|results| results.into_iter().next().unwrap_or_else(not_confirmed));
                    tally.add(record, result);
                }
            }
            Err(error) => tally.fail_all(batch, &error),
        }
    }

    async fn call(&self, entries: &[&Entry<'_>], deadline: Deadline) -> Result<Results, CallError> {
        if deadline.has_passed() {
            return Err(CallError::not_sent());
        }
        timeout_at(deadline.instant(), self.bus.put_all(entries)).await.unwrap_or_else(|_| Err(CallError::timed_out()))
    }
}

/// The invocation's end, less the time to report. One that has passed is unknown: `cargo lambda watch` hands out such.
fn deadline(context: &Context) -> Deadline {
    let end = UNIX_EPOCH + Duration::from_millis(context.deadline);
    Deadline::after(match end.duration_since(SystemTime::now()) {
        Ok(left) => left.saturating_sub(budget::REDRIVE_RESERVE),
        Err(_) => budget::REDRIVE_UNKNOWN,
    })
}
