//! What a function writes, line by line: log records, metrics, and anything else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use test_kit::sandbox::Function;

/// CloudWatch ignores a longer line.
const MAX_METRICS_BYTES: usize = 1_000_000;

pub struct Output {
    /// Everything, as CloudWatch Logs gets it.
    pub lines: Vec<String>,
    /// The record of a request or a message, with its line.
    pub records: Vec<Record>,
    pub metrics: Vec<Metrics>,
    /// Anything else that was logged, for example at the start.
    pub notes: Vec<String>,
}

pub struct Record {
    pub line: String,
    pub fields: Value,
}

/// A line in the embedded metric format, as CloudWatch reads it.
pub struct Metrics {
    pub function: String,
    pub values: BTreeMap<String, (Unit, f64)>,
    pub bytes: usize,
}

// The format's own rules and limits, with what this project narrows: one namespace, one dimension and two units.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
#[derive(Deserialize)]
struct MetricsLine {
    #[serde(rename = "_aws")]
    aws: Metadata,
    #[serde(rename = "FunctionName")]
    function: String,
    /// Every other member is the value of a metric.
    #[serde(flatten)]
    values: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Metadata {
    timestamp: u64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    dimensions: [[String; 1]; 1],
    metrics: Vec<Definition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Definition {
    name: String,
    unit: Unit,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Count,
    Milliseconds,
}

impl Output {
    /// Ends the function and reads everything that it wrote. A record is written before its request is answered.
    pub async fn of(mut function: Function) -> Self {
        function.process.signal("KILL");
        function.process.exited().await;
        let mut output =
            Self { lines: function.process.lines(), records: Vec::new(), metrics: Vec::new(), notes: Vec::new() };
        for line in &output.lines {
            match fields(line) {
                Some(fields) if fields.get("_aws").is_some() => output.metrics.push(Metrics::read(line)),
                Some(fields) if fields.get("outcome").is_some() => {
                    output.records.push(Record { line: line.clone(), fields });
                }
                _ => output.notes.push(line.clone()),
            }
        }
        output
    }
}

/// The fields of a line; in the text format they follow its sentence.
fn fields(line: &str) -> Option<Value> {
    let begin = if line.starts_with('{') { 0 } else { line.find(" {")? + 1 };
    serde_json::from_str(&line[begin..]).ok()
}

impl Record {
    /// The text of a field; empty if the record does not have it.
    pub fn text(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.as_object().expect("an object").keys().map(String::as_str)
    }
}

impl Metrics {
    /// Fails if CloudWatch would ignore the line or a part of it.
    fn read(line: &str) -> Self {
        assert!(line.len() <= MAX_METRICS_BYTES, "{} bytes", line.len());
        let read: MetricsLine = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let Metadata { timestamp, cloud_watch_metrics: [directive] } = read.aws;
        assert!(timestamp >= 1_600_000_000_000, "{line}");
        assert_eq!((&*directive.namespace, &*directive.dimensions[0][0]), ("MomentoEventBridge", "FunctionName"));
        assert!((1..=1024).contains(&read.function.len()), "{line}");
        assert!((1..=100).contains(&directive.metrics.len()), "{line}");
        let mut values = BTreeMap::new();
        for Definition { name, unit } in directive.metrics {
            assert!((1..=1024).contains(&name.len()), "{line}");
            let value = *read.values.get(&name).unwrap_or_else(|| panic!("{name} has no value: {line}"));
            assert!(values.insert(name, (unit, value)).is_none(), "a metric is defined twice: {line}");
        }
        assert!(values.keys().eq(read.values.keys()), "a value is not defined: {line}");
        Self { function: read.function, values, bytes: line.len() }
    }
}

/// The sum of each metric that counts.
pub fn sums<'a>(lines: impl IntoIterator<Item = &'a Metrics>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, (unit, value)) in lines.into_iter().flat_map(|line| &line.values) {
        if *unit == Unit::Count {
            *sums.entry(name.clone()).or_default() += *value as u64;
        }
    }
    sums
}
