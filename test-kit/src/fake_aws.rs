//! EventBridge, SQS and Secrets Manager, each on its own socket: they keep what they are told, check what the real ones
//! would check, and fail as planned.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::fault::{Call, Fault, Plan};
use crate::server::{Options, Reply, Request, Response, Server};

/// What a service answers: the output, or a status, an error code and a message.
pub type Answer = Result<Value, (u16, &'static str, String)>;

pub trait Service: Send + 'static {
    /// What stands before the operation's name in `X-Amz-Target`.
    const TARGET: &'static str;

    fn call(&mut self, operation: &str, input: &Value, fault: &Fault) -> Answer;
}

pub struct Endpoint<S> {
    pub server: Server,
    state: Arc<Mutex<State<S>>>,
    changed: watch::Receiver<()>,
}

pub struct State<S> {
    pub service: S,
    pub calls: Vec<Call>,
    plans: HashMap<String, Plan>,
    counts: HashMap<String, usize>,
}

impl<S: Service> Endpoint<S> {
    pub async fn start(options: Options, service: S) -> Self {
        let (state, changing, changed) = state(service);
        let serving = state.clone();
        let serve = move |request| serve(serving.clone(), changing.clone(), request);
        Self { server: Server::start(options, serve).await, state, changed }
    }

    /// Nobody listens on its port.
    pub fn refusing(service: S) -> Self {
        let (state, _, changed) = state(service);
        Self { server: Server::refusing(), state, changed }
    }

    /// Not even a connection to it comes about.
    pub fn unreachable(service: S) -> Self {
        let (state, _, changed) = state(service);
        Self { server: Server::unreachable(), state, changed }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on calls of this operation fail as planned, counted from 0 again.
    pub fn plan(&self, operation: &str, plan: Plan) {
        let mut state = self.state();
        state.counts.remove(operation);
        state.plans.insert(operation.into(), plan);
    }

    pub fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap()
    }

    pub fn calls(&self, operation: &str) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// Waits until this holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&State<S>) -> bool) {
        let mut changed = self.changed.clone();
        let waited = timeout(Duration::from_secs(20), async {
            loop {
                changed.borrow_and_update();
                if holds(&self.state()) {
                    return;
                }
                changed.changed().await.expect("an endpoint that serves");
            }
        });
        waited.await.unwrap_or_else(|_| panic!("this never came about: {what}"));
    }
}

type Shared<S> = Arc<Mutex<State<S>>>;

fn state<S>(service: S) -> (Shared<S>, watch::Sender<()>, watch::Receiver<()>) {
    let state = State { service, calls: Vec::new(), plans: HashMap::new(), counts: HashMap::new() };
    let (changing, changed) = watch::channel(());
    (Arc::new(Mutex::new(state)), changing, changed)
}

async fn serve<S: Service>(state: Shared<S>, changed: watch::Sender<()>, request: Request) -> Reply {
    let (fault, answer) = decide(&mut state.lock().unwrap(), &request);
    changed.send_replace(());
    match fault {
        Fault::Hang => return Reply::Hang,
        Fault::Reset | Fault::AnswerLost => return Reply::Reset,
        Fault::Slow(time) => sleep(time).await,
        _ => {}
    }
    Reply::Answer(match (fault, answer) {
        (Fault::Html(status), _) => html(status),
        (_, Ok(output)) => json(200, None, &output),
        (_, Err((status, code, message))) => json(status, Some(code), &json!({"__type": code, "message": message})),
    })
}

