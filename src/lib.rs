//! Momento Topics → Amazon EventBridge: a webhook handler that confirms an event only after it is stored, and forwards only
//! verified events.
//!
//! # Layout
//!
//! A request passes through these modules, in this order:
//!
//! 1. `webhook`: the handler. A function URL's event becomes [`Signed`] (method, size and the signature's form are valid).
//! 2. `signing`: [`Signed`] becomes [`Verified`], by the HMAC-SHA3-256 of [`momento_body_signature`] and the known secrets.
//! 3. `event`: the [`Entry`] is read from the verified body, and refused if it is outside the timestamp window.
//! 4. `event_bus`: the entry is put on the bus; or
//! 5. `retry_queue`: the body is sent to the retry queue, as a [`QueueMessage`].
//! 6. `webhook` again: the [`Outcome`] becomes the [`Response`], and a record in the log and the metrics (`telemetry`).
//!
//! `redrive` goes from the retry queue back to step 3. [`start`] runs either of them as a Lambda function, with the
//! environment variables that `config` reads. All of them use `aws` (clients, time limits, retries), `outcome`,
//! `environment`, and `clock`. Steps 1 and 3 and the queue message use neither network nor clock.

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
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod start;
mod telemetry;
mod webhook;

pub use event::{Entry, MAX_DETAIL_TYPE_CHARS, Unmappable, timestamp};
pub use outcome::{Forgery, Outcome, Reason};
pub use retry_queue::QueueMessage;
/// Only for the fuzz targets: reading a message of version 1 makes a [`Verified`] from any body.
#[cfg(fuzzing)]
pub use retry_queue::{ReceivedBody, ReceivedMessage};
pub use signing::{CannotBeJudged, InvalidSecret, Signed, SigningSecret, SigningSecrets, StrayCharacter, Verified};
pub use webhook::{MAX_BODY_BYTES, Request, Response};
