//! A handler's binary, and the sandbox in which it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use test_kit::process::Process;
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Bus, Function, Sandbox};

use crate::paths::root;

/// The names of those that are compared.
pub const HANDLERS: [&str; 4] = ["webhook", "webhook-without-profile", "plain", "no-op"];
/// As it is released, and as anyone builds it.
pub const WEBHOOKS: [usize; 2] = [0, 1];
pub const PLAIN: usize = 2;

pub struct Handler {
    /// Decides which root certificates it gets.
    pub name: &'static str,
    pub binary: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Handler {
    pub fn new(name: &'static str, binary: PathBuf) -> Self {
        Self { name, binary, variables: Vec::new() }
    }

    /// The same handler in a profiler, which writes to this file when it is terminated.
    pub fn under_callgrind(&self, profile: &Path) -> Self {
        let variables = vec![
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("CALLGRIND_OUT", profile.display().to_string()),
            ("PROFILED", self.binary.display().to_string()),
        ];
        Self { name: self.name, binary: root().join("bench/under-callgrind"), variables }
    }

    /// A sandbox for one process, over TLS. What the fakes keep of one process would slow down the next.
    pub async fn sandbox(&self, round_trip: Duration) -> Sandbox {
        let bus = if self.name.ends_with("-custom") { Bus::Custom } else { Bus::Classic };
        let mut sandbox = Sandbox::in_a_region(bus, round_trip).await;
        // `webhook` (or a variant of it, `webhook-…`) trusts the few roots that it has, and a handler with the SDK's
        // defaults trusts all those of the system. Each gets as many certificates as on Lambda, and one for the fakes.
        sandbox.add_roots(&if self.name.starts_with("webhook") { own_roots() } else { system_roots() });
        for (variable, value) in &self.variables {
            sandbox.set(variable, value);
        }
        sandbox
    }

    pub async fn start(&self, sandbox: &Sandbox) -> Function {
        let runtime = RuntimeApi::start().await;
        let process = Process::start(&self.binary, &sandbox.environment(self.name, &runtime));
        Function { process, runtime }
    }
}

fn own_roots() -> String {
    include_str!("../../../src/aws/amazon-trust-roots.pem").into()
}

fn system_roots() -> String {
    let path = "/etc/ssl/certs/ca-certificates.crt";
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}; install the package ca-certificates."))
}
