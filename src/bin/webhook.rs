//! The Lambda function behind the Function URL: Momento's webhooks → the event bus.

use std::process::ExitCode;

fn main() -> ExitCode {
    momento_eventbridge::start::webhook()
}
