//! SQS: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.

use serde_json::{Value, json};

use super::{AwsJson, CallResult, Protocol, Service, ServiceError, id};
use crate::fault::Fault;

/// Queues and the messages in them.
#[derive(Default)]
pub struct Sqs {
    /// Every message that was sent.
    pub messages: Vec<Message>,
}

/// A message in a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its body.
    pub body: String,
    /// Its attributes, as in the call.
    pub attributes: Value,
    /// The URL of its queue.
    pub queue: String,
}

impl Sqs {
    fn send(&mut self, input: &Value) -> CallResult {
        let body = input["MessageBody"].as_str().unwrap_or_default();
        if body.is_empty() {
            return Err(ServiceError::bad_request("MissingParameter", "MessageBody is empty."));
        }
        if body.len() > 1024 * 1024 {
            return Err(ServiceError::bad_request("InvalidParameterValue", "The message is longer than 1 MiB."));
        }
        if !body.chars().all(is_allowed) {
            return Err(ServiceError::bad_request("InvalidMessageContents", "The message has invalid characters."));
        }
        self.messages.push(Message {
            body: body.to_owned(),
            attributes: input["MessageAttributes"].clone(),
            queue: input["QueueUrl"].as_str().unwrap_or_default().to_owned(),
        });
        Ok(json!({"MessageId": id(self.messages.len())}))
    }
}

/// SQS rejects a message that has any other character.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

impl Service for Sqs {
    fn protocol(&self) -> &'static dyn Protocol {
        &AwsJson
    }

    fn name(&self) -> &'static str {
        "AmazonSQS"
    }

    fn call(&mut self, operation: &str, input: &Value, _: &Fault) -> CallResult {
        match operation {
            "SendMessage" => self.send(input),
            _ => Err(ServiceError::unknown_operation(operation)),
        }
    }
}
