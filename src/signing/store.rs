//! When the signing secrets are read, and whether a request that none of them signed is forged.
//!
//! They are read at start, when no known one matches, and when they are old, so that a rotation needs no deployment. A read
//! runs in the background, and all waiting requests share it. A new read replaces one that is still running, so that an older
//! response never overwrites a newer one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::known::KnownSecrets;
use super::read::{Labels, Reader, Rotation};
use super::secret::SigningSecrets;
use super::signature::{Signed, Verified};
use super::stray::StrayCharacter;
use crate::aws::Aws;
use crate::aws::budget::{self, Deadline};
use crate::clock;
use crate::outcome::{Outcome, Reason};

/// The least time between two reads while secrets are known, in milliseconds: forged requests must cost little. A mismatch
/// is final if the secrets were read at most this long ago.
const READ_AGAIN_AFTER: u64 = 3_000;

/// The least time between two reads while none is known, in milliseconds, since nothing can be verified until one is.
const READ_FIRST_AGAIN_AFTER: u64 = 1_000;

/// The age at which secrets are read again before they are used, in milliseconds: a warm process must not accept a replaced
/// secret for hours.
const OLD_AFTER: u64 = 300_000;

/// Where the signing secrets come from.
#[derive(Debug)]
pub enum SecretSource {
    /// The name or ARN of a secret in Secrets Manager.
    SecretsManager(String),
    /// The environment itself.
    Static(SigningSecrets),
}

/// Where the known secrets come from.
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

/// The result for a request.
#[derive(Debug)]
pub enum Judgement {
    /// An accepted secret made its signature.
    Authentic(Verified),
    /// No accepted secret made its signature.
    Forged {
        /// The stray character without which a stored secret would match.
        stray_character: Option<StrayCharacter>,
    },
    /// No known secret made its signature, and one that is not known may have made it.
    CannotBeJudged(Signed, CannotBeJudged),
}

/// Why a signature that no known secret made is not a forgery yet. The text is a code and a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CannotBeJudged {
    /// No secret is known, or the latest read of it failed or did not end in time; why.
    #[error("{0}")]
    SecretUnavailable(Arc<str>),
    /// A rotation is in progress, so the secret that made it may not be stored yet.
    #[error(
        "RotationInProgress: Another version of the signing secret is labelled AWSPENDING, so a rotation is in progress."
    )]
    RotationInProgress,
}

/// What is known after a read of all versions of the secret.
#[derive(Debug)]
pub struct AllVersions {
    /// The known secrets, if there are any. They are older than the read if it failed.
    pub known: Option<Arc<KnownSecrets>>,
    /// Why a signature that none of them made is not a forgery yet, as far as the read tells.
    pub mismatch: Result<(), CannotBeJudged>,
}

/// Why the secrets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// None is known.
    First,
    /// The known ones are old.
    Age,
    /// None of the known ones made a signature.
    Mismatch,
}

/// A read that may still be running. Its value changes with each version that is read.
#[derive(Debug, Clone)]
struct Reading {
    began_at: i64,
    labels: Labels,
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

#[derive(Debug, Clone)]
enum Progress {
    GoingOn,
    Ended(Result<Rotation, CannotBeJudged>),
}

#[derive(Debug, Default)]
struct State {
    known: Option<Arc<KnownSecrets>>,
    /// When the latest read that succeeded began, or the first that learned something, as Unix time in milliseconds.
    read_at: Option<i64>,
    latest: Option<Reading>,
}

impl SecretStore {
    /// The store of this source; nothing is read yet.
    pub fn new(source: SecretSource, previous_secret: Duration, aws: &Aws) -> Self {
        match source {
            SecretSource::Static(secrets) => Self::Static(Arc::new(KnownSecrets::fixed(secrets))),
            SecretSource::SecretsManager(id) => Self::SecretsManager(StoredSecrets {
                reader: Arc::new(Reader::new(aws.secrets_manager(), id, previous_secret)),
                state: Arc::default(),
            }),
        }
    }

    /// Begins the first read, and waits until the current secret is known.
    pub async fn start(&self, deadline: Deadline) {
        if let Self::SecretsManager(stored) = self
            && let Some(mut reading) = stored.refresh(Purpose::First)
        {
            reading.progressed(deadline).await;
        }
    }

