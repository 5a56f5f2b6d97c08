//! Sequences of reads and requests against a Secrets Manager that answers as told, in virtual time.

use std::collections::HashMap;

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use momento_body_signature::sign;
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: i64 = 60_000;

/// The value and the age (in milliseconds) of the version under a label, and how long its answer takes.
type Answer = (&'static str, i64, Duration);

#[derive(Debug, Clone, Default)]
struct SecretsManager(Arc<Mutex<Versions>>);

#[derive(Debug, Default)]
struct Versions {
    answers: HashMap<&'static str, Answer>,
    /// The labels that were asked for.
    calls: Vec<String>,
}

impl SecretsManager {
    fn put(&self, label: &'static str, value: &'static str, age: i64, takes: Duration) {
        self.0.lock().unwrap().answers.insert(label, (value, age, takes));
    }

    /// How often `AWSCURRENT` was asked for.
    fn reads(&self) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|label| *label == "AWSCURRENT").count()
    }

    /// A store whose secret this holds.
    fn store(&self, previous_secret: Duration) -> SecretStore {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()));
        let reader = Reader::new(Client::from_conf(config.build()), "signing".to_owned(), previous_secret);
        SecretStore::SecretsManager(StoredSecrets { reader: Arc::new(reader), state: Arc::default() })
    }
}

impl HttpConnector for SecretsManager {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
        let label = input["VersionStage"].as_str().unwrap().to_owned();
        let mut state = self.0.lock().unwrap();
        let answer = state.answers.get(label.as_str()).copied();
        state.calls.push(label);
        let (status, body, takes) = match answer {
            Some(("denied", _, takes)) => (400, json!({"__type": "AccessDeniedException", "message": "No."}), takes),
            Some((value, age, takes)) => {
                let created = (clock::now() - age) as f64 / 1000.0;
                (200, json!({"SecretString": value, "VersionId": value, "CreatedDate": created}), takes)
            }
            None => (400, json!({"__type": "ResourceNotFoundException", "message": "No."}), Duration::ZERO),
        };
        HttpConnectorFuture::new(async move {
            sleep(takes).await;
            Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string())))
        })
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

async fn judge(store: &SecretStore, secret: &str) -> &'static str {
    judge_received_before(store, secret, 0).await
}

/// Judges a request that was received this many milliseconds ago.
async fn judge_received_before(store: &SecretStore, secret: &str, milliseconds: i64) -> &'static str {
    let mut signature = [0; 32];
    hex::decode_to_slice(sign(secret.as_bytes(), b"{}"), &mut signature).unwrap();
    let signed = Signed { body: b"{}".to_vec(), signature };
    match store.judge(signed, clock::now() - milliseconds, Deadline::after(ms(4_300))).await {
        Judgement::Authentic(_) => "authentic",
        Judgement::Forged { .. } => "forged",
        Judgement::CannotBeJudged(_, CannotBeJudged::SecretUnavailable(_)) => "unavailable",
        Judgement::CannotBeJudged(_, CannotBeJudged::RotationInProgress) => "rotating",
    }
}

/// Lets the wall clock go on while the process is frozen: what was read is that much older.
fn freeze(store: &SecretStore, milliseconds: i64) {
    let SecretStore::SecretsManager(stored) = store else { panic!("a store that reads") };
    let mut state = stored.state();
    state.read_at = state.read_at.map(|time| time - milliseconds);
    if let Some(latest) = &mut state.latest {
        latest.began_at -= milliseconds;
    }
}

async fn started(secrets: &SecretsManager, previous_secret: Duration) -> SecretStore {
    let store = secrets.store(previous_secret);
    store.start(Deadline::after(ms(1_000))).await;
    store
}

#[tokio::test(start_paused = true)]
async fn secrets_that_were_read_more_than_300_s_ago_are_read_again_before_they_judge() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "leaked", MINUTE, ms(10));
    let store = started(&secrets, Duration::ZERO).await;
    secrets.put("AWSCURRENT", "new", 0, ms(10));
    secrets.put("AWSPREVIOUS", "leaked", MINUTE, ms(10));
    freeze(&store, 299_000);
    assert_eq!((judge(&store, "leaked").await, secrets.reads()), ("authentic", 1));
    freeze(&store, 2_000);
    assert_eq!((judge(&store, "new").await, secrets.reads()), ("authentic", 2));
    assert_eq!(judge(&store, "leaked").await, "forged");
}

#[tokio::test(start_paused = true)]
async fn what_a_read_learned_before_it_was_frozen_grows_old_too() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "leaked", MINUTE, ms(10));
    secrets.put("AWSPREVIOUS", "older", 2 * MINUTE, ms(1_800));
    let store = started(&secrets, DAY).await;
    secrets.put("AWSCURRENT", "new", 0, ms(10));
    secrets.put("AWSPREVIOUS", "unknown", MINUTE, ms(10));
    freeze(&store, 301_000);
    assert_eq!(judge(&store, "leaked").await, "forged");
}

