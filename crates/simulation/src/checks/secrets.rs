//! Which secrets judge a request, and when they are read.

use std::collections::BTreeMap;

use test_kit::fault::Fault;

use super::{ATTEMPTS, authentic, webhooks};
use crate::history::{History, Read, Request};
use crate::life::Life;
use crate::process::EPOCH;
use crate::request::Kind;
use crate::services::{Labelled, Labels};

/// A mismatch is final by a read that began at most this long before the request, in milliseconds.
const READ_WITHIN: i64 = 3_000;

/// How long a request waits for a read of the secret, in milliseconds.
const SECRET_WAIT: i64 = 900;

/// The age at which secrets are read again before they judge, in milliseconds.
const OLD_AFTER: i64 = 300_000;

/// The most calls for one label that a process makes within 3 s: four reads, each with a second call if the first is
/// late. A call has more attempts if it fails.
const CALLS_FOR_A_LABEL: usize = 8;

pub(super) fn refused(life: &Life, history: &History) -> Vec<String> {
    let is_wrong = |request: &Request| !may_be_refused(life, history, request);
    let refused = authentic(history, 403).filter(|(_, request)| is_wrong(request));
    refused.map(|(number, _)| format!("request {number} is authentic, and was answered 403")).collect()
}

/// Whether a read that counts found no secret that made the signature, and no rotation.
fn may_be_refused(life: &Life, history: &History, request: &Request) -> bool {
    let Some(secret) = &request.sent.signed_with else { return true };
    if life.terms.has_static_secret {
        return false;
    }
    let found = |label: &str, is_it: &dyn Fn(&Labels) -> bool| {
        let reads = reads_for(history, request).filter(|read| read.label == label && is_answered_for(read, request));
        reads.filter_map(|read| read.labels.as_ref()).any(is_it)
    };
    let is_not_current = |labels: &Labels| labels.current.as_ref().is_none_or(|current| !current.holds(secret));
    let is_over = |labels: &Labels| {
        labels.current.as_ref().is_none_or(|current| is_previous_over(life, history, request, current))
    };
    let is_not_previous = |labels: &Labels| labels.previous.as_ref().is_none_or(|previous| !previous.holds(secret));
    let is_not_accepted = found("AWSCURRENT", &|labels| is_not_current(labels) && is_over(labels))
        || (found("AWSCURRENT", &is_not_current) && found("AWSPREVIOUS", &is_not_previous));
    is_not_accepted && (found("AWSPENDING", &|labels| !labels.is_rotating) || is_pending_denied(history, request))
}

/// Whether its process may not read `AWSPENDING` and never had an answer, so that there is none. An answer that waited for a
/// thaw may belong to a read that was replaced then.
fn is_pending_denied(history: &History, request: &Request) -> bool {
    let is_pending = |read: &&Read| read.label == "AWSPENDING" && is_answered_for(read, request);
    let is_denied = |read: &Read| matches!(read.fault, Fault::Error(_, "AccessDeniedException"));
    let mut all = history.reads_of(request.process, "AWSPENDING").filter(|read| is_answered_for(read, request));
    all.all(|read| read.labels.is_none() || read.was_frozen)
        && reads_for(history, request).filter(is_pending).any(is_denied)
}

/// Answered 200, although the latest answer that the process had names another secret, and the time of this one was over.
pub(super) fn expired(life: &Life, history: &History) -> Vec<String> {
    let is_expired = |request: &Request| {
        let (Some(secret), Some(answer)) = (&request.sent.signed_with, request.answer) else { return false };
        // It is judged at once, or after the next answer.
        let received_at = request.received_at - EPOCH - skew(request);
        [received_at - 1, answer.at].into_iter().all(|by| {
            latest_current(history, request, by).is_some_and(|current| {
                current.is_valid() && !current.holds(secret) && is_previous_over(life, history, request, current)
            })
        })
    };
    let wrong = history.requests.iter().filter(|(_, request)| request.status() == 200 && is_expired(request));
    wrong.map(|(number, request)| format!("request {number} ({:?}) was answered 200", request.kind)).collect()
}

