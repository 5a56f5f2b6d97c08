//! A handler's binary, and the environment in which it runs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use test_kit::process::Process;
use test_kit::runtime_api::RuntimeApi;
use test_kit::sandbox::{Function, Sandbox};

pub struct Handler {
    pub name: String,
    binary: PathBuf,
}

impl Handler {
    pub fn parse(argument: &str) -> Option<Self> {
        let (name, path) = argument.split_once('=')?;
        Some(Self { name: name.into(), binary: path.into() })
    }

    /// Endpoints over TLS, for one process: what they keep of one would slow the next.
    pub async fn sandbox(&self, round_trip: Duration) -> Sandbox {
        let mut sandbox = Sandbox::in_a_region(round_trip).await;
        // `webhook` (and a variant of it, `webhook-…`) trusts the few roots that it carries, whoever uses the SDK's
        // defaults all those of the system: each gets as many certificates as on Lambda, and in addition the one that
        // signed those of the endpoints.
        let roots = if self.name.starts_with("webhook") { own_roots() } else { system_roots() };
        let authority = PathBuf::from(&sandbox.environment("", &RuntimeApi::start().await)["AWS_CA_BUNDLE"]);
        let bundle = roots + &fs::read_to_string(&authority).expect("the authority's certificate");
        let path = authority.with_file_name("bundle.pem");
        fs::write(&path, bundle).expect("a file beside the authority's");
        for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
            sandbox.set(variable, &path.display().to_string());
        }
        // What a profiler that is started in a handler's place needs.
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
