//! Unit tests and properties of [`Entry`].

use super::*;
use crate::signing::verified;
use proptest::prelude::*;

const CAPTURED: &str = r#"{"cache":"serverless","topic":"test","event_timestamp":1726292279849,"publish_timestamp":1726292279850,"topic_sequence_number":3,"token_id":"","text":"\"testfile2.txt\""}"#;

fn why(body: &[u8]) -> Unmappable {
    Entry::parse(&verified(body)).expect_err("an unmappable body")
}

#[test]
fn the_captured_body_becomes_an_entry_with_its_bytes_unchanged() {
    let verified = verified(CAPTURED.as_bytes());
    let entry = Entry::parse(&verified).unwrap();
    assert_eq!((entry.publish_timestamp, entry.topic_sequence_number), (1_726_292_279_850, Some(3)));
    assert_eq!(entry.detail_type(), "serverless#test");
    assert_eq!(entry.detail, CAPTURED);
}

#[test]
fn unknown_keys_key_order_spaces_and_numbers_are_handed_on_as_they_came() {
    for body in [
        "{ \"text\" : \"hi\", \"topic\":\"t\",\n\"cache\":\"c\", \"publish_timestamp\": 1 } ",
        r#"{"cache":"c","topic":"t","publish_timestamp":1,"trace":{"id":12345678901234567890,"r":1.10,"e":1e999}}"#,
        r#"{"cache":"c","topic":"t","publish_timestamp":1,"text":"\ud800","\udfff":1,"text":"twice"}"#,
    ] {
        assert_eq!(Entry::parse(&verified(body.as_bytes())).expect(body).detail, body);
    }
}

#[test]
fn escapes_in_names_and_keys_are_read_as_what_they_stand_for() {
    let verified = verified(br#"{"c\u0061che":"caf\u00e9","topic":"\"\ud83d\udc3f\n","publish_timestamp":-7}"#);
    let entry = Entry::parse(&verified).unwrap();
    assert_eq!(entry.detail_type(), "café#\"🐿\n");
    assert_eq!(entry.publish_timestamp, -7);
}

#[test]
fn what_is_not_one_json_object_is_unmappable() {
    for body in [
        "",
        "hello",
        "null",
        "[]",
        r#"["c","t",1]"#,
        r#""text""#,
        "{",
        r#"{"cache":"c","topic":"t","publish_timestamp":1} {}"#,
    ] {
        assert_eq!(why(body.as_bytes()), Unmappable::NotAnObject, "{body}");
    }
    assert_eq!(why(b"{\"cache\":\"\xff\",\"topic\":\"t\",\"publish_timestamp\":1}"), Unmappable::NotUtf8);
}

#[test]
fn a_key_that_is_missing_of_another_type_or_there_twice_is_unmappable() {
    for body in [
        r#"{"topic":"t","publish_timestamp":1}"#,
        r#"{"cache":"c","publish_timestamp":1}"#,
        r#"{"cache":"c","topic":"t"}"#,
        r#"{"cache":1,"topic":"t","publish_timestamp":1}"#,
        r#"{"cache":null,"topic":"t","publish_timestamp":1}"#,
        r#"{"cache":"c","topic":["t"],"publish_timestamp":1}"#,
        r#"{"cache":"\ud800","topic":"t","publish_timestamp":1}"#,
        r#"{"cache":"c","cache":"c","topic":"t","publish_timestamp":1}"#,
        r#"{"cache":"c","topic":"t","t\u006fpic":"t","publish_timestamp":1}"#,
        r#"{"cache":"c","topic":"t","publish_timestamp":1,"publish_timestamp":1}"#,
        r#"{"cache":"c","topic":"t","publish_timestamp":"1"}"#,
        r#"{"cache":"c","topic":"t","publish_timestamp":1.0}"#,
        r#"{"cache":"c","topic":"t","publish_timestamp":1e3}"#,
        r#"{"cache":"c","topic":"t","publish_timestamp":9223372036854775808}"#,
    ] {
        assert_eq!(why(body.as_bytes()), Unmappable::InvalidField, "{body}");
    }
}

#[test]
fn the_whole_range_of_a_64_bit_time_is_read_exactly() {
    for time in [i64::MIN, -1, 0, 9_007_199_254_740_993, i64::MAX] {
        let body = format!(r#"{{"cache":"c","topic":"t","publish_timestamp":{time}}}"#);
        assert_eq!(Entry::parse(&verified(body.as_bytes())).unwrap().publish_timestamp, time);
    }
}

#[test]
fn a_detail_type_is_cut_to_128_scalar_values_and_not_before() {
    for (cache, topic, cut) in [
        ("é".repeat(100), "🐿".repeat(27), false),
        ("é".repeat(100), "🐿".repeat(28), true),
        ("c".repeat(200), "t".into(), true),
    ] {
        let body = serde_json::json!({ "cache": cache, "topic": topic, "publish_timestamp": 1 }).to_string();
        let verified = verified(body.as_bytes());
        let entry = Entry::parse(&verified).unwrap();
        assert_eq!(entry.detail_type(), format!("{cache}#{topic}").chars().take(128).collect::<String>());
        assert_eq!(entry.is_detail_type_cut(), cut);
        assert_eq!(entry.detail, body);
    }
}

proptest! {
    #[test]
    fn any_names_and_any_text_survive(cache in any::<String>(), topic in any::<String>(), text in any::<String>(), time in any::<i64>()) {
        let body = serde_json::json!({ "text": text, "topic": topic, "cache": cache, "publish_timestamp": time }).to_string();
        let verified = verified(body.as_bytes());
        let entry = Entry::parse(&verified).unwrap();
        prop_assert_eq!((&*entry.cache, &*entry.topic, entry.publish_timestamp), (&*cache, &*topic, time));
        prop_assert_eq!(entry.detail, &body);
    }

    #[test]
    fn the_detail_of_an_entry_is_the_body_for_any_bytes(body in any::<Vec<u8>>()) {
        let verified = verified(&body);
        if let Ok(entry) = Entry::parse(&verified) {
            prop_assert_eq!(entry.detail.as_bytes(), &body);
        }
    }
}

#[test]
fn what_is_unmappable_has_the_name_of_its_variant_and_a_sentence() {
    for unmappable in [Unmappable::NotUtf8, Unmappable::NotAnObject, Unmappable::InvalidField] {
        assert!(unmappable.to_string().starts_with(&format!("{unmappable:?}: ")));
        assert!(unmappable.to_string().ends_with('.'), "{unmappable}");
    }
}
