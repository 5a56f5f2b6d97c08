//! SQS as `redrive` sees it: visibility, receive counts, repeats, any order, and the dead-letter queue.

use serde_json::json;
use test_kit::momento;

use crate::draw::Draws;

/// How long a received message is hidden, in milliseconds (`VisibilityTimeout` of the template).
pub const HIDDEN_FOR: i64 = 180_000;

/// How often a message is received before SQS moves it to the dead-letter queue (`maxReceiveCount` of the template).
const MAX_RECEIVES: u32 = 20;

/// The most messages in a batch (`BatchSize` of the template).
const BATCH: usize = 10;

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: u64,
    pub text: String,
    /// When it could be received first, in milliseconds of the life.
    pub visible_from: i64,
    pub visible_at: i64,
    pub receives: u32,
}

/// The retry queue and its dead-letter queue.
#[derive(Debug, Default)]
pub struct Queue {
    pub messages: Vec<Message>,
    pub dead_letters: Vec<Message>,
    sent: u64,
    batches: u64,
}

impl Queue {
    /// Takes a message, which is visible from this time on.
    pub fn send(&mut self, text: String, visible_at: i64) {
        self.sent += 1;
        self.messages.push(Message { id: self.sent, text, visible_from: visible_at, visible_at, receives: 0 });
    }

    /// The next time at which a message can be received.
    pub fn next_visible(&self) -> Option<i64> {
        self.messages.iter().map(|message| message.visible_at).min()
    }

    /// Receives up to ten messages, in any order. What was received too often becomes a dead letter.
    pub fn receive(&mut self, draws: &Draws, now: i64) -> Vec<Message> {
        self.batches += 1;
        let mut draw = draws.of(&format!("batch {}", self.batches));
        let mut visible: Vec<usize> =
            (0..self.messages.len()).filter(|&place| self.messages[place].visible_at <= now).collect();
        let mut batch = Vec::new();
        while !visible.is_empty() && batch.len() < BATCH {
            let last = i64::try_from(visible.len()).unwrap_or_default() - 1;
            let place = visible.swap_remove(usize::try_from(draw.between(0, last)).unwrap_or_default());
            let message = &mut self.messages[place];
            message.receives += 1;
            message.visible_at = now + HIDDEN_FOR;
            if message.receives <= MAX_RECEIVES {
                batch.push(message.clone());
            }
        }
        let dead = |message: &Message| message.receives > MAX_RECEIVES;
        self.dead_letters.extend(self.messages.iter().filter(|message| dead(message)).cloned());
        self.messages.retain(|message| !dead(message));
        batch
    }

    /// Deletes a message. SQS may deliver it once more all the same.
    pub fn delete(&mut self, id: u64, is_delivered_again_at: Option<i64>) {
        match is_delivered_again_at {
            Some(time) => self
                .messages
                .iter_mut()
                .filter(|message| message.id == id)
                .for_each(|message| message.visible_at = time),
            None => self.messages.retain(|message| message.id != id),
        }
    }

    /// Moves the dead letters back, as *Start DLQ redrive* does.
    pub fn redrive(&mut self, now: i64) {
        for message in std::mem::take(&mut self.dead_letters) {
            self.send(message.text, now);
        }
    }
}

/// What functions of another version and a person may send to the queue at this time (Unix time in milliseconds): each
/// message, with its webhook's body, and with whether it must be put on the bus.
pub fn messages_of_others(now: i64) -> [(String, Vec<u8>, bool); 3] {
    let body = |name| momento::body_at(now, "cache", "topic", now.unsigned_abs(), name);
    let message = |version, body: &str| {
        json!({"version": version, "reason": "NewReason", "receivedAt": now, "newKey": 1, "body": body}).to_string()
    };
    let (known, unknown) = (body("known version"), body("unknown version"));
    let note = "a note of a person".to_owned();
    [
        (message(1, &known), known.into_bytes(), true),
        (message(3, &unknown), unknown.into_bytes(), false),
        (note.clone(), note.into_bytes(), false),
    ]
}
