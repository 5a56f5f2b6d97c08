//! What tests and benchmarks put around a real binary, over real sockets:
//!
//! - [`sandbox`]: one function as a process, with everything that it talks to. Start here.
//! - [`process`]: a binary, its environment, its log
//! - [`runtime_api`]: the Lambda runtime API, which hands out events and times the responses
//! - [`fake_aws`]: EventBridge, SQS and Secrets Manager, each on its own socket, failing as [`fault`] says
//! - [`momento`]: webhooks as Momento signs them, as events of a function URL
//! - [`retry_queue`]: its messages, and the batches that `redrive` receives
//! - [`docs`]: the parts of `docs/` that are measured
//! - [`server`], [`latency`], [`tls`]: the HTTP server under the fakes, its distance and its certificate

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
