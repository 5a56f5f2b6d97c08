//! Every case of `tests/cases/webhook.json` as an event of a function URL, with its body as text and in base64.
//! `tests/cases/README.md` describes the file.

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use libtest_mimic::{Arguments, Trial};
use momento_body_signature::sign;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use test_kit::fake_aws::Message;
use test_kit::momento;
use test_kit::retry_queue::webhook_body;
use test_kit::runtime_api::TRACE;
use test_kit::sandbox::{Bus, Function, Sandbox};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

const WEBHOOK: &str = env!("CARGO_BIN_EXE_webhook");

static FILE: LazyLock<File> =
    LazyLock::new(|| serde_json::from_str(include_str!("cases/webhook.json")).expect("tests/cases/webhook.json"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    secret: String,
    answers: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    name: String,
    #[serde(default = "post")]
    method: String,
    body: String,
    bytes: Option<usize>,
    #[serde(default = "momento_signature")]
    header: String,
    #[serde(default = "one_signature")]
    signatures: Vec<String>,
    key: Option<String>,
    signed: Option<String>,
    #[serde(default)]
    hash: Hash,
    claimed_base64: Option<String>,
    answer: u16,
    detail_type: Option<String>,
    #[serde(default)]
    not_by: Value,
}

#[derive(Deserialize, Default)]
enum Hash {
    #[default]
    #[serde(rename = "sha3-256")]
    Sha3,
    #[serde(rename = "sha256")]
    Sha2,
}

fn post() -> String {
    "POST".into()
}

fn momento_signature() -> String {
    "momento-signature".into()
}

fn one_signature() -> Vec<String> {
    vec!["${signature}".into()]
}

/// One function for all cases, which take turns.
struct Handler {
    runtime: Runtime,
    turn: Mutex<(Sandbox, Function)>,
}

impl Handler {
    fn start(bus: Bus) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let turn = runtime.block_on(async {
            let mut sandbox = Sandbox::with(bus).await;
            sandbox.set("SIGNING_SECRET_ID", "");
            sandbox.set("SIGNING_SECRET", &FILE.secret);
            let function = sandbox.start(WEBHOOK).await;
            Mutex::new((sandbox, function))
        });
        Self { runtime, turn }
    }
}

