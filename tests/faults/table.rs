//! The table of the matrix in `docs/faults.md`, between two marks.

use std::fmt::Write as _;
use std::time::Duration;

use test_kit::docs::Part;

const BEGIN: &str = "<!-- matrix: written by `make faults-docs` -->";
const END: &str = "<!-- end of the matrix -->";

/// The columns of what `webhook` answers.
pub const ANSWERED: &str = "start | answer | on the bus | in the retry queue";

/// The columns of what `redrive` reports.
pub const REPORTED: &str = "answer | put on the bus | left in the queue";

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Start {
    /// The event came while the process started; its time counts from that start.
    Cold,
    Warm,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    /// `None` where nobody waits for the answer.
    pub start: Option<Start>,
    pub answer: String,
    pub bus: String,
    pub queue: String,
    pub took: Duration,
}

/// Rows under a heading, with the names of their columns between the case and the time.
#[derive(Clone, Debug)]
pub struct Section {
    pub heading: &'static str,
    pub columns: &'static str,
    pub rows: Vec<Row>,
}

/// With `UPDATE_DOCS` set, writes the table; else compares it with the one that is committed, but for the times.
pub fn check_or_update(sections: &[Section]) -> Result<(), String> {
    let part = Part::of("faults.md", BEGIN, END)?;
    let table = table(sections);
    if Part::may_be_updated() {
        return part.update(&table);
    }
    if outcomes(part.text()) != outcomes(&table) {
        return Err(format!(
            "The table in docs/faults.md is not what these tests show; run `make faults-docs` and look at what changed.\n\
             It should be:\n{table}"
        ));
    }
    Ok(())
}

fn table(sections: &[Section]) -> String {
    let answers = sections.iter().filter(|section| section.columns == ANSWERED).flat_map(|section| &section.rows);
    let slowest = answers.max_by_key(|row| row.took).expect("rows");
    let mut text = format!("\nThe slowest answer came after {} ms ({}).\n", slowest.took.as_millis(), slowest.name);
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
            let _ = writeln!(text, "| {} | {start}{} | {} | {} | {took} |", row.name, row.answer, row.bus, row.queue);
        }
    }
    text.push('\n');
    text
}

/// The rows without what differs from run to run.
fn outcomes(table: &str) -> Vec<&str> {
    table.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | ").map(|(row, _)| row)).collect()
}