#[tokio::test(start_paused = true)]
async fn old_secrets_still_count_if_they_cannot_be_read_again_which_is_tried_at_most_every_3_s() {
    for (value, takes, waits) in
        [("denied", ms(10), ms(10)), ("{mistake", ms(10), ms(10)), ("known", ms(9_000), ms(900))]
    {
        let secrets = SecretsManager::default();
        secrets.put("AWSCURRENT", "known", MINUTE, ms(10));
        let store = started(&secrets, DAY).await;
        secrets.put("AWSCURRENT", value, MINUTE, takes);
        freeze(&store, 301_000);
        let began = Instant::now();
        assert_eq!((judge(&store, "known").await, began.elapsed()), ("authentic", waits));
        sleep(ms(2_000)).await;
        let (reads, began) = (secrets.reads(), Instant::now());
        assert_eq!((judge(&store, "known").await, began.elapsed()), ("authentic", Duration::ZERO));
        assert_eq!(secrets.reads(), reads);
        freeze(&store, 3_000);
        assert_eq!(judge(&store, "known").await, "authentic");
        assert!(secrets.reads() > reads);
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_could_not_be_read_at_first_is_read_again_with_a_request_a_second_later() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "denied", MINUTE, ms(10));
    let store = started(&secrets, DAY).await;
    secrets.put("AWSCURRENT", "known", MINUTE, ms(10));
    assert_eq!((judge(&store, "known").await, secrets.reads()), ("unavailable", 1));
    freeze(&store, 1_001);
    assert_eq!((judge(&store, "known").await, secrets.reads()), ("authentic", 2));
}

#[tokio::test(start_paused = true)]
async fn a_previous_secret_that_hangs_does_not_delay_the_current_one() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "new", MINUTE, ms(10));
    secrets.put("AWSPREVIOUS", "old", 2 * MINUTE, ms(9_000));
    let began = Instant::now();
    let store = started(&secrets, DAY).await;
    assert_eq!((judge(&store, "new").await, began.elapsed()), ("authentic", ms(10)));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_longer_than_a_request_waits_goes_on_and_counts_when_it_ends() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "old", MINUTE, ms(10));
    let store = started(&secrets, DAY).await;
    secrets.put("AWSCURRENT", "new", 0, ms(1_200));
    assert_eq!(judge(&store, "new").await, "unavailable");
    sleep(ms(500)).await;
    assert_eq!(judge(&store, "new").await, "authentic");
    assert_eq!(judge(&store, "other").await, "forged");
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_does_not_wait_for_a_read_that_does_not_ask_for_a_rotation() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "current", MINUTE, ms(10));
    secrets.put("AWSPREVIOUS", "previous", 2 * MINUTE, ms(1_800));
    let store = started(&secrets, DAY).await;
    // Frozen while AWSPREVIOUS is read, and thawed by a request that it signed.
    freeze(&store, 2_000);
    secrets.put("AWSPREVIOUS", "previous", 2 * MINUTE, ms(10));
    assert_eq!(judge(&store, "previous").await, "authentic");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_asked_for_earlier_never_overwrites_one_that_was_asked_for_later() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "old", MINUTE, ms(10));
    let store = started(&secrets, Duration::ZERO).await;
    secrets.put("AWSCURRENT", "old", MINUTE, ms(1_000));
    assert_eq!(judge(&store, "other").await, "unavailable");
    secrets.put("AWSCURRENT", "new", 0, ms(10));
    freeze(&store, 3_000);
    assert_eq!(judge(&store, "new").await, "authentic");
    advance(ms(2_000)).await;
    sleep(ms(1)).await;
    assert_eq!((judge(&store, "new").await, judge(&store, "old").await), ("authentic", "forged"));
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_share_a_read_and_a_mismatch_is_final_for_3_s() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "known", MINUTE, ms(10));
    let store = started(&secrets, DAY).await;
    assert_eq!(tokio::join!(judge(&store, "other"), judge(&store, "another")), ("forged", "forged"));
    assert_eq!(secrets.reads(), 2);
    freeze(&store, 2_900);
    assert_eq!((judge(&store, "other").await, secrets.reads()), ("forged", 2));
    freeze(&store, 101);
    assert_eq!((judge(&store, "other").await, secrets.reads()), ("forged", 3));
}

#[tokio::test(start_paused = true)]
async fn access_denied_for_awspending_is_a_failure_only_after_another_response() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "known", MINUTE, ms(10));
    secrets.put("AWSPENDING", "denied", 0, ms(10));
    let store = started(&secrets, DAY).await;
    assert_eq!(judge(&store, "other").await, "forged");
    for (value, expected) in [("pending", "rotating"), ("denied", "unavailable")] {
        secrets.put("AWSPENDING", value, 0, ms(10));
        freeze(&store, 3_001);
        assert_eq!(judge(&store, "other").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn awspending_left_on_the_current_version_is_no_rotation_in_progress() {
    for (pending, expected) in [("known", "forged"), ("pending", "rotating")] {
        let secrets = SecretsManager::default();
        secrets.put("AWSCURRENT", "known", MINUTE, ms(10));
        secrets.put("AWSPENDING", pending, 0, ms(10));
        let store = started(&secrets, DAY).await;
        assert_eq!(judge(&store, "other").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_awspending_counts_even_if_the_rest_of_its_read_failed() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "known", MINUTE, ms(10));
    let store = started(&secrets, DAY).await;
    for (current, pending) in [("denied", "pending"), ("known", "denied")] {
        secrets.put("AWSCURRENT", current, MINUTE, ms(10));
        secrets.put("AWSPENDING", pending, 0, ms(10));
        freeze(&store, 3_001);
        assert_eq!(judge(&store, "other").await, "unavailable");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_received_before_the_secret_was_changed_is_accepted_in_a_process_that_starts_meanwhile() {
    let secrets = SecretsManager::default();
    secrets.put("AWSCURRENT", "new", 500, ms(10));
    secrets.put("AWSPREVIOUS", "old", MINUTE, ms(10));
    let store = secrets.store(Duration::ZERO);
    assert_eq!(judge_received_before(&store, "old", 1_000).await, "authentic");
    assert_eq!(judge_received_before(&store, "old", 0).await, "forged");
}
