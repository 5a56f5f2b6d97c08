//! Momento Topics → Amazon EventBridge: a webhook handler that loses nothing authentic and lets in nothing forged.
//!
//! # Layout
//!
//! The way of a request, in the order in which it passes through the files:
//!
//! 1. [`request`]: a Function URL's event becomes `Signed` (method, size and the signature's form are right).
//! 2. [`verified`]: `Signed` becomes `Verified`, by HMAC-SHA3-256 over the raw body.
//! 3. [`mapped`]: `Verified` becomes `Mapped`, from which the entry is made; [`aged`] refuses what is not of now.
//! 4. [`delivered`]: the entry is put on the event bus; or
//! 5. [`kept`]: the body goes to the retry queue, as a [`queue_message`].
//! 6. [`answered`]: the outcome, and what the caller is told; [`recorded`]: what the log and the metrics are told.
//!
//! [`webhook`] walks this way; [`redrive`] walks it from the retry queue back to step 4.
//! Steps 1 to 3 and the queue message know neither network nor clock.
//!
//! Around it: [`config`] (environment variables), [`aws`] (clients), [`budget`] (all time limits), [`attempt`] (errors and
//! retries), [`signing_secret`] and [`secret_store`] (secrets and their rotation), [`log`], [`metrics`], [`start`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod aged;
pub mod answered;
pub mod attempt;
pub mod aws;
pub mod budget;
pub mod config;
pub mod delivered;
pub mod kept;
pub mod log;
pub mod mapped;
pub mod metrics;
pub mod queue_message;
pub mod recorded;
pub mod redrive;
pub mod request;
pub mod secret_store;
pub mod signing_secret;
pub mod start;
pub mod verified;
pub mod webhook;
