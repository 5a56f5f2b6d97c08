//! One case of the fault matrix: what fails, and what must follow.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use test_kit::fake_aws::{Endpoint, SecretsManager, Service, Sqs};
use test_kit::fault::{Fault, always, first};
use test_kit::momento;
use test_kit::sandbox::{Bus, Function, Sandbox};

use crate::WEBHOOK;
use crate::checks::{self, Expected};
use crate::table::{Row, Start};

/// Momento stops waiting after 5 s. The rest is for the network between it and the function.
pub const RESPOND_WITHIN: Duration = Duration::from_millis(4_500);

pub struct Case {
    /// A sentence: the name of the test, and the first cell of its row.
    pub name: &'static str,
    pub run: Box<dyn FnOnce(Bus) -> Running + Send>,
}

type Running = Pin<Box<dyn Future<Output = Row>>>;

impl Case {
    /// `run` receives the name and the kind of event bus.
    pub fn new<F: Future<Output = Row> + 'static>(
        name: &'static str,
        run: impl FnOnce(&'static str, Bus) -> F + Send + 'static,
    ) -> Self {
        Self { name, run: Box::new(move |bus| Box::pin(run(name, bus))) }
    }
}

#[derive(Clone, Copy)]
pub enum Target {
    EventBridge,
    Sqs,
    SecretsManager,
}

/// How one of the services fails.
#[derive(Clone)]
pub enum Failure {
    /// The first calls of this operation.
    First(usize, &'static str, Fault),
    /// All calls of this operation.
    Always(&'static str, Fault),
    /// Open connections close, and new ones are refused.
    Refused,
    /// No connection can be opened: each attempt times out.
    Unreachable,
}

pub type Failures = Vec<(Target, Failure)>;

pub fn puts(failure: Fault) -> (Target, Failure) {
    (Target::EventBridge, Failure::Always("PutEvents", failure))
}

pub fn first_put(failure: Fault) -> (Target, Failure) {
    (Target::EventBridge, Failure::First(1, "PutEvents", failure))
}

pub fn describes(failure: Fault) -> (Target, Failure) {
    (Target::EventBridge, Failure::Always("DescribeEventBus", failure))
}

pub fn sends(failure: Fault) -> (Target, Failure) {
    (Target::Sqs, Failure::Always("SendMessage", failure))
}

pub fn first_send(failure: Fault) -> (Target, Failure) {
    (Target::Sqs, Failure::First(1, "SendMessage", failure))
}

pub fn reads(failure: Fault) -> (Target, Failure) {
    (Target::SecretsManager, Failure::Always("GetSecretValue", failure))
}

pub fn first_read(failure: Fault) -> (Target, Failure) {
    (Target::SecretsManager, Failure::First(1, "GetSecretValue", failure))
}

/// A new process that meets the failures from its first call on. The event is waiting when it starts.
pub fn cold(name: &'static str, failures: Failures, expected: Expected) -> Case {
    Case::new(name, move |name, bus| async move {
        let mut sandbox = Sandbox::with(bus).await;
        fail(&mut sandbox, failures).await;
        in_sandbox(name, &sandbox, Start::Cold, expected).await
    })
}

/// The same, after a change to the sandbox.
pub fn cold_with(
    name: &'static str,
    change: impl FnOnce(&mut Sandbox) + Send + 'static,
    failures: Failures,
    expected: Expected,
) -> Case {
    Case::new(name, move |name, bus| async move {
        let mut sandbox = Sandbox::with(bus).await;
        change(&mut sandbox);
        fail(&mut sandbox, failures).await;
        in_sandbox(name, &sandbox, Start::Cold, expected).await
    })
}

/// A process that has delivered one event before the failures begin.
pub fn warm(name: &'static str, failures: Failures, expected: Expected) -> Case {
    Case::new(name, move |name, bus| async move {
        let mut sandbox = Sandbox::with(bus).await;
        let function = warmed_up(&sandbox).await;
        fail(&mut sandbox, failures).await;
        checks::post_and_check(name, &sandbox, &function, Start::Warm, &expected).await
    })
}

/// A process that has delivered one event.
pub async fn warmed_up(sandbox: &Sandbox) -> Function {
    let function = sandbox.start(WEBHOOK).await;
    assert_eq!(function.post(&momento::body("serverless", "test", 0, "before the failures")).await.status(), 200);
    sandbox.eventbridge.state().service.entries.clear();
    function
}

pub async fn in_sandbox(name: &'static str, sandbox: &Sandbox, start: Start, expected: Expected) -> Row {
    let function = sandbox.start(WEBHOOK).await;
    checks::post_and_check(name, sandbox, &function, start, &expected).await
}

pub async fn fail(sandbox: &mut Sandbox, failures: Failures) {
    for (target, failure) in failures {
        match target {
            Target::EventBridge => {
                let bus = sandbox.bus;
                fail_one(&mut sandbox.eventbridge, failure, || bus.event_bridge()).await;
            }
            Target::Sqs => fail_one(&mut sandbox.sqs, failure, Sqs::default).await,
            Target::SecretsManager => fail_one(&mut sandbox.secrets, failure, SecretsManager::default).await,
        }
    }
}

async fn fail_one<S: Service>(endpoint: &mut Endpoint<S>, failure: Failure, fresh: impl Fn() -> S) {
    match failure {
        Failure::First(calls, operation, fault) => endpoint.plan(operation, first(calls, fault)),
        Failure::Always(operation, fault) => endpoint.plan(operation, always(fault)),
        Failure::Refused => endpoint.server.refuse().await,
        Failure::Unreachable => *endpoint = Endpoint::unreachable(fresh()),
    }
}
