//! Checks against an EventBridge that answers as scripted, in virtual time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_eventbridge::Config;
use aws_sdk_eventbridge::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use tokio::time::Instant;

use super::*;

/// The status and the body of a response.
type Response = (u16, &'static str);

const FOUND: Response = (200, r#"{"Name":"orders"}"#);
const NOT_FOUND: Response = (400, r#"{"__type":"ResourceNotFoundException"}"#);
const HALF: Response = (400, r#"{"__type":"ResourceNotFou"#);
const NAMELESS: Response = (200, "{}");
const DENIED: Response = (400, r#"{"__type":"AccessDeniedException"}"#);
const INVALID: Response = (400, r#"{"__type":"ValidationException"}"#);
const FAILURE: Response = (500, r#"{"__type":"InternalException"}"#);

/// The answers to the next calls, each with the milliseconds that it takes; then, no answer at all.
#[derive(Debug, Default)]
struct EventBridge(Mutex<VecDeque<(u64, Response)>>);

impl HttpConnector for EventBridge {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.lock().unwrap().pop_front();
        HttpConnectorFuture::new(async move {
            let Some((takes, (status, body))) = answer else { return std::future::pending().await };
            sleep(ms(takes)).await;
            Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
        })
    }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A probe whose calls are answered so.
fn probe(answers: &[(u64, Response)]) -> Arc<Probe> {
    let connector = SharedHttpConnector::new(EventBridge(Mutex::new(answers.iter().copied().collect())));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()));
    Arc::new(Probe::new(Client::from_conf(config.build()), "orders".to_owned()))
}

/// The answer of one check, when it came, and how many calls it took.
async fn check(answers: &[(u64, Response)]) -> (Option<Answer>, u128, u64) {
    let (probe, began) = (probe(answers), Instant::now());
    let answer = probe.check().await.ok();
    (answer, began.elapsed().as_millis(), probe.calls.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_clear_answer_takes_one_call() {
    assert_eq!(check(&[(10, FOUND)]).await, (Some(Answer::Found), 10, 1));
    assert_eq!(check(&[(10, NOT_FOUND)]).await, (Some(Answer::NotFound), 10, 1));
    assert_eq!(check(&[(10, DENIED)]).await, (Some(Answer::Denied), 10, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_clear_is_asked_for_again_three_calls_in_all() {
    for unclear in [HALF, NAMELESS, FAILURE] {
        let answers = [(10, unclear), (10, unclear), (10, NOT_FOUND), (10, FOUND)];
        assert_eq!(check(&answers).await, (Some(Answer::NotFound), 290, 3), "{unclear:?}");
        assert_eq!(check(&[(10, unclear); 4]).await, (None, 290, 3), "{unclear:?}");
    }
    assert_eq!(check(&[(10, INVALID); 4]).await, (None, 10, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_late_gets_another_one_beside_it_and_the_first_clear_answer_counts() {
    assert_eq!(check(&[(9_000, FOUND), (10, NOT_FOUND)]).await, (Some(Answer::NotFound), 510, 2));
    assert_eq!(check(&[(700, FOUND), (9_000, NOT_FOUND)]).await, (Some(Answer::Found), 700, 2));
    assert_eq!(check(&[(9_000, FOUND), (10, FAILURE), (10, NOT_FOUND)]).await.0, Some(Answer::NotFound));
    assert_eq!(
        check(&[(900, FOUND), (10, FAILURE), (10, FAILURE), (1, NOT_FOUND)]).await,
        (Some(Answer::Found), 900, 3)
    );
}

/// Begins a check beside a request that comes this much later by the wall clock, and lets it make its first call.
async fn request(probe: &Arc<Probe>, later: i64) {
    probe.existence.send_modify(|existence| existence.grow_older(later));
    probe.begin_check();
    sleep(ms(1)).await;
}

fn calls(probe: &Probe) -> u64 {
    probe.calls.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_check_goes_on_beside_the_next_one_and_brings_its_answer() {
    let probe = probe(&[(300, NOT_FOUND), (200, FAILURE), (9_000, FOUND)]);
    request(&probe, 0).await;
    request(&probe, 5_000).await;
    assert_eq!(calls(&probe), 2);
    sleep(ms(300)).await;
    assert!(probe.is_missing());
}

#[tokio::test(start_paused = true)]
async fn a_third_check_ends_the_first_so_that_checks_that_hang_in_a_freeze_prevent_none() {
    let probe = probe(&[]);
    for number in 1..5 {
        request(&probe, 5_000).await;
        assert_eq!((calls(&probe), probe.existence.borrow().running()), (number, number.min(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_asked_for_earlier_does_not_replace_a_later_one() {
    let probe = probe(&[(300, NOT_FOUND), (100, FOUND)]);
    request(&probe, 0).await;
    request(&probe, 5_000).await;
    sleep(ms(400)).await;
    assert!(!probe.is_missing() && probe.existence.borrow().is_known());
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_newer_answer_and_no_longer_than_its_deadline() {
    let probe = probe(&[(10, NOT_FOUND), (100, FOUND), (100, NOT_FOUND)]);
    request(&probe, 0).await;
    probe.known(Deadline::after(ms(1_000))).await;
    assert!(probe.is_missing());
    let began = Instant::now();
    probe.answered(Deadline::after(ms(1_000))).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing is being asked");
    request(&probe, 5_000).await;
    probe.answered(Deadline::after(ms(1_000))).await;
    assert!(!probe.is_missing() && began.elapsed() < ms(110));
    request(&probe, 60_000).await;
    probe.answered(Deadline::after(ms(50))).await;
    assert!(!probe.is_missing());
    probe.answered(Deadline::after(ms(1_000))).await;
    assert!(probe.is_missing());
}
