//! Runs handlers as processes of their own against the fakes of the test kit, over TLS.
//!
//! - `harness bench ROUNDS` measures the handlers in turn, and writes the table and the plot of docs/performance.md. PROFILE is
//!   that of the released `webhook`; without it, only the table is printed.
//! - `harness instructions check` compares the instructions of `webhook` with bench/instructions.json, and fails if one
//!   count is more than 10% higher. `harness instructions write` replaces that file.
//! - `harness profile BINARY` sends events to a `webhook` that counts its branches, for scripts/profile.

mod binaries;
mod drive;
mod handler;
mod instructions;
mod machine;
mod measure;
mod page;
mod paths;
mod plot;
mod report;
mod statistics;
mod webhook;

use std::error::Error;
use std::process::{Command, ExitCode};

use handler::Handler;

// One thread for all the fakes, so that they use one core, apart from the handler.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    if let ["profile", binary] = arguments {
        drive::profile(&Handler::new("webhook", binary.into())).await;
        return Ok(());
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is missing; it counts the instructions. Install it with: apt-get install valgrind".into());
    }
    match arguments {
        ["bench", rounds] => page::write(rounds.parse()?).await,
        ["instructions", "check"] => instructions::check().await,
        ["instructions", "write"] => instructions::write().await,
        _ => Err("Usage: harness bench ROUNDS | instructions check | instructions write | profile BINARY".into()),
    }
}
