//! Metrics in CloudWatch's embedded metric format: one line of pure JSON on stdout for an invocation.
//!
//! The shape is that of
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! The one dimension is the function: a cache or topic as dimension would be billed as a metric of its own.

use serde::Serialize;
use serde_json::{Map, Value};

/// The namespace of every metric.
pub const NAMESPACE: &str = "MomentoEventBridge";

/// The one dimension.
pub const DIMENSION: &str = "FunctionName";

/// The units that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// A number of things.
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

    /// Adds a number of things; none are left out.
    pub fn count(&mut self, name: &'static str, number: u32) {
        if number > 0 {
            self.values.push((name, Unit::Count, number.into()));
        }
    }

    /// Adds a time in milliseconds, where there is one.
    pub fn milliseconds(&mut self, name: &'static str, milliseconds: Option<f64>) {
        self.values.extend(milliseconds.map(|milliseconds| (name, Unit::Milliseconds, milliseconds)));
    }

    /// The line; `now` in milliseconds since the Unix epoch.
    pub fn line(&self, now: i64) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(rename = "_aws")]
            aws: Value,
            #[serde(flatten)]
            values: Map<String, Value>,
            #[serde(rename = "FunctionName")]
            function_name: &'a str,
        }
        let definitions: Vec<Value> =
            self.values.iter().map(|(name, unit, _)| serde_json::json!({ "Name": name, "Unit": unit })).collect();
        let aws = serde_json::json!({
            "Timestamp": now,
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions }],
        });
        let values = self.values.iter().map(|(name, _, value)| ((*name).to_owned(), (*value).into())).collect();
        let line = Line { aws, values, function_name: self.function_name };
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}
