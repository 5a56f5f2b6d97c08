//! Start-up, first and warm invocations of each handler, in turn.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::handler::Handler;
use crate::webhook;
use test_kit::sandbox::Function;

pub const NO_DELAY: Duration = Duration::ZERO;
pub const IN_A_REGION: Duration = Duration::from_micros(4_500);
pub const ROUND_TRIPS: [Duration; 2] = [NO_DELAY, IN_A_REGION];
pub const BODIES: [usize; 3] = [200, 4 * 1024, 160 * 1024];
/// What the page shows: each size without delay, and the usual one with it.
const CASES: [(Duration, usize); 4] =
    [(NO_DELAY, BODIES[0]), (NO_DELAY, BODIES[1]), (NO_DELAY, BODIES[2]), (IN_A_REGION, BODIES[0])];

/// One process of a handler, from its start to its last warm invocation. Times are in milliseconds.
pub struct Run {
    pub handler: &'static str,
    pub round_trip: Duration,
    pub body: usize,
    pub start_up: f64,
    pub start_up_cpu: f64,
    pub first: f64,
    pub warm: Vec<f64>,
    pub warm_cpu: f64,
    pub peak_mebibytes: f64,
}

/// Runs all handlers in all cases, this many times, one after the other and in changing order.
pub async fn measure(rounds: usize, handlers: &[Handler]) -> Vec<Run> {
    let mut runs = Vec::new();
    for round in 0..rounds {
        for (round_trip, bytes) in CASES {
            for turn in 0..handlers.len() {
                let handler = &handlers[(round + turn) % handlers.len()];
                runs.push(run(handler, round_trip, bytes).await);
            }
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    runs
}

/// Enough warm invocations for a stable time, few enough that a run takes a second.
fn warm_invocations(round_trip: Duration) -> u32 {
    if round_trip.is_zero() { 200 } else { 40 }
}

async fn run(handler: &Handler, round_trip: Duration, bytes: usize) -> Run {
    let sandbox = handler.sandbox(round_trip).await;
    let function = start_apart(handler, &sandbox).await;
    let clock = CpuClock::of(&function);

    // On Lambda a webhook causes the start of the process, so it is waiting already.
    let (ready, first) = tokio::join!(async { (function.runtime.ready().await, clock.now()) }, async {
        (invoke(&function, bytes).await, clock.now())
    },);
    let started = function.process.started;
    let mut warm = Vec::new();
    let invocations = warm_invocations(round_trip);
    for _ in 0..invocations {
        warm.push(milliseconds(invoke(&function, bytes).await));
    }
    let warm_cpu = (clock.now() - first.1) / invocations;

    Run {
        handler: handler.name,
        round_trip,
        body: bytes,
        start_up: milliseconds(ready.0 - started),
        start_up_cpu: milliseconds(ready.1),
        first: milliseconds(first.0),
        warm,
        warm_cpu: milliseconds(warm_cpu),
        peak_mebibytes: peak_kibibytes(function.process.id()) / 1024.0,
    }
}

async fn invoke(function: &Function, bytes: usize) -> Duration {
    let response = function.invoke(&webhook::event(bytes)).await;
    assert_eq!(response.status(), 200, "{response:?}\n{}", function.process.lines().join("\n"));
    response.elapsed()
}

/// The fakes use the first core only. The handler may use all, as on Lambda, so it has a core of its own.
async fn start_apart(handler: &Handler, sandbox: &test_kit::sandbox::Sandbox) -> Function {
    let this = Pid::from_raw(0);
    let everywhere = sched_getaffinity(Pid::from_raw(1)).expect("the cores of this machine");
    let mut first = CpuSet::new();
    first.set(0).expect("a first core");
    // A process inherits the cores of the thread that starts it.
    sched_setaffinity(this, &everywhere).expect("a thread of ours");
    let function = handler.start(sandbox).await;
    sched_setaffinity(this, &first).expect("a thread of ours");
    function
}

/// The CPU time of a process, in all its threads.
struct CpuClock(ClockId);

impl CpuClock {
    fn of(function: &Function) -> Self {
        let id = Pid::from_raw(function.process.id().try_into().expect("a process id"));
        Self(clock_getcpuclockid(id).expect("a process that runs"))
    }

    fn now(&self) -> Duration {
        self.0.now().expect("a process that runs").into()
    }
}

fn peak_kibibytes(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process that runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
