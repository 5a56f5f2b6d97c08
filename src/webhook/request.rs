//! From an invocation's event to a signed body: method, size and the signature's form are checked, in this order.
//!
//! The event is payload format 2.0, which a Function URL and an HTTP API share
//! (<https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>), in the types that `lambda_http`
//! re-exports. Its adapter and its `Request` are not used: they panic on characters that are invalid in a URI, and fail the
//! invocation on an invalid method or header, so anyone could raise the function's error alarm. No body is parsed here.

use aws_smithy_types::base64;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::{HeaderMap, Method};
use momento_body_signature::SIGNATURE_BYTES;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::outcome::{Forgery, Outcome};
use crate::signing::Signed;

/// The header that carries the signature, in any case of its letters.
pub const SIGNATURE_HEADER: &str = "momento-signature";

/// The largest body that is accepted, in decoded bytes.
///
/// Momento's messages are at most 4 KB. A body of this size always fits in a queue message and in one log record.
pub const MAX_BODY_BYTES: usize = 180_000;

/// A request in payload format 2.0.
#[derive(Debug)]
pub struct Request(ApiGatewayV2httpRequest);

impl Request {
    /// Reads the event. An event that is not a request in payload format 2.0, or contains invalid Unicode, is refused: as
    /// `MethodNotAllowed` if it has a method other than `POST`, otherwise as `BadRequest`.
    pub fn parse(event: &RawValue) -> Result<Self, Outcome> {
        serde_json::from_str(event.get()).map(Self).map_err(|_| match method_of(event).as_deref() {
            None | Some("POST") => Outcome::BadRequest,
            Some(_) => Outcome::MethodNotAllowed,
        })
    }

    /// The size of the decoded body in bytes; an upper bound if the base64 is invalid.
    pub fn body_bytes(&self) -> usize {
        let body = self.0.body.as_deref().unwrap_or_default();
        if self.0.is_base64_encoded { base64_decoded_bytes(body) } else { body.len() }
    }

    /// Checks method, size and the signature's form, in this order, and decodes the body.
    pub fn into_signed(self) -> Result<Signed, Outcome> {
        if self.0.request_context.http.method != Method::POST {
            return Err(Outcome::MethodNotAllowed);
        }
        if self.body_bytes() > MAX_BODY_BYTES {
            return Err(Outcome::PayloadTooLarge);
        }
        let signature = signature(&self.0.headers).map_err(Outcome::Forged)?;
        let body = self.0.body.unwrap_or_default();
        let body = if self.0.is_base64_encoded {
            base64::decode(body).map_err(|_| Outcome::Forged(Forgery::BodyNotBase64))?
        } else {
            body.into_bytes()
        };
        Ok(Signed { body, signature })
    }
}

/// The method of an event, even if the rest of it is malformed.
fn method_of(event: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Event {
        request_context: RequestContext,
    }
    #[derive(Deserialize)]
    struct RequestContext {
        http: Http,
    }
    #[derive(Deserialize)]
    struct Http {
        method: String,
    }
    serde_json::from_str::<Event>(event.get()).ok().map(|event| event.request_context.http.method)
}

fn signature(headers: &HeaderMap) -> Result<[u8; SIGNATURE_BYTES], Forgery> {
    let digits = headers.get(SIGNATURE_HEADER).ok_or(Forgery::SignatureMissing)?;
    let mut signature = [0; SIGNATURE_BYTES];
    hex::decode_to_slice(digits, &mut signature).map_err(|_| Forgery::SignatureMalformed)?;
    Ok(signature)
}

