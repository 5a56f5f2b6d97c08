//! Asks EventBridge whether a Classic bus exists. PutEvents to a missing bus succeeds, and EventBridge drops the events.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::describe_event_bus::DescribeEventBusOutput;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout_at};

use super::existence::{Answer, Call, Existence};
use crate::aws::budget::{self, Deadline};
use crate::aws::retry::{AttemptError, CallError, hedged};
use crate::clock;

/// Checks whether the bus exists, and keeps the answer.
#[derive(Debug)]
pub(super) struct Probe {
    client: Client,
    name: String,
    existence: watch::Sender<Existence>,
    /// The latest two checks, the older one first.
    checks: Mutex<[Option<AbortHandle>; 2]>,
    calls: AtomicU64,
    has_warned: AtomicBool,
}

/// A check that runs in the background. It counts as running until it is dropped.
struct Check(Arc<Probe>);

impl Drop for Check {
    fn drop(&mut self) {
        self.0.existence.send_modify(Existence::end_check);
    }
}

impl Probe {
    pub(super) fn new(client: Client, name: String) -> Self {
        let existence = watch::Sender::new(Existence::default());
        let (checks, calls, has_warned) = (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
        Self { client, name, existence, checks, calls, has_warned }
    }

    pub(super) fn is_missing(&self) -> bool {
        self.existence.borrow().is_missing()
    }

    pub(super) fn is_denied(&self) -> bool {
        self.existence.borrow().is_denied()
    }

    /// Begins a check if one is due. It runs in the background, and continues after the request and after a freeze, beside the
    /// next one. The one after that ends it: where the monotonic clock stands still in a freeze, it may never end.
    pub(super) fn begin_check(self: &Arc<Self>) {
        let now = clock::now();
        if self.existence.borrow().is_check_due(now) {
            self.existence.send_modify(|existence| existence.begin_check(now));
            let check = Check(Arc::clone(self));
            let task = tokio::spawn(async move { check.0.check().await });
            let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
            let [older, latest] = mem::take(&mut *checks);
            if let Some(older) = older {
                older.abort();
            }
            *checks = [latest, Some(task.abort_handle())];
        }
    }

    /// Waits until a clear answer is known or no check is running.
    pub(super) async fn known(&self, deadline: Deadline) {
        self.wait(deadline, Existence::is_known).await;
    }

    /// Waits until there is a newer clear answer or no check is running.
    pub(super) async fn answered(&self, deadline: Deadline) {
        let before = self.existence.borrow().answered();
        self.wait(deadline, |existence| existence.answered() != before).await;
    }

    async fn wait(&self, deadline: Deadline, is_over: impl Fn(&Existence) -> bool) {
        let mut existence = self.existence.subscribe();
        let over = existence.wait_for(|existence| is_over(existence) || !existence.is_checking());
        // After a timeout, the last clear answer counts.
        let _ = timeout_at(deadline.instant(), over).await;
    }

    /// Makes up to three calls until one has a clear answer, which is kept. A call that is late gets another one beside it.
    pub(super) async fn check(&self) -> Result<Answer, CallError> {
        let calls = AtomicUsize::new(0);
        hedged(budget::DESCRIBE_LATE, || self.calls(&calls)).await
    }

    async fn calls(&self, made: &AtomicUsize) -> Result<Answer, CallError> {
        let mut error = CallError::NoTimeLeft;
        loop {
            let number = made.fetch_add(1, Ordering::Relaxed);
            if number > budget::BACKOFF.len() {
                return Err(error);
            }
            match self.call().await {
                Err(unclear) if unclear.is_retryable() => error = unclear,
                result => return result,
            }
            if let Some(wait) = budget::BACKOFF.get(number) {
                sleep(*wait).await;
            }
        }
    }

    async fn call(&self) -> Result<Answer, CallError> {
        let call = Call { number: self.calls.fetch_add(1, Ordering::Relaxed), at: clock::now() };
        let answer = match self.client.describe_event_bus().name(&self.name).send().await {
            Ok(output) if output.name().is_some() => {
                self.warn_if_events_may_be_dropped(&output);
                Answer::Found
            }
            Ok(_) => return Err(CallError::unreadable()),
            Err(error) => match CallError::from(error) {
                error if error.is_not_found() => Answer::NotFound,
                error if error.is_access_denied() => Answer::Denied,
                unclear => return Err(unclear),
            },
        };
        self.learn(answer, call);
        Ok(answer)
    }

    fn learn(&self, answer: Answer, call: Call) {
        if self.existence.send_if_modified(|existence| existence.learn(answer, call)) && answer == Answer::NotFound {
            tracing::error!(
                eventBus = self.name,
                "EventBridge does not find the event bus. Create it or correct EVENT_BUS_NAME. Until then, events wait in the \
                 retry queue, unless the bus belongs to another account."
            );
        }
    }

    /// EventBridge drops an event that it cannot encrypt, after PutEvents succeeded.
    fn warn_if_events_may_be_dropped(&self, bus: &DescribeEventBusOutput) {
        let has_own_key = bus.kms_key_identifier().is_some_and(|key| !key.is_empty());
        let has_queue = bus.dead_letter_config().and_then(|config| config.arn()).is_some_and(|arn| !arn.is_empty());
        if has_own_key && !has_queue && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                eventBus = self.name,
                "The event bus has a customer managed key and no dead-letter queue, so EventBridge drops events that it cannot \
                 encrypt. Add a dead-letter queue to the event bus, and check that the key policy allows EventBridge to use the key."
            );
        }
    }
}

#[cfg(test)]
mod tests;
