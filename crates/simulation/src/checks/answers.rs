//! What each request is answered, and what is neither put on the bus nor kept.

use std::collections::HashSet;

use super::MAX_UNVERIFIED_BYTES;
use crate::history::{History, Request};
use crate::life::Life;
use crate::request::Kind;

/// The time within which every request is answered, in milliseconds.
const ANSWER_WITHIN: i64 = 4_500;

pub(super) fn malformed(_: &Life, history: &History) -> Vec<String> {
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

pub(super) fn late(_: &Life, history: &History) -> Vec<String> {
    let took = |request: &Request| request.answer.map_or(i64::MAX, |answer| answer.at - request.waits_since);
    let late = history.requests.iter().filter(|(_, request)| took(request) > ANSWER_WITHIN);
    late.map(|(number, request)| format!("request {number} was answered after {} ms", took(request))).collect()
}

pub(super) fn odd(_: &Life, history: &History) -> Vec<String> {
    let is_odd =
        |request: &Request| request.is_authentic_and_fresh() && ![200, 202, 403, 500].contains(&request.status());
    let odd = history.requests.iter().filter(|(_, request)| is_odd(request));
    odd.map(|(number, request)| format!("request {number} was answered {}", request.status())).collect()
}

pub(super) fn confirmed(_: &Life, history: &History) -> Vec<String> {
    let is_wrong = |request: &Request| request.status() == 200 && !request.is_authentic_and_fresh();
    let wrong = history.requests.iter().filter(|(_, request)| is_wrong(request));
    wrong.map(|(number, request)| format!("request {number} ({:?}) was answered 200", request.kind)).collect()
}

pub(super) fn forged(_: &Life, history: &History) -> Vec<String> {
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

pub(super) fn unverified(_: &Life, history: &History) -> Vec<String> {
    let is_forged = |request: &Request| matches!(request.kind, Kind::Forged { .. });
    let is_large = |request: &Request| request.sent.body.len() > MAX_UNVERIFIED_BYTES;
    let is_wrong =
        |request: &Request| (is_forged(request) && request.is_logged) || (is_large(request) && request.is_unverified);
    let wrong = history.requests.iter().filter(|(_, request)| is_wrong(request));
    wrong.map(|(number, request)| format!("request {number} ({:?}) was logged or kept", request.kind)).collect()
}
