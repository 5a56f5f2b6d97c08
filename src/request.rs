//! From a Function URL's event to a signed body.
//!
//! The shape is payload format 2.0 of
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>.
//! Nothing of a body is parsed here.

use std::fmt;

use aws_smithy_types::base64;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::outcome::{Forgery, Outcome};
use crate::signature::{SIGNATURE_BYTES, Signed};

/// The header that carries the signature, in any case of its letters.
pub const SIGNATURE_HEADER: &str = "momento-signature";

/// The largest body that is accepted, in decoded bytes.
///
/// Momento's messages end at 4 KB; this much always fits the retry queue and one log record.
pub const MAX_BODY_BYTES: usize = 180_000;

/// An invocation by a Function URL, reduced to what the handler reads.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUrlEvent {
    #[serde(default)]
    request_context: RequestContext,
    #[serde(default)]
    headers: SignatureHeader,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct RequestContext {
    #[serde(default)]
    http: Http,
}

#[derive(Debug, Default, Deserialize)]
struct Http {
    #[serde(default)]
    method: String,
}

/// The one header that matters, picked out of all of them.
#[derive(Debug, Default)]
enum SignatureHeader {
    #[default]
    Absent,
    Present(String),
    Repeated,
}

impl FunctionUrlEvent {
    /// The size of the body in bytes, decoded; an upper bound where the base64 is faulty.
    pub fn body_bytes(&self) -> usize {
        let body = self.body.as_deref().unwrap_or_default();
        if self.is_base64() { base64_decoded_bytes(body) } else { body.len() }
    }

    /// Checks method, size and the signature's form, in this order, and decodes the body.
    pub fn into_signed(self) -> Result<Signed, Outcome> {
        if self.request_context.http.method != "POST" {
            return Err(Outcome::MethodNotAllowed);
        }
        if self.body_bytes() > MAX_BODY_BYTES {
            return Err(Outcome::PayloadTooLarge);
        }
        let is_base64 = self.is_base64();
        let signature = self.headers.signature().map_err(Outcome::Forged)?;
        let body = self.body.unwrap_or_default();
        let body = if is_base64 {
            base64::decode(body).map_err(|_| Outcome::Forged(Forgery::BodyNotBase64))?
        } else {
            body.into_bytes()
        };
        Ok(Signed { body, signature })
    }

    fn is_base64(&self) -> bool {
        self.is_base64_encoded.unwrap_or(false)
    }
}

impl SignatureHeader {
    fn signature(&self) -> Result<[u8; SIGNATURE_BYTES], Forgery> {
        match self {
            Self::Absent => Err(Forgery::SignatureMissing),
            Self::Repeated => Err(Forgery::SignatureMalformed),
            Self::Present(digits) => {
                let mut signature = [0; SIGNATURE_BYTES];
                hex::decode_to_slice(digits, &mut signature).map_err(|_| Forgery::SignatureMalformed)?;
                Ok(signature)
            }
        }
    }
}

/// The number of bytes that base64 stands for, without decoding it.
fn base64_decoded_bytes(encoded: &str) -> usize {
    encoded.trim_end_matches('=').len() * 3 / 4
}

impl<'de> Deserialize<'de> for SignatureHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SignatureHeaderVisitor)
    }
}

struct SignatureHeaderVisitor;

impl<'de> Visitor<'de> for SignatureHeaderVisitor {
    type Value = SignatureHeader;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut headers: A) -> Result<Self::Value, A::Error> {
        let mut found = SignatureHeader::Absent;
        while let Some(name) = headers.next_key::<String>()? {
            if !name.eq_ignore_ascii_case(SIGNATURE_HEADER) {
                headers.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = headers.next_value()?;
            found = match found {
                SignatureHeader::Absent => SignatureHeader::Present(value),
                _ => SignatureHeader::Repeated,
            };
        }
        Ok(found)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(SignatureHeader::Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "f83d7ddd214ef5238571299f2a6d4136f79aa637f55001a30ed374ec566e87a6";

    fn signed(event: serde_json::Value) -> Result<Signed, Outcome> {
        serde_json::from_value::<FunctionUrlEvent>(event).expect("a Function URL's event is read").into_signed()
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
        let twice = serde_json::json!({ "momento-signature": SIGNATURE, "Momento-Signature": SIGNATURE });
        assert_eq!(signed(event(twice, "x", false)).unwrap_err(), Outcome::Forged(Forgery::SignatureMalformed));
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
