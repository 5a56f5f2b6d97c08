//! What the functions write about requests and messages: log records, and metrics in CloudWatch's embedded metric format.
//! The functions run as processes; AWS fails as each kind of request needs it.
//! `make observed` writes the measured parts of `docs/logs-and-metrics.md`, `docs/records.md`, and `emitted.json`, which the
//! tests of the templates read.

mod emitted;
mod encrypted_bus;
mod kinds;
mod levels;
mod output;
mod page;
mod redrive;
mod requests;
mod runs;

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
const REDRIVE: &str = env!("CARGO_BIN_EXE_redrive");
