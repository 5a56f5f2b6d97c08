//! What becomes of an authentic event when EventBridge, SQS or Secrets Manager fails: release binaries, real sockets, one
//! fresh process for each case. `UPDATE_DOCS=1` writes the table of it into `docs/faults.md`.

mod case;
mod checks;
mod eventbridge;
mod redrive;
mod secrets;
mod sqs;
mod table;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use table::{ANSWERED, REPORTED, Row, Section};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
const REDRIVE: &str = env!("CARGO_BIN_EXE_redrive");

type Rows = Arc<Mutex<Vec<Option<Row>>>>;

/// The cases mostly wait, so more of them run at once than there are cores; many more would distort their times.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let sections = [
        ("EventBridge fails", ANSWERED, eventbridge::cases()),
        ("EventBridge fails and SQS as well", ANSWERED, sqs::cases()),
        ("Secrets Manager fails", ANSWERED, secrets::cases()),
        ("The way back from the retry queue, in batches of ten", REPORTED, redrive::cases()),
    ];
    let mut tables = Vec::new();
    let mut trials = Vec::new();
    for (heading, columns, cases) in sections {
        let rows: Rows = Arc::new(Mutex::new(vec![None; cases.len()]));
        trials.extend(cases.into_iter().enumerate().map(|(place, case)| trial(place, case, Arc::clone(&rows))));
        tables.push((heading, columns, rows));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let measured = tables.into_iter().map(|(heading, columns, rows)| {
        // Some are missing where a filter left out their tests, or they failed.
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

fn trial(place: usize, case: Case, rows: Rows) -> Trial {
    Trial::test(case.name.replace([' ', '.'], "_").replace(',', ""), move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failed::from)?;
        let row = runtime.block_on((case.run)());
        runtime.shutdown_background();
        rows.lock().unwrap()[place] = Some(row);
        Ok(())
    })
}
