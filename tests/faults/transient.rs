//! Transient errors with a status below 500: one of them, once, changes the response of none of the three services.

use test_kit::fault::Fault::{self, Error, HalfBody, Html, Refused};

use crate::case::{Case, cold, first_put, first_read, first_send, puts, warm};
use crate::checks::{delivered, queued};

const EXPIRED: &str =
    "Signature expired: 20240914T053759Z is now earlier than 20240914T054000Z (20240914T054500Z - 5 min.)";
const EARLY: &str = "Signature not yet current: 20240914T053759Z is still later than 20240914T053000Z";

/// Each fault with its name in the table.
fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("a 408 with an HTML body", Html(408)),
        ("a 429 with an HTML body", Html(429)),
        ("400 RequestTimeout", Error(400, "RequestTimeout")),
        ("400 RequestTimeoutException", Error(400, "RequestTimeoutException")),
        ("400 ThrottledException", Error(400, "ThrottledException")),
        ("400 RequestLimitExceeded", Error(400, "RequestLimitExceeded")),
        ("400 SlowDown", Error(400, "SlowDown")),
        ("400 KmsThrottled", Error(400, "KmsThrottled")),
        ("403 InvalidSignatureException (Signature expired)", Refused(403, "InvalidSignatureException", EXPIRED)),
        ("403 InvalidSignatureException (Signature not yet current)", Refused(403, "InvalidSignatureException", EARLY)),
        ("403 RequestExpired", Error(403, "RequestExpired")),
        ("403 RequestTimeTooSkewed", Error(403, "RequestTimeTooSkewed")),
        ("a 200 with half of its body", HalfBody),
    ]
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, fault) in faults() {
        let has_effect = fault == HalfBody;
        let put = delivered().puts(2);
        let put = if has_effect { put.and_on_the_bus() } else { put };
        cases.push(warm(
            format!("{name} from EventBridge once is retried").leak(),
            vec![first_put(fault.clone())],
            put,
        ));
        let sent = queued("PutFailed").sends(2);
        let sent = if has_effect { sent.in_the_queue_twice() } else { sent };
        let failures = vec![puts(Error(400, "AccessDeniedException")), first_send(fault.clone())];
        cases.push(warm(format!("{name} from SQS once is retried").leak(), failures, sent));
        let name = format!("{name} from Secrets Manager once is retried").leak();
        cases.push(cold(name, vec![first_read(fault)], delivered()));
    }
    let mismatch = Refused(403, "InvalidSignatureException", "The request signature we calculated does not match.");
    cases.push(warm(
        "a signature that does not match is not retried",
        vec![puts(mismatch)],
        queued("PutFailed").puts(1),
    ));
    cases
}