fn decide<S: Service>(state: &mut State<S>, request: &Request) -> (Fault, Answer) {
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = header("x-amz-target");
    let Some(operation) = target.strip_prefix(S::TARGET).and_then(|target| target.strip_prefix('.')) else {
        return (Fault::None, Err((400, "UnknownOperationException", format!("No operation {target}."))));
    };
    let operation = operation.to_owned();
    let input = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let number = state.counts.entry(operation.clone()).or_default();
    let fault = state.plans.get_mut(&operation).map_or(Fault::None, |plan| plan(*number, &input));
    *number += 1;
    let answer = match &fault {
        Fault::Error(status, code) => Err((*status, *code, "As planned by the test.".into())),
        Fault::Reset | Fault::Hang | Fault::Html(_) => Ok(Value::Null),
        _ if !header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=") => {
            Err((400, "MissingAuthenticationTokenException", "The request is not signed.".into()))
        }
        _ => state.service.call(&operation, &input, &fault),
    };
    state.calls.push(Call { operation, input, fault: fault.clone(), at: Instant::now() });
    (fault, answer)
}

fn json(status: u16, code: Option<&str>, value: &Value) -> Response {
    let mut response = hyper::Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    if let Some(code) = code {
        response = response.header("x-amzn-errortype", code);
    }
    response.body(value.to_string().into()).expect("a response")
}

fn html(status: u16) -> Response {
    let page = format!("<html><body><h1>{status}</h1></body></html>");
    hyper::Response::builder().status(status).header("content-type", "text/html").body(page.into()).expect("a response")
}

/// Each answer to a call needs an id of its own.
fn id(number: usize) -> String {
    format!("00000000-0000-4000-9000-{number:012}")
}

#[derive(Default)]
pub struct EventBridge {
    pub buses: BTreeSet<String>,
    /// The entries that are on a bus.
    pub entries: Vec<Value>,
    /// The entries that were taken and dropped, because their bus does not exist.
    pub dropped: Vec<Value>,
}

impl EventBridge {
    pub fn with_bus(name: &str) -> Self {
        Self { buses: [name.into()].into(), ..Self::default() }
    }

