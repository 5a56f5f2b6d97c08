//! Metrics in CloudWatch's embedded metric format: one line of pure JSON on stdout for an invocation.
//!
//! The shape is that of
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! Written without a crate, because it takes fifty lines of code: 6,100 instructions per line of three metrics, and 5 KB. Tried in
//! November 2026: [metrics_cloudwatch_embedded](https://docs.rs/metrics_cloudwatch_embedded) 0.10 (12,100 instructions, 3 crates,
//! 189 KB) collects in one recorder for the whole process, while these metrics belong to one request;
//! [metrique-writer-format-emf](https://docs.rs/metrique-writer-format-emf) 0.1.26 takes 4,400 instructions, 49 crates, and 47 KB.
//! The only dimension is the function. Each cache or topic would be billed as a metric of its own.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The namespace of every metric.
pub const NAMESPACE: &str = "MomentoEventBridge";

/// The one dimension.
pub const DIMENSION: &str = "FunctionName";

/// The metric of events that the bus had already. Each is also counted as delivered.
pub const DEDUPLICATED: &str = "Deduplicated";

/// The units that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A count.
    Count,
    /// A time in milliseconds.
    Milliseconds,
}

/// The metrics of one invocation.
#[derive(Debug)]
pub struct Metrics<'a> {
    function_name: &'a str,
    values: Vec<(&'static str, Unit, f64)>,
}

impl<'a> Metrics<'a> {
    /// No metrics yet, for this function.
    pub fn new(function_name: &'a str) -> Self {
        Self { function_name, values: Vec::new() }
    }

    /// Adds a count; a count of 0 is left out.
    pub fn count(&mut self, name: &'static str, number: u32) {
        if number > 0 {
            self.values.push((name, Unit::Count, number.into()));
        }
    }

    /// Adds a count of 0, for an alarm that would otherwise lack a data point.
    pub fn zero(&mut self, name: &'static str) {
        self.values.push((name, Unit::Count, 0.0));
    }

    /// Adds a time in milliseconds, if there is one.
    pub fn milliseconds(&mut self, name: &'static str, milliseconds: Option<f64>) {
        self.values.extend(milliseconds.map(|milliseconds| (name, Unit::Milliseconds, milliseconds)));
    }

    /// The line; `now` in milliseconds since the Unix epoch.
    pub fn line(&self, now: i64) -> String {
        serde_json::to_string(&Line { metrics: self, now }).unwrap_or_default() + "\n"
    }
}

struct Line<'a> {
    metrics: &'a Metrics<'a>,
    now: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: i64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [[&'a str; 1]; 1],
    metrics: Vec<Definition<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition<'a> {
    name: &'a str,
    unit: Unit,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = &self.metrics.values;
        let metrics = values.iter().map(|&(name, unit, _)| Definition { name, unit }).collect();
        let directive = Directive { namespace: NAMESPACE, dimensions: [[DIMENSION]], metrics };
        let mut line = serializer.serialize_map(Some(values.len() + 2))?;
        line.serialize_entry("_aws", &Metadata { timestamp: self.now, cloud_watch_metrics: [directive] })?;
        line.serialize_entry(DIMENSION, self.metrics.function_name)?;
        for (name, _, value) in values {
            line.serialize_entry(name, value)?;
        }
        line.end()
    }
}
