//! Runs one handler in a profiler: starts it, sends it webhooks, and stops it.
//!
//! callgrind writes its results when it is terminated. A binary that counts its own branches writes them when it exits.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use test_kit::sandbox::{Function, Sandbox};

use crate::handler::Handler;
use crate::webhook;

/// In bytes: short webhooks and longer ones, each size to processes of its own.
const PROFILED_BODIES: [usize; 2] = [200, 4 * 1024];
/// Enough starts that the compiler doesn't treat start-up code as seldom executed.
const PROFILED_STARTS: usize = 10;
const PROFILED_INVOCATIONS: usize = 50;

/// Stops it with SIGTERM.
pub async fn drive(handler: &Handler, invocations: usize, bytes: usize) {
    let (_sandbox, mut function) = invoked(handler, invocations, bytes).await;
    let id = Pid::from_raw(function.process.id().try_into().expect("a process id"));
    kill(id, Signal::SIGTERM).expect("a process that runs");
    function.process.exited().await;
}

/// Stops its runtime API, so that it exits.
pub async fn profile(handler: &Handler) {
    for bytes in PROFILED_BODIES.repeat(PROFILED_STARTS) {
        let (_sandbox, Function { mut process, runtime }) = invoked(handler, PROFILED_INVOCATIONS, bytes).await;
        drop(runtime);
        process.exited().await;
    }
}

async fn invoked(handler: &Handler, invocations: usize, bytes: usize) -> (Sandbox, Function) {
    let sandbox = handler.sandbox(Duration::ZERO).await;
    let function = handler.start(&sandbox).await;
    function.runtime.ready().await;
    for _ in 0..invocations {
        let response = function.invoke(&webhook::event(bytes)).await;
        assert_eq!(response.status(), 200, "{response:?}\n{}", function.process.lines().join("\n"));
    }
    (sandbox, function)
}
