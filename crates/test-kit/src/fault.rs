//! How a call to a fake service fails, and which calls do.

use std::time::Duration;

use hyper::header::HeaderMap;
use serde_json::Value;

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// An error response of the service, with this status and code. The call has no effect.
    Error(u16, &'static str),
    /// The same, with this message.
    Refused(u16, &'static str, &'static str),
    /// This status with an HTML body, as from a proxy that is not part of AWS. The call has no effect.
    Html(u16),
    /// `PutEvents` only: 200, with every entry failed with this code.
    FailedEntries(&'static str),
    /// `PutEvents` only: 200, with the entries at these positions failed with this code.
    FailedEntriesAt(Vec<usize>, &'static str),
    /// The call takes effect at once; the response comes after this time.
    Slow(Duration),
    /// The call takes effect; the response ends after half of its body.
    HalfBody,
    /// The call takes effect; the connection is reset instead of a response.
    ResponseLost,
    /// The connection is reset. The call has no effect.
    Reset,
    /// There is no response. The call has no effect.
    Hang,
}

/// One call that a fake service received.
#[derive(Clone, Debug)]
pub struct Call {
    /// Such as `PutEvents`.
    pub operation: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The operation's input.
    pub input: Value,
}

/// Chooses the fault of a call by its number (from 0, per operation) and its input.
pub type Plan = Box<dyn FnMut(usize, &Value) -> Fault + Send>;

/// Every call fails.
pub fn always(fault: Fault) -> Plan {
    Box::new(move |_, _| fault.clone())
}

/// The first calls fail.
pub fn first(calls: usize, fault: Fault) -> Plan {
    Box::new(move |number, _| if number < calls { fault.clone() } else { Fault::None })
}
