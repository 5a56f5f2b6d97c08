//! What the fuzz targets share: a second implementation that checks signatures and bodies without the code under test, and the
//! checks of a verified body.

use hmac::{Hmac, KeyInit, Mac};
use momento_eventbridge::{Entry, MAX_DETAIL_TYPE_CHARS};
use momento_eventbridge::Reason;
use momento_eventbridge::{QueueMessage, ReceivedBody, ReceivedMessage};
use momento_eventbridge::Verified;
use momento_eventbridge::SigningSecrets;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use sha3::Sha3_256;
use zeroize::Zeroizing;

pub const SECRETS: [&str; 2] = ["whsec-local", "another-webhook"];

pub fn secrets() -> SigningSecrets {
    let text = serde_json::to_string(&SECRETS).expect("JSON");
    SigningSecrets::parse(Zeroizing::new(text)).expect("two secrets")
}

pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha3_256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// Parses the entry of a verified body, directly and through the retry queue, and checks both.
pub fn follow(verified: &Verified) {
    let body = verified.body();
    let message = QueueMessage::new(verified, Reason::TimedOut, "TimedOut: é", i64::MAX, "id");
    let text = message.text();
    assert!(text.bytes().all(|byte| (0x20..0x80).contains(&byte)), "not one line of ASCII: {text}");
    let received = ReceivedMessage::parse(text).expect("a message that was just written");
    assert_eq!((received.reason.as_deref(), received.request_id.as_deref()), (Some("TimedOut"), Some("id")));
    let ReceivedBody::Verified(received) = received.body else { panic!("a message of version 1 is verified") };
    assert_eq!(received.body(), body);
    let parsed = Entry::parse(verified);
    assert_eq!(parsed, Entry::parse(&received), "the way through the queue changes the entry");
    match (parsed, names(body)) {
        (Ok(entry), expected) => {
            assert_eq!(entry.detail.as_bytes(), body);
            assert!(entry.detail_type().chars().count() <= MAX_DETAIL_TYPE_CHARS);
            if let Some(expected) = expected {
                let (cache, topic, time) = expected.expect("an entry has its three keys, once each");
                assert_eq!((&*entry.cache, &*entry.topic, entry.publish_timestamp), (&*cache, &*topic, time));
                let whole = format!("{cache}#{topic}");
                assert!(whole.starts_with(&entry.detail_type()));
                assert_eq!(entry.detail_type() != whole, entry.is_detail_type_cut());
            }
        }
        (Err(unmappable), expected) => {
            assert!(!matches!(expected, Some(Some(_))), "a body with its three keys is unmappable: {unmappable}");
        }
    }
}

/// Cache, topic, and time of a body, by another parser. `None` if that parser cannot decide, because it reads what the
/// handler skips; `Some(None)` if one of them is missing, is duplicated, or has the wrong type.
fn names(body: &[u8]) -> Option<Option<(String, String, i64)>> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    // serde_json reads -0 as a float, the handler as the integer that it is.
    if members.iter().any(|(key, value)| key == "publish_timestamp" && value.is_f64() && value.as_f64() == Some(0.0)) {
        return None;
    }
    let once = |name: &str| {
        let mut found = members.iter().filter(|(key, _)| key == name);
        found.next().filter(|_| found.next().is_none()).map(|(_, value)| value.clone())
    };
    let text = |name| once(name)?.as_str().map(str::to_owned);
    let read = || Some((text("cache")?, text("topic")?, once("publish_timestamp")?.as_i64()?));
    Some(read())
}

/// The members of an object, in order and including duplicates.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
