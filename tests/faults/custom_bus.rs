//! What only a Custom Event Bus does: it suppresses repeats, says itself that it does not exist, and has error codes of its
//! own.

use test_kit::fake_aws::DEDUPLICATION_WINDOW;
use test_kit::fault::Fault::{Error, FailedEntries, Html, ResponseLost};
use test_kit::fault::{always, first};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures, message};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{CUSTOM_BUS, Sandbox};

use crate::case::{Case, cold, cold_with, describes, first_put, puts, warm};
use crate::checks::{delivered, queued};
use crate::redrive::{self, Expected, TIMEOUT, body_at, failing, good_messages, run_in};
use crate::table::{Row, Start};
use crate::{REDRIVE, WEBHOOK};

pub fn cases() -> Vec<Case> {
    let mut cases = errors_of_its_own();
    cases.extend(event_buses_that_are_missing());
    cases.push(Case::new("a captured request that is sent 100 times is on the bus once", |name, bus| async move {
        let sandbox = Sandbox::with(bus).await;
        let function = sandbox.start(WEBHOOK).await;
        let event = momento::event(&momento::body("serverless", "test", 1, "captured"));
        let mut slowest = function.invoke(&event).await;
        assert_eq!(slowest.status(), 200);
        for _ in 1..100 {
            let response = function.invoke(&event).await;
            assert_eq!(response.status(), 200);
            if response.elapsed() > slowest.elapsed() {
                slowest = response;
            }
        }
        assert_eq!(sandbox.eventbridge.state().service.entries.len(), 1, "events on the bus");
        let is_hundredth = |line: &serde_json::Value| line["_aws"].is_object() && line["Deduplicated"] == 1.0;
        function.process.record("the metric of a repeat", is_hundredth).await;
        let records = function.process.records();
        let count = |member: &str| records.iter().filter(|line| !line[member].is_null()).count();
        assert_eq!((count("Delivered"), count("Deduplicated"), count("deduplicated")), (100, 99, 99));
        Row {
            name,
            start: Some(Start::Warm),
            response: "200 Success".into(),
            bus: "once".into(),
            queue: String::new(),
            took: slowest.elapsed(),
        }
    }));
    cases
}

fn errors_of_its_own() -> Vec<Case> {
    let creating = Error(409, "InvalidStateException");
    vec![
        warm("a bus that is not ready once is retried", vec![first_put(creating.clone())], delivered().puts(2)),
        warm(
            "a bus that is not ready on every call queues the event",
            vec![puts(creating)],
            queued("PutFailed").puts(3),
        ),
        cold_with(
            "a bus that is being created queues the event",
            |sandbox| {
                let mut state = sandbox.eventbridge.state();
                let custom = state.service.custom.as_mut().expect("Custom Event Buses");
                custom.buses.insert(CUSTOM_BUS.to_owned(), "CREATING");
            },
            vec![],
            queued("PutFailed").puts(3).sends(1),
        ),
        warm(
            "throttling with a 429 once is retried",
            vec![first_put(Error(429, "ThrottlingException"))],
            delivered().puts(2),
        ),
        warm(
            "access denied with a 403 is not retried",
            vec![puts(Error(403, "AccessDeniedException"))],
            queued("PutFailed").puts(1),
        ),
        warm(
            "an invalid request is not retried",
            vec![puts(Error(400, "InvalidInputException"))],
            queued("PutFailed").puts(1),
        ),
        warm("a 403 that is not CBOR is not retried", vec![puts(Html(403))], queued("PutFailed").puts(1)),
        warm("a 200 that is not CBOR once is retried", vec![first_put(Html(200))], delivered().puts(2)),
        warm(
            "an entry that fails once with an unknown code is retried",
            vec![first_put(FailedEntries("EVENT_GROUP_THROTTLED"))],
            delivered().puts(2),
        ),
        warm(
            "an entry that fails on every call with an unknown code is queued",
            vec![puts(FailedEntries("EVENT_GROUP_THROTTLED"))],
            queued("EntryFailed").puts(3),
        ),
        warm(
            "an entry that fails with VALIDATION_ERROR is not retried",
            vec![puts(FailedEntries("VALIDATION_ERROR"))],
            queued("EntryFailed").puts(1),
        ),
    ]
}

