//! One handler for a profiler: it is started, gets a number of webhooks and is ended.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::handler::Handler;
use crate::webhook;

pub async fn drive(handler: &Handler, invocations: usize, bytes: usize) {
    let sandbox = handler.sandbox(Duration::ZERO).await;
    let mut function = handler.start(&sandbox).await;
    function.runtime.ready().await;
    for _ in 0..invocations {
        let response = function.invoke(&webhook::event(bytes)).await;
        assert_eq!(response.status(), 200, "{response:?}\n{}", function.process.lines().join("\n"));
    }
    // Not SIGKILL: a profiler writes its results when it is terminated.
    let id = Pid::from_raw(function.process.id().try_into().expect("a process id"));
    kill(id, Signal::SIGTERM).expect("a process that runs");
    function.process.exited().await;
}
