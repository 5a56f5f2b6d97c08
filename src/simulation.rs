//! The functions as `crates/simulation` runs them: without the Lambda runtime, and with a clock and a log of the thread.

use std::cell::{Cell, RefCell};

use tokio::time::Instant;

pub use crate::aws::Aws;
pub use crate::config::{RedriveConfig, WebhookConfig};
pub use crate::environment::{Lookup, VariableError};
pub use crate::redrive::{BatchReport, Redrive, SqsEvent};
pub use crate::telemetry::log::start as start_log;
pub use crate::webhook::Webhook;

thread_local! {
    static CLOCK: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on, this was the time of day at this instant in this thread, as Unix time in milliseconds.
pub fn set_clock(instant: Instant, milliseconds: i64) {
    CLOCK.set(Some((instant, milliseconds)));
}

/// What was logged in this thread since the last call, apart from the events of `tracing`.
pub fn take_log() -> String {
    LOG.take()
}

/// The time of day in this thread, if it has one of its own.
pub(crate) fn now() -> Option<i64> {
    let (instant, milliseconds) = CLOCK.get()?;
    i64::try_from(instant.elapsed().as_millis()).ok().map(|elapsed| milliseconds + elapsed)
}

/// Keeps what is logged, if the thread has a clock of its own.
pub(crate) fn log(lines: &str) -> bool {
    let is_simulated = CLOCK.get().is_some();
    if is_simulated {
        LOG.with_borrow_mut(|log| log.push_str(lines));
    }
    is_simulated
}
