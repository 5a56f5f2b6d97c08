//! What both binaries do around their work: the log, and one sentence where the start fails.

use std::future::Future;
use std::process::ExitCode;

use crate::config::{ConfigError, environment};
use crate::log;

/// What Lambda and `cargo lambda watch` set, and the runtime cannot start without.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Starts the log and runs the function until it fails; then prints one line that says why.
pub async fn run(function: impl Future<Output = Result<(), lambda_http::Error>>) -> ExitCode {
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
    RUNTIME_VARIABLES.into_iter().try_for_each(|variable| match environment(variable)? {
        Some(_) => Ok(()),
        None => Err(ConfigError::NotOnLambda(variable)),
    })
}
