//! 75 minutes of traffic with faults, in 75 seconds: what the picture of the dashboard is drawn from (`make dashboard`).

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp, LogNormal};
use serde_json::{Value, json};
use test_kit::fault::Fault;
use test_kit::momento;
use test_kit::sandbox::{Function, Sandbox};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::kinds::{self, TEXT, World, body, signed};
use crate::output::Output;
use crate::retry_queue::RetryQueue;
use crate::{REDRIVE, WEBHOOK};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.local");

/// A second of the run is drawn as a minute.
const SCALE: f64 = 60.0;
const MINUTES: u32 = 75;
const MOST_ENVIRONMENTS: usize = 24;
const REDRIVES: usize = 2;

// What fails, from which minute to which.
const SLOW_BUS: Range<f64> = 14.0..20.0;
const BUS_DOWN: Range<f64> = 28.0..34.0;
const QUEUE_DOWN: Range<f64> = 31.0..31.5;
const FORGED_BURST: Range<f64> = 44.0..49.0;
/// A new version that may not read the secret yet.
const SECRET_DOWN: Range<f64> = 58.0..59.0;

/// Requests per minute, at a minute of the run.
type Rate = fn(f64) -> f64;

const RATES: [(&str, Rate); 9] = [
    ("Delivered", |minute| 24.0 + 10.0 * (minute % 25.0) / 25.0),
    ("Delivered, detail-type truncated", |minute| if (60.0..70.0).contains(&minute) { 0.5 } else { 0.0 }),
    ("Forged: another secret", |minute| if FORGED_BURST.contains(&minute) { 12.0 } else { 0.15 }),
    ("Forged: no signature", |_| 0.2),
    ("Stale", |_| 0.25),
    ("Future", |_| 0.1),
    ("MethodNotAllowed", |minute| if [10.0, 11.0, 52.0].contains(&minute) { 2.0 } else { 0.05 }),
    ("PayloadTooLarge", |_| 0.06),
    ("Queued: not a valid event", |minute| if [5.0, 6.0].contains(&minute) { 2.0 } else { 0.0 }),
];

/// Namespace, metric, the dimension's value as the reader of the template names it, second, value.
type Sample = (&'static str, String, &'static str, f64, f64);

struct Run {
    sandbox: Sandbox,
    queue: RetryQueue,
    began: Instant,
    /// In milliseconds since the Unix epoch.
    began_at: i64,
    random: Mutex<SmallRng>,
    samples: Mutex<Vec<Sample>>,
    idle: Mutex<Vec<Environment>>,
    /// Those of the version before the new one.
    old: Mutex<Vec<Environment>>,
    free: Semaphore,
}

/// An execution environment of the webhook function.
struct Environment {
    function: Function,
    is_old: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes 80 s: make dashboard"]
async fn the_picture_of_the_dashboard_has_traffic_with_faults() {
    let run = Arc::new(Run::new().await);
    let mut redrives = Vec::new();
    let mut background = JoinSet::new();
    for _ in 0..REDRIVES {
        let (run, redrive) = (run.clone(), Arc::new(run.sandbox.start(REDRIVE).await));
        redrives.push(redrive.clone());
        background.spawn(async move { run.queue.serve(&run.sandbox, &redrive).await });
    }
    let watched = run.clone();
    background.spawn(async move { watched.watch_queue().await });

    run.clone().send_all().await;
    run.until(MINUTES.into()).await;
    background.shutdown().await;

    run.write(redrives).await;
}

impl Run {
    async fn new() -> Self {
        let mut sandbox = kinds::sandbox(World::Ready).await;
        sandbox.set("RUST_LOG", "off");
        let began = Instant::now();
        let minute = move || began.elapsed().as_secs_f64();
        let mut random = SmallRng::seed_from_u64(1_726_292_279);
        sandbox.eventbridge.plan("PutEvents", Box::new(move |_, _| put_fault(minute(), &mut random)));
        sandbox.sqs.plan("SendMessage", Box::new(move |_, _| denied_in(&QUEUE_DOWN, minute())));
        sandbox.secrets.plan("GetSecretValue", Box::new(move |_, _| denied_in(&SECRET_DOWN, minute())));
        Self {
            sandbox,
            queue: RetryQueue::new(SCALE),
            began,
            began_at: momento::now(),
            random: Mutex::new(SmallRng::seed_from_u64(20_241_120)),
            samples: Mutex::default(),
            idle: Mutex::default(),
            old: Mutex::default(),
            free: Semaphore::new(MOST_ENVIRONMENTS),
        }
    }

