//! Both functions over TLS, as on AWS. `scripts/prove-arm64` runs these tests with the binaries of the arm64 zips.

use std::time::Duration;

use serde_json::{Value, json};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures, message};
use test_kit::runtime_api::TRACE;
use test_kit::sandbox::{BUS, Bus, Sandbox};

/// An emulated processor may be too slow for the handler's time budget. Then another event is sent.
const TRIES: usize = 5;

#[tokio::test]
async fn a_signed_webhook_is_delivered_and_a_forged_one_is_rejected() {
    let sandbox = Sandbox::in_a_region(Bus::Classic, Duration::ZERO).await;
    let webhook = sandbox.start(env!("CARGO_BIN_EXE_webhook")).await;
    let mut statuses = Vec::new();
    let (body, response) = loop {
        let body = momento::body("serverless", "test", 3, "\"testfile2.txt\"");
        let response = webhook.post(&body).await;
        if response.status() == 200 {
            break (body, response);
        }
        statuses.push(response.status());
        assert!(statuses.len() < TRIES, "{statuses:?}\n{}", webhook.process.lines().join("\n"));
    };
    println!("A signed webhook was delivered in {} ms.", response.elapsed().as_millis());
    let mut expected = entry(&body);
    expected["TraceHeader"] = TRACE.into();
    let entries = sandbox.eventbridge.state().service.entries.clone();
    assert!(entries.contains(&expected), "{expected} is not among {entries:?}");

    let forged = webhook.invoke(&momento::event_signed_with("another secret", &body)).await;
    assert_eq!((forged.status(), forged.message().as_str()), (403, "Unauthorized"));
    assert_eq!(sandbox.eventbridge.state().service.entries, entries);
}

#[tokio::test]
async fn a_message_of_the_retry_queue_is_put_on_the_bus() {
    let sandbox = Sandbox::in_a_region(Bus::Classic, Duration::ZERO).await;
    let redrive = sandbox.start(env!("CARGO_BIN_EXE_redrive")).await;
    let body = momento::body("serverless", "test", 3, "\"testfile2.txt\"");
    let message = message(&body);
    let mut tries = 0;
    while !failures(&redrive.invoke(&batch([("1".to_owned(), &*message)])).await.payload).is_empty() {
        tries += 1;
        assert!(tries < TRIES, "{}", redrive.process.lines().join("\n"));
    }
    let entries = sandbox.eventbridge.state().service.entries.clone();
    assert!(entries.contains(&entry(&body)), "the event is not among {entries:?}");
}

fn entry(body: &str) -> Value {
    json!({"Source": "Momento", "DetailType": "serverless#test", "Detail": body, "EventBusName": BUS})
}
