//! Signing secrets: their forms, their rotation, and webhooks that share an endpoint.

use std::time::Duration;

use test_kit::fault::{Fault, always, once};
use test_kit::momento;
use test_kit::process::{Process, binary_under_test};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Function, Sandbox};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");

/// The minimum time between two reads of the secret, and some more.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(3_100);

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
    sandbox.secrets.state().service = test_kit::fake_aws::SecretsManager::with_secret(value);
    let handler = sandbox.start(WEBHOOK).await;
    (sandbox, handler)
}

fn seconds_ago(seconds: f64) -> f64 {
    momento::now() as f64 / 1000.0 - seconds
}

#[tokio::test]
async fn two_webhooks_share_an_endpoint_and_a_third_is_rejected() {
    let (_sandbox, handler) = with_secret(r#"{"orders":"secret-of-a","users":"secret-of-b"}"#).await;
    let tried = ["secret-of-a", "secret-of-b", "secret-of-c", "orders", "secret-of-a"];
    assert_eq!(statuses(&handler, tried).await, [200, 200, 403, 403, 200]);
}

#[tokio::test]
async fn every_form_of_a_secret_is_accepted() {
    for (value, accepted, refused) in [
        ("bare", &["bare"][..], &["Bare", "bare "][..]),
        (" not trimmed\n", &[" not trimmed\n"], &["not trimmed"]),
        (r#""quoted""#, &[r#""quoted""#], &["quoted"]),
        ("12345", &["12345"], &["1234"]),
        ("sécret-ü☃", &["sécret-ü☃"], &["sécret-"]),
        (
            r#"{"momentoSecret":"as in Momento's first handler"}"#,
            &["as in Momento's first handler"],
            &["momentoSecret"],
        ),
        (r#"["first","second"]"#, &["first", "second"], &["third", r#"["first","second"]"#]),
        (r#"{"a":"one","n":1,"deep":{"b":"two"}}"#, &["one"], &["two", "1"]),
    ] {
        let (_sandbox, handler) = with_secret(value).await;
        for secret in accepted {
            assert_eq!(status(&handler, secret).await, 200, "{value}: {secret}");
        }
        for secret in refused {
            assert_eq!(status(&handler, secret).await, 403, "{value}: {secret}");
        }
    }
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
        let runtime = RuntimeApi::start().await;
        let mut process = Process::start(&binary_under_test(WEBHOOK), &sandbox.environment("webhook", &runtime));
        assert!(!process.exited().await.success(), "{value}");
        let lines = process.lines();
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
async fn a_rotated_secret_is_read_with_the_first_event_that_it_signs_and_the_old_one_stays_valid_for_its_grace_period()
{
    let (sandbox, handler) = with_secret("old").await;
    assert_eq!(status(&handler, "old").await, 200);
    sandbox.secrets.state().service.rotate("new", seconds_ago(0.0));
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["new", "old", "new", "other"]).await, [200, 200, 200, 403]);
}

#[tokio::test]
async fn while_a_rotation_is_in_progress_a_mismatch_is_queued_unverified_and_the_pending_value_is_not_accepted() {
    let (sandbox, handler) = with_secret("old").await;
    sandbox.secrets.state().service.label_pending("pending", seconds_ago(0.0));
    assert_eq!(statuses(&handler, ["new", "pending", "old"]).await, [202, 202, 200]);
    let record = handler.process.record("a record", |record| record["outcome"] == "RotationInProgress").await;
    assert!(
        record["message"].as_str().is_some_and(|message| message.contains("a rotation is in progress")),
        "{record}"
    );
    let metrics = handler.process.record("a metric", |line| line["RotationInProgress"] == 1.0).await;
    assert_eq!(metrics["Forged"], serde_json::Value::Null);
    sandbox.secrets.state().service.rotate("new", seconds_ago(0.0));
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["new", "other"]).await, [200, 202]);
    sandbox.secrets.state().service.stages.remove("AWSPENDING");
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["other", "new", "old"]).await, [403, 200, 200]);
}

#[tokio::test]
async fn the_first_mismatch_after_the_start_asks_for_a_rotation_in_progress_and_later_ones_within_3_s_rely_on_it() {
    let (sandbox, handler) = with_secret("known").await;
    let labels = || {
        let calls = sandbox.secrets.calls("GetSecretValue");
        calls.iter().map(|call| call.input["VersionStage"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(status(&handler, "known").await, 200);
    assert_eq!(labels(), ["AWSCURRENT"]);
    assert_eq!(statuses(&handler, ["other", "other", "other"]).await, [403; 3]);
    let mut asked = labels();
    asked.sort();
    assert_eq!(asked, ["AWSCURRENT", "AWSCURRENT", "AWSPENDING"]);
}

#[tokio::test]
async fn a_mismatch_is_also_counted_by_the_metric_with_the_alarm() {
    let (_sandbox, handler) = with_secret("known").await;
    assert_eq!(status(&handler, "other").await, 403);
    let metrics = handler.process.record("a metric", |line| line["Forged"] == 1.0).await;
    assert_eq!(metrics["SignatureMismatch"], 1.0);
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
async fn a_mistake_between_two_secrets_changes_nothing_for_a_process_that_knows_the_first() {
    let (sandbox, handler) = with_secret("old").await;
    assert_eq!(status(&handler, "old").await, 200);
    sandbox.secrets.state().service.rotate("{mistake", seconds_ago(0.0));
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["other", "old"]).await, [202, 200]);
    sandbox.secrets.state().service.rotate("new", seconds_ago(0.0));
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["new", "old", "other"]).await, [200, 200, 403]);
}

