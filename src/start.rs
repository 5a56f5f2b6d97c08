//! What both programs do: start the log, read the configuration, and handle events. On failure, they print one line.
//!
//! An `async fn` is compiled where it is awaited. Awaited in the binaries too, the SDK's would be in each binary twice.

use std::future::Future;
use std::process::ExitCode;

use lambda_http::lambda_runtime::Runtime;
use lambda_http::service_fn;
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::aws::{Aws, https_client};
use crate::config::{RedriveConfig, WebhookConfig};
use crate::environment::{VariableError, variable};
use crate::redrive::Redrive;
use crate::telemetry::log;
use crate::webhook::Webhook;

/// Lambda and `cargo lambda watch` set these; the runtime cannot start without them.
const RUNTIME_VARIABLES: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Runs the function behind the Function URL until it fails: Momento's webhooks → the event bus.
#[tokio::main(flavor = "local")]
pub async fn webhook() -> ExitCode {
    let process_start = Instant::now();
    run(async move {
        let config = WebhookConfig::read(&variable)?;
        let webhook = Webhook::start(config, &Aws::new(&variable, https_client(&variable)?)?, process_start).await;
        Runtime::new(service_fn(|event| webhook.handle(event))).run().await
    })
    .await
}

/// Runs the function behind the retry queue until it fails: queued events → the event bus.
#[tokio::main(flavor = "local")]
pub async fn redrive() -> ExitCode {
    run(async {
        let config = RedriveConfig::read(&variable)?;
        let redrive = Redrive::new(config, &Aws::new(&variable, https_client(&variable)?)?);
        Runtime::new(service_fn(|event| redrive.handle(event))).run().await
    })
    .await
}

/// Starts the log and runs the function until it fails; then prints one line that says why.
///
/// The function is a task: tokio polls the network once more each time that it wakes the main future.
async fn run(function: impl Future<Output = Result<(), lambda_http::Error>> + 'static) -> ExitCode {
    let result = match prepare() {
        Ok(()) => spawn_local(function).await.unwrap_or_else(|error| Err(error.into())),
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

fn prepare() -> Result<(), VariableError> {
    log::start(&variable)?;
    RUNTIME_VARIABLES.into_iter().try_for_each(|name| match variable(name)? {
        Some(_) => Ok(()),
        None => Err(VariableError::NotOnLambda(name)),
    })
}
