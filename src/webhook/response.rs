//! The response to the caller, in payload format 2.0.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::HeaderValue;
use lambda_http::http::header::{ALLOW, CONTENT_TYPE};

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
    /// A 2XX means that the event is on the bus or in the retry queue.
    fn from(outcome: Outcome) -> Self {
        let (status, message) = match outcome {
            Outcome::Delivered => (200, "Success"),
            Outcome::Queued(_)
            | Outcome::SecretUnavailable { is_kept: true }
            | Outcome::RotationInProgress { is_kept: true } => (202, "Queued"),
            Outcome::Forged(_) | Outcome::Stale | Outcome::Future => (403, "Unauthorized"),
            Outcome::BadRequest => (400, "Bad Request"),
            Outcome::MethodNotAllowed => (405, "Method Not Allowed"),
            Outcome::PayloadTooLarge => (413, "Payload Too Large"),
            Outcome::BothFailed(_)
            | Outcome::SecretUnavailable { is_kept: false }
            | Outcome::RotationInProgress { is_kept: false } => (500, "Internal Server Error"),
        };
        Self { status, message }
    }
}

impl From<Response> for ApiGatewayV2httpResponse {
    fn from(response: Response) -> Self {
        let mut event = Self::default();
        event.status_code = response.status.into();
        event.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if response.status == 405 {
            event.headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        event.body = Some(format!(r#"{{"message":"{}"}}"#, response.message).into());
        event
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
            (Outcome::BadRequest, 400),
            (Outcome::MethodNotAllowed, 405),
            (Outcome::PayloadTooLarge, 413),
            (Outcome::BothFailed(Reason::PutFailed), 500),
            (Outcome::SecretUnavailable { is_kept: true }, 202),
            (Outcome::SecretUnavailable { is_kept: false }, 500),
            (Outcome::RotationInProgress { is_kept: true }, 202),
            (Outcome::RotationInProgress { is_kept: false }, 500),
        ] {
            assert_eq!(Response::from(outcome).status, status);
        }
    }

    #[test]
    fn a_refused_method_names_the_one_that_is_allowed() {
        let event = |outcome| ApiGatewayV2httpResponse::from(Response::from(outcome));
        let json = |outcome| serde_json::to_value(event(outcome)).unwrap();
        assert_eq!(json(Outcome::MethodNotAllowed)["headers"]["allow"], "POST");
        assert_eq!(json(Outcome::MethodNotAllowed)["body"], r#"{"message":"Method Not Allowed"}"#);
        assert!(json(Outcome::Delivered)["headers"].get("allow").is_none());
    }
}
