//! The Lambda function behind the Function URL: Momento's webhooks → the event bus.

use std::process::ExitCode;

use lambda_http::lambda_runtime::Runtime;
use lambda_http::service_fn;
use momento_eventbridge::aws::Aws;
use momento_eventbridge::config::{WebhookConfig, environment};
use momento_eventbridge::start;
use momento_eventbridge::webhook::Webhook;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let process_start = Instant::now();
    start::run(async {
        let config = WebhookConfig::read(&environment)?;
        let webhook = Webhook::start(config, &Aws::from_environment(&environment).await?, process_start).await;
        Runtime::new(service_fn(|event| webhook.handle(event))).run().await
    })
    .await
}
