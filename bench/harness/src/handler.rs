//! A handler's binary, and the sandbox in which it runs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use test_kit::process::Process;
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Bus, Function, Sandbox};

pub struct Handler {
    pub name: String,
    binary: PathBuf,
}

impl Handler {
    pub fn parse(argument: &str) -> Option<Self> {
        let (name, path) = argument.split_once('=')?;
        Some(Self { name: name.into(), binary: path.into() })
    }

    /// A sandbox for one process, over TLS. What the fakes keep of one process would slow down the next.
    pub async fn sandbox(&self, round_trip: Duration) -> Sandbox {
        let bus = if self.name.ends_with("-custom") { Bus::Custom } else { Bus::Classic };
        let mut sandbox = Sandbox::in_a_region(bus, round_trip).await;
        // `webhook` (or a variant of it, `webhook-…`) trusts the few roots that it has, and a handler with the SDK's
        // defaults trusts all those of the system. Each gets as many certificates as on Lambda, and one for the fakes.
        sandbox.add_roots(&if self.name.starts_with("webhook") { own_roots() } else { system_roots() });
        // For a profiler that is started in place of the handler.
        for variable in ["PATH", "CALLGRIND_OUT", "PROFILED"] {
            if let Ok(value) = std::env::var(variable) {
                sandbox.set(variable, &value);
            }
        }
        sandbox
    }

    pub async fn start(&self, sandbox: &Sandbox) -> Function {
        let runtime = RuntimeApi::start().await;
        let process = Process::start(&self.binary, &sandbox.environment(&self.name, &runtime));
        Function { process, runtime }
    }
}

fn own_roots() -> String {
    include_str!("../../../src/amazon-trust-roots.pem").into()
}

fn system_roots() -> String {
    let path = "/etc/ssl/certs/ca-certificates.crt";
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}; install the package ca-certificates."))
}
