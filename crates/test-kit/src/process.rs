//! A binary as a process of its own: ended when dropped, its log kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// Environment variables by name.
pub type Environment = BTreeMap<String, String>;

/// Far longer than any successful wait takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A started process.
pub struct Process {
    /// When it was started.
    pub started: Instant,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    read: watch::Receiver<usize>,
}

impl Process {
    /// Starts a binary with these environment variables and no others.
    pub fn start(binary: &Path, environment: &Environment) -> Self {
        let started = Instant::now();
        let mut child = Command::new(binary)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} did not start: {error}", binary.display()));
        let lines = Arc::default();
        let (write, read) = watch::channel(0);
        keep(child.stdout.take().expect("a pipe"), Arc::clone(&lines), write.clone());
        keep(child.stderr.take().expect("a pipe"), Arc::clone(&lines), write);
        Self { started, child, lines, read }
    }

    /// Every line so far of the output and the error output.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The lines that are JSON: log records and metrics.
    pub fn records(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for the first JSON line for which this holds.
    pub async fn record(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut read = self.read.clone();
        let found = timeout(PATIENCE, async {
            loop {
                read.borrow_and_update();
                if let Some(record) = self.records().into_iter().find(&holds) {
                    return record;
                }
                if read.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("the log has no {what}:\n{}", self.lines().join("\n")))
    }

    /// Waits until the process has exited and its last line is read.
    pub async fn exited(&mut self) -> ExitStatus {
        let exited = timeout(PATIENCE, async {
            let status = self.child.wait().await.expect("a status");
            while self.read.changed().await.is_ok() {}
            status
        });
        exited.await.unwrap_or_else(|_| panic!("the process did not exit:\n{}", self.lines().join("\n")))
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal {name} was not sent");
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("a process that runs")
    }
}

fn keep(pipe: impl AsyncRead + Unpin + Send + 'static, lines: Arc<Mutex<Vec<String>>>, read: watch::Sender<usize>) {
    tokio::spawn(async move {
        let mut reader = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = reader.next_line().await {
            lines.lock().unwrap().push(line);
            read.send_modify(|count| *count += 1);
        }
    });
}

/// The binary to test: the one that Cargo built for the test (`env!("CARGO_BIN_EXE_…")`), or the one of the same name in
/// the directory that `TEST_BINARIES` names.
pub fn binary_under_test(built: &str) -> PathBuf {
    let built = Path::new(built);
    match (std::env::var_os("TEST_BINARIES"), built.file_name()) {
        (Some(directory), Some(name)) => Path::new(&directory).join(name),
        _ => built.to_owned(),
    }
}