    /// The verified body, if one of the secrets that are known now made its signature and is accepted at this time (Unix
    /// milliseconds); otherwise the request itself.
    pub fn verify(&self, signed: Signed, received_at: i64) -> Result<Verified, Signed> {
        match self.known() {
            Some(known) => signed.verify(known.accepted_at(received_at)),
            None => Err(signed),
        }
    }

    /// Judges a request that was received at this time (Unix milliseconds). If a read of the secret may change the result,
    /// waits for it for at most 0.9 s.
    pub async fn judge(&self, signed: Signed, received_at: i64, deadline: Deadline) -> Judgement {
        match self {
            Self::Static(known) => match signed.verify(known.accepted_at(received_at)) {
                Ok(verified) => Judgement::Authentic(verified),
                Err(signed) => forged(&signed, known, received_at),
            },
            Self::SecretsManager(stored) => {
                stored.judge(signed, received_at, deadline.at_most(budget::SECRET_WAIT)).await
            }
        }
    }

    /// Reads all versions now, even if they were read just before.
    pub async fn read_all(&self, deadline: Deadline) -> AllVersions {
        match self {
            Self::Static(known) => {
                let error = "NotRead: SIGNING_SECRET is set, so another version of the secret cannot be read.";
                let mismatch = Err(CannotBeJudged::SecretUnavailable(error.into()));
                AllVersions { known: Some(Arc::clone(known)), mismatch }
            }
            Self::SecretsManager(stored) => stored.read_all(deadline).await,
        }
    }

    fn known(&self) -> Option<Arc<KnownSecrets>> {
        match self {
            Self::Static(known) => Some(Arc::clone(known)),
            Self::SecretsManager(stored) => stored.state().known.clone(),
        }
    }
}

impl StoredSecrets {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    async fn judge(&self, mut signed: Signed, received_at: i64, deadline: Deadline) -> Judgement {
        if self.state().is_old()
            && let Some(mut reading) = self.refresh(Purpose::Age)
        {
            reading.ended(deadline).await;
        }
        let mut reading: Option<Reading> = None;
        loop {
            let known = self.state().known.clone();
            if let Some(known) = &known {
                match signed.verify(known.accepted_at(received_at)) {
                    Ok(verified) => return Judgement::Authentic(verified),
                    Err(unverified) => signed = unverified,
                }
            }
            let purpose = if known.is_some() { Purpose::Mismatch } else { Purpose::First };
            if !reading.as_ref().is_some_and(|reading| reading.serves(purpose)) {
                reading = self.refresh(purpose);
            }
            let has_progressed = match &mut reading {
                Some(reading) => reading.progressed(deadline).await,
                None => false,
            };
            if !has_progressed {
                return match (self.mismatch(received_at), known) {
                    (Ok(()), Some(known)) => forged(&signed, &known, received_at),
                    (Ok(()), None) => Judgement::CannotBeJudged(signed, CannotBeJudged::not_in_time()),
                    (Err(why), _) => Judgement::CannotBeJudged(signed, why),
                };
            }
        }
    }

    async fn read_all(&self, deadline: Deadline) -> AllVersions {
        let mut reading = self.begin(&mut self.state(), Labels { always_previous: true, pending: true });
        reading.ended(deadline).await;
        let mismatch = reading.mismatch();
        AllVersions { known: self.state().known.clone(), mismatch }
    }

    /// Whether a mismatch is final for a request that was received at this time (Unix milliseconds).
    fn mismatch(&self, received_at: i64) -> Result<(), CannotBeJudged> {
        let state = self.state();
        let latest = state.latest.as_ref().ok_or_else(CannotBeJudged::not_in_time)?;
        latest.mismatch()?;
        let is_recent = latest.began_at.abs_diff(received_at) <= READ_AGAIN_AFTER;
        if latest.labels.pending && is_recent { Ok(()) } else { Err(CannotBeJudged::not_in_time()) }
    }

