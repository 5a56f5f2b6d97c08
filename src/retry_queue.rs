//! The retry queue: holds what could not be put on the bus, until `redrive` puts it there.

mod message;

use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use thiserror::Error;

use crate::aws::budget::Deadline;
use crate::aws::retry::{CallError, attempts};

pub use message::{QueueMessage, ReceivedBody, ReceivedMessage};

/// The message attribute that repeats the reason.
const REASON_ATTRIBUTE: &str = "reason";

/// Why a message is not in the retry queue: a code and a message.
#[derive(Debug, Error)]
pub enum QueueError {
    /// There is no retry queue.
    #[error("NoRetryQueue: RETRY_QUEUE_URL is not set.")]
    NoRetryQueue,
    /// The request cannot be verified yet, and its body is too large to be queued unverified.
    #[error("BodyTooLarge: A body of more than 16,384 bytes is not queued unverified.")]
    BodyTooLarge,
    /// The SendMessage call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The retry queue.
#[derive(Debug)]
pub struct RetryQueue {
    /// Made when it is first needed, because it takes a sixteenth of the start-up and most processes never need it.
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
    pub async fn send(&self, message: &QueueMessage, deadline: Deadline) -> Result<(), QueueError> {
        let reason = MessageAttributeValue::builder().data_type("String").string_value(message.reason().name()).build();
        let reason = reason.map_err(|error| CallError::InvalidRequest(error.to_string()))?;
        let client = self.client.get_or_init(|| Client::new(&self.config));
        let send = || async {
            let request = client.send_message().queue_url(&self.url).message_body(message.text());
            request.message_attributes(REASON_ATTRIBUTE, reason.clone()).send().await?;
            Ok::<_, CallError>(())
        };
        Ok(attempts(deadline, send).await?)
    }
}
