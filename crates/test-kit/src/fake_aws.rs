//! EventBridge, SQS and Secrets Manager, each on its own socket. They keep what they receive, check what AWS checks, and
//! fail as planned.

mod aws_json;
mod custom_event_bus;
mod event_bridge;
mod rpc_v2_cbor;
mod secrets_manager;
mod sqs;

pub use aws_json::AwsJson;
pub use custom_event_bus::{CustomEventBuses, DEDUPLICATION_WINDOW};
pub use event_bridge::EventBridge;
pub use rpc_v2_cbor::RpcV2Cbor;
pub use secrets_manager::{SecretsManager, Version};
pub use sqs::{Message, Sqs};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fault::{Call, Fault, Plan};
use crate::server::{HttpResponse, Options, Reply, Request, Server};

/// A service of AWS.
pub trait Service: Send + 'static {
    /// How its calls are written.
    fn protocol(&self) -> &'static dyn Protocol;

    /// Its name in that protocol.
    fn name(&self) -> &'static str;

    /// Learns who makes the next call and when, where that matters to it.
    fn authenticate(&mut self, _access_key: &str, _at: Instant) {}

    /// Executes a call. Faults that concern the whole call are applied around it.
    fn call(&mut self, operation: &str, input: &Value, fault: &Fault) -> CallResult;
}

/// A protocol of AWS: how calls are read from requests and results are written to responses.
pub trait Protocol: Sync {
    /// The operation and the input of a call to the service of this name.
    fn read(&self, service: &str, request: &Request) -> Result<(String, Value), ServiceError>;

    /// The response for a result.
    fn write(&self, result: &CallResult) -> HttpResponse;
}

/// The output of a call, or its error.
pub type CallResult = Result<Value, ServiceError>;

/// An error response of a service.
#[derive(Debug)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// Such as `ThrottlingException`.
    pub code: &'static str,
    /// The sentence for a reader.
    pub message: String,
}

impl ServiceError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    fn unknown_operation(operation: &str) -> Self {
        Self::bad_request("UnknownOperationException", format!("There is no operation {operation}."))
    }
}

/// A fake service on a socket of its own.
pub struct Endpoint<S> {
    /// The HTTP server, which can refuse and break connections.
    pub server: Server,
    state: Arc<Mutex<State<S>>>,
}

/// What a fake service keeps.
pub struct State<S> {
    /// The service.
    pub service: S,
    /// Every call so far.
    pub calls: Vec<Call>,
    plans: HashMap<String, Plan>,
    counts: HashMap<String, usize>,
}

impl<S: Service> Endpoint<S> {
    /// Starts a service on a free port.
    pub async fn start(options: Options, service: S) -> Self {
        let state = State::new(service);
        let serving = state.clone();
        Self { server: Server::start(options, move |request| serve(serving.clone(), request)).await, state }
    }

    /// A service to which no connection can be opened: each attempt times out.
    pub fn unreachable(service: S) -> Self {
        Self { server: Server::unreachable(), state: State::new(service) }
    }

    /// For `AWS_ENDPOINT_URL_…`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on, calls of this operation fail as planned, counted from 0 again.
    pub fn plan(&self, operation: &str, plan: Plan) {
        let mut state = self.state();
        state.counts.remove(operation);
        state.plans.insert(operation.into(), plan);
    }

    /// What it keeps. The service waits for as long as this is held.
    pub fn state(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap()
    }

    /// Every call of this operation so far.
    pub fn calls(&self, operation: &str) -> Vec<Call> {
        self.state().calls.iter().filter(|call| call.operation == operation).cloned().collect()
    }
}

impl<S: Service> State<S> {
    fn new(service: S) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { service, calls: Vec::new(), plans: HashMap::new(), counts: HashMap::new() }))
    }

    /// Executes the call in a request, as planned.
    fn execute(&mut self, request: &Request) -> Exchange {
        let Self { service, calls, plans, counts } = self;
        let exchange = exchange(service, request, |operation, input| {
            let number = counts.entry(operation.to_owned()).or_default();
            *number += 1;
            plans.get_mut(operation).map_or(Fault::None, |plan| plan(*number - 1, input))
        });
        if let Some((operation, input)) = &exchange.call {
            let (operation, input, headers) = (operation.clone(), input.clone(), request.headers.clone());
            calls.push(Call { operation, headers, input });
        }
        exchange
    }
}

