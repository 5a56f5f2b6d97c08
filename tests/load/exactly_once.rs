//! The same number of events on a Custom Event Bus while 30% of the calls to it fail, with `redrive` running meanwhile: each event
//! is on the bus exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use test_kit::fake_aws::DEDUPLICATION_WINDOW;
use test_kit::fault::Fault;
use test_kit::sandbox::{Bus, Sandbox};

use crate::{
    EVENTS, RESPOND_WITHIN, at_random, bodies_of_entries, count_on_the_bus, of_events, redrive_once, report, send_all,
    start_redrives,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make load"]
async fn on_a_custom_event_bus_each_of_ten_thousand_events_is_there_exactly_once() {
    let mut sandbox = Sandbox::with(Bus::Custom).await;
    sandbox.set("RUST_LOG", "error");
    let failed = Arc::new(AtomicU64::new(0));
    let sandbox = Arc::new(sandbox);
    let entries = [Fault::FailedEntries("InternalFailure"), Fault::FailedEntries("EVENT_GROUP_THROTTLED")];
    sandbox
        .eventbridge
        .plan("PutEvents", at_random("EventBridge", &entries, failed.clone(), of_events(bodies_of_entries)));
    let (began, is_sending) = (Instant::now(), AtomicBool::new(true));
    let sending = async {
        let sent = send_all(&sandbox).await;
        is_sending.store(false, Ordering::SeqCst);
        sent
    };
    let (sent, queued) = tokio::join!(sending, redrive_meanwhile(&sandbox, &is_sending));
    let took = began.elapsed();
    assert!(took < DEDUPLICATION_WINDOW, "the load took {took:?}, longer than the deduplication window");

    let counts = count_on_the_bus(&sandbox, &sent);
    let more_than_once = counts.values().filter(|count| **count > 1).count();
    assert_eq!((counts.len(), more_than_once), (EVENTS as usize, 0), "events on the bus, and those more than once");
    let state = sandbox.eventbridge.state();
    let suppressed = state.service.custom.as_ref().expect("Custom Event Buses").suppressed;
    assert!(suppressed > 0, "no response was lost after an event was accepted");
    let slowest = sent.times.iter().max().expect("responses");
    assert!(*slowest < RESPOND_WITHIN, "the slowest response took {slowest:?}");
    report(
        "exactly once",
        &[
            ("events sent, all distinct", EVENTS.to_string()),
            ("events on the bus", counts.len().to_string()),
            ("events on the bus more than once", more_than_once.to_string()),
            ("response 202: in the retry queue", queued.to_string()),
            ("repeats that the bus suppressed", suppressed.to_string()),
            ("PutEvents calls", state.calls.iter().filter(|call| call.operation == "PutEvents").count().to_string()),
            ("PutEvents calls that failed", failed.load(Ordering::Relaxed).to_string()),
            ("slowest response", format!("{} ms", slowest.as_millis())),
            ("duration", format!("{} s", took.as_secs())),
        ],
    );
}

/// Redrives what is in the queue until nothing more is sent to it. Returns the number of messages.
async fn redrive_meanwhile(sandbox: &Sandbox, is_sending: &AtomicBool) -> usize {
    let redrives = start_redrives(sandbox).await;
    let (mut received, mut queue) = (0, Vec::new());
    loop {
        let is_over = !is_sending.load(Ordering::SeqCst);
        {
            let messages = &sandbox.sqs.state().service.messages;
            queue.extend(messages[received..].iter().map(|message| message.body.clone()));
            received = messages.len();
        }
        if !queue.is_empty() {
            queue = redrive_once(&redrives, queue).await;
        } else if is_over {
            return received;
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
