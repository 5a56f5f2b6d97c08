//! The environment variables, read once at start.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `EVENT_BUS_NAME` | name or ARN of the bus | `default` |
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

use crate::signing_secret::{InvalidSecret, SigningSecrets};

/// Looks up one variable; [`environment`] in the binaries, a map in the tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Result<Option<String>, ConfigError>;

const MAX_EVENT_AGE_SECONDS: RangeInclusive<u64> = 1..=86_400;
const DAY_SECONDS: u64 = 86_400;

/// EventBridge's limit for a bus given by ARN, in characters.
const MAX_BUS_NAME_CHARS: usize = 1_600;

/// What the `webhook` binary runs with.
#[derive(Debug)]
pub struct WebhookConfig {
    /// Name or ARN of the event bus.
    pub event_bus_name: String,
    /// What requests are judged by.
    pub judge: Judge,
    /// The retry queue's URL.
    pub retry_queue_url: Option<String>,
}

/// What the `redrive` binary runs with.
#[derive(Debug)]
pub struct RedriveConfig {
    /// Name or ARN of the event bus.
    pub event_bus_name: String,
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

/// Where the signing secrets come from.
#[derive(Debug)]
pub enum SecretSource {
    /// The name or ARN of a secret in Secrets Manager.
    SecretsManager(String),
    /// The environment itself.
    Static(SigningSecrets),
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

fn event_bus_name(lookup: Lookup<'_>) -> Result<String, ConfigError> {
    let name = lookup("EVENT_BUS_NAME")?.unwrap_or_else(|| "default".to_owned());
    let is_bus = |name: &str| {
        name.len() <= MAX_BUS_NAME_CHARS
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_:".contains(&byte))
    };
    if is_bus(&name) { Ok(name) } else { Err(ConfigError::NotABus) }
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
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<WebhookConfig, ConfigError> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, value)| *variable == name && !value.is_empty());
            Ok(found.map(|(_, value)| (*value).to_owned()))
        };
        WebhookConfig::read(&lookup)
    }

    const SECRET: (&str, &str) = ("SIGNING_SECRET", "whsec-local");

    #[test]
    fn a_secret_alone_is_a_configuration_and_the_rest_has_defaults() {
        let config = read(&[SECRET, ("EVENT_BUS_NAME", ""), ("MAX_EVENT_AGE_SECONDS", "")]).unwrap();
        assert_eq!(config.event_bus_name, "default");
        assert_eq!(config.retry_queue_url, None);
        assert_eq!(config.judge.max_event_age, Duration::from_secs(60));
        assert_eq!(config.judge.previous_secret, Duration::from_secs(86_400));
    }

    #[test]
    fn neither_and_both_sources_of_the_secret_are_refused() {
        for variables in [&[][..], &[SECRET, ("SIGNING_SECRET_ID", "momento")], &[("SIGNING_SECRET", "")]] {
            assert_eq!(read(variables).unwrap_err(), ConfigError::SecretSource);
        }
    }

    #[test]
    fn an_invalid_value_is_refused_in_a_sentence_that_names_the_variable() {
        for (variable, values) in [
            ("MAX_EVENT_AGE_SECONDS", &["0", "86401", "-1", "+5", "1.5", "a minute", " 60"][..]),
            ("PREVIOUS_SECRET_SECONDS", &["-1", "1e3", "a day", "99999999999999999999"]),
            ("RETRY_QUEUE_URL", &["queue", "https://", "sqs://x", "http://a b"]),
            ("EVENT_BUS_NAME", &["a bus", "büs", "a\nb"]),
            ("SIGNING_SECRET", &["[]", r#"[""]"#, "{}", "{x", "[1,"]),
        ] {
            for value in values {
                let error = match variable {
                    "SIGNING_SECRET" => read(&[(variable, value)]),
                    _ => read(&[SECRET, (variable, value)]),
                };
                let sentence = error.expect_err(value).to_string();
                assert!(sentence.contains(variable) && sentence.ends_with('.'), "{sentence}");
            }
        }
    }

    #[test]
    fn every_variable_is_taken_up_to_the_ends_of_its_range() {
        for (max_age, previous) in [("1", "0"), ("86400", "99999999999")] {
            let config = read(&[
                ("SIGNING_SECRET_ID", "momento"),
                ("RETRY_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/retry"),
                ("MAX_EVENT_AGE_SECONDS", max_age),
                ("PREVIOUS_SECRET_SECONDS", previous),
            ]);
            let config = config.unwrap();
            assert!(matches!(config.judge.secret, SecretSource::SecretsManager(id) if id == "momento"));
            assert_eq!(config.retry_queue_url.as_deref(), Some("https://sqs.eu-west-1.amazonaws.com/1/retry"));
            assert_eq!(config.judge.max_event_age.as_secs().to_string(), max_age);
            assert_eq!(config.judge.previous_secret.as_secs().to_string(), previous);
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_told_the_range() {
        for (variable, range) in
            [("MAX_EVENT_AGE_SECONDS", " from 1 to 86400."), ("PREVIOUS_SECRET_SECONDS", ", 0 or more.")]
        {
            let sentence = read(&[SECRET, (variable, "-1")]).unwrap_err().to_string();
            assert_eq!(sentence, format!("{variable} must be a whole number of seconds{range}"));
        }
    }

    #[test]
    fn redrive_needs_no_secret_and_takes_one_where_there_is_one() {
        let read = |variables: &[(&str, &str)]| {
            let lookup = |name: &str| {
                Ok(variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()))
            };
            RedriveConfig::read(&lookup)
        };
        assert!(read(&[]).unwrap().judge.is_none());
        let judge = read(&[("SIGNING_SECRET_ID", "momento"), ("MAX_EVENT_AGE_SECONDS", "5")]).unwrap().judge.unwrap();
        assert_eq!(judge.max_event_age, Duration::from_secs(5));
        assert_eq!(read(&[SECRET, ("SIGNING_SECRET_ID", "momento")]).unwrap_err(), ConfigError::SecretSource);
        assert!(read(&[("SIGNING_SECRET", "[]")]).is_err());
    }

    #[test]
    fn names_and_arns_of_buses_are_taken() {
        for bus in ["orders", "aws.partner/x.com/1", "arn:aws:events:eu-west-1:123456789012:event-bus/orders"] {
            assert_eq!(read(&[SECRET, ("EVENT_BUS_NAME", bus)]).unwrap().event_bus_name, bus);
        }
    }
}
