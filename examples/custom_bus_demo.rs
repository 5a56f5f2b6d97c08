//! `make demo BUS=custom`: the webhook and redrive functions against a stand-in for a Custom Event Bus, which suppresses the
//! repeats of an event for five minutes.

use std::path::PathBuf;

use serde_json::Value;
use test_kit::fake_aws::DEDUPLICATION_WINDOW;
use test_kit::fault::{Fault, always, first};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures};
use test_kit::sandbox::{Bus, CUSTOM_BUS, Function, Sandbox};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("A Custom Event Bus, and no event twice.\n");
    println!("[1/5 Start the webhook function with EVENT_BUS_NAME={CUSTOM_BUS}]");
    let sandbox = Sandbox::with(Bus::Custom).await;
    let webhook = sandbox.start(&binary("webhook")).await;

    println!("\n[2/5 Post a signed webhook]");
    let captured = momento::event(&momento::body("serverless", "test", 1, "hello"));
    post(&sandbox, &webhook, &captured).await;
    println!("{:#}", sandbox.eventbridge.state().service.entries[0]);

    println!("\n[3/5 Post the same request again, as somebody could who captured it]");
    post(&sandbox, &webhook, &captured).await;

    println!("\n[4/5 Lose every response of the bus after it accepted the event, then redrive]");
    sandbox.eventbridge.plan("PutEvents", always(Fault::ResponseLost));
    post(&sandbox, &webhook, &momento::event(&momento::body("serverless", "test", 2, "lost"))).await;
    sandbox.eventbridge.plan("PutEvents", first(0, Fault::None));
    redrive(&sandbox).await;

    let minutes = DEDUPLICATION_WINDOW.as_secs() / 60;
    println!("\n[5/5 Redrive the same message once more, {minutes} minutes later]");
    sandbox.eventbridge.state().service.custom.as_mut().expect("Custom Event Buses").advance(DEDUPLICATION_WINDOW);
    redrive(&sandbox).await;
    println!(
        "\nAfter {minutes} minutes, a repeat is an event of its own: docs/custom-event-bus.md says what that means."
    );
}

/// The binary that was built beside this one.
fn binary(name: &str) -> String {
    let here = std::env::current_exe().expect("a path");
    let path: PathBuf = here.ancestors().nth(2).expect("the folder above").join(name);
    path.display().to_string()
}

async fn post(sandbox: &Sandbox, webhook: &Function, event: &Value) {
    let response = webhook.invoke(event).await;
    println!("      response: {} {}", response.status(), response.message());
    state(sandbox);
}

async fn redrive(sandbox: &Sandbox) {
    let function = sandbox.start(&binary("redrive")).await;
    let messages: Vec<String> =
        sandbox.sqs.state().service.messages.iter().map(|message| message.body.clone()).collect();
    let numbered = messages.iter().enumerate().map(|(number, text)| (number.to_string(), &**text));
    let response = function.invoke(&batch(numbered)).await;
    println!("      redrive: {} of {} messages failed", failures(&response.payload).len(), messages.len());
    state(sandbox);
}

fn state(sandbox: &Sandbox) {
    let state = sandbox.eventbridge.state();
    let suppressed = state.service.custom.as_ref().expect("Custom Event Buses").suppressed;
    println!("      on the bus: {} events; suppressed repeats: {suppressed}", state.service.entries.len());
}
