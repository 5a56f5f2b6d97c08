//! Runs handlers as processes of their own against the runtime API and AWS endpoints over TLS.
//!
//! - `harness measure ROUNDS HANDLER…` runs the handlers in turn at each delay and body size, and prints what it measured as JSON.
//! - `harness drive HANDLER INVOCATIONS BYTES` starts one handler, sends it so many webhooks and ends it: for a profiler.
//!
//! A handler is `NAME=PATH`; its name decides which certificates it is given.

mod drive;
mod handler;
mod measure;
mod webhook;

use std::process::ExitCode;

use handler::Handler;

// One thread for all the fakes: they share a core with nothing that is measured.
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
            eprintln!("Call it as `harness measure ROUNDS NAME=PATH…` or `harness drive NAME=PATH INVOCATIONS BYTES`.");
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
