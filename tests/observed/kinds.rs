//! Every kind of request: one row each. A new outcome or reason needs a row here, and nothing else in these tests.

use std::sync::atomic::{AtomicU64, Ordering};

use momento_body_signature::sign;
use serde_json::Value;
use test_kit::fake_aws::SecretsManager;
use test_kit::fault::{Fault, always};
use test_kit::momento;
use test_kit::sandbox::{Bus, Sandbox};

/// Never logged, except in the record of an event that neither the bus nor the retry queue accepted.
pub const TEXT: &str = "text-of-the-publisher";
pub const TOKEN: &str = "token-of-the-publisher";

/// Never logged, because the request is not verified.
pub const FORGED_CACHE: &str = "cache-of-a-forger";
pub const FORGED_TOPIC: &str = "topic-of-a-forger";

/// Never logged.
pub const SECRET_KEY: &str = "secret-key-of-aws";
pub const SESSION_TOKEN: &str = "session-token-of-aws";

/// As CloudFormation names them, so that a metric's dimension can only come from the environment.
pub const WEBHOOK_NAME: &str = "momento-WebhookFunction-8tBXvgGq2Zrs";
pub const REDRIVE_NAME: &str = "momento-RedriveFunction-5mKdLw0PyHcE";

/// How many letters a long topic ends with.
pub const LONG: usize = 150;

/// The largest bodies that are accepted, and that are queued unverified.
const MAX_BODY: usize = 180_000;
const MAX_UNVERIFIED: usize = 16_384;

pub struct Kind {
    /// Of the response.
    pub status: u64,
    /// Begins with the outcome; the heading of its sample record.
    pub name: &'static str,
    pub reason: Option<&'static str>,
    /// Whether the detail-type is truncated.
    pub is_cut: bool,
    pub world: World,
    /// The event of a function URL, made when it is sent.
    pub event: fn() -> Value,
}

/// What a process finds when it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    /// A bus and a secret. Calls fail by the topic of the event.
    Ready,
    NoBus,
    NoSecret,
    /// Momento signs with a secret that is not stored yet, and a version is labelled `AWSPENDING`.
    Rotation,
    /// A Custom Event Bus, of which the first response to each event is lost.
    CustomBus,
}

pub const WORLDS: [World; 5] = [World::Ready, World::NoBus, World::NoSecret, World::Rotation, World::CustomBus];

pub const KINDS: &[Kind] = &[
    kind(200, "Delivered", None, || webhook("paid")),
    kind(200, "Delivered, detail-type truncated", None, || webhook(&long("long-"))).cut(),
    kind(200, "Delivered, repeat suppressed by a Custom Event Bus", None, || webhook("paid"))
        .in_world(World::CustomBus),
    kind(202, "Queued: the call failed", Some("PutFailed"), || webhook("put-failed")),
    kind(202, "Queued: the entry failed", Some("EntryFailed"), || webhook("entry-failed")),
    kind(202, "Queued: no response in time", Some("TimedOut"), || webhook("timed-out")),
    kind(202, "Queued: not a valid event", Some("Unmappable"), || signed(&format!("\"{TEXT} {}\"", number()))),
    kind(202, "Queued: no such bus", Some("BusNotFound"), || webhook("bus-not-found")).in_world(World::NoBus),
    kind(500, "BothFailed", Some("PutFailed"), || webhook("both-failed")),
    kind(500, "BothFailed, detail-type truncated", Some("PutFailed"), || webhook(&long("both-failed"))).cut(),
    kind(403, "Forged: no signature", Some("SignatureMissing"), || forged(None)),
    kind(403, "Forged: malformed signature", Some("SignatureMalformed"), || forged(Some("not-a-signature"))),
    kind(403, "Forged: another secret", Some("SignatureMismatch"), || forged(Some(&sign(b"another", b"body")))),
    kind(403, "Forged: body not in base64", Some("BodyNotBase64"), || {
        let mut event = momento::event("");
        event["body"] = format!("%{FORGED_CACHE}%").into();
        event["isBase64Encoded"] = true.into();
        event
    }),
    kind(403, "Stale", None, || signed(&body("paid", momento::now() - 61_000, TEXT))),
    kind(403, "Future", None, || signed(&body("paid", momento::now() + 90_000, TEXT))),
    kind(405, "MethodNotAllowed", None, || {
        let mut event = webhook("paid");
        event["requestContext"]["http"]["method"] = "PUT".into();
        event
    }),
    kind(413, "PayloadTooLarge", None, || {
        signed(&body("paid", momento::now(), &(TEXT.to_owned() + &"x".repeat(MAX_BODY))))
    }),
    kind(202, "SecretUnavailable", None, || webhook(FORGED_TOPIC)).in_world(World::NoSecret),
    kind(500, "SecretUnavailable, too large to keep", None, || {
        signed(&body(FORGED_TOPIC, momento::now(), &(TEXT.to_owned() + &"x".repeat(MAX_UNVERIFIED))))
    })
    .in_world(World::NoSecret),
    kind(202, "RotationInProgress", None, || webhook(FORGED_TOPIC)).in_world(World::Rotation),
    kind(400, "BadRequest", None, || "not a request".into()),
];

