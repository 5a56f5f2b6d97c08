//! EventBridge, SQS and Secrets Manager: the fakes of the test kit, and what the operator does to them.

use std::time::{Duration, Instant};

use serde_json::Value;
use test_kit::fake_aws::{EventBridge, Exchange, SecretsManager, Sqs, Version, exchange};
use test_kit::fault::Fault;
use test_kit::server::Request;

use crate::fault::ServiceName;
use crate::operator::{Access, Action};
use crate::process::EPOCH;

/// The name of the Classic bus, and the ARN of the Custom Event Bus.
pub const CLASSIC_BUS: &str = "orders";
pub const CUSTOM_BUS: &str = "arn:aws:events:us-east-1:123456789012:event-busv2/orders/abcdefghijklmnopqrstuvwxy";

/// How old an `AWSPENDING` version may be to mark a rotation, in milliseconds.
pub const ROTATION: i64 = 1_800_000;

/// The services of one life.
pub struct Services {
    pub event_bridge: EventBridge,
    pub sqs: Sqs,
    pub secrets_manager: SecretsManager,
    pub access: Access,
    is_custom: bool,
    began: Instant,
}

/// The labels of the secret at one moment.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    pub current: Option<Labelled>,
    pub previous: Option<Labelled>,
    pub is_rotating: bool,
}

/// A version of the secret.
#[derive(Debug, Clone)]
pub struct Labelled {
    pub text: String,
    /// As Unix time in milliseconds.
    pub created_at: i64,
}

impl Labelled {
    /// Whether it is a secret, and not JSON that is cut.
    pub fn is_valid(&self) -> bool {
        !self.text.starts_with('{')
    }

    /// Whether it holds this secret.
    pub fn holds(&self, secret: &str) -> bool {
        self.text == secret || (self.text.starts_with('[') && self.text.contains(&format!("\"{secret}\"")))
    }
}

impl Services {
    pub fn new(is_custom: bool, secret: &str) -> Self {
        let event_bridge =
            if is_custom { EventBridge::with_custom_bus(CUSTOM_BUS) } else { EventBridge::with_bus(CLASSIC_BUS) };
        let mut secrets_manager = SecretsManager::default();
        secrets_manager.rotate(secret, seconds(-86_400_000 * 30));
        Self {
            event_bridge,
            sqs: Sqs::default(),
            secrets_manager,
            access: Access::All,
            is_custom,
            began: Instant::now(),
        }
    }

    /// Executes the call in a request that arrives at this time of the life.
    pub fn execute(&mut self, service: ServiceName, request: Request, now: i64, fault: Fault) -> Exchange {
        let request = Request { arrived: self.began + Duration::from_millis(now.max(0).unsigned_abs()), ..request };
        match service {
            ServiceName::EventBridge => exchange(&mut self.event_bridge, &request, |_, _| fault),
            ServiceName::Sqs => exchange(&mut self.sqs, &request, |_, _| fault),
            ServiceName::SecretsManager => {
                let access = self.access;
                exchange(&mut self.secrets_manager, &request, |_, input| match fault {
                    Fault::None | Fault::Slow(_) => denial(access, input).unwrap_or(fault),
                    fault => fault,
                })
            }
        }
    }

