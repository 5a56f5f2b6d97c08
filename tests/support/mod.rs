//! What the tests and the benchmarks put around a real binary, with real sockets:
//!
//! - `stage`: one handler process with everything it talks to, the usual way in
//! - `process`: a binary, its environment, its log
//! - `runtime_api`: the Lambda runtime API that hands out events and times the answers
//! - `fake_aws`: EventBridge, SQS and Secrets Manager, each on its own socket, failing as told by `fault`
//! - `retry_queue`: its messages, and the batches that `redrive` gets
//! - `docs`: the parts of `docs/` that are measured
//! - `signed`: webhooks as Momento signs them, as events of a Function URL
//! - `server`, `distance`, `tls`: the HTTP server under the fakes, how far it is away, and its certificate

// Each test file uses its own part of this module.
#![allow(dead_code)]

pub mod distance;
pub mod docs;
pub mod fake_aws;
pub mod fault;
pub mod process;
pub mod retry_queue;
pub mod runtime_api;
pub mod server;
pub mod signed;
pub mod stage;
pub mod tls;
