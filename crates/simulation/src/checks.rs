//! What must hold in every life: each promise with the check that holds it.

use std::collections::{BTreeMap, HashSet};

use test_kit::fake_aws::DEDUPLICATION_WINDOW;
use test_kit::fault::Fault;

use crate::history::{Call, Describe, Drop, Existence, History, Put, Read, Redriven, Request};
use crate::life::Life;
use crate::operator::Action;
use crate::process::EPOCH;
use crate::request::{Content, Kind};
use crate::services::{Labelled, Labels};
use crate::world::REDRIVE_TIMEOUT;

/// A promise, and what in a life contradicts it.
pub struct Check {
    pub promise: &'static str,
    pub violations: fn(&Life, &History) -> Vec<String>,
}

/// The time within which every request is answered, in milliseconds.
const ANSWER_WITHIN: i64 = 4_500;

/// The window of the age check, in milliseconds.
const WINDOW: i64 = 60_000;

/// A mismatch is final by a read that began at most this long before the request, in milliseconds.
const READ_WITHIN: i64 = 3_000;

/// How long a request waits for a read of the secret, in milliseconds.
const SECRET_WAIT: i64 = 900;

/// The age at which secrets are read again before they judge, in milliseconds.
const OLD_AFTER: i64 = 300_000;

/// How long a request that no known secret signed stays in the queue, in milliseconds.
const MISMATCH_IS_FINAL_AFTER: i64 = 45 * 60_000;

/// The most calls for one label that a process makes within 3 s: four reads, each with a second call if the first is late,
/// and each call with three attempts if it fails.
const CALLS_FOR_A_LABEL: usize = 8;
const ATTEMPTS: usize = 3;

/// The age at which *found* is asked for again, in milliseconds.
const FOUND_FOR: i64 = 60_000;

/// How far the clocks of two processes are apart at most, in milliseconds.
const CLOCKS_DIFFER: i64 = 1_000;

/// The largest body that is kept unverified, in bytes.
const MAX_UNVERIFIED_BYTES: usize = 16_384;

/// Every check of one life.
pub const CHECKS: [Check; 25] = [
    Check { promise: "What was answered 200 is on the bus.", violations: delivered },
    Check {
        promise: "Once nothing fails, redrive puts or deletes every message that it can judge.",
        violations: stayed,
    },
    Check { promise: "Nothing is put on a bus whose absence could be known.", violations: dropped },
    Check { promise: "After the answer that the bus is missing, nothing is answered 200.", violations: missing },
    Check { promise: "What was answered 202 is on the bus or in a dead-letter queue in the end.", violations: kept },
    Check {
        promise: "Where a known secret signed it and no call of it fails, an event is answered 200.",
        violations: usable,
    },
    Check { promise: "What another version queued is kept, and stays if it is unknown.", violations: others },
    Check {
        promise: "A 500 means that the retry queue failed, and the event is in the log if it could be verified.",
        violations: lost,
    },
    Check {
        promise: "An authentic event is refused only if no accepted secret was found and no rotation.",
        violations: refused,
    },
    Check { promise: "Nothing forged, stale or from the future gets on the bus.", violations: forged },
    Check { promise: "A forged request is never answered 200.", violations: confirmed },
    Check { promise: "A secret is not accepted after its time.", violations: expired },
    Check { promise: "redrive accepts no secret after its time.", violations: outdated },
    Check {
        promise: "What is not verified is never in the log, and kept only if its body is small.",
        violations: unverified,
    },
    Check { promise: "Secrets that were read more than 300 s ago are read again before they judge.", violations: old },
    Check { promise: "A request that can be judged is not kept unverified.", violations: unjudged },
    Check { promise: "Forged requests cost few reads of the secret.", violations: frequent },
    Check { promise: "A known secret that was read is not read again within 3 s.", violations: again },
    Check { promise: "The bus is not asked for while the answer is known.", violations: asked },
    Check {
        promise: "A request is put and sent in at most three attempts each, and in no other after one that would meet the same.",
        violations: tried,
    },
    Check { promise: "A malformed request has its status, whatever fails.", violations: malformed },
    Check { promise: "Every request is answered within 4.5 s.", violations: late },
    Check { promise: "An authentic event has no other answer than 200, 202, 403 and 500.", violations: odd },
    Check { promise: "A Custom Event Bus has no event twice within 300 s.", violations: repeated },
    Check { promise: "No function panics, hangs, or gathers tasks.", violations: broken },
];

