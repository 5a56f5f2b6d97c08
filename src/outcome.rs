//! The outcome of a request: one variant each, whose name is the log's field `outcome` and the metric.

use serde::Serialize;

/// The outcome of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// EventBridge confirmed the entry.
    Delivered,
    /// Authentic and in the retry queue, for this reason.
    Queued(Reason),
    /// Not signed by an accepted secret.
    Forged(Forgery),
    /// Authentic, but sent too long ago.
    Stale,
    /// Authentic, but sent too far in the future.
    Future,
    /// Not a request in payload format 2.0, or invalid Unicode.
    BadRequest,
    /// Another method than `POST`.
    MethodNotAllowed,
    /// A body that is too large to come from Momento.
    PayloadTooLarge,
    /// Neither the bus nor the retry queue accepted the event, for this reason. It is in the log.
    BothFailed(Reason),
    /// No known signing secret made the signature, and the secrets could not be read.
    SecretUnavailable {
        /// Whether it is in the retry queue, unverified.
        is_kept: bool,
    },
    /// No known signing secret made the signature, and a rotation is in progress.
    RotationInProgress {
        /// Whether it is in the retry queue, unverified.
        is_kept: bool,
    },
}

/// Why an event is in the retry queue and not on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// The PutEvents call failed.
    PutFailed,
    /// The call succeeded, and EventBridge refused the entry.
    EntryFailed,
    /// No response in time.
    TimedOut,
    /// The event bus does not exist.
    BusNotFound,
    /// The body cannot become an entry.
    Unmappable,
    /// The signing secrets could not be read, so the request is not verified.
    SecretUnavailable,
    /// A rotation of the signing secret is in progress, so the request is not verified.
    RotationInProgress,
}

/// Why a request counts as forged. The response is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// There is no signature.
    SignatureMissing,
    /// The signature is not 64 hex digits, or there is more than one.
    SignatureMalformed,
    /// No accepted secret made this signature.
    SignatureMismatch,
    /// The body is invalid base64.
    BodyNotBase64,
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
            Self::BadRequest => "BadRequest",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::PayloadTooLarge => "PayloadTooLarge",
            Self::BothFailed(_) => "BothFailed",
            Self::SecretUnavailable { .. } => "SecretUnavailable",
            Self::RotationInProgress { .. } => "RotationInProgress",
        }
    }

    /// The metrics that count it: its name and, for what has an alarm, the metric of the alarm.
    pub fn metrics(self) -> impl Iterator<Item = &'static str> {
        let with_alarm = match self {
            Self::Forged(forgery @ Forgery::SignatureMismatch) => Some(forgery.name()),
            Self::Stale | Self::Future | Self::PayloadTooLarge => Some("EventRefused"),
            _ => None,
        };
        std::iter::once(self.name()).chain(with_alarm)
    }

    /// The exact reason, which only the log has.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Queued(reason) | Self::BothFailed(reason) => Some(reason.name()),
            Self::Forged(forgery) => Some(forgery.name()),
            _ => None,
        }
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
            Self::SecretUnavailable => "SecretUnavailable",
            Self::RotationInProgress => "RotationInProgress",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_the_name_and_the_reason_of_its_record() {
        for (outcome, name, reason) in [
            (Outcome::Delivered, "Delivered", None),
            (Outcome::Queued(Reason::PutFailed), "Queued", Some("PutFailed")),
            (Outcome::Queued(Reason::EntryFailed), "Queued", Some("EntryFailed")),
            (Outcome::Queued(Reason::TimedOut), "Queued", Some("TimedOut")),
            (Outcome::BothFailed(Reason::BusNotFound), "BothFailed", Some("BusNotFound")),
            (Outcome::BothFailed(Reason::Unmappable), "BothFailed", Some("Unmappable")),
            (Outcome::Forged(Forgery::SignatureMissing), "Forged", Some("SignatureMissing")),
            (Outcome::Forged(Forgery::SignatureMalformed), "Forged", Some("SignatureMalformed")),
            (Outcome::Forged(Forgery::SignatureMismatch), "Forged", Some("SignatureMismatch")),
            (Outcome::Forged(Forgery::BodyNotBase64), "Forged", Some("BodyNotBase64")),
            (Outcome::Stale, "Stale", None),
            (Outcome::Future, "Future", None),
            (Outcome::BadRequest, "BadRequest", None),
            (Outcome::MethodNotAllowed, "MethodNotAllowed", None),
            (Outcome::PayloadTooLarge, "PayloadTooLarge", None),
            (Outcome::SecretUnavailable { is_kept: true }, "SecretUnavailable", None),
            (Outcome::RotationInProgress { is_kept: true }, "RotationInProgress", None),
        ] {
            assert_eq!((outcome.name(), outcome.reason()), (name, reason));
        }
    }

    #[test]
    fn a_signature_that_matches_no_secret_has_a_second_metric() {
        let metrics = |outcome: Outcome| outcome.metrics().collect::<Vec<_>>();
        assert_eq!(metrics(Outcome::Forged(Forgery::SignatureMismatch)), ["Forged", "SignatureMismatch"]);
        assert_eq!(metrics(Outcome::Forged(Forgery::SignatureMalformed)), ["Forged"]);
        assert_eq!(metrics(Outcome::Delivered), ["Delivered"]);
    }

    #[test]
    fn what_is_refused_for_its_age_or_size_is_counted_besides_as_an_event_that_may_be_lost() {
        for refused in [Outcome::Stale, Outcome::Future, Outcome::PayloadTooLarge] {
            assert_eq!(refused.metrics().collect::<Vec<_>>(), [refused.name(), "EventRefused"]);
        }
    }
}
