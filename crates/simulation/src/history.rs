//! What happened in a life: what the checks look at, and a trace that a person can read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use test_kit::fault::Fault;

use crate::process::FunctionName;
use crate::request::{Kind, Sent};
use crate::services::Labels;

/// What happened in a life.
#[derive(Debug, Default)]
pub struct History {
    /// By the number of the request.
    pub requests: BTreeMap<usize, Request>,
    pub reads: Vec<Read>,
    pub describes: Vec<Describe>,
    /// What was put on a Classic bus that does not exist.
    pub dropped: Vec<Drop>,
    pub redriven: Vec<Redriven>,
    pub on_the_bus: Vec<Put>,
    /// The bodies in the retry queue and in its dead-letter queue, at the end.
    pub in_a_queue: Vec<Vec<u8>>,
    pub calls: Vec<Call>,
    /// Bodies that other senders put in the retry queue, each with whether it can be put on the bus.
    pub others: Vec<(Vec<u8>, bool)>,
    /// What the functions logged that is no record of a request or a message: metrics.
    pub metrics: Vec<(FunctionName, Value)>,
    /// What went wrong in a way that no promise allows, as it happened.
    pub broken: Vec<String>,
    /// How often each thing happened.
    pub counts: BTreeMap<String, u64>,
    pub trace: String,
}

/// A request, and its answer.
#[derive(Debug)]
pub struct Request {
    pub kind: Kind,
    pub sent: Sent,
    pub process: usize,
    pub arrived_at: i64,
    /// From when on its time counts: its arrival, or the start of the process.
    pub waits_since: i64,
    /// When it was handed to the function, by the clock of its process, as Unix time in milliseconds.
    pub received_at: i64,
    pub answer: Option<Answer>,
    /// Whether it was sent to the retry queue unverified.
    pub is_unverified: bool,
    /// Whether its queue message is in the log.
    pub is_logged: bool,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    pub at: i64,
    pub status: u64,
}

/// A GetSecretValue call that reached Secrets Manager.
#[derive(Debug)]
pub struct Read {
    pub process: usize,
    pub label: String,
    pub called_at: i64,
    /// When the process had the answer.
    pub answered_at: Option<i64>,
    /// Whether the process was frozen when the answer came, so that it had it late or never.
    pub was_frozen: bool,
    pub fault: Fault,
    /// What the labels were on; `None` if the answer is an error.
    pub labels: Option<Labels>,
}

/// A DescribeEventBus call.
#[derive(Debug)]
pub struct Describe {
    pub process: usize,
    pub called_at: i64,
    /// When the process had the answer.
    pub answered_at: Option<i64>,
    pub answer: Existence,
    /// Whether the process was frozen when the answer came, so that it had it late or never.
    pub was_frozen: bool,
}

/// What an answer says of the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existence {
    Found,
    NotFound,
    Denied,
    Unclear,
}

/// A call that reached its service.
#[derive(Debug)]
pub struct Call {
    pub key: String,
    /// The request that it was made for, if it was for one.
    pub request: Option<usize>,
    pub operation: String,
    pub at: i64,
    pub fault: Fault,
}

/// An entry that was put on a bus that does not exist.
#[derive(Debug)]
pub struct Drop {
    pub process: usize,
    /// Whether it came from the retry queue.
    pub is_redriven: bool,
    /// When its invocation began.
    pub began_at: i64,
    pub called_at: i64,
    pub body: Vec<u8>,
}

/// An entry on the bus.
#[derive(Debug)]
pub struct Put {
    pub at: i64,
    pub process: usize,
    /// Whether it came from the retry queue.
    pub is_redriven: bool,
    pub body: Vec<u8>,
    pub labels: Labels,
}

/// What `redrive` did with a message.
#[derive(Debug)]
pub struct Redriven {
    /// When the invocation began, and when it ended.
    pub began_at: i64,
    pub at: i64,
    /// The request that it was kept for, if it was.
    pub request: Option<usize>,
    pub is_unverified: bool,
    /// Whether it stays in the queue; otherwise it is deleted.
    pub stays: bool,
    pub body: Vec<u8>,
    /// Of the end, or of the beginning if it stays.
    pub labels: Labels,
}

impl History {
    /// The calls of a process for one label of the secret.
    pub fn reads_of(&self, process: usize, label: &'static str) -> impl Iterator<Item = &Read> {
        self.reads.iter().filter(move |read| read.process == process && read.label == label)
    }

    /// The DescribeEventBus calls of a process.
    pub fn describes_of(&self, process: usize) -> impl Iterator<Item = &Describe> {
        self.describes.iter().filter(move |describe| describe.process == process)
    }

    /// Adds a line to the trace.
    pub fn trace(&mut self, at: i64, who: &str, what: &str) {
        let _ = writeln!(self.trace, "{:>12.3}  {who:<11} {what}", at as f64 / 1000.0);
    }

    /// Counts something.
    pub fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// The hash of the trace, in hex.
    pub fn hash(&self) -> String {
        Sha256::digest(&self.trace).iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}
