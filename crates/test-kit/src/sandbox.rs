//! The fakes of AWS, the environment variables, and a function that is started with them.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::fake_aws::{Endpoint, EventBridge, SecretsManager, Sqs};
use crate::momento;
use crate::process::{Environment, Process, binary_under_test};
use crate::runtime_api::{Response, RuntimeApi};
use crate::server::Options;
use crate::tls::Authority;

/// Far longer than any response takes, even under an emulator or a profiler.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of the Classic event bus.
pub const BUS: &str = "events";

/// The ARN of the Custom Event Bus.
pub const CUSTOM_BUS: &str = "arn:aws:events:us-east-1:000000000000:event-busv2/events/abcdefghijklmnopqrstuvwxy";

/// The kinds of event bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// The bus [`BUS`].
    Classic,
    /// The bus [`CUSTOM_BUS`].
    Custom,
}

impl Bus {
    /// For `EVENT_BUS_NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => BUS,
            Self::Custom => CUSTOM_BUS,
        }
    }

    /// The entry that a fake EventBridge keeps of an event on this bus. It is made without code of `src/`.
    pub fn entry(self, detail_type: &str, detail: &str, trace_header: Option<&str>) -> Value {
        let mut entry = json!({"Source": "Momento", "DetailType": detail_type, "Detail": detail});
        match self {
            Self::Classic => {
                entry["EventBusName"] = BUS.into();
                if let Some(trace_header) = trace_header {
                    entry["TraceHeader"] = trace_header.into();
                }
            }
            Self::Custom => {
                entry["EventBusArn"] = CUSTOM_BUS.into();
                let id = hex::encode(Sha256::digest(detail));
                entry["SystemMetadata"] = json!({"DeduplicationId": id, "EventGroupId": detail_type});
            }
        }
        entry
    }

    /// An EventBridge that has this bus.
    pub fn event_bridge(self) -> EventBridge {
        match self {
            Self::Classic => EventBridge::with_bus(BUS),
            Self::Custom => EventBridge::with_custom_bus(CUSTOM_BUS),
        }
    }
}

/// The fakes of AWS and the configuration with which functions are started.
pub struct Sandbox {
    /// The kind of the event bus.
    pub bus: Bus,
    /// An EventBridge that has the event bus.
    pub eventbridge: Endpoint<EventBridge>,
    /// An SQS that has the retry queue.
    pub sqs: Endpoint<Sqs>,
    /// A Secrets Manager that has the signing secret [`momento::SECRET`].
    pub secrets: Endpoint<SecretsManager>,
    overrides: Environment,
    authority: Option<Authority>,
}

/// A function that was started in a sandbox.
pub struct Function {
    /// Its process.
    pub process: Process,
    /// The runtime API from which it takes events.
    pub runtime: RuntimeApi,
}

impl Sandbox {
    /// Every service works, over plain HTTP, with a Classic event bus.
    pub async fn new() -> Self {
        Self::with(Bus::Classic).await
    }

    /// The same, with this kind of event bus.
    pub async fn with(bus: Bus) -> Self {
        Self::start_all(bus, Duration::ZERO, None).await
    }

    /// Every service works, over TLS and with this round-trip time, as within a region of AWS.
    pub async fn in_a_region(bus: Bus, round_trip: Duration) -> Self {
        Self::start_all(bus, round_trip, Some(Authority::generate())).await
    }

    async fn start_all(bus: Bus, round_trip: Duration, authority: Option<Authority>) -> Self {
        let tls = authority.as_ref().map(|authority| authority.server.clone());
        let options = Options { tls, round_trip };
        Self {
            bus,
            eventbridge: Endpoint::start(options.clone(), bus.event_bridge()).await,
            sqs: Endpoint::start(options.clone(), Sqs::default()).await,
            secrets: Endpoint::start(options, SecretsManager::with_secret(momento::SECRET)).await,
            overrides: Environment::new(),
            authority,
        }
    }

    /// Sets an environment variable of functions that are started later. An empty value sets it to nothing.
    pub fn set(&mut self, name: &str, value: &str) {
        self.overrides.insert(name.into(), value.into());
    }

    /// Adds root certificates to those that functions are given over TLS.
    pub fn add_roots(&self, pem: &str) {
        self.authority.as_ref().expect("a sandbox with TLS").add_roots(pem);
    }

    /// For `RETRY_QUEUE_URL`.
    pub fn queue_url(&self) -> String {
        format!("{}/000000000000/retry", self.sqs.url())
    }

    /// The environment variables of the function of this name.
    pub fn environment(&self, function: &str, runtime: &RuntimeApi) -> Environment {
        let mut environment: Environment = [
            ("AWS_LAMBDA_RUNTIME_API", runtime.address()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2024/09/14/[$LATEST]0".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_SESSION_TOKEN", "test".to_owned()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", self.eventbridge.url()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGEV2", self.eventbridge.url()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs.url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.url()),
            ("EVENT_BUS_NAME", self.bus.name().to_owned()),
            ("SIGNING_SECRET_ID", "signing".to_owned()),
            ("RETRY_QUEUE_URL", self.queue_url()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(authority) = &self.authority {
            for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
                environment.insert(name.into(), authority.bundle().display().to_string());
            }
        }
        if function == "redrive" {
            environment.retain(|name, _| !["SIGNING_SECRET_ID", "RETRY_QUEUE_URL"].contains(&name.as_str()));
        }
        environment.extend(self.overrides.clone());
        environment
    }

    /// Starts a binary (`env!("CARGO_BIN_EXE_…")`) as the function of its name. Its first event may be sent at once.
    pub async fn start(&self, binary: &str) -> Function {
        self.start_with(binary, RuntimeApi::start().await)
    }

    /// Starts a binary as the function of its name, with this runtime API.
    pub fn start_with(&self, binary: &str, runtime: RuntimeApi) -> Function {
        let binary = binary_under_test(binary);
        let name = binary.file_name().expect("a file").to_string_lossy();
        let process = Process::start(&binary, &self.environment(&name, &runtime));
        Function { process, runtime }
    }
}

impl Function {
    /// Sends a webhook with this body, signed with [`momento::SECRET`].
    pub async fn post(&self, body: &str) -> Response {
        self.invoke(&momento::event(body)).await
    }

    /// Sends an event, and waits for the response.
    pub async fn invoke(&self, event: &Value) -> Response {
        let response = timeout(PATIENCE, self.runtime.invoke(event)).await;
        response.unwrap_or_else(|_| panic!("the function did not respond:\n{}", self.process.lines().join("\n")))
    }

    /// The time from the start of the process to this response.
    pub fn since_start(&self, response: &Response) -> Duration {
        response.received - self.process.started
    }
}
