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
use std::time::Instant;

use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::sleep;

use crate::fault::{Call, Fault, Plan};
use crate::server::{HttpResponse, Options, Reply, Request, Server};

/// A service of AWS.
pub trait Service: Send + 'static {
    /// How its calls are written.
    fn protocol(&self) -> &'static dyn Protocol;

    /// Its name in that protocol.
    fn name(&self) -> &'static str;

    /// Learns who makes the next call, where that matters to it.
    fn authenticate(&mut self, _access_key: &str) {}

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
    fn execute(&mut self, request: &Request) -> (Fault, CallResult) {
        let (operation, input) = match self.service.protocol().read(self.service.name(), request) {
            Ok(call) => call,
            Err(error) => return (Fault::None, Err(error)),
        };
        let number = self.counts.entry(operation.clone()).or_default();
        let fault = self.plans.get_mut(&operation).map_or(Fault::None, |plan| plan(*number, &input));
        *number += 1;
        let result = match &fault {
            Fault::Error(status, code) => {
                Err(ServiceError { status: *status, code, message: "As planned by the test.".into() })
            }
            Fault::Refused(status, code, message) => {
                Err(ServiceError { status: *status, code, message: (*message).into() })
            }
            Fault::Reset | Fault::Hang | Fault::Html(_) => Ok(Value::Null),
            _ => match access_key(request) {
                Some(access_key) => {
                    self.service.authenticate(access_key);
                    self.service.call(&operation, &input, &fault)
                }
                None => {
                    Err(ServiceError::bad_request("MissingAuthenticationTokenException", "The request is not signed."))
                }
            },
        };
        let headers = request.headers.clone();
        self.calls.push(Call { operation, headers, input, fault: fault.clone(), at: Instant::now() });
        (fault, result)
    }
}

async fn serve<S: Service>(state: Arc<Mutex<State<S>>>, request: Request) -> Reply {
    let (protocol, (fault, result)) = {
        let mut state = state.lock().unwrap();
        (state.service.protocol(), state.execute(&request))
    };
    match fault {
        Fault::Hang => Reply::Hang,
        Fault::Reset | Fault::ResponseLost => Reply::Reset,
        Fault::Html(status) => Reply::Response(html(status)),
        Fault::HalfBody => Reply::Response(protocol.write(&result).map(half)),
        Fault::Slow(time) => {
            sleep(time).await;
            Reply::Response(protocol.write(&result))
        }
        Fault::None | Fault::Error(..) | Fault::Refused(..) | Fault::FailedEntries(_) | Fault::FailedEntriesAt(..) => {
            Reply::Response(protocol.write(&result))
        }
    }
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

/// Each response needs an id of its own.
fn id(number: usize) -> String {
    format!("00000000-0000-4000-9000-{number:012}")
}