/// Whether the secret before this one was no longer accepted when the request was received.
fn is_previous_over(life: &Life, history: &History, request: &Request, current: &Labelled) -> bool {
    let lifetime = life.terms.previous_secret_seconds * 1000;
    let changed_at = if lifetime > 0 { seen_at(history, request, current) } else { None };
    current.created_at.max(changed_at.unwrap_or(i64::MIN)) + lifetime <= request.received_at
}

/// When the process of a request saw, before it answered, that this version became the current one, if it knew another before.
/// Without answers that waited for a thaw, of which it may take either of two.
fn seen_at(history: &History, request: &Request, current: &Labelled) -> Option<i64> {
    let reads = history.reads_of(request.process, "AWSCURRENT");
    let mut seen: Vec<(i64, bool)> = reads
        .filter_map(|read| {
            let version = read.labels.as_ref()?.current.as_ref().filter(|version| version.is_valid())?;
            let is_before = |at: &i64| !read.was_frozen && request.answer.is_none_or(|answer| *at <= answer.at);
            let answered_at = read.answered_at.filter(is_before)?;
            Some((answered_at, version.created_at == current.created_at))
        })
        .collect();
    seen.sort_unstable();
    let change = seen.windows(2).rev().find(|pair| !pair[0].1 && pair[1].1)?;
    Some(EPOCH + change[1].0 + skew(request))
}

pub(super) fn old(life: &Life, history: &History) -> Vec<String> {
    if life.terms.has_static_secret {
        return Vec::new();
    }
    let is_old = |request: &Request| {
        let until = request.answered_at();
        let began = |is_it: fn(&Read) -> bool| {
            let reads = history.reads_of(request.process, "AWSCURRENT");
            let began = reads.filter(|read| is_it(read)).map(|read| read.called_at).filter(|at| *at <= until);
            request.arrived_at - began.max().unwrap_or(i64::MIN / 2)
        };
        began(|read| read.labels.is_some()) > OLD_AFTER + READ_WITHIN && began(|_| true) > READ_WITHIN
    };
    let wrong = history.requests.iter().filter(|(_, request)| request.status() == 200 && is_old(request));
    wrong.map(|(number, _)| format!("request {number} was judged by older ones")).collect()
}

/// Kept, although every read that counts had its answer in time, with valid secrets and without a rotation; or without a
/// read.
pub(super) fn unjudged(life: &Life, history: &History) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, request) in &history.requests {
        let is_forged = matches!(request.kind, Kind::Forged { .. });
        if !is_forged || ![202, 500].contains(&request.status()) {
            continue;
        }
        let waits_until = request.received_at - EPOCH - skew(request) + SECRET_WAIT;
        let is_clear = |read: &Read| {
            read.answered_at.is_some_and(|at| at < waits_until)
                && read.labels.as_ref().is_some_and(|labels| {
                    let is_valid = labels.current.as_ref().is_some_and(Labelled::is_valid);
                    is_valid && !labels.is_rotating
                })
        };
        let has = |label: &str| reads_for(history, request).any(|read| read.label == label);
        let is_clear = has("AWSCURRENT") && has("AWSPENDING") && reads_for(history, request).all(is_clear);
        let is_known = latest_current(history, request, request.arrived_at - 1).is_some_and(Labelled::is_valid);
        if is_clear || (is_known && !has("AWSCURRENT")) || life.terms.has_static_secret {
            violations.push(format!("request {number} is forged, and was answered {}", request.status()));
        }
    }
    violations
}

pub(super) fn frequent(_: &Life, history: &History) -> Vec<String> {
    let webhooks = webhooks(history);
    let mut calls: BTreeMap<(usize, &str), Vec<(i64, bool)>> = BTreeMap::new();
    for read in history.reads.iter().filter(|read| webhooks.contains(&read.process)) {
        calls.entry((read.process, &read.label)).or_default().push((read.called_at, read.labels.is_some()));
    }
    let is_often = |calls: &[(i64, bool)], most: usize| {
        calls.windows(most + 1).any(|calls| calls[most].0 - calls[0].0 < READ_WITHIN)
    };
    let mut violations = Vec::new();
    for ((process, label), mut calls) in calls {
        calls.sort_unstable();
        let mut without_faults = calls.split(|(_, has_succeeded)| !has_succeeded);
        let is_wrong = without_faults.any(|calls| is_often(calls, CALLS_FOR_A_LABEL));
        if is_wrong || is_often(&calls, CALLS_FOR_A_LABEL * ATTEMPTS) {
            violations.push(format!("process {process} made too many calls for {label} within 3 s"));
        }
    }
    violations
}

