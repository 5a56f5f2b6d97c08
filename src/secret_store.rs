//! The signing secrets in force: read at start, read again when no known one matches, so that a rotation needs no deployment.
//!
//! A read goes on in the background and is shared by all who wait for it. It brings `AWSCURRENT` first, and then, while
//! that is young enough for it to matter, `AWSPREVIOUS`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::budget::{self, Deadline};
use crate::clock::unix_milliseconds;
use crate::retry::{CallError, attempts};
use crate::signing_secret::{InvalidSecret, SigningSecret, SigningSecrets};

/// The least time between two reads while secrets are known: forged requests must cost little.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The least time between two reads while none is known, since nothing can be verified until one is.
const READ_FIRST_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// An attempt that fails within this time may be followed by another one in the same read.
const FAST_FAILURE: Duration = Duration::from_millis(700);

/// Where the handler finds the secrets that are in force.
#[derive(Debug)]
pub enum SecretStore {
    /// Secrets that came with the configuration and never change.
    Static(Arc<KnownSecrets>),
    /// Secrets in Secrets Manager.
    SecretsManager(StoredSecrets),
}

/// The secrets that are known at one moment.
#[derive(Debug, Clone)]
pub struct KnownSecrets {
    current: SigningSecrets,
    previous: Option<SigningSecrets>,
    /// Whether `AWSPREVIOUS` was read since the current ones came; it does not change without them.
    is_previous_read: bool,
    /// Until when the previous ones are accepted, in milliseconds since the Unix epoch.
    previous_until: i64,
}

/// A secret in Secrets Manager, and what was last read of it.
#[derive(Debug)]
pub struct StoredSecrets {
    reader: Arc<Reader>,
    state: Arc<Mutex<State>>,
}

/// A read that may still be going on; it tells of each version as it comes, and closes at its end.
#[derive(Debug)]
pub struct Reading(watch::Receiver<()>);

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
    reading: Option<watch::Receiver<()>>,
}

/// Why a version of a secret could not be read.
#[derive(Debug)]
enum ReadError {
    Call(CallError),
    Invalid(InvalidSecret),
}

impl SecretStore {
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
            Self::SecretsManager(stored) => stored.refresh(),
        }
    }
}

impl Reading {
    /// Waits until something new is known; false where the read has ended or the deadline comes first.
    pub async fn changed(&mut self, deadline: Deadline) -> bool {
        matches!(timeout_at(deadline.instant(), self.0.changed()).await, Ok(Ok(())))
    }
}

impl KnownSecrets {
    /// Secrets without previous ones.
    pub fn only(current: SigningSecrets) -> Self {
        Self { current, previous: None, is_previous_read: true, previous_until: i64::MIN }
    }

    /// Every secret that is accepted at this time, in milliseconds since the Unix epoch.
    pub fn accepted_at(&self, now: i64) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous.iter().filter(move |_| now < self.previous_until);
        self.current.iter().chain(previous.flat_map(SigningSecrets::iter))
    }
}

