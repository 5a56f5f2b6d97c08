//! The timestamp window, against replays: Momento recommends to reject a webhook that was sent more than 60 s ago.

use std::time::Duration;

use crate::outcome::Outcome;

/// Refuses a timestamp that is outside the window around now. Both times are Unix time in milliseconds.
pub fn check(publish_timestamp: i64, now: i64, window: Duration) -> Result<(), Outcome> {
    if u128::from(publish_timestamp.abs_diff(now)) <= window.as_millis() {
        Ok(())
    } else if publish_timestamp < now {
        Err(Outcome::Stale)
    } else {
        Err(Outcome::Future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_closed_on_both_sides_and_exact_to_the_millisecond() {
        let now = 1_726_292_279_850;
        for (publish_timestamp, outcome) in [
            (now, Ok(())),
            (now - 60_000, Ok(())),
            (now - 60_001, Err(Outcome::Stale)),
            (now + 60_000, Ok(())),
            (now + 60_001, Err(Outcome::Future)),
            (i64::MIN, Err(Outcome::Stale)),
            (i64::MAX, Err(Outcome::Future)),
        ] {
            assert_eq!(check(publish_timestamp, now, Duration::from_secs(60)), outcome, "{publish_timestamp}");
        }
    }
}