/// What became of a request to a service.
pub struct Exchange {
    /// The operation and the input, if the request is a call.
    pub call: Option<(String, Value)>,
    /// What went wrong with it.
    pub fault: Fault,
    /// What the caller sees.
    pub reply: Reply,
    /// How long the service takes for the reply. The effect is there at once.
    pub takes: Duration,
}

/// Executes the call in a request, with the fault that `choose` returns for its operation and its input.
pub fn exchange<S: Service>(
    service: &mut S,
    request: &Request,
    choose: impl FnOnce(&str, &Value) -> Fault,
) -> Exchange {
    let protocol = service.protocol();
    let (operation, input) = match protocol.read(service.name(), request) {
        Ok(call) => call,
        Err(error) => {
            let reply = Reply::Response(protocol.write(&Err(error)));
            return Exchange { call: None, fault: Fault::None, reply, takes: Duration::ZERO };
        }
    };
    let fault = choose(&operation, &input);
    let reply = match &fault {
        Fault::Hang => Reply::Hang,
        Fault::Reset => Reply::Reset,
        Fault::Html(status) => Reply::Response(html(*status)),
        Fault::Error(status, code) => {
            Reply::Response(protocol.write(&Err(ServiceError::new(*status, code, "As planned by the test."))))
        }
        Fault::Refused(status, code, message) => {
            Reply::Response(protocol.write(&Err(ServiceError::new(*status, code, *message))))
        }
        Fault::None
        | Fault::Slow(_)
        | Fault::HalfBody
        | Fault::ResponseLost
        | Fault::FailedEntries(_)
        | Fault::FailedEntriesAt(..) => {
            let result = match access_key(request) {
                Some(access_key) => {
                    service.authenticate(access_key, request.arrived);
                    service.call(&operation, &input, &fault)
                }
                None => {
                    Err(ServiceError::bad_request("MissingAuthenticationTokenException", "The request is not signed."))
                }
            };
            match fault {
                Fault::ResponseLost => Reply::Reset,
                Fault::HalfBody => Reply::Response(protocol.write(&result).map(half)),
                _ => Reply::Response(protocol.write(&result)),
            }
        }
    };
    let takes = if let Fault::Slow(time) = fault { time } else { Duration::ZERO };
    Exchange { call: Some((operation, input)), fault, reply, takes }
}

async fn serve<S: Service>(state: Arc<Mutex<State<S>>>, request: Request) -> Reply {
    let Exchange { reply, takes, .. } = state.lock().unwrap().execute(&request);
    if !takes.is_zero() {
        sleep(takes).await;
    }
    reply
}

/// The access key that signed a request, if it is signed.
fn access_key(request: &Request) -> Option<&str> {
    request.header("authorization").strip_prefix("AWS4-HMAC-SHA256 Credential=")?.split('/').next()
}

fn html(status: u16) -> HttpResponse {
    let page = format!("<html><body><h1>{status}</h1></body></html>");
    hyper::Response::builder().status(status).header("content-type", "text/html").body(page.into()).expect("a response")
}

fn half(body: Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

/// How many entries of a PutEvents failed, by the fault or by the code that `check` returns, and the result of each.
fn put_each(
    entries: Vec<Value>,
    fault: &Fault,
    check: impl Fn(&Value) -> Option<&'static str>,
    mut accept: impl FnMut(Value) -> Value,
) -> (usize, Vec<Value>) {
    let mut failed = 0;
    let put = |(position, entry): (usize, Value)| {
        let code = match fault {
            Fault::FailedEntries(code) => Some(*code),
            Fault::FailedEntriesAt(positions, code) if positions.contains(&position) => Some(*code),
            _ => check(&entry),
        };
        let Some(code) = code else { return accept(entry) };
        failed += 1;
        json!({"ErrorCode": code, "ErrorMessage": "As planned by the test."})
    };
    let results = entries.into_iter().enumerate().map(put).collect();
    (failed, results)
}

/// Each response needs an id of its own.
fn id(number: usize) -> String {
    format!("00000000-0000-4000-9000-{number:012}")
}
