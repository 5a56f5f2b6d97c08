//! What Momento's webhook would do: sign the event and send it to the handler.

use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use momento_body_signature::sign;
use momento_functions_http::{HttpError, Request, Response, invoke};
use serde::Serialize;

use crate::response::{Failure, Message, Stored};

/// As long as Momento waits for a webhook's destination. The handler responds within 4.5 s.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More than any response of the handler.
const MAX_RESPONSE_BYTES: u64 = 1024;

/// The body of a webhook, without `topic_sequence_number`: a Function doesn't learn it.
#[derive(Serialize)]
pub struct Event<'a> {
    cache: &'a str,
    topic: &'a str,
    event_timestamp: u64,
    publish_timestamp: u64,
    token_id: &'a str,
    text: &'a str,
}

impl<'a> Event<'a> {
    pub fn now(cache: &'a str, topic: &'a str, token_id: &'a str, text: &'a str) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        Self { cache, topic, event_timestamp: now, publish_timestamp: now, token_id, text }
    }
}

/// Sends the event to the handler. `Ok` only if the handler itself says that the event is stored.
pub fn send(url: &str, secret: &str, event: &Event) -> Result<Stored, Failure> {
    let body = serde_json::to_vec(event).map_err(|_| Failure::NotStored("The event could not be written as JSON"))?;
    let request = Request::new(url, "POST")
        .with_header("content-type", "application/json")
        .with_header("momento-signature", sign(secret.as_bytes(), &body))
        .with_body(body)
        .with_request_timeout(TIMEOUT);
    stored(invoke(request).map_err(not_sent)?)
}

/// Any other server may respond with 200 too, so the message has to be the handler's.
fn stored(response: Response) -> Result<Stored, Failure> {
    let status = response.status;
    let mut body = Vec::new();
    let _ = response.body.take(MAX_RESPONSE_BYTES).read_to_end(&mut body);
    let message = serde_json::from_slice(&body).map(|Message { message }| message).unwrap_or_default();
    match (status, message.as_str()) {
        (200, Stored::SUCCESS) => Ok(Stored::OnTheBus),
        (202, Stored::QUEUED) => Ok(Stored::InTheRetryQueue),
        // AWS responds with these if the function crashed or took too long.
        (502..=504, _) => Err(Failure::Unknown("AWS responded in place of the handler")),
        _ => Err(Failure::Refused(status)),
    }
}

/// The errors' own texts contain addresses, which are not the publisher's business.
fn not_sent(error: HttpError) -> Failure {
    match error {
        HttpError::InvalidUrl { .. } => Failure::NotStored("WEBHOOK_URL of this Function is not a valid URL"),
        HttpError::InvalidHeaderName { .. } | HttpError::InvalidHeaderValue { .. } => {
            Failure::NotStored("Momento did not accept a header of the request")
        }
        HttpError::ConnectTimeout(_) | HttpError::ConnectionFailed(_) => {
            Failure::NotStored("The handler could not be reached")
        }
        HttpError::TlsError(_) => Failure::NotStored("The TLS connection to the handler failed"),
        HttpError::TooManyRedirects(_) => Failure::NotStored("WEBHOOK_URL redirects"),
        HttpError::Timeout(_) => Failure::Unknown("The handler did not respond within 5 s"),
        HttpError::InternalError
        | HttpError::RequestError(_)
        | HttpError::ConnectionInterrupted(_)
        | HttpError::MalformedResponse(_) => Failure::Unknown("The connection to the handler broke"),
    }
}