fn event_buses_that_are_missing() -> Vec<Case> {
    let missing = |sandbox: &mut Sandbox| remove_bus(sandbox);
    vec![
        cold_with("a bus that PutEvents does not find queues the event", missing, vec![], {
            queued("BusNotFound").puts(1).sends(1)
        }),
        Case::new("a bus that is created later receives the next event", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            remove_bus(&sandbox);
            let function = sandbox.start(WEBHOOK).await;
            assert_eq!(function.post(&momento::body("serverless", "test", 0, "too early")).await.status(), 202);
            sandbox.eventbridge.state().service = bus.event_bridge();
            sandbox.sqs.state().service.messages.clear();
            sandbox.sqs.state().calls.clear();
            crate::checks::post_and_check(name, &sandbox, &function, Start::Warm, &delivered().puts(1)).await
        }),
        cold(
            "a DescribeEventBus that does not find the bus changes nothing",
            vec![describes(Error(404, "ResourceNotFoundException"))],
            delivered().puts(1),
        ),
    ]
}

pub fn redrive_cases() -> Vec<Case> {
    vec![
        Case::new("a bus that PutEvents does not find leaves the batch in the queue", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            remove_bus(&sandbox);
            redrive::run(name, &sandbox, good_messages(), failing(0..10).calls(1)).await
        }),
        Case::new(
            "a batch whose response was lost is on the bus once after the next redrive",
            |name, bus| async move {
                let sandbox = Sandbox::with(bus).await;
                sandbox.eventbridge.plan("PutEvents", first(1, ResponseLost));
                let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
                let messages = good_messages();
                let texts =
                    messages.iter().enumerate().map(|(position, message)| (redrive::id(position), &*message.text));
                let lost = function.invoke(&batch(texts)).await;
                assert_eq!(failures(&lost.payload).len(), 10);
                let row = run_in(name, &sandbox, &function, messages, failing([])).await;
                let is_second = |line: &serde_json::Value| line["Redriven"] == 10.0 && line["Deduplicated"] == 10.0;
                function.process.record("the metric of ten repeats", is_second).await;
                row
            },
        ),
        Case::new("a redrive after the deduplication window is a second event", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let messages = good_messages();
            let texts = messages.iter().enumerate().map(|(position, message)| (redrive::id(position), &*message.text));
            assert_eq!(failures(&function.invoke(&batch(texts)).await.payload), Vec::<String>::new());
            sandbox
                .eventbridge
                .state()
                .service
                .custom
                .as_mut()
                .expect("Custom Event Buses")
                .advance(DEDUPLICATION_WINDOW);
            let twice = Expected { on_the_bus: (0..10).chain(0..10).collect(), ..failing([]) };
            run_in(name, &sandbox, &function, messages, twice).await
        }),
        Case::new("a hundred messages are put in one call", |name, bus| async move {
            let sandbox = Sandbox::with(bus).await;
            sandbox.eventbridge.plan("DescribeEventBus", always(Error(500, "InternalException")));
            let function = sandbox.start_with(REDRIVE, RuntimeApi::with_timeout(TIMEOUT).await);
            let texts: Vec<String> = (0..100).map(|position| message(&body_at(position))).collect();
            let texts = texts.iter().enumerate().map(|(position, text)| (redrive::id(position), &**text));
            let response = function.invoke(&batch(texts)).await;
            assert_eq!(failures(&response.payload), Vec::<String>::new());
            assert_eq!(sandbox.eventbridge.state().service.entries.len(), 100, "events on the bus");
            assert_eq!(sandbox.eventbridge.state().calls.len(), 1, "calls");
            Row {
                name,
                start: None,
                response: "0 of 100 reported".into(),
                bus: "100".into(),
                queue: "0".into(),
                took: response.elapsed(),
            }
        }),
    ]
}

fn remove_bus(sandbox: &Sandbox) {
    sandbox.eventbridge.state().service.custom.as_mut().expect("Custom Event Buses").buses.clear();
}
