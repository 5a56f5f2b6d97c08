//! Momento Topics → Amazon EventBridge: a webhook handler that loses no authentic event and accepts no forged one.
//!
//! # Layout
//!
//! One request passes through these files, in this order:
//!
//! 1. [`request`]: a Function URL's event becomes `Signed` (method, size and the signature's form are right).
//! 2. [`signing`]: `Signed` becomes `Verified`, by the HMAC-SHA3-256 of [`momento_body_signature`] and the known secrets.
//! 3. [`entry`]: the `Entry` is read out of the verified body; [`timestamp`] refuses one outside the window.
//! 4. [`event_bus`]: the entry is put on the bus; or
//! 5. [`retry_queue`]: the body is sent to the retry queue, as a `QueueMessage`.
//! 6. [`outcome`] and [`response`]: what the caller gets; [`request_record`]: what the log and the metrics get.
//!
//! [`webhook`] calls them in this order; [`redrive`] goes from the retry queue back to step 3. [`start`] runs the one or the
//! other as a Lambda function.
//! Steps 1 to 3 and the queue message use neither network nor clock.
//!
//! Around it: [`config`] (environment variables), [`aws`] (clients), [`budget`] (all time limits),
//! [`retry`] (errors and retries), [`clock`], [`log`], [`metrics`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod aws;
pub mod budget;
pub mod clock;
pub mod config;
pub mod entry;
pub mod event_bus;
pub mod log;
pub mod metrics;
pub mod outcome;
pub mod redrive;
pub mod request;
pub mod request_record;
pub mod response;
pub mod retry;
pub mod retry_queue;
pub mod signing;
pub mod start;
pub mod timestamp;
pub mod webhook;
