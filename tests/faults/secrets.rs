//! Secrets Manager fails: on a cold start nothing can be verified, and later the known secrets stay valid.

use std::time::Duration;

use test_kit::fake_aws::SecretsManager;
use test_kit::fault::Fault::{self, Error, Hang, Html, Reset, ResponseLost, Slow};
use test_kit::fault::{Plan, always};
use test_kit::momento;
use test_kit::sandbox::Sandbox;

use crate::WEBHOOK;
use crate::case::{
    Case, Failure, RESPOND_WITHIN, Target, cold, cold_with, describes, first_read, puts, reads, sends, warm,
};
use crate::checks::{Expected, delivered, logged, lost, post_and_check, unverified, unverified_in_a_rotation};
use crate::table::Start;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn all(failure: Failure) -> Vec<(Target, Failure)> {
    vec![(Target::SecretsManager, failure)]
}

pub fn cases() -> Vec<Case> {
    let mut cases = calls_that_fail();
    cases.extend(connections_that_fail());
    cases.extend(secrets_that_are_invalid());
    cases.extend(secrets_that_come_later());
    cases.extend(secrets_that_are_replaced());
    cases
}

fn calls_that_fail() -> Vec<Case> {
    let (internal, unavailable) = (Error(500, "InternalServiceError"), Html(503));
    let (throttled, denied) = (Error(400, "ThrottlingException"), Error(400, "AccessDeniedException"));
    vec![
        cold("a 500 from Secrets Manager once is retried", vec![first_read(internal.clone())], delivered()),
        cold(
            "a 500 from Secrets Manager on every call queues the request unverified",
            vec![reads(internal)],
            unverified(),
        ),
        cold(
            "a 503 from Secrets Manager with an HTML body once is retried",
            vec![first_read(unavailable.clone())],
            delivered(),
        ),
        cold(
            "a 503 from Secrets Manager with an HTML body on every call queues the request unverified",
            vec![reads(unavailable)],
            unverified(),
        ),
        cold("throttling by Secrets Manager once is retried", vec![first_read(throttled.clone())], delivered()),
        cold(
            "throttling by Secrets Manager on every call queues the request unverified",
            vec![reads(throttled)],
            unverified(),
        ),
        cold("access denied by Secrets Manager queues the request unverified", vec![reads(denied)], unverified()),
        cold_with(
            "a secret that does not exist queues the request unverified",
            |sandbox| sandbox.secrets.state().service = SecretsManager::default(),
            vec![],
            unverified(),
        ),
    ]
}

fn connections_that_fail() -> Vec<Case> {
    vec![
        cold("a secret that takes 800 ms is read", vec![reads(Slow(ms(800)))], delivered()),
        cold("a secret that takes 1.5 s is read", vec![reads(Slow(ms(1_500)))], delivered()),
        cold("a secret that takes 3 s queues the request unverified", vec![reads(Slow(ms(3_000)))], unverified()),
        cold("a Secrets Manager call that hangs once is retried", vec![first_read(Hang)], delivered()),
        cold("Secrets Manager calls that all hang queue the request unverified", vec![reads(Hang)], unverified()),
        cold("a connection reset by Secrets Manager once is retried", vec![first_read(Reset)], delivered()),
        cold(
            "a connection reset by Secrets Manager on every call queues the request unverified",
            vec![reads(Reset)],
            unverified(),
        ),
        cold("a response lost by Secrets Manager once is retried", vec![first_read(ResponseLost)], delivered()),
        cold(
            "refused connections to Secrets Manager queue the request unverified",
            all(Failure::Refused),
            unverified(),
        ),
        cold("an unreachable Secrets Manager queues the request unverified", all(Failure::Unreachable), unverified()),
        warm(
            "refused connections to Secrets Manager after the start change nothing",
            all(Failure::Refused),
            delivered().puts(1),
        ),
        warm("Secrets Manager hanging after the start changes nothing", vec![reads(Hang)], delivered().puts(1)),
        cold(
            "every service hanging from the start returns 500",
            vec![reads(Hang), puts(Hang), describes(Hang), sends(Hang)],
            lost(),
        ),
    ]
}