impl Request {
    /// Whether Momento signed it, and its age is within the window, or cannot be read.
    pub fn is_authentic_and_fresh(&self) -> bool {
        let age = self.sent.publish_timestamp.map_or(0, |published| (self.received_at - published).abs());
        self.sent.signed_with.is_some() && age <= WINDOW
    }

    pub fn status(&self) -> u64 {
        self.answer.map_or(0, |answer| answer.status)
    }
}

/// The processes that had a request.
fn webhooks(history: &History) -> HashSet<usize> {
    history.requests.values().map(|request| request.process).collect()
}

/// The authentic, fresh requests with this status.
fn authentic(history: &History, status: u64) -> impl Iterator<Item = (&usize, &Request)> {
    let is_it = move |(_, request): &(&usize, &Request)| request.is_authentic_and_fresh() && request.status() == status;
    history.requests.iter().filter(is_it)
}

fn delivered(_: &Life, history: &History) -> Vec<String> {
    let is_there = |request: &Request| {
        let answered_at = request.answer.map_or(0, |answer| answer.at);
        let is_it = |at: i64, body: &[u8]| at <= answered_at && *body == request.sent.body;
        history.on_the_bus.iter().any(|put| is_it(put.at, &put.body))
            || history.dropped.iter().any(|drop| is_it(drop.called_at, &drop.body))
    };
    let lost = authentic(history, 200).filter(|(_, request)| !is_there(request));
    lost.map(|(number, _)| format!("request {number} was answered 200, and is not on the bus")).collect()
}

/// A *found* counts for a minute; then, and while nothing is known, a process asks again at least every 5 s, for which its
/// three attempts take less than 3 s. A process that was frozen before the answer came has asked too. `redrive` puts only after
/// a clear answer.
fn dropped(_: &Life, history: &History) -> Vec<String> {
    const ASKS_WITHIN: i64 = 5_000 + 3_000;
    let may_be = |drop: &&Drop| {
        let asked = || history.describes.iter().filter(|describe| describe.process == drop.process);
        let had = |by: i64| asked().filter(move |describe| describe.answered_at.is_some_and(|at| at <= by));
        if drop.is_redriven {
            return had(drop.called_at).any(|describe| match describe.answer {
                Existence::Found => describe.called_at >= drop.began_at,
                answer => answer == Existence::Denied,
            });
        }
        let known = |by: i64| {
            let clear = had(by).filter(|describe| describe.answer != Existence::Unclear);
            clear.max_by_key(|describe| describe.called_at)
        };
        // An answer of the same millisecond came before the call or after it.
        let (before, by_then) = (known(drop.called_at - 1), known(drop.called_at));
        let known = if by_then.is_some_and(|describe| describe.answer == Existence::Found) { by_then } else { before };
        match known.map(|describe| (describe.answer, describe.called_at)) {
            Some((Existence::NotFound, _)) => false,
            Some((Existence::Denied, _)) => true,
            Some((Existence::Found, at)) if drop.called_at - at <= FOUND_FOR + ASKS_WITHIN => true,
            _ if asked().any(|describe| describe.was_frozen && describe.called_at < drop.called_at) => true,
            // It is asked for at the start, and then beside a put, in the same moment.
            _ => {
                let before = || asked().filter(|describe| describe.called_at <= drop.called_at);
                before().any(|describe| describe.called_at < drop.called_at)
                    && before().any(|describe| describe.called_at >= drop.called_at - ASKS_WITHIN)
            }
        }
    };
    let wrong = history.dropped.iter().filter(|drop| !may_be(drop));
    wrong
        .map(|drop| format!("at {} ms an entry was put on a bus that was known to be missing", drop.called_at))
        .collect()
}