#[tokio::test]
async fn a_process_that_starts_after_a_rotation_accepts_both_secrets() {
    let sandbox = Sandbox::new().await;
    sandbox.secrets.state().service.rotate("new", seconds_ago(60.0));
    let handler = sandbox.start(WEBHOOK).await;
    assert_eq!(statuses(&handler, ["new", momento::SECRET, "other"]).await, [200, 200, 403]);
}

#[tokio::test]
async fn the_previous_secret_is_rejected_after_its_grace_period_and_at_once_without_one() {
    for (seconds, age, expected) in
        [("60", 59.0, 200), ("60", 61.0, 403), ("0", 0.0, 403), ("", 86_300.0, 200), ("", 86_500.0, 403)]
    {
        let mut sandbox = Sandbox::new().await;
        sandbox.set("PREVIOUS_SECRET_SECONDS", seconds);
        sandbox.secrets.state().service.rotate("new", seconds_ago(age));
        let handler = sandbox.start(WEBHOOK).await;
        let found = statuses(&handler, ["new", momento::SECRET]).await;
        assert_eq!(found, [200, expected], "PREVIOUS_SECRET_SECONDS={seconds}, changed {age} s ago");
    }
}

#[tokio::test]
async fn without_a_grace_period_a_process_that_sees_the_change_rejects_the_old_secret_from_then_on() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("PREVIOUS_SECRET_SECONDS", "0");
    let handler = sandbox.start(WEBHOOK).await;
    assert_eq!(status(&handler, momento::SECRET).await, 200);
    sandbox.secrets.state().service.rotate("new", seconds_ago(0.0));
    assert_eq!(statuses(&handler, ["new", momento::SECRET, "new"]).await, [200, 403, 200]);
}

#[tokio::test]
async fn the_grace_period_of_the_previous_secret_is_checked_with_each_request() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("PREVIOUS_SECRET_SECONDS", "4");
    sandbox.secrets.state().service.rotate("new", seconds_ago(2.0));
    let handler = sandbox.start(WEBHOOK).await;
    assert_eq!(status(&handler, momento::SECRET).await, 200);
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    assert_eq!(statuses(&handler, [momento::SECRET, "new"]).await, [403, 200]);
}

#[tokio::test]
async fn a_read_that_fails_leaves_the_known_secrets_valid() {
    async fn with(fault: Fault) {
        let (sandbox, handler) = with_secret("known").await;
        assert_eq!(status(&handler, "known").await, 200);
        sandbox.secrets.plan("GetSecretValue", always(fault.clone()));
        tokio::time::sleep(READ_AGAIN_AFTER).await;
        assert_eq!(statuses(&handler, ["other", "known"]).await, [202, 200], "{fault:?}");
    }
    tokio::join!(
        with(Fault::Error(500, "InternalServiceError")),
        with(Fault::Error(400, "AccessDeniedException")),
        with(Fault::Hang)
    );
}

#[tokio::test]
async fn a_previous_secret_that_cannot_be_read_does_not_delay_the_current_one() {
    let sandbox = Sandbox::new().await;
    sandbox.secrets.state().service.rotate("new", seconds_ago(60.0));
    let fault =
        |input: &serde_json::Value| if input["VersionStage"] == "AWSPREVIOUS" { Fault::Hang } else { Fault::None };
    sandbox.secrets.plan("GetSecretValue", Box::new(move |_, input| fault(input)));
    let handler = sandbox.start(WEBHOOK).await;
    let body = momento::body("serverless", "test", 1, "text");
    let response = handler.invoke(&momento::event_signed_with("new", &body)).await;
    assert_eq!(response.status(), 200);
    let took = handler.since_start(&response);
    assert!(took < Duration::from_millis(1_000), "{took:?}");
}

#[tokio::test]
async fn a_version_stored_long_before_it_became_current_leaves_the_old_secret_its_grace_period() {
    let (sandbox, handler) = with_secret("old").await;
    assert_eq!(status(&handler, "old").await, 200);
    sandbox.secrets.state().service.rotate("new", seconds_ago(2.0 * 86_400.0));
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["new", "old", "new", "old", "other"]).await, [200, 200, 200, 200, 403]);
}

#[tokio::test]
async fn a_read_that_hangs_once_after_a_rotation_does_not_reject_the_new_secret() {
    let (sandbox, handler) = with_secret("old").await;
    assert_eq!(status(&handler, "old").await, 200);
    sandbox.secrets.state().service.rotate("new", seconds_ago(0.0));
    sandbox.secrets.plan("GetSecretValue", once(Fault::Hang));
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    assert_eq!(statuses(&handler, ["new", "old"]).await, [200, 200]);
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
async fn while_no_secret_can_be_read_a_request_without_a_well_formed_signature_is_rejected_and_not_queued() {
    let sandbox = Sandbox::new().await;
    sandbox.secrets.plan("GetSecretValue", always(Fault::Error(400, "AccessDeniedException")));
    let handler = sandbox.start(WEBHOOK).await;
    for signature in ["", "no signature"] {
        let mut event = momento::event(&momento::body("serverless", "test", 1, "text"));
        event["headers"]["momento-signature"] = signature.into();
        assert_eq!(handler.invoke(&event).await.status(), 403, "{signature}");
    }
    assert_eq!(sandbox.sqs.calls("SendMessage").len(), 0);
}
