//! Judges a request that was queued unverified, by the rules of a new one: the accepted secrets, then the timestamp window,
//! both at the time at which the webhook received it. A request that cannot be judged yet stays in the queue.

use std::time::Duration;

use thiserror::Error;

use crate::aws::Aws;
use crate::aws::budget::{self, Deadline};
use crate::config::Authenticity;
use crate::event::Entry;
use crate::event::timestamp;
use crate::outcome::{Forgery, Outcome};
use crate::signing::{AllVersions, CannotBeJudged, SecretStore, Signed, Verified};

/// How long a request that no known secret signed stays, in milliseconds: long enough to notice and repair a wrong stored
/// secret, and shorter than the time until the dead-letter queue (57 minutes).
const MISMATCH_IS_FINAL_AFTER: i64 = 45 * 60 * 1000;

/// The secrets and the window by which queued requests are judged.
#[derive(Debug)]
pub(super) struct Judge {
    secrets: SecretStore,
    max_event_age: Duration,
}

/// The result for a queued request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Signed by an accepted secret and within the window, or a body whose time cannot be read.
    Authentic(Verified),
    /// Outside the window, or not signed by any secret that may have signed it: to be deleted.
    Refused(Outcome),
    /// To be judged again.
    Stays(Undecided),
}

/// Why a request stays in the queue. The text is a code and a message.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Undecided {
    /// The secrets could not be read in this invocation, or a rotation is in progress.
    #[error(transparent)]
    CannotBeJudged(#[from] CannotBeJudged),
    /// The previous secret made the signature, and was no longer accepted.
    #[error(
        "PreviousSecretExpired: The previous signing secret made the signature, and was no longer accepted when the request was \
         received. To deliver the request, increase PREVIOUS_SECRET_SECONDS."
    )]
    PreviousSecretExpired,
    /// None of the known secrets made the signature; one that is stored soon may have.
    #[error(
        "SignatureMismatch: No known signing secret made the signature. The request is judged again until 45 minutes after it was \
         received."
    )]
    SignatureMismatch,
    /// None of the known secrets made the signature; one that has lost its label may have.
    #[error(
        "SecretReplaced: No known signing secret made the signature, and the secret that was current when it was received may have \
         been replaced twice since then. Store that secret in addition to the current one."
    )]
    SecretReplaced,
}

impl Judge {
    pub(super) fn new(authenticity: Authenticity, aws: &Aws) -> Self {
        let Authenticity { secret, previous_secret, max_event_age } = authenticity;
        Self { secrets: SecretStore::new(secret, previous_secret, aws), max_event_age }
    }

    /// Reads all versions of the secret.
    pub(super) async fn read(&self, deadline: Deadline) -> AllVersions {
        self.secrets.read_all(deadline.at_most(budget::REDRIVE_SECRET)).await
    }

    /// Judges a request; `received_at` and `now` as Unix time in milliseconds.
    pub(super) fn judge(&self, secrets: &AllVersions, signed: Signed, received_at: i64, now: i64) -> Judgement {
        let Some(known) = &secrets.known else {
            return Judgement::Stays(secrets.mismatch.clone().err().map_or_else(Undecided::without_secret, Into::into));
        };
        let (verified, is_accepted) = match signed.verify(known.accepted_at(received_at)) {
            Ok(verified) => (verified, true),
            Err(signed) => match signed.verify(known.all()) {
                Ok(verified) => (verified, false),
                Err(_) => return self.mismatch(secrets, received_at, now),
            },
        };
        let window = |entry: Entry<'_>| timestamp::check(entry.publish_timestamp, received_at, self.max_event_age);
        match Entry::parse(&verified).map(window) {
            Ok(Err(outcome)) => Judgement::Refused(outcome),
            _ if is_accepted => Judgement::Authentic(verified),
            _ => Judgement::Stays(Undecided::PreviousSecretExpired),
        }
    }

    /// None of the known secrets made the signature. That is final only if no other secret can have made it.
    fn mismatch(&self, secrets: &AllVersions, received_at: i64, now: i64) -> Judgement {
        let oldest = i64::try_from(self.max_event_age.as_millis()).unwrap_or(i64::MAX);
        let reaches_back =
            secrets.known.as_ref().is_some_and(|known| known.reach_back_to(received_at.saturating_sub(oldest)));
        match &secrets.mismatch {
            Err(why) => Judgement::Stays(why.clone().into()),
            Ok(()) if now.saturating_sub(received_at) <= MISMATCH_IS_FINAL_AFTER => {
                Judgement::Stays(Undecided::SignatureMismatch)
            }
            Ok(()) if !reaches_back => Judgement::Stays(Undecided::SecretReplaced),
            Ok(()) => Judgement::Refused(Outcome::Forged(Forgery::SignatureMismatch)),
        }
    }
}

