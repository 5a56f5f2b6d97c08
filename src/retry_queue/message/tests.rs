//! Unit tests of [`QueueMessage`] and [`ReceivedMessage`].

use super::*;
use crate::event::Entry;
use crate::signing::CannotBeJudged;
use crate::signing::verified;
use proptest::prelude::*;

fn message(body: &[u8]) -> String {
    let error = "InternalFailure: Später\nnoch \"einmal\".";
    QueueMessage::new(&verified(body), Reason::EntryFailed, error, 1_726_292_279_850, "8476a536-e9f4").text().to_owned()
}

fn body_of(message: &str) -> Vec<u8> {
    match ReceivedMessage::parse(message).unwrap().body {
        ReceivedBody::Verified(verified) => verified.body().to_vec(),
        ReceivedBody::Unverified(..) => panic!("version 1 is verified"),
    }
}

fn is_one_ascii_line(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x80).contains(&byte))
}

#[test]
fn the_message_has_the_contracts_keys_in_its_order() {
    let text = message(r#"{"a":"é🐿\u0000 and enough of plain text"}"#.as_bytes());
    assert_eq!(
        text,
        r#"{"version":1,"reason":"EntryFailed","error":"InternalFailure: Sp\u00e4ter\nnoch \"einmal\".","receivedAt":1726292279850,"requestId":"8476a536-e9f4","body":"{\"a\":\"\u00e9\ud83d\udc3f\\u0000 and enough of plain text\"}"}"#
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_kept_as_base64() {
    assert!(message(b"\xff\xfe").ends_with(r#","bodyBase64":"//4="}"#));
}

#[test]
fn any_body_of_180_000_bytes_fits_one_log_record() {
    for body in ["x", "\u{1}", "\"", "é", "\u{ffff}", "\\"].map(|unit| unit.repeat(180_000 / unit.len())) {
        let text = message(body.as_bytes());
        assert!(text.len() < 245_000, "{}", text.len());
        assert_eq!(body_of(&text), body.as_bytes());
    }
}

#[test]
fn a_message_that_cannot_be_read_says_why_and_quotes_nothing() {
    let with = |members: &str| {
        format!(r#"{{"version":1,"reason":"TimedOut","error":"","receivedAt":1,"requestId":""{members}}}"#)
    };
    for (text, why) in [
        ("", Unreadable::NotAQueueMessage),
        ("[]", Unreadable::NotAQueueMessage),
        (&with(r#","body":1"#), Unreadable::NotAQueueMessage),
        (&with(r#","body":"a""#).replace(":1,\"reason", ":3,\"reason"), Unreadable::UnknownVersion),
        (&with(""), Unreadable::NoBody),
        (&with(r#","body":"a","bodyBase64":"YQ==""#), Unreadable::NoBody),
        (&with(r#","bodyBase64":"*""#), Unreadable::NoBody),
    ] {
        let error = ReceivedMessage::parse(text).unwrap_err();
        assert_eq!(error, why, "{text}");
        assert!(error.to_string().starts_with(&format!("{why:?}: ")), "{error}");
    }
}

#[test]
fn unknown_reasons_and_keys_are_accepted() {
    for members in [
        r#""reason":"OfNextYear","error":"","receivedAt":1,"requestId":"""#,
        r#""reason":7,"error":{"code":"X"},"receivedAt":1,"requestId":["a"],"shard":3"#,
        r#""new":null"#,
    ] {
        let text = format!(r#"{{"version":1,{members},"body":"a"}}"#);
        assert_eq!(body_of(&text), b"a", "{text}");
    }
    let text = r#"{"version":1,"reason":"OfNextYear","requestId":"id","body":"a"}"#;
    let received = ReceivedMessage::parse(text).unwrap();
    assert_eq!((received.reason.as_deref(), received.request_id.as_deref()), (Some("OfNextYear"), Some("id")));
}

#[test]
fn a_request_that_is_not_verified_keeps_its_signature_and_is_read_back_unverified() {
    let signature = "f83d7ddd214ef5238571299f2a6d4136f79aa637f55001a30ed374ec566e87a6";
    let mut signed = Signed { body: b"{}".to_vec(), signature: [0; SIGNATURE_BYTES] };
    hex::decode_to_slice(signature, &mut signed.signature).unwrap();
    let message = QueueMessage::unverified(&signed, &denied(), 1_726_292_279_850, "id");
    assert_eq!(
        message.text(),
        format!(
            r#"{{"version":2,"reason":"SecretUnavailable","error":"AccessDeniedException: No.","receivedAt":1726292279850,"requestId":"id","body":"{{}}","signature":"{signature}"}}"#
        )
    );
    let ReceivedBody::Unverified(read, received_at) = ReceivedMessage::parse(message.text()).unwrap().body else {
        panic!("version 2 is not verified");
    };
    assert_eq!((read.body, read.signature, received_at), (signed.body, signed.signature, 1_726_292_279_850));
}

#[test]
fn a_request_without_a_whole_signature_or_a_time_is_unreadable() {
    let signature = "0".repeat(64);
    for members in [
        String::new(),
        format!(r#","signature":"{signature}""#),
        r#","receivedAt":1"#.to_owned(),
        format!(r#","receivedAt":1,"signature":"{}""#, &signature[1..]),
        format!(r#","receivedAt":"1","signature":"{signature}""#),
    ] {
        let text = format!(r#"{{"version":2,"body":"a"{members}}}"#);
        assert_eq!(ReceivedMessage::parse(&text).unwrap_err(), Unreadable::NotAQueueMessage, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_come_out_of_the_queue_as_they_went_in(body in any::<Vec<u8>>()) {
        let text = message(&body);
        prop_assert!(is_one_ascii_line(&text), "{text}");
        prop_assert_eq!(body_of(&text), body);
    }

    #[test]
    fn any_text_comes_out_of_the_queue_as_it_went_in(body in any::<String>()) {
        let text = message(body.as_bytes());
        prop_assert!(is_one_ascii_line(&text), "{text}");
        prop_assert_eq!(body_of(&text), body.as_bytes());
    }

    #[test]
    fn the_shorter_of_the_two_forms_is_written(body in any::<String>()) {
        let escaped = to_ascii_json(&body).len();
        let encoded = base64::encode(&body).len() + 2 + "Base64".len();
        prop_assert_eq!(message(body.as_bytes()).contains(r#""bodyBase64""#), encoded < escaped);
    }

    #[test]
    fn the_entry_out_of_the_queue_is_the_one_that_the_handler_would_have_put(cache in any::<String>(), topic in any::<String>(), text in any::<String>()) {
        let body = serde_json::json!({ "cache": cache, "topic": topic, "publish_timestamp": 1, "text": text }).to_string();
        let (direct, received) = (verified(body.as_bytes()), Verified::from_queue(body_of(&message(body.as_bytes()))));
        prop_assert_eq!(Entry::parse(&direct).unwrap(), Entry::parse(&received).unwrap());
    }
}

fn denied() -> CannotBeJudged {
    CannotBeJudged::SecretUnavailable("AccessDeniedException: No.".into())
}
