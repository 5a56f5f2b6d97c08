//! The tables of the fault matrix in `docs/faults.md`, between two markers.

use std::fmt::Write as _;
use std::time::Duration;

use test_kit::docs::Part;

const BEGIN: &str = "<!-- matrix: written by `make faults-docs` -->";
const END: &str = "<!-- end of the matrix -->";

/// The columns for `webhook` before, on and after the bus.
pub const WEBHOOK_COLUMNS: [&str; 3] = ["start | response", "on the bus", "in the retry queue"];

/// The columns for `redrive`.
pub const REDRIVE_COLUMNS: [&str; 3] = ["response", "put on the bus", "left in the queue"];

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
    pub columns: [&'static str; 3],
    /// For each kind of event bus, Classic first. They may differ in what is on the bus, and in their times.
    pub rows: Vec<Vec<Row>>,
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
    let responses = sections.iter().filter(|section| section.columns == WEBHOOK_COLUMNS);
    let responses = responses.flat_map(|section| section.rows.iter().flatten());
    let slowest = responses.max_by_key(|row| row.took).expect("rows");
    let mut text = format!("\nThe slowest response took {} ms: {}.\n", slowest.took.as_millis(), slowest.name);
    for section in sections {
        let [before, bus, after] = section.columns;
        let bus = match section.rows.len() {
            1 => bus.to_owned(),
            _ => format!("{bus}: Classic | {bus}: Custom"),
        };
        let columns = format!("{before} | {bus} | {after}");
        let rule = "| --- ".repeat(columns.split('|').count() + 1);
        let _ = write!(text, "\n### {}\n\n| case | {columns} | ms |\n{rule}| ---: |\n", section.heading);
        for position in 0..section.rows[0].len() {
            let rows: Vec<&Row> = section.rows.iter().map(|rows| &rows[position]).collect();
            let _ = writeln!(text, "{}", line(&rows));
        }
    }
    text.push('\n');
    text
}

/// One line for the rows of a case, one for each kind of event bus.
fn line(rows: &[&Row]) -> String {
    let Row { name, start, response, queue, .. } = rows[0];
    for row in rows {
        assert_eq!((&row.response, &row.queue), (response, queue), "the kinds of event bus differ: {name}");
    }
    let start = match start {
        Some(Start::Cold) => "cold | ",
        Some(Start::Warm) => "warm | ",
        None => "",
    };
    let bus: Vec<&str> = rows.iter().map(|row| &*row.bus).collect();
    let took = rows.iter().map(|row| row.took.as_millis()).max().unwrap_or_default();
    format!("| {name} | {start}{response} | {} | {queue} | {took} |", bus.join(" | "))
}

/// The rows without their times, which differ from run to run.
fn outcomes(table: &str) -> Vec<&str> {
    table.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | ").map(|(row, _)| row)).collect()
}
