//! One read of the signing secret: which versions Secrets Manager has under which label.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use thiserror::Error;
use zeroize::Zeroizing;

use super::known::{KnownSecrets, Version};
use super::secret::{InvalidSecret, SigningSecrets};
use crate::aws::budget::{self, Deadline};
use crate::aws::retry::{CallError, attempts, hedged};
use crate::clock;

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
const PENDING: &str = "AWSPENDING";

/// How old an `AWSPENDING` version may be to count as a rotation in progress, in milliseconds.
const ROTATION: i64 = 1_800_000;

/// A request that is judged by a read was received at most this long before, in milliseconds. What was received before the
/// previous secret's time was over is accepted.
const RECEIVED_WITHIN: i64 = 5_000;

/// Reads one secret.
#[derive(Debug)]
pub(super) struct Reader {
    client: Client,
    id: String,
    previous_secret: Duration,
    /// Whether `AWSPENDING` ever had a response other than *access denied*.
    has_read_pending: AtomicBool,
    has_warned_of_pending: AtomicBool,
}

/// Which labels a read asks for in addition to `AWSCURRENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    /// `AWSPREVIOUS`, even after its lifetime.
    pub always_previous: bool,
    /// `AWSPENDING`, which marks a rotation in progress.
    pub pending: bool,
}

/// What a complete read found in addition to the secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rotation {
    NotInProgress,
    /// `AWSPENDING` is on another version than `AWSCURRENT`
    /// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_how.html>).
    InProgress,
}

/// Why a version of the secret could not be read. It quotes nothing from the secret.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("InvalidSecret: The signing secret is invalid: {why}.")]
    Invalid { why: InvalidSecret, created_at: Option<i64> },
}

/// The version that a label is on; its value is not looked at.
struct Labelled {
    id: String,
    created_at: Option<i64>,
}

impl Reader {
    pub(super) fn new(client: Client, id: String, previous_secret: Duration) -> Self {
        Self {
            client,
            id,
            previous_secret,
            has_read_pending: AtomicBool::new(false),
            has_warned_of_pending: AtomicBool::new(false),
        }
    }

    /// Reads these labels. `learn` is called after each version with what is known then, so that a request can be verified
    /// with the current secret before the others are read.
    pub(super) async fn read(
        &self,
        before: Option<&KnownSecrets>,
        labels: Labels,
        learn: impl Fn(KnownSecrets),
    ) -> Result<Rotation, ReadError> {
        let secrets = async {
            let current = self.version(CURRENT).await?;
            let known = KnownSecrets::after_read(before, current, clock::now(), self.previous_secret);
            self.warn_of_short_keys(before, &known);
            learn(known.clone());
            // Read after the current one, so that a change in between hides no secret.
            let known = if labels.always_previous || known.accepts_previous_at(clock::now() - RECEIVED_WITHIN) {
                let known = self.with_previous(known).await?;
                learn(known.clone());
                known
            } else {
                known
            };
            Ok(known)
        };
        if !labels.pending {
            return secrets.await.map(|_| Rotation::NotInProgress);
        }
        let (known, pending) = tokio::join!(secrets, self.pending());
        self.rotation(&known?, pending)
    }

    async fn with_previous(&self, known: KnownSecrets) -> Result<KnownSecrets, ReadError> {
        match self.version(PREVIOUS).await {
            Ok(version) => Ok(known.with_previous(Some(version))),
            Err(ReadError::Call(error)) if error.is_not_found() => Ok(known.with_previous(None)),
            Err(ReadError::Invalid { created_at, .. }) => Ok(known.with_invalid_previous(created_at)),
            Err(error) => Err(error),
        }
    }

    /// Notes an answer at once, since it counts even if the rest of the read fails.
    async fn pending(&self) -> Result<Labelled, CallError> {
        let pending = self.labelled(PENDING).await;
        if pending.as_ref().err().is_none_or(CallError::is_not_found) {
            self.has_read_pending.store(true, Ordering::Relaxed);
        }
        pending
    }

