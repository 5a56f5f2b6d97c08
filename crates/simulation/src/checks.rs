//! What must hold in every life: each promise with the check that holds it.

mod answers;
mod delivery;
mod event_bus;
mod redrive;
mod secrets;

use std::collections::HashSet;

use crate::history::{History, Request};
use crate::life::Life;

/// A promise, and what in a life contradicts it.
pub struct Check {
    pub promise: &'static str,
    pub violations: fn(&Life, &History) -> Vec<String>,
}

/// The window of the age check, in milliseconds.
const WINDOW: i64 = 60_000;

/// The most attempts of one call.
const ATTEMPTS: usize = 3;

/// How far the clocks of two processes are apart at most, in milliseconds.
const CLOCKS_DIFFER: i64 = 1_000;

/// The largest body that is kept unverified, in bytes.
const MAX_UNVERIFIED_BYTES: usize = 16_384;

/// Every check of one life.
pub const CHECKS: [Check; 25] = [
    Check { promise: "What was answered 200 is on the bus.", violations: delivery::delivered },
    Check {
        promise: "Once nothing fails, redrive puts or deletes every message that it can judge.",
        violations: redrive::stayed,
    },
    Check { promise: "Nothing is put on a bus whose absence could be known.", violations: event_bus::dropped },
    Check {
        promise: "After the answer that the bus is missing, nothing is answered 200.",
        violations: event_bus::missing,
    },
    Check {
        promise: "What was answered 202 is on the bus or in a dead-letter queue in the end.",
        violations: delivery::kept,
    },
    Check {
        promise: "Where a known secret signed it and no call of it fails, an event is answered 200.",
        violations: delivery::usable,
    },
    Check { promise: "What another version queued is kept, and stays if it is unknown.", violations: delivery::others },
    Check {
        promise: "A 500 means that the retry queue failed, and the event is in the log if it could be verified.",
        violations: delivery::lost,
    },
    Check {
        promise: "An authentic event is refused only if no accepted secret was found and no rotation.",
        violations: secrets::refused,
    },
    Check { promise: "Nothing forged, stale or from the future gets on the bus.", violations: answers::forged },
    Check { promise: "A forged request is never answered 200.", violations: answers::confirmed },
    Check { promise: "A secret is not accepted after its time.", violations: secrets::expired },
    Check { promise: "redrive accepts no secret after its time.", violations: redrive::outdated },
    Check {
        promise: "What is not verified is never in the log, and kept only if its body is small.",
        violations: answers::unverified,
    },
    Check {
        promise: "Secrets that were read more than 300 s ago are read again before they judge.",
        violations: secrets::old,
    },
    Check { promise: "A request that can be judged is not kept unverified.", violations: secrets::unjudged },
    Check { promise: "Forged requests cost few reads of the secret.", violations: secrets::frequent },
    Check { promise: "A known secret that was read is not read again within 3 s.", violations: secrets::again },
    Check { promise: "The bus is not asked for while the answer is known.", violations: event_bus::asked },
    Check {
        promise: "A request is put and sent in at most three attempts each, and in no other after one that would meet the same.",
        violations: delivery::tried,
    },
    Check { promise: "A malformed request has its status, whatever fails.", violations: answers::malformed },
    Check { promise: "Every request is answered within 4.5 s.", violations: answers::late },
    Check { promise: "An authentic event has no other answer than 200, 202, 403 and 500.", violations: answers::odd },
    Check { promise: "A Custom Event Bus has no event twice within 300 s.", violations: delivery::repeated },
    Check { promise: "No function panics, hangs, or gathers tasks.", violations: broken },
];

impl Request {
    /// Whether Momento signed it, and its age is within the window, or cannot be read.
    pub fn is_authentic_and_fresh(&self) -> bool {
        let age = self.sent.publish_timestamp.map_or(0, |published| (self.received_at - published).abs());
        self.sent.signed_with.is_some() && age <= WINDOW
    }

    /// When it was answered, in milliseconds of the life; 0 if it was not.
    pub fn answered_at(&self) -> i64 {
        self.answer.map_or(0, |answer| answer.at)
    }

    pub fn status(&self) -> u64 {
        self.answer.map_or(0, |answer| answer.status)
    }
}

/// The processes that had a request.
fn webhooks(history: &History) -> HashSet<usize> {
    history.requests.values().map(|request| request.process).collect()
}

/// The authentic, fresh requests with this status.
fn authentic(history: &History, status: u64) -> impl Iterator<Item = (&usize, &Request)> {
    let is_it = move |(_, request): &(&usize, &Request)| request.is_authentic_and_fresh() && request.status() == status;
    history.requests.iter().filter(is_it)
}

fn broken(_: &Life, history: &History) -> Vec<String> {
    history.broken.clone()
}
