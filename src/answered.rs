//! What becomes of a request, and what is answered: one outcome, one answer.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// What became of a request. The variant's name is the log's field `outcome` and the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// EventBridge confirmed the entry.
    Delivered,
    /// Authentic and in the retry queue, for this reason.
    Queued(Reason),
    /// Not signed by a known secret.
    Forged(Forgery),
    /// Authentic, but sent too long ago.
    Stale,
    /// Authentic, but sent too far in the future.
    Future,
    /// Another method than `POST`.
    MethodNotAllowed,
    /// A body too large to come from Momento.
    PayloadTooLarge,
    /// Neither the bus nor the retry queue took it; the log has it, for this reason.
    BothFailed(Reason),
    /// No signing secret could be read, so nothing can be verified.
    SecretUnavailable,
}

/// Why an event is in the retry queue and not on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
pub enum Reason {
    /// The PutEvents call failed.
    PutFailed,
    /// The call succeeded, and EventBridge refused the entry.
    EntryFailed,
    /// No answer in time.
    TimedOut,
    /// The event bus does not exist.
    BusNotFound,
    /// The body cannot become an entry.
    Unmappable,
}

/// Why a request counts as forged. The answer is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// There is no signature.
    SignatureMissing,
    /// The signature is not 64 hex digits, or there is more than one.
    SignatureMalformed,
    /// No known secret made this signature.
    SignatureMismatch,
    /// The body is said to be base64 and is not.
    BodyNotBase64,
}

/// An answer to the caller, serialised as a Function URL expects it (payload format 2.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The text in the JSON body's `message`.
    pub message: &'static str,
}

impl Outcome {
    /// The name in the log and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "Delivered",
            Self::Queued(_) => "Queued",
            Self::Forged(_) => "Forged",
            Self::Stale => "Stale",
            Self::Future => "Future",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::BothFailed(_) => "BothFailed",
            Self::SecretUnavailable => "SecretUnavailable",
        }
    }

    /// The finer reason, for the log alone.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Queued(reason) | Self::BothFailed(reason) => Some(reason.name()),
            Self::Forged(forgery) => Some(forgery.name()),
            _ => None,
        }
    }

    /// What the caller is told. A 2XX means that the event is stored where it cannot be lost.
    pub fn answer(self) -> Answer {
        let (status, message) = match self {
            Self::Delivered => (200, "Success"),
            Self::Queued(_) => (202, "Queued"),
            Self::Forged(_) | Self::Stale | Self::Future => (403, "Unauthorized"),
            Self::MethodNotAllowed => (405, "Method Not Allowed"),
            Self::PayloadTooLarge => (413, "Payload Too Large"),
            Self::BothFailed(_) | Self::SecretUnavailable => (500, "Internal Server Error"),
        };
        Answer { status, message }
    }
}

impl Reason {
    /// The name in the queue message, its attribute and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::PutFailed => "PutFailed",
            Self::EntryFailed => "EntryFailed",
            Self::TimedOut => "TimedOut",
            Self::BusNotFound => "BusNotFound",
            Self::Unmappable => "Unmappable",
        }
    }
}

impl Forgery {
    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignatureMissing => "SignatureMissing",
            Self::SignatureMalformed => "SignatureMalformed",
            Self::SignatureMismatch => "SignatureMismatch",
            Self::BodyNotBase64 => "BodyNotBase64",
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Headers {
            #[serde(rename = "content-type")]
            content_type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            allow: Option<&'static str>,
        }
        let allow = (self.status == 405).then_some("POST");
        let mut answer = serializer.serialize_struct("Answer", 5)?;
        answer.serialize_field("statusCode", &self.status)?;
        answer.serialize_field("headers", &Headers { content_type: "application/json", allow })?;
        answer.serialize_field("body", &format!(r#"{{"message":"{}"}}"#, self.message))?;
        answer.serialize_field("isBase64Encoded", &false)?;
        // Lambda can do without it; cargo lambda watch answers 500 where it is missing.
        answer.serialize_field("cookies", &[""; 0])?;
        answer.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_a_signature_or_a_time_has_one_and_the_same_answer() {
        let refused = Answer { status: 403, message: "Unauthorized" };
        for forgery in
            [Forgery::SignatureMissing, Forgery::SignatureMalformed, Forgery::SignatureMismatch, Forgery::BodyNotBase64]
        {
            assert_eq!(Outcome::Forged(forgery).answer(), refused);
        }
        assert_eq!((Outcome::Stale.answer(), Outcome::Future.answer()), (refused, refused));
    }

    #[test]
    fn only_what_is_stored_is_answered_with_a_2xx() {
        for (outcome, status) in [
            (Outcome::Delivered, 200),
            (Outcome::Queued(Reason::TimedOut), 202),
            (Outcome::MethodNotAllowed, 405),
            (Outcome::PayloadTooLarge, 413),
            (Outcome::BothFailed(Reason::PutFailed), 500),
            (Outcome::SecretUnavailable, 500),
        ] {
            assert_eq!(outcome.answer().status, status);
        }
    }

    #[test]
    fn a_refused_method_names_the_one_that_is_allowed() {
        let answer = serde_json::to_value(Outcome::MethodNotAllowed.answer()).unwrap();
        assert_eq!(answer["headers"]["allow"], "POST");
        assert_eq!(answer["body"], r#"{"message":"Method Not Allowed"}"#);
        assert!(serde_json::to_value(Outcome::Delivered.answer()).unwrap()["headers"].get("allow").is_none());
    }
}
