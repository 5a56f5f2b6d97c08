//! Lives many lives, finds the ones that break a promise, and shrinks them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};

use momento_eventbridge::simulation;
use tracing::subscriber::NoSubscriber;

use crate::checks::CHECKS;
use crate::draw::Draws;
use crate::history::{Call, Describe, Existence, History, Request};
use crate::life::{ALONE, Faults, Life, PASSED_AFTER};
use crate::request::{self, Kind};
use crate::world;

/// What a life broke: the promise, and what contradicts it.
pub type Violation = (&'static str, String);

/// The promise that is checked by living a life twice.
const ONE_FAULT: &str = "One passing fault never changes an answer.";

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A life that was lived.
pub struct Lived {
    pub life: Life,
    pub history: History,
    pub violations: Vec<Violation>,
}

/// Prepares this process: what the functions log and the messages of panics are kept, in place of being printed.
pub fn prepare() {
    tracing::subscriber::set_global_default(NoSubscriber::default()).expect("the first subscriber");
    let is_json = |name: &str| Ok((name == "AWS_LAMBDA_LOG_FORMAT").then(|| "JSON".to_owned()));
    simulation::start_log(&is_json).expect("valid settings");
    panic::set_hook(Box::new(|panic| PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()))));
}

/// Lives the life of these draws. Every third is lived without faults, and once more with single ones.
pub fn live(draws: &Draws) -> Lived {
    if !draws.seed.is_multiple_of(3) {
        return one(draws, Faults::Drawn);
    }
    let without = one(draws, Faults::None);
    let faulty = single_faults(draws, &without);
    if faulty.is_empty() || !without.violations.is_empty() {
        return without;
    }
    let mut with = one(draws, Faults::Single(faulty));
    with.violations.extend(changes(&without, &with).into_iter().map(|what| (ONE_FAULT, what)));
    with
}

/// What single faults changed that they must not.
fn changes(without: &Lived, with: &Lived) -> Vec<String> {
    let steps = || without.life.steps.iter().map(|step| step.at).chain([without.life.calm_at]);
    let may_change = |before: &Request, after: &Request| {
        // What the operator changes while a request is answered may come before or after it.
        let is_at_a_step = steps().any(|at| (0..ALONE).contains(&(at - before.arrived_at)));
        // Of two answers either may come first: to a put into nothing, or to the question whether the bus is there.
        let mut dropped = without.history.dropped.iter().chain(&with.history.dropped);
        // An answer that waited for a thaw may say that a bus is missing that has been made since.
        let is_outdated = |describe: &Describe| describe.was_frozen && describe.answer == Existence::NotFound;
        let is_of =
            |describe: &Describe| describe.process == after.process && describe.answered_at >= Some(after.arrived_at);
        let is_thawed = with.history.describes.iter().any(|describe| is_outdated(describe) && is_of(describe));
        // A process that was started ahead counts the time of its first request from its start.
        let mut requests = with.history.requests.values().filter(|other| other.process == after.process);
        let is_first = requests.all(|other| other.arrived_at >= after.arrived_at);
        let mut describes = with.history.describes_of(after.process);
        let is_started_ahead = is_first && describes.any(|describe| describe.called_at < after.arrived_at);
        // A process that starts later receives its request later: then its age may be over the window.
        let is_less_fresh = before.is_authentic_and_fresh() != after.is_authentic_and_fresh();
        // Until when an older secret is accepted depends on when the process read the newer one.
        let is_older = matches!(before.kind, Kind::Leaked | Kind::Replay(_));
        is_at_a_step
            || is_less_fresh
            || is_older
            || is_thawed
            || is_started_ahead
            || dropped.any(|drop| drop.body == before.sent.body)
    };
    let mut changes = Vec::new();
    for (number, before) in &without.history.requests {
        let after = with.history.requests.get(number);
        let status = after.map_or(0, Request::status);
        if before.status() != status && after.is_none_or(|after| !may_change(before, after)) {
            changes.push(format!("request {number} is answered {} without it, and {status} with it", before.status()));
        }
    }
    changes
}

/// Some calls of a life, each so long after the one before that what it did has passed. Every operation is as likely.
fn single_faults(draws: &Draws, Lived { life, history, .. }: &Lived) -> BTreeSet<String> {
    let mut draw = draws.of("single faults");
    // What the operator changes may come before a call that is made again, or after it.
    let is_at_a_step = |call: &Call| life.steps.iter().any(|step| (step.at - call.at).abs() < ALONE);
    let calls: Vec<&Call> = history.calls.iter().filter(|call| !is_at_a_step(call)).collect();
    let mut chosen = BTreeSet::new();
    let mut from = 0;
    while let Some(next) = calls.iter().find(|call| call.at >= from) {
        let to = next.at + PASSED_AFTER;
        let near = calls.iter().filter(|call| (next.at..to).contains(&call.at));
        let mut by_operation: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        near.for_each(|&call| by_operation.entry(&call.operation).or_default().push(call));
        let by_operation: Vec<_> = by_operation.into_values().collect();
        let same = draw.one_of(&by_operation);
        let call = draw.one_of(&same);
        from = call.at + PASSED_AFTER;
        chosen.insert(call.key.clone());
    }
    chosen.retain(|call| !draws.is_left_out(&format!("fault of {call}")));
    chosen
}

fn one(draws: &Draws, faults: Faults) -> Lived {
    let life = Life::new(draws.clone(), faults);
    PANICS.take();
    let history = panic::catch_unwind(AssertUnwindSafe(|| world::live(&life)));
    let panics = PANICS.take();
    let mut history = history.unwrap_or_default();
    history.broken.extend(panics);
    let found = |check: &crate::checks::Check| {
        let promise = check.promise;
        (check.violations)(&life, &history).into_iter().map(move |what| (promise, what)).collect::<Vec<_>>()
    };
    let violations = CHECKS.iter().flat_map(found).collect();
    Lived { life, history, violations }
}

/// Leaves out of a life that breaks promises all that it needs not, and returns the rest of it.
pub fn shrink(draws: &Draws) -> Lived {
    let mut smallest = live(draws);
    let Some(&(promise, _)) = smallest.violations.first() else { return smallest };
    let breaks = |lived: &Lived| lived.violations.iter().any(|(broken, _)| *broken == promise);
    loop {
        let keys = keys(&smallest);
        let mut size = keys.len().div_ceil(2);
        let before = smallest.life.draws.left_out.len();
        while size > 0 {
            for part in keys.chunks(size) {
                let mut draws = smallest.life.draws.clone();
                draws.left_out.extend(part.iter().cloned());
                if draws.left_out.len() > smallest.life.draws.left_out.len() {
                    let lived = live(&draws);
                    if breaks(&lived) {
                        smallest = lived;
                    }
                }
            }
            size /= 2;
        }
        if smallest.life.draws.left_out.len() == before {
            return smallest;
        }
    }
}

/// The keys of what happens in a life and may be left out.
fn keys(lived: &Lived) -> Vec<String> {
    let Lived { life, history, .. } = lived;
    let failed = |call: &&Call| match &life.faults {
        Faults::Single(calls) => calls.contains(&call.key),
        _ => true,
    };
    let faults = history.calls.iter().filter(failed).map(|call| format!("fault of {}", call.key));
    let keys = life.arrivals.iter().map(|arrival| request::name_of(arrival.number));
    keys.chain(life.outages.iter().map(|outage| outage.key.clone()))
        .chain(life.steps.iter().map(|step| step.key.clone()))
        .chain(faults)
        .filter(|key| !life.draws.is_left_out(key))
        .collect()
}