    /// Does what the operator does to AWS at this time of the life.
    pub fn act(&mut self, action: &Action, now: i64) {
        match action {
            Action::Store(text) => self.secrets_manager.rotate(text, seconds(now)),
            Action::PromoteOlder(text, age) => self.secrets_manager.rotate(text, seconds(now - age)),
            Action::LabelPending => self.secrets_manager.label_pending("rotating", seconds(now)),
            Action::RemovePending => drop(self.secrets_manager.stages.remove("AWSPENDING")),
            Action::PromotePending(text) => {
                let stages = &mut self.secrets_manager.stages;
                if let Some(pending) = stages.get("AWSPENDING").cloned()
                    && let Some(current) = stages.remove("AWSCURRENT")
                {
                    let promoted = Version { value: ("SecretString", text.clone()), ..pending };
                    stages.insert("AWSPENDING", promoted.clone());
                    stages.insert("AWSCURRENT", promoted);
                    stages.insert("AWSPREVIOUS", current);
                }
            }
            Action::MoveBack => {
                let stages = &mut self.secrets_manager.stages;
                if let Some(previous) = stages.remove("AWSPREVIOUS")
                    && let Some(current) = stages.remove("AWSCURRENT")
                {
                    stages.insert("AWSCURRENT", previous);
                    stages.insert("AWSPREVIOUS", current);
                }
            }
            Action::AllowReads(access) => self.access = *access,
            Action::DeleteBus => self.set_bus(false),
            Action::CreateBus => self.set_bus(true),
            Action::MomentoSignsWith(_) | Action::Deploy | Action::RedriveDeadLetters | Action::SendOtherMessages => {}
        }
    }

    /// The labels of the secret at this time of the life.
    pub fn labels(&self, now: i64) -> Labels {
        let stages = &self.secrets_manager.stages;
        let labelled = |label: &str| {
            let version = stages.get(label)?;
            Some(Labelled { text: version.value.1.clone(), created_at: (version.created * 1000.0) as i64 })
        };
        let pending = stages.get("AWSPENDING");
        let is_other = pending.map(|version| &version.id) != stages.get("AWSCURRENT").map(|version| &version.id);
        let is_recent = labelled("AWSPENDING").is_some_and(|version| EPOCH + now - version.created_at <= ROTATION);
        Labels {
            current: labelled("AWSCURRENT"),
            previous: labelled("AWSPREVIOUS"),
            is_rotating: is_other && is_recent,
        }
    }

    /// Takes the messages that were sent to the queue since the last time.
    pub fn take_messages(&mut self) -> Vec<String> {
        self.sqs.messages.drain(..).map(|message| message.body).collect()
    }

    /// The details of the entries on the bus.
    pub fn details(&self) -> impl Iterator<Item = &str> {
        self.event_bridge.entries.iter().map(|entry| entry["Detail"].as_str().unwrap_or_default())
    }

    /// Takes the details of the entries that were put on a bus that does not exist.
    pub fn take_dropped(&mut self) -> Vec<Vec<u8>> {
        let detail = |entry: Value| entry["Detail"].as_str().unwrap_or_default().as_bytes().to_vec();
        self.event_bridge.dropped.drain(..).map(detail).collect()
    }

    /// Whether the bus exists.
    pub fn has_bus(&self) -> bool {
        match &self.event_bridge.custom {
            Some(custom) => custom.buses.contains_key(CUSTOM_BUS),
            None => self.event_bridge.buses.contains(CLASSIC_BUS),
        }
    }

    fn set_bus(&mut self, exists: bool) {
        match (&mut self.event_bridge.custom, exists) {
            (Some(custom), true) => drop(custom.buses.insert(CUSTOM_BUS.to_owned(), "ACTIVE")),
            (Some(custom), false) => drop(custom.buses.remove(CUSTOM_BUS)),
            (None, true) => drop(self.event_bridge.buses.insert(CLASSIC_BUS.to_owned())),
            (None, false) => drop(self.event_bridge.buses.remove(CLASSIC_BUS)),
        }
    }

    /// The value of `EVENT_BUS_NAME`.
    pub fn bus_name(&self) -> &'static str {
        if self.is_custom { CUSTOM_BUS } else { CLASSIC_BUS }
    }
}

/// What Secrets Manager answers while a version may not be read.
fn denial(access: Access, input: &Value) -> Option<Fault> {
    let is_pending = input["VersionStage"] == "AWSPENDING";
    match access {
        Access::All => None,
        Access::AllButPending if !is_pending => None,
        Access::AllButPending | Access::Nothing => Some(Fault::Error(400, "AccessDeniedException")),
        Access::Deleted => Some(Fault::Error(400, "InvalidRequestException")),
    }
}

fn seconds(now: i64) -> f64 {
    (EPOCH + now) as f64 / 1000.0
}
