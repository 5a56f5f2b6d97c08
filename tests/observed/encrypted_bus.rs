//! The warning that a Classic event bus may drop events: it has a key of its own and no dead-letter queue.

use serde_json::{Value, json};
use test_kit::docs::Part;
use test_kit::momento;
use test_kit::retry_queue::{batch, message};
use test_kit::sandbox::{BUS, Function};

use crate::kinds::{REDRIVE_NAME, TEXT, World, body, sandbox, webhook};
use crate::output::Output;
use crate::page::{PAGE, part, wrapped};
use crate::runs::block_on;
use crate::{REDRIVE, WEBHOOK};

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:undelivered";

/// A process that finds such a bus.
async fn function(binary: &str, description: Value) -> Function {
    let mut sandbox = sandbox(World::Ready).await;
    if binary == REDRIVE {
        sandbox.set("AWS_LAMBDA_FUNCTION_NAME", REDRIVE_NAME);
    }
    sandbox.eventbridge.state().service.description = description.as_object().expect("an object").clone();
    let function = sandbox.start(binary).await;
    if binary == WEBHOOK {
        assert_eq!(function.invoke(&webhook("paid")).await.status(), 200);
    } else {
        for id in ["first", "second"] {
            let message = message(&body("paid", momento::now(), TEXT));
            let response = function.invoke(&batch([(id.to_owned(), &*message)])).await;
            assert_eq!(response.payload["batchItemFailures"], json!([]));
        }
    }
    function
}

fn warnings(binary: &str, description: Value) -> Vec<String> {
    let output = block_on(async { Output::of(function(binary, description).await).await });
    output.notes.into_iter().filter(|note| note.contains("customer managed key")).collect()
}

#[test]
fn a_bus_that_may_drop_events_is_warned_of_at_start_as_on_the_page() {
    let warned = warnings(WEBHOOK, json!({"KmsKeyIdentifier": KEY, "DeadLetterConfig": {}}));
    assert_eq!(warned.len(), 1, "{warned:?}");
    if Part::may_be_updated() {
        part(PAGE, "warning").update(&format!("\n```\n{}\n```\n\n", wrapped(&warned[0]))).expect(PAGE);
    }
    let record = |text: &str| {
        let mut record: Value = serde_json::from_str(text).expect("JSON");
        record["timestamp"].take();
        record
    };
    let warning = record(&warned[0]);
    assert_eq!((&warning["level"], &warning["eventBus"]), (&"WARN".into(), &BUS.into()));
    assert_eq!(record(part(PAGE, "warning").text().trim().trim_matches('`')), warning);
}

#[test]
fn redrive_which_asks_for_the_bus_each_time_warns_once() {
    assert_eq!(warnings(REDRIVE, json!({"KmsKeyIdentifier": KEY})).len(), 1);
}

#[test]
fn a_bus_without_a_key_of_its_own_or_with_a_queue_is_not_warned_of() {
    for description in [
        json!({}),
        json!({"KmsKeyIdentifier": ""}),
        json!({"DeadLetterConfig": {"Arn": QUEUE}}),
        json!({"KmsKeyIdentifier": KEY, "DeadLetterConfig": {"Arn": QUEUE}}),
    ] {
        assert_eq!(warnings(WEBHOOK, description), Vec::<String>::new());
    }
}
