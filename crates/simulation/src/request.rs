//! What arrives at the Function URL: the webhooks of Momento, and what attackers and strangers send.

use aws_smithy_types::base64;
use momento_body_signature::sign;
use serde_json::{Value, json};
use test_kit::momento;

use crate::draw::{Draw, Draws};
use crate::operator::FIRST_SECRET;

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// From Momento.
    Webhook(Content),
    /// From Momento, this many milliseconds after `publish_timestamp` (before it, if negative).
    Delayed(i64),
    /// The body and the signature of an earlier request.
    Replay(usize),
    /// Signed by somebody who has the secret that was stored first.
    Leaked,
    /// A well-formed signature that no secret made.
    Forged { body_bytes: usize },
    /// Refused for its form.
    Malformed(Malformed),
}

/// What a webhook's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Message,
    /// From a cache and a topic whose names are together too long for a detail-type.
    LongNames,
    /// Larger than what is kept unverified.
    Large,
    /// JSON without the members that an entry needs.
    Unmappable,
    NotUtf8,
}

/// What is wrong with the form of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    NoSignature,
    ShortSignature,
    NotBase64,
    Get,
    NotARequest,
    TooLarge,
}

/// A request that will arrive.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub number: usize,
    /// In milliseconds of the life.
    pub at: i64,
    pub kind: Kind,
}

/// The name of the request of this number, in keys and as its `requestId`.
pub fn name_of(number: usize) -> String {
    format!("request {number}")
}

/// The number of the request that something with this key is done for: `request 3`, or `start for request 3`.
pub fn number_of(key: &str) -> Option<usize> {
    key.rsplit_once("request ")?.1.parse().ok()
}

/// A request as it is sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The invocation's event.
    pub event: String,
    pub body: Vec<u8>,
    /// The secret that made the signature, if one did.
    pub signed_with: Option<String>,
    /// What the body says, as Unix time in milliseconds.
    pub publish_timestamp: Option<i64>,
}

impl Malformed {
    /// The status that it is answered with, whatever fails.
    pub fn status(self) -> u64 {
        match self {
            Self::NoSignature | Self::ShortSignature | Self::NotBase64 => 403,
            Self::Get => 405,
            Self::NotARequest => 400,
            Self::TooLarge => 413,
        }
    }
}

/// What arrives in a life, with at least this pause in between, and how long that takes; in milliseconds.
pub fn arrivals(draws: &Draws, least_pause: i64) -> (Vec<Arrival>, i64) {
    let mut draw = draws.of("arrivals");
    let count = draw.magnitude(8, 160);
    let pause = draw.magnitude(20, 60_000);
    let (mut at, mut flood) = (0, 0);
    let mut arrivals = Vec::new();
    for number in 0..usize::try_from(count).unwrap_or_default() {
        let mut draw = draws.of(&name_of(number));
        if flood == 0 && least_pause == 0 && draw.once_in(400) {
            flood = draw.between(20, 80);
        }
        let kind = if flood > 0 {
            flood -= 1;
            at += draw.magnitude(1, 300);
            Kind::Forged { body_bytes: 300 }
        } else {
            let is_pause = draw.once_in(30);
            at += least_pause + if is_pause { draw.magnitude(1_000, 900_000) } else { draw.magnitude(1, pause) };
            kind(&mut draw, number)
        };
        arrivals.push(Arrival { number, at, kind });
    }
    arrivals.retain(|arrival| !draws.is_left_out(&name_of(arrival.number)));
    (arrivals, at)
}

fn kind(draw: &mut Draw, number: usize) -> Kind {
    match draw.between(0, 39) {
        0 => Kind::Delayed(draw.one_of(&[-200_000, -59_000, 30_000, 59_000, 59_800, 59_990, 61_500, 3_600_000])),
        1 | 2 if number > 0 => Kind::Replay(usize::try_from(draw.between(0, number as i64 - 1)).unwrap_or_default()),
        3..=5 => Kind::Forged { body_bytes: draw.one_of(&[2, 300, 20_000]) },
        6 => Kind::Malformed(draw.one_of(&[
            Malformed::NoSignature,
            Malformed::ShortSignature,
            Malformed::NotBase64,
            Malformed::Get,
            Malformed::NotARequest,
            Malformed::TooLarge,
        ])),
        8 => Kind::Leaked,
        7 => Kind::Webhook(draw.one_of(&[Content::Large, Content::Unmappable, Content::NotUtf8])),
        _ => Kind::Webhook(Content::Message),
    }
}

/// The request of this number, sent `now` (Unix time in milliseconds) while Momento signs with `secret`.
pub fn sent(number: usize, kind: &Kind, now: i64, secret: &str) -> Sent {
    let text = |bytes: usize| "x".repeat(bytes);
    let message = |published, bytes| momento::body_at(published, "cache", "topic", number as u64, &text(bytes));
    match kind {
        Kind::Webhook(Content::Message) | Kind::Replay(_) => signed(secret, message(now, 20), Some(now)),
        Kind::Webhook(Content::Large) => signed(secret, message(now, 20_000), Some(now)),
        Kind::Webhook(Content::LongNames) => {
            signed(secret, momento::body_at(now, &text(130), "topic", number as u64, ""), Some(now))
        }
        Kind::Webhook(Content::Unmappable) => signed(secret, format!(r#"{{"number":{number}}}"#), None),
        Kind::Webhook(Content::NotUtf8) => {
            let body = [format!("{number} ").as_bytes(), &[0xff, 0xfe]].concat();
            let signature = sign(secret.as_bytes(), &body);
            let event = event(&signature, &base64::encode(&body), true);
            Sent { event, body, signed_with: Some(secret.to_owned()), publish_timestamp: None }
        }
        Kind::Leaked => signed(FIRST_SECRET, message(now, 20), Some(now)),
        Kind::Delayed(age) => signed(secret, message(now - age, 20), Some(now - age)),
        Kind::Forged { body_bytes } => {
            let forged = signed("a guess", message(now, *body_bytes), Some(now));
            Sent { signed_with: None, ..forged }
        }
        Kind::Malformed(malformed) => {
            let body = message(now, if *malformed == Malformed::TooLarge { 180_001 } else { 20 });
            let signature = sign(secret.as_bytes(), body.as_bytes());
            let event = match malformed {
                Malformed::NoSignature => event("", &body, false),
                Malformed::ShortSignature => event(&signature[1..], &body, false),
                Malformed::NotBase64 => event(&signature, "not base64!", true),
                Malformed::Get => event(&signature, &body, false).replace("POST", "GET"),
                Malformed::NotARequest => r#"{"Records":[]}"#.to_owned(),
                Malformed::TooLarge => event(&signature, &body, false),
            };
            Sent { event, body: body.into_bytes(), signed_with: None, publish_timestamp: None }
        }
    }
}

fn signed(secret: &str, body: String, publish_timestamp: Option<i64>) -> Sent {
    let event = event(&sign(secret.as_bytes(), body.as_bytes()), &body, false);
    Sent { event, body: body.into_bytes(), signed_with: Some(secret.to_owned()), publish_timestamp }
}

fn event(signature: &str, body: &str, is_base64: bool) -> String {
    let mut headers = json!({"content-type": "application/json", "x-amzn-trace-id": "Root=1-66e540f8-01"});
    if !signature.is_empty() {
        headers["momento-signature"] = Value::from(signature);
    }
    let http = json!({"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7"});
    let event = json!({
        "version": "2.0", "headers": headers, "requestContext": {"http": http}, "body": body, "isBase64Encoded": is_base64,
    });
    event.to_string()
}
