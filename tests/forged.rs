//! Forged requests cost little: at most one read of the secret in 3 s, no memory, and no delay of authentic requests.

use std::time::{Duration, Instant};

use serde_json::Value;
use test_kit::momento;
use test_kit::sandbox::{Function, Sandbox};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");

/// The minimum time between two reads of the secret.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(3);

fn forged(number: u64) -> Value {
    let body = momento::body("serverless", "test", number, "forged");
    momento::event_signed_with("guessed", &body)
}

async fn is_rejected(handler: &Function, number: u64) -> Duration {
    let response = handler.invoke(&forged(number)).await;
    assert_eq!((response.status(), response.message().as_str()), (403, "Unauthorized"));
    response.elapsed()
}

async fn is_delivered(handler: &Function, number: u64) -> Duration {
    let response = handler.post(&momento::body("serverless", "test", number, "authentic")).await;
    assert_eq!(response.status(), 200);
    response.elapsed()
}

fn p50(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Each asks for several labels, among them this one.
fn reads(sandbox: &Sandbox) -> usize {
    sandbox.secrets.calls("GetSecretValue").iter().filter(|call| call.input["VersionStage"] == "AWSCURRENT").count()
}

#[tokio::test]
async fn a_thousand_forged_requests_cause_at_most_one_read_of_the_secret_in_three_seconds() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("RUST_LOG", "off");
    let handler = sandbox.start(WEBHOOK).await;
    let mut alone = Vec::new();
    for number in 0..100 {
        alone.push(is_delivered(&handler, number).await);
    }
    let puts = sandbox.eventbridge.calls("PutEvents").len();
    // From then on, a forged request may cause another read of the secret.
    tokio::time::sleep_until((handler.process.started + READ_AGAIN_AFTER + Duration::from_millis(200)).into()).await;
    let (before, began) = (reads(&sandbox), Instant::now());
    let mut among = Vec::new();
    let mut rejected = Vec::new();
    for number in 0..1_000 {
        rejected.push(is_rejected(&handler, number).await);
        if number % 10 == 9 {
            among.push(is_delivered(&handler, number).await);
        }
    }
    let took = began.elapsed();
    let allowed = 1 + (took.as_millis() / READ_AGAIN_AFTER.as_millis()) as usize;
    let caused = reads(&sandbox) - before;
    assert!((1..=allowed).contains(&caused), "{caused} reads of the secret in {took:?}");
    assert_eq!(sandbox.eventbridge.calls("PutEvents").len(), puts + 100, "a forged request reached the bus");
    assert_eq!(sandbox.sqs.state().calls.len(), 0, "a forged request reached the queue");
    println!(
        "1,000 forged requests in {took:?}: {caused} read(s) of the secret, p50 {:?}; authentic requests take p50 {:?} among \
         them and p50 {:?} without them",
        p50(&mut rejected),
        p50(&mut among),
        p50(&mut alone),
    );
}

#[tokio::test]
async fn forged_requests_leave_no_memory_behind() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("RUST_LOG", "off");
    let handler = sandbox.start(WEBHOOK).await;
    for number in 0..500 {
        is_rejected(&handler, number).await;
    }
    let before = resident_kilobytes(&handler);
    for number in 0..2_000 {
        is_rejected(&handler, number).await;
    }
    let grown = resident_kilobytes(&handler).saturating_sub(before);
    assert!(grown < 256, "the process grew by {grown} KB in 2,000 forged requests");
}

fn resident_kilobytes(handler: &Function) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", handler.process.id())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
