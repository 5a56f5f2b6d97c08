//! The fault matrix: an authentic event while EventBridge, SQS or Secrets Manager fails. Each case is a test of its own,
//! with real sockets and a new process; those that concern both kinds of event bus are run for each. A run with `UPDATE_DOCS=1` writes the tables into `docs/faults.md`.

mod case;
mod checks;
mod classic_bus;
mod custom_bus;
mod eventbridge;
mod redrive;
mod secrets;
mod sqs;
mod table;
mod unverified;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use case::Case;
use libtest_mimic::{Arguments, Failed, Trial};
use table::{REDRIVE_COLUMNS, Row, Section, WEBHOOK_COLUMNS};
use test_kit::sandbox::Bus;

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
const REDRIVE: &str = env!("CARGO_BIN_EXE_redrive");

type Rows = Arc<Mutex<Vec<Option<Row>>>>;

/// The cases mostly wait, so more of them run at once than there are cores. Many more would distort their times.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let both = [Bus::Classic, Bus::Custom].as_slice();
    let (classic, custom) = (&both[..1], &both[1..]);
    type List = fn() -> Vec<Case>;
    let sections: [(_, _, &[Bus], List); 9] = [
        ("EventBridge fails", WEBHOOK_COLUMNS, both, eventbridge::cases),
        ("Errors of a Classic event bus", WEBHOOK_COLUMNS, classic, classic_bus::cases),
        ("Errors of a Custom Event Bus", WEBHOOK_COLUMNS, custom, custom_bus::cases),
        ("EventBridge and SQS fail", WEBHOOK_COLUMNS, both, sqs::cases),
        ("Secrets Manager fails", WEBHOOK_COLUMNS, both, secrets::cases),
        ("Redrive from the retry queue, in batches of ten", REDRIVE_COLUMNS, both, redrive::cases),
        ("Redrive to a Classic event bus", REDRIVE_COLUMNS, classic, classic_bus::redrive_cases),
        ("Redrive to a Custom Event Bus", REDRIVE_COLUMNS, custom, custom_bus::redrive_cases),
        ("Redrive of requests that were queued unverified", REDRIVE_COLUMNS, both, unverified::cases),
    ];
    let mut tables = Vec::new();
    let mut trials = Vec::new();
    for (heading, columns, buses, list) in sections {
        let mut measured = Vec::new();
        for &bus in buses {
            let cases = list();
            let rows: Rows = Arc::new(Mutex::new(vec![None; cases.len()]));
            let trial = |(position, case)| trial(position, case, bus, Arc::clone(&rows));
            trials.extend(cases.into_iter().enumerate().map(trial));
            measured.push(rows);
        }
        tables.push((heading, columns, measured));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let measured = tables.into_iter().map(|(heading, columns, measured)| {
        // Rows are missing where tests failed or were filtered out.
        let rows = measured.iter().map(|rows| rows.lock().unwrap().iter().cloned().collect::<Option<Vec<Row>>>());
        Some(Section { heading, columns, rows: rows.collect::<Option<Vec<_>>>()? })
    });
    let sections: Option<Vec<Section>> = measured.collect();
    if let Some(Err(difference)) = sections.map(|sections| table::check_or_update(&sections)) {
        eprintln!("{difference}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn trial(position: usize, case: Case, bus: Bus, rows: Rows) -> Trial {
    let name = case.name.replace([' ', '.'], "_").replace(',', "");
    let test = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failed::from)?;
        let row = runtime.block_on((case.run)(bus));
        runtime.shutdown_background();
        rows.lock().unwrap()[position] = Some(row);
        Ok(())
    };
    Trial::test(name, test).with_kind(format!("{bus:?}"))
}