    /// Joins the running read or begins one; `None` if it is too soon for another.
    fn refresh(&self, purpose: Purpose) -> Option<Reading> {
        let mut state = self.state();
        let pause = if state.known.is_some() { READ_AGAIN_AFTER } else { READ_FIRST_AGAIN_AFTER };
        if let Some(latest) = state.latest.as_ref().filter(|latest| latest.serves(purpose)) {
            let age = clock::now().abs_diff(latest.began_at);
            // A read that began longer ago was frozen with the process.
            if latest.is_going_on() && age < READ_AGAIN_AFTER {
                return Some(latest.clone());
            }
            if age < pause {
                return None;
            }
        }
        Some(self.begin(&mut state, Labels { always_previous: false, pending: purpose == Purpose::Mismatch }))
    }

    fn begin(&self, state: &mut State, labels: Labels) -> Reading {
        if let Some(replaced) = state.latest.take() {
            // The runtime has one thread, so the task does not run again.
            replaced.task.abort();
        }
        let began_at = clock::now();
        let (sender, progress) = watch::channel(Progress::GoingOn);
        let (reader, shared, before) = (Arc::clone(&self.reader), Arc::clone(&self.state), state.known.clone());
        let task = tokio::spawn(async move {
            let learn = |known| {
                let mut state = lock(&shared);
                state.known = Some(Arc::new(known));
                // What a first read learned grows old too if it fails later, or is frozen.
                state.read_at.get_or_insert(began_at);
                drop(state);
                sender.send_replace(Progress::GoingOn);
            };
            let result = reader.read(before.as_deref(), labels, learn).await;
            match &result {
                Ok(_) => lock(&shared).read_at = Some(began_at),
                Err(error) => reader.log(error),
            }
            let result = result.map_err(|error| CannotBeJudged::SecretUnavailable(error.to_string().into()));
            sender.send_replace(Progress::Ended(result));
        });
        let reading = Reading { began_at, labels, progress, task: task.abort_handle() };
        state.latest = Some(reading.clone());
        reading
    }
}

impl State {
    fn is_old(&self) -> bool {
        self.read_at.is_some_and(|read_at| clock::now().abs_diff(read_at) > OLD_AFTER)
    }
}

impl Reading {
    /// Only a read that asks for `AWSPENDING` decides whether a mismatch is final.
    fn serves(&self, purpose: Purpose) -> bool {
        self.labels.pending || purpose != Purpose::Mismatch
    }

    fn is_going_on(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::GoingOn) && self.progress.has_changed().is_ok()
    }

    /// Waits until another version is read; false if the read ends or the deadline is reached first.
    async fn progressed(&mut self, deadline: Deadline) -> bool {
        matches!(timeout_at(deadline.instant(), self.progress.changed()).await, Ok(Ok(())))
    }

    async fn ended(&mut self, deadline: Deadline) {
        while self.progressed(deadline).await {}
    }

    fn mismatch(&self) -> Result<(), CannotBeJudged> {
        match &*self.progress.borrow() {
            Progress::Ended(Ok(Rotation::NotInProgress)) => Ok(()),
            Progress::Ended(Ok(Rotation::InProgress)) => Err(CannotBeJudged::RotationInProgress),
            Progress::Ended(Err(error)) => Err(error.clone()),
            Progress::GoingOn => Err(CannotBeJudged::not_in_time()),
        }
    }
}

impl CannotBeJudged {
    /// The reason in the queue message.
    pub fn reason(&self) -> Reason {
        match self {
            Self::SecretUnavailable(_) => Reason::SecretUnavailable,
            Self::RotationInProgress => Reason::RotationInProgress,
        }
    }

    /// The outcome of the request.
    pub fn outcome(&self, is_kept: bool) -> Outcome {
        match self {
            Self::SecretUnavailable(_) => Outcome::SecretUnavailable { is_kept },
            Self::RotationInProgress => Outcome::RotationInProgress { is_kept },
        }
    }

    fn not_in_time() -> Self {
        Self::SecretUnavailable("TimedOut: The signing secret was not read in time.".into())
    }
}

fn forged(signed: &Signed, known: &KnownSecrets, received_at: i64) -> Judgement {
    Judgement::Forged { stray_character: signed.stray_character(known.accepted_at(received_at)) }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
