//! From verified to mapped: the EventBridge entry that a body becomes.
//!
//! Only names and times are read; the body itself goes on byte for byte.

use std::borrow::Cow;
use std::fmt;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::verified::Verified;

/// The source of every entry.
pub const SOURCE: &str = "Momento";

/// The longest detail-type that EventBridge allows, in Unicode scalar values.
pub const MAX_DETAIL_TYPE_CHARS: usize = 128;

/// The longest trace header that EventBridge allows, in characters.
const MAX_TRACE_HEADER_CHARS: usize = 500;

/// A verified body with what was read out of it: everything that an entry needs but the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The cache that the topic belongs to.
    pub cache: String,
    /// The topic that the message was published to.
    pub topic: String,
    /// When Momento sent the webhook, in milliseconds since the Unix epoch.
    pub publish_timestamp: i64,
    /// Momento's sequence number, where there is one that is an integer.
    pub topic_sequence_number: Option<i64>,
    detail: String,
}

/// A body that is authentic and yet cannot become an entry: what is wrong with it, and the body to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmappable {
    /// What stood in the way. It quotes nothing of the body.
    pub why: WhyUnmappable,
    /// The body, for the retry queue.
    pub verified: Verified,
}

/// What stands in the way of mapping a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnmappable {
    /// The bytes are not UTF-8, as JSON has to be.
    NotUtf8,
    /// The body is not one JSON object.
    NotAnObject,
    /// `cache`, `topic` or `publish_timestamp` is missing, stands there twice or has another type than Momento gives it.
    KeyMissingOrSenseless,
}

impl Mapped {
    /// Reads the names and the time out of a verified body.
    pub fn from_verified(verified: Verified) -> Result<Self, Unmappable> {
        let fields = match fields(verified.body()) {
            Ok(fields) => fields,
            Err(why) => return Err(Unmappable { why, verified }),
        };
        match String::from_utf8(verified.into_body()) {
            Ok(detail) => Ok(Self { detail, ..fields }),
            Err(bytes) => {
                Err(Unmappable { why: WhyUnmappable::NotUtf8, verified: Verified::from_queue(bytes.into_bytes()) })
            }
        }
    }

    /// The body as it was signed.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The body back, to be kept in the retry queue.
    pub fn into_verified(self) -> Verified {
        Verified::from_queue(self.detail.into_bytes())
    }

    /// `<cache>#<topic>`, cut to its first 128 Unicode scalar values.
    pub fn detail_type(&self) -> String {
        self.cache.chars().chain(['#']).chain(self.topic.chars()).take(MAX_DETAIL_TYPE_CHARS).collect()
    }

    /// Whether [`detail_type`](Self::detail_type) had to be cut.
    pub fn is_detail_type_cut(&self) -> bool {
        self.cache.chars().count() + 1 + self.topic.chars().count() > MAX_DETAIL_TYPE_CHARS
    }

    /// The PutEvents entry; `Time` and `Resources` are left unset, and so is a trace header that EventBridge would refuse.
    pub fn entry(&self, event_bus_name: &str, trace_header: Option<&str>) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(self.detail_type())
            .detail(&*self.detail)
            .event_bus_name(event_bus_name)
            .set_trace_header(trace_header.filter(|header| is_trace_header(header)).map(str::to_owned))
            .build()
    }
}

fn is_trace_header(header: &str) -> bool {
    !header.is_empty() && header.chars().count() <= MAX_TRACE_HEADER_CHARS
}

impl fmt::Display for WhyUnmappable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotUtf8 => "The body is not UTF-8.",
            Self::NotAnObject => "The body is not a JSON object.",
            Self::KeyMissingOrSenseless => {
                "One of cache, topic and publish_timestamp is missing, stands there twice or is not what Momento sends."
            }
        })
    }
}

impl WhyUnmappable {
    /// The name that stands for it in the queue message and the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotUtf8 => "NotUtf8",
            Self::NotAnObject => "NotAnObject",
            Self::KeyMissingOrSenseless => "KeyMissingOrSenseless",
        }
    }
}

/// The fields of a body, with `detail` still empty.
fn fields(body: &[u8]) -> Result<Mapped, WhyUnmappable> {
    let text = std::str::from_utf8(body).map_err(|_| WhyUnmappable::NotUtf8)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = json.deserialize_map(FieldsVisitor).and_then(|fields| json.end().map(|()| fields));
    fields.map_err(|_| WhyUnmappable::NotAnObject)?.ok_or(WhyUnmappable::KeyMissingOrSenseless)
}

/// Visits objects alone: a derived struct would take an array of the right length as well.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Option<Mapped>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut cache, mut topic, mut publish_timestamp) = (Field::Missing, Field::Missing, Field::Missing);
        let mut topic_sequence_number = None;
        while let Some(Key(key)) = map.next_key()? {
            match key.as_deref() {
                Some("cache") => cache.add(string(map.next_value()?)),
                Some("topic") => topic.add(string(map.next_value()?)),
                Some("publish_timestamp") => publish_timestamp.add(integer(map.next_value()?)),
                Some("topic_sequence_number") => topic_sequence_number = integer(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let (Field::Once(cache), Field::Once(topic), Field::Once(publish_timestamp)) =
            (cache, topic, publish_timestamp)
        else {
            return Ok(None);
        };
        Ok(Some(Mapped { cache, topic, publish_timestamp, topic_sequence_number, detail: String::new() }))
    }
}

/// A key of the object; `None` for one that no Rust string can hold (a lone surrogate), which none of ours is.
struct Key<'de>(Option<Cow<'de, str>>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let unescaped = serde_json::from_str(raw).map(Cow::Borrowed);
        Ok(Self(unescaped.or_else(|_| serde_json::from_str(raw).map(Cow::Owned)).ok()))
    }
}

enum Field<T> {
    Missing,
    Once(T),
    SenselessOrTwice,
}

impl<T> Field<T> {
    fn add(&mut self, value: Option<T>) {
        *self = match (&self, value) {
            (Self::Missing, Some(value)) => Self::Once(value),
            _ => Self::SenselessOrTwice,
        };
    }
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Read off the digits themselves, so that no float comes between.
fn integer(raw: &RawValue) -> Option<i64> {
    raw.get().parse().ok()
}

#[cfg(test)]
mod tests;
