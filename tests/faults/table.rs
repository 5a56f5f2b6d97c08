//! The tables of the fault matrix in `docs/faults.md`, between two markers.

use std::fmt::Write as _;
use std::time::Duration;

use test_kit::docs::Part;

const BEGIN: &str = "<!-- matrix: written by `make faults-docs` -->";
const END: &str = "<!-- end of the matrix -->";

/// The columns for `webhook`.
pub const WEBHOOK_COLUMNS: &str = "start | response | on the bus | in the retry queue";

/// The columns for `redrive`.
pub const REDRIVE_COLUMNS: &str = "response | put on the bus | left in the queue";

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Start {
    /// The event is waiting when the process starts. The time counts from that start.
    Cold,
    /// The time counts from the event.
    Warm,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    /// `None` for `redrive`.
    pub start: Option<Start>,
    pub response: String,
    pub bus: String,
    pub queue: String,
    pub took: Duration,
}

/// Rows under a heading, and the names of the columns between the case and the time.
#[derive(Clone, Debug)]
pub struct Section {
    pub heading: &'static str,
    pub columns: &'static str,
    pub rows: Vec<Row>,
}

/// With `UPDATE_DOCS` set, writes the tables. Otherwise compares them with the committed ones, except for the times.
pub fn check_or_update(sections: &[Section]) -> Result<(), String> {
    let part = Part::of("faults.md", BEGIN, END)?;
    let table = table(sections);
    if Part::may_be_updated() {
        return part.update(&table);
    }
    if outcomes(part.text()) != outcomes(&table) {
        return Err(format!(
            "The tables in docs/faults.md differ from what these tests measured. Run `make faults-docs` and review the changes.\n\
             They should be:\n{table}"
        ));
    }
    Ok(())
}

fn table(sections: &[Section]) -> String {
    let responses =
        sections.iter().filter(|section| section.columns == WEBHOOK_COLUMNS).flat_map(|section| &section.rows);
    let slowest = responses.max_by_key(|row| row.took).expect("rows");
    let mut text = format!("\nThe slowest response took {} ms: {}.\n", slowest.took.as_millis(), slowest.name);
    for section in sections {
        let rule = "| --- ".repeat(section.columns.split('|').count() + 1);
        let _ = write!(text, "\n### {}\n\n| case | {} | ms |\n{rule}| ---: |\n", section.heading, section.columns);
        for row in &section.rows {
            let start = match row.start {
                Some(Start::Cold) => "cold | ",
                Some(Start::Warm) => "warm | ",
                None => "",
            };
            let took = row.took.as_millis();
            let _ = writeln!(text, "| {} | {start}{} | {} | {} | {took} |", row.name, row.response, row.bus, row.queue);
        }
    }
    text.push('\n');
    text
}

/// The rows without their times, which differ from run to run.
fn outcomes(table: &str) -> Vec<&str> {
    table.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | ").map(|(row, _)| row)).collect()
}
