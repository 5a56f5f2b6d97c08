//! EventBridge's Custom Event Buses (API EventBridgeV2), with their deduplication:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-custom-bus-ordering.html>.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{CallResult, ServiceError, id, put_each};
use crate::fault::Fault;

/// How long a repeat of an accepted entry is suppressed.
pub const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(300);

/// The largest request, counted over everything that its entries send.
const MAX_BYTES: usize = 1_048_576;

/// Custom Event Buses, and which entries they accepted.
#[derive(Default)]
pub struct CustomEventBuses {
    /// The ARNs of the buses that exist, with their states.
    pub buses: BTreeMap<String, &'static str>,
    /// The number of repeats that were suppressed.
    pub suppressed: usize,
    published: usize,
    accepted: HashMap<DeduplicationKey, Instant>,
    caller: String,
    called_at: Option<Instant>,
    /// How far the clock of this fake is ahead of the real one.
    ahead: Duration,
}

/// What a repeat has in common with the entry that it repeats.
#[derive(PartialEq, Eq, Hash)]
struct DeduplicationKey {
    account: String,
    bus: String,
    group: Option<String>,
    id: String,
}

impl CustomEventBuses {
    /// One bus that takes events.
    pub fn with_bus(arn: &str) -> Self {
        Self { buses: [(arn.to_owned(), "ACTIVE")].into(), ..Self::default() }
    }

    /// Lets this much time pass for the deduplication.
    pub fn advance(&mut self, time: Duration) {
        self.ahead += time;
    }

    /// Forgets which entries were accepted.
    pub(super) fn forget(&mut self) {
        self.accepted.clear();
    }

    /// Learns who makes the next call, and when. Here, an access key stands for an account.
    pub(super) fn authenticate(&mut self, access_key: &str, at: Instant) {
        self.caller = access_key.to_owned();
        self.called_at = Some(at);
    }

    /// Executes a call, which adds to the entries on the buses.
    pub(super) fn call(
        &mut self,
        operation: &str,
        input: &Value,
        fault: &Fault,
        entries: &mut Vec<Value>,
    ) -> CallResult {
        match operation {
            "PutEvents" => self.put(input, fault, entries),
            "DescribeEventBus" => self.describe(input),
            _ => Err(ServiceError::unknown_operation(operation)),
        }
    }

    fn describe(&self, input: &Value) -> CallResult {
        check_members("the request", input, &["EventBusArn"])?;
        let (arn, state) = self.bus(input)?;
        let name = arn.split('/').nth(1).expect("an ARN with a name");
        Ok(json!({
            "EventBusArn": arn,
            "Name": name,
            "State": state,
            "StorageConfiguration": {"RetentionPeriodInDays": 1},
            "CreationTime": 1_790_000_000.5,
            "LastModifiedTime": 1_790_000_000.5,
        }))
    }

    fn put(&mut self, input: &Value, fault: &Fault, on_the_bus: &mut Vec<Value>) -> CallResult {
        check_members("the request", input, &["EventBusArn", "Entries"])?;
        let entries = input["Entries"].as_array().cloned().unwrap_or_default();
        check_entries(&entries)?;
        let (arn, state) = self.bus(input)?;
        if !["ACTIVE", "UPDATING", "UPDATE_FAILED"].contains(&state) {
            let message = format!("The event bus is {state}.");
            return Err(ServiceError::new(409, "InvalidStateException", message));
        }
        let check = |entry: &Value| (!is_json(&entry["Detail"])).then_some("VALIDATION_ERROR");
        let (failed, results) = put_each(entries, fault, check, |entry| self.accept(&arn, entry, on_the_bus));
        // AWS documents that the count may be absent where every entry was accepted.
        let mut output = json!({"Entries": results});
        if failed > 0 {
            output["FailedEntryCount"] = failed.into();
        }
        Ok(output)
    }

