//! Properties of the pure part, from the event to the entry and through the queue message: for any bytes.

use std::collections::HashMap;

use crate::event::Entry;
use crate::outcome::Reason;
use crate::retry_queue::{QueueMessage, ReceivedBody, ReceivedMessage};
use crate::signing::SigningSecrets;
use crate::signing::Verified;
use crate::webhook::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use momento_body_signature::sign;
use proptest::prelude::*;
use serde_json::{Value, json};
use zeroize::Zeroizing;

const SECRET: &str = "whsec-of-the-properties";

fn signature(body: &[u8]) -> String {
    sign(SECRET.as_bytes(), body)
}

fn verify(event: &Value) -> Option<Verified> {
    let event = serde_json::value::to_raw_value(event).expect("JSON");
    let secrets = SigningSecrets::parse(Zeroizing::new(SECRET.to_owned())).expect("a secret");
    Request::parse(&event).ok()?.into_signed().ok()?.verify(secrets.iter()).ok()
}

fn event(body: &[u8], headers: &HashMap<String, String>) -> Value {
    json!({
        "requestContext": {"http": {"method": "POST"}},
        "headers": headers,
        "body": STANDARD.encode(body),
        "isBase64Encoded": true,
    })
}

fn signed(body: &[u8]) -> Verified {
    let headers = HashMap::from([("momento-signature".to_owned(), signature(body))]);
    verify(&event(body, &headers)).expect("a signed body")
}

fn verified_of(message: ReceivedMessage) -> Verified {
    match message.body {
        ReceivedBody::Verified(verified) => verified,
        ReceivedBody::Unverified(..) => panic!("a message of version 1 is verified"),
    }
}

/// Bodies that can be mapped, more of them than random bytes would give.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let mappable =
        (any::<String>(), any::<String>(), any::<i64>(), any::<String>()).prop_map(|(cache, topic, time, text)| {
            json!({"cache": cache, "topic": topic, "publish_timestamp": time, "text": text}).to_string().into_bytes()
        });
    prop_oneof![mappable, any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)]
}

/// Strings like a signature, among them the valid signature of another body.
fn wrong_signature() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-fA-F]{64}",
        "[0-9a-f]{0,70}",
        any::<Vec<u8>>().prop_map(|body| signature(&body))
    ]
}

proptest! {
    #[test]
    fn a_body_that_is_not_signed_is_never_verified(body in any::<Vec<u8>>(), given in wrong_signature(), name in any::<String>()) {
        prop_assume!(!given.eq_ignore_ascii_case(&signature(&body)));
        for headers in [HashMap::new(), HashMap::from([("momento-signature".to_owned(), given.clone())]), HashMap::from([(name, given)])] {
            prop_assert!(verify(&event(&body, &headers)).is_none());
        }
    }

    #[test]
    fn an_event_of_any_shape_is_refused_or_unreadable_and_nothing_panics(text in any::<String>(), number in any::<i64>(), flag in any::<bool>()) {
        for value in [json!(text), json!(number), json!(flag), json!(null), json!([text]), json!({text.clone(): number})] {
            for key in ["requestContext", "headers", "body", "isBase64Encoded"] {
                let mut event = event(text.as_bytes(), &HashMap::new());
                event[key] = value.clone();
                prop_assert!(verify(&event).is_none());
            }
            prop_assert!(verify(&value).is_none());
        }
    }

    #[test]
    fn what_goes_into_the_queue_comes_out_as_the_very_entry_that_the_handler_would_have_put(
        body in body(), error in any::<String>(), received_at in any::<i64>(), request_id in any::<String>()
    ) {
        let message = QueueMessage::new(&signed(&body), Reason::TimedOut, &error, received_at, &request_id);
        prop_assert!(message.text().bytes().all(|byte| (0x20..0x80).contains(&byte)), "{}", message.text());
        let received = ReceivedMessage::parse(message.text()).expect("a message that was just written");
        prop_assert_eq!(received.reason.as_deref(), Some("TimedOut"));
        let (direct, received) = (signed(&body), verified_of(received));
        prop_assert_eq!(received.body(), &*body);
        prop_assert_eq!(Entry::parse(&direct), Entry::parse(&received));
    }

    #[test]
    fn a_message_of_any_text_is_unreadable_or_an_entry_and_nothing_panics(text in any::<String>(), body in body()) {
        let written = QueueMessage::new(&signed(&body), Reason::PutFailed, "", 0, "").text().to_owned();
        let place = text.chars().count() % written.len();
        for text in [text.clone(), format!("{}{text}{}", &written[..place], &written[place..]), written[..place].to_owned()] {
            if let Ok(ReceivedMessage { body: ReceivedBody::Verified(verified), .. }) = ReceivedMessage::parse(&text) {
                let _ = Entry::parse(&verified);
            }
        }
    }
}
