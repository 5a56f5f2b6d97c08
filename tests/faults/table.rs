//! The tables of these tests in `docs/faults.md`, between two markers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_kit::docs::Part;
use test_kit::sandbox::Bus;

const BEGIN: &str = "<!-- matrix: written by `make faults-docs` -->";
const END: &str = "<!-- end of the matrix -->";

/// The heading and the columns of each table.
const TABLES: [(&str, &str); 2] = [
    ("An event arrives", "case | bus | start | response | on the bus | in the retry queue"),
    ("Redrive from the retry queue, in batches of ten", "case | bus | response | put on the bus | left in the queue"),
];

/// The rows by the number of their table and their place in it.
pub type Rows = Arc<Mutex<BTreeMap<(usize, usize), Row>>>;

pub struct Row {
    pub name: &'static str,
    pub buses: &'static [Bus],
    pub cells: String,
    /// With the slower kind of bus.
    pub took: Duration,
}

/// With `UPDATE_DOCS` set, writes the tables. Otherwise compares them with the committed ones, except for the times.
pub fn check_or_update(rows: &BTreeMap<(usize, usize), Row>) -> Result<(), String> {
    let part = Part::of("faults.md", BEGIN, END)?;
    let text = text(rows);
    if Part::may_be_updated() {
        return part.update(&text);
    }
    if outcomes(part.text()) != outcomes(&text) {
        return Err(format!(
            "The tables in docs/faults.md differ from what these tests measured. Run `make faults-docs` and review the changes.\n\
             They should be:\n{text}"
        ));
    }
    Ok(())
}

fn text(rows: &BTreeMap<(usize, usize), Row>) -> String {
    let slowest = rows.range(..(1, 0)).map(|(_, row)| row).max_by_key(|row| row.took).expect("rows");
    let mut text = format!("\nThe slowest response took {} ms: {}.\n", slowest.took.as_millis(), slowest.name);
    for (table, (heading, columns)) in TABLES.into_iter().enumerate() {
        let rule = "| --- ".repeat(columns.split('|').count());
        let _ = write!(text, "\n### {heading}\n\n| {columns} | ms |\n{rule}| ---: |\n");
        for Row { name, buses, cells, took } in rows.range((table, 0)..(table + 1, 0)).map(|(_, row)| row) {
            let bus = if let [bus] = buses { format!("{bus:?}") } else { "either".to_owned() };
            let _ = writeln!(text, "| {name} | {bus} | {cells} | {} |", took.as_millis());
        }
    }
    text.push('\n');
    text
}

/// The rows without their times, which differ from run to run.
fn outcomes(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | ").map(|(row, _)| row)).collect()
}
