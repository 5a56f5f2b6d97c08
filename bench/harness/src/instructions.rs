//! Counts the instructions of start-up, first invocation, and warm invocation under callgrind. Load on the machine does not
//! change the counts, but another compiler does.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::handler::Handler;
use crate::machine::compiler;
use crate::{binaries, drive, paths};

pub const BODY: usize = 200;
/// Starts differ slightly (random keys, the order in which sockets become ready); the minimum varies least.
pub const REPEATS: usize = 3;
const WARM_INVOCATIONS: usize = 50;
const ALLOWED_GROWTH: f64 = 1.10;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub start_up: u64,
    pub first: u64,
    pub warm: u64,
}

#[derive(Serialize, Deserialize)]
struct Recorded {
    compiler: String,
    instructions: Counts,
}

pub async fn check() -> Result<(), Box<dyn Error>> {
    let recorded: Recorded = serde_json::from_str(&fs::read_to_string(path())?)?;
    let compiler = compiler()?;
    if recorded.compiler != compiler {
        println!("Not compared: the counts were recorded with {}, and this is {compiler}.", recorded.compiler);
        return Ok(());
    }
    let (before, now) = (recorded.instructions, of_webhook().await?);
    let figures = [
        ("startUp", before.start_up, now.start_up),
        ("first", before.first, now.first),
        ("warm", before.warm, now.warm),
    ];
    let mut has_grown = false;
    for (name, before, now) in figures {
        let growth = now as f64 / before as f64;
        let too_many = growth > ALLOWED_GROWTH;
        has_grown |= too_many;
        println!(
            "{name:8} {:>12} instructions, recorded {:>12}: {:+.1}%{}",
            thousands(now),
            thousands(before),
            (growth - 1.0) * 100.0,
            if too_many { ", more than 10% higher" } else { "" }
        );
    }
    if has_grown {
        return Err("Reduce the instructions. If the increase is justified, run `make instructions-write` and commit \
                    bench/instructions.json with the reason."
            .into());
    }
    Ok(())
}

pub async fn write() -> Result<(), Box<dyn Error>> {
    let recorded = Recorded { compiler: compiler()?, instructions: of_webhook().await? };
    Ok(fs::write(path(), serde_json::to_string_pretty(&recorded)? + "\n")?)
}

fn path() -> PathBuf {
    paths::root().join("bench/instructions.json")
}

async fn of_webhook() -> Result<Counts, Box<dyn Error>> {
    measure(&binaries::webhook()?, REPEATS, BODY).await
}

pub async fn measure(handler: &Handler, repeats: usize, body: usize) -> Result<Counts, Box<dyn Error>> {
    let start_up = least(handler, repeats, 0, body).await?;
    let first = least(handler, repeats, 1, body).await?;
    let warm = least(handler, repeats, 1 + WARM_INVOCATIONS, body).await?;
    Ok(Counts { start_up, first: first - start_up, warm: (warm - first) / WARM_INVOCATIONS as u64 })
}

/// All instructions of one process that receives this many webhooks.
async fn least(handler: &Handler, repeats: usize, invocations: usize, body: usize) -> Result<u64, Box<dyn Error>> {
    let mut least = u64::MAX;
    for _ in 0..repeats {
        let folder = tempfile::tempdir()?;
        let profile = folder.path().join("callgrind.out");
        drive::drive(&handler.under_callgrind(&profile), invocations, body).await;
        let written = fs::read_to_string(&profile)?;
        let totals = written.lines().filter_map(|line| line.strip_prefix("totals: ")).next_back();
        least = least.min(totals.ok_or("callgrind wrote no totals")?.parse()?);
    }
    Ok(least)
}

/// 1234567 as 1,234,567.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b","[..])).into_owned()
}
