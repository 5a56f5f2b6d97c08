//! The Lambda function behind the retry queue: kept events → the event bus.

use std::process::ExitCode;

fn main() -> ExitCode {
    momento_eventbridge::start::redrive()
}
