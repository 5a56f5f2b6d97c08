//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, as Unix time in milliseconds; 0 for a time before 1970.
///
/// A pause is counted by it as well: nobody says that a monotonic clock goes on while a process is frozen.
pub fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
