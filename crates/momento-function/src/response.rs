//! What the publisher is told.

use momento_functions_bytes::encoding::Json;
use momento_functions_guest_web::WebResponse;
use serde::{Deserialize, Serialize};

/// The body of every response, of the handler as well as of this Function.
#[derive(Deserialize, Serialize)]
pub struct Message {
    pub message: String,
}

/// Where the handler has stored the event.
pub enum Stored {
    OnTheBus,
    InTheRetryQueue,
}

impl Stored {
    pub const SUCCESS: &str = "Success";
    pub const QUEUED: &str = "Queued";
}

/// Why the message is not published.
pub enum Failure {
    NotSet(&'static str),
    NoTopic,
    OtherTopic(String),
    NotText,
    TooLong,
    Incomplete,
    /// The handler did not get the event.
    NotStored(&'static str),
    /// The handler responded that it did not store the event, with this status.
    Refused(u16),
    /// The handler may have stored the event.
    Unknown(&'static str),
    /// The event is stored, and the topic did not accept the message.
    NotPublished(String),
}

pub fn of(outcome: Result<Stored, Failure>) -> WebResponse {
    let (status, message) = match outcome {
        Ok(Stored::OnTheBus) => (200, Stored::SUCCESS.to_owned()),
        Ok(Stored::InTheRetryQueue) => (202, Stored::QUEUED.to_owned()),
        Err(failure) => status_and_message(failure),
    };
    let response = WebResponse::new().with_status(status).header("content-type", "application/json");
    response.with_body(Json(Message { message })).unwrap_or_else(|_| WebResponse::new().with_status(500))
}

fn status_and_message(failure: Failure) -> (u16, String) {
    match failure {
        Failure::NotSet(name) => {
            (500, format!("{name} is not set. Deploy this Function with that environment variable."))
        }
        Failure::NoTopic => (400, "Name the topic: add ?topic=NAME to the URL.".to_owned()),
        Failure::OtherTopic(only) => (400, format!("This Function publishes to the topic {only:?} only.")),
        Failure::NotText => (400, "The message must be UTF-8 text.".to_owned()),
        Failure::Incomplete => (400, "The message did not arrive completely. Send it again.".to_owned()),
        Failure::TooLong => (413, "The message must be at most 4,096 bytes.".to_owned()),
        Failure::NotStored(reason) => (502, format!("Neither stored nor published. {reason}. Send the message again.")),
        Failure::Refused(status) => {
            (502, format!("Neither stored nor published. The handler responded with {status}. Send the message again."))
        }
        Failure::Unknown(reason) => {
            (502, format!("Not published, and possibly stored. {reason}. Send the message again."))
        }
        Failure::NotPublished(error) => (
            502,
            format!(
                "Stored, but not published: {error}. If you send the message again, its event is on the bus twice."
            ),
        ),
    }
}