/// Only a read that a mismatch begins asks for `AWSPENDING`: it begins with calls for both. Without a look at processes in
/// which a call failed before, and may be made again.
pub(super) fn again(_: &Life, history: &History) -> Vec<String> {
    let webhooks = webhooks(history);
    let has = |process: usize, is_it: &dyn Fn(&Read) -> bool| history.reads_of(process, "AWSCURRENT").any(is_it);
    let is_first = |read: &&Read| {
        let is_pending = read.label == "AWSPENDING" && webhooks.contains(&read.process);
        let has_ended = |other: &Read| {
            other.labels.is_some() && other.answered_at.is_some_and(|answered_at| answered_at < read.called_at)
        };
        let is_before = |other: &&Read| other.process == read.process && other.called_at < read.called_at;
        is_pending
            && has(read.process, &|other| other.called_at == read.called_at)
            && history.reads.iter().filter(is_before).all(has_ended)
    };
    let firsts: Vec<&Read> = history.reads.iter().filter(is_first).collect();
    let is_known = |read: &Read| {
        has(read.process, &|other| {
            let current = other.labels.as_ref().and_then(|labels| labels.current.as_ref());
            other.answered_at.is_some_and(|at| at <= read.called_at) && current.is_some_and(Labelled::is_valid)
        })
    };
    let is_early = |read: &Read, next: &Read| {
        let until = read.called_at + READ_WITHIN;
        let has_ended = read.answered_at.is_some_and(|at| (at + 1..until).contains(&next.called_at));
        has_ended && !read.was_frozen && read.fault == Fault::None && next.process == read.process
    };
    let wrong = firsts.iter().filter(|read| is_known(read) && firsts.iter().any(|next| is_early(read, next)));
    wrong.map(|read| format!("process {} read it again after {} ms", read.process, read.called_at)).collect()
}

/// The current version as its process had it by this time, in milliseconds of the life.
pub(super) fn latest_current<'a>(history: &'a History, request: &Request, by: i64) -> Option<&'a Labelled> {
    let reads = history.reads_of(request.process, "AWSCURRENT");
    let had = reads.filter(|read| read.answered_at.is_some_and(|at| at <= by));
    let latest = had.max_by_key(|read| read.called_at)?;
    // An answer that waited for a thaw may belong to a read that was replaced then.
    if latest.was_frozen { None } else { latest.labels.as_ref()?.current.as_ref() }
}

/// Whether the latest answer of Secrets Manager that its process had before its response holds the secret that signed it.
pub(super) fn knew_its_secret(history: &History, request: &Request) -> bool {
    let (Some(secret), Some(answer)) = (&request.sent.signed_with, request.answer) else { return false };
    latest_current(history, request, answer.at - 1).is_some_and(|current| current.holds(secret))
}

/// The reads of a request's process that began late enough to judge it.
fn reads_for<'a>(history: &'a History, request: &'a Request) -> impl Iterator<Item = &'a Read> {
    let from = request.received_at - EPOCH - skew(request) - READ_WITHIN;
    let until = request.answer.map_or(i64::MAX, |answer| answer.at);
    history.reads.iter().filter(move |read| read.process == request.process && (from..=until).contains(&read.called_at))
}

fn is_answered_for(read: &Read, request: &Request) -> bool {
    request.answer.is_some_and(|answer| read.answered_at.is_some_and(|at| at <= answer.at))
}

fn skew(request: &Request) -> i64 {
    request.received_at - EPOCH - request.arrived_at.max(request.waits_since)
}
