//! Signing secrets: their format, and how they are kept out of logs and memory.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;
use zeroize::Zeroizing;

/// One webhook's signing secret. Its memory is zeroed when it is dropped and `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

/// The secrets that one stored secret holds; at least one, none of them empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningSecrets(Vec<SigningSecret>);

/// Why a stored secret is invalid. The messages quote nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidSecret {
    /// A binary secret, or one without a value.
    #[error("it is binary or has no value; store it as text")]
    NotText,
    /// An empty string, also as one of several.
    #[error("it holds an empty string; give every webhook's signing secret in full")]
    EmptyString,
    /// A JSON object or array without a string at its top level.
    #[error("it is a JSON object or array without a string at its top level; give the secrets as its strings")]
    NoString,
    /// Text that begins like a JSON object or array and is not JSON.
    #[error("it begins with {{ or [ and is not JSON; correct the JSON, or store the bare secret")]
    NotJson,
}

impl SigningSecret {
    /// The secret's bytes, for the computation of a signature.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SigningSecrets {
    /// Reads a stored secret: the bare secret, or a JSON object or array in which every string at the top level is a secret.
    /// Nothing is trimmed, and other JSON is not unpacked. Text that begins with `{` or `[` and is not JSON is invalid.
    pub fn parse(text: Zeroizing<String>) -> Result<Self, InvalidSecret> {
        let strings = match text.trim_start().as_bytes().first() {
            Some(b'{' | b'[') => unpacked(&text).ok_or(InvalidSecret::NotJson)?,
            _ => vec![text],
        };
        if strings.is_empty() {
            return Err(InvalidSecret::NoString);
        }
        if strings.iter().any(|string| string.is_empty()) {
            return Err(InvalidSecret::EmptyString);
        }
        Ok(Self(strings.iter().map(|string| SigningSecret(Zeroizing::new(string.as_bytes().to_vec()))).collect()))
    }

    /// How many keys these are, if one of them has fewer than 16 characters. Such a key may be another setting that was
    /// stored with the secret, and anyone who knows it can sign.
    pub fn count_with_a_short_one(&self) -> Option<usize> {
        let is_short = |secret: &SigningSecret| String::from_utf8_lossy(secret.bytes()).chars().count() < 16;
        self.0.iter().any(is_short).then_some(self.0.len())
    }

    /// Every secret in turn.
    pub fn iter(&self) -> impl Iterator<Item = &SigningSecret> {
        self.0.iter()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningSecret(…)")
    }
}

/// The strings at the top level of a JSON object or array; `None` if the text is not JSON.
fn unpacked(text: &str) -> Option<Vec<Zeroizing<String>>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let strings = json.deserialize_any(TopLevelStrings).ok()?;
    json.end().ok()?;
    Some(strings)
}

struct TopLevelStrings;

impl<'de> Visitor<'de> for TopLevelStrings {
    type Value = Vec<Zeroizing<String>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut strings = Vec::new();
        while let Some((_, element)) = map.next_entry::<IgnoredAny, Element>()? {
            strings.extend(element.0);
        }
        Ok(strings)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut strings = Vec::new();
        while let Some(element) = seq.next_element::<Element>()? {
            strings.extend(element.0);
        }
        Ok(strings)
    }
}

/// A value of an object or array: its text if it is a string, nothing otherwise.
struct Element(Option<Zeroizing<String>>);

impl<'de> serde::Deserialize<'de> for Element {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok().map(Zeroizing::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<String>, InvalidSecret> {
        let secrets = SigningSecrets::parse(Zeroizing::new(text.to_owned()))?;
        Ok(secrets.iter().map(|secret| String::from_utf8(secret.bytes().to_vec()).unwrap()).collect())
    }

    #[test]
    fn a_bare_secret_is_taken_as_it_is_untrimmed() {
        for bare in ["whsec-local", " spaced \n", "\"quoted\"", "12", "null", "true", "x{", "\u{feff}{}"] {
            assert_eq!(parse(bare).unwrap(), [bare]);
        }
    }

    #[test]
    fn the_form_of_momentos_first_handler_holds_one_secret() {
        assert_eq!(parse(r#"{"momentoSecret":"abc"}"#).unwrap(), ["abc"]);
    }

    #[test]
    fn every_string_at_the_top_level_of_an_object_is_a_secret() {
        let object = r#" {"orders":"a","bills":"b\u00fc","since":2024,"nested":{"no":"c"},"list":["d"],"orders":"e"} "#;
        assert_eq!(parse(object).unwrap(), ["a", "bü", "e"]);
    }

    #[test]
    fn every_string_at_the_top_level_of_an_array_is_a_secret() {
        assert_eq!(parse(r#"["a", 1, null, ["c"], "b"]"#).unwrap(), ["a", "b"]);
    }

    #[test]
    fn an_object_or_array_without_a_string_is_invalid() {
        for text in ["{}", "[]", r#"{"a":1}"#, r#"[["a"]]"#] {
            assert_eq!(parse(text), Err(InvalidSecret::NoString), "{text}");
        }
    }

    #[test]
    fn text_that_begins_like_json_and_is_not_json_is_invalid() {
        for text in ["{not json", "[1,", "{} x", "{", r#"{"a":"b""#, "\n[\"a\"", " {a}"] {
            assert_eq!(parse(text), Err(InvalidSecret::NotJson), "{text}");
        }
    }

    #[test]
    fn an_empty_string_is_invalid_also_as_one_of_several() {
        for text in ["", r#"{"a":""}"#, r#"["a",""]"#] {
            assert_eq!(parse(text), Err(InvalidSecret::EmptyString), "{text}");
        }
        assert!(InvalidSecret::EmptyString.to_string().starts_with("it holds an empty string; "));
    }

    #[test]
    fn a_key_of_fewer_than_16_characters_is_reported_with_the_number_of_keys() {
        let count =
            |text: &str| SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap().count_with_a_short_one();
        assert_eq!(count(r#"{"momentoSecret":"a-secret-of-Momento","stage":"prod"}"#), Some(2));
        assert_eq!(count("fifteen-letters"), Some(1));
        assert_eq!(count("sixteen-letters!"), None);
        assert_eq!(count("ééééééééééééééé"), Some(1));
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        let secrets = SigningSecrets::parse(Zeroizing::new("whsec-local".to_owned())).unwrap();
        assert_eq!(format!("{secrets:?}"), "SigningSecrets([SigningSecret(…)])");
    }
}