/// A *found* is asked for again after a minute, and *access denied* not at all where nothing was known. Two questions that were
/// frozen may go on, each with two more attempts.
fn asked(_: &Life, history: &History) -> Vec<String> {
    let webhooks = webhooks(history);
    let by = |process: usize| history.describes.iter().filter(move |describe| describe.process == process);
    let is_wrong = |describe: &&Describe| {
        let Some(answered_at) = describe.answered_at else { return false };
        let mut before = by(describe.process).filter(|other| other.called_at < describe.called_at);
        let until = match describe.answer {
            Existence::Found => describe.called_at + FOUND_FOR - CLOCKS_DIFFER,
            Existence::Denied if before.all(|other| other.answer == Existence::Unclear) => i64::MAX,
            _ => return false,
        };
        let after: Vec<_> =
            by(describe.process).filter(|other| (answered_at + 1..until).contains(&other.called_at)).collect();
        after.len() > 2 * (ATTEMPTS - 1) && after.iter().all(|other| other.answer != Existence::NotFound)
    };
    let wrong = history.describes.iter().filter(|describe| webhooks.contains(&describe.process)).filter(is_wrong);
    wrong
        .map(|describe| format!("process {} knew the answer at {:?} ms", describe.process, describe.answered_at))
        .collect()
}

fn missing(life: &Life, history: &History) -> Vec<String> {
    if life.terms.is_custom_bus {
        return Vec::new();
    }
    let is_known_to_be = |request: &Request| {
        let by = request.answer.map_or(0, |answer| answer.at);
        let had = history.describes.iter().filter(|describe| {
            let is_clear = [Existence::Found, Existence::NotFound].contains(&describe.answer);
            describe.process == request.process && is_clear && describe.answered_at.is_some_and(|at| at < by)
        });
        had.max_by_key(|describe| describe.called_at).is_some_and(|describe| describe.answer == Existence::NotFound)
    };
    let wrong = history.requests.iter().filter(|(_, request)| request.status() == 200 && is_known_to_be(request));
    wrong.map(|(number, _)| format!("request {number} was answered 200")).collect()
}

/// Without a look at lives in which the bus is missing for a while.
fn usable(life: &Life, history: &History) -> Vec<String> {
    if life.steps.iter().any(|step| step.action == Action::DeleteBus) {
        return Vec::new();
    }
    let faulty: HashSet<&str> = history.faults.iter().map(|(owner, _)| owner.as_str()).collect();
    let is_known = |request: &Request, by: i64| {
        let signed_with = request.sent.signed_with.as_deref().unwrap_or_default();
        let current = latest_current(history, request, by);
        life.terms.has_static_secret || current.is_some_and(|current| current.is_valid() && current.holds(signed_with))
    };
    let wrong = authentic(history, 202).chain(authentic(history, 500)).filter(|(number, request)| {
        let answered_at = request.answer.map_or(0, |answer| answer.at);
        let is_known = is_known(request, request.arrived_at - 1) && is_known(request, answered_at);
        request.kind == Kind::Webhook(Content::Message) && is_known && !faulty.contains(&*format!("request {number}"))
    });
    wrong.map(|(number, request)| format!("request {number} was answered {}", request.status())).collect()
}

fn others(_: &Life, history: &History) -> Vec<String> {
    let wrong = history.others.iter().filter(|(body, is_known)| match is_known {
        true => !is_kept(history, body),
        false => is_on_the_bus(history, body) || !is_in_a_queue(history, body),
    });
    wrong.map(|(body, _)| format!("lost or put is {}", String::from_utf8_lossy(body))).collect()
}

/// Whatever was verified, or is signed by the current secret, is put, or deleted if it is not fresh; and what was forged is
/// deleted once that is final.
fn stayed(life: &Life, history: &History) -> Vec<String> {
    let is_calm = |redriven: &&Redriven| redriven.stays && redriven.began_at > life.calm_at;
    let may_stay = |redriven: &Redriven| {
        let request = redriven.request.and_then(|request| history.requests.get(&request));
        let Some(request) = request else { return !history.others.contains(&(redriven.body.clone(), true)) };
        let Labels { current, previous, is_rotating } = &redriven.labels;
        let is_current = |secret: &str| current.as_ref().is_some_and(|current| current.holds(secret));
        match &request.sent.signed_with {
            Some(_) if request.sent.publish_timestamp.is_none() => true,
            Some(secret) => redriven.is_unverified && !is_current(secret),
            None => {
                let received_at = request.received_at;
                let is_late = EPOCH + redriven.began_at - received_at > MISMATCH_IS_FINAL_AFTER + CLOCKS_DIFFER;
                let is_known = previous.as_ref().is_none_or(|previous| {
                    previous.is_valid() && previous.created_at <= received_at - WINDOW - CLOCKS_DIFFER
                });
                !is_late || !is_known || *is_rotating
            }
        }
    };
    let wrong = history.redriven.iter().filter(is_calm).filter(|redriven| !may_stay(redriven));
    wrong.map(|redriven| format!("at {} ms {:?} stayed in the queue", redriven.at, redriven.request)).collect()
}

