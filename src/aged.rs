//! How old a webhook may be: Momento advises to reject what was sent more than 60 s ago, against replay.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::answered::Outcome;

/// The time as the contract counts it: milliseconds since the Unix epoch.
pub fn unix_milliseconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Refuses what lies further from now than the window, in either direction. Both times in Unix milliseconds.
pub fn check_age(publish_timestamp: i64, now: i64, window: Duration) -> Result<(), Outcome> {
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
    fn the_window_is_closed_on_both_sides_and_ends_at_its_very_millisecond() {
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
            assert_eq!(check_age(publish_timestamp, now, Duration::from_secs(60)), outcome, "{publish_timestamp}");
        }
    }
}
