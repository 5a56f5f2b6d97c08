//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, as Unix time in milliseconds; 0 for a time before 1970.
///
/// Pauses are measured with it too, because a monotonic clock may stop while the process is frozen.
pub fn now() -> i64 {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::simulation::now() {
        return now;
    }
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
