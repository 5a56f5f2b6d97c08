//! An authentic event while EventBridge, SQS or Secrets Manager fails, with real sockets and a new process for each case:
//! what the simulation cannot show. Those that concern both kinds of event bus are run for each. A run with
//! `UPDATE_DOCS=1` writes the tables into `docs/faults.md`.

mod redrive;
mod table;
mod webhook;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use table::{Row, Rows};
use test_kit::fault::{Fault, first};
use test_kit::sandbox::{Bus, Sandbox};

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");
const REDRIVE: &str = env!("CARGO_BIN_EXE_redrive");

/// The cases mostly wait, so more of them run at once than there are cores. Many more would distort their times.
const AT_ONCE: usize = 8;

const CLASSIC: &[Bus] = &[Bus::Classic];
const CUSTOM: &[Bus] = &[Bus::Custom];
const EITHER: &[Bus] = &[Bus::Classic, Bus::Custom];

/// The ARN of a Classic bus in another account than the function's.
const OTHER_ACCOUNT: &str = "arn:aws:events:us-east-1:111122223333:event-bus/orders";

/// What fails, and what must follow.
struct Case {
    /// A sentence: the name of the test, and the first cell of its row.
    name: &'static str,
    buses: &'static [Bus],
    run: Box<dyn FnOnce(Bus) -> Running + Send>,
}

/// The cells of a row after the kind of event bus, and the time.
type Measured = (String, Duration);
type Running = Pin<Box<dyn Future<Output = Measured>>>;

fn case<F>(name: &'static str, buses: &'static [Bus], run: F) -> Case
where
    F: AsyncFnOnce(Bus) -> Measured + Send + 'static,
{
    Case { name, buses, run: Box::new(move |bus| Box::pin(async move { run(bus).await })) }
}

/// From now on, every call of these operations fails.
fn fail(aws: &Sandbox, operations: &str, fault: &Fault) {
    fail_first(usize::MAX, aws, operations, fault);
}

fn fail_first(calls: usize, aws: &Sandbox, operations: &str, fault: &Fault) {
    for operation in operations.split(' ') {
        let plan = || first(calls, fault.clone());
        aws.eventbridge.plan(operation, plan());
        aws.sqs.plan(operation, plan());
        aws.secrets.plan(operation, plan());
    }
}

/// The bus is one of another account, and nothing is known about it.
async fn of_another_account(aws: &mut Sandbox) {
    aws.set("EVENT_BUS_NAME", OTHER_ACCOUNT);
    aws.eventbridge.state().service.buses = [OTHER_ACCOUNT.to_owned()].into();
    fail(aws, "DescribeEventBus", &Fault::Error(400, "ResourceNotFoundException"));
}

/// Checks that these bodies are on the bus, and nothing else.
fn check_bus(aws: &Sandbox, bodies: &[&str], trace: Option<&str>) {
    // The fake drops an entry that names a bus that it does not have.
    let nameless = |mut entry: Value| {
        entry.as_object_mut().expect("an entry").remove("EventBusName");
        entry
    };
    let entry = |body: &&str| {
        let parsed: Value = serde_json::from_str(body).expect("a body");
        let name = |key: &str| parsed[key].as_str().expect("a name").to_owned();
        nameless(aws.bus.entry(&format!("{}#{}", name("cache"), name("topic")), body, trace))
    };
    let state = aws.eventbridge.state();
    assert_eq!(state.service.dropped, Vec::<Value>::new(), "entries that EventBridge accepted and dropped");
    let on_the_bus: Vec<Value> = state.service.entries.iter().cloned().map(nameless).collect();
    assert_eq!(on_the_bus, bodies.iter().map(entry).collect::<Vec<_>>(), "events on the bus");
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let rows = Rows::default();
    let (mut trials, mut cases) = (Vec::new(), 0);
    for &bus in EITHER {
        cases = 0;
        for (table, list) in [webhook::cases(), redrive::cases()].into_iter().enumerate() {
            cases += list.len();
            let places = list.into_iter().enumerate().filter(|(_, case)| case.buses.contains(&bus));
            trials.extend(places.map(|(place, case)| trial((table, place), case, bus, Arc::clone(&rows))));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let rows = rows.lock().unwrap();
    // Rows are missing where tests failed or were filtered out.
    if rows.len() == cases
        && !conclusion.has_failed()
        && let Err(difference) = table::check_or_update(&rows)
    {
        eprintln!("{difference}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn trial(place: (usize, usize), case: Case, bus: Bus, rows: Rows) -> Trial {
    let Case { name, buses, run } = case;
    let test = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failed::from)?;
        let (cells, took) = runtime.block_on(run(bus));
        runtime.shutdown_background();
        let mut rows = rows.lock().unwrap();
        let row = rows.entry(place).or_insert(Row { name, buses, cells, took });
        row.took = row.took.max(took);
        Ok(())
    };
    Trial::test(name.replace([' ', '.'], "_").replace(',', ""), test).with_kind(format!("{bus:?}"))
}
