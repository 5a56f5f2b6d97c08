//! The response to the caller, in payload format 2.0 of a Function URL.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::outcome::Outcome;

/// A response with a JSON body `{"message": …}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The text in the JSON body's `message`.
    pub message: &'static str,
}

impl From<Outcome> for Response {
    /// A 2XX means that the event is stored where it cannot be lost.
    fn from(outcome: Outcome) -> Self {
        let (status, message) = match outcome {
            Outcome::Delivered => (200, "Success"),
            Outcome::Queued(_) => (202, "Queued"),
            Outcome::Forged(_) | Outcome::Stale | Outcome::Future => (403, "Unauthorized"),
            Outcome::MethodNotAllowed => (405, "Method Not Allowed"),
            Outcome::PayloadTooLarge => (413, "Payload Too Large"),
            Outcome::BothFailed(_) | Outcome::SecretUnavailable => (500, "Internal Server Error"),
        };
        Self { status, message }
    }
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Headers {
            #[serde(rename = "content-type")]
            content_type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            allow: Option<&'static str>,
        }
        let allow = (self.status == 405).then_some("POST");
        let mut response = serializer.serialize_struct("Response", 5)?;
        response.serialize_field("statusCode", &self.status)?;
        response.serialize_field("headers", &Headers { content_type: "application/json", allow })?;
        response.serialize_field("body", &format!(r#"{{"message":"{}"}}"#, self.message))?;
        response.serialize_field("isBase64Encoded", &false)?;
        // Lambda does not need it; cargo lambda watch answers 500 without it.
        response.serialize_field("cookies", &[""; 0])?;
        response.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Forgery, Reason};

    #[test]
    fn every_refused_signature_and_timestamp_has_one_and_the_same_response() {
        let refused = Response { status: 403, message: "Unauthorized" };
        for forgery in
            [Forgery::SignatureMissing, Forgery::SignatureMalformed, Forgery::SignatureMismatch, Forgery::BodyNotBase64]
        {
            assert_eq!(Response::from(Outcome::Forged(forgery)), refused);
        }
        assert_eq!((Response::from(Outcome::Stale), Response::from(Outcome::Future)), (refused, refused));
    }

    #[test]
    fn only_an_event_that_is_stored_gets_a_2xx() {
        for (outcome, status) in [
            (Outcome::Delivered, 200),
            (Outcome::Queued(Reason::TimedOut), 202),
            (Outcome::MethodNotAllowed, 405),
            (Outcome::PayloadTooLarge, 413),
            (Outcome::BothFailed(Reason::PutFailed), 500),
            (Outcome::SecretUnavailable, 500),
        ] {
            assert_eq!(Response::from(outcome).status, status);
        }
    }

    #[test]
    fn a_refused_method_names_the_one_that_is_allowed() {
        let json = |outcome| serde_json::to_value(Response::from(outcome)).unwrap();
        assert_eq!(json(Outcome::MethodNotAllowed)["headers"]["allow"], "POST");
        assert_eq!(json(Outcome::MethodNotAllowed)["body"], r#"{"message":"Method Not Allowed"}"#);
        assert!(json(Outcome::Delivered)["headers"].get("allow").is_none());
    }
}
