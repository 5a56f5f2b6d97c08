//! What the settings of the log change, and what is never logged.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;
use test_kit::momento::SECRET;
use test_kit::process::{Process, binary_under_test};
use test_kit::retry_queue::{batch, message};
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Function, Sandbox};
use tokio::task::JoinSet;

use crate::kinds::{
    FORGED_CACHE, FORGED_TOPIC, KINDS, Kind, SECRET_KEY, SESSION_TOKEN, TEXT, TOKEN, World, body, sandbox,
};
use crate::output::{Output, sums};
use crate::runs::block_on;
use crate::{REDRIVE, WEBHOOK};

/// How the log is set, and the requests that are logged then.
type Setting = (&'static [(&'static str, &'static str)], Logged);

/// From the fewest requests to all of them.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Logged {
    /// Those whose record is the only copy of the event.
    LastCopies,
    Errors,
    Warnings,
    All,
}

const JSON: (&str, &str) = ("AWS_LAMBDA_LOG_FORMAT", "JSON");
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

const SETTINGS: [Setting; 15] = [
    (&[], Logged::All),
    (&[JSON], Logged::All),
    (&[JSON, (LEVEL, "TRACE")], Logged::All),
    (&[JSON, (LEVEL, "DEBUG")], Logged::All),
    (&[JSON, (LEVEL, "INFO")], Logged::All),
    (&[JSON, (LEVEL, "WARN")], Logged::Warnings),
    (&[JSON, (LEVEL, "ERROR")], Logged::Errors),
    (&[JSON, (LEVEL, "FATAL")], Logged::LastCopies),
    (&[JSON, ("RUST_LOG", "trace")], Logged::All),
    (&[("RUST_LOG", "trace")], Logged::All),
    (&[JSON, ("RUST_LOG", "off")], Logged::LastCopies),
    (&[("RUST_LOG", "off")], Logged::LastCopies),
    (&[JSON, ("RUST_LOG", "warn"), (LEVEL, "DEBUG")], Logged::Warnings),
    // The directive of another crate.
    (&[JSON, ("RUST_LOG", "hyper=debug"), (LEVEL, "INFO")], Logged::LastCopies),
    (&[JSON, ("RUST_LOG", "off,momento_eventbridge=error")], Logged::Errors),
];

impl Logged {
    fn outcomes(self) -> BTreeSet<&'static str> {
        let outcomes = KINDS.iter().filter(|kind| kind.world != World::Rotation).map(|kind| kind.outcome());
        outcomes
            .filter(|outcome| match self {
                Self::LastCopies => *outcome == "BothFailed",
                Self::Errors => ["BothFailed", "SecretUnavailable"].contains(outcome),
                Self::Warnings => *outcome != "Delivered",
                Self::All => true,
            })
            .collect()
    }
}

struct Run {
    setting: Setting,
    webhook: Output,
    /// A process that cannot read the secret.
    without_secret: Output,
    redrive: Output,
    signatures: Vec<String>,
}

/// One of each, except for the one that takes seconds.
fn kinds(world: World) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(move |kind| kind.world == world && kind.reason != Some("TimedOut"))
}

static RUNS: LazyLock<Vec<Run>> = LazyLock::new(|| {
    block_on(async {
        let mut runs = JoinSet::new();
        for setting in SETTINGS {
            runs.spawn(run(setting));
        }
        runs.join_all().await
    })
});

async fn run(setting: Setting) -> Run {
    let mut signatures = Vec::new();
    let webhook = send(setting, World::Ready, &mut signatures).await;
    let without_secret = send(setting, World::NoSecret, &mut signatures).await;
    let sandbox = sandbox(World::Ready).await;
    let redrive = start(&sandbox, REDRIVE, setting).await;
    let message = message(&body("paid", test_kit::momento::now(), TEXT));
    let event = batch([("readable", &*message), ("unreadable", TEXT)].map(|(id, text)| (id.to_owned(), text)));
    redrive.invoke(&event).await;
    Run { setting, webhook, without_secret, redrive: Output::of(redrive).await, signatures }
}

async fn send(setting: Setting, world: World, signatures: &mut Vec<String>) -> Output {
    let sandbox = sandbox(world).await;
    let function = start(&sandbox, WEBHOOK, setting).await;
    for kind in kinds(world) {
        let event = (kind.event)();
        let signature = event["headers"]["momento-signature"].as_str().unwrap_or_default();
        signatures.extend((signature.len() == 64).then(|| signature.to_owned()));
        function.invoke(&event).await;
    }
    Output::of(function).await
}

