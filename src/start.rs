//! What both binaries do around their work: the log, and one sentence where the start fails.

use std::future::Future;
use std::process::ExitCode;

use crate::config::{ConfigError, environment};
use crate::log;

/// The variable by which the runtime's API is found; Lambda and `cargo lambda watch` set it.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Starts the log and runs the function until it fails; then prints one line that says why.
pub async fn run(function: impl Future<Output = Result<(), lambda_runtime::Error>>) -> ExitCode {
    let result = match prepare() {
        Ok(()) => function.await,
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> Result<(), ConfigError> {
    log::start(&environment)?;
    environment(RUNTIME_API)?.map(drop).ok_or(ConfigError::Missing(RUNTIME_API))
}
