//! How calls to AWS fail: one at a time, or all calls to a service, or to all services, for a while.

use std::time::Duration;

use test_kit::fault::Fault;

use crate::draw::{Draw, Draws};

/// The services that are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceName {
    EventBridge,
    Sqs,
    SecretsManager,
}

/// Calls fail from one time to another, in milliseconds of the life.
#[derive(Debug, Clone)]
pub struct Outage {
    pub key: String,
    /// `None` for all services.
    pub service: Option<ServiceName>,
    pub from: i64,
    pub to: i64,
    pub fault: Fault,
}

const EXPIRED: &str = "Signature expired: 20240914T053759Z is now earlier than 20240914T054000Z.";
const EARLY: &str = "Signature not yet current: 20240914T053759Z is still later than 20240914T053000Z.";

/// What passes: once, it never changes an answer.
const PASSING: [Fault; 22] = [
    Fault::Reset,
    Fault::ResponseLost,
    Fault::Hang,
    Fault::HalfBody,
    Fault::Html(408),
    Fault::Html(429),
    Fault::Html(502),
    Fault::Html(503),
    Fault::Error(400, "ThrottlingException"),
    Fault::Error(400, "ThrottledException"),
    Fault::Error(400, "RequestLimitExceeded"),
    Fault::Error(400, "SlowDown"),
    Fault::Error(400, "KmsThrottled"),
    Fault::Error(400, "RequestTimeout"),
    Fault::Error(400, "RequestTimeoutException"),
    Fault::Error(500, "InternalFailure"),
    Fault::Error(503, "ServiceUnavailable"),
    Fault::Error(403, "RequestExpired"),
    Fault::Error(403, "RequestTimeTooSkewed"),
    Fault::Refused(403, "InvalidSignatureException", EXPIRED),
    Fault::Refused(403, "InvalidSignatureException", EARLY),
    Fault::Slow(Duration::from_millis(400)),
];

/// What another attempt does not help.
const PERMANENT: [Fault; 2] = [Fault::Error(400, "AccessDeniedException"), Fault::Error(400, "ValidationException")];

/// What EventBridge says of an entry that it does not take.
const ENTRY_CODES: [&str; 3] = ["InternalFailure", "ThrottlingException", "NotAuthorizedForSourceException"];

/// One of the faults that pass.
pub fn passing(draw: &mut Draw) -> Fault {
    draw.one_of(&PASSING)
}

/// What may happen to one call of this operation.
pub fn any(draw: &mut Draw, operation: &str) -> Fault {
    match draw.between(0, 9) {
        0 | 1 => draw.one_of(&PERMANENT),
        2 => Fault::Slow(Duration::from_millis(draw.magnitude(50, 20_000).unsigned_abs())),
        3 | 4 if operation == "PutEvents" => {
            let code = draw.one_of(&ENTRY_CODES);
            if draw.once_in(2) { Fault::FailedEntries(code) } else { Fault::FailedEntriesAt(vec![0, 3], code) }
        }
        _ => passing(draw),
    }
}

/// The name of every fault that may happen to a call, as it is counted.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for operation in ["DescribeEventBus", "GetSecretValue", "PutEvents", "SendMessage"] {
        names.extend(PASSING.iter().chain(&PERMANENT).map(|fault| format!("{operation}: {}", name(fault))));
    }
    for code in ENTRY_CODES {
        names.extend(
            [Fault::FailedEntries(code), Fault::FailedEntriesAt(vec![], code)]
                .map(|fault| format!("PutEvents: {}", name(&fault))),
        );
    }
    names
}

/// The name of a kind of fault, to count it.
pub fn name(fault: &Fault) -> String {
    match fault {
        Fault::Error(status, code) | Fault::Refused(status, code, _) => format!("{status} {code}"),
        Fault::Html(status) => format!("{status} with an HTML body"),
        Fault::Slow(_) => "slow".to_owned(),
        Fault::FailedEntries(code) => format!("all entries: {code}"),
        Fault::FailedEntriesAt(_, code) => format!("some entries: {code}"),
        Fault::HalfBody => "half a body".to_owned(),
        Fault::ResponseLost => "response lost".to_owned(),
        Fault::Reset => "reset".to_owned(),
        Fault::Hang => "no response".to_owned(),
        Fault::None => "none".to_owned(),
    }
}

/// The outages of a life of this length.
pub fn outages(draws: &Draws, length: i64) -> Vec<Outage> {
    let count = draws.of("outages").one_of(&[0, 0, 1, 1, 2, 3]);
    let outage = |number| {
        let key = format!("outage {number}");
        let mut draw = draws.of(&key);
        let service = draw.one_of(&[
            None,
            Some(ServiceName::EventBridge),
            Some(ServiceName::EventBridge),
            Some(ServiceName::Sqs),
            Some(ServiceName::SecretsManager),
            Some(ServiceName::SecretsManager),
        ]);
        let from = draw.between(-2_000, length);
        let to = from + draw.magnitude(200, 1_800_000);
        let fault = if draw.once_in(6) { Fault::Error(400, "AccessDeniedException") } else { passing(&mut draw) };
        Outage { key, service, from, to, fault }
    };
    (0..count).map(outage).filter(|outage| !draws.is_left_out(&outage.key)).collect()
}
