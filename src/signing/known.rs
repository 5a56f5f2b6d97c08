//! The known secrets, and how a new version replaces them. Pure; the caller passes the time.

use std::time::Duration;

use super::secret::{SigningSecret, SigningSecrets};

/// A version of the secret in Secrets Manager.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its `VersionId`, which shows whether the current secret has changed.
    pub id: String,
    /// What it holds.
    pub secrets: SigningSecrets,
    /// Its `CreatedDate`, as Unix time in milliseconds. It may become `AWSCURRENT` much later.
    pub created_at: Option<i64>,
}

/// The secrets that are known at one moment.
#[derive(Debug, Clone)]
pub struct KnownSecrets {
    current: Version,
    previous: Option<Previous>,
    /// Until when the previous ones are accepted, as Unix time in milliseconds.
    previous_until: i64,
}

/// What is known of `AWSPREVIOUS`.
#[derive(Debug, Clone)]
struct Previous {
    /// `None` if the version is invalid and nothing was known before.
    secrets: Option<SigningSecrets>,
    created_at: Option<i64>,
}

impl KnownSecrets {
    /// Secrets that never change.
    pub fn fixed(secrets: SigningSecrets) -> Self {
        let current = Version { id: String::new(), secrets, created_at: None };
        Self { current, previous: None, previous_until: i64::MIN }
    }

    /// What is known after `AWSCURRENT` was read `now`, as Unix time in milliseconds. The previous secrets are accepted for
    /// `lifetime` after the version was stored. If this process saw the change itself, the lifetime counts from now, because a
    /// version can be stored long before it becomes `AWSCURRENT`. A lifetime of zero always counts from the version's date.
    pub fn after_read(before: Option<&Self>, current: Version, now: i64, lifetime: Duration) -> Self {
        let changed_at = match before {
            Some(before) if before.current.id == current.id => return before.clone(),
            Some(_) if !lifetime.is_zero() => current.created_at.max(Some(now)),
            Some(_) | None => current.created_at,
        };
        let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        Self {
            // The secret that was current until now counts as the previous one until AWSPREVIOUS is read, or if that fails.
            previous: before.map(|Self { current: Version { secrets, created_at, .. }, .. }| Previous {
                secrets: Some(secrets.clone()),
                created_at: *created_at,
            }),
            previous_until: changed_at.map_or(i64::MIN, |changed_at| changed_at.saturating_add(lifetime)),
            current,
        }
    }

    /// The same, with `AWSPREVIOUS`; `None` if there is no such version.
    pub fn with_previous(self, previous: Option<Version>) -> Self {
        let previous =
            previous.map(|Version { secrets, created_at, .. }| Previous { secrets: Some(secrets), created_at });
        Self { previous, ..self }
    }

    /// The same, if `AWSPREVIOUS` is invalid. The secrets that were known before are kept: if a mistake was repaired, the label
    /// is on the mistake, and the valid secret before it has none.
    pub fn with_invalid_previous(self, created_at: Option<i64>) -> Self {
        let secrets = self.previous.and_then(|previous| previous.secrets);
        Self { previous: Some(Previous { secrets, created_at }), ..self }
    }

    /// The `VersionId` of `AWSCURRENT`.
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// What `AWSCURRENT` holds.
    pub fn current_secrets(&self) -> &SigningSecrets {
        &self.current.secrets
    }

    /// Whether a previous secret is accepted at this time (Unix milliseconds).
    pub fn accepts_previous_at(&self, time: i64) -> bool {
        time < self.previous_until
    }