    fn describe(&self, input: &Value) -> Answer {
        let name = input["Name"].as_str().unwrap_or("default");
        if !self.buses.contains(name) {
            return Err((400, "ResourceNotFoundException", format!("Event bus {name} does not exist.")));
        }
        Ok(json!({"Name": name, "Arn": format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}")}))
    }

    fn put(&mut self, input: &Value, fault: &Fault) -> Answer {
        let entries = input["Entries"].as_array().cloned().unwrap_or_default();
        refuse_call(&entries)?;
        let mut failed = 0;
        let mut results = Vec::new();
        for (place, entry) in entries.into_iter().enumerate() {
            let code = match fault {
                Fault::FailedEntries(code) => Some(*code),
                Fault::FailedEntriesAt(places, code) if places.contains(&place) => Some(*code),
                _ if !is_object(&entry["Detail"]) => Some("MalformedDetail"),
                _ => None,
            };
            match code {
                Some(code) => {
                    failed += 1;
                    results.push(json!({"ErrorCode": code, "ErrorMessage": "As planned by the test."}));
                }
                None => results.push(json!({"EventId": self.take(entry)})),
            }
        }
        Ok(json!({"FailedEntryCount": failed, "Entries": results}))
    }

    fn take(&mut self, entry: Value) -> String {
        let bus = entry["EventBusName"].as_str().unwrap_or("default");
        let taken = if self.buses.contains(bus) { &mut self.entries } else { &mut self.dropped };
        taken.push(entry);
        id(self.entries.len() + self.dropped.len())
    }
}

/// What EventBridge refuses a whole call for.
fn refuse_call(entries: &[Value]) -> Result<(), (u16, &'static str, String)> {
    let length = |entry: &Value, key: &str| entry[key].as_str().map_or(0, str::len);
    let size = |entry| length(entry, "Source") + length(entry, "DetailType") + length(entry, "Detail");
    let refuse = |why: &str| Err((400, "ValidationException", why.to_owned()));
    if entries.is_empty() || entries.len() > 10 {
        return refuse("Entries must be 1 to 10.");
    }
    if entries.iter().map(size).sum::<usize>() >= 1024 * 1024 {
        return refuse("Total size of the entries in the request is over the limit.");
    }
    if entries.iter().any(|entry| entry["DetailType"].as_str().is_none_or(|text| text.chars().count() > 128)) {
        return refuse("DetailType must be at most 128 characters.");
    }
    Ok(())
}

fn is_object(detail: &Value) -> bool {
    let parsed = detail.as_str().map(serde_json::from_str::<Value>);
    matches!(parsed, Some(Ok(Value::Object(_))))
}

impl Service for EventBridge {
    const TARGET: &'static str = "AWSEvents";

    fn call(&mut self, operation: &str, input: &Value, fault: &Fault) -> Answer {
        match operation {
            "PutEvents" => self.put(input, fault),
            "DescribeEventBus" => self.describe(input),
            _ => Err((400, "UnknownOperationException", operation.into())),
        }
    }
}

#[derive(Default)]
pub struct Sqs {
    /// The messages of `SendMessage`, each with its body and its attributes.
    pub messages: Vec<Message>,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub body: String,
    pub attributes: Value,
    pub queue: String,
}

/// SQS refuses a message with any other character.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

impl Service for Sqs {
    const TARGET: &'static str = "AmazonSQS";

    fn call(&mut self, operation: &str, input: &Value, _: &Fault) -> Answer {
        let body = input["MessageBody"].as_str().unwrap_or_default();
        match operation {
            "SendMessage" if body.is_empty() => Err((400, "MissingParameter", "MessageBody is empty.".into())),
            "SendMessage" if body.len() > 1024 * 1024 => {
                Err((400, "InvalidParameterValue", "One or more parameters are invalid: too long.".into()))
            }
            "SendMessage" if !body.chars().all(is_allowed) => {
                Err((400, "InvalidMessageContents", "Invalid characters in the message.".into()))
            }
            "SendMessage" => {
                self.messages.push(Message {
                    body: body.to_owned(),
                    attributes: input["MessageAttributes"].clone(),
                    queue: input["QueueUrl"].as_str().unwrap_or_default().to_owned(),
                });
                Ok(json!({"MessageId": id(self.messages.len())}))
            }
            _ => Err((400, "UnknownOperationException", operation.into())),
        }
    }
}

/// One secret, by version stage.
#[derive(Default)]
pub struct SecretsManager {
    pub stages: HashMap<&'static str, Version>,
    versions: usize,
}

#[derive(Clone)]
pub struct Version {
    /// `SecretString` or `SecretBinary`, with its value.
    pub value: (&'static str, String),
    pub id: String,
    /// Seconds since the Unix epoch.
    pub created: f64,
}

impl SecretsManager {
    /// A secret that was set a year ago and never rotated.
    pub fn holding(secret: &str) -> Self {
        let mut manager = Self::default();
        let year = 365.0 * 86_400.0;
        manager.set(secret, super::momento::now() as f64 / 1000.0 - year);
        manager
    }

    /// Makes this the current secret, and what was current the previous one.
    pub fn set(&mut self, secret: &str, created: f64) {
        self.versions += 1;
        if let Some(current) = self.stages.remove("AWSCURRENT") {
            self.stages.insert("AWSPREVIOUS", current);
        }
        self.stages.insert(
            "AWSCURRENT",
            Version { value: ("SecretString", secret.to_owned()), id: id(self.versions), created },
        );
    }
}

impl Service for SecretsManager {
    const TARGET: &'static str = "secretsmanager";

    fn call(&mut self, operation: &str, input: &Value, _: &Fault) -> Answer {
        let stage = input["VersionStage"].as_str().unwrap_or("AWSCURRENT");
        match self.stages.get(stage) {
            _ if operation != "GetSecretValue" => Err((400, "UnknownOperationException", operation.into())),
            None => Err((400, "ResourceNotFoundException", format!("No version for staging label {stage}."))),
            Some(version) => Ok(json!({
                "ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:signing-AbCdEf",
                "Name": "signing",
                "VersionId": version.id,
                version.value.0: version.value.1,
                "VersionStages": [stage],
                "CreatedDate": version.created,
            })),
        }
    }
}
