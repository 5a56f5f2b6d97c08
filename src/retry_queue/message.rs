//! The queue message that an event is kept as.
//!
//! One line of pure ASCII JSON, since SQS refuses some Unicode that JSON allows; lossless for any bytes. Version 1 holds a
//! verified body; version 2 holds a request that could not be verified, with its signature. A reader checks only the
//! version: it accepts unknown keys and reasons.

use std::borrow::Cow;
use std::fmt;
use std::io;

use aws_smithy_types::base64;
use momento_body_signature::SIGNATURE_BYTES;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use crate::outcome::Reason;
use crate::signing::{CannotBeJudged, Signed, Verified};

/// The version of a message with a verified body.
const VERIFIED: u32 = 1;

/// The version of a message with a request that is not verified.
const UNVERIFIED: u32 = 2;

/// The shape of a message as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    version: u32,
    reason: Reason,
    error: &'a str,
    received_at: i64,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

/// The fields that are read from a message. Those that only people read may be of any type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read<'a> {
    version: u32,
    #[serde(default, deserialize_with = "text")]
    reason: Option<String>,
    #[serde(default)]
    received_at: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    request_id: Option<String>,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    body_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
}

/// A message for the retry queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    reason: Reason,
    text: String,
}

/// A message from the retry queue.
#[derive(Debug)]
pub struct ReceivedMessage {
    /// The body, and whether it is verified.
    pub body: ReceivedBody,
    /// Why it was queued, as the version that wrote it named the reason.
    pub reason: Option<String>,
    /// The request id of the webhook's invocation.
    pub request_id: Option<String>,
}

/// The body of a message.
#[derive(Debug)]
pub enum ReceivedBody {
    /// Of version 1.
    Verified(Verified),
    /// Of version 2, with the time at which the webhook received it, in Unix milliseconds.
    Unverified(Signed, i64),
}

/// Why a message from the queue cannot be read. It quotes nothing from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not the JSON that the handler writes.
    NotAQueueMessage,
    /// It was written by a version that this one does not know.
    UnknownVersion,
    /// It has no body, two bodies, or invalid base64.
    NoBody,
}

impl QueueMessage {
    /// The message for a verified body. `received_at` in Unix milliseconds; `error` a code and a message.
    pub fn new(verified: &Verified, reason: Reason, error: &str, received_at: i64, request_id: &str) -> Self {
        let (body, body_base64) = shorter_form(verified.body());
        let signature = None;
        let version = VERIFIED;
        Self::write(&Written { version, reason, error, received_at, request_id, body, body_base64, signature })
    }

    /// The message for a request that cannot be judged.
    pub fn unverified(signed: &Signed, why: &CannotBeJudged, received_at: i64, request_id: &str) -> Self {
        let (body, body_base64) = shorter_form(&signed.body);
        let signature = Some(hex::encode(signed.signature));
        let (version, reason, error) = (UNVERIFIED, why.reason(), &*why.to_string());
        Self::write(&Written { version, reason, error, received_at, request_id, body, body_base64, signature })
    }

    fn write(written: &Written<'_>) -> Self {
        Self { reason: written.reason, text: to_ascii_json(written) }
    }

    /// Why the event is queued.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The line that is sent.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl ReceivedMessage {
    /// Reads a message from the queue.
    pub fn parse(message: &str) -> Result<Self, Unreadable> {
        let read: Read<'_> = serde_json::from_str(message).map_err(|_| Unreadable::NotAQueueMessage)?;
        if ![VERIFIED, UNVERIFIED].contains(&read.version) {
            return Err(Unreadable::UnknownVersion);
        }
        let body = match (read.body, read.body_base64) {
            (Some(body), None) => body.into_owned().into_bytes(),
            (None, Some(encoded)) => base64::decode(encoded.as_ref()).map_err(|_| Unreadable::NoBody)?,
            _ => return Err(Unreadable::NoBody),
        };
        let body = if read.version == VERIFIED {
            ReceivedBody::Verified(Verified::from_queue(body))
        } else {
            let (digits, received_at) = read.signature.zip(read.received_at).ok_or(Unreadable::NotAQueueMessage)?;
            let mut signature = [0; SIGNATURE_BYTES];
            hex::decode_to_slice(digits.as_bytes(), &mut signature).map_err(|_| Unreadable::NotAQueueMessage)?;
            ReceivedBody::Unverified(Signed { body, signature }, received_at)
        };
        Ok(Self { body, reason: read.reason, request_id: read.request_id })
    }
}

/// A string; `None` for a value of any other type.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(serde_json::from_str(<&RawValue>::deserialize(deserializer)?.get()).ok())
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotAQueueMessage => "NotAQueueMessage: The webhook handler did not write this message.",
            Self::UnknownVersion => "UnknownVersion: A newer webhook handler wrote the message. Update redrive.",
            Self::NoBody => "NoBody: The message has no readable body.",
        })
    }
}

impl std::error::Error for Unreadable {}

/// The body as text, or as base64 if it is not UTF-8 or if base64 is shorter.
fn shorter_form(body: &[u8]) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    let base64_length = body.len().div_ceil(3) * 4;
    match std::str::from_utf8(body) {
        Ok(text) if escaped_length(text) <= base64_length + "Base64".len() => (Some(text.into()), None),
        _ => (None, Some(base64::encode(body).into())),
    }
}

/// The length of a text within an ASCII JSON string.
fn escaped_length(text: &str) -> usize {
    let escaped = |character: char| match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        _ if character.is_ascii() => 1,
        _ => character.len_utf16() * 6,
    };
    text.chars().map(escaped).sum()
}

/// Serialises into pure ASCII.
pub(crate) fn to_ascii_json(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, AsciiFormatter));
    debug_assert!(written.is_ok(), "strings and numbers are always written");
    String::from_utf8(json).unwrap_or_default()
}

struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(|character: char| !character.is_ascii()) {
            let (ascii, beyond) = rest.split_at(place);
            writer.write_all(ascii.as_bytes())?;
            let mut characters = beyond.chars();
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests;
