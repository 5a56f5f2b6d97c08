//! Measures all handlers, and writes docs/performance.md and its plot.

use std::error::Error;
use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use test_kit::docs::Part;
use time::OffsetDateTime;

use crate::handler::{HANDLERS, Handler};
use crate::instructions::{self, BODY, REPEATS};
use crate::{binaries, machine, measure, paths, plot, report};

const PICTURE: &str = "performance.svg";

pub async fn write(rounds: usize) -> Result<(), Box<dyn Error>> {
    let page = Part::of("performance.md", "<!-- measured: begin -->", "<!-- measured: end -->")?;
    let handlers = binaries::all()?;
    // The slow clock can be preloaded into a dynamic program only.
    let dynamic = binaries::webhook()?;
    let runs = measure::measure(rounds, &handlers).await;
    println!("Counting instructions under callgrind ...");
    let [.., plain, no_op] = &handlers[..] else { unreachable!("four handlers, or three") };
    let counted = [
        instructions::measure(&dynamic, REPEATS, BODY).await?,
        instructions::measure(plain, 1, BODY).await?,
        instructions::measure(no_op, 1, BODY).await?,
    ];
    let mut sizes = Vec::new();
    for handler in &handlers {
        sizes.push((handler.name, zipped(handler)?));
    }
    let figures = report::figures(&runs, &counted, &sizes);
    println!("{}", report::table(&figures));
    if handlers.len() < HANDLERS.len() {
        println!("\nNot written to docs/performance.md: that also needs a profile, PROFILE=FILE.");
        return Ok(());
    }
    page.update(&format!(
        "Measured on {} ({}).\n\
         Medians of {rounds} runs of each handler; in parentheses, the interquartile range.\n\
         Bodies of {} B; no network delay unless stated.\n\n{}\n\n\
         ![Ratios to the plain handler, cold starts, and CPU time by body size]({PICTURE})\n",
        OffsetDateTime::now_utc().date(),
        machine::description()?,
        report::TYPICAL_BODY,
        report::table(&figures),
    ))?;
    fs::write(paths::root().join("docs").join(PICTURE), plot::draw(&figures, &runs))?;
    println!("\nWritten to docs/performance.md and docs/{PICTURE}.");
    Ok(())
}

/// The size in a zip, compressed in the same way for every handler.
fn zipped(handler: &Handler) -> Result<usize, Box<dyn Error>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(&handler.binary)?)?;
    Ok(encoder.finish()?.len())
}
