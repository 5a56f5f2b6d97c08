//! The way back onto the bus: queue messages → verified → mapped → delivered, or reported and left in the queue.
//!
//! The event source mapping takes what is reported in `batchItemFailures` as failed, one by one
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use lambda_runtime::{Context, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::attempt::CallError;
use crate::aws::Aws;
use crate::budget::{self, Deadline};
use crate::delivered::{Delivered, EventBus, not_confirmed};
use crate::mapped::Mapped;
use crate::queue_message::Kept;

mod batches;
mod tally;

use batches::batches;
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
}

/// A message that has become an entry.
struct Redriven {
    record: MessageRecord,
    entry: PutEventsRequestEntry,
}

impl Redrive {
    /// Makes the client; nothing is asked yet.
    pub fn new(aws: &Aws, event_bus_name: String) -> Self {
        Self { bus: EventBus::new(aws.event_bridge(budget::REDRIVE_ATTEMPT), event_bus_name) }
    }

    /// Puts a batch on the bus, and reports exactly the messages that failed. The bus is asked for each time: an event
    /// put on a bus that has been deleted would be lost, and nobody waits here.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchReport, lambda_runtime::Error> {
        let began = Instant::now();
        let LambdaEvent { payload, context, .. } = event;
        let deadline = deadline(&context);
        let mut tally = Tally::default();
        self.bus.ask(deadline).await;
        let mut entries = Vec::new();
        for message in payload.records {
            let mut record = MessageRecord::new(&context.request_id, message.message_id);
            match self.read(&message.body, &mut record) {
                Ok(entry) => entries.push(Redriven { record, entry }),
                Err(error) => tally.fail(record, error),
            }
        }
        let missing = self.bus.check(deadline).await.err();
        for batch in batches(entries) {
            match &missing {
                None => self.put(batch, deadline, &mut tally).await,
                Some(missing) => tally.fail_all(batch, &missing.error),
            }
        }
        Ok(tally.report(&context, began.elapsed()))
    }

    /// The entry that the handler would have put, by the same code; no trace header, since the trace has ended.
    fn read(&self, message: &str, record: &mut MessageRecord) -> Result<PutEventsRequestEntry, String> {
        let kept = Kept::from_message(message).map_err(|unreadable| unreadable.to_string())?;
        record.reason = Some(kept.reason);
        record.webhook_request_id = Some(kept.request_id);
        let mapped = Mapped::from_verified(kept.verified)
            .map_err(|unmappable| format!("{}: {}", unmappable.why.code(), unmappable.why))?;
        let entry = mapped.entry(self.bus.name(), None);
        record.topic_sequence_number = mapped.topic_sequence_number;
        record.cache = Some(mapped.cache);
        record.topic = Some(mapped.topic);
        Ok(entry)
    }

    /// One call for all; where that is refused as a whole, one for each, so that a bad message takes no good one along.
    async fn put(&self, batch: Vec<Redriven>, deadline: Deadline, tally: &mut Tally) {
        match self.call(batch.iter().map(|redriven| redriven.entry.clone()).collect(), deadline).await {
            Ok(results) => {
                for (redriven, result) in batch.into_iter().zip(results) {
                    tally.add(redriven.record, result);
                }
            }
            Err(error) if error.is_answer() && batch.len() > 1 => {
                for Redriven { record, entry } in batch {
                    let results = self.call(vec![entry], deadline).await;
                    let result = results.and_then(|results| results.into_iter().next().unwrap_or_else(not_confirmed));
                    tally.add(record, result);
                }
            }
            Err(error) => tally.fail_all(batch, &error),
        }
    }

    async fn call(
        &self,
        entries: Vec<PutEventsRequestEntry>,
        deadline: Deadline,
    ) -> Result<Vec<Result<Delivered, CallError>>, CallError> {
        timeout_at(deadline.instant(), self.bus.call(entries)).await.unwrap_or_else(|_| Err(CallError::timed_out()))
    }
}

/// The invocation's end, less the time to report.
fn deadline(context: &Context) -> Deadline {
    let end = UNIX_EPOCH + Duration::from_millis(context.deadline);
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    Deadline::after(left.saturating_sub(budget::REDRIVE_RESERVE))
}