const fn kind(status: u64, name: &'static str, reason: Option<&'static str>, event: fn() -> Value) -> Kind {
    Kind { status, name, reason, is_cut: false, world: World::Ready, event }
}

impl Kind {
    pub fn outcome(&self) -> &'static str {
        self.name.split([':', ',']).next().expect("a name")
    }

    const fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }

    const fn in_world(self, world: World) -> Self {
        Self { world, ..self }
    }
}

/// AWS in which each call fails as the kind of the request needs it.
pub async fn sandbox(world: World) -> Sandbox {
    let mut sandbox = Sandbox::with(if world == World::CustomBus { Bus::Custom } else { Bus::Classic }).await;
    sandbox.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    sandbox.set("AWS_SESSION_TOKEN", SESSION_TOKEN);
    sandbox.set("AWS_LAMBDA_FUNCTION_NAME", WEBHOOK_NAME);
    sandbox.set("RUST_LOG", "INFO");
    // The template gives it to both functions.
    sandbox.set("SIGNING_SECRET_ID", "signing");
    sandbox.eventbridge.plan("PutEvents", Box::new(|_, input| put_fault(input)));
    sandbox.sqs.plan("SendMessage", Box::new(|_, input| send_fault(input)));
    match world {
        World::Ready => {}
        World::NoBus => sandbox.eventbridge.state().service.buses.clear(),
        World::CustomBus => sandbox.eventbridge.plan("PutEvents", Box::new(|number, _| lost_at_first(number))),
        World::Rotation => {
            let secrets = &mut sandbox.secrets.state().service;
            *secrets = SecretsManager::with_secret("the secret before the rotation");
            secrets.label_pending("pending", momento::now() as f64 / 1000.0);
        }
        World::NoSecret => sandbox.secrets.plan("GetSecretValue", always(Fault::Error(400, "AccessDeniedException"))),
    }
    sandbox
}

fn lost_at_first(number: usize) -> Fault {
    if number.is_multiple_of(2) { Fault::ResponseLost } else { Fault::None }
}

fn put_fault(input: &Value) -> Fault {
    let detail = input["Entries"][0]["Detail"].as_str().unwrap_or_default();
    let event: Value = serde_json::from_str(detail).unwrap_or_default();
    match event["topic"].as_str().unwrap_or_default() {
        topic if topic.starts_with("put-failed") || topic.starts_with("both-failed") => {
            Fault::Error(400, "AccessDeniedException")
        }
        "entry-failed" => Fault::FailedEntries("MalformedDetail"),
        "timed-out" => Fault::Slow(std::time::Duration::from_secs(3)),
        _ => Fault::None,
    }
}

fn send_fault(input: &Value) -> Fault {
    match input["MessageBody"].as_str().unwrap_or_default().contains("both-failed") {
        true => Fault::Error(400, "AccessDeniedException"),
        false => Fault::None,
    }
}

/// The event for a signed webhook of this topic.
pub fn webhook(topic: &str) -> Value {
    signed(&body(topic, momento::now(), TEXT))
}

pub fn signed(body: &str) -> Value {
    momento::event(body)
}

/// A body with a sequence number of its own.
pub fn body(topic: &str, published: i64, text: &str) -> String {
    with_token(&momento::body_at(published, "orders", topic, number(), text))
}

fn forged(signature: Option<&str>) -> Value {
    let mut event = momento::event(&with_token(&momento::body(FORGED_CACHE, FORGED_TOPIC, number(), TEXT)));
    let headers = event["headers"].as_object_mut().expect("an object");
    headers.remove("momento-signature");
    headers.extend(signature.map(|signature| ("momento-signature".to_owned(), signature.into())));
    event
}

fn with_token(body: &str) -> String {
    body.replacen(r#""token_id":"""#, &format!(r#""token_id":"{TOKEN}""#), 1)
}

fn long(begin: &str) -> String {
    begin.to_owned() + &"x".repeat(LONG)
}

fn number() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
