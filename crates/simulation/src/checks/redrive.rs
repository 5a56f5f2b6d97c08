//! What `redrive` puts, deletes and leaves in the queue.

use super::{CLOCKS_DIFFER, WINDOW};
use crate::history::{History, Read, Redriven, Request};
use crate::life::Life;
use crate::operator::Action;
use crate::process::EPOCH;
use crate::services::Labels;
use crate::world::REDRIVE_TIMEOUT;

/// How long a request that no known secret signed stays in the queue, in milliseconds.
const MISMATCH_IS_FINAL_AFTER: i64 = 45 * 60_000;

/// Whatever was verified, or is signed by the current secret, is put, or deleted if it is not fresh; and what was forged is
/// deleted once that is final.
pub(super) fn stayed(life: &Life, history: &History) -> Vec<String> {
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

/// Whether it was deleted as forged by the rule: after 45 minutes, if no secret that is known can have signed it.
pub(super) fn may_be_deleted(history: &History, request: &Request) -> bool {
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

/// Put by `redrive`, although the secret that signed it was only the previous one, whose time was over when it was received.
/// Without a look at labels that move back, at versions stored long before, and at processes that saw the change, for which
/// the time begins then.
pub(super) fn outdated(life: &Life, history: &History) -> Vec<String> {
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
        let reads = || history.reads_of(put.process, "AWSCURRENT");
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
