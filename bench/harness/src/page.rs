//! Measures all handlers, and writes docs/performance.md and its plot.

use std::error::Error;
use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use test_kit::docs::Part;
use time::OffsetDateTime;

use crate::handler::Handler;
use crate::instructions::{self, BODY, REPEATS};
use crate::{binaries, machine, measure, paths, plot, report};

const BODIES_UNDER_CALLGRIND: [usize; 4] = [200, 4 * 1024, 40 * 1024, 160 * 1024];
const PICTURE: &str = "performance.svg";

pub async fn write(rounds: usize) -> Result<(), Box<dyn Error>> {
    let page = Part::of("performance.md", "<!-- measured: begin -->", "<!-- measured: end -->")?;
    let handlers = binaries::all()?;
    let [webhook, plain, no_op] = &handlers;
    // The slow clock can be preloaded into a dynamic program only.
    let dynamic = binaries::webhook()?;
    let runs = measure::measure(rounds, &handlers).await;
    println!("Counting instructions under callgrind ...");
    let counted = [
        instructions::measure(&dynamic, REPEATS, BODY).await?,
        instructions::measure(plain, 1, BODY).await?,
        instructions::measure(no_op, 1, BODY).await?,
    ];
    let mut by_body = Vec::new();
    for body in BODIES_UNDER_CALLGRIND {
        by_body.push((body as u64, instructions::measure(&dynamic, 1, body).await?.warm));
    }

    let figures = report::main_figures(&runs, &counted, [zipped(webhook)?, zipped(plain)?, zipped(no_op)?]);
    println!("{}", report::main_table(&figures));
    page.update(&format!(
        "Measured on {} ({}).\n\
         Medians of {rounds} runs of each handler; in parentheses, the interquartile range.\n\
         Bodies of {} B; no network delay unless stated.\n\n{}\n\n\
         ![Figures and their targets, cold starts, and CPU time by body size]({PICTURE})\n\n\
         By network delay and body size (times in milliseconds; in parentheses, the ratio to the plain handler):\n\n{}\n\n\
         Instructions by body size (callgrind):\n\n{}\n",
        OffsetDateTime::now_utc().date(),
        machine::description()?,
        report::TYPICAL_BODY,
        report::main_table(&figures),
        report::full_table(&runs),
        report::linear_table(&by_body),
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