impl StoredSecrets {
    /// The secret of this name or ARN; nothing is read yet.
    pub fn new(client: Client, id: String, previous_secret: Duration) -> Self {
        Self { reader: Arc::new(Reader { client, id, previous_secret }), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn refresh(&self) -> Option<Reading> {
        let mut state = self.state();
        if let Some(reading) = state.reading.as_ref().filter(|reading| reading.has_changed().is_ok()) {
            return Some(Reading(reading.clone()));
        }
        let pause = if state.known.is_some() { READ_AGAIN_AFTER } else { READ_FIRST_AGAIN_AFTER };
        if state.read_at.is_some_and(|read_at| read_at.elapsed() < pause) {
            return None;
        }
        let (news, reading) = watch::channel(());
        state.read_at = Some(Instant::now());
        state.reading = Some(reading.clone());
        tokio::spawn(read(Arc::clone(&self.reader), Arc::clone(&self.state), news));
        Some(Reading(reading))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One read: the current version, and the previous one while it may still be accepted.
async fn read(reader: Arc<Reader>, state: Arc<Mutex<State>>, news: watch::Sender<()>) {
    let (current, created_at) = match reader.read("AWSCURRENT").await {
        Ok(Some(version)) => version,
        Ok(None) => return,
        Err(error) => return error.log(&reader.id),
    };
    let previous_until = previous_until(created_at, reader.previous_secret);
    let before = lock(&state).known.clone();
    let known = match before {
        Some(before) if before.current == current && before.previous_until == previous_until => (*before).clone(),
        // What was current until now is the previous one, until AWSPREVIOUS itself is read and in case that fails.
        before => KnownSecrets {
            previous: before.map(|before| before.current.clone()),
            is_previous_read: false,
            current,
            previous_until,
        },
    };
    lock(&state).known = Some(Arc::new(known.clone()));
    news.send_replace(());
    if known.is_previous_read || unix_milliseconds(SystemTime::now()) >= previous_until {
        return;
    }
    match reader.read("AWSPREVIOUS").await {
        Ok(previous) => {
            let previous = previous.map(|(secrets, _)| secrets);
            lock(&state).known = Some(Arc::new(KnownSecrets { previous, is_previous_read: true, ..known }));
            news.send_replace(());
        }
        Err(error) => error.log(&reader.id),
    }
}

impl Reader {
    /// One version with the time of its creation in Unix milliseconds; `None` where there is no previous version.
    async fn read(&self, stage: &str) -> Result<Option<(SigningSecrets, Option<i64>)>, ReadError> {
        let began = Instant::now();
        let get = || async {
            let request = self.client.get_secret_value().secret_id(&self.id).version_stage(stage);
            let output = request.send().await.map_err(CallError::from);
            // A slow failure leaves no time for another attempt, so it is made permanent.
            output.map_err(|error| if began.elapsed() < FAST_FAILURE { error } else { error.permanent() })
        };
        match attempts(Deadline::after(budget::SECRET_READ), &mut 0, get).await {
            Ok(output) => secrets_of(output).map(Some).map_err(ReadError::Invalid),
            Err(error) if stage == "AWSPREVIOUS" && error.code == "ResourceNotFoundException" => Ok(None),
            Err(error) => Err(ReadError::Call(error)),
        }
    }
}

/// Until when the version before this one is accepted. A version without a date has no previous one that could be.
fn previous_until(created_at: Option<i64>, lifetime: Duration) -> i64 {
    let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    created_at.map_or(i64::MIN, |created_at| created_at.saturating_add(lifetime))
}

fn secrets_of(output: GetSecretValueOutput) -> Result<(SigningSecrets, Option<i64>), InvalidSecret> {
    let created_at = output.created_date().and_then(|date| date.to_millis().ok());
    let text = output.secret_string.ok_or(InvalidSecret::NotText)?;
    Ok((SigningSecrets::parse(Zeroizing::new(text))?, created_at))
}

impl ReadError {
    fn log(&self, id: &str) {
        match self {
            Self::Call(error) => tracing::error!(
                secretId = id,
                error = %error,
                "The signing secret could not be read; check that it exists and that the function's role may read it."
            ),
            Self::Invalid(why) => {
                tracing::error!(secretId = id, "The signing secret cannot be used: {why}.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> SigningSecrets {
        SigningSecrets::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn the_previous_secrets_are_accepted_until_their_time_is_over_and_no_longer() {
        let (current, previous) = (secrets("new"), Some(secrets(r#"["a","b"]"#)));
        let known = KnownSecrets { current, previous, is_previous_read: true, previous_until: 1_000 };
        let accepted = |now| known.accepted_at(now).map(|secret| secret.bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(accepted(999), [&b"new"[..], b"a", b"b"]);
        assert_eq!(accepted(1_000), [b"new"]);
    }

    #[test]
    fn no_lifetime_and_no_date_both_mean_that_no_previous_secret_is_accepted() {
        let seconds = Duration::from_secs;
        assert_eq!(previous_until(Some(5_000), seconds(0)), 5_000);
        assert_eq!(previous_until(Some(5_000), seconds(60)), 65_000);
        assert_eq!(previous_until(Some(5_000), seconds(u64::MAX)), i64::MAX);
        assert_eq!(previous_until(None, seconds(60)), i64::MIN);
    }

    #[test]
    fn a_binary_secret_is_invalid() {
        let binary = GetSecretValueOutput::builder().secret_binary(aws_smithy_types::Blob::new(b"x")).build();
        assert_eq!(secrets_of(binary).err(), Some(InvalidSecret::NotText));
    }
}
