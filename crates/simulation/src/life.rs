//! What a life is made of. It is data: all of it follows from the seed.

use std::collections::BTreeSet;

use crate::draw::Draws;
use crate::fault::{self, Outage};
use crate::operator::{self, Step};
use crate::request::{self, Arrival};

/// Which calls of a life fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Faults {
    /// As chance decides, with outages.
    Drawn,
    /// None.
    None,
    /// Each of the calls with these keys, once.
    Single(BTreeSet<String>),
}

/// The pause between requests that is longer than any answer, in milliseconds. Where two lives are compared, a request must
/// find the same processes idle in both.
pub const ALONE: i64 = 6_000;

/// In seconds.
const DAY: i64 = 86_400;

/// The pause between single faults, in milliseconds.
pub const PASSED_AFTER: i64 = 60_000;

/// One life.
#[derive(Debug, Clone)]
pub struct Life {
    pub draws: Draws,
    pub faults: Faults,
    pub terms: Terms,
    pub arrivals: Vec<Arrival>,
    pub outages: Vec<Outage>,
    pub steps: Vec<Step>,
    /// From here on nothing fails, and the operator has repaired everything; in milliseconds of the life.
    pub calm_at: i64,
}

/// What stays the same during a life.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whether the bus is a Custom Event Bus.
    pub is_custom_bus: bool,
    pub has_retry_queue: bool,
    /// Whether the secret is a variable, in place of one in Secrets Manager.
    pub has_static_secret: bool,
    pub previous_secret_seconds: i64,
    /// Whether the monotonic clock of a frozen process stands still.
    pub stops_clock: bool,
    /// One call in this many fails; 0 for none.
    pub fault_once_in: u32,
    /// The slowest usual call, in milliseconds.
    pub latency: i64,
    /// How far the clocks of processes may be off, in milliseconds.
    pub skew: i64,
    /// How long an idle process lives, in milliseconds.
    pub idle: i64,
    /// One request in this many gets a new process although one is idle; 0 for none.
    pub spare_once_in: u32,
    /// Whether no process is reclaimed, and no call is slow but by its fault.
    pub is_steady: bool,
}

impl Life {
    /// The life of this seed.
    pub fn new(draws: Draws, faults: Faults) -> Self {
        let is_compared = faults != Faults::Drawn;
        let (arrivals, length) = request::arrivals(&draws, if is_compared { ALONE } else { 0 });
        let mut terms = Terms::of(&draws);
        let mut steps = operator::steps(&draws, length, is_compared);
        if terms.has_static_secret {
            steps.retain(|step| !step.action.is_about_the_secret());
        }
        let outages = if is_compared { Vec::new() } else { fault::outages(&draws, length, &steps) };
        if is_compared {
            // Until when an older secret is accepted depends on when a process read the newer one.
            terms.previous_secret_seconds = DAY;
            terms.latency = terms.latency.min(40);
            terms.is_steady = true;
        }
        let ends = outages.iter().map(|outage| outage.to).chain(steps.iter().map(|step| step.at));
        let calm_at = ends.chain([length]).max().unwrap_or_default() + 10_000;
        Self { terms, draws, faults, arrivals, outages, steps, calm_at }
    }
}

impl Terms {
    fn of(draws: &Draws) -> Self {
        let mut draw = draws.of("terms");
        Self {
            is_custom_bus: draw.once_in(3),
            has_retry_queue: !draw.once_in(20),
            has_static_secret: draw.once_in(20),
            previous_secret_seconds: draw.one_of(&[DAY, DAY, 600, 60, 0, 0]),
            stops_clock: draw.once_in(2),
            fault_once_in: draw.one_of(&[0, 300, 50, 50, 10, 3]),
            latency: draw.one_of(&[10, 40, 40, 150]),
            skew: draw.one_of(&[0, 0, 20, 400]),
            idle: draw.one_of(&[20_000, 300_000, 3_600_000]),
            spare_once_in: 12,
            is_steady: false,
        }
    }
}
