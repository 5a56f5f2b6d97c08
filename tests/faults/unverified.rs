//! `redrive` judges the requests that were queued unverified: authentic ones are put on the bus, others are deleted, and
//! what cannot be judged stays in the queue.

use momento_body_signature::sign;
use serde_json::{Value, json};
use test_kit::fault::Fault::{self, Error, Hang};
use test_kit::fault::{Plan, always, first};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Bus, Sandbox};

use crate::REDRIVE;
use crate::case::Case;
use crate::redrive::{Expected, Message, TIMEOUT, body_at, failing, good_messages, id, run_in};

const OTHER: &str = "another secret";
const RECEIVED_AT: i64 = 1_726_292_279_851;

/// A request that was published this long before it was received, signed with this secret.
fn request(secret: &str, position: usize, age: i64) -> Message {
    let body = momento::body_at(RECEIVED_AT - age, "serverless", "test", position as u64, "payload \u{1} é 🐿");
    let text = json!({
        "version": 2,
        "reason": "SecretUnavailable",
        "error": "AccessDeniedException: No.",
        "receivedAt": RECEIVED_AT,
        "requestId": "00000000-0000-4000-8000-000000000001",
        "body": body,
        "signature": sign(secret.as_bytes(), body.as_bytes()),
    });
    Message { text: text.to_string(), body: Some(body) }
}

fn authentic() -> Vec<Message> {
    (0..10).map(|position| request(momento::SECRET, position, 0)).collect()
}

/// The authentic ones are at 0, 1, 2, 7, 8 and 9; two of these came at the ends of the window.
fn of_all_kinds() -> Vec<Message> {
    let ages = [0, 60_000, -60_000, 0, 0, 60_001, -60_001, 0];
    let request = |position| {
        let secret = if [3, 4].contains(&position) { OTHER } else { momento::SECRET };
        request(secret, position, ages[position])
    };
    let mut messages: Vec<Message> = (0..8).map(request).collect();
    messages.extend(good_messages().into_iter().skip(8));
    messages
}

/// Verified bodies are put before those that had to be judged; 3 to 6 are deleted.
fn judged() -> Expected {
    Expected { on_the_bus: vec![8, 9, 0, 1, 2, 7], ..failing([]) }
}

pub fn cases() -> Vec<Case> {
    let mut cases = requests_that_can_be_judged();
    cases.extend(secrets_that_cannot_be_read());
    cases
}

fn requests_that_can_be_judged() -> Vec<Case> {
    vec![
        judging(
            "requests queued unverified are put on the bus when the secret can be read",
            always(Fault::None),
            authentic(),
            failing([]),
        ),
        Case::new("of requests queued unverified, forged and stale ones are deleted", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let row = run_in(name, &sandbox, &function, of_all_kinds(), judged()).await;
            let metrics = function.process.record("the metrics", |line| line["_aws"].is_object()).await;
            for (metric, number) in [("Redriven", 6), ("Forged", 2), ("Stale", 1), ("Future", 1)] {
                assert_eq!(metrics[metric].as_f64(), Some(f64::from(number)), "{metric}");
            }
            assert_eq!(metrics["RedriveFailed"], Value::Null);
            let deleted =
                |outcome: &str| function.process.records().iter().filter(|record| record["outcome"] == outcome).count();
            assert_eq!(["Forged", "Stale", "Future"].map(deleted), [2, 1, 1]);
            assert!(!function.process.lines().join("\n").contains("payload"), "the log has an unverified body");
            row
        }),
        Case::new("a request signed with the secret before a rotation is put on the bus", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            // Rotated an hour after the request was received, and long before redrive reads it.
            sandbox.secrets.state().service.rotate("new", (RECEIVED_AT + 3_600_000) as f64 / 1000.0);
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            run_in(name, &sandbox, &function, authentic(), failing([])).await
        }),
        judging(
            "a read of the secret that hangs once is made again for redrive",
            first(1, Hang),
            authentic(),
            failing([]),
        ),
    ]
}

fn secrets_that_cannot_be_read() -> Vec<Case> {
    vec![
        Case::new(
            "without the secret's variables, requests queued unverified stay in the queue",
            |name, bus| async move {
                let sandbox = Sandbox::with(bus).await;
                let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
                run_in(name, &sandbox, &function, authentic(), failing(0..10).calls(0)).await
            },
        ),
        judging(
            "requests queued unverified stay in the queue while the secret cannot be read",
            always(Error(400, "AccessDeniedException")),
            of_all_kinds(),
            failing(0..8),
        ),
        judging(
            "requests queued unverified stay in the queue while Secrets Manager hangs",
            always(Hang),
            authentic(),
            failing(0..10),
        ),
        Case::new("a mismatch with a secret that was not read again is not final", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let warm = [(id(0), request(momento::SECRET, 0, 0).text)];
            let response = function.invoke(&batch(warm.iter().map(|(id, text)| (id.clone(), &**text)))).await;
            assert_eq!(failures(&response.payload), Vec::<String>::new());
            sandbox.eventbridge.state().service.entries.clear();
            sandbox.secrets.plan("GetSecretValue", always(Error(400, "AccessDeniedException")));
            let messages =
                (0..10).map(|position| request(if position < 5 { OTHER } else { momento::SECRET }, position, 0));
            run_in(name, &sandbox, &function, messages.collect(), failing(0..5)).await
        }),
        Case::new("a mismatch is not final while the previous secret cannot be read", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            sandbox.secrets.state().service.rotate("new", (RECEIVED_AT + 3_600_000) as f64 / 1000.0);
            let previous = |input: &Value| input["VersionStage"] == "AWSPREVIOUS";
            let fault =
                move |input: &Value| if previous(input) { Error(400, "AccessDeniedException") } else { Fault::None };
            sandbox.secrets.plan("GetSecretValue", Box::new(move |_, input| fault(input)));
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            run_in(name, &sandbox, &function, authentic(), failing(0..10)).await
        }),
        Case::new("a deadline in the past is unknown, and the batch is put on the bus", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            // As cargo lambda watch hands it out.
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_deadline(600_000).await);
            run_in(name, &sandbox, &function, good_messages(), failing([]).calls(1)).await
        }),
        Case::new("messages with an unknown reason or key are put on the bus", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let message = |position| {
                let body = body_at(position);
                let text = json!({"version": 1, "reason": "OfNextYear", "error": {}, "receivedAt": 1, "requestId": 7, "shard": 3, "body": body});
                Message { text: text.to_string(), body: Some(body) }
            };
            run_in(name, &sandbox, &function, (0..10).map(message).collect(), failing([]).calls(1)).await
        }),
    ]
}

/// Redrive with the secret's variables.
async fn with_secret(bus: Bus) -> Sandbox {
    let mut sandbox = Sandbox::with(bus).await;
    sandbox.set("SIGNING_SECRET_ID", "signing");
    sandbox
}

fn judging(name: &'static str, plan: Plan, messages: Vec<Message>, expected: Expected) -> Case {
    Case::new(name, move |name, bus| async move {
        let sandbox = with_secret(bus).await;
        sandbox.secrets.plan("GetSecretValue", plan);
        let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
        run_in(name, &sandbox, &function, messages, expected).await
    })
}
