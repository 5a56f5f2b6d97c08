//! How a fake endpoint is told to fail, and when.

use std::time::Duration;

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// None: the call does what it should.
    None,
    /// This status and AWS error code.
    Error(u16, &'static str),
    /// This status with a page of HTML, as from something in between that knows nothing of AWS.
    Html(u16),
    /// `PutEvents` alone: 200, with every entry failed for this code.
    FailedEntries(&'static str),
    /// `PutEvents` alone: 200, with the entries at these places failed for this code.
    FailedEntriesAt(Vec<usize>, &'static str),
    /// Done at once, answered after this time.
    Slow(Duration),
    /// Done, but the connection is reset instead of an answer.
    AnswerLost,
    /// Not done, and the connection is reset.
    Reset,
    /// Not done, and never answered.
    Hang,
}

/// One call that an endpoint got, and what became of it.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: String,
    /// The request, as JSON.
    pub input: Value,
    pub fault: Fault,
    pub at: std::time::Instant,
}

/// Decides the fault of the call with this number (from 0, counted for each operation) and this request.
pub type Plan = Box<dyn FnMut(usize, &Value) -> Fault + Send>;

pub fn always(fault: Fault) -> Plan {
    Box::new(move |_, _| fault.clone())
}

pub fn first(calls: usize, fault: Fault) -> Plan {
    Box::new(move |number, _| if number < calls { fault.clone() } else { Fault::None })
}

pub fn once(fault: Fault) -> Plan {
    first(1, fault)
}
