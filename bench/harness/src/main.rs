//! Runs handlers as processes of their own against the fakes of the test kit, over TLS.
//!
//! - `harness measure ROUNDS HANDLER…` runs the handlers in turn at each round-trip time and body size, and prints the measurements as JSON.
//! - `harness drive HANDLER INVOCATIONS BYTES` starts one handler, sends it this many webhooks and ends it, for a profiler.
//!
//! A handler is `NAME=PATH`. Its name decides which root certificates it gets.

mod drive;
mod handler;
mod measure;
mod webhook;

use std::process::ExitCode;

use handler::Handler;

// One thread for all the fakes, so that they use one core, apart from the handler.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["measure", rounds, ref handlers @ ..] if !handlers.is_empty() => measure(rounds, handlers).await,
        ["drive", handler, invocations, bytes] => drive(handler, invocations, bytes).await,
        _ => None,
    };
    match done {
        Some(()) => ExitCode::SUCCESS,
        None => {
            eprintln!("Usage: harness measure ROUNDS NAME=PATH…\n       harness drive NAME=PATH INVOCATIONS BYTES");
            ExitCode::from(2)
        }
    }
}

async fn measure(rounds: &str, handlers: &[&str]) -> Option<()> {
    let handlers = handlers.iter().map(|handler| Handler::parse(handler)).collect::<Option<Vec<_>>>()?;
    let runs = measure::measure(rounds.parse().ok()?, &handlers).await;
    println!("{}", serde_json::Value::from(runs));
    Some(())
}

async fn drive(handler: &str, invocations: &str, bytes: &str) -> Option<()> {
    drive::drive(&Handler::parse(handler)?, invocations.parse().ok()?, bytes.parse().ok()?).await;
    Some(())
}