fn frequent(_: &Life, history: &History) -> Vec<String> {
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
fn again(_: &Life, history: &History) -> Vec<String> {
    let webhooks = webhooks(history);
    let has = |process: usize, is_it: &dyn Fn(&Read) -> bool| {
        history.reads.iter().any(|read| read.process == process && read.label == "AWSCURRENT" && is_it(read))
    };
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

fn tried(_: &Life, history: &History) -> Vec<String> {
    let mut attempts: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
    for call in history.calls.iter().filter(|call| ["PutEvents", "SendMessage"].contains(&&*call.operation)) {
        let owner = call.key.split(',').next().unwrap_or_default();
        attempts.entry((owner, &call.operation)).or_default().push(call);
    }
    let is_last = |call: &&Call| matches!(call.fault, Fault::Error(_, "AccessDeniedException" | "ValidationException"));
    let is_wrong = |calls: &[&Call]| calls.len() > ATTEMPTS || calls[..calls.len() - 1].iter().any(is_last);
    let wrong = attempts.into_iter().filter(|((owner, _), calls)| owner.starts_with("request ") && is_wrong(calls));
    wrong.map(|((owner, operation), calls)| format!("{owner} made {} calls of {operation}", calls.len())).collect()
}

fn kept(_: &Life, history: &History) -> Vec<String> {
    let lost = authentic(history, 202)
        .filter(|(_, request)| !is_kept(history, &request.sent.body) && !may_be_deleted(history, request));
    lost.map(|(number, _)| format!("request {number} was answered 202, and is nowhere")).collect()
}

fn is_on_the_bus(history: &History, body: &[u8]) -> bool {
    history.on_the_bus.iter().any(|put| put.body == body)
}

fn is_in_a_queue(history: &History, body: &[u8]) -> bool {
    history.in_a_queue.iter().any(|other| other == body)
}

/// Whether it is on the bus or in a queue in the end, or was put on a bus that did not exist, which another check is about.
fn is_kept(history: &History, body: &[u8]) -> bool {
    let is_dropped = || history.dropped.iter().any(|drop| drop.body == body);
    is_on_the_bus(history, body) || is_in_a_queue(history, body) || is_dropped()
}

/// Whether it was deleted as forged by the rule: after 45 minutes, if no secret that is known can have signed it.
fn may_be_deleted(history: &History, request: &Request) -> bool {
    let Some(secret) = &request.sent.signed_with else { return true };
    let is_it = |redriven: &&Redriven| !redriven.stays && redriven.body == request.sent.body;
    history.redriven.iter().filter(is_it).any(|deletion| {
        let Labels { current, previous, is_rotating } = &deletion.labels;
        let is_known = [current, previous].into_iter().flatten().any(|version| version.holds(secret));
        let reaches_back = previous
            .as_ref()
            .is_none_or(|previous| previous.created_at <= request.received_at - WINDOW + CLOCKS_DIFFER);
        let is_late = EPOCH + deletion.at - request.received_at > MISMATCH_IS_FINAL_AFTER - CLOCKS_DIFFER;
        is_late && !is_known && !is_rotating && reaches_back
    })
}

fn lost(life: &Life, history: &History) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, request) in authentic(history, 500) {
        let is_too_large = request.sent.body.len() > MAX_UNVERIFIED_BYTES;
        let has_failed = request.sends.iter().any(|fault| *fault != Fault::None);
        if life.terms.has_retry_queue && !has_failed && !is_too_large {
            violations.push(format!("request {number} was answered 500, and the retry queue did not fail"));
        }
        if !request.is_logged && (life.terms.has_static_secret || knew_its_secret(history, request)) {
            violations.push(format!("request {number} was answered 500, could be verified, and is not in the log"));
        }
    }
    violations
}

