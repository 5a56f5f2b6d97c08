//! One `webhook` process and everything that it talks to.

use std::time::Duration;

use serde_json::Value;

use crate::fake_aws::{Endpoint, EventBridge, SecretsManager, Sqs};
use crate::momento;
use crate::process::{Environment, Process, binary_under_test};
use crate::runtime_api::{Answer, RuntimeApi};
use crate::server::Options;
use crate::tls::Authority;

pub const BUS: &str = "events";

/// The endpoints, before a process is started against them.
pub struct Sandbox {
    pub eventbridge: Endpoint<EventBridge>,
    pub sqs: Endpoint<Sqs>,
    pub secrets: Endpoint<SecretsManager>,
    /// What is set over the usual environment; an empty value is a variable that is empty.
    pub overrides: Environment,
    authority: Option<Authority>,
}

/// A process that was started in a sandbox.
pub struct Function {
    pub process: Process,
    pub runtime: RuntimeApi,
}

impl Sandbox {
    /// Everything works, over plain HTTP.
    pub async fn new() -> Self {
        Self::with(Duration::ZERO, None).await
    }

    /// Over TLS, each round trip taking this long, as in a region of AWS.
    pub async fn in_a_region(round_trip: Duration) -> Self {
        Self::with(round_trip, Some(Authority::new())).await
    }

    async fn with(round_trip: Duration, authority: Option<Authority>) -> Self {
        let tls = authority.as_ref().map(|authority| authority.server.clone());
        let options = Options { tls, round_trip };
        Self {
            eventbridge: Endpoint::start(options.clone(), EventBridge::with_bus(BUS)).await,
            sqs: Endpoint::start(options.clone(), Sqs::default()).await,
            secrets: Endpoint::start(options, SecretsManager::holding(momento::SECRET)).await,
            overrides: Environment::new(),
            authority,
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.overrides.insert(name.into(), value.into());
    }

    pub fn queue_url(&self) -> String {
        format!("{}/000000000000/retry", self.sqs.url())
    }

    /// The environment of a function of this name, with a secret in Secrets Manager and a retry queue.
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
            ("AWS_ENDPOINT_URL_SQS", self.sqs.url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.url()),
            ("EVENT_BUS_NAME", BUS.to_owned()),
            ("SIGNING_SECRET_ID", "signing".to_owned()),
            ("RETRY_QUEUE_URL", self.queue_url()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(authority) = &self.authority {
            for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
                environment.insert(name.into(), authority.pem().display().to_string());
            }
        }
        if function == "redrive" {
            environment.retain(|name, _| !["SIGNING_SECRET_ID", "RETRY_QUEUE_URL"].contains(&name.as_str()));
        }
        environment.extend(self.overrides.clone());
        environment
    }

    /// Starts a binary (`env!("CARGO_BIN_EXE_…")`) as the function of its name; its first event may be sent at once.
    pub async fn start(&self, binary: &str) -> Function {
        self.start_with(binary, RuntimeApi::start().await)
    }

    pub fn start_with(&self, binary: &str, runtime: RuntimeApi) -> Function {
        let binary = binary_under_test(binary);
        let name = binary.file_name().expect("a file").to_string_lossy();
        let process = Process::start(&binary, &self.environment(&name, &runtime));
        Function { process, runtime }
    }
}

impl Function {
    /// Sends a webhook body that is signed with the secret of the tests.
    pub async fn post(&self, body: &str) -> Answer {
        self.runtime.invoke(&momento::event(body.as_bytes())).await
    }

    pub async fn invoke(&self, event: &Value) -> Answer {
        self.runtime.invoke(event).await
    }

    /// The time from the start of the process to this answer.
    pub fn since_start(&self, answer: &Answer) -> Duration {
        answer.received - self.process.started
    }
}
