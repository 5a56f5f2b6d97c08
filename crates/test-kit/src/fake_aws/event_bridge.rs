//! EventBridge: its Classic event buses (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>), or
//! in their place its Custom Event Buses.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{AwsJson, CallResult, CustomEventBuses, Protocol, RpcV2Cbor, Service, ServiceError, id, put_each};
use crate::fault::Fault;

/// Event buses and what was put on them.
#[derive(Default)]
pub struct EventBridge {
    /// The names of the event buses that exist.
    pub buses: BTreeSet<String>,
    /// The entries that are on an event bus.
    pub entries: Vec<Value>,
    /// The Custom Event Buses that exist. Where it is set, this is the API of those buses and no other.
    pub custom: Option<CustomEventBuses>,
    /// The entries that were accepted and dropped because their event bus does not exist.
    pub dropped: Vec<Value>,
    /// What DescribeEventBus adds for each event bus.
    pub description: Map<String, Value>,
}

impl EventBridge {
    /// One event bus, without entries.
    pub fn with_bus(name: &str) -> Self {
        Self { buses: [name.into()].into(), ..Self::default() }
    }

    /// One Custom Event Bus, without entries.
    pub fn with_custom_bus(arn: &str) -> Self {
        Self { custom: Some(CustomEventBuses::with_bus(arn)), ..Self::default() }
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.entries.clear();
        if let Some(custom) = &mut self.custom {
            custom.forget();
        }
    }

    fn describe(&self, input: &Value) -> CallResult {
        let name = input["Name"].as_str().unwrap_or("default");
        if !self.buses.contains(name) {
            let message = format!("Event bus {name} does not exist.");
            return Err(ServiceError::bad_request("ResourceNotFoundException", message));
        }
        let arn = format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}");
        let mut bus = self.description.clone();
        bus.extend([("Name".to_owned(), json!(name)), ("Arn".to_owned(), json!(arn))]);
        Ok(bus.into())
    }

    fn put(&mut self, input: &Value, fault: &Fault) -> CallResult {
        let entries = input["Entries"].as_array().cloned().unwrap_or_default();
        check_limits(&entries)?;
        let check = |entry: &Value| (!is_object(&entry["Detail"])).then_some("MalformedDetail");
        let (failed, results) = put_each(entries, fault, check, |entry| json!({"EventId": self.accept(entry)}));
        Ok(json!({"FailedEntryCount": failed, "Entries": results}))
    }

    fn accept(&mut self, entry: Value) -> String {
        let bus = entry["EventBusName"].as_str().unwrap_or("default");
        let accepted = if self.buses.contains(bus) { &mut self.entries } else { &mut self.dropped };
        accepted.push(entry);
        id(self.entries.len() + self.dropped.len())
    }
}

/// The limits for which EventBridge rejects a whole call.
fn check_limits(entries: &[Value]) -> Result<(), ServiceError> {
    let length = |entry: &Value, key: &str| entry[key].as_str().map_or(0, str::len);
    let size = |entry| length(entry, "Source") + length(entry, "DetailType") + length(entry, "Detail");
    let reject = |why: &str| Err(ServiceError::bad_request("ValidationException", why));
    if entries.is_empty() || entries.len() > 10 {
        return reject("Entries must be 1 to 10.");
    }
    if entries.iter().map(size).sum::<usize>() >= 1024 * 1024 {
        return reject("Total size of the entries in the request is over the limit.");
    }
    if entries.iter().any(|entry| entry["DetailType"].as_str().is_none_or(|text| text.chars().count() > 128)) {
        return reject("DetailType must be at most 128 characters.");
    }
    Ok(())
}

/// Accepts numbers, escapes and depths that a `Value` cannot hold.
fn is_object(detail: &Value) -> bool {
    let parsed = detail.as_str().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    parsed.is_some_and(|json| json.get().starts_with('{'))
}

impl Service for EventBridge {
    fn protocol(&self) -> &'static dyn Protocol {
        if self.custom.is_some() { &RpcV2Cbor } else { &AwsJson }
    }

    fn name(&self) -> &'static str {
        if self.custom.is_some() { "AWSEventsV2" } else { "AWSEvents" }
    }

    fn authenticate(&mut self, access_key: &str, at: Instant) {
        if let Some(custom) = &mut self.custom {
            custom.authenticate(access_key, at);
        }
    }

    fn call(&mut self, operation: &str, input: &Value, fault: &Fault) -> CallResult {
        if let Some(custom) = &mut self.custom {
            return custom.call(operation, input, fault, &mut self.entries);
        }
        match operation {
            "PutEvents" => self.put(input, fault),
            "DescribeEventBus" => self.describe(input),
            _ => Err(ServiceError::unknown_operation(operation)),
        }
    }
}
