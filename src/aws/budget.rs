//! The time budget: Momento waits 5 s, the handler responds within 4.5 s, even if every dependency hangs.
//!
//! ```text
//! cold start, everything hanging                     warm, everything hanging
//!   start: secret and bus, side by side    1.00 s
//!   first request waits for the secret     0.90 s      secret read again       0.90 s
//!   (no secret: SQS at once, 3.40 s)                   (no match: SQS at once, 2.40 s)
//!   EventBridge, until 1.5 s are left      0.90 s      EventBridge             1.70 s
//!   SQS, its reserve                       1.50 s      SQS                     1.50 s
//!                                         ───────                             ───────
//!                                          4.30 s                              4.10 s
//! ```
//!
//! EventBridge gets up to three attempts of 0.85 s, 1.70 s in total; SQS likewise, 1.50 s in total. After a hanging
//! connection, the next attempt uses a new one. An attempt that takes longer than 0.85 s counts as failed. If all of them do,
//! the event is queued, and may be on the bus twice if the bus doesn't suppress repeats.

use std::time::Duration;

use tokio::time::Instant;

/// From the request (on a cold start: from the start of the process) to the response.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(4_300);

/// A TCP connection and its TLS handshake. All clients use the same value, so that they share one connection pool.
pub const CONNECT: Duration = Duration::from_millis(700);

/// How long the start waits for the secret and the bus before it accepts requests.
pub const START: Duration = Duration::from_millis(1_000);

/// One read of a version of the secret. It continues in the background if nothing waits for it any longer.
pub const SECRET_READ: Duration = Duration::from_millis(1_850);

/// After this time without a response, a second read of the secret starts beside the first.
pub const SECRET_LATE: Duration = Duration::from_millis(500);

/// How long one request waits for a read of the secret.
pub const SECRET_WAIT: Duration = Duration::from_millis(900);

/// One attempt at EventBridge or SQS.
pub const ATTEMPT: Duration = Duration::from_millis(850);

/// All attempts at EventBridge together.
pub const PUT: Duration = Duration::from_millis(1_700);

/// All attempts at SQS together. EventBridge leaves this much time for them.
pub const QUEUE: Duration = Duration::from_millis(1_500);

/// How long a request waits for a check whether the bus exists, while it is known to be missing.
pub const DESCRIBE_BUS: Duration = Duration::from_millis(1_000);

/// After this time without a response, a second call that checks the bus starts beside the first.
pub const DESCRIBE_LATE: Duration = Duration::from_millis(500);

/// The waits between attempts: one fewer than attempts.
pub const BACKOFF: [Duration; 2] = [Duration::from_millis(60), Duration::from_millis(200)];

/// One attempt of `redrive`. No request is waiting, so it tolerates a bus that is too slow for the handler.
pub const REDRIVE_ATTEMPT: Duration = Duration::from_millis(5_000);

/// How long `redrive` waits for a read of both versions of the secret, before it verifies queued requests.
pub const REDRIVE_SECRET: Duration = Duration::from_millis(5_000);

/// The time that `redrive` assumes for its invocation if the runtime gives it a deadline in the past.
pub const REDRIVE_UNKNOWN: Duration = Duration::from_millis(25_000);

/// The part of its invocation's time that `redrive` reserves for the report of what failed.
pub const REDRIVE_RESERVE: Duration = Duration::from_millis(2_000);

/// The time by which the response to a request is due.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// For a request that arrives now. `waited` is how long it may have waited for the start of the process.
    pub fn of_request(waited: Duration) -> Self {
        Self(Instant::now() + ANSWER_WITHIN.saturating_sub(waited))
    }

    /// This much from now, but never past the deadline.
    pub fn at_most(self, limit: Duration) -> Self {
        Self(self.0.min(Instant::now() + limit))
    }

    /// Earlier by the time that the following steps need.
    pub fn leaving(self, reserve: Duration) -> Self {
        Self(self.0.checked_sub(reserve).unwrap_or(self.0))
    }

    /// This much from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Whether there is no time left.
    pub fn has_passed(self) -> bool {
        self.0 <= Instant::now()
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLD: Duration = START.saturating_add(SECRET_WAIT);

    #[test]
    fn everything_hanging_on_a_cold_start_still_leaves_time_for_one_put_and_the_queue() {
        let left_for_put = ANSWER_WITHIN - COLD - QUEUE;
        assert!(left_for_put >= ATTEMPT, "{left_for_put:?}");
    }

    #[test]
    fn everything_hanging_on_a_warm_start_fits() {
        assert!(SECRET_WAIT + PUT + QUEUE <= ANSWER_WITHIN);
    }

    #[test]
    fn a_second_read_of_the_secret_has_time_for_an_answer_within_a_request_and_at_a_cold_start() {
        assert!(SECRET_LATE + Duration::from_millis(400) <= SECRET_WAIT);
        assert!(SECRET_LATE + Duration::from_millis(500) <= START);
    }

    #[test]
    fn a_secret_that_comes_at_the_end_of_its_read_is_still_waited_for() {
        assert!(SECRET_READ < COLD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_counts_what_the_request_waited_and_a_limit_only_brings_it_closer() {
        let seconds = Duration::from_secs;
        let left = |deadline: Deadline| deadline.instant() - Instant::now();
        let deadline = Deadline::of_request(seconds(1));
        assert_eq!(left(deadline), ANSWER_WITHIN - seconds(1));
        assert_eq!(left(deadline.at_most(seconds(2))), seconds(2));
        assert_eq!(left(deadline.at_most(seconds(9))), left(deadline));
        assert_eq!(left(deadline.leaving(seconds(3))), ANSWER_WITHIN - seconds(4));
        assert!(Deadline::of_request(seconds(9)).has_passed() && !deadline.has_passed());
    }

    #[test]
    fn sqs_has_time_for_a_hanging_attempt_and_another_one() {
        assert!(ATTEMPT + BACKOFF[0] + Duration::from_millis(500) < QUEUE);
    }
}