/// The number of bytes in base64 text, without decoding it.
fn base64_decoded_bytes(encoded: &str) -> usize {
    encoded.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "f83d7ddd214ef5238571299f2a6d4136f79aa637f55001a30ed374ec566e87a6";

    fn signed(event: serde_json::Value) -> Result<Signed, Outcome> {
        Request::parse(&serde_json::value::to_raw_value(&event).unwrap())?.into_signed()
    }

    fn event(headers: serde_json::Value, body: &str, is_base64: bool) -> serde_json::Value {
        serde_json::json!({
            "version": "2.0", "headers": headers, "body": body, "isBase64Encoded": is_base64,
            "requestContext": {"http": {"method": "POST", "path": "/"}},
        })
    }

    #[test]
    fn the_signature_is_found_in_any_case_of_the_headers_name() {
        for name in ["momento-signature", "Momento-Signature", "MOMENTO-SIGNATURE"] {
            let signed = signed(event(serde_json::json!({ "host": "h", name: SIGNATURE }), "x", false)).unwrap();
            assert_eq!(hex::encode(signed.signature), SIGNATURE);
        }
    }

    #[test]
    fn a_signature_in_upper_case_digits_is_the_same_signature() {
        let upper = signed(event(serde_json::json!({ SIGNATURE_HEADER: SIGNATURE.to_uppercase() }), "x", false));
        assert_eq!(hex::encode(upper.unwrap().signature), SIGNATURE);
    }

    #[test]
    fn a_signature_that_is_not_64_hex_digits_is_malformed() {
        let doubled = format!("{SIGNATURE},{SIGNATURE}");
        let cut = &SIGNATURE[1..];
        let spaced = format!(" {SIGNATURE}");
        for value in ["", "zz", cut, &doubled, &spaced, "ünïcödé", &"é".repeat(32)] {
            let refused = signed(event(serde_json::json!({ SIGNATURE_HEADER: value }), "x", false)).unwrap_err();
            assert_eq!(refused, Outcome::Forged(Forgery::SignatureMalformed), "{value}");
        }
    }

    #[test]
    fn a_signature_sent_twice_is_malformed_even_if_both_are_the_same() {
        // Lambda joins the values of one header with a comma.
        let twice = serde_json::json!({ SIGNATURE_HEADER: format!("{SIGNATURE},{SIGNATURE}") });
        assert_eq!(signed(event(twice, "x", false)).unwrap_err(), Outcome::Forged(Forgery::SignatureMalformed));
    }

    fn refused(event: &str) -> Outcome {
        Request::parse(&RawValue::from_string(event.to_owned()).unwrap()).expect_err(event)
    }

    #[test]
    fn an_event_that_is_not_a_request_or_has_invalid_unicode_is_a_bad_request() {
        for event in [
            "null",
            "[]",
            "{}",
            r#""text""#,
            r#"{"Records":[]}"#,
            r#"{"requestContext":{"http":{}}}"#,
            r#"{"requestContext":{"http":{"method":"POST"}},"body":1}"#,
            r#"{"requestContext":{"http":{"method":"POST"}},"body":"\ud800"}"#,
            r#"{"requestContext":{"http":{"method":"POST"}},"headers":{"x":"a\u0000"}}"#,
            r#"{"requestContext":{"http":{"method":"POST"}},"headers":{"x":"\udc00"}}"#,
            r#"{"requestContext":{"http":{"method":"POST"}},"headers":{"a b":"c"}}"#,
            r#"{"requestContext":{"http":{"method":"\ud800"}}}"#,
            r#"{"httpMethod":"POST","body":"payload format 1.0"}"#,
        ] {
            assert_eq!(refused(event), Outcome::BadRequest, "{event}");
        }
    }

    #[test]
    fn another_method_is_found_even_if_the_rest_of_the_event_is_malformed() {
        for event in [
            r#"{"requestContext":{"http":{"method":"GET"}},"body":1}"#,
            r#"{"requestContext":{"http":{"method":"PUT"}},"headers":{"x":"\ud800"}}"#,
            r#"{"requestContext":{"http":{"method":"P O S T"}}}"#,
        ] {
            assert_eq!(refused(event), Outcome::MethodNotAllowed, "{event}");
        }
    }

    #[test]
    fn a_request_without_headers_or_body_has_no_signature() {
        let bare = serde_json::json!({ "requestContext": {"http": {"method": "POST"}}, "headers": null, "body": null });
        assert_eq!(signed(bare).unwrap_err(), Outcome::Forged(Forgery::SignatureMissing));
    }

    #[test]
    fn the_method_is_checked_before_the_size_and_the_size_before_the_signature() {
        let large = "x".repeat(MAX_BODY_BYTES + 1);
        let mut get = event(serde_json::json!({}), &large, false);
        get["requestContext"]["http"]["method"] = "GET".into();
        assert_eq!(signed(get).unwrap_err(), Outcome::MethodNotAllowed);
        assert_eq!(signed(event(serde_json::json!({}), &large, false)).unwrap_err(), Outcome::PayloadTooLarge);
        assert_eq!(
            signed(event(serde_json::json!({}), &large[1..], false)).unwrap_err(),
            Outcome::Forged(Forgery::SignatureMissing)
        );
    }

    #[test]
    fn the_size_of_a_base64_body_is_that_of_its_decoded_bytes() {
        let headers = serde_json::json!({ SIGNATURE_HEADER: SIGNATURE });
        for extra in 0..3 {
            let encoded = base64::encode("x".repeat(MAX_BODY_BYTES - extra));
            assert_eq!(signed(event(headers.clone(), &encoded, true)).unwrap().body.len(), MAX_BODY_BYTES - extra);
        }
        let encoded = base64::encode("x".repeat(MAX_BODY_BYTES + 1));
        assert_eq!(signed(event(headers, &encoded, true)).unwrap_err(), Outcome::PayloadTooLarge);
    }

    #[test]
    fn a_body_said_to_be_base64_that_is_not_is_refused() {
        let headers = serde_json::json!({ SIGNATURE_HEADER: SIGNATURE });
        for body in ["{}", "a", "aGk", "aGk=\n", "aGk==", "*"] {
            let refused = signed(event(headers.clone(), body, true)).unwrap_err();
            assert_eq!(refused, Outcome::Forged(Forgery::BodyNotBase64), "{body}");
        }
    }
}
