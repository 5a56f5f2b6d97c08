//! The retry queue of `template.yaml` and its event source mapping, for a run in which time passes faster.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use test_kit::retry_queue::{batch, failures};
use test_kit::sandbox::{Function, Sandbox};

// The settings of the template.
const VISIBILITY_SECONDS: f64 = 180.0;
const MAX_RECEIVES: u32 = 20;
const BATCH: usize = 10;

/// SQS excludes a message from the age after so many receives.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
const RECEIVES_WITH_AGE: u32 = 3;

pub struct RetryQueue {
    /// How many seconds pass in one of the run.
    scale: f64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    dead: usize,
    received: usize,
}

struct Message {
    id: String,
    body: String,
    sent: Instant,
    visible_at: Instant,
    receives: u32,
}

pub struct Depth {
    pub visible: usize,
    pub not_visible: usize,
    pub oldest_seconds: f64,
    pub dead: usize,
}

impl RetryQueue {
    pub fn new(scale: f64) -> Self {
        Self { scale, state: Mutex::default() }
    }

    /// With what the fake SQS took since the last call.
    fn state(&self, sandbox: &Sandbox) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        for message in std::mem::take(&mut sandbox.sqs.state().service.messages) {
            let now = Instant::now();
            let id = format!("message-{}", state.received);
            state.received += 1;
            state.messages.push(Message { id, body: message.body, sent: now, visible_at: now, receives: 0 });
        }
        state
    }

    pub fn depth(&self, sandbox: &Sandbox) -> Depth {
        let (state, now) = (self.state(sandbox), Instant::now());
        let visible = state.messages.iter().filter(|message| message.visible_at <= now).count();
        let aged = state.messages.iter().filter(|message| message.receives < RECEIVES_WITH_AGE);
        let oldest = aged.map(|message| now - message.sent).max().unwrap_or_default();
        Depth {
            visible,
            not_visible: state.messages.len() - visible,
            oldest_seconds: oldest.as_secs_f64() * self.scale,
            dead: state.dead,
        }
    }

    /// Gives batches to a redrive function, as the event source mapping does, for as long as it is polled.
    pub async fn serve(&self, sandbox: &Sandbox, redrive: &Function) {
        loop {
            let received = self.receive(sandbox);
            if received.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            let event = batch(received.iter().map(|(id, body)| (id.clone(), &**body)));
            let failed: HashSet<_> = failures(&redrive.invoke(&event).await.payload).into_iter().collect();
            let done: HashSet<_> = received.into_iter().map(|(id, _)| id).filter(|id| !failed.contains(id)).collect();
            self.state.lock().unwrap().messages.retain(|message| !done.contains(&message.id));
        }
    }

    fn receive(&self, sandbox: &Sandbox) -> Vec<(String, String)> {
        let (mut state, now) = (self.state(sandbox), Instant::now());
        let is_dead = |message: &mut Message| message.visible_at <= now && message.receives >= MAX_RECEIVES;
        let dead = state.messages.extract_if(.., is_dead).count();
        state.dead += dead;
        let visible = state.messages.iter_mut().filter(|message| message.visible_at <= now).take(BATCH);
        visible
            .map(|message| {
                message.receives += 1;
                message.visible_at = now + Duration::from_secs_f64(VISIBILITY_SECONDS / self.scale);
                (message.id.clone(), message.body.clone())
            })
            .collect()
    }
}
