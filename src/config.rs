//! The environment variables, read once at start.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `EVENT_BUS_NAME` | name or ARN of the bus, or the ARN of a Custom Event Bus | `default` |
//! | `SIGNING_SECRET_ID` | Secrets Manager name or ARN that holds the signing secret(s) | one of these two, not both |
//! | `SIGNING_SECRET` | the secret itself, for local work | |
//! | `RETRY_QUEUE_URL` | the retry queue; without it a bus failure can only be answered 500 | none |
//! | `MAX_EVENT_AGE_SECONDS` | the window of the age check, 1–86400 | `60` |
//! | `PREVIOUS_SECRET_SECONDS` | how long after a change the previous secret is still accepted; 0 = not at all | `86400` |
//!
//! An empty value counts as unset. `redrive` needs `EVENT_BUS_NAME` alone; with one of the two sources of the secret it can
//! also judge what was kept unverified.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::event_bus::EventBusName;
use crate::signing::{InvalidSecret, SecretSource, SigningSecrets};

/// Looks up one variable; [`environment`] in the binaries, a map in the tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>, ConfigError>;

const MAX_EVENT_AGE_SECONDS: RangeInclusive<u64> = 1..=86_400;
const DAY_SECONDS: u64 = 86_400;

/// What the `webhook` binary runs with.
#[derive(Debug)]
pub struct WebhookConfig {
    /// Name or ARN of the event bus.
    pub event_bus_name: EventBusName,
    /// What requests are judged by.
    pub judge: Judge,
    /// The retry queue's URL.
    pub retry_queue_url: Option<String>,
}

/// What the `redrive` binary runs with.
#[derive(Debug)]
pub struct RedriveConfig {
    /// Name or ARN of the event bus.
    pub event_bus_name: EventBusName,
    /// What a request that was kept unverified is judged by; without it, such messages stay in the queue.
    pub judge: Option<Judge>,
}

/// What a request is judged by.
#[derive(Debug)]
pub struct Judge {
    /// Where the signing secrets come from.
    pub secret: SecretSource,
    /// How far `publish_timestamp` may be from the time at which the request was received.
    pub max_event_age: Duration,
    /// How long the previous secret is accepted after a change.
    pub previous_secret: Duration,
}

/// What is wrong with the configuration; each message names the variable and says what to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The variable has no value and needs one.
    Missing(&'static str),
    /// The program was not started by Lambda, which sets this variable.
    NotOnLambda(&'static str),
    /// Neither or both of the two sources of the secret are set.
    SecretSource,
    /// The secret in `SIGNING_SECRET` cannot be used.
    Secret(InvalidSecret),
    /// The value is not a whole number in the range.
    NotInRange(&'static str, RangeInclusive<u64>),
    /// The value is not a bus's name or ARN.
    NotABus,
    /// The value is not the URL of a queue.
    NotAUrl(&'static str),
    /// The value is not Unicode.
    NotUnicode(String),
    /// `RUST_LOG` has a word that is no level.
    NotLogLevels,
    /// No root certificate can be read where the variable points.
    NoRoots(&'static str),
}

impl WebhookConfig {
    /// Reads and checks every variable of the `webhook` binary.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            event_bus_name: event_bus_name(lookup)?,
            judge: judge(lookup)?.ok_or(ConfigError::SecretSource)?,
            retry_queue_url: url("RETRY_QUEUE_URL", lookup)?,
        })
    }
}

impl RedriveConfig {
    /// Reads and checks every variable of the `redrive` binary.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self { event_bus_name: event_bus_name(lookup)?, judge: judge(lookup)? })
    }
}

/// Reads a variable of the process's environment.
pub fn environment(name: &str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode(name.to_owned())),
    }
}

fn event_bus_name(lookup: Lookup<'_>) -> Result<EventBusName, ConfigError> {
    let name = lookup("EVENT_BUS_NAME")?.unwrap_or_else(|| "default".to_owned());
    EventBusName::parse(name).ok_or(ConfigError::NotABus)
}

/// Reads a URL, if there is one.
pub fn url(variable: &'static str, lookup: Lookup<'_>) -> Result<Option<String>, ConfigError> {
    let Some(url) = lookup(variable)? else { return Ok(None) };
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match authority {
        Some(rest) if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(url)),
        _ => Err(ConfigError::NotAUrl(variable)),
    }
}

/// `None` where there is no source of a secret.
fn judge(lookup: Lookup<'_>) -> Result<Option<Judge>, ConfigError> {
    let secret = match (lookup("SIGNING_SECRET_ID")?, lookup("SIGNING_SECRET")?) {
        (Some(id), None) => SecretSource::SecretsManager(id),
        (None, Some(text)) => {
            SecretSource::Static(SigningSecrets::parse(Zeroizing::new(text)).map_err(ConfigError::Secret)?)
        }
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(ConfigError::SecretSource),
    };
    let max_event_age = seconds("MAX_EVENT_AGE_SECONDS", 60, MAX_EVENT_AGE_SECONDS, lookup)?;
    let previous_secret = seconds("PREVIOUS_SECRET_SECONDS", DAY_SECONDS, 0..=u64::MAX, lookup)?;
    Ok(Some(Judge { secret, max_event_age, previous_secret }))
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

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(variable) => write!(formatter, "{variable} is not set; give it a value."),
            Self::NotOnLambda(variable) => {
                write!(formatter, "{variable} is not set; run this on Lambda or by cargo lambda watch, which set it.")
            }
            Self::SecretSource => formatter.write_str(
                "Set one of SIGNING_SECRET_ID (the name or ARN of a secret in Secrets Manager) and SIGNING_SECRET \
                 (the signing secret itself, for local work), and not both.",
            ),
            Self::Secret(invalid) => write!(formatter, "SIGNING_SECRET cannot be used: {invalid}."),
            Self::NotInRange(variable, range) if *range.end() == u64::MAX => {
                write!(formatter, "{variable} must be a whole number of seconds, {} or more.", range.start())
            }
            Self::NotInRange(variable, range) => write!(
                formatter,
                "{variable} must be a whole number of seconds from {} to {}.",
                range.start(),
                range.end()
            ),
            Self::NotABus => formatter.write_str("EVENT_BUS_NAME must be the name or the ARN of an event bus."),
            Self::NotAUrl(variable) => {
                write!(formatter, "{variable} must be a URL that begins with https:// or http://.")
            }
            Self::NotUnicode(variable) => write!(formatter, "{variable} must be Unicode text."),
            Self::NotLogLevels => formatter.write_str(
                "RUST_LOG must be one of ERROR, WARN, INFO, DEBUG and OFF, or a list of targets with levels, such as INFO,hyper=WARN.",
            ),
            Self::NoRoots(variable) => write!(
                formatter,
                "{variable} names no file or folder with a certificate that can be read; correct it, or unset it to use the \
                 built-in root certificates.",
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
