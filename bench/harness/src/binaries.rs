//! The handlers' binaries.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::handler::Handler;
use crate::paths::root;

/// As Cargo builds it: with the system's C library, and without the profile in pgo/, which fits few commits.
pub fn webhook() -> Result<Handler, Box<dyn Error>> {
    Ok(Handler::new("webhook", build("Cargo.toml", "webhook")?))
}

/// `webhook` as it is deployed, and the handlers that it is compared with.
pub fn all() -> Result<[Handler; 3], Box<dyn Error>> {
    let deployed = deployed()?;
    eprintln!("The first build of the plain handler takes minutes.");
    Ok([
        Handler::new("webhook", deployed),
        Handler::new("plain", build("bench/plain-handler/Cargo.toml", "plain-handler")?),
        Handler::new("no-op", build("bench/no-op-handler/Cargo.toml", "no-op-handler")?),
    ])
}

fn deployed() -> Result<PathBuf, Box<dyn Error>> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    if !Command::new(root().join("scripts/build")).env("ARCHITECTURE", architecture).status()?.success() {
        return Err("scripts/build could not build webhook; its own message says why.".into());
    }
    Ok(root().join(format!("target/deployable/lambda-{architecture}/webhook/bootstrap")))
}

fn build(manifest: &str, name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let mut cargo = Command::new("cargo");
    // `cargo run` sets these for this package; ring's build script watches them, and ring would be compiled again.
    for (variable, _) in std::env::vars_os() {
        let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        if variable.to_str().is_some_and(|variable| prefixes.iter().any(|prefix| variable.starts_with(prefix))) {
            cargo.env_remove(variable);
        }
    }
    let output = cargo
        .args(["build", "--release", "--locked", "--message-format=json-render-diagnostics", "--bin", name])
        .arg("--manifest-path")
        .arg(root().join(manifest))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo could not build {name}; its own message says why.").into());
    }
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executable.ok_or_else(|| format!("cargo built no {name}.").into())
}
