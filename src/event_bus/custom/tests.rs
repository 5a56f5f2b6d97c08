use super::*;
use crate::event_bus::tests::id_or_code;
use crate::signing::verified;

fn published(id: &str) -> PutEventsResultEntry {
    PutEventsResultEntry::builder().event_id(id).success_code(SuccessCode::Published).build()
}

fn failed(code: &str) -> PutEventsResultEntry {
    PutEventsResultEntry::builder().error_code(code).error_message("Why.").build()
}

fn output(entries: Vec<PutEventsResultEntry>) -> PutEventsOutput {
    PutEventsOutput::builder().set_entries(Some(entries)).build()
}

fn codes(output: &PutEventsOutput, count: usize) -> Vec<String> {
    results(output, count).into_iter().map(id_or_code).collect()
}

#[test]
fn an_entry_is_the_body_byte_for_byte_with_its_digest_and_its_topic() {
    let body = r#"{ "cache":"caf\u00e9", "topic":"t","publish_timestamp":1}"#;
    let verified = verified(body.as_bytes());
    let entry = request_entry(&Entry::parse(&verified).unwrap()).unwrap();
    assert_eq!((entry.source(), entry.detail_type(), entry.detail()), ("Momento", "café#t", Some(body)));
    let metadata = entry.system_metadata().unwrap();
    // printf '%s' '{ "cache":"caf\u00e9", "topic":"t","publish_timestamp":1}' | sha256sum
    let digest = "565903dab7ae6c86aa6f2c5457599de159c411378025864ce96f8326539b677d";
    assert_eq!((metadata.deduplication_id(), metadata.event_group_id()), (Some(digest), Some("café#t")));
    assert_eq!((entry.time(), entry.resources().len()), (None, 0));
}

#[test]
fn each_entry_has_the_result_in_its_place() {
    let mixed = output(vec![published("a"), failed("ThrottlingException"), published("c")]);
    assert_eq!(codes(&mixed, 3), ["a", "ThrottlingException", "c"]);
}

#[test]
fn a_repeat_is_delivered_with_or_without_an_event_id() {
    let repeat = |builder: aws_sdk_eventbridgev2::types::builders::PutEventsResultEntryBuilder| {
        result(&builder.success_code(SuccessCode::Deduplicated).build())
    };
    let delivered = |event_id| Ok(Delivered { event_id, is_repeat: true });
    assert_eq!(repeat(PutEventsResultEntry::builder()), delivered(None));
    assert_eq!(repeat(PutEventsResultEntry::builder().event_id("a")), delivered(Some("a".to_owned())));
    assert_eq!(result(&published("a")), Ok(Delivered { event_id: Some("a".to_owned()), is_repeat: false }));
}

#[test]
fn what_has_no_known_code_of_success_is_not_delivered() {
    let with_id = || PutEventsResultEntry::builder().event_id("a");
    assert_eq!(codes(&output(vec![]), 1), ["NotConfirmed"]);
    assert_eq!(codes(&output(vec![with_id().build()]), 1), ["NotConfirmed"]);
    assert_eq!(codes(&output(vec![with_id().success_code("LATER".into()).build()]), 1), ["NotConfirmed"]);
    assert_eq!(codes(&output(vec![published("a")]), 2), ["a", "NotConfirmed"]);
    let both = with_id().success_code(SuccessCode::Published).error_code("VALIDATION_ERROR").build();
    assert_eq!(codes(&output(vec![both]), 1), ["VALIDATION_ERROR"]);
}

#[test]
fn only_a_code_that_blames_the_entry_is_permanent() {
    for (code, is_retryable) in [
        ("VALIDATION_ERROR", false),
        ("EVENT_GROUP_THROTTLED", true),
        ("InternalFailure", true),
        ("AccessDeniedException", true),
    ] {
        let error = ServiceError { is_transient: is_retryable, ..ServiceError::new(code, "Why.") };
        assert_eq!(result(&failed(code)), Err(PutError::Entry(error)));
    }
}
