//! 10,000 distinct signed events while 30% of the calls to EventBridge, SQS and Secrets Manager fail, and processes are replaced
//! all the time. Afterwards, each event is accounted for.
//! This takes minutes, so only `make load` runs it. `make load UPDATE_DOCS=1` writes the figures into `docs/faults.md`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use test_kit::docs::Part;
use test_kit::fault::{Fault, Plan};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures, webhook_body};
use test_kit::sandbox::{Function, Sandbox};

mod exactly_once;

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
const REDRIVE: &str = env!("CARGO_BIN_EXE_redrive");

const EVENTS: u64 = 10_000;
const SEED: u64 = 20_241_120;
const FAILING_PERCENT: u64 = 30;

/// The handlers mostly wait for calls that hang, so there are many more of them than cores.
const HANDLERS: usize = 24;
const REDRIVES: usize = 6;

const RESPOND_WITHIN: Duration = Duration::from_millis(4_500);

/// The `maxReceiveCount` of the template, after which SQS moves a message to the dead-letter queue.
const MAX_RECEIVES: u64 = 20;

/// The events that a process serves before another takes its place, which starts cold.
const EVENTS_OF_A_PROCESS: u64 = 200;

/// Faults of all three services, each with the same probability.
fn faults_of_all() -> Vec<Fault> {
    vec![
        Fault::Error(500, "InternalFailure"),
        Fault::Html(503),
        Fault::Html(408),
        Fault::Error(400, "ThrottlingException"),
        Fault::Error(400, "RequestTimeout"),
        Fault::Error(400, "ThrottledException"),
        Fault::Error(400, "RequestLimitExceeded"),
        Fault::Error(400, "KmsThrottled"),
        Fault::Refused(403, "InvalidSignatureException", "Signature expired: 20240914T053759Z is now earlier than now"),
        Fault::Error(403, "RequestExpired"),
        Fault::Error(403, "RequestTimeTooSkewed"),
        Fault::HalfBody,
        Fault::Hang,
        Fault::Reset,
        Fault::ResponseLost,
    ]
}

/// Chooses the fault of a call by what it is about, and counts the calls that fail.
fn at_random(
    service: &'static str,
    more: &[Fault],
    failed: Arc<AtomicU64>,
    mut subject: impl FnMut(usize, &Value) -> u64 + Send + 'static,
) -> Plan {
    let faults = [&faults_of_all(), more].concat();
    Box::new(move |number, input| {
        let mut hasher = DefaultHasher::new();
        // Includes the service, so that the services do not fail for the same events.
        (SEED, service, subject(number, input)).hash(&mut hasher);
        let drawn = hasher.finish();
        if drawn % 100 >= FAILING_PERCENT {
            return Fault::None;
        }
        failed.fetch_add(1, Ordering::Relaxed);
        faults[(drawn / 100) as usize % faults.len()].clone()
    })
}

