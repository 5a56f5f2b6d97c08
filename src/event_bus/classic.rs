//! The default bus and the buses that EventBridge now calls *Classic*.

mod existence;
mod probe;

use std::sync::Arc;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use tokio::time::timeout_at;

use super::{CallLimits, Delivered, PutError, Results};
use crate::budget::{self, Deadline};
use crate::entry::{Entry, SOURCE};
use crate::retry::{CallError, ServiceError};
use probe::Probe;

/// The longest trace header that EventBridge allows, in characters.
const MAX_TRACE_HEADER_CHARS: usize = 500;

/// EventBridge's limits for a call; its size in the smaller reading of 1 MB.
pub(super) const CALL_LIMITS: CallLimits = CallLimits { entries: 10, bytes: 1_000_000, metadata_bytes: 0 };

#[derive(Debug)]
pub(super) struct ClassicBus {
    client: Client,
    name: String,
    /// The account in the name, if that is an ARN.
    account: Option<String>,
    probe: Arc<Probe>,
}

impl ClassicBus {
    pub(super) fn new(client: Client, name: String) -> Self {
        let account = account_of(&name).map(str::to_owned);
        let probe = Arc::new(Probe::new(client.clone(), name.clone()));
        Self { client, name, account, probe }
    }

    /// Begins to check whether the bus exists, which also opens the connection that the first event will use, and waits for
    /// the answer until the deadline.
    pub(super) async fn connect(&self, deadline: Deadline) {
        self.probe.begin_check();
        self.probe.known(deadline).await;
    }

    /// Fails while the bus is known to be missing. Checks that again if it is due, beside the put that comes next; only while
    /// the bus is missing, waits for the answer.
    pub(super) async fn check(&self, function_arn: &str, deadline: Deadline) -> Result<(), PutError> {
        if self.is_of_another_account(function_arn) {
            return Ok(());
        }
        self.probe.begin_check();
        if self.probe.is_missing() {
            self.probe.answered(deadline.at_most(budget::DESCRIBE_BUS)).await;
        }
        self.fail_if_missing(function_arn)
    }

    /// Asks now whether the bus exists; fails if it doesn't, or if EventBridge does not say.
    pub(super) async fn check_now(&self, function_arn: &str, deadline: Deadline) -> Result<(), PutError> {
        if self.is_of_another_account(function_arn) || self.probe.is_denied() {
            return Ok(());
        }
        let answer = timeout_at(deadline.instant(), self.probe.check()).await;
        self.fail_if_missing(function_arn)?;
        let answer = answer.unwrap_or(Err(CallError::TimedOut));
        answer.map(drop).map_err(PutError::BusUnknown)
    }

    /// Fails while the bus is known to be missing. A bus of another account than the function's never is: AWS doesn't document
    /// what it returns for one.
    pub(super) fn fail_if_missing(&self, function_arn: &str) -> Result<(), PutError> {
        if self.probe.is_missing() && !self.is_of_another_account(function_arn) {
            return Err(PutError::BusNotFound("The event bus does not exist.".to_owned()));
        }
        Ok(())
    }

    pub(super) async fn put(&self, entries: &[Entry<'_>], trace_header: Option<&str>) -> Result<Results, CallError> {
        let request = entries.iter().map(|entry| self.request_entry(entry, trace_header)).collect();
        let output = self.client.put_events().set_entries(Some(request)).send().await?;
        Ok(results(&output, entries.len()))
    }

    /// `Time` and `Resources` are left unset, and so is a trace header that EventBridge would refuse.
    fn request_entry(&self, entry: &Entry<'_>, trace_header: Option<&str>) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(entry.detail_type())
            .detail(entry.detail)
            .event_bus_name(&self.name)
            .set_trace_header(trace_header.filter(|header| is_trace_header(header)).map(str::to_owned))
            .build()
    }

    fn is_of_another_account(&self, function_arn: &str) -> bool {
        match (&self.account, account_of(function_arn)) {
            (Some(bus), Some(function)) => bus != function,
            _ => false,
        }
    }
}

/// The account of an ARN; `None` for a name.
fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

fn is_trace_header(header: &str) -> bool {
    !header.is_empty() && header.chars().count() <= MAX_TRACE_HEADER_CHARS
}

/// The result of each entry. It counts as delivered only if EventBridge says so.
fn results(output: &PutEventsOutput, count: usize) -> Results {
    let is_failure_unnamed =
        output.failed_entry_count() > 0 && output.entries().iter().all(|entry| entry.error_code().is_none());
    let result = |place: usize| {
        let Some(entry) = output.entries().get(place).filter(|_| !is_failure_unnamed) else {
            return Err(PutError::NotConfirmed);
        };
        match (entry.error_code(), entry.event_id()) {
            (Some(code), _) => {
                let message = entry.error_message().unwrap_or("EventBridge gave no message.");
                Err(PutError::Entry(ServiceError::new(code, message)))
            }
            (None, Some(event_id)) => Ok(Delivered { event_id: Some(event_id.to_owned()), is_repeat: false }),
            (None, None) => Err(PutError::NotConfirmed),
        }
    };
    (0..count).map(result).collect()
}

#[cfg(test)]
mod tests {
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
        let verified = crate::signing::signature::tests::verified(detail.as_bytes());
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
    fn the_account_of_a_bus_is_told_by_its_arn_alone() {
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
}
