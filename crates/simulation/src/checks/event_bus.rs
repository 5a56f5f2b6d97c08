//! Nothing is put on a bus that is missing, and whether it is there is asked for no more often than needed.

use super::{ATTEMPTS, CLOCKS_DIFFER, webhooks};
use crate::history::{Describe, Drop, Existence, History, Request};
use crate::life::Life;

/// The age at which *found* is asked for again, in milliseconds.
const FOUND_FOR: i64 = 60_000;

/// A *found* counts for a minute; then, and while nothing is known, a process asks again at least every 5 s, for which its
/// three attempts take less than 3 s. A process that was frozen before the answer came has asked too. `redrive` puts only after
/// a clear answer.
pub(super) fn dropped(_: &Life, history: &History) -> Vec<String> {
    const ASKS_WITHIN: i64 = 5_000 + 3_000;
    let may_be = |drop: &&Drop| {
        let asked = || history.describes_of(drop.process);
        let had = |by: i64| had_by(history, drop.process, by);
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

pub(super) fn missing(life: &Life, history: &History) -> Vec<String> {
    if life.terms.is_custom_bus {
        return Vec::new();
    }
    let is_known_to_be = |request: &Request| {
        let had = had_by(history, request.process, request.answered_at() - 1);
        let clear = had.filter(|describe| [Existence::Found, Existence::NotFound].contains(&describe.answer));
        clear.max_by_key(|describe| describe.called_at).is_some_and(|describe| describe.answer == Existence::NotFound)
    };
    let wrong = history.requests.iter().filter(|(_, request)| request.status() == 200 && is_known_to_be(request));
    wrong.map(|(number, _)| format!("request {number} was answered 200")).collect()
}

/// A *found* is asked for again after a minute, and *access denied* not at all where nothing was known. Two questions that were
/// frozen may go on, each with two more attempts.
pub(super) fn asked(_: &Life, history: &History) -> Vec<String> {
    let webhooks = webhooks(history);
    let is_wrong = |describe: &&Describe| {
        let Some(answered_at) = describe.answered_at else { return false };
        let mut before = history.describes_of(describe.process).filter(|other| other.called_at < describe.called_at);
        let until = match describe.answer {
            Existence::Found => describe.called_at + FOUND_FOR - CLOCKS_DIFFER,
            Existence::Denied if before.all(|other| other.answer == Existence::Unclear) => i64::MAX,
            _ => return false,
        };
        let after: Vec<_> = history
            .describes_of(describe.process)
            .filter(|other| (answered_at + 1..until).contains(&other.called_at))
            .collect();
        after.len() > 2 * (ATTEMPTS - 1) && after.iter().all(|other| other.answer != Existence::NotFound)
    };
    let wrong = history.describes.iter().filter(|describe| webhooks.contains(&describe.process)).filter(is_wrong);
    wrong
        .map(|describe| format!("process {} knew the answer at {:?} ms", describe.process, describe.answered_at))
        .collect()
}

/// The answers that a process had by this time of the life, in milliseconds.
fn had_by(history: &History, process: usize, by: i64) -> impl Iterator<Item = &Describe> {
    history.describes_of(process).filter(move |describe| describe.answered_at.is_some_and(|at| at <= by))
}
