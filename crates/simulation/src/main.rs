//! `make simulate`: many lives with a count of what they exercised, or one life with its trace.

mod dashboard;
mod report;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use lexopt::prelude::*;
use mimalloc::MiMalloc;
use report::Found;
use sha2::{Digest as _, Sha256};
use simulation::draw::Draws;
use simulation::fault;
use simulation::operator::SCRIPTS;
use simulation::search::{self, Lived, live, shrink};
use test_kit::docs::Part;

/// Most of a life is the SDK, and a sixth of that the allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BEGIN: &str = "<!-- simulation: written by `make simulate UPDATE_DOCS=1` -->";
const END: &str = "<!-- end of the simulation -->";

const USAGE: &str = "\
Usage: simulate [--regressions] [--lives NUMBER | --seconds NUMBER] [--from SEED | --from-sources] [--stop]
       simulate --seed SEED
       simulate --dashboard FILE

Lives that many lives, or as many as fit in that time, from SEED on (with --from-sources, from one that follows from src/; from
a random one if there is neither), and prints what they exercised; with --regressions, those of seeds.txt as well. With --stop,
ends at the first that breaks a promise. With --seed, lives one life, shrinks it if it breaks a promise, and prints its trace.
With --dashboard, writes what the picture of the dashboard is drawn from.
";

/// Lives that broke a promise once: each a line with its seed and with what it showed.
const REGRESSIONS: &str = include_str!("../seeds.txt");

/// In so many lives, everything that may happen happens.
const LIVES_WITHOUT_HOLES: u64 = 2_000;

enum End {
    Lives(u64),
    Seconds(u64),
}

fn main() -> Result<ExitCode, lexopt::Error> {
    let (mut end, mut from, mut seed, mut picture) = (End::Lives(20_000), None, None, None);
    let (mut stops, mut regressions) = (false, "");
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("lives") => end = End::Lives(arguments.value()?.parse()?),
            Long("seconds") => end = End::Seconds(arguments.value()?.parse()?),
            Long("from") => from = Some(arguments.value()?.parse()?),
            Long("from-sources") => from = Some(of_the_sources().map_err(|error| lexopt::Error::Custom(error.into()))?),
            Long("regressions") => regressions = REGRESSIONS,
            Long("stop") => stops = true,
            Long("seed") => seed = Some(arguments.value()?.parse()?),
            Long("dashboard") => picture = Some(PathBuf::from(arguments.value()?)),
            Long("help") => {
                print!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected()),
        }
    }
    search::prepare();
    if let Some(file) = picture {
        dashboard::write(&file).map_err(|error| lexopt::Error::Custom(error.into()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_clean = match seed {
        Some(seed) => replay(seed),
        None => many(&end, from.unwrap_or_else(random), stops) & again(regressions),
    };
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A seed for these sources of the functions: a change has new lives, which are the same until the next one.
fn of_the_sources() -> io::Result<u64> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(fs::read(file)?);
    }
    let start = hash.finalize()[..4].try_into().expect("4 bytes");
    Ok(u64::from(u32::from_be_bytes(start)) * 1_000_000)
}

/// A new seed, from the time.
fn random() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or_default() * 1_000
}

/// Lives the lives of these lines.
fn again(regressions: &str) -> bool {
    let seeds = regressions.lines().filter_map(|line| line.split_once(' ')?.0.parse::<u64>().ok());
    let mut is_clean = true;
    for seed in seeds {
        for (promise, what) in live(&Draws { seed, ..Draws::default() }).violations {
            println!("seed {seed}, which broke a promise before: {promise} {what}.");
            is_clean = false;
        }
    }
    is_clean
}

/// Lives one life, and prints the trace of it, or of the smallest that breaks the same promise.
fn replay(seed: u64) -> bool {
    let lived = live(&Draws { seed, ..Draws::default() });
    let hash = lived.history.hash();
    let is_clean = lived.violations.is_empty();
    let shown = if is_clean { lived } else { shrink(&Draws { seed, ..Draws::default() }) };
    print_life(&shown);
    println!("Hash of the whole trace of seed {seed}: {hash}");
    is_clean
}

fn print_life(lived: &Lived) {
    let Lived { life, history, violations } = lived;
    println!("{:?}", life.terms);
    for outage in &life.outages {
        println!("{outage:?}");
    }
    print!("{}", history.trace);
    if violations.is_empty() {
        println!("Every promise was kept.");
    }
    for (promise, what) in violations {
        println!("BROKEN: {promise} {what}.");
    }
}

fn many(end: &End, from: u64, stops: bool) -> bool {
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let found = Mutex::new(Found::default());
    let is_over = |seed: u64| match end {
        End::Lives(lives) => seed - from >= *lives,
        End::Seconds(seconds) => began.elapsed() >= Duration::from_secs(*seconds),
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if is_over(seed) || (stops && !found.lock().expect("no panic").failed.is_empty()) {
                        break;
                    }
                    let lived = live(&Draws { seed, ..Draws::default() });
                    note(&mut found.lock().expect("no panic"), seed, &lived, began);
                }
            });
        }
    });
    let found = found.into_inner().expect("no panic");
    let is_complete = found.lives < LIVES_WITHOUT_HOLES || exercised(&found);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} lives, {} requests, {} lives with a violation; {:.0} lives and {:.0} requests a second, from seed {from}.",
        found.lives,
        found.requests,
        found.failed.len(),
        found.lives as f64 / seconds,
        found.requests as f64 / seconds,
    );
    if Part::may_be_updated() {
        let part = Part::of("faults.md", BEGIN, END).expect("the markers");
        part.update(&found.text()).expect("a page that can be written");
    }
    found.failed.is_empty() && is_complete
}

/// Prints what the lives exercised. False if something that may happen never did.
fn exercised(found: &Found) -> bool {
    for (what, count) in &found.counts {
        println!("{count:>12}  {what}");
    }
    let scripts = SCRIPTS.iter().map(|script| format!("operator: {script}"));
    let may_happen = fault::names().into_iter().chain(scripts);
    let holes: Vec<String> = may_happen.filter(|name| !found.counts.contains_key(name)).collect();
    if !holes.is_empty() {
        println!("Never happened: {}.", holes.join("; "));
    }
    holes.is_empty()
}

fn note(found: &mut Found, seed: u64, lived: &Lived, began: Instant) {
    found.add(lived);
    if let Some((promise, what)) = lived.violations.first() {
        println!("seed {seed}: {promise} {what}.");
        found.failed.push(seed);
    }
    if found.lives.is_multiple_of(1_000) {
        eprint!("\r{} lives in {} s", found.lives, began.elapsed().as_secs());
        let _ = std::io::stderr().flush();
    }
}
