//! Judges what was kept unverified, by the same rules as a request: the accepted secrets, then the timestamp window, both
//! at the time at which the webhook received it.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::Aws;
use crate::budget::{self, Deadline};
use crate::config;
use crate::entry::Entry;
use crate::known_secrets::KnownSecrets;
use crate::outcome::{Forgery, Outcome};
use crate::secret_store::SecretStore;
use crate::signature::{Signed, Verified};
use crate::timestamp;

/// The secrets and the window that kept requests are judged by.
#[derive(Debug)]
pub(super) struct SecretJudge {
    secrets: SecretStore,
    max_event_age: Duration,
}

/// A judge with the secrets of one invocation.
pub(super) struct InformedJudge {
    known: Arc<KnownSecrets>,
    /// Whether the secrets were read in this invocation. An old secret in a warm process is no reason to delete what a new
    /// one may have signed.
    is_final: bool,
    max_event_age: Duration,
}

/// What a kept request is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Signed by an accepted secret and within the window, or a body whose time cannot be read.
    Authentic(Verified),
    /// Not signed by one, or outside the window: to be deleted.
    Refused(Outcome),
    /// No known secret signed it, and the secrets were not read in this invocation.
    Undecided,
}

impl SecretJudge {
    pub(super) fn new(judge: config::Judge, aws: &Aws) -> Self {
        let secrets = SecretStore::new(judge.secret, judge.previous_secret, aws);
        Self { secrets, max_event_age: judge.max_event_age }
    }

    /// Reads the secrets, for requests received at this time (Unix milliseconds) or later; `None` where none is known.
    pub(super) async fn read(&self, earliest: i64, deadline: Deadline) -> Option<InformedJudge> {
        let is_final = self.secrets.read_for(earliest, deadline.at_most(budget::REDRIVE_SECRET)).await;
        Some(InformedJudge { known: self.secrets.known()?, is_final, max_event_age: self.max_event_age })
    }
}

impl InformedJudge {
    /// `received_at` in Unix milliseconds.
    pub(super) fn judge(&self, signed: Signed, received_at: i64) -> Judgement {
        let Ok(verified) = signed.verify(self.known.accepted_at(received_at)) else {
            let mismatch = Judgement::Refused(Outcome::Forged(Forgery::SignatureMismatch));
            return if self.is_final { mismatch } else { Judgement::Undecided };
        };
        let window = |entry: Entry<'_>| timestamp::check(entry.publish_timestamp, received_at, self.max_event_age);
        match Entry::parse(&verified).map(window) {
            Ok(Err(outcome)) => Judgement::Refused(outcome),
            Ok(Ok(())) | Err(_) => Judgement::Authentic(verified),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_secret::SigningSecrets;
    use momento_body_signature::sign;
    use zeroize::Zeroizing;

    const RECEIVED_AT: i64 = 1_726_292_279_850;

    fn judge(is_final: bool, secret: &str, body: &str) -> Judgement {
        let current = SigningSecrets::parse(Zeroizing::new("whsec".to_owned())).unwrap();
        let known = Arc::new(KnownSecrets::only(current));
        let mut signature = [0; 32];
        hex::decode_to_slice(sign(secret.as_bytes(), body.as_bytes()), &mut signature).unwrap();
        let signed = Signed { body: body.as_bytes().to_vec(), signature };
        InformedJudge { known, is_final, max_event_age: Duration::from_secs(60) }.judge(signed, RECEIVED_AT)
    }

    fn body(published: i64) -> String {
        format!(r#"{{"cache":"c","topic":"t","publish_timestamp":{published}}}"#)
    }

    #[test]
    fn an_authentic_request_passes_by_the_time_at_which_it_was_received() {
        for published in [RECEIVED_AT - 60_000, RECEIVED_AT, RECEIVED_AT + 60_000] {
            assert!(matches!(judge(false, "whsec", &body(published)), Judgement::Authentic(_)), "{published}");
        }
        let outcome = |published| judge(true, "whsec", &body(published));
        assert_eq!(outcome(RECEIVED_AT - 60_001), Judgement::Refused(Outcome::Stale));
        assert_eq!(outcome(RECEIVED_AT + 60_001), Judgement::Refused(Outcome::Future));
    }

    #[test]
    fn a_mismatch_is_final_only_against_a_secret_of_this_invocation() {
        let mismatch = Judgement::Refused(Outcome::Forged(Forgery::SignatureMismatch));
        assert_eq!(judge(true, "other", &body(RECEIVED_AT)), mismatch);
        assert_eq!(judge(false, "other", &body(RECEIVED_AT)), Judgement::Undecided);
    }

    #[test]
    fn an_authentic_body_that_cannot_be_mapped_is_not_refused() {
        assert!(matches!(judge(true, "whsec", "hello"), Judgement::Authentic(_)));
    }
}