impl Undecided {
    /// No secret is known.
    pub(super) fn without_secret() -> Self {
        CannotBeJudged::SecretUnavailable(
            "NoSecret: SIGNING_SECRET_ID is not set. Set it to the secret of the webhook function.".into(),
        )
        .into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::signing::{KnownSecrets, SigningSecrets, Version};
    use momento_body_signature::sign;
    use zeroize::Zeroizing;

    const RECEIVED_AT: i64 = 1_726_292_279_850;
    const MINUTE: i64 = 60_000;
    const FINAL: i64 = RECEIVED_AT + 45 * MINUTE + 1;

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    fn version(text: &str, created_at: i64) -> Version {
        Version { id: text.to_owned(), secrets: secrets(text), created_at: Some(created_at) }
    }

    /// All versions, read with success: "new" became current at this time, and "old" was stored at that time.
    fn read(changed_at: i64, old_stored_at: Option<i64>) -> AllVersions {
        let known = KnownSecrets::after_read(None, version("new", changed_at), changed_at, Duration::from_secs(86_400));
        let known = known.with_previous(old_stored_at.map(|stored_at| version("old", stored_at)));
        AllVersions { known: Some(Arc::new(known)), mismatch: Ok(()) }
    }

    fn body(published: i64) -> String {
        format!(r#"{{"cache":"c","topic":"t","publish_timestamp":{published}}}"#)
    }

    fn judge_at(now: i64, read: &AllVersions, secret: &str, body: &str) -> Judgement {
        let mut signature = [0; 32];
        hex::decode_to_slice(sign(secret.as_bytes(), body.as_bytes()), &mut signature).unwrap();
        let signed = Signed { body: body.as_bytes().to_vec(), signature };
        let secrets = SecretStore::Static(Arc::new(KnownSecrets::fixed(secrets("unused"))));
        Judge { secrets, max_event_age: Duration::from_secs(60) }.judge(read, signed, RECEIVED_AT, now)
    }

    fn judge(read: &AllVersions, secret: &str, published: i64) -> Judgement {
        judge_at(FINAL, read, secret, &body(published))
    }

    const YEAR: i64 = 365 * 86_400_000;

    fn never_rotated() -> AllVersions {
        read(RECEIVED_AT - YEAR, None)
    }

    #[test]
    fn an_authentic_request_passes_by_the_time_at_which_it_was_received() {
        for published in [RECEIVED_AT - MINUTE, RECEIVED_AT, RECEIVED_AT + MINUTE] {
            assert!(matches!(judge(&never_rotated(), "new", published), Judgement::Authentic(_)), "{published}");
        }
        let judge = |published| judge(&never_rotated(), "new", published);
        assert_eq!(judge(RECEIVED_AT - MINUTE - 1), Judgement::Refused(Outcome::Stale));
        assert_eq!(judge(RECEIVED_AT + MINUTE + 1), Judgement::Refused(Outcome::Future));
    }

    #[test]
    fn an_authentic_body_that_cannot_be_mapped_is_not_refused() {
        assert!(matches!(judge_at(FINAL, &never_rotated(), "new", "hello"), Judgement::Authentic(_)));
    }

    #[test]
    fn what_the_previous_secret_signed_before_the_change_is_authentic_however_long_ago_that_was() {
        let read = read(RECEIVED_AT + 1, Some(RECEIVED_AT - YEAR));
        assert!(matches!(judge(&read, "old", RECEIVED_AT), Judgement::Authentic(_)));
    }

    #[test]
    fn what_the_previous_secret_signed_after_its_time_stays_unless_it_is_outside_the_window() {
        let read = read(RECEIVED_AT - 86_400_000, Some(RECEIVED_AT - YEAR));
        assert_eq!(judge(&read, "old", RECEIVED_AT), Judgement::Stays(Undecided::PreviousSecretExpired));
        assert_eq!(judge(&read, "old", RECEIVED_AT - MINUTE - 1), Judgement::Refused(Outcome::Stale));
        assert_eq!(judge_at(FINAL, &read, "old", "hello"), Judgement::Stays(Undecided::PreviousSecretExpired));
    }

    #[test]
    fn a_mismatch_is_final_only_45_minutes_after_the_request_was_received() {
        let refused = Judgement::Refused(Outcome::Forged(Forgery::SignatureMismatch));
        let judge = |now| judge_at(now, &never_rotated(), "other", &body(RECEIVED_AT));
        assert_eq!(judge(FINAL), refused);
        assert_eq!(judge(FINAL - 1), Judgement::Stays(Undecided::SignatureMismatch));
    }

    #[test]
    fn a_mismatch_is_not_final_while_the_secrets_cannot_be_read_or_a_rotation_is_in_progress() {
        for why in [CannotBeJudged::SecretUnavailable("TimedOut: Late.".into()), CannotBeJudged::RotationInProgress] {
            let read = AllVersions { mismatch: Err(why.clone()), ..never_rotated() };
            assert_eq!(judge(&read, "other", RECEIVED_AT), Judgement::Stays(why.clone().into()));
            assert!(matches!(judge(&read, "new", RECEIVED_AT), Judgement::Authentic(_)));
            let read = AllVersions { known: None, mismatch: Err(why.clone()) };
            assert_eq!(judge(&read, "new", RECEIVED_AT), Judgement::Stays(why.into()));
        }
    }

    #[test]
    fn a_mismatch_is_final_only_if_what_is_known_reaches_back_to_the_request() {
        let refused = Judgement::Refused(Outcome::Forged(Forgery::SignatureMismatch));
        let stored_at = |time| read(RECEIVED_AT + MINUTE, Some(time));
        assert_eq!(judge(&stored_at(RECEIVED_AT - MINUTE), "other", RECEIVED_AT), refused);
        let replaced = Judgement::Stays(Undecided::SecretReplaced);
        assert_eq!(judge(&stored_at(RECEIVED_AT - MINUTE + 1), "other", RECEIVED_AT), replaced);
    }
}
