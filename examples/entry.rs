//! Prints what the handler puts on the bus for each body: one body a line on standard input, in base64.
//!
//! ```text
//! printf %s '{"cache":"c","topic":"t","publish_timestamp":1}' | base64 -w0 | cargo run --quiet --example entry
//! ```
//!
//! The output has one line of JSON for each body: the entry, or `null` if the body cannot be mapped to one.

use std::collections::HashMap;
use std::io::{BufRead, Write, stdin, stdout};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use momento_body_signature::sign;
use momento_eventbridge::{Entry, Request, SigningSecrets, Verified};
use serde_json::{Value, json};
use zeroize::Zeroizing;

type Error = Box<dyn std::error::Error>;

const SECRET: &str = "whsec-local";

fn main() -> Result<(), Error> {
    let mut output = stdout().lock();
    for line in stdin().lock().lines() {
        let body = STANDARD.decode(line?)?;
        let entry = verified(&body).as_ref().map_or(Value::Null, entry);
        writeln!(output, "{entry}")?;
    }
    Ok(())
}

fn entry(verified: &Verified) -> Value {
    Entry::parse(verified).map_or(
        Value::Null,
        |entry| json!({ "Source": "Momento", "DetailType": entry.detail_type(), "Detail": entry.detail }),
    )
}

/// The way of every request: only a signed body can become an entry. `None` if it is larger than the handler accepts.
fn verified(body: &[u8]) -> Option<Verified> {
    let headers = HashMap::from([("momento-signature", sign(SECRET.as_bytes(), body))]);
    let event = json!({
        "requestContext": { "http": { "method": "POST" } },
        "headers": headers,
        "body": STANDARD.encode(body),
        "isBase64Encoded": true,
    });
    let event = serde_json::value::to_raw_value(&event).ok()?;
    let secrets = SigningSecrets::parse(Zeroizing::new(SECRET.to_owned())).ok()?;
    Request::parse(&event).ok()?.into_signed().ok()?.verify(secrets.iter()).ok()
}