    /// What `AWSPENDING` says. If it never had another response, *access denied* means that the policy allows only some labels.
    fn rotation(&self, known: &KnownSecrets, pending: Result<Labelled, CallError>) -> Result<Rotation, ReadError> {
        match pending {
            Ok(version) => {
                let is_recent = version.created_at.is_some_and(|created_at| clock::now() - created_at <= ROTATION);
                let is_in_progress = is_recent && version.id != known.current_id();
                Ok(if is_in_progress { Rotation::InProgress } else { Rotation::NotInProgress })
            }
            Err(error) if error.is_not_found() => Ok(Rotation::NotInProgress),
            Err(error) if error.is_access_denied() && !self.has_read_pending.load(Ordering::Relaxed) => {
                if !self.has_warned_of_pending.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        secretId = self.id,
                        error = %error,
                        "The function's role may not read the version AWSPENDING of the signing secret. During a rotation, requests \
                         that the new secret signs are therefore refused. Allow the role to read all versions of the secret."
                    );
                }
                Ok(Rotation::NotInProgress)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn version(&self, label: &str) -> Result<Version, ReadError> {
        version_of(self.get(label).await?)
    }

    async fn labelled(&self, label: &str) -> Result<Labelled, CallError> {
        self.get(label).await.map(Labelled::from)
    }

    async fn get(&self, label: &str) -> Result<GetSecretValueOutput, CallError> {
        let deadline = Deadline::after(budget::SECRET_READ);
        let get = || async {
            let request = self.client.get_secret_value().secret_id(&self.id).version_stage(label);
            Ok(request.send().await?)
        };
        // Still waits for a slow response while a second call uses another connection.
        hedged(budget::SECRET_LATE, || async move { attempts(deadline, get).await }).await
    }

    fn warn_of_short_keys(&self, before: Option<&KnownSecrets>, known: &KnownSecrets) {
        if before.is_some_and(|before| before.current_id() == known.current_id()) {
            return;
        }
        if let Some(keys) = known.current_secrets().count_with_a_short_one() {
            tracing::warn!(
                secretId = self.id,
                keys,
                "Every string at the top level of the stored secret is accepted as a signing secret, and one of them has fewer than \
                 16 characters. Store only signing secrets there."
            );
        }
    }

    /// Logs why a read failed.
    pub(super) fn log(&self, error: &ReadError) {
        match error {
            ReadError::Call(error @ CallError::Service(_)) => tracing::error!(
                secretId = self.id,
                error = %error,
                "The signing secret could not be read. Check that it exists and that the function's role may read it."
            ),
            ReadError::Call(error) => tracing::error!(
                secretId = self.id,
                error = %error,
                "Secrets Manager could not be reached to read the signing secret; check the function's network, proxy and \
                 certificates, if it has its own."
            ),
            ReadError::Invalid { why, .. } => {
                tracing::error!(secretId = self.id, "The signing secret is invalid: {why}.");
            }
        }
    }
}

impl From<GetSecretValueOutput> for Labelled {
    fn from(output: GetSecretValueOutput) -> Self {
        let created_at = output.created_date().and_then(|date| date.to_millis().ok());
        Self { id: output.version_id.unwrap_or_default(), created_at }
    }
}

fn version_of(mut output: GetSecretValueOutput) -> Result<Version, ReadError> {
    let text = output.secret_string.take().ok_or(InvalidSecret::NotText);
    let secrets = text.and_then(|text| SigningSecrets::parse(Zeroizing::new(text)));
    let Labelled { id, created_at } = Labelled::from(output);
    match secrets {
        Ok(secrets) => Ok(Version { id, secrets, created_at }),
        Err(why) => Err(ReadError::Invalid { why, created_at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_secret_is_invalid() {
        let binary = GetSecretValueOutput::builder().secret_binary(aws_smithy_types::Blob::new(b"x")).build();
        assert!(matches!(version_of(binary), Err(ReadError::Invalid { why: InvalidSecret::NotText, .. })));
    }
}
