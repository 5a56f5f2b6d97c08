//! The Lambda function behind the retry queue: kept events → the event bus.

use std::process::ExitCode;

use lambda_http::lambda_runtime::Runtime;
use lambda_http::service_fn;
use momento_eventbridge::aws::Aws;
use momento_eventbridge::config::{RedriveConfig, environment};
use momento_eventbridge::redrive::Redrive;
use momento_eventbridge::start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start::run(async {
        let config = RedriveConfig::read(&environment)?;
        let redrive = Redrive::new(config, &Aws::from_environment(&environment).await?);
        Runtime::new(service_fn(|event| redrive.handle(event))).run().await
    })
    .await
}