/// The events of a call and how often they were sent before, so that a run can be repeated.
fn of_events(bodies: impl Fn(&Value) -> Vec<Vec<u8>> + Send + 'static) -> impl FnMut(usize, &Value) -> u64 + Send {
    let mut counts: HashMap<u64, u64> = HashMap::new();
    move |_, input| {
        let mut hasher = DefaultHasher::new();
        for body in bodies(input) {
            let sequence = sequence(&body);
            let count = counts.entry(sequence).or_default();
            *count += 1;
            (sequence, *count).hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn bodies_of_entries(input: &Value) -> Vec<Vec<u8>> {
    let entries = input["Entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry["Detail"].as_str().expect("a detail").as_bytes().to_vec()).collect()
}

fn body_of_message(input: &Value) -> Vec<Vec<u8>> {
    let message = input["MessageBody"].as_str().expect("a message");
    vec![webhook_body(&serde_json::from_str(message).expect("JSON"))]
}

fn sequence(body: &[u8]) -> u64 {
    let body: Value = serde_json::from_slice(body).expect("a body");
    body["topic_sequence_number"].as_u64().expect("a sequence number")
}

/// What was sent, and the responses.
#[derive(Default)]
struct Sent {
    bodies: HashMap<u64, String>,
    statuses: BTreeMap<u64, u64>,
    status_of: HashMap<u64, u64>,
    times: Vec<Duration>,
    cold_starts: u64,
    /// Queue messages in the log, where neither the bus nor the queue accepted the event.
    logged: Vec<String>,
    /// Requests that could be neither verified nor queued: none of their content is stored.
    not_kept: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make load"]
async fn of_ten_thousand_events_none_is_lost_while_30_percent_of_the_calls_fail() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("RUST_LOG", "error");
    sandbox.set("SIGNING_SECRET_ID", "signing");
    let sandbox = Arc::new(sandbox);
    let [failed_puts, failed_sends, failed_reads] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    let entries = [Fault::FailedEntries("InternalFailure"), Fault::FailedEntries("AccessDeniedException")];
    let puts = at_random("EventBridge", &entries, failed_puts.clone(), of_events(bodies_of_entries));
    let sends = at_random("SQS", &[], failed_sends.clone(), of_events(body_of_message));
    let denied = [Fault::Error(400, "AccessDeniedException")];
    let reads = at_random("SecretsManager", &denied, failed_reads.clone(), |number, _| number as u64);
    sandbox.eventbridge.plan("PutEvents", puts);
    sandbox.sqs.plan("SendMessage", sends);
    sandbox.secrets.plan("GetSecretValue", reads);
    let began = Instant::now();
    let sent = send_all(&sandbox).await;
    let sending = began.elapsed();
    let of = |calls: usize, failed: &AtomicU64| format!("{calls} / {}", failed.load(Ordering::Relaxed));
    let puts = of(sandbox.eventbridge.calls("PutEvents").len(), &failed_puts);
    let sends = of(sandbox.sqs.calls("SendMessage").len(), &failed_sends);
    let reads = of(sandbox.secrets.calls("GetSecretValue").len(), &failed_reads);
    let delivered = count_on_the_bus(&sandbox, &sent);
    let queue: Vec<String> = sandbox.sqs.state().service.messages.iter().map(|message| message.body.clone()).collect();
    let queued = count_in_the_queue(&queue, &sent);
    let logged = count_in_the_queue(&sent.logged, &sent);
    let mut nowhere = 0;
    for (sequence, status) in &sent.status_of {
        let (on_the_bus, in_the_queue) = (delivered.contains_key(sequence), queued.contains_key(sequence));
        assert!(*status != 200 || on_the_bus, "event {sequence} got a 200 and is not on the bus");
        assert!(*status != 202 || in_the_queue, "event {sequence} got a 202 and is not in the queue");
        nowhere += u64::from(!on_the_bus && !in_the_queue && !logged.contains_key(sequence));
    }
    let on_both = queued.keys().filter(|sequence| delivered.contains_key(sequence)).count();
    assert_eq!(sent.status_of.len(), EVENTS as usize);
    assert!(
        nowhere <= sent.not_kept,
        "{nowhere} events are nowhere, and {} could be neither verified nor queued",
        sent.not_kept
    );
    assert!(sent.cold_starts >= 20);
    let unverified = queue.iter().filter(|message| message.starts_with(r#"{"version":2,"#)).count();

    let began = Instant::now();
    let receives = redrive_all(&sandbox, [queue, sent.logged.clone()].concat()).await;
    let redriving = began.elapsed();
    let all = count_on_the_bus(&sandbox, &sent);
    assert_eq!(all.len() as u64, EVENTS - nowhere, "events on the bus after redrive");
    let copies = all.values().sum::<usize>() - all.len();

    let responses = |status| sent.statuses.get(&status).copied().unwrap_or_default();
    let mut times = sent.times;
    times.sort_unstable();
    let slowest = times[times.len() - 1];
    assert!(slowest < RESPOND_WITHIN, "the slowest response took {slowest:?}");
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_millis();
    let figures = [
        ("events sent, all distinct", EVENTS.to_string()),
        ("cold starts among them", sent.cold_starts.to_string()),
        ("lost: not on the bus, in the queue or in the log", nowhere.to_string()),
        (
            "neither verified nor queued (SQS failed three times while no secret could be read)",
            sent.not_kept.to_string(),
        ),
        ("response 200: on the bus", responses(200).to_string()),
        ("response 202: in the retry queue", responses(202).to_string()),
        ("of these unverified", unverified.to_string()),
        ("response 500: in the log", logged.len().to_string()),
        ("any other response", (EVENTS - responses(200) - responses(202) - responses(500)).to_string()),
        ("both in the queue and on the bus (the response was lost)", on_both.to_string()),
        ("PutEvents calls of the handlers / failed", puts),
        ("SendMessage calls / failed", sends),
        ("GetSecretValue calls / failed", reads),
        ("response time, p50 / p90 / p99", format!("{} / {} / {} ms", at(0.5), at(0.9), at(0.99))),
        ("slowest response", format!("{} ms", slowest.as_millis())),
        ("events on the bus after redrive of the queue and the log", all.len().to_string()),
        ("most receives of one message", receives.to_string()),
        ("duplicates on the bus", copies.to_string()),
        ("duration of sending / of redrive", format!("{} s / {} s", sending.as_secs(), redriving.as_secs())),
    ];
    report("the load", &figures);
}

async fn send_all(sandbox: &Arc<Sandbox>) -> Sent {
    let (next, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Sent::default())));
    let sending: Vec<_> =
        (0..HANDLERS).map(|_| tokio::spawn(send(sandbox.clone(), next.clone(), sent.clone()))).collect();
    for handler in sending {
        handler.await.expect("a handler");
    }
    std::mem::take(&mut sent.lock().unwrap())
}

/// Sends events to one process after another, each for its share.
async fn send(sandbox: Arc<Sandbox>, next: Arc<AtomicU64>, sent: Arc<Mutex<Sent>>) {
    loop {
        let handler = sandbox.start(WEBHOOK).await;
        let is_last = send_some(&handler, &next, &sent).await;
        let records = handler.process.records();
        let mut sent = sent.lock().unwrap();
        sent.cold_starts += 1;
        let messages = records.iter().map(|record| &record["queueMessage"]).filter(|message| !message.is_null());
        sent.logged.extend(messages.map(Value::to_string));
        let is_not_kept = |record: &&Value| record["outcome"] == "SecretUnavailable" && !record["queueError"].is_null();
        sent.not_kept += records.iter().filter(is_not_kept).count() as u64;
        if is_last {
            return;
        }
    }
}

async fn send_some(handler: &Function, next: &AtomicU64, sent: &Mutex<Sent>) -> bool {
    for number in 0..EVENTS_OF_A_PROCESS {
        let sequence = next.fetch_add(1, Ordering::Relaxed);
        if sequence >= EVENTS {
            return true;
        }
        let body = momento::body("serverless", "load", sequence, &format!("event {sequence} é 🐿"));
        let response = handler.post(&body).await;
        let took = if number == 0 { handler.since_start(&response) } else { response.elapsed() };
        if response.status() == 500 {
            let is_of_this = |record: &Value| record["requestId"] == *response.request_id && record["level"] == "ERROR";
            handler.process.record("the record of a 500", is_of_this).await;
        }
        let mut sent = sent.lock().unwrap();
        assert!(!response.is_error, "{}", response.payload);
        *sent.statuses.entry(response.status()).or_default() += 1;
        sent.status_of.insert(sequence, response.status());
        sent.bodies.insert(sequence, body);
        sent.times.push(took);
    }
    false
}

/// How often each event is on the bus, byte for byte as it was sent.
fn count_on_the_bus(sandbox: &Sandbox, sent: &Sent) -> HashMap<u64, usize> {
    let state = sandbox.eventbridge.state();
    assert!(state.service.dropped.is_empty());
    let details = state.service.entries.iter().map(|entry| entry["Detail"].as_str().expect("a detail").as_bytes());
    count(details.map(<[u8]>::to_vec), sent)
}

fn count_in_the_queue(queue: &[String], sent: &Sent) -> HashMap<u64, usize> {
    count(queue.iter().map(|message| webhook_body(&serde_json::from_str(message).expect("a message"))), sent)
}

fn count(bodies: impl Iterator<Item = Vec<u8>>, sent: &Sent) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for body in bodies {
        let sequence = sequence(&body);
        assert_eq!(body, sent.bodies[&sequence].as_bytes(), "event {sequence} differs from what was sent");
        *counts.entry(sequence).or_default() += 1;
    }
    counts
}

/// Sends the messages to redrive in batches of ten until none is left. Failed messages are sent again.
async fn redrive_all(sandbox: &Sandbox, mut queue: Vec<String>) -> u64 {
    let redrives = start_redrives(sandbox).await;
    let mut receives = 0;
    while !queue.is_empty() {
        receives += 1;
        assert!(receives <= MAX_RECEIVES, "{} messages are still in the queue", queue.len());
        queue = redrive_once(&redrives, queue).await;
    }
    receives
}

async fn start_redrives(sandbox: &Sandbox) -> Vec<Arc<Function>> {
    let mut redrives = Vec::new();
    for _ in 0..REDRIVES {
        redrives.push(Arc::new(sandbox.start(REDRIVE).await));
    }
    redrives
}

/// Sends each message once, and returns those that stay in the queue.
async fn redrive_once(redrives: &[Arc<Function>], queue: Vec<String>) -> Vec<String> {
    let batches = Arc::new(Mutex::new(queue.chunks(10).map(<[String]>::to_vec).collect()));
    let redriving: Vec<_> =
        redrives.iter().map(|redrive| tokio::spawn(redrive_some(redrive.clone(), Arc::clone(&batches)))).collect();
    let mut left = Vec::new();
    for redrive in redriving {
        left.extend(redrive.await.expect("a redrive"));
    }
    left
}

/// Sends batches while there are any, and returns the messages that stay in the queue.
async fn redrive_some(redrive: Arc<Function>, batches: Arc<Mutex<Vec<Vec<String>>>>) -> Vec<String> {
    let mut left = Vec::new();
    loop {
        let Some(messages) = batches.lock().unwrap().pop() else { return left };
        let event = batch(messages.iter().enumerate().map(|(position, text)| (position.to_string(), &**text)));
        let response = redrive.invoke(&event).await;
        for id in failures(&response.payload) {
            left.push(messages[id.parse::<usize>().expect("a position")].clone());
        }
    }
}

fn report(part: &str, figures: &[(&str, String)]) {
    let mut text = String::from("\n| figure | |\n| --- | ---: |\n");
    for (name, figure) in figures {
        println!("{name}: {figure}");
        let _ = writeln!(text, "| {name} | {figure} |");
    }
    text.push('\n');
    if Part::may_be_updated() {
        let begin = format!("<!-- {part}: written by `make load UPDATE_DOCS=1` -->");
        let part = Part::of("faults.md", &begin, &format!("<!-- end of {part} -->"));
        part.and_then(|part| part.update(&text)).expect("docs/faults.md");
    }
}
