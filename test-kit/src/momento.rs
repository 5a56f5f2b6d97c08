//! Webhooks as Momento signs them, as events of a Function URL (payload format 2.0).
//! Nothing here comes from `src/`, so that a mistake there cannot hide here.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha3::Sha3_256;

pub const SECRET: &str = "whsec-of-the-tests";

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha3_256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// A body as Momento writes it, published now.
pub fn body(cache: &str, topic: &str, sequence: u64, text: &str) -> String {
    body_at(now(), cache, topic, sequence, text)
}

pub fn body_at(published: i64, cache: &str, topic: &str, sequence: u64, text: &str) -> String {
    format!(
        r#"{{"cache":{},"topic":{},"event_timestamp":{},"publish_timestamp":{published},"topic_sequence_number":{sequence},"token_id":"","text":{}}}"#,
        Value::from(cache),
        Value::from(topic),
        published - 1,
        Value::from(text),
    )
}

/// The event for a body that is signed with `SECRET`.
pub fn event(body: &[u8]) -> Value {
    event_with(body, Some(&signature(SECRET, body)))
}

/// The event for a body and whatever is said to be its signature.
pub fn event_with(body: &[u8], signature: Option<&str>) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => envelope(text, false, signature),
        Err(_) => event_base64(body, signature),
    }
}

pub fn event_base64(body: &[u8], signature: Option<&str>) -> Value {
    envelope(&STANDARD.encode(body), true, signature)
}

fn envelope(body: &str, base64: bool, signature: Option<&str>) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {
            "content-length": body.len().to_string(),
            "content-type": "application/json",
            "host": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws",
            "user-agent": "Momento/1.0 (Webhooks; +https://docs.momentohq.com/topics/webhooks)",
            "x-amzn-trace-id": "Root=1-66e540f8-000000000000000000000001",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghijklmnopqrstuvwxyz012345",
            "domainName": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abcdefghijklmnopqrstuvwxyz012345",
            "http": {
                "method": "POST",
                "path": "/",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "Momento/1.0 (Webhooks; +https://docs.momentohq.com/topics/webhooks)",
            },
            "requestId": "00000000-0000-4000-8000-000000000001",
            "routeKey": "$default",
            "stage": "$default",
            "time": "14/Sep/2024:05:37:59 +0000",
            "timeEpoch": 1726292279851_i64,
        },
        "body": body,
        "isBase64Encoded": base64,
    });
    if let Some(signature) = signature {
        event["headers"]["momento-signature"] = signature.into();
    }
    event
}
