//! Requests of given kinds through the webhook function, and messages through the redrive function.

use std::future::Future;
use std::sync::LazyLock;

use serde_json::{Value, json};
use test_kit::fault::{Fault, Plan, always};
use test_kit::retry_queue::batch;

use crate::kinds::{KINDS, Kind, REDRIVE_NAME, WORLDS, World, sandbox};
use crate::output::{Output, Record};
use crate::{REDRIVE, WEBHOOK};

/// Requests to one process, in their order.
pub struct Run {
    pub sent: Vec<Sent>,
    pub output: Output,
}

pub struct Sent {
    pub kind: &'static Kind,
    pub status: u64,
    pub request_id: String,
}

impl Run {
    /// Sends requests to a new process, and adds the bodies of the messages that are in the retry queue to `queue`.
    pub async fn of(world: World, kinds: impl IntoIterator<Item = &'static Kind>, queue: &mut Vec<String>) -> Self {
        let sandbox = sandbox(world).await;
        let function = sandbox.start(WEBHOOK).await;
        let mut sent = Vec::new();
        for kind in kinds {
            let response = function.invoke(&(kind.event)()).await;
            sent.push(Sent { kind, status: response.status(), request_id: response.request_id });
        }
        queue.extend(sandbox.sqs.state().service.messages.drain(..).map(|message| message.body));
        Self { sent, output: Output::of(function).await }
    }

    /// The requests with their records, where every request has one.
    pub fn recorded(&self) -> impl Iterator<Item = (&Sent, &Record)> {
        assert_eq!(self.sent.len(), self.output.records.len());
        self.sent.iter().zip(&self.output.records)
    }
}

/// One request of each kind, then all messages that were queued: while PutEvents fails, and once more. At last, what was
/// queued unverified as if it had been forged, too old, or from the future.
pub struct EveryKind {
    pub webhook: Vec<Run>,
    pub redrive: Output,
}

pub static EVERY_KIND: LazyLock<EveryKind> = LazyLock::new(|| {
    block_on(async {
        let mut queue = Vec::new();
        let mut webhook = Vec::new();
        for world in WORLDS {
            webhook.push(Run::of(world, KINDS.iter().filter(|kind| kind.world == world), &mut queue).await);
        }
        let (failing, working) = (always(Fault::FailedEntries("InternalFailure")), || always(Fault::None));
        let not_authentic =
            not_authentic(queue.iter().find(|message| message.contains("signature")).expect("a message"));
        let (_, redrive) = redriven([(failing, &queue), (working(), &queue), (working(), &not_authentic)]).await;
        EveryKind { webhook, redrive }
    })
});

/// A message that was queued unverified, with another signature, and received at other times.
fn not_authentic(message: &str) -> Vec<String> {
    let kept: Value = serde_json::from_str(message).expect("a message");
    let received_at = kept["receivedAt"].as_i64().expect("a time");
    let received = |milliseconds| json!({"receivedAt": received_at + milliseconds});
    // A mismatch is final after 45 minutes.
    let forged = json!({"signature": "0".repeat(64), "receivedAt": received_at - 46 * 60_000});
    let changed = [forged, received(100_000), received(-100_000)].map(|changes| {
        let mut kept = kept.clone();
        kept.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        kept.to_string()
    });
    changed.into()
}

impl EveryKind {
    pub fn requests(&self) -> impl Iterator<Item = (&Sent, &Record)> {
        self.webhook.iter().flat_map(Run::recorded)
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.outputs().flat_map(|output| &output.records)
    }

    pub fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.webhook.iter().map(|run| &run.output).chain([&self.redrive])
    }
}

/// Gives batches to one process of the redrive function, each with how PutEvents fails meanwhile. Returns its reports.
pub async fn redriven<'a>(batches: impl IntoIterator<Item = (Plan, &'a Vec<String>)>) -> (Vec<Value>, Output) {
    let mut sandbox = sandbox(World::Ready).await;
    sandbox.set("AWS_LAMBDA_FUNCTION_NAME", REDRIVE_NAME);
    let function = sandbox.start(REDRIVE).await;
    let mut reports = Vec::new();
    for (plan, messages) in batches {
        sandbox.eventbridge.plan("PutEvents", plan);
        let numbered = messages.iter().enumerate().map(|(place, body)| (format!("message-{place}"), &**body));
        reports.push(function.invoke(&batch(numbered)).await.payload);
    }
    (reports, Output::of(function).await)
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
