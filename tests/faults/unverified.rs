//! `redrive` judges the requests that were queued unverified: authentic ones are put on the bus, others are deleted, and
//! what cannot be judged stays in the queue.

use momento_body_signature::sign;
use serde_json::{Value, json};
use test_kit::fake_aws::{SecretsManager, Version};
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
    request_at(RECEIVED_AT, secret, position, age)
}

fn request_at(received_at: i64, secret: &str, position: usize, age: i64) -> Message {
    let body = momento::body_at(received_at - age, "serverless", "test", position as u64, "payload \u{1} é 🐿");
    let text = json!({
        "version": 2,
        "reason": "SecretUnavailable",
        "error": "AccessDeniedException: No.",
        "receivedAt": received_at,
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
    cases.extend(mismatches_that_are_not_final());
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
            for (metric, number) in
                [("Redriven", 6), ("Forged", 2), ("SignatureMismatch", 2), ("Stale", 1), ("Future", 1)]
            {
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

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn seconds(time: i64) -> f64 {
    time as f64 / 1000.0
}

/// What no known secret signed stays, unless no other secret can have signed it.
fn mismatches_that_are_not_final() -> Vec<Case> {
    vec![
        mismatching("a mismatch received 44 minutes ago stays in the queue", 44 * MINUTE, |_| {}, failing(0..10)),
        mismatching("a mismatch received 46 minutes ago is deleted", 46 * MINUTE, |_| {}, deleted()),
        mismatching(
            "a mismatch stays in the queue while a rotation is in progress",
            DAY,
            |secrets| secrets.label_pending("anything", seconds(momento::now() - 29 * MINUTE)),
            failing(0..10),
        ),
        mismatching(
            "a mismatch is deleted when a rotation was begun more than half an hour ago",
            DAY,
            |secrets| secrets.label_pending("anything", seconds(momento::now() - 31 * MINUTE)),
            deleted(),
        ),
        mismatching(
            "a mismatch is deleted when AWSPENDING is still on the current version",
            DAY,
            |secrets| {
                let current = secrets.stages["AWSCURRENT"].clone();
                secrets.stages.insert("AWSPENDING", Version { created: seconds(momento::now()), ..current });
            },
            deleted(),
        ),
        mismatching(
            "a mismatch stays in the queue if the secret was replaced twice since it was received",
            DAY,
            |secrets| {
                secrets.rotate("a wrong secret", seconds(momento::now() - DAY + MINUTE));
                secrets.rotate("the right secret", seconds(momento::now() - DAY + 2 * MINUTE));
            },
            failing(0..10),
        ),
        mismatching(
            "what the secret before a rotation back signed stays in the queue",
            2 * DAY,
            |secrets| {
                secrets.rotate(OTHER, seconds(momento::now() - 3 * DAY));
                let back = secrets.stages["AWSPREVIOUS"].clone();
                let current = secrets.stages.insert("AWSCURRENT", back).expect("a secret");
                secrets.stages.insert("AWSPREVIOUS", current);
            },
            failing(0..10),
        ),
        mismatching(
            "what the secret before one stored two days early signed stays in the queue",
            MINUTE,
            |secrets| {
                secrets.rotate(OTHER, seconds(momento::now() - 9 * DAY));
                secrets.rotate("stored two days before it became current", seconds(momento::now() - 2 * DAY));
            },
            failing(0..10),
        ),
        Case::new("a mismatch is put on the bus when a wrong secret is corrected", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            let received_at = momento::now() - 40 * MINUTE;
            sandbox.secrets.state().service.rotate("a wrong secret", seconds(received_at - MINUTE));
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let messages = || (0..10).map(|position| request_at(received_at, OTHER, position, 0)).collect::<Vec<_>>();
            run_in(name, &sandbox, &function, messages(), failing(0..10)).await;
            sandbox.secrets.state().service.rotate(OTHER, seconds(momento::now()));
            run_in(name, &sandbox, &function, messages(), failing([])).await
        }),
        Case::new("a mismatch stays in the queue once AWSPENDING is denied after an answer", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let messages = || (0..10).map(|position| request(OTHER, position, 0)).collect::<Vec<_>>();
            run_in(name, &sandbox, &function, messages(), deleted()).await;
            sandbox.secrets.plan("GetSecretValue", Box::new(|_, input| pending_denied(input)));
            run_in(name, &sandbox, &function, messages(), failing(0..10)).await
        }),
        Case::new("a mismatch is deleted if AWSPENDING was always denied", |name, bus| async move {
            let sandbox = with_secret(bus).await;
            sandbox.secrets.plan("GetSecretValue", Box::new(|_, input| pending_denied(input)));
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let messages = || (0..10).map(|position| request(OTHER, position, 0)).collect::<Vec<_>>();
            run_in(name, &sandbox, &function, messages(), deleted()).await;
            let row = run_in(name, &sandbox, &function, messages(), deleted()).await;
            let warned = |record: &Value| record["message"].as_str().is_some_and(|text| text.contains("AWSPENDING"));
            assert_eq!(function.process.records().iter().filter(|record| warned(record)).count(), 1);
            row
        }),
    ]
}

fn pending_denied(input: &Value) -> Fault {
    if input["VersionStage"] == "AWSPENDING" { Error(400, "AccessDeniedException") } else { Fault::None }
}

/// None is reported, and none is on the bus.
fn deleted() -> Expected {
    Expected { on_the_bus: vec![], ..failing([]) }
}

/// Requests signed with another secret, received this long ago, after a change to the stored secret.
fn mismatching(
    name: &'static str,
    age: i64,
    change: impl FnOnce(&mut SecretsManager) + Send + 'static,
    expected: Expected,
) -> Case {
    Case::new(name, move |name, bus| async move {
        let sandbox = with_secret(bus).await;
        change(&mut sandbox.secrets.state().service);
        let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
        let received_at = momento::now() - age;
        let messages = (0..10).map(|position| request_at(received_at, OTHER, position, 0)).collect();
        run_in(name, &sandbox, &function, messages, expected).await
    })
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
