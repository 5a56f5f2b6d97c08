use super::*;
use aws_sdk_eventbridge::types::PutEventsResultEntry;

use crate::event_bus::tests::id_or_code;

fn confirmed(id: &str) -> PutEventsResultEntry {
    PutEventsResultEntry::builder().event_id(id).build()
}

fn failed(code: &str) -> PutEventsResultEntry {
    PutEventsResultEntry::builder().error_code(code).error_message("Why.").build()
}

fn output(failed: i32, entries: Vec<PutEventsResultEntry>) -> PutEventsOutput {
    PutEventsOutput::builder().failed_entry_count(failed).set_entries(Some(entries)).build()
}

fn codes(output: &PutEventsOutput, count: usize) -> Vec<String> {
    results(output, count).into_iter().map(id_or_code).collect()
}

fn request_entry(trace_header: Option<&str>) -> PutEventsRequestEntry {
    let config = aws_sdk_eventbridge::Config::builder().behavior_version_latest().build();
    let bus = ClassicBus::new(Client::from_conf(config), "orders".to_owned());
    let detail = r#"{ "cache":"caf\u00e9", "topic":"t","publish_timestamp":1}"#;
    let verified = crate::signing::verified(detail.as_bytes());
    let entry = bus.request_entry(&Entry::parse(&verified).unwrap(), trace_header);
    assert_eq!(entry.detail(), Some(detail));
    entry
}

#[test]
fn an_entry_is_the_body_byte_for_byte_for_the_configured_bus() {
    let entry = request_entry(Some("Root=1-2-3"));
    assert_eq!(entry.source(), Some("Momento"));
    assert_eq!(entry.detail_type(), Some("café#t"));
    assert_eq!(entry.event_bus_name(), Some("orders"));
    assert_eq!(entry.trace_header(), Some("Root=1-2-3"));
    assert_eq!((entry.time(), entry.resources().len()), (None, 0));
}

#[test]
fn a_trace_header_that_event_bridge_would_refuse_is_left_out() {
    for header in ["", &"x".repeat(501)] {
        assert_eq!(request_entry(Some(header)).trace_header(), None);
    }
    assert!(request_entry(Some(&"x".repeat(500))).trace_header().is_some());
}

#[test]
fn only_an_arn_names_the_account_of_a_bus() {
    assert_eq!(account_of("arn:aws:events:eu-west-1:123456789012:event-bus/orders"), Some("123456789012"));
    assert_eq!(account_of("arn:aws:lambda:eu-west-1:123456789012:function:webhook"), Some("123456789012"));
    assert_eq!(account_of("orders"), None);
    assert_eq!(account_of(""), None);
}

#[test]
fn each_entry_has_the_result_in_its_place() {
    let mixed = output(1, vec![confirmed("a"), failed("ThrottlingException"), confirmed("c")]);
    assert_eq!(codes(&mixed, 3), ["a", "ThrottlingException", "c"]);
}

#[test]
fn what_is_not_confirmed_is_not_delivered() {
    assert_eq!(codes(&output(0, vec![]), 1), ["NotConfirmed"]);
    assert_eq!(codes(&output(1, vec![confirmed("a")]), 1), ["NotConfirmed"]);
    assert_eq!(codes(&output(0, vec![PutEventsResultEntry::builder().build()]), 1), ["NotConfirmed"]);
    assert_eq!(codes(&output(0, vec![confirmed("a")]), 2), ["a", "NotConfirmed"]);
}

#[test]
fn the_code_of_a_failed_entry_decides_whether_it_is_retryable() {
    for (code, worth) in [
        ("InternalFailure", true),
        ("InternalException", true),
        ("ThrottlingException", true),
        ("AccessDeniedException", false),
        ("InvalidArgument", false),
        ("MalformedDetail", false),
        ("NotAuthorizedForSourceException", false),
    ] {
        assert_eq!(ServiceError::new(code, "").is_transient, worth, "{code}");
    }
}
