//! The log and the metrics: both functions write one record and one line of metrics.

pub mod log;
pub mod metrics;

use std::time::Duration;

/// A duration in milliseconds, to the microsecond.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
