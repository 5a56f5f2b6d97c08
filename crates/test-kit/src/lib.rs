//! Runs the functions as processes of their own against fakes of the Lambda runtime API and of AWS, over real sockets.
//!
//! # Layout
//!
//! - [`sandbox`]: the fakes, the environment variables and a function that is started with them. Start here.
//! - [`process`]: a binary as a process, and its log.
//! - [`runtime_api`]: the Lambda runtime API, which hands out events and times the responses.
//! - [`fake_aws`]: EventBridge, SQS and Secrets Manager, each on its own socket; [`fault`] says how they fail.
//! - [`momento`]: webhooks as Momento signs and sends them.
//! - [`retry_queue`]: messages of the retry queue, and the batches that `redrive` receives.
//! - [`server`], [`latency`], [`tls`]: the HTTP server under the fakes, its round-trip time and its certificate.
//! - [`docs`]: the parts of `docs/` that tests generate.

#![warn(missing_docs)]

pub mod docs;
pub mod fake_aws;
pub mod fault;
pub mod latency;
pub mod momento;
pub mod process;
pub mod retry_queue;
pub mod runtime_api;
pub mod sandbox;
pub mod server;
pub mod tls;
