//! The secrets in force, and how they follow each other: pure, with the time handed in.

use std::time::Duration;

use crate::signing_secret::{SigningSecret, SigningSecrets};

/// The secrets that are known at one moment.
#[derive(Debug, Clone)]
pub struct KnownSecrets {
    current: SigningSecrets,
    /// When Secrets Manager stored the current version, in Unix milliseconds.
    created_at: Option<i64>,
    previous: Option<SigningSecrets>,
    /// Whether `AWSPREVIOUS` was read since the current ones came; it does not change without them.
    is_previous_read: bool,
    /// Until when the previous ones are accepted, in Unix milliseconds.
    previous_until: i64,
}

impl KnownSecrets {
    /// Secrets without previous ones.
    pub fn only(current: SigningSecrets) -> Self {
        Self { current, created_at: None, previous: None, is_previous_read: true, previous_until: i64::MIN }
    }

    /// What is known once `AWSCURRENT` was read `now`, in Unix milliseconds. The previous secrets are accepted for
    /// `lifetime` after the version was stored or, where this process saw the change itself, after now: a version can be
    /// stored long before it becomes `AWSCURRENT`.
    pub fn after_read(
        before: Option<&Self>,
        current: SigningSecrets,
        created_at: Option<i64>,
        now: i64,
        lifetime: Duration,
    ) -> Self {
        let changed_at = match before {
            Some(before) if before.current == current && before.created_at == created_at => return before.clone(),
            Some(_) => created_at.max(Some(now)),
            None => created_at,
        };
        Self {
            // What was current until now is the previous one, until AWSPREVIOUS itself is read and in case that fails.
            previous: before.map(|before| before.current.clone()),
            is_previous_read: false,
            previous_until: previous_until(changed_at, lifetime),
            current,
            created_at,
        }
    }

    /// The previous secrets, as far as they are known.
    pub fn previous(&self) -> Option<&SigningSecrets> {
        self.previous.as_ref()
    }

    /// The same, with what `AWSPREVIOUS` holds.
    pub fn with_previous(self, previous: Option<SigningSecrets>) -> Self {
        Self { previous, is_previous_read: true, ..self }
    }

    /// Whether `AWSPREVIOUS` has to be read for what was signed at this time, in Unix milliseconds, or later.
    pub fn needs_previous(&self, signed_at: i64) -> bool {
        !self.is_previous_read && signed_at < self.previous_until
    }

    /// Every secret that is accepted at this time, in Unix milliseconds.
    pub fn accepted_at(&self, now: i64) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous.iter().filter(move |_| now < self.previous_until);
        self.current.iter().chain(previous.flat_map(SigningSecrets::iter))
    }
}

/// No lifetime accepts no previous secret, and neither does a version without a date that nobody saw change.
fn previous_until(changed_at: Option<i64>, lifetime: Duration) -> i64 {
    let milliseconds = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    match changed_at {
        Some(changed_at) if !lifetime.is_zero() => changed_at.saturating_add(milliseconds),
        _ => i64::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    const DAY: Duration = Duration::from_secs(86_400);
    const DAY_MS: i64 = 86_400_000;

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    fn accepted(known: &KnownSecrets, now: i64) -> Vec<String> {
        known.accepted_at(now).map(|secret| String::from_utf8(secret.bytes().to_vec()).unwrap()).collect()
    }

    fn first_read(created_at: Option<i64>, lifetime: Duration) -> KnownSecrets {
        let known = KnownSecrets::after_read(None, secrets("new"), created_at, 10 * DAY_MS, lifetime);
        known.with_previous(Some(secrets(r#"["a","b"]"#)))
    }

    #[test]
    fn the_previous_secrets_are_accepted_until_their_time_is_over_and_no_longer() {
        let known = first_read(Some(5_000), Duration::from_secs(60));
        assert_eq!(accepted(&known, 64_999), ["new", "a", "b"]);
        assert_eq!(accepted(&known, 65_000), ["new"]);
        assert_eq!(accepted(&first_read(Some(5_000), Duration::from_secs(u64::MAX)), i64::MAX - 1).len(), 3);
    }

    #[test]
    fn no_lifetime_and_no_date_both_mean_that_no_previous_secret_is_accepted() {
        for known in [first_read(Some(5_000), Duration::ZERO), first_read(None, DAY)] {
            assert_eq!(accepted(&known, 0), ["new"]);
            assert!(!KnownSecrets { is_previous_read: false, ..known }.needs_previous(0));
        }
    }

    #[test]
    fn a_version_stored_long_ago_that_becomes_current_now_leaves_the_previous_one_its_whole_time() {
        let now = 10 * DAY_MS;
        let before = KnownSecrets::after_read(None, secrets("old"), Some(0), now - DAY_MS, DAY);
        let known = KnownSecrets::after_read(Some(&before), secrets("new"), Some(now - 2 * DAY_MS), now, DAY);
        assert_eq!(accepted(&known, now + DAY_MS - 1), ["new", "old"]);
        assert_eq!(accepted(&known, now + DAY_MS), ["new"]);
        assert!(known.needs_previous(now));
    }

    #[test]
    fn a_label_that_moves_back_counts_from_the_moment_at_which_it_was_seen() {
        let now = 10 * DAY_MS;
        let newer = KnownSecrets::after_read(None, secrets("newer"), Some(now - 1), now, DAY);
        let known = KnownSecrets::after_read(Some(&newer), secrets("older"), Some(0), now, DAY);
        assert_eq!(accepted(&known, now + DAY_MS - 1), ["older", "newer"]);
    }

    #[test]
    fn a_process_that_starts_after_the_change_counts_from_the_date_of_the_version() {
        let known = KnownSecrets::after_read(None, secrets("new"), Some(0), 10 * DAY_MS, DAY);
        assert!(!known.needs_previous(10 * DAY_MS));
        assert!(!known.needs_previous(DAY_MS));
        assert!(known.needs_previous(DAY_MS - 1));
    }

    #[test]
    fn a_version_that_was_read_before_changes_nothing() {
        let known = first_read(Some(5_000), DAY);
        let again = KnownSecrets::after_read(Some(&known), secrets("new"), Some(5_000), 20 * DAY_MS, DAY);
        assert_eq!(accepted(&again, 5_000 + DAY_MS - 1), accepted(&known, 5_000 + DAY_MS - 1));
        assert_eq!(accepted(&again, 5_000 + DAY_MS), ["new"]);
        assert!(again.previous().is_some() && again.previous() == known.previous());
        assert!(!again.needs_previous(0));
    }

    #[test]
    fn a_secret_that_is_stored_twice_drops_the_one_before_it() {
        let now = 10 * DAY_MS;
        let leaked = KnownSecrets::after_read(None, secrets("leaked"), Some(0), now, DAY);
        let once = KnownSecrets::after_read(Some(&leaked), secrets("new"), Some(now), now, DAY);
        let twice = KnownSecrets::after_read(Some(&once), secrets("new"), Some(now + 1), now + 1, DAY);
        assert_eq!(accepted(&twice, now + 1), ["new", "new"]);
    }
}
