//! The handlers' binaries.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::handler::{HANDLERS, Handler};
use crate::paths::root;

const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// As Cargo builds it: with the system's C library, and without a profile.
pub fn webhook() -> Result<Handler, Box<dyn Error>> {
    Ok(Handler::new("webhook", build("Cargo.toml", "webhook")?))
}

/// `webhook` as it is deployed, with the profile PROFILE (if there is one) and without, and what it is compared with.
pub fn all() -> Result<Vec<Handler>, Box<dyn Error>> {
    let [profiled, unprofiled, plain, no_op] = HANDLERS;
    let mut handlers = Vec::new();
    if let Some(profile) = std::env::var("PROFILE").ok().filter(|profile| !profile.is_empty()) {
        handlers.push(Handler::new(profiled, deployable(profiled, &profile)?));
    }
    handlers.push(Handler::new(unprofiled, deployable(unprofiled, "")?));
    eprintln!("The first build of the plain handler takes minutes.");
    handlers.push(Handler::new(plain, build("bench/plain-handler/Cargo.toml", "plain-handler")?));
    handlers.push(Handler::new(no_op, build("bench/no-op-handler/Cargo.toml", "no-op-handler")?));
    Ok(handlers)
}

/// The next build writes to the same path, so the binary is copied.
fn deployable(name: &str, profile: &str) -> Result<PathBuf, Box<dyn Error>> {
    let mut build = Command::new(root().join("scripts/build"));
    if !build.env("ARCHITECTURE", ARCHITECTURE).env("PROFILE", profile).status()?.success() {
        return Err("scripts/build could not build webhook; its own message says why.".into());
    }
    let folder = root().join("target/deployable");
    let copy = folder.join(name);
    std::fs::copy(folder.join(format!("lambda-{ARCHITECTURE}/webhook/bootstrap")), &copy)?;
    Ok(copy)
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
