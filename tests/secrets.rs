//! Signing secrets: what is logged of them, their sources, webhooks that share an endpoint, and what forged requests cost.

use test_kit::fake_aws::SecretsManager;
use test_kit::fault::{Fault, always};
use test_kit::momento;
use test_kit::sandbox::{Function, Sandbox};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");

async fn status(handler: &Function, secret: &str) -> u64 {
    let body = momento::body("serverless", "test", 1, "text");
    handler.invoke(&momento::event_signed_with(secret, &body)).await.status()
}

async fn statuses<const N: usize>(handler: &Function, secrets: [&str; N]) -> [u64; N] {
    let mut statuses = [0; N];
    for (status_of, secret) in statuses.iter_mut().zip(secrets) {
        *status_of = status(handler, secret).await;
    }
    statuses
}

/// A handler whose secret in Secrets Manager has this value.
async fn with_secret(value: &str) -> (Sandbox, Function) {
    let sandbox = Sandbox::new().await;
    sandbox.secrets.state().service = SecretsManager::with_secret(value);
    let handler = sandbox.start(WEBHOOK).await;
    (sandbox, handler)
}

#[tokio::test]
async fn two_webhooks_share_an_endpoint_and_a_third_is_rejected() {
    let (_sandbox, handler) = with_secret(r#"{"orders":"secret-of-a","users":"secret-of-b"}"#).await;
    let tried = ["secret-of-a", "secret-of-b", "secret-of-c", "orders", "secret-of-a"];
    assert_eq!(statuses(&handler, tried).await, [200, 200, 403, 403, 200]);
}

#[tokio::test]
async fn an_invalid_secret_is_logged_without_its_value() {
    for value in [
        r#"["hidden-part",""]"#,
        r#"{"a":1}"#,
        "[]",
        "{}",
        r#"[["hidden-part"]]"#,
        r#"{"hidden-part": JSON"#,
        "[hidden-part",
    ] {
        let (_sandbox, handler) = with_secret(value).await;
        assert_eq!(status(&handler, "hidden-part").await, 202, "{value}");
        let record = handler.process.record("ERROR about the secret", |record| record["secretId"] == "signing").await;
        assert_eq!(record["level"], "ERROR");
        assert!(!handler.process.lines().join("\n").contains("hidden-part"), "{value} is in the log");
    }
}

#[tokio::test]
async fn an_invalid_secret_in_the_environment_stops_the_start_with_one_sentence() {
    for value in [r#"["hidden-part",""]"#, r#"{"a":1}"#, "[]", "{hidden-part"] {
        let mut sandbox = Sandbox::new().await;
        sandbox.set("SIGNING_SECRET_ID", "");
        sandbox.set("SIGNING_SECRET", value);
        let mut handler = sandbox.start(WEBHOOK).await;
        assert!(!handler.process.exited().await.success(), "{value}");
        let lines = handler.process.lines();
        assert!(lines.len() == 1 && lines[0].contains("SIGNING_SECRET") && lines[0].ends_with('.'), "{lines:?}");
        assert!(!lines[0].contains("hidden-part"), "{value} is in the log");
    }
}

#[tokio::test]
async fn a_secret_in_the_environment_is_never_read_from_secrets_manager() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("SIGNING_SECRET_ID", "");
    sandbox.set("SIGNING_SECRET", "given");
    let handler = sandbox.start(WEBHOOK).await;
    assert_eq!(statuses(&handler, ["given", "other"]).await, [200, 403]);
    assert_eq!(sandbox.secrets.state().calls.len(), 0);
}

#[tokio::test]
async fn a_key_of_fewer_than_16_characters_is_warned_of_once_with_the_number_of_keys() {
    let (_sandbox, handler) = with_secret(r#"{"momentoSecret":"a-secret-of-momento","stage":"prod"}"#).await;
    assert_eq!(statuses(&handler, ["prod", "a-secret-of-momento", "other", "prod"]).await, [200, 200, 403, 200]);
    let warnings = handler.process.records().into_iter().filter(|record| !record["keys"].is_null()).collect::<Vec<_>>();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!((&warnings[0]["level"], &warnings[0]["keys"]), (&"WARN".into(), &2.into()));
    assert!(!handler.process.lines().join("\n").contains("prod"));
}

#[tokio::test]
async fn a_stray_character_at_the_end_of_a_stored_secret_is_named_in_the_record_and_the_secret_not_accepted_without_it()
{
    for (stored, named) in [
        ("secret\n", "white space"),
        ("\"secret\"", "quotation marks"),
        ("\u{feff}secret", "byte order mark"),
        ("secret\u{a0}", "non-breaking space"),
        ("\u{200b}secret", "zero-width space"),
    ] {
        let (_sandbox, handler) = with_secret(stored).await;
        assert_eq!(statuses(&handler, ["secret", stored]).await, [403, 200]);
        let record = handler.process.record("Forged", |record| record["outcome"] == "Forged").await;
        assert_eq!(record["reason"], "SignatureMismatch");
        let sentence = format!("The stored secret would match without the {named} at its ends");
        assert!(record["message"].as_str().is_some_and(|message| message.contains(&sentence)), "{record}");
    }
}

#[tokio::test]
async fn while_no_secret_can_be_read_a_body_of_more_than_16_kb_is_a_500_and_not_in_the_log() {
    let sandbox = Sandbox::new().await;
    sandbox.secrets.plan("GetSecretValue", always(Fault::Error(400, "AccessDeniedException")));
    let handler = sandbox.start(WEBHOOK).await;
    let empty = momento::body("serverless", "test", 1, "").len();
    for (bytes, expected) in [(16_384, 202), (16_385, 500)] {
        let body = momento::body("serverless", "test", 1, &"x".repeat(bytes - empty));
        assert_eq!(handler.post(&body).await.status(), expected, "{bytes}");
    }
    assert_eq!(sandbox.sqs.state().service.messages.len(), 1);
    assert!(!handler.process.lines().join("\n").contains("serverless"));
}

#[tokio::test]
async fn two_thousand_forged_requests_reach_neither_the_bus_nor_the_queue_and_leave_no_memory_behind() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("RUST_LOG", "off");
    let handler = sandbox.start(WEBHOOK).await;
    statuses(&handler, ["guessed"; 500]).await;
    let kilobytes = resident_kilobytes(&handler);
    assert_eq!(statuses(&handler, ["guessed"; 2_000]).await, [403; 2_000]);
    let grown = resident_kilobytes(&handler).saturating_sub(kilobytes);
    assert!(grown < 256, "the process grew by {grown} KB");
    assert_eq!(sandbox.eventbridge.calls("PutEvents").len(), 0, "a forged request reached the bus");
    assert_eq!(sandbox.sqs.state().calls.len(), 0, "a forged request reached the queue");
}

fn resident_kilobytes(handler: &Function) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", handler.process.id())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
