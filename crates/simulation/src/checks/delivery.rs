//! Nothing authentic is lost: what was answered 200 or 202 is on the bus, or in a queue, and a 500 is in the log.

use std::collections::{BTreeMap, HashSet};

use test_kit::fake_aws::DEDUPLICATION_WINDOW;
use test_kit::fault::Fault;

use super::redrive::may_be_deleted;
use super::secrets::{knew_its_secret, latest_current};
use super::{ATTEMPTS, MAX_UNVERIFIED_BYTES, authentic};
use crate::history::{Call, History, Put, Request};
use crate::life::Life;
use crate::operator::Action;
use crate::request::{Content, Kind};

pub(super) fn delivered(_: &Life, history: &History) -> Vec<String> {
    let is_there = |request: &Request| {
        let is_it = |at: i64, body: &[u8]| at <= request.answered_at() && *body == request.sent.body;
        history.on_the_bus.iter().any(|put| is_it(put.at, &put.body))
            || history.dropped.iter().any(|drop| is_it(drop.called_at, &drop.body))
    };
    let lost = authentic(history, 200).filter(|(_, request)| !is_there(request));
    lost.map(|(number, _)| format!("request {number} was answered 200, and is not on the bus")).collect()
}

/// Without a look at lives in which the bus is missing for a while.
pub(super) fn usable(life: &Life, history: &History) -> Vec<String> {
    if life.steps.iter().any(|step| step.action == Action::DeleteBus) {
        return Vec::new();
    }
    let has_failed = |call: &&Call| call.fault != Fault::None;
    let faulty: HashSet<usize> = history.calls.iter().filter(has_failed).filter_map(|call| call.request).collect();
    let is_known = |request: &Request, by: i64| {
        let signed_with = request.sent.signed_with.as_deref().unwrap_or_default();
        let current = latest_current(history, request, by);
        life.terms.has_static_secret || current.is_some_and(|current| current.is_valid() && current.holds(signed_with))
    };
    let wrong = authentic(history, 202).chain(authentic(history, 500)).filter(|(number, request)| {
        let is_known = is_known(request, request.arrived_at - 1) && is_known(request, request.answered_at());
        request.kind == Kind::Webhook(Content::Message) && is_known && !faulty.contains(number)
    });
    wrong.map(|(number, request)| format!("request {number} was answered {}", request.status())).collect()
}

pub(super) fn kept(_: &Life, history: &History) -> Vec<String> {
    let lost = authentic(history, 202)
        .filter(|(_, request)| !is_kept(history, &request.sent.body) && !may_be_deleted(history, request));
    lost.map(|(number, _)| format!("request {number} was answered 202, and is nowhere")).collect()
}

pub(super) fn lost(life: &Life, history: &History) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, request) in authentic(history, 500) {
        let is_too_large = request.sent.body.len() > MAX_UNVERIFIED_BYTES;
        let is_its = |call: &Call| call.request == Some(*number) && call.operation == "SendMessage";
        let has_failed = history.calls.iter().any(|call| is_its(call) && call.fault != Fault::None);
        if life.terms.has_retry_queue && !has_failed && !is_too_large {
            violations.push(format!("request {number} was answered 500, and the retry queue did not fail"));
        }
        if !request.is_logged && (life.terms.has_static_secret || knew_its_secret(history, request)) {
            violations.push(format!("request {number} was answered 500, could be verified, and is not in the log"));
        }
    }
    violations
}

pub(super) fn others(_: &Life, history: &History) -> Vec<String> {
    let wrong = history.others.iter().filter(|(body, is_known)| match is_known {
        true => !is_kept(history, body),
        false => is_on_the_bus(history, body) || !is_in_a_queue(history, body),
    });
    wrong.map(|(body, _)| format!("lost or put is {}", String::from_utf8_lossy(body))).collect()
}

pub(super) fn tried(_: &Life, history: &History) -> Vec<String> {
    let mut attempts: BTreeMap<(usize, &str), Vec<&Call>> = BTreeMap::new();
    for call in history.calls.iter().filter(|call| ["PutEvents", "SendMessage"].contains(&&*call.operation)) {
        if let Some(request) = call.request {
            attempts.entry((request, &call.operation)).or_default().push(call);
        }
    }
    let is_last = |call: &&Call| matches!(call.fault, Fault::Error(_, "AccessDeniedException" | "ValidationException"));
    let is_wrong = |calls: &[&Call]| calls.len() > ATTEMPTS || calls[..calls.len() - 1].iter().any(is_last);
    let wrong = attempts.into_iter().filter(|(_, calls)| is_wrong(calls));
    wrong
        .map(|((number, operation), calls)| format!("request {number}: {} calls of {operation}", calls.len()))
        .collect()
}

pub(super) fn repeated(life: &Life, history: &History) -> Vec<String> {
    if !life.terms.is_custom_bus {
        return Vec::new();
    }
    let mut violations = Vec::new();
    for (place, put) in history.on_the_bus.iter().enumerate() {
        let is_repeat = |later: &Put| {
            i128::from(later.at - put.at) < DEDUPLICATION_WINDOW.as_millis().cast_signed() && later.body == put.body
        };
        if history.on_the_bus[place + 1..].iter().any(is_repeat) {
            violations.push(format!("twice on the bus is {}", String::from_utf8_lossy(&put.body)));
        }
    }
    violations
}

/// Whether it is on the bus or in a queue in the end, or was put on a bus that did not exist, which another check is about.
fn is_kept(history: &History, body: &[u8]) -> bool {
    let is_dropped = || history.dropped.iter().any(|drop| drop.body == body);
    is_on_the_bus(history, body) || is_in_a_queue(history, body) || is_dropped()
}

fn is_on_the_bus(history: &History, body: &[u8]) -> bool {
    history.on_the_bus.iter().any(|put| put.body == body)
}

fn is_in_a_queue(history: &History, body: &[u8]) -> bool {
    history.in_a_queue.iter().any(|other| other == body)
}
