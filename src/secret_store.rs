//! The signing secrets in Secrets Manager: read at start, and again when no known one matches, so that a rotation needs no
//! deployment.
//!
//! A read goes on in the background and is shared by all that wait for it. It brings `AWSCURRENT` first, and then, while
//! that is young enough for it to matter, `AWSPREVIOUS`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::aws::Aws;
use crate::budget::{self, Deadline};
use crate::clock::unix_milliseconds;
use crate::config::SecretSource;
use crate::known_secrets::KnownSecrets;
use crate::retry::{CallError, attempts, hedged};
use crate::signing_secret::{InvalidSecret, SigningSecrets};

/// The least time between two reads while secrets are known: forged requests must cost little.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The least time between two reads while none is known, since nothing can be verified until one is.
const READ_FIRST_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The age at which a read is no longer joined: it may have begun before a freeze, and bring what was true then.
const JOIN_WITHIN: Duration = Duration::from_secs(4);

/// Where the secrets in force come from.
#[derive(Debug)]
pub enum SecretStore {
    /// The configuration; they never change.
    Static(Arc<KnownSecrets>),
    /// A secret in Secrets Manager.
    SecretsManager(StoredSecrets),
}

/// A secret in Secrets Manager, and what was last read of it.
#[derive(Debug)]
pub struct StoredSecrets {
    reader: Arc<Reader>,
    state: Arc<Mutex<State>>,
}

/// A read that may still be going on; it reports each version as it comes, and closes at its end. The value is whether
/// everything that is needed was read.
#[derive(Debug)]
pub struct Reading(watch::Receiver<bool>);

#[derive(Debug)]
struct Reader {
    client: Client,
    id: String,
    previous_secret: Duration,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<KnownSecrets>>,
    read_at: Option<Instant>,
    reading: Option<watch::Receiver<bool>>,
    error: Option<String>,
}

/// Why a version of a secret could not be read. Nothing of the secret is quoted.
#[derive(Debug)]
enum ReadError {
    Call(CallError),
    Invalid(InvalidSecret),
}

impl SecretStore {
    /// The store of this source; nothing is read yet.
    pub fn new(source: SecretSource, previous_secret: Duration, aws: &Aws) -> Self {
        match source {
            SecretSource::Static(secrets) => Self::Static(Arc::new(KnownSecrets::only(secrets))),
            SecretSource::SecretsManager(id) => Self::SecretsManager(StoredSecrets {
                reader: Arc::new(Reader { client: aws.secrets_manager(), id, previous_secret }),
                state: Arc::default(),
            }),
        }
    }

    /// The secrets in force.
    pub fn known(&self) -> Option<Arc<KnownSecrets>> {
        match self {
            Self::Static(known) => Some(Arc::clone(known)),
            Self::SecretsManager(stored) => stored.state().known.clone(),
        }
    }

    /// Joins the read that is going on or begins one; `None` where it is too soon for another or there is nothing to read.
    pub fn refresh(&self) -> Option<Reading> {
        match self {
            Self::Static(_) => None,
            Self::SecretsManager(stored) => {
                let pause = if stored.state().known.is_some() { READ_AGAIN_AFTER } else { READ_FIRST_AGAIN_AFTER };
                stored.refresh(JOIN_WITHIN, pause, unix_milliseconds(SystemTime::now()))
            }
        }
    }

    /// Reads now, for what was signed at this time (Unix milliseconds) or later; whether everything that is needed to
    /// judge it was read with success.
    pub async fn read_for(&self, signed_at: i64, deadline: Deadline) -> bool {
        match self {
            Self::Static(_) => true,
            Self::SecretsManager(stored) => match stored.refresh(Duration::ZERO, Duration::ZERO, signed_at) {
                Some(reading) => reading.ended(deadline).await,
                None => false,
            },
        }
    }

    /// Why the last read failed: a code and a message.
    pub fn error(&self) -> String {
        let error = match self {
            Self::Static(_) => None,
            Self::SecretsManager(stored) => stored.state().error.clone(),
        };
        error.unwrap_or_else(|| "TimedOut: The signing secret was not read in time.".to_owned())
    }
}

impl Reading {
    /// Waits until something new is known; false where the read has ended or the deadline comes first.
    pub async fn changed(&mut self, deadline: Deadline) -> bool {
        matches!(timeout_at(deadline.instant(), self.0.changed()).await, Ok(Ok(())))
    }