fn secrets_that_are_invalid() -> Vec<Case> {
    let holding = |kind: &'static str, value: &'static str| {
        move |sandbox: &mut Sandbox| {
            let mut state = sandbox.secrets.state();
            let current = state.service.stages.get_mut("AWSCURRENT").expect("a secret");
            current.value = (kind, value.to_owned());
        }
    };
    vec![
        cold_with(
            "a binary secret queues the request unverified",
            holding("SecretBinary", "d2hzZWM="),
            vec![],
            unverified(),
        ),
        cold_with(
            "an empty secret among several queues the request unverified",
            holding("SecretString", r#"["a",""]"#),
            vec![],
            unverified(),
        ),
    ]
}

fn secrets_that_come_later() -> Vec<Case> {
    vec![
        recovered(
            "a secret that was denied at first is read with a later event",
            always(Error(400, "AccessDeniedException")),
        ),
        recovered("a secret whose reads hung at first is read with a later event", always(Hang)),
        Case::new(
            "a forged request while Secrets Manager hangs is queued unverified in time and changes nothing",
            |name, bus| async move {
                let sandbox = Sandbox::with(bus).await;
                let function = sandbox.start(WEBHOOK).await;
                function.runtime.ready().await;
                sandbox.secrets.plan("GetSecretValue", always(Hang));
                let body = momento::body("serverless", "test", 0, "forged");
                let response = function.invoke(&momento::event_signed_with("another secret", &body)).await;
                assert_eq!((response.status(), response.message().as_str()), (202, "Queued"));
                assert!(response.elapsed() < RESPOND_WITHIN, "{:?}", response.elapsed());
                sandbox.sqs.state().service.messages.clear();
                sandbox.sqs.state().calls.clear();
                post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
            },
        ),
    ]
}

/// Momento signs with a secret that the process does not know, and has to read while something goes wrong.
fn secrets_that_are_replaced() -> Vec<Case> {
    let denied = || vec![reads(Error(400, "AccessDeniedException"))];
    let stored = |sandbox: &Sandbox| sandbox.secrets.state().service.rotate(momento::SECRET, seconds_ago(0));
    vec![
        replaced("a rotated secret is read with the first event that it signs", stored, vec![], delivered()),
        replaced(
            "a rotated secret that cannot be read, access denied, queues the request unverified",
            |_| {},
            denied(),
            unverified(),
        ),
        replaced(
            "a rotated secret that cannot be read, every call hanging, queues the request unverified",
            stored,
            vec![reads(Hang)],
            unverified(),
        ),
        replaced(
            "a rotated secret stored as malformed JSON queues the request unverified",
            |sandbox| sandbox.secrets.state().service.rotate("{\"momentoSecret\":", seconds_ago(0)),
            vec![],
            unverified(),
        ),
        replaced(
            "a rotated secret that takes 1.2 s to be read queues the request unverified",
            stored,
            vec![reads(Slow(ms(1_200)))],
            unverified(),
        ),
        replaced(
            "a rotated secret that takes 600 ms to be read is read",
            stored,
            vec![reads(Slow(ms(600)))],
            delivered(),
        ),
        replaced("a rotated secret whose first read hangs is read", stored, vec![first_read(Hang)], delivered()),
        replaced(
            "a rotated secret that is not stored yet queues the request unverified while a rotation is in progress",
            |sandbox| sandbox.secrets.state().service.label_pending("anything", seconds_ago(1_790)),
            vec![],
            unverified_in_a_rotation(),
        ),
        replaced(
            "a version labelled AWSPENDING that cannot be read queues the request unverified",
            |sandbox| {
                let fault = |input: &serde_json::Value| match input["VersionStage"] == "AWSPENDING" {
                    true => Error(500, "InternalServiceError"),
                    false => Fault::None,
                };
                sandbox.secrets.plan("GetSecretValue", Box::new(move |_, input| fault(input)));
            },
            vec![],
            unverified(),
        ),
        replaced(
            "a rotated secret that takes 1.2 s to be read while SQS hangs leaves the event in the log",
            stored,
            vec![reads(Slow(ms(1_200))), sends(Hang)],
            logged("TimedOut").puts(0),
        ),
    ]
}

fn seconds_ago(seconds: i64) -> f64 {
    (momento::now() - seconds * 1000) as f64 / 1000.0
}

/// A process that has verified an event by the secret before.
fn replaced(
    name: &'static str,
    change: impl FnOnce(&Sandbox) + Send + 'static,
    failures: Vec<(Target, Failure)>,
    expected: Expected,
) -> Case {
    Case::new(name, move |name, bus| async move {
        let mut sandbox = Sandbox::with(bus).await;
        sandbox.secrets.state().service = SecretsManager::with_secret("the secret before");
        let function = sandbox.start(WEBHOOK).await;
        let body = momento::body("serverless", "test", 0, "before the rotation");
        assert_eq!(function.invoke(&momento::event_signed_with("the secret before", &body)).await.status(), 200);
        sandbox.eventbridge.state().service.entries.clear();
        change(&sandbox);
        crate::case::fail(&mut sandbox, failures).await;
        post_and_check(name, &sandbox, &function, Start::Warm, &expected).await
    })
}

/// The secret cannot be read at first. Once it can be read, an event is delivered without a restart.
fn recovered(name: &'static str, plan: Plan) -> Case {
    Case::new(name, move |name, bus| async move {
        let sandbox = Sandbox::with(bus).await;
        sandbox.secrets.plan("GetSecretValue", plan);
        let function = sandbox.start(WEBHOOK).await;
        let early = function.post(&momento::body("serverless", "test", 0, "too early")).await;
        assert_eq!(early.status(), 202);
        sandbox.secrets.plan("GetSecretValue", always(Fault::None));
        let mut tries = 0;
        // It is read again with an event, at most once per second.
        while function.post(&momento::body("serverless", "test", 0, "too early")).await.status() == 202 {
            tries += 1;
            assert!(tries <= 12, "the secret is not read again");
            tokio::time::sleep(ms(250)).await;
        }
        sandbox.eventbridge.state().service.entries.clear();
        sandbox.sqs.state().service.messages.clear();
        sandbox.sqs.state().calls.clear();
        post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
    })
}
