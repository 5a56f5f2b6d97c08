//! The fault matrix: an authentic event while EventBridge, SQS or Secrets Manager fails. Each case is a test of its own,
//! with real sockets and a new process. A run with `UPDATE_DOCS=1` writes the tables into `docs/faults.md`.

mod case;
mod checks;
mod eventbridge;
mod redrive;
mod secrets;
mod sqs;
mod table;
mod transient;
mod unverified;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use table::{REDRIVE_COLUMNS, Row, Section, WEBHOOK_COLUMNS};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
const REDRIVE: &str = env!("CARGO_BIN_EXE_redrive");

type Rows = Arc<Mutex<Vec<Option<Row>>>>;

/// The cases mostly wait, so more of them run at once than there are cores. Many more would distort their times.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let sections = [
        ("EventBridge fails", WEBHOOK_COLUMNS, eventbridge::cases()),
        ("EventBridge and SQS fail", WEBHOOK_COLUMNS, sqs::cases()),
        ("Secrets Manager fails", WEBHOOK_COLUMNS, secrets::cases()),
        ("Transient errors with a status below 500", WEBHOOK_COLUMNS, transient::cases()),
        ("Redrive from the retry queue, in batches of ten", REDRIVE_COLUMNS, redrive::cases()),
        ("Redrive of requests that were queued unverified", REDRIVE_COLUMNS, unverified::cases()),
    ];
    let mut tables = Vec::new();
    let mut trials = Vec::new();
    for (heading, columns, cases) in sections {
        let rows: Rows = Arc::new(Mutex::new(vec![None; cases.len()]));
        trials.extend(cases.into_iter().enumerate().map(|(position, case)| trial(position, case, Arc::clone(&rows))));
        tables.push((heading, columns, rows));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let measured = tables.into_iter().map(|(heading, columns, rows)| {
        // Rows are missing where tests failed or were filtered out.
        let rows = rows.lock().unwrap().iter().cloned().collect::<Option<Vec<Row>>>()?;
        Some(Section { heading, columns, rows })
    });
    let sections: Option<Vec<Section>> = measured.collect();
    if let Some(Err(difference)) = sections.map(|sections| table::check_or_update(&sections)) {
        eprintln!("{difference}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn trial(position: usize, case: Case, rows: Rows) -> Trial {
    Trial::test(case.name.replace([' ', '.'], "_").replace(',', ""), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failed::from)?;
        let row = runtime.block_on((case.run)());
        runtime.shutdown_background();
        rows.lock().unwrap()[position] = Some(row);
        Ok(())
    })
}
