//! The environment variables, read once at start.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `EVENT_BUS_NAME` | name or ARN of the bus, or the ARN of a Custom Event Bus | `default` |
//! | `SIGNING_SECRET_ID` | Secrets Manager name or ARN that holds the signing secret(s) | one of these two, not both |
//! | `SIGNING_SECRET` | the secret itself, for local work | |
//! | `RETRY_QUEUE_URL` | the retry queue; without it, the response to an event that the bus does not accept is 500 | none |
//! | `MAX_EVENT_AGE_SECONDS` | the window of the age check, 1–86400 | `60` |
//! | `PREVIOUS_SECRET_SECONDS` | how long after a change the previous secret is still accepted; 0 = not at all | `86400` |
//!
//! An empty value counts as unset. `redrive` needs no secret; with one, it also verifies requests that were queued
//! unverified.

use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::environment::{Lookup, VariableError, url};
use crate::event_bus::EventBusName;
use crate::signing::{InvalidSecret, SecretSource, SigningSecrets};

const MAX_EVENT_AGE_SECONDS: RangeInclusive<u64> = 1..=86_400;
const DAY_SECONDS: u64 = 86_400;

/// The configuration of `webhook`.
#[derive(Debug)]
pub struct WebhookConfig {
    /// Name or ARN of the event bus.
    pub event_bus_name: EventBusName,
    /// How requests are verified.
    pub authenticity: Authenticity,
    /// The retry queue's URL.
    pub retry_queue_url: Option<String>,
}

/// The configuration of `redrive`.
#[derive(Debug)]
pub struct RedriveConfig {
    /// Name or ARN of the event bus.
    pub event_bus_name: EventBusName,
    /// How requests that were queued unverified are verified; without it, they stay in the queue.
    pub authenticity: Option<Authenticity>,
}

/// How a request is verified.
#[derive(Debug)]
pub struct Authenticity {
    /// Where the signing secrets come from.
    pub secret: SecretSource,
    /// How far `publish_timestamp` may be from the time at which the request was received.
    pub max_event_age: Duration,
    /// How long the previous secret is accepted after a change.
    pub previous_secret: Duration,
}

/// Why the configuration is invalid; each message names the variable and says what to set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A variable is invalid by itself.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// Neither or both of the two sources of the secret are set.
    #[error(
        "Set one of SIGNING_SECRET_ID (the name or ARN of a secret in Secrets Manager) and SIGNING_SECRET (the signing secret \
         itself, for local work), and not both."
    )]
    SecretSource,
    /// The secret in `SIGNING_SECRET` cannot be used.
    #[error("SIGNING_SECRET cannot be used: {0}.")]
    Secret(#[from] InvalidSecret),
    /// The value is not a whole number in the range.
    #[error("{0} must be a whole number of seconds{range}.", range = described(.1))]
    NotInRange(&'static str, RangeInclusive<u64>),
    /// The value is not a bus's name or ARN.
    #[error("EVENT_BUS_NAME must be the name or the ARN of an event bus.")]
    NotABus,
}

fn described(range: &RangeInclusive<u64>) -> String {
    match range.end() {
        &u64::MAX => format!(", {} or more", range.start()),
        end => format!(" from {} to {end}", range.start()),
    }
}

impl WebhookConfig {
    /// Reads and checks every variable of the `webhook` binary.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            event_bus_name: event_bus_name(lookup)?,
            authenticity: authenticity(lookup)?.ok_or(ConfigError::SecretSource)?,
            retry_queue_url: url("RETRY_QUEUE_URL", lookup)?,
        })
    }
}

impl RedriveConfig {
    /// Reads and checks every variable of the `redrive` binary.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self { event_bus_name: event_bus_name(lookup)?, authenticity: authenticity(lookup)? })
    }
}

fn event_bus_name(lookup: Lookup<'_>) -> Result<EventBusName, ConfigError> {
    let name = lookup("EVENT_BUS_NAME")?.unwrap_or_else(|| "default".to_owned());
    EventBusName::parse(name).ok_or(ConfigError::NotABus)
}

/// `None` if neither source of the secret is set.
fn authenticity(lookup: Lookup<'_>) -> Result<Option<Authenticity>, ConfigError> {
    let secret = match (lookup("SIGNING_SECRET_ID")?, lookup("SIGNING_SECRET")?) {
        (Some(id), None) => SecretSource::SecretsManager(id),
        (None, Some(text)) => SecretSource::Static(SigningSecrets::parse(Zeroizing::new(text))?),
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(ConfigError::SecretSource),
    };
    let max_event_age = seconds("MAX_EVENT_AGE_SECONDS", 60, MAX_EVENT_AGE_SECONDS, lookup)?;
    let previous_secret = seconds("PREVIOUS_SECRET_SECONDS", DAY_SECONDS, 0..=u64::MAX, lookup)?;
    Ok(Some(Authenticity { secret, max_event_age, previous_secret }))
}

fn seconds(
    variable: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    lookup: Lookup<'_>,
) -> Result<Duration, ConfigError> {
    let Some(text) = lookup(variable)? else { return Ok(Duration::from_secs(default)) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match digits {
        Some(seconds) if range.contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(ConfigError::NotInRange(variable, range)),
    }
}

#[cfg(test)]
mod tests;
