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
use crate::checks::{delivered, lost, post_and_check, unverified};
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
            "a forged request while Secrets Manager hangs is rejected in time and changes nothing",
            |name, bus| async move {
                let sandbox = Sandbox::with(bus).await;
                let function = sandbox.start(WEBHOOK).await;
                function.runtime.ready().await;
                sandbox.secrets.plan("GetSecretValue", always(Hang));
                // The secret is read again at most once in 3 s, beginning with the start.
                tokio::time::sleep(ms(3_100)).await;
                let body = momento::body("serverless", "test", 0, "forged");
                let response = function.invoke(&momento::event_signed_with("another secret", &body)).await;
                assert_eq!((response.status(), response.message().as_str()), (403, "Unauthorized"));
                assert!(response.elapsed() < RESPOND_WITHIN, "{:?}", response.elapsed());
                post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
            },
        ),
    ]
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
