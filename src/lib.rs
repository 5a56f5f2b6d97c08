//! Momento Topics → Amazon EventBridge: a webhook handler that stores each authentic event before it confirms it, and
//! forwards none that is not authentic.
//!
//! # Layout
//!
//! One request passes through these rooms, in this order:
//!
//! 1. `webhook`: the handler. A function URL's event becomes [`Signed`] (method, size and the signature's form are valid).
//! 2. `signing`: [`Signed`] becomes [`Verified`], by the HMAC-SHA3-256 of [`momento_body_signature`] and the known secrets.
//! 3. `event`: the [`Entry`] is read out of the verified body, and one outside the timestamp window is refused.
//! 4. `event_bus`: the entry is put on the bus; or
//! 5. `retry_queue`: the body is sent to the retry queue, as a [`QueueMessage`].
//! 6. `webhook` again: the [`Outcome`] becomes the [`Response`], and a record in the log and the metrics (`telemetry`).
//!
//! `redrive` goes from the retry queue back to step 3. [`start`] runs the one or the other as a Lambda function, with the
//! environment variables that `config` reads. Under all of them are `aws` (clients, time limits, retries), `outcome`,
//! `environment` and `clock`. Steps 1 and 3 and the queue message use neither network nor clock.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aws;
mod clock;
mod config;
mod environment;
mod event;
mod event_bus;
mod outcome;
#[cfg(test)]
mod properties;
mod redrive;
mod retry_queue;
mod signing;
pub mod start;
mod telemetry;
mod webhook;

pub use event::{Entry, MAX_DETAIL_TYPE_CHARS, Unmappable, timestamp};
pub use outcome::{Forgery, Outcome, Reason};
pub use retry_queue::QueueMessage;
/// For the fuzz targets alone: reading a message of version 1 makes a [`Verified`] of whatever it holds.
#[cfg(fuzzing)]
pub use retry_queue::{ReceivedBody, ReceivedMessage};
pub use signing::{CannotBeJudged, InvalidSecret, Signed, SigningSecret, SigningSecrets, StrayCharacter, Verified};
pub use webhook::{MAX_BODY_BYTES, Request, Response};
