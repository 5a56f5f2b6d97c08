//! One handler for a profiler: started, sent so many webhooks, ended.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::handler::Handler;
use crate::webhook;

pub async fn drive(handler: &Handler, invocations: usize, bytes: usize) {
    let sandbox = handler.sandbox(Duration::ZERO).await;
    let mut running = handler.start(&sandbox).await;
    running.runtime.ready().await;
    for _ in 0..invocations {
        let answer = running.invoke(&webhook::event(bytes)).await;
        assert_eq!(answer.status(), 200, "{answer:?}\n{}", running.process.lines().join("\n"));
    }
    // Not SIGKILL, after which a profiler could not write what it has.
    let id = Pid::from_raw(running.process.id().try_into().expect("a process id"));
    kill(id, Signal::SIGTERM).expect("a process that runs");
    running.process.ended().await;
}
