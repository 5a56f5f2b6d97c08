//! The way back onto the bus: queue messages → verified → mapped → delivered, or reported and left in the queue.
//!
//! The event source mapping takes what is reported in `batchItemFailures` as failed, one by one
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use lambda_runtime::{Context, LambdaEvent};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::aged::unix_milliseconds;
use crate::attempt::CallError;
use crate::aws::Aws;
use crate::budget::{self, Deadline};
use crate::delivered::{Delivered, EventBus};
use crate::kept::body_of;
use crate::log;
use crate::mapped::Mapped;
use crate::metrics::Metrics;
use crate::recorded::milliseconds;

/// EventBridge's limit of entries for a call.
const MAX_ENTRIES: usize = 10;

/// EventBridge's limit for a call, in UTF-8 bytes of source, detail-type and detail; the smaller reading of 1 MB.
const MAX_CALL_BYTES: usize = 1_000_000;

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
    message_id: String,
    entry: PutEventsRequestEntry,
}

/// What became of a batch.
#[derive(Default)]
struct Tally {
    redriven: u32,
    failures: Vec<Failure>,
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
        let entries = payload.records.into_iter().filter_map(|message| self.read(message, &mut tally)).collect();
        for batch in batches(entries) {
            self.put(batch, deadline, &mut tally).await;
        }
        tally.record(&context, began.elapsed());
        Ok(BatchReport { batch_item_failures: tally.failures })
    }

    /// The entry that the handler would have put, by the same code; no trace header, since the trace has ended.
    fn read(&self, message: SqsMessage, tally: &mut Tally) -> Option<Redriven> {
        let mapped = match body_of(&message.body).map(Mapped::from_verified) {
            Ok(Ok(mapped)) => mapped,
            Ok(Err(unmappable)) => {
                tally.fail(message.message_id, &format!("{}: {}", unmappable.why.code(), unmappable.why));
                return None;
            }
            Err(unreadable) => {
                tally.fail(message.message_id, &unreadable.to_string());
                return None;
            }
        };
        Some(Redriven { message_id: message.message_id, entry: mapped.entry(self.bus.name(), None) })
    }

    /// One call for all; where that is refused as a whole, one for each, so that a bad message takes no good one along.
    async fn put(&self, batch: Vec<Redriven>, deadline: Deadline, tally: &mut Tally) {
        match self.call(batch.iter().map(|redriven| redriven.entry.clone()).collect(), deadline).await {
            Ok(results) => {
                for (redriven, result) in batch.into_iter().zip(results) {
                    tally.add(redriven.message_id, result);
                }
            }
            Err(error) if error.is_answer() && batch.len() > 1 => {
                for redriven in batch {
                    let result = self.call(vec![redriven.entry], deadline).await;
                    let result =
                        result.and_then(|mut results| results.pop().unwrap_or_else(|| Err(CallError::timed_out())));
                    tally.add(redriven.message_id, result);
                }
            }
            Err(error) => {
                for redriven in batch {
                    tally.fail(redriven.message_id, &error.to_string());
                }
            }
        }
    }

    async fn call(
        &self,
        entries: Vec<PutEventsRequestEntry>,
        deadline: Deadline,
    ) -> Result<Vec<Result<Delivered, CallError>>, CallError> {
        self.bus.check(deadline).await.map_err(|missing| missing.error)?;
        timeout_at(deadline.instant(), self.bus.call(entries)).await.unwrap_or_else(|_| Err(CallError::timed_out()))
    }
}

impl Tally {
    fn add(&mut self, message_id: String, result: Result<Delivered, CallError>) {
        match result {
            Ok(_) => self.redriven += 1,
            Err(error) => self.fail(message_id, &error.to_string()),
        }
    }

    fn fail(&mut self, message_id: String, error: &str) {
        tracing::warn!(messageId = message_id, error, "The message stays in the retry queue.");
        self.failures.push(Failure { item_identifier: message_id });
    }

    fn record(&self, context: &Context, took: Duration) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct BatchRecord<'a> {
            request_id: &'a str,
            redriven: u32,
            redrive_failed: usize,
            put_milliseconds: f64,
        }
        let (redriven, redrive_failed) = (self.redriven, self.failures.len());
        let put_milliseconds = milliseconds(took);
        let mut lines = String::new();
        if log::is_enabled(tracing::Level::INFO) {
            let record = BatchRecord { request_id: &context.request_id, redriven, redrive_failed, put_milliseconds };
            lines += &log::line(tracing::Level::INFO, "A batch of the retry queue was taken to the bus.", &record);
        }
        let mut metrics = Metrics::new(&context.env_config.function_name);
        metrics.count("Redriven", redriven);
        metrics.count("RedriveFailed", redrive_failed.try_into().unwrap_or(u32::MAX));
        metrics.milliseconds("PutMilliseconds", Some(put_milliseconds));
        lines += &metrics.line(unix_milliseconds(SystemTime::now()));
        log::write(&lines);
    }
}

/// Parts the entries into as few calls as EventBridge's limits allow, in their order.
fn batches(entries: Vec<Redriven>) -> Vec<Vec<Redriven>> {
    let mut batches: Vec<Vec<Redriven>> = Vec::new();
    let mut bytes = 0;
    for redriven in entries {
        let more = entry_bytes(&redriven.entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + more <= MAX_CALL_BYTES => {
                bytes += more;
                batch.push(redriven);
            }
            _ => {
                bytes = more;
                batches.push(vec![redriven]);
            }
        }
    }
    batches
}

fn entry_bytes(entry: &PutEventsRequestEntry) -> usize {
    [entry.source(), entry.detail_type(), entry.detail()].into_iter().flatten().map(str::len).sum()
}

/// The invocation's end, less the time to report.
fn deadline(context: &Context) -> Deadline {
    let end = UNIX_EPOCH + Duration::from_millis(context.deadline);
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    Deadline::after(left.saturating_sub(budget::REDRIVE_RESERVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sizes(sizes: &[usize]) -> Vec<Vec<usize>> {
        let redriven = |bytes: &usize| Redriven {
            message_id: String::new(),
            entry: PutEventsRequestEntry::builder().detail("x".repeat(*bytes)).build(),
        };
        let sizes_of = |batch: Vec<Redriven>| batch.iter().map(|redriven| entry_bytes(&redriven.entry)).collect();
        batches(sizes.iter().map(redriven).collect()).into_iter().map(sizes_of).collect()
    }

    #[test]
    fn ten_small_entries_go_in_one_call_and_the_eleventh_in_another() {
        assert_eq!(of_sizes(&[1; 11]), [vec![1; 10], vec![1]]);
    }

    #[test]
    fn entries_of_more_than_a_megabyte_together_are_parted() {
        assert_eq!(
            of_sizes(&[400_000, 600_000, 1, 1_000_001, 1]),
            [vec![400_000, 600_000], vec![1], vec![1_000_001], vec![1]]
        );
    }

    #[test]
    fn no_entries_make_no_call() {
        assert!(of_sizes(&[]).is_empty());
    }
}
