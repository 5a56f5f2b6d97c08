//! From verified to entry: what EventBridge receives for a body.
//!
//! Only names and times are read. The body itself is forwarded byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::signing::Verified;

/// The source of every entry.
pub const SOURCE: &str = "Momento";

/// The longest detail-type that EventBridge allows, in Unicode scalar values.
pub const MAX_DETAIL_TYPE_CHARS: usize = 128;

/// What EventBridge receives for a verified body. `Time` and `Resources` stay unset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The cache that the topic belongs to.
    pub cache: Cow<'a, str>,
    /// The topic that the message was published to.
    pub topic: Cow<'a, str>,
    /// When Momento sent the webhook, in milliseconds since the Unix epoch.
    pub publish_timestamp: i64,
    /// Momento's sequence number, if it is an integer.
    pub topic_sequence_number: Option<i64>,
    /// The body as it was signed.
    pub detail: &'a str,
}

/// Why an authentic body cannot become an entry: a code and a message, which quotes nothing from the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unmappable {
    /// The bytes are not UTF-8, which JSON requires.
    #[error("NotUtf8: The body is not UTF-8.")]
    NotUtf8,
    /// The body is not one JSON object.
    #[error("NotAnObject: The body is not a JSON object.")]
    NotAnObject,
    /// `cache`, `topic`, or `publish_timestamp` is missing, is duplicated, or has the wrong type.
    #[error(
        "InvalidField: One of cache, topic, and publish_timestamp is missing, is duplicated, or has the wrong type."
    )]
    InvalidField,
}

impl<'a> Entry<'a> {
    /// Reads the names and the time from a verified body.
    pub fn parse(verified: &'a Verified) -> Result<Self, Unmappable> {
        let detail = std::str::from_utf8(verified.body()).map_err(|_| Unmappable::NotUtf8)?;
        let mut json = serde_json::Deserializer::from_str(detail);
        let fields = json.deserialize_map(FieldsVisitor).and_then(|fields| json.end().map(|()| fields));
        let entry = fields.map_err(|_| Unmappable::NotAnObject)?.ok_or(Unmappable::InvalidField)?;
        Ok(Self { detail, ..entry })
    }

    /// `<cache>#<topic>`, truncated to its first 128 Unicode scalar values.
    pub fn detail_type(&self) -> String {
        self.cache.chars().chain(['#']).chain(self.topic.chars()).take(MAX_DETAIL_TYPE_CHARS).collect()
    }

    /// Whether [`detail_type`](Self::detail_type) is truncated.
    pub fn is_detail_type_cut(&self) -> bool {
        self.cache.chars().count() + 1 + self.topic.chars().count() > MAX_DETAIL_TYPE_CHARS
    }

    /// The size that EventBridge counts, in UTF-8 bytes: source, detail-type, and detail.
    pub fn bytes(&self) -> usize {
        SOURCE.len() + self.detail_type().len() + self.detail.len()
    }
}

/// Accepts objects only: a derived struct would accept an array of the right length, too.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Option<Entry<'de>>;

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
        Ok(Some(Entry { cache, topic, publish_timestamp, topic_sequence_number, detail: "" }))
    }
}

/// A key of the object; `None` if a Rust string cannot hold it (a lone surrogate).
struct Key<'de>(Option<Cow<'de, str>>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(string(<&RawValue>::deserialize(deserializer)?)))
    }
}

enum Field<T> {
    Missing,
    Once(T),
    InvalidOrTwice,
}

impl<T> Field<T> {
    fn add(&mut self, value: Option<T>) {
        *self = match (&self, value) {
            (Self::Missing, Some(value)) => Self::Once(value),
            _ => Self::InvalidOrTwice,
        };
    }
}

/// Borrows from the body if nothing is escaped.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let borrowed = serde_json::from_str(raw.get()).map(Cow::Borrowed);
    borrowed.or_else(|_| serde_json::from_str(raw.get()).map(Cow::Owned)).ok()
}

/// Parsed from the digits, so that no float rounds it.
fn integer(raw: &RawValue) -> Option<i64> {
    raw.get().parse().ok()
}

#[cfg(test)]
mod tests;
