//! 75 minutes of traffic in which one thing after another fails: what the picture of the dashboard is drawn from.

use std::path::Path;
use std::time::Duration;
use std::{fs, io, panic};

use serde_json::{Value, json};
use simulation::draw::Draws;
use simulation::fault::{OPERATIONS, Outage};
use simulation::history::History;
use simulation::life::{Faults, Life, Terms};
use simulation::operator::{Access, Action, Step};
use simulation::process::EPOCH;
use simulation::queue::Queue;
use simulation::request::{Arrival, Content, Kind, Malformed};
use simulation::world::World;
use test_kit::fault::Fault;

/// In milliseconds.
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const LENGTH: i64 = 75 * MINUTE;

/// How many requests arrive in 100 minutes at the rate of this minute.
type Rate = fn(i64) -> i64;

const RATES: [(Kind, Rate); 9] = [
    (Kind::Webhook(Content::Message), |minute| 2_400 + 40 * (minute % 25)),
    (Kind::Webhook(Content::LongNames), |minute| if (60..70).contains(&minute) { 50 } else { 0 }),
    (Kind::Webhook(Content::Unmappable), |minute| if [5, 6].contains(&minute) { 500 } else { 0 }),
    (Kind::Forged { body_bytes: 300 }, |minute| if (44..49).contains(&minute) { 1_200 } else { 15 }),
    (Kind::Malformed(Malformed::NoSignature), |_| 20),
    (Kind::Malformed(Malformed::Get), |minute| if [10, 11, 52].contains(&minute) { 200 } else { 5 }),
    (Kind::Malformed(Malformed::TooLarge), |_| 6),
    (Kind::Delayed(3_600_000), |_| 25),
    (Kind::Delayed(-200_000), |_| 10),
];

/// Writes what CloudWatch would have of that time: namespace, metric, the dimension's value as the reader of the template
/// names it, second, and value.
pub fn write(file: &Path) -> io::Result<()> {
    // Nothing looks at what was kept of a panic here.
    drop(panic::take_hook());
    let draws = Draws::default();
    let terms = Terms {
        fault_once_in: 0,
        has_retry_queue: true,
        has_static_secret: false,
        idle: MINUTE,
        is_custom_bus: false,
        is_steady: true,
        latency: 12,
        previous_secret_seconds: 86_400,
        skew: 0,
        spare_once_in: 60,
        stops_clock: false,
    };
    let (arrivals, outages, steps) = (arrivals(&draws), outages(), steps());
    let life = Life { draws, faults: Faults::Drawn, terms, arrivals, outages, steps, calm_at: LENGTH };
    let mut world = World::new(&life);
    let mut samples = Vec::new();
    let mut at = 0;
    while at < LENGTH && world.step() {
        while at <= world.now {
            samples.extend(of_the_queues(&world.queue, at));
            at += 15 * SECOND;
        }
    }
    let history = world.end();
    samples.extend(of_lambda(&history));
    samples.extend(of_the_functions(&history));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, json!({"seconds": LENGTH / SECOND, "samples": samples}).to_string())
}

fn sample(namespace: &str, metric: &str, owner: &str, at: i64, value: impl Into<Value>) -> Value {
    json!([namespace, metric, owner, at as f64 / SECOND as f64, value.into()])
}

/// Each second may have a request of each kind.
fn arrivals(draws: &Draws) -> Vec<Arrival> {
    let mut draw = draws.of("traffic");
    let mut arrivals = Vec::new();
    for second in 0..LENGTH / SECOND {
        for (kind, rate) in RATES {
            if draw.between(1, 100 * 60) <= rate(second / 60) {
                let (at, under_way) = (second * SECOND + draw.between(0, SECOND - 1), draw.magnitude(8, 60));
                let is_message = kind == Kind::Webhook(Content::Message);
                let kind = if is_message { Kind::Delayed(under_way) } else { kind };
                arrivals.push(Arrival { number: arrivals.len(), at, kind });
            }
        }
    }
    arrivals
}

fn outages() -> Vec<Outage> {
    let outage = |operation: usize, from, lasts, fault| Outage {
        key: String::new(),
        operations: &OPERATIONS[operation..=operation],
        from,
        to: from + lasts,
        fault,
    };
    let (put, send) = (0, 2);
    let (slow_from, slow_for) = (14 * MINUTE, 6 * MINUTE);
    // Every seventh call is throttled.
    let throttled = (slow_from..slow_from + slow_for).step_by(140);
    let mut outages: Vec<_> =
        throttled.map(|from| outage(put, from, 20, Fault::Error(400, "ThrottlingException"))).collect();
    outages.push(outage(put, slow_from, slow_for, Fault::Slow(Duration::from_millis(40))));
    outages.push(outage(put, 28 * MINUTE, 6 * MINUTE, Fault::Error(500, "InternalException")));
    outages.push(outage(send, 31 * MINUTE, MINUTE / 2, Fault::Error(400, "AccessDeniedException")));
    outages
}

/// A new version may not read the secret for a minute.
fn steps() -> Vec<Step> {
    let step = |minute, action| Step { key: String::new(), script: "deployment", at: minute * MINUTE, action };
    let denied = step(58, Action::AllowReads(Access::Nothing));
    vec![denied, step(58, Action::Deploy), step(59, Action::AllowReads(Access::All))]
}

/// AWS/SQS excludes a message from the age after three receives.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
fn of_the_queues(queue: &Queue, at: i64) -> [Value; 4] {
    const RETRY: &str = "<RetryQueue.QueueName>";
    const DEAD: &str = "<DeadLetterQueue.QueueName>";
    let messages = &queue.messages;
    let visible = messages.iter().filter(|message| message.visible_at <= at).count();
    let aged = messages.iter().filter(|message| message.receives < 3).map(|message| at - message.visible_from);
    let number = |metric, owner, value| sample("AWS/SQS", metric, owner, at, value);
    [
        number("ApproximateNumberOfMessagesVisible", RETRY, visible),
        number("ApproximateNumberOfMessagesNotVisible", RETRY, messages.len() - visible),
        number("ApproximateAgeOfOldestMessage", RETRY, (aged.max().unwrap_or_default() / SECOND) as usize),
        number("ApproximateNumberOfMessagesVisible", DEAD, queue.dead_letters.len()),
    ]
}

fn of_lambda(history: &History) -> impl Iterator<Item = Value> {
    let answered = history.requests.values().filter_map(|request| Some((request, request.answer?)));
    answered.flat_map(|(request, answer)| {
        let duration = answer.at - (request.received_at - EPOCH);
        [("Duration", duration), ("Url5xxCount", i64::from(answer.status >= 500)), ("Errors", 0), ("Throttles", 0)]
            .map(|(metric, value)| sample("AWS/Lambda", metric, "<WebhookFunction>", answer.at, value))
    })
}

/// What the functions logged in the embedded metric format.
fn of_the_functions(history: &History) -> impl Iterator<Item = Value> {
    history.metrics.iter().flat_map(|(function, line)| {
        let owner = format!("<{function:?}Function>");
        let at = line["_aws"]["Timestamp"].as_i64().unwrap_or_default() - EPOCH;
        let values = line.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
        values.map(move |(name, value)| sample("MomentoEventBridge", name, &owner, at, value.clone()))
    })
}