    /// Every secret that is accepted at this time (Unix milliseconds).
    pub fn accepted_at(&self, time: i64) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous_secrets().filter(move |_| self.accepts_previous_at(time));
        self.current.secrets.iter().chain(previous)
    }

    /// Every secret, whether it is accepted or not.
    pub fn all(&self) -> impl Iterator<Item = &SigningSecret> {
        self.current.secrets.iter().chain(self.previous_secrets())
    }

    /// Whether no secret that was current at this time (Unix milliseconds) can have lost its label since: there is no
    /// `AWSPREVIOUS`, or it was stored by then. After two changes, the secret before them has no label.
    pub fn reach_back_to(&self, time: i64) -> bool {
        self.previous.as_ref().is_none_or(|previous| previous.created_at.is_some_and(|created_at| created_at <= time))
    }

    fn previous_secrets(&self) -> impl Iterator<Item = &SigningSecret> {
        self.previous.iter().filter_map(|previous| previous.secrets.as_ref()).flat_map(SigningSecrets::iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    const DAY: Duration = Duration::from_secs(86_400);
    const DAY_MS: i64 = 86_400_000;
    const NOW: i64 = 10 * DAY_MS;

    /// A version whose `VersionId` is its value.
    fn version(text: &str, created_at: Option<i64>) -> Version {
        let secrets = SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap();
        Version { id: text.to_owned(), secrets, created_at }
    }

    fn texts<'a>(secrets: impl Iterator<Item = &'a SigningSecret>) -> Vec<String> {
        secrets.map(|secret| String::from_utf8(secret.bytes().to_vec()).unwrap()).collect()
    }

    fn accepted(known: &KnownSecrets, now: i64) -> Vec<String> {
        texts(known.accepted_at(now))
    }

    fn first_read(created_at: Option<i64>, lifetime: Duration) -> KnownSecrets {
        let known = KnownSecrets::after_read(None, version("new", created_at), NOW, lifetime);
        known.with_previous(Some(version(r#"["a","b"]"#, Some(0))))
    }

    #[test]
    fn the_previous_secrets_are_accepted_until_their_time_is_over_and_no_longer() {
        let known = first_read(Some(5_000), Duration::from_secs(60));
        assert_eq!(accepted(&known, 64_999), ["new", "a", "b"]);
        assert_eq!(accepted(&known, 65_000), ["new"]);
        assert_eq!(texts(known.all()), ["new", "a", "b"]);
        assert_eq!(accepted(&first_read(Some(5_000), Duration::from_secs(u64::MAX)), i64::MAX - 1).len(), 3);
    }

    #[test]
    fn a_lifetime_of_zero_accepts_the_previous_secret_only_for_what_was_received_before_the_change() {
        let known = first_read(Some(5_000), Duration::ZERO);
        assert_eq!(accepted(&known, 4_999), ["new", "a", "b"]);
        assert_eq!(accepted(&known, 5_000), ["new"]);
    }

    #[test]
    fn a_lifetime_of_zero_counts_from_the_versions_date_in_a_process_that_sees_the_change_too() {
        let before = KnownSecrets::after_read(None, version("old", Some(0)), NOW - 1, Duration::ZERO);
        let known = KnownSecrets::after_read(Some(&before), version("new", Some(NOW - 5_000)), NOW, Duration::ZERO);
        assert_eq!(accepted(&known, NOW - 5_001), ["new", "old"]);
        assert_eq!(accepted(&known, NOW - 5_000), ["new"]);
    }

    #[test]
    fn a_version_without_a_date_accepts_no_previous_secret_unless_its_change_was_seen() {
        assert_eq!(accepted(&first_read(None, DAY), 0), ["new"]);
    }

    #[test]
    fn a_version_stored_long_ago_that_becomes_current_now_leaves_the_previous_one_its_whole_time() {
        let before = KnownSecrets::after_read(None, version("old", Some(0)), NOW - DAY_MS, DAY);
        let known = KnownSecrets::after_read(Some(&before), version("new", Some(NOW - 2 * DAY_MS)), NOW, DAY);
        assert_eq!(accepted(&known, NOW + DAY_MS - 1), ["new", "old"]);
        assert_eq!(accepted(&known, NOW + DAY_MS), ["new"]);
    }

    #[test]
    fn a_label_that_moves_back_counts_from_the_moment_at_which_it_was_seen() {
        let newer = KnownSecrets::after_read(None, version("newer", Some(NOW - 1)), NOW, DAY);
        let known = KnownSecrets::after_read(Some(&newer), version("older", Some(0)), NOW, DAY);
        assert_eq!(accepted(&known, NOW + DAY_MS - 1), ["older", "newer"]);
    }

    #[test]
    fn a_process_that_starts_after_the_change_counts_from_the_date_of_the_version() {
        let known = KnownSecrets::after_read(None, version("new", Some(0)), NOW, DAY);
        assert!(known.accepts_previous_at(DAY_MS - 1) && !known.accepts_previous_at(DAY_MS));
    }

    #[test]
    fn a_version_that_was_read_before_changes_nothing() {
        let known = first_read(Some(5_000), DAY);
        let again = KnownSecrets::after_read(Some(&known), version("new", Some(5_000)), 2 * NOW, DAY);
        for time in [5_000 + DAY_MS - 1, 5_000 + DAY_MS] {
            assert_eq!(accepted(&again, time), accepted(&known, time));
        }
        assert_eq!(texts(again.all()), texts(known.all()));
    }

    #[test]
    fn a_secret_that_is_stored_twice_drops_the_one_before_it() {
        let stored = |id: &str, time| Version { id: id.to_owned(), ..version("new", Some(time)) };
        let leaked = KnownSecrets::after_read(None, version("leaked", Some(0)), NOW, DAY);
        let once = KnownSecrets::after_read(Some(&leaked), stored("1", NOW), NOW, DAY);
        assert_eq!(accepted(&once, NOW), ["new", "leaked"]);
        let twice = KnownSecrets::after_read(Some(&once), stored("2", NOW + 1), NOW + 1, DAY);
        assert_eq!(accepted(&twice, NOW + 1), ["new", "new"]);
    }

    #[test]
    fn an_invalid_previous_version_leaves_what_was_known_before() {
        let old = KnownSecrets::after_read(None, version("old", Some(0)), NOW, DAY);
        let repaired = KnownSecrets::after_read(Some(&old), version("new", Some(NOW)), NOW, DAY);
        assert_eq!(accepted(&repaired.with_invalid_previous(Some(NOW - 1)), NOW), ["new", "old"]);
        let cold = KnownSecrets::after_read(None, version("new", Some(NOW)), NOW, DAY);
        assert_eq!(accepted(&cold.with_invalid_previous(Some(NOW - 1)), NOW), ["new"]);
    }

    #[test]
    fn what_is_known_reaches_back_to_the_time_at_which_the_previous_version_was_stored() {
        let known = KnownSecrets::after_read(None, version("new", Some(NOW)), NOW, DAY);
        assert!(known.reach_back_to(i64::MIN), "without a previous version, no secret was ever replaced");
        let known = known.with_previous(Some(version("old", Some(5_000))));
        assert!(known.reach_back_to(5_000) && !known.reach_back_to(4_999));
        let known = known.with_previous(Some(version("old", None)));
        assert!(!known.reach_back_to(i64::MAX));
    }
}
