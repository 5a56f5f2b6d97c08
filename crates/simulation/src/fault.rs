//! How calls to AWS fail: one at a time, or all calls to a service, or to all services, for a while.

use std::time::Duration;

use test_kit::fault::Fault;

use crate::draw::{Draw, Draws};
use crate::operator::Step;

/// The services that are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceName {
    EventBridge,
    Sqs,
    SecretsManager,
}

/// The operations that are called.
pub const OPERATIONS: [&str; 4] = ["PutEvents", "DescribeEventBus", "SendMessage", "GetSecretValue"];

/// Calls fail from one time to another, in milliseconds of the life.
#[derive(Debug, Clone)]
pub struct Outage {
    pub key: String,
    /// The calls that fail.
    pub operations: &'static [&'static str],
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
    // What becomes of the connection is what the code treats in the most ways.
    if draw.once_in(3) { draw.one_of(&PASSING[..4]) } else { draw.one_of(&PASSING) }
}

/// What all calls may meet for a while.
fn lasting(draw: &mut Draw) -> Fault {
    match draw.between(0, 11) {
        0 | 1 => Fault::Error(400, "AccessDeniedException"),
        2 | 3 => Fault::Hang,
        4 => Fault::Reset,
        5 | 6 => Fault::Slow(Duration::from_millis(draw.magnitude(300, 1_900).unsigned_abs())),
        _ => passing(draw),
    }
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
    for operation in OPERATIONS {
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

/// The outages of a life of this length, in which the operator takes these steps.
pub fn outages(draws: &Draws, length: i64, steps: &[Step]) -> Vec<Outage> {
    const EVENT_BRIDGE: &[&str] = &["DescribeEventBus", "PutEvents"];
    const SQS: &[&str] = &["SendMessage"];
    const SECRETS_MANAGER: &[&str] = &["GetSecretValue"];
    /// A whole region: each service fails in its own way or in that of the others, and is back at its own time.
    const REGION: &[&[&str]] = &[EVENT_BRIDGE, SQS, SECRETS_MANAGER];
    const FAIL_TOGETHER: [&[&[&str]]; 9] = [
        REGION,
        REGION,
        &[EVENT_BRIDGE],
        &[EVENT_BRIDGE, SQS],
        &[&["DescribeEventBus"]],
        &[SQS],
        &[SQS, SECRETS_MANAGER],
        &[SECRETS_MANAGER],
        &[SECRETS_MANAGER],
    ];
    let count = draws.of("outages").one_of(&[0, 0, 1, 1, 2, 3]);
    let mut outages = Vec::new();
    for number in 0..count {
        let mut draw = draws.of(&format!("outage {number}"));
        let from = draw.between(-2_000, length);
        let most = draw.one_of(&[3_000, 60_000, 1_800_000]);
        let common = lasting(&mut draw);
        for operations in draw.one_of(&FAIL_TOGETHER) {
            let key = format!("outage {number} of {}", operations.join(" and "));
            let to = from + draw.magnitude(200, most);
            let fault = if draw.once_in(2) { common.clone() } else { lasting(&mut draw) };
            outages.push(Outage { key, operations, from, to, fault });
        }
    }
    let mut draw = draws.of("outage at a step");
    if !steps.is_empty() && draw.once_in(4) {
        // The secret is read late, or only afterwards, while the operator changes something, and the retry queue fails.
        let step = draw.one_of(steps).at;
        let from = step - draw.between(0, 5_000);
        let late = Fault::Slow(Duration::from_millis(draw.magnitude(600, 1_900).unsigned_abs()));
        let late = draw.one_of(&[late.clone(), late, Fault::Hang, Fault::Reset]);
        let last = if draw.once_in(2) { 1_000 } else { 60_000 };
        for (operations, fault) in [(SECRETS_MANAGER, late), (SQS, lasting(&mut draw))] {
            let key = format!("outage at a step of {}", operations.join(" and "));
            outages.push(Outage { key, operations, from, to: step + draw.magnitude(100, last), fault });
        }
    }
    outages.retain(|outage| !draws.is_left_out(&outage.key));
    outages
}
