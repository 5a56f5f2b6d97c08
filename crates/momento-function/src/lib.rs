//! A Momento Function for accounts without webhooks. A publisher invokes it instead of publishing:
//!
//! `POST …/functions/<cache>/<function>?topic=<topic>`, with the text of the message as the body.
//!
//! It sends the handler what a webhook would send, signed the same way. Once the handler has stored the event, it publishes the
//! message to the topic. In this order, no message is published before its event is stored.
//! `docs/without-webhooks.md` has the variables and the responses.

mod response;
mod webhook;

use std::io::Read;

use momento_functions_bytes::Data;
use momento_functions_guest_web::{WebEnvironment, WebResponse, invoke};

use response::{Failure, Stored};

/// The longest message that a topic accepts.
const MAX_TEXT_BYTES: u64 = 4096;

invoke!(publish);
fn publish(body: Data) -> WebResponse {
    response::of(store_and_publish(body))
}

fn store_and_publish(body: Data) -> Result<Stored, Failure> {
    let url = variable("WEBHOOK_URL").ok_or(Failure::NotSet("WEBHOOK_URL"))?;
    let secret = variable("SIGNING_SECRET").ok_or(Failure::NotSet("SIGNING_SECRET"))?;
    let invocation = WebEnvironment::load();
    let topic = topic(variable("TOPIC"), invocation.query_parameters().get("topic").cloned())?;
    let text = text(body)?;
    let token_id = invocation.token_metadata().as_deref().unwrap_or_default();

    let event = webhook::Event::now(invocation.cache_name(), &topic, token_id, &text);
    let stored = webhook::send(&url, &secret, &event)?;
    momento_functions_topic::publish(topic, text).map_err(|error| Failure::NotPublished(error.to_string()))?;
    Ok(stored)
}

/// An environment variable. An empty one counts as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn topic(only: Option<String>, asked: Option<String>) -> Result<String, Failure> {
    match (only, asked.filter(|topic| !topic.is_empty())) {
        (Some(only), Some(asked)) if asked != only => Err(Failure::OtherTopic(only)),
        (only, asked) => only.or(asked).ok_or(Failure::NoTopic),
    }
}

fn text(body: Data) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    body.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(|_| Failure::Incomplete)?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Failure::TooLong);
    }
    String::from_utf8(bytes).map_err(|_| Failure::NotText)
}
