//! What the measurements depend on: the machine and the compiler.

use std::error::Error;
use std::fs;
use std::process::Command;

/// The compiler and its target platform. Counts of different ones cannot be compared.
pub fn compiler() -> Result<String, Box<dyn Error>> {
    let output = String::from_utf8(Command::new("rustc").args(["--version", "--verbose"]).output()?.stdout)?;
    let release = output.lines().next().unwrap_or_default();
    let host = output.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(format!("{release}, {host}"))
}

pub fn description() -> Result<String, Box<dyn Error>> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let of = |name: &str| processors.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
    let model = of("model name").first().map_or("unknown processor", |line| line.trim_start_matches(['\t', ':', ' ']));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kibibytes: f64 = memory.split_whitespace().nth(1).unwrap_or_default().parse()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: Vec<&str> = kernel.split('.').take(2).collect();
    Ok(format!(
        "{model}, {} cores, {:.0} GiB; Linux {}; {}",
        of("processor").len(),
        kibibytes / 1024.0 / 1024.0,
        kernel.join("."),
        compiler()?
    ))
}
