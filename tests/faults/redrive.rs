//! `redrive` puts a batch of the retry queue on the bus, and reports what fails so that it stays in the queue.

use std::time::Duration;

use momento_body_signature::sign;
use serde_json::Value;
use test_kit::fault::Fault::{self, Error, Hang};
use test_kit::momento;
use test_kit::retry_queue::{batch, failures, message};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Bus, Sandbox};

use crate::{CLASSIC, Case, EITHER, Measured, REDRIVE, case, check_bus, fail, of_another_account};

/// The timeout of an invocation.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A message of the queue, and its webhook body if that is put on the bus. All others stay in the queue.
type Message = (String, Option<String>);

pub fn cases() -> Vec<Case> {
    let mut all_but_the_fourth = readable(0);
    all_but_the_fourth[4].1 = None;
    vec![
        redriven("more than 1 MB is put in several calls", EITHER, async |_| {}, readable(170_000), Some(2)),
        redriven(
            "only the message for which a whole call is rejected stays in the queue",
            EITHER,
            async |aws| {
                let fault = |input: &Value| match input.to_string().contains("message 4") {
                    true => Error(400, "ValidationException"),
                    false => Fault::None,
                };
                aws.eventbridge.plan("PutEvents", Box::new(move |_, input| fault(input)));
            },
            all_but_the_fourth,
            Some(11),
        ),
        redriven(
            "messages that cannot be read stay in the queue and block no others",
            EITHER,
            async |_| {},
            mixed(),
            Some(1),
        ),
        redriven(
            "without the secret's variables, requests queued unverified stay in the queue",
            EITHER,
            async |_| {},
            unverified(),
            Some(0),
        ),
        redriven(
            "EventBridge hanging from the start leaves the batch in the queue",
            EITHER,
            async |aws| fail(aws, "PutEvents DescribeEventBus", &Hang),
            staying(),
            None,
        ),
        redriven(
            "refused connections leave the batch in the queue",
            EITHER,
            async |aws| aws.eventbridge.server.refuse().await,
            staying(),
            None,
        ),
        case("a deadline in the past is unknown, and the batch is put on the bus", EITHER, async |bus| {
            // As cargo lambda watch hands it out.
            invoke(&Sandbox::with(bus).await, RuntimeApi::with_deadline(600_000).await, readable(0), Some(1)).await
        }),
        redriven(
            "messages for a bus of another account that is not found are put on the bus",
            CLASSIC,
            of_another_account,
            readable(0),
            Some(1),
        ),
    ]
}

/// `calls`: the number of PutEvents calls, where it matters.
fn redriven<F>(
    name: &'static str,
    buses: &'static [Bus],
    fails: F,
    messages: Vec<Message>,
    calls: Option<usize>,
) -> Case
where
    F: AsyncFnOnce(&mut Sandbox) + Send + 'static,
{
    case(name, buses, async move |bus| {
        let mut aws = Sandbox::with(bus).await;
        fails(&mut aws).await;
        invoke(&aws, RuntimeApi::with_timeout(TIMEOUT).await, messages, calls).await
    })
}

/// Gives the messages to a new process, and checks what it reports and what is on the bus.
async fn invoke(aws: &Sandbox, runtime: RuntimeApi, messages: Vec<Message>, calls: Option<usize>) -> Measured {
    let function = aws.start_with(REDRIVE, runtime);
    let id = |place| format!("message-{place}");
    let texts = messages.iter().enumerate().map(|(place, (text, _))| (id(place), &**text));
    let response = function.invoke(&batch(texts)).await;
    assert!(!response.is_error && response.elapsed() < TIMEOUT, "{:?} {}", response.elapsed(), response.payload);
    let stay: Vec<String> = (0..10).filter(|&place| messages[place].1.is_none()).map(id).collect();
    assert_eq!(failures(&response.payload), stay, "messages that are reported");
    check_bus(aws, &messages.iter().filter_map(|(_, body)| body.as_deref()).collect::<Vec<_>>(), None);
    let puts = aws.eventbridge.calls("PutEvents").len();
    assert!(calls.is_none_or(|calls| calls == puts), "{puts} PutEvents calls");
    let failed = stay.len();
    (format!("{failed} of 10 reported | {} | {failed}", 10 - failed), response.elapsed())
}

/// Messages with this much text and some more.
fn readable(bytes: usize) -> Vec<Message> {
    let body = |place| {
        let text = format!("message {place} \u{1} é 🐿 \u{ffff}{}", "x".repeat(bytes));
        momento::body("serverless", "test", place, &text)
    };
    (0..10).map(body).map(|body| (message(&body), Some(body))).collect()
}

fn staying() -> Vec<Message> {
    readable(0).into_iter().map(|(text, _)| (text, None)).collect()
}

fn unverified() -> Vec<Message> {
    let unverified = |(text, body): Message| {
        let mut message: Value = serde_json::from_str(&text).expect("JSON");
        message["version"] = 2.into();
        message["signature"] = sign(momento::SECRET.as_bytes(), body.unwrap_or_default().as_bytes()).into();
        (message.to_string(), None)
    };
    readable(0).into_iter().map(unverified).collect()
}

/// Four cannot be read, each for another reason.
fn mixed() -> Vec<Message> {
    let mut messages = readable(0);
    let both = message("{}").replace(r#""body""#, r#""bodyBase64":"e30=","body""#);
    for (place, text) in [
        (1, "hello".to_owned()),
        (3, message("{}").replace("body", "shard")),
        (4, both),
        (7, message("{\"cache\":\"c\"}")),
    ] {
        messages[place] = (text, None);
    }
    messages
}
