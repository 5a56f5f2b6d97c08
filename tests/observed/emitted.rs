//! `emitted.json`: the metrics of each function with their units, and the fields of its records by outcome. The tests of
//! the templates and of the documentation hold alarms, charts and queries against it.

use std::collections::{BTreeMap, BTreeSet};

use test_kit::docs::Part;

use crate::output::Output;
use crate::runs::EVERY_KIND;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/observed/emitted.json");

#[test]
fn the_list_of_metrics_and_fields_is_what_the_functions_write() {
    let webhook = emitted(EVERY_KIND.webhook.iter().map(|run| &run.output));
    let list = object("", [("redrive", emitted([&EVERY_KIND.redrive])), ("webhook", webhook)]) + "\n";
    if Part::may_be_updated() {
        std::fs::write(PATH, &list).expect(PATH);
    }
    let committed = std::fs::read_to_string(PATH).expect(PATH);
    assert!(committed == list, "{PATH} is wrong; run `make observed` and review the changes. It should be:\n{list}");
}

fn emitted<'a>(outputs: impl IntoIterator<Item = &'a Output>) -> String {
    let (mut metrics, mut records) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for output in outputs {
        for (name, (unit, _)) in output.metrics.iter().flat_map(|line| &line.values) {
            metrics.insert(name.as_str(), format!("\"{unit:?}\""));
        }
        for record in &output.records {
            records.entry(record.text("outcome")).or_default().extend(record.names());
        }
    }
    let records = records.into_iter().map(|(outcome, names)| (outcome, serde_json::to_string(&names).expect("JSON")));
    object("  ", [("metrics", object("    ", metrics)), ("records", object("    ", records))])
}

/// A JSON object with a line for each member.
fn object<'a>(indent: &str, members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let lines: Vec<_> = members.into_iter().map(|(name, value)| format!("{indent}  \"{name}\": {value}")).collect();
    format!("{{\n{}\n{indent}}}", lines.join(",\n"))
}
