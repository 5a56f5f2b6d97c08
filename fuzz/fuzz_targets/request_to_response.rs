//! Request → response: nothing panics, and only what is signed is verified. The first byte chooses what the rest is.

#![no_main]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use momento_eventbridge::Entry;
use momento_eventbridge::Outcome;
use momento_eventbridge::{MAX_BODY_BYTES, Request};
use momento_eventbridge::Response;
use momento_eventbridge::Verified;
use momento_eventbridge::SigningSecrets;
use momento_eventbridge::timestamp;
use momento_eventbridge_fuzz::{SECRETS, follow, secrets, signature};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Shortly after the vectors' webhook was published, so that some bodies are within the window.
const NOW: i64 = 1_726_292_279_900;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 4 {
        0 => whole_event(rest),
        1 => stored_secret(rest),
        2 if rest.len() <= MAX_BODY_BYTES => signed_body(rest),
        _ => forged_body(rest),
    }
});

fn event(body: &[u8], is_base64: bool, signature: &str) -> Vec<u8> {
    let body = if is_base64 { STANDARD.encode(body) } else { String::from_utf8_lossy(body).into_owned() };
    let event = json!({
        "requestContext": {"http": {"method": "POST"}},
        "headers": {"Momento-Signature": signature},
        "body": body,
        "isBase64Encoded": is_base64,
    });
    event.to_string().into_bytes()
}

fn verify(event: &[u8]) -> Option<Verified> {
    let request = Request::parse(serde_json::from_slice(event).ok()?).ok()?;
    let _ = request.body_bytes();
    request.into_signed().ok()?.verify(secrets().iter()).ok()
}

/// These bytes are the event. If it is verified, its only signature header has a valid signature.
fn whole_event(bytes: &[u8]) {
    let Some(verified) = verify(bytes) else { return };
    if let Ok(event) = serde_json::from_slice::<Value>(bytes) {
        // serde also accepts an array for a struct; Lambda sends none.
        let headers = event.get("headers").or_else(|| event.get(1)).and_then(Value::as_object).expect("headers");
        let mut given = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("momento-signature"));
        let given = given.next().and_then(|(_, value)| value.as_str()).expect("a signature");
        let right = SECRETS.map(|secret| signature(secret, verified.body()));
        assert!(right.iter().any(|right| right.eq_ignore_ascii_case(given)), "verified with {given}");
    }
    follow(&verified);
}

/// No message or debug output shows any part of a secret.
fn stored_secret(bytes: &[u8]) {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    if let Ok(secrets) = SigningSecrets::parse(text) {
        let count = secrets.iter().count();
        let shown = vec!["SigningSecret(…)"; count].join(", ");
        assert_eq!(format!("{secrets:?}"), format!("SigningSecrets([{shown}])"));
    }
}

/// A signed body is verified, as text and in base64, and gets a response.
fn signed_body(body: &[u8]) {
    let signature = signature(SECRETS[1], body);
    let plain = std::str::from_utf8(body).is_ok();
    for is_base64 in [true, false].into_iter().filter(|is_base64| *is_base64 || plain) {
        let verified = verify(&event(body, is_base64, &signature)).expect("a signed body");
        assert_eq!(verified.body(), body);
        if let Ok(entry) = Entry::parse(&verified) {
            let outcome = timestamp::check(entry.publish_timestamp, NOW, Duration::from_secs(60));
            let outcome = outcome.err().unwrap_or(Outcome::Delivered);
            let is_within = (NOW - 60_000..=NOW + 60_000).contains(&entry.publish_timestamp);
            assert_eq!(Response::from(outcome).status, if is_within { 200 } else { 403 });
        }
        follow(&verified);
    }
}

/// The first 64 characters are used as the signature of the rest, which they are not.
fn forged_body(bytes: &[u8]) {
    let (given, body) = bytes.split_at(bytes.len().min(64));
    let given = String::from_utf8_lossy(given);
    let right = SECRETS.map(|secret| signature(secret, body));
    if !right.iter().any(|right| right.eq_ignore_ascii_case(&given)) {
        assert!(verify(&event(body, true, &given)).is_none(), "verified with {given}");
    }
}