    fn minute(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    async fn until(&self, minute: f64) {
        sleep(Duration::from_secs_f64(minute).saturating_sub(self.began.elapsed())).await;
    }

    fn sample(&self, namespace: &'static str, metric: &str, owner: &'static str, minute: f64, value: f64) {
        self.samples.lock().unwrap().push((namespace, metric.to_owned(), owner, minute * SCALE, value));
    }

    /// When each request arrives, and its kind: a Poisson process for each kind, by the gaps between its requests.
    fn schedule(&self) -> Vec<(f64, &'static str)> {
        let random = &mut *self.random.lock().unwrap();
        let mut due = Vec::new();
        for minute in (0..MINUTES).map(f64::from) {
            for (kind, rate) in RATES {
                // At a rate of 0 every gap is infinite.
                let gaps = Exp::new(rate(minute)).expect("a rate");
                let mut at = minute + gaps.sample(random);
                while at < minute + 1.0 {
                    due.push((at, kind));
                    at += gaps.sample(random);
                }
            }
        }
        due.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        due
    }

    async fn send_all(self: Arc<Self>) {
        let mut sending = JoinSet::new();
        for (due, kind) in self.schedule() {
            self.until(due).await;
            let run = self.clone();
            sending.spawn(async move { run.send(kind).await });
        }
        sending.join_all().await;
    }

    async fn send(&self, kind: &str) {
        let _turn = self.free.acquire().await.expect("a semaphore");
        let environment = self.environment().await;
        let response = environment.function.invoke(&self.event(kind)).await;
        let (minute, duration) = (self.minute(), response.elapsed().as_secs_f64() * 1000.0);
        let is_5xx = f64::from(response.status() >= 500);
        let is_error = f64::from(response.is_error);
        for (metric, value) in
            [("Duration", duration), ("Url5xxCount", is_5xx), ("Errors", is_error), ("Throttles", 0.0)]
        {
            self.sample("AWS/Lambda", metric, "<WebhookFunction>", minute, value);
        }
        self.idle.lock().unwrap().push(environment);
    }

    /// An idle one of the version that is deployed, or a new one.
    async fn environment(&self) -> Environment {
        let is_new_version = self.minute() >= SECRET_DOWN.start;
        let idle = {
            let mut idle = self.idle.lock().unwrap();
            let old = idle.extract_if(.., |environment| environment.is_old && is_new_version);
            self.old.lock().unwrap().extend(old);
            idle.pop()
        };
        match idle {
            Some(environment) => environment,
            None => Environment { function: self.sandbox.start(WEBHOOK).await, is_old: !is_new_version },
        }
    }

    fn event(&self, kind: &str) -> Value {
        if kind != "Delivered" {
            return (kinds::named(kind).event)();
        }
        let under_way = log_normal(&mut self.random.lock().unwrap(), 22.0, 0.5).min(400.0);
        signed(&body("paid", momento::now() - under_way as i64, TEXT))
    }

    async fn watch_queue(&self) {
        loop {
            let (minute, depth) = (self.minute(), self.queue.depth(&self.sandbox));
            let (queue, dead) = ("<RetryQueue.QueueName>", "<DeadLetterQueue.QueueName>");
            for (metric, owner, value) in [
                ("ApproximateNumberOfMessagesVisible", queue, depth.visible as f64),
                ("ApproximateNumberOfMessagesNotVisible", queue, depth.not_visible as f64),
                ("ApproximateAgeOfOldestMessage", queue, depth.oldest_seconds),
                ("ApproximateNumberOfMessagesVisible", dead, depth.dead as f64),
            ] {
                self.sample("AWS/SQS", metric, owner, minute, value);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Ends the functions, adds their metrics to the samples, and writes the file.
    async fn write(&self, redrives: Vec<Arc<Function>>) {
        let lists = [&self.idle, &self.old].map(|list| std::mem::take(&mut *list.lock().unwrap()));
        let webhooks = lists.into_iter().flatten().map(|environment| ("<WebhookFunction>", environment.function));
        let redrives = redrives.into_iter().map(|redrive| Arc::into_inner(redrive).expect("no task is left"));
        for (owner, function) in webhooks.chain(redrives.map(|redrive| ("<RedriveFunction>", redrive))) {
            for line in Output::of(function).await.metrics {
                let minute = (line.at as i64 - self.began_at) as f64 / 1000.0;
                for (name, (_, value)) in line.values {
                    self.sample("MomentoEventBridge", &name, owner, minute, value);
                }
            }
        }
        let samples = &*self.samples.lock().unwrap();
        let content =
            json!({"began": self.began_at, "seconds": f64::from(MINUTES) * SCALE, "scale": SCALE, "samples": samples});
        std::fs::create_dir_all(FOLDER).expect("a folder");
        std::fs::write(format!("{FOLDER}/dashboard.json"), content.to_string()).expect("a file");
    }
}

fn put_fault(minute: f64, random: &mut SmallRng) -> Fault {
    let is_slow = SLOW_BUS.contains(&minute);
    if BUS_DOWN.contains(&minute) {
        return Fault::Error(500, "InternalException");
    }
    if is_slow && random.random_bool(0.15) {
        return Fault::Error(400, "ThrottlingException");
    }
    let median = if is_slow { 45.0 } else { 9.0 };
    Fault::Slow(Duration::from_secs_f64(log_normal(random, median, 0.45).min(500.0) / 1000.0))
}

fn denied_in(minutes: &Range<f64>, minute: f64) -> Fault {
    match minutes.contains(&minute) {
        true => Fault::Error(400, "AccessDeniedException"),
        false => Fault::Slow(Duration::from_millis(6)),
    }
}

fn log_normal(random: &mut SmallRng, median: f64, sigma: f64) -> f64 {
    LogNormal::new(median.ln(), sigma).expect("a distribution").sample(random)
}