fn main() -> ExitCode {
    let trials = [Bus::Classic, Bus::Custom].into_iter().flat_map(trials).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trials(bus: Bus) -> Vec<Trial> {
    let handler = Arc::new(Handler::start(bus));
    let cases = FILE.cases.iter().filter(|case| case.not_by["runtime-api"].is_null()).flat_map(|case| {
        let only_base64 = case.claimed_base64.is_some() || std::str::from_utf8(&filled(&case.body, 0, "")).is_err();
        let encodings = if only_base64 { vec![true] } else { vec![false, true] };
        encodings.into_iter().map(move |is_base64| (case, is_base64))
    });
    let trial = |(case, is_base64): (&'static Case, bool)| {
        let name = format!("{}, {}", case.name, if is_base64 { "in base64" } else { "as text" });
        let handler = handler.clone();
        let test = move || {
            handler.runtime.block_on(check(case, is_base64, &handler.turn));
            Ok(())
        };
        Trial::test(name, test).with_kind(format!("{bus:?}"))
    };
    cases.map(trial).collect()
}

async fn check(case: &Case, is_base64: bool, turn: &Mutex<(Sandbox, Function)>) {
    let (sandbox, function) = &*turn.lock().await;
    sandbox.eventbridge.state().service.clear();
    sandbox.sqs.state().service.messages.clear();
    let now = momento::now();
    let body = filled(&case.body, now, "");
    assert!(case.bytes.is_none_or(|bytes| body.len() == bytes), "the body has {} bytes", body.len());

    let response = function.invoke(&event(case, &body, is_base64, now)).await;

    assert!(!response.is_error, "{}", response.payload);
    assert_eq!(response.status(), u64::from(case.answer));
    let message: Value = serde_json::from_str(response.payload["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(message, json!({"message": FILE.answers[case.answer.to_string()]}));
    assert_eq!(response.payload["headers"]["content-type"], "application/json");
    let allow = response.payload["headers"].get("allow");
    assert_eq!(allow.and_then(Value::as_str), (case.answer == 405).then_some("POST"));
    let (entries, messages) = (&sandbox.eventbridge.state().service.entries, &sandbox.sqs.state().service.messages);
    match case.answer {
        200 => assert_eq!(*entries, [entry(sandbox.bus, case, &body, now)]),
        _ => assert_eq!(entries.len(), 0, "entries on the bus"),
    }
    match &messages[..] {
        [message] if case.answer == 202 => check_message(message, &body, now, &response.request_id),
        messages => assert_eq!((messages.len(), case.answer == 202), (0, false), "messages in the queue"),
    }
}

fn entry(bus: Bus, case: &Case, body: &[u8], now: i64) -> Value {
    let detail_type = filled(case.detail_type.as_ref().expect("a detail-type"), now, "");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    bus.entry(&text(detail_type), &text(body.to_vec()), Some(TRACE))
}

/// One line of ASCII from which the body comes back byte for byte.
fn check_message(message: &Message, body: &[u8], before: i64, request_id: &str) {
    assert!(message.body.is_ascii() && !message.body.contains('\n'), "{}", message.body);
    let content: Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(webhook_body(&content), body);
    assert!((before..=momento::now()).contains(&content["receivedAt"].as_i64().expect("a time")));
    assert_eq!(content["requestId"], request_id);
    assert!(content["error"].as_str().is_some_and(|error| !error.is_empty()));
    assert_eq!((&content["version"], &content["reason"]), (&json!(1), &json!("Unmappable")));
    assert_eq!(content.as_object().expect("an object").len(), 6, "{content}");
    assert_eq!(message.attributes["reason"]["StringValue"], "Unmappable");
}

/// The event as Lambda makes it: header names in lower case, values of one name joined by a comma, bytes as Latin-1.
fn event(case: &Case, body: &[u8], is_base64: bool, now: i64) -> Value {
    let signed = case.signed.as_ref().map_or(body.to_vec(), |signed| filled(signed, now, ""));
    let key = case.key.as_ref().unwrap_or(&FILE.secret).as_bytes();
    let signature = match case.hash {
        Hash::Sha3 => sign(key, &signed),
        Hash::Sha2 => {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length").chain_update(&signed);
            hex::encode(mac.finalize().into_bytes())
        }
    };
    let latin_1 = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect::<String>();
    let values: Vec<_> = case.signatures.iter().map(|value| latin_1(filled(value, now, &signature))).collect();
    let text = if is_base64 { STANDARD.encode(body) } else { String::from_utf8(body.to_vec()).expect("UTF-8") };
    let mut event = momento::event(&text);
    event["isBase64Encoded"] = is_base64.into();
    let headers = event["headers"].as_object_mut().expect("an object");
    headers.remove("momento-signature");
    if !values.is_empty() {
        headers.insert(case.header.to_lowercase(), values.join(",").into());
    }
    event["requestContext"]["http"]["method"] = case.method.as_str().into();
    match &case.claimed_base64 {
        Some(claimed) => event["body"] = claimed.as_str().into(),
        // Lambda leaves an empty body out.
        None if body.is_empty() => drop(event.as_object_mut().expect("an object").remove("body")),
        None => {}
    }
    event
}

/// A text with its placeholders replaced.
fn filled(text: &str, now: i64, signature: &str) -> Vec<u8> {
    let mut parts = text.split("${");
    let mut bytes = parts.next().expect("a part").as_bytes().to_vec();
    for part in parts {
        let (placeholder, rest) = part.split_once('}').expect("an end of the placeholder");
        bytes.extend(value(placeholder, now, signature));
        bytes.extend(rest.as_bytes());
    }
    bytes
}

fn value(placeholder: &str, now: i64, signature: &str) -> Vec<u8> {
    if let Some((what, times)) = placeholder.rsplit_once('*') {
        return unit(what).repeat(times.parse().expect("a number of times"));
    }
    if let Some(offset) = placeholder.strip_prefix("now") {
        let offset = if offset.is_empty() { 0 } else { offset.parse::<i64>().expect("milliseconds") };
        return (now + offset).to_string().into();
    }
    match placeholder.strip_prefix("signature") {
        Some("") => signature.into(),
        Some(".upper") => signature.to_uppercase().into(),
        Some(".mixed") => (0..).zip(signature.chars()).map(|(place, digit)| mixed(place, digit) as u8).collect(),
        Some(rest) => {
            let digits = rest.strip_prefix(".first").and_then(|digits| digits.parse().ok()).expect("digits");
            signature[..digits].into()
        }
        None => unit(placeholder),
    }
}

fn mixed(place: usize, digit: char) -> char {
    if place % 2 == 1 { digit.to_ascii_uppercase() } else { digit }
}

/// A text, or bytes in hex.
fn unit(what: &str) -> Vec<u8> {
    what.strip_prefix("0x").map_or(what.into(), |digits| hex::decode(digits).expect("hex"))
}