/// Whether the latest answer of Secrets Manager that its process had before its response holds the secret that signed it.
fn knew_its_secret(history: &History, request: &Request) -> bool {
    let (Some(secret), Some(answer)) = (&request.sent.signed_with, request.answer) else { return false };
    latest_current(history, request, answer.at - 1).is_some_and(|current| current.holds(secret))
}

/// The current version as its process had it by this time, in milliseconds of the life.
fn latest_current<'a>(history: &'a History, request: &Request, by: i64) -> Option<&'a Labelled> {
    let had = |read: &&Read| {
        let is_its = read.process == request.process && read.label == "AWSCURRENT";
        is_its && read.answered_at.is_some_and(|at| at <= by)
    };
    let latest = history.reads.iter().filter(had).max_by_key(|read| read.called_at)?;
    // An answer that waited for a thaw may belong to a read that was replaced then.
    if latest.was_frozen { None } else { latest.labels.as_ref()?.current.as_ref() }
}

fn refused(life: &Life, history: &History) -> Vec<String> {
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

/// Whether the secret before this one was no longer accepted when the request was received.
fn is_previous_over(life: &Life, history: &History, request: &Request, current: &Labelled) -> bool {
    let lifetime = life.terms.previous_secret_seconds * 1000;
    let changed_at = if lifetime > 0 { seen_at(history, request, current) } else { None };
    current.created_at.max(changed_at.unwrap_or(i64::MIN)) + lifetime <= request.received_at
}

/// When the process of a request saw, before it answered, that this version became the current one, if it knew another before.
/// Without answers that waited for a thaw, of which it may take either of two.
fn seen_at(history: &History, request: &Request, current: &Labelled) -> Option<i64> {
    let reads = history.reads.iter().filter(|read| read.process == request.process && read.label == "AWSCURRENT");
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

/// The reads of a request's process that began late enough to judge it.
fn reads_for<'a>(history: &'a History, request: &'a Request) -> impl Iterator<Item = &'a Read> {
    let from = request.received_at - EPOCH - skew(request) - READ_WITHIN;
    let until = request.answer.map_or(i64::MAX, |answer| answer.at);
    history.reads.iter().filter(move |read| read.process == request.process && (from..=until).contains(&read.called_at))
}

fn is_answered_for(read: &Read, request: &Request) -> bool {
    request.answer.is_some_and(|answer| read.answered_at.is_some_and(|at| at <= answer.at))
}

/// Whether its process may not read `AWSPENDING` and never had an answer, so that there is none.
fn is_pending_denied(history: &History, request: &Request) -> bool {
    let is_pending = |read: &&Read| read.label == "AWSPENDING" && is_answered_for(read, request);
    let is_denied = |read: &Read| matches!(read.fault, Fault::Error(_, "AccessDeniedException"));
    let mut all = history.reads.iter().filter(|read| read.process == request.process).filter(is_pending);
    all.all(|read| read.labels.is_none()) && reads_for(history, request).filter(is_pending).any(is_denied)
}

fn old(life: &Life, history: &History) -> Vec<String> {
    if life.terms.has_static_secret {
        return Vec::new();
    }
    let is_old = |request: &Request| {
        let until = request.answer.map_or(0, |answer| answer.at);
        let began = |is_it: fn(&Read) -> bool| {
            let reads =
                history.reads.iter().filter(|read| read.process == request.process && read.label == "AWSCURRENT");
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
fn unjudged(life: &Life, history: &History) -> Vec<String> {
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

fn skew(request: &Request) -> i64 {
    request.received_at - EPOCH - request.arrived_at.max(request.waits_since)
}

fn forged(_: &Life, history: &History) -> Vec<String> {
    let may_be: HashSet<&[u8]> = history
        .requests
        .values()
        .filter(|request| request.is_authentic_and_fresh())
        .map(|request| request.sent.body.as_slice())
        .chain(history.others.iter().filter(|(_, is_known)| *is_known).map(|(body, _)| body.as_slice()))
        .collect();
    let wrong = history.on_the_bus.iter().filter(|put| !may_be.contains(put.body.as_slice()));
    wrong.map(|put| format!("on the bus is {}", String::from_utf8_lossy(&put.body))).collect()
}

fn unverified(_: &Life, history: &History) -> Vec<String> {
    let is_forged = |request: &Request| matches!(request.kind, Kind::Forged { .. });
    let is_large = |request: &Request| request.sent.body.len() > MAX_UNVERIFIED_BYTES;
    let is_wrong =
        |request: &Request| (is_forged(request) && request.is_logged) || (is_large(request) && request.is_unverified);
    let wrong = history.requests.iter().filter(|(_, request)| is_wrong(request));
    wrong.map(|(number, request)| format!("request {number} ({:?}) was logged or kept", request.kind)).collect()
}

/// Put by `redrive`, although the secret that signed it was only the previous one, whose time was over when it was received.
/// Without a look at labels that move back, at versions stored long before, and at processes that saw the change, for which
/// the time begins then.
fn outdated(life: &Life, history: &History) -> Vec<String> {
    let moves = |action: &Action| matches!(action, Action::MoveBack | Action::PromoteOlder(..));
    if life.terms.has_static_secret || life.steps.iter().any(|step| moves(&step.action)) {
        return Vec::new();
    }
    let lifetime = life.terms.previous_secret_seconds * 1000;
    let mut violations = Vec::new();
    for put in history.on_the_bus.iter().filter(|put| put.is_redriven) {
        let Some(current) = put.labels.current.as_ref().filter(|current| current.is_valid()) else { continue };
        let is_over = |request: &Request| {
            let is_current = request.sent.signed_with.as_deref().is_some_and(|secret| current.holds(secret));
            request.is_unverified && !is_current && request.received_at - CLOCKS_DIFFER >= current.created_at + lifetime
        };
        let mut requests = history.requests.values().filter(|request| request.sent.body == put.body).peekable();
        let reads = || history.reads.iter().filter(|read| read.process == put.process && read.label == "AWSCURRENT");
        let version = |read: &Read| Some(read.labels.as_ref()?.current.as_ref()?.created_at);
        let has_read = reads().any(|read| {
            let is_in_time =
                read.called_at >= put.at - REDRIVE_TIMEOUT && read.answered_at.is_some_and(|at| at < put.at);
            is_in_time && !read.was_frozen && version(read) == Some(current.created_at)
        });
        let saw_no_other = || reads().all(|read| version(read).is_none_or(|version| version == current.created_at));
        if requests.peek().is_some() && requests.all(is_over) && has_read && (lifetime == 0 || saw_no_other()) {
            violations.push(format!("at {} ms was put {}", put.at, String::from_utf8_lossy(&put.body)));
        }
    }
    violations
}

fn confirmed(_: &Life, history: &History) -> Vec<String> {
    let is_wrong = |request: &Request| request.status() == 200 && !request.is_authentic_and_fresh();
    let wrong = history.requests.iter().filter(|(_, request)| is_wrong(request));
    wrong.map(|(number, request)| format!("request {number} ({:?}) was answered 200", request.kind)).collect()
}

/// Answered 200, although the latest answer that the process had names another secret, and the time of this one was over.
fn expired(life: &Life, history: &History) -> Vec<String> {
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

fn malformed(_: &Life, history: &History) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, request) in &history.requests {
        if let Kind::Malformed(malformed) = request.kind
            && request.status() != malformed.status()
        {
            violations.push(format!("request {number} ({malformed:?}) was answered {}", request.status()));
        }
    }
    violations
}

fn late(_: &Life, history: &History) -> Vec<String> {
    let took = |request: &Request| request.answer.map_or(i64::MAX, |answer| answer.at - request.waits_since);
    let late = history.requests.iter().filter(|(_, request)| took(request) > ANSWER_WITHIN);
    late.map(|(number, request)| format!("request {number} was answered after {} ms", took(request))).collect()
}

fn odd(_: &Life, history: &History) -> Vec<String> {
    let is_odd =
        |request: &Request| request.is_authentic_and_fresh() && ![200, 202, 403, 500].contains(&request.status());
    let odd = history.requests.iter().filter(|(_, request)| is_odd(request));
    odd.map(|(number, request)| format!("request {number} was answered {}", request.status())).collect()
}

fn repeated(life: &Life, history: &History) -> Vec<String> {
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

fn broken(_: &Life, history: &History) -> Vec<String> {
    history.broken.clone()
}
