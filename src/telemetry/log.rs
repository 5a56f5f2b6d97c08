//! The log: one JSON object a line on stdout, with the names of Lambda's own JSON log format.
//!
//! The events of `tracing` are written by tracing-subscriber. A request's own record is not one of them, since `tracing`
//! cannot embed the queue message as JSON: it is one line of [`line()`], written together with the metrics. `TRACE` is
//! compiled out, since libraries print raw events there.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Serialize;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::clock;
use crate::environment::{Lookup, VariableError};

/// The module path of this crate, as RUST_LOG names it.
const OWN_TARGET: &str = "momento_eventbridge";

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// What is logged, and how it looks.
#[derive(Debug)]
struct Settings {
    is_json: bool,
    levels: Targets,
}

/// Sets up the log from `AWS_LAMBDA_LOG_FORMAT`, and from `RUST_LOG` or else `AWS_LAMBDA_LOG_LEVEL`.
pub fn start(lookup: Lookup<'_>) -> Result<(), VariableError> {
    let level = lookup("AWS_LAMBDA_LOG_LEVEL")?.and_then(|level| level_named(&level)).unwrap_or(LevelFilter::INFO);
    let settings = Settings {
        is_json: lookup("AWS_LAMBDA_LOG_FORMAT")?.is_some_and(|format| format.eq_ignore_ascii_case("JSON")),
        levels: match lookup("RUST_LOG")? {
            Some(directives) => levels(&directives).ok_or(VariableError::NotLogLevels)?,
            None => Targets::new().with_default(level),
        },
    };
    let levels = settings.levels.clone();
    let layer = if settings.is_json {
        let json = tracing_subscriber::fmt::layer().with_timer(Clock).json().flatten_event(true);
        json.with_current_span(false).with_span_list(false).boxed()
    } else {
        tracing_subscriber::fmt::layer().with_timer(Clock).with_ansi(false).boxed()
    };
    if SETTINGS.set(settings).is_ok() {
        // Only a second subscriber could be refused, and there is none.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer.with_filter(levels)));
    }
    Ok(())
}

/// `None` if a directive is neither a level nor a target with a level: `tracing` would take a wrong level for a target,
/// and silence everything else.
fn levels(directives: &str) -> Option<Targets> {
    let is_level = |text: &str| !text.is_empty() && text.parse::<LevelFilter>().is_ok();
    let are_valid = directives.split(',').all(|each| is_level(each.rsplit('=').next().unwrap_or_default()));
    directives.parse().ok().filter(|_| are_valid)
}

/// Whether records of this level are written.
pub fn is_enabled(level: Level) -> bool {
    SETTINGS.get().is_some_and(|settings| settings.levels.would_enable(OWN_TARGET, &level))
}

/// A record as a line: timestamp, level and message, then the fields.
pub fn line(level: Level, message: &str, fields: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Line<'a, T> {
        timestamp: &'a str,
        level: &'a str,
        message: &'a str,
        #[serde(flatten)]
        fields: &'a T,
    }
    let timestamp = timestamp(clock::now());
    let timestamp = timestamp.as_str();
    let line = if SETTINGS.get().is_some_and(|settings| settings.is_json) {
        serde_json::to_string(&Line { timestamp, level: level.as_str(), message, fields }).unwrap_or_default()
    } else {
        format!("{timestamp} {level:5} {message} {}", serde_json::to_string(fields).unwrap_or_default())
    };
    line + "\n"
}

/// The time in RFC 3339, always with three decimals, so that it sorts as text.
fn timestamp(now: i64) -> String {
    let seconds = DateTime::from_secs(now / 1000).fmt(Format::DateTime).unwrap_or_default();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), now % 1000)
}

/// Writes whole lines at once, so that no two records mix.
pub fn write(lines: &str) {
    #[cfg(feature = "simulation")]
    if crate::simulation::log(lines) {
        return;
    }
    // A failed log write must not fail the request.
    let _ = io::stdout().lock().write_all(lines.as_bytes());
}

fn level_named(name: &str) -> Option<LevelFilter> {
    Some(match name.to_ascii_uppercase().as_str() {
        "TRACE" | "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" => LevelFilter::WARN,
        "ERROR" => LevelFilter::ERROR,
        "FATAL" => LevelFilter::OFF,
        _ => return None,
    })
}

/// The time of a record.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&timestamp(clock::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_three_decimals_even_where_they_are_zeros() {
        assert_eq!(timestamp(1_726_292_279_850), "2024-09-14T05:37:59.850Z");
        assert_eq!(timestamp(1_726_292_279_000), "2024-09-14T05:37:59.000Z");
    }

    #[test]
    fn lambdas_level_names_are_known_and_trace_is_debug() {
        assert_eq!(level_named("TRACE"), Some(LevelFilter::DEBUG));
        assert_eq!(level_named("warn"), Some(LevelFilter::WARN));
        assert_eq!(level_named("FATAL"), Some(LevelFilter::OFF));
        assert_eq!(level_named("loud"), None);
    }

    #[test]
    fn an_invalid_level_is_refused_and_does_not_silence_errors() {
        for directives in [
            "WARNING",
            "verbose",
            "momento_eventbridge",
            "hyper=loud",
            "info,verbose",
            "info,,warn",
            "=",
            "hyper=off, info",
        ] {
            assert_eq!(levels(directives), None, "{directives}");
        }
        for directives in ["WARN", "info", "error,hyper=debug", "hyper=off,info", "trace"] {
            let levels = levels(directives).expect(directives);
            assert!(levels.would_enable(OWN_TARGET, &Level::ERROR), "{directives}");
        }
        assert!(!levels("off").expect("a level").would_enable(OWN_TARGET, &Level::ERROR));
    }
}
