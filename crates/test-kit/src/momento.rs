//! Webhooks as Momento signs and sends them, as events of a function URL (payload format 2.0).

use std::time::{SystemTime, UNIX_EPOCH};

use momento_body_signature::sign;
use serde_json::{Value, json};

/// The signing secret of the tests.
pub const SECRET: &str = "whsec-of-the-tests";

/// The time in milliseconds since the Unix epoch.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64
}

/// A body as Momento writes it, published now.
pub fn body(cache: &str, topic: &str, sequence: u64, text: &str) -> String {
    body_at(now(), cache, topic, sequence, text)
}

/// A body as Momento writes it, published at this time.
pub fn body_at(published: i64, cache: &str, topic: &str, sequence: u64, text: &str) -> String {
    format!(
        r#"{{"cache":{},"topic":{},"event_timestamp":{},"publish_timestamp":{published},"topic_sequence_number":{sequence},"token_id":"","text":{}}}"#,
        Value::from(cache),
        Value::from(topic),
        published - 1,
        Value::from(text),
    )
}

/// The event for a body, signed with [`SECRET`].
pub fn event(body: &str) -> Value {
    event_signed_with(SECRET, body)
}

/// The event for a body, signed with another secret.
pub fn event_signed_with(secret: &str, body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {
            "content-length": body.len().to_string(),
            "content-type": "application/json",
            "host": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws",
            "momento-signature": sign(secret.as_bytes(), body.as_bytes()),
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
        "isBase64Encoded": false,
    })
}
