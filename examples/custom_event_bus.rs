//! An EventBridge with a Custom Event Bus as a process of its own, for clients in other languages.
//!
//! It prints one line, `{"url": …, "arn": …}`. Then it answers each line of its input with one line:
//!
//! - `calls`: every call since the last question, with its operation, its headers and its input;
//! - `events`: every entry on the bus;
//! - `advance SECONDS`: lets this much time pass for the deduplication;
//! - `post PATH BODY`: runs the `webhook` binary at PATH once, with a webhook that has this body.
//!
//! A bus whose name is in `FAULTS` is one that always fails in this way.

use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use test_kit::fault::{Call, Fault};
use test_kit::sandbox::{Bus, CUSTOM_BUS, Sandbox};

const FAULTS: [(&str, Fault); 6] = [
    ("AccessDeniedException", Fault::Error(403, "AccessDeniedException")),
    ("InternalException", Fault::Error(500, "InternalException")),
    ("ThrottlingException", Fault::Error(429, "ThrottlingException")),
    ("Html403", Fault::Html(403)),
    ("Html503", Fault::Html(503)),
    ("VALIDATION_ERROR", Fault::FailedEntries("VALIDATION_ERROR")),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sandbox = Sandbox::with(Bus::Custom).await;
    {
        let mut state = sandbox.eventbridge.state();
        let buses = &mut state.service.custom.as_mut().expect("Custom Event Buses").buses;
        for (name, _) in &FAULTS {
            buses.insert(arn_of(name), "ACTIVE");
        }
        buses.insert(arn_of("creating"), "CREATING");
    }
    for operation in ["PutEvents", "DescribeEventBus"] {
        sandbox.eventbridge.plan(operation, Box::new(|_, input| fault(input)));
    }
    print(&json!({"url": sandbox.eventbridge.url(), "arn": CUSTOM_BUS}));
    while let Some(line) = read_line().await {
        print(&answer(&sandbox, &line).await);
    }
}

fn arn_of(name: &str) -> String {
    CUSTOM_BUS.replace("/events/", &format!("/{name}/"))
}

fn fault(input: &Value) -> Fault {
    let name = input["EventBusArn"].as_str().and_then(|arn| arn.split('/').nth(1));
    let fault = FAULTS.into_iter().find(|(of, _)| Some(*of) == name);
    fault.map_or(Fault::None, |(_, fault)| fault)
}

async fn answer(sandbox: &Sandbox, line: &str) -> Value {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("calls", _) => std::mem::take(&mut sandbox.eventbridge.state().calls).iter().map(call).collect(),
        ("events", _) => sandbox.eventbridge.state().service.entries.clone().into(),
        ("advance", seconds) => {
            let time = Duration::from_secs(seconds.parse().expect("a number of seconds"));
            sandbox.eventbridge.state().service.custom.as_mut().expect("Custom Event Buses").advance(time);
            Value::Null
        }
        ("post", arguments) => {
            let (path, body) = arguments.split_once(' ').expect("a path and a body");
            sandbox.start(path).await.post(body).await.status().into()
        }
        _ => panic!("{line} is none of calls, events, advance and post."),
    }
}

fn call(call: &Call) -> Value {
    let mut headers = json!({});
    for (name, value) in &call.headers {
        headers[name.as_str()] = String::from_utf8_lossy(value.as_bytes()).into();
    }
    json!({"operation": call.operation, "headers": headers, "input": call.input})
}

async fn read_line() -> Option<String> {
    let line = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await.expect("a line");
    line.map(|line| line.expect("text"))
}

fn print(value: &Value) {
    let mut output = io::stdout().lock();
    let written = writeln!(output, "{value}").and_then(|()| output.flush());
    written.expect("a reader");
}