    /// AWS does not say which id the result of a repeat has, so here it has none.
    fn accept(&mut self, arn: &str, mut entry: Value, on_the_bus: &mut Vec<Value>) -> Value {
        let now = self.called_at.expect("a call with a time") + self.ahead;
        let metadata = |name: &str| entry["SystemMetadata"][name].as_str().map(str::to_owned);
        if let Some(id) = metadata("DeduplicationId") {
            let (account, bus, group) = (self.caller.clone(), arn.to_owned(), metadata("EventGroupId"));
            let key = DeduplicationKey { account, bus, group, id };
            if self.accepted.get(&key).is_some_and(|at| now < *at + DEDUPLICATION_WINDOW) {
                self.suppressed += 1;
                return json!({"SuccessCode": "DEDUPLICATED"});
            }
            self.accepted.insert(key, now);
        }
        entry["EventBusArn"] = arn.into();
        on_the_bus.push(entry);
        self.published += 1;
        let number = self.published;
        json!({"EventId": id(number), "SequenceNumber": format!("{number:020}"), "SuccessCode": "PUBLISHED"})
    }

    /// The bus that a request names.
    fn bus(&self, input: &Value) -> Result<(String, &'static str), ServiceError> {
        let arn = input["EventBusArn"].as_str().unwrap_or_default();
        if !is_arn(arn) {
            return Err(invalid("EventBusArn must be the ARN of a Custom Event Bus."));
        }
        let message = || format!("Event bus {arn} does not exist.");
        let not_found = || ServiceError::new(404, "ResourceNotFoundException", message());
        self.buses.get_key_value(arn).map(|(arn, state)| (arn.clone(), *state)).ok_or_else(not_found)
    }
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::bad_request("InvalidInputException", message)
}

/// The service ignores other members. A test must not pass because of that.
fn check_members(what: &str, value: &Value, known: &[&str]) -> Result<(), ServiceError> {
    let empty = Map::new();
    let members = value.as_object().unwrap_or(&empty);
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(&format!("There is no member {name} in {what}."))),
        None => Ok(()),
    }
}

/// The limits of the service's model, for which it rejects a whole request.
fn check_entries(entries: &[Value]) -> Result<(), ServiceError> {
    if entries.is_empty() || entries.len() > 100 {
        return Err(invalid("Entries must be 1 to 100."));
    }
    let mut bytes = 0;
    for entry in entries {
        check_members("an entry", entry, &["Source", "DetailType", "Detail", "Resources", "Time", "SystemMetadata"])?;
        let metadata = &entry["SystemMetadata"];
        check_members("SystemMetadata", metadata, &["DeduplicationId", "EventGroupId"])?;
        let has_length =
            |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
        let is_absent_or_has_length = |value: &Value| value.is_null() || has_length(value, 128);
        let group = &metadata["EventGroupId"];
        let id = &metadata["DeduplicationId"];
        if !has_length(&entry["Source"], 256) || entry["Source"].as_str().is_some_and(|text| text.starts_with("aws.")) {
            return Err(invalid("Source must have 1 to 256 characters and not begin with aws."));
        }
        if !has_length(&entry["DetailType"], 128) {
            return Err(invalid("DetailType must have 1 to 128 characters."));
        }
        if !is_absent_or_has_length(group) || !is_absent_or_has_length(id) {
            return Err(invalid("EventGroupId and DeduplicationId must have 1 to 128 characters."));
        }
        if id.as_str().is_some_and(|id| id.trim().is_empty()) {
            return Err(invalid("DeduplicationId must not be blank."));
        }
        let texts = [&entry["Source"], &entry["DetailType"], &entry["Detail"], group, id];
        bytes += texts.iter().filter_map(|text| text.as_str()).map(str::len).sum::<usize>();
    }
    if bytes > MAX_BYTES {
        return Err(invalid("The total size of the entries is over the limit."));
    }
    Ok(())
}

/// Accepts numbers, escapes and depths that a `Value` cannot hold.
fn is_json(detail: &Value) -> bool {
    detail.as_str().is_some_and(|detail| serde_json::from_str::<&RawValue>(detail).is_ok())
}

fn is_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "events", _, account, resource] = parts[..] else { return false };
    let parts: Vec<&str> = resource.split('/').collect();
    let ["event-busv2", name, id] = parts[..] else { return false };
    account.len() == 12 && !name.is_empty() && id.len() == 25
}
