//! The retry queue, from which `redrive` puts an event on the bus that the bus did not take.

use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;

use crate::budget::Deadline;
use crate::queue_message::QueueMessage;
use crate::retry::{CallError, attempts};

/// The message attribute that repeats the reason.
const REASON_ATTRIBUTE: &str = "reason";

/// The retry queue.
#[derive(Debug)]
pub struct RetryQueue {
    /// Made when it is first needed: it costs a sixteenth of the start, and most processes never need it.
    client: OnceLock<Client>,
    config: SdkConfig,
    url: String,
}

impl RetryQueue {
    /// The queue with this URL.
    pub fn new(config: SdkConfig, url: String) -> Self {
        Self { client: OnceLock::new(), config, url }
    }

    /// Sends a message, and retries transient errors.
    pub async fn send(&self, message: &QueueMessage, deadline: Deadline) -> Result<(), CallError> {
        let reason = MessageAttributeValue::builder().data_type("String").string_value(message.reason().name()).build();
        let reason = reason.map_err(|error| CallError::from_code("NotSent", &error.to_string()))?;
        let client = self.client.get_or_init(|| Client::new(&self.config));
        let send = || async {
            let request = client.send_message().queue_url(&self.url).message_body(message.text());
            request.message_attributes(REASON_ATTRIBUTE, reason.clone()).send().await?;
            Ok(())
        };
        attempts(deadline, &mut 0, send).await
    }
}