    /// Waits for the end of the read; whether it brought everything.
    async fn ended(mut self, deadline: Deadline) -> bool {
        while self.changed(deadline).await {}
        *self.0.borrow()
    }
}

impl StoredSecrets {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Joins a read that began within `join`, or begins one where the last began longer ago than `pause`.
    fn refresh(&self, join: Duration, pause: Duration, signed_at: i64) -> Option<Reading> {
        let mut state = self.state();
        let is_within = |time| state.read_at.is_some_and(|read_at| read_at.elapsed() < time);
        let reading = state.reading.as_ref().filter(|reading| is_within(join) && reading.has_changed().is_ok());
        if let Some(reading) = reading {
            return Some(Reading(reading.clone()));
        }
        if is_within(pause) {
            return None;
        }
        let (progress, reading) = watch::channel(false);
        state.read_at = Some(Instant::now());
        state.reading = Some(reading.clone());
        tokio::spawn(read(Arc::clone(&self.reader), Arc::clone(&self.state), progress, signed_at));
        Some(Reading(reading))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One read: the current version, and the previous one where it may be accepted for what was signed at this time.
async fn read(reader: Arc<Reader>, state: Arc<Mutex<State>>, progress: watch::Sender<bool>, signed_at: i64) {
    let (current, created_at) = match reader.read("AWSCURRENT").await {
        Ok(version) => version,
        Err(error) => return reader.fail(&state, &error),
    };
    let now = unix_milliseconds(SystemTime::now());
    let before = lock(&state).known.clone();
    let known = KnownSecrets::after_read(before.as_deref(), current, created_at, now, reader.previous_secret);
    let needs_previous = known.needs_previous(signed_at);
    lock(&state).known = Some(Arc::new(known.clone()));
    progress.send_replace(!needs_previous);
    if needs_previous {
        let previous = match reader.read("AWSPREVIOUS").await {
            Ok((secrets, _)) => Some(secrets),
            Err(ReadError::Call(error)) if error.code == "ResourceNotFoundException" => None,
            // A repaired secret has the slip as its previous version, which nothing can be signed with.
            Err(ReadError::Invalid(_)) => known.previous().cloned(),
            Err(error) => return reader.fail(&state, &error),
        };
        lock(&state).known = Some(Arc::new(known.with_previous(previous)));
        progress.send_replace(true);
    }
}

impl Reader {
    /// One version with the time of its creation in Unix milliseconds.
    async fn read(&self, stage: &str) -> Result<(SigningSecrets, Option<i64>), ReadError> {
        let deadline = Deadline::after(budget::SECRET_READ);
        let get = || async {
            let request = self.client.get_secret_value().secret_id(&self.id).version_stage(stage);
            Ok(request.send().await?)
        };
        // A slow answer is still waited for while a second read goes over another connection.
        let output = hedged(budget::SECRET_LATE, || async move { attempts(deadline, &mut 0, get).await }).await;
        secrets_of(output.map_err(ReadError::Call)?).map_err(ReadError::Invalid)
    }

    fn fail(&self, state: &Mutex<State>, error: &ReadError) {
        lock(state).error = Some(error.to_string());
        match error {
            ReadError::Call(error) => tracing::error!(
                secretId = self.id,
                error = %error,
                "The signing secret could not be read; check that it exists and that the function's role may read it."
            ),
            ReadError::Invalid(why) => tracing::error!(secretId = self.id, "The signing secret is invalid: {why}."),
        }
    }
}

fn secrets_of(output: GetSecretValueOutput) -> Result<(SigningSecrets, Option<i64>), InvalidSecret> {
    let created_at = output.created_date().and_then(|date| date.to_millis().ok());
    let text = output.secret_string.ok_or(InvalidSecret::NotText)?;
    Ok((SigningSecrets::parse(Zeroizing::new(text))?, created_at))
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(formatter),
            Self::Invalid(why) => write!(formatter, "InvalidSecret: The signing secret is invalid: {why}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_secret_is_invalid() {
        let binary = GetSecretValueOutput::builder().secret_binary(aws_smithy_types::Blob::new(b"x")).build();
        assert_eq!(secrets_of(binary).err(), Some(InvalidSecret::NotText));
    }
}
