//! Whether a Classic bus exists, according to EventBridge. Pure; the caller passes the time.

/// The least time between the beginnings of two checks, in milliseconds.
const CHECK_AGAIN_AFTER: i64 = 5_000;

/// The age at which *found* is checked again, in milliseconds: a bus can be deleted under a warm process.
const FOUND_FOR: i64 = 60_000;

/// A clear answer of DescribeEventBus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The bus exists.
    Found,
    /// The bus does not exist.
    NotFound,
    /// The function's role does not allow the call.
    Denied,
}

/// One DescribeEventBus call: its place in their order, and the time at which it began, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) at: i64,
}

/// What is known about the bus, and which checks are running.
#[derive(Debug, Default)]
pub(super) struct Existence {
    known: Option<(Answer, Call)>,
    checked_at: Option<i64>,
    running: u32,
}

impl Existence {
    /// Whether a check begins now. At most one begins every 5 s.
    pub(super) fn is_check_due(&self, now: i64) -> bool {
        let is_open = match self.known {
            None | Some((Answer::NotFound, _)) => true,
            Some((Answer::Found, call)) => has_passed(FOUND_FOR, call.at, now),
            Some((Answer::Denied, _)) => false,
        };
        let may_begin = self.checked_at.is_none_or(|checked_at| has_passed(CHECK_AGAIN_AFTER, checked_at, now));
        is_open && may_begin
    }

    pub(super) fn begin_check(&mut self, now: i64) {
        self.checked_at = Some(now);
        self.running += 1;
    }

    pub(super) fn end_check(&mut self) {
        self.running -= 1;
    }

    /// Takes the answer to a call, and returns whether it counts: an answer to an earlier call never replaces that to a later
    /// one, and *denied* says nothing about a bus of which something is known.
    pub(super) fn learn(&mut self, answer: Answer, call: Call) -> bool {
        let counts = match self.known {
            None => true,
            Some((known, latest)) => call.number > latest.number && (answer != Answer::Denied || known == answer),
        };
        if counts {
            self.known = Some((answer, call));
        }
        counts
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self.known, Some((Answer::NotFound, _)))
    }

    pub(super) fn is_denied(&self) -> bool {
        matches!(self.known, Some((Answer::Denied, _)))
    }

    pub(super) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    pub(super) fn is_checking(&self) -> bool {
        self.running > 0
    }

    /// How many checks are running.
    #[cfg(test)]
    pub(super) fn running(&self) -> u64 {
        self.running.into()
    }

    /// Lets this much time pass by the wall clock, in milliseconds.
    #[cfg(test)]
    pub(super) fn grow_older(&mut self, milliseconds: i64) {
        self.checked_at = self.checked_at.map(|checked_at| checked_at - milliseconds);
        if let Some((_, call)) = &mut self.known {
            call.at -= milliseconds;
        }
    }

    /// The call with the answer that counts.
    pub(super) fn answered(&self) -> Option<Call> {
        self.known.map(|(_, call)| call)
    }
}

/// Whether this much time has passed. A clock that was set back must not make it longer.
fn has_passed(pause: i64, since: i64, now: i64) -> bool {
    !(0..pause).contains(&now.saturating_sub(since))
}

#[cfg(test)]
mod tests;