/// With these variables for the log and no others.
async fn start(sandbox: &Sandbox, binary: &str, (variables, _): Setting) -> Function {
    let binary = binary_under_test(binary);
    let name = binary.file_name().expect("a file").to_string_lossy();
    let runtime = RuntimeApi::start().await;
    let mut environment = sandbox.environment(&name, &runtime);
    environment.retain(|name, _| !["RUST_LOG", "AWS_LAMBDA_LOG_FORMAT"].contains(&name.as_str()));
    environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Function { process: Process::start(&binary, &environment), runtime }
}

impl Run {
    fn outputs(&self) -> [&Output; 3] {
        [&self.webhook, &self.without_secret, &self.redrive]
    }

    fn lines(&self) -> impl Iterator<Item = &String> {
        self.outputs().into_iter().flat_map(|output| &output.lines)
    }

    fn is_json(&self) -> bool {
        self.setting.0.contains(&JSON)
    }
}

#[test]
fn the_level_decides_which_requests_are_logged_except_those_whose_event_is_nowhere_else() {
    for run in RUNS.iter() {
        let records = || run.webhook.records.iter().chain(&run.without_secret.records);
        let outcomes: BTreeSet<_> = records().map(|record| record.text("outcome")).collect();
        assert_eq!(outcomes, run.setting.1.outcomes(), "{:?}", run.setting);
        let last_copies = records().filter(|record| record.text("outcome") == "BothFailed").count();
        assert_eq!(last_copies, 2, "{:?}", run.setting);
    }
}

#[test]
fn the_metrics_are_the_same_at_every_level() {
    for run in RUNS.iter() {
        let lines = run.outputs().map(|output| output.metrics.len());
        assert_eq!(lines, [kinds(World::Ready).count(), kinds(World::NoSecret).count(), 1], "{:?}", run.setting);
        for (output, world) in [(&run.webhook, World::Ready), (&run.without_secret, World::NoSecret)] {
            let sums = sums(&output.metrics);
            for kind in kinds(world) {
                let sent = kinds(world).filter(|other| other.outcome() == kind.outcome()).count() as u64;
                assert_eq!(sums[kind.outcome()], sent, "{:?}", run.setting);
            }
        }
        assert_eq!(sums(&run.redrive.metrics), [("RedriveFailed".into(), 1), ("Redriven".into(), 1)].into());
    }
}

#[test]
fn lines_have_the_format_that_is_set_and_those_of_the_metrics_are_json_in_any() {
    for run in RUNS.iter() {
        for line in run.lines() {
            if run.is_json() || line.starts_with(r#"{"_aws""#) {
                let parsed: Result<Value, _> = serde_json::from_str(line);
                assert!(parsed.is_ok_and(|parsed| parsed.is_object()), "{line}");
            } else {
                assert_is_text(line);
            }
        }
    }
}

/// `2026-11-21T14:47:00.352Z WARN  The request …`
fn assert_is_text(line: &str) {
    let (time, rest) = line.split_once(' ').unwrap_or_default();
    let shape: String = time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert!(["0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000Z"].contains(&&*shape), "{line}");
    assert!(time.starts_with("20"), "{line}");
    assert!(["ERROR ", "WARN  ", "INFO  ", "DEBUG "].iter().any(|level| rest.starts_with(level)), "{line}");
}

#[test]
fn no_secret_signature_or_payload_is_logged_except_in_the_only_copy_of_an_event() {
    for run in RUNS.iter() {
        assert!(run.signatures.len() > 5);
        let signatures = run.signatures.iter().map(String::as_str);
        let secrets: Vec<_> = signatures.chain([SECRET, SECRET_KEY, SESSION_TOKEN]).map(str::to_lowercase).collect();
        for line in run.lines() {
            let lower = line.to_lowercase();
            assert!(!secrets.iter().any(|secret| lower.contains(secret)), "{line}");
            // Of a request that was not verified, not even the names are logged.
            assert!(![FORGED_CACHE, FORGED_TOPIC].iter().any(|name| line.contains(name)), "{line}");
            let is_last_copy = line.contains(r#""queueMessage":"#);
            assert!(is_last_copy || ![TEXT, TOKEN].iter().any(|payload| line.contains(payload)), "{line}");
        }
    }
}

#[test]
fn an_event_that_neither_the_bus_nor_the_queue_accepted_is_whole_in_its_record() {
    for run in RUNS.iter() {
        for record in run.webhook.records.iter().filter(|record| record.text("outcome") == "BothFailed") {
            let message = &record.fields["queueMessage"];
            let body: Value = serde_json::from_str(message["body"].as_str().expect("a body")).expect("JSON");
            for name in ["cache", "topic"] {
                // The record's own copies are cut.
                let whole = body[name].as_str().expect("a name");
                assert_eq!(record.text(name), whole.chars().take(128).collect::<String>());
            }
            assert_eq!((body["text"].as_str(), body["token_id"].as_str()), (Some(TEXT), Some(TOKEN)));
            assert_eq!(message["requestId"], record.fields["requestId"]);
        }
    }
}
