//! Signs and posts one webhook as Momento does, and prints the response.
//!
//! ```text
//! read -rs MOMENTO_SIGNING_SECRET && export MOMENTO_SIGNING_SECRET
//! cargo run --example send -- --url URL --cache CACHE --topic TOPIC --text TEXT [--token-id ID]
//! ```
//!
//! The exit status is 0 only if the handler stored the event. The signing secret can also be on standard input. `--secret SECRET` is for a local handler: the arguments of a
//! process are visible to every user of the machine.

use std::io::{IsTerminal, Read, stdin};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use lexopt::prelude::*;
use momento_body_signature::sign;

type Error = Box<dyn std::error::Error>;

const USAGE: &str =
    "cargo run --example send -- --url URL --cache CACHE --topic TOPIC --text TEXT [--token-id ID] [--secret SECRET]";
const SECRET_VARIABLE: &str = "MOMENTO_SIGNING_SECRET";

#[derive(Default)]
struct Options {
    url: String,
    secret: String,
    cache: String,
    topic: String,
    text: String,
    token_id: String,
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("Error: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Error> {
    let Some(options) = options()? else {
        println!("Usage: {USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let (status, body) = send(&options)?;
    println!("{status} {body}");
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `None` if only the usage is wanted.
fn options() -> Result<Option<Options>, Error> {
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        let option = match argument {
            Long("url") => &mut options.url,
            Long("secret") => &mut options.secret,
            Long("cache") => &mut options.cache,
            Long("topic") => &mut options.topic,
            Long("text") => &mut options.text,
            Long("token-id") => &mut options.token_id,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(format!("{}. Usage: {USAGE}", other.unexpected()).into()),
        };
        *option = arguments.value()?.string()?;
    }
    if options.url.is_empty() {
        return Err(format!("--url is missing. Usage: {USAGE}").into());
    }
    if options.secret.is_empty() {
        options.secret = secret()?;
    }
    Ok(Some(options))
}

/// From the environment, or else from standard input, without the line break at its end.
fn secret() -> Result<String, Error> {
    let mut secret = std::env::var(SECRET_VARIABLE).unwrap_or_default();
    if secret.is_empty() && !stdin().is_terminal() {
        stdin().read_to_string(&mut secret)?;
        secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
    }
    if secret.is_empty() {
        return Err(
            format!("The signing secret is missing. Set {SECRET_VARIABLE}, or send it to standard input.").into()
        );
    }
    Ok(secret)
}

fn send(options: &Options) -> Result<(ureq::http::StatusCode, String), Error> {
    let body = body(options)?;
    let signature = sign(options.secret.as_bytes(), body.as_bytes());
    let proxy = if is_loopback(&options.url)? { None } else { ureq::Proxy::try_from_env() };
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(proxy).build().into();
    let request = agent
        .post(&options.url)
        .header("content-type", "application/json")
        .header("momento-signature", signature)
        .header("user-agent", "Momento/1.0 (Webhooks; +https://docs.momentohq.com/topics/webhooks)");
    let mut response = request.send(&body).map_err(|error| format!("{} cannot be reached: {error}.", options.url))?;
    Ok((response.status(), response.body_mut().read_to_string()?))
}

/// A proxy would look for the handler on its own machine.
fn is_loopback(url: &str) -> Result<bool, Error> {
    let url: ureq::http::Uri = url.parse().map_err(|error| format!("{url} is not a URL: {error}."))?;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    Ok(host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

/// Momento's keys in Momento's order.
fn body(options: &Options) -> Result<String, Error> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        cache: &'a str,
        topic: &'a str,
        event_timestamp: u64,
        publish_timestamp: u64,
        topic_sequence_number: u64,
        token_id: &'a str,
        text: &'a str,
    }
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    Ok(serde_json::to_string(&Body {
        cache: &options.cache,
        topic: &options.topic,
        event_timestamp: now,
        publish_timestamp: now,
        topic_sequence_number: 0,
        token_id: &options.token_id,
        text: &options.text,
    })?)
}
