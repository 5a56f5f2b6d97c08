//! The Lambda runtime API: hands out one event at a time to the process that asks, and times its response.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::momento;
use crate::server::{HttpResponse, Options, Reply, Request, Server};

const PREFIX: &str = "/2018-06-01/runtime/";

/// The trace header of every invocation.
pub const TRACE: &str = "Root=1-66e540f8-0000000000000000000000aa;Parent=00000000000000bb;Sampled=1";

/// The time from an event to its deadline, unless a test sets another.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A runtime API for one process.
pub struct RuntimeApi {
    server: Server,
    events: mpsc::UnboundedSender<Invocation>,
    ready: watch::Receiver<Option<Instant>>,
}

struct Invocation {
    event: Bytes,
    response: oneshot::Sender<Response>,
}

/// A function's response to one event.
#[derive(Debug)]
pub struct Response {
    /// The request id of the invocation.
    pub request_id: String,
    /// The response, or the error that the function reported.
    pub payload: Value,
    /// Whether the function reported an error.
    pub is_error: bool,
    /// When the event was handed out.
    pub sent: Instant,
    /// When the response was received.
    pub received: Instant,
}

impl Response {
    /// The time from the event to the response.
    pub fn elapsed(&self) -> Duration {
        self.received - self.sent
    }

    /// The HTTP status in the payload.
    pub fn status(&self) -> u64 {
        self.payload["statusCode"].as_u64().unwrap_or_default()
    }

    /// The `message` of the HTTP body in the payload.
    pub fn message(&self) -> String {
        let body = self.payload["body"].as_str().unwrap_or_default();
        serde_json::from_str::<Value>(body).map_or(String::new(), |body| body["message"].as_str().unwrap_or("").into())
    }
}

struct Running {
    sent: Instant,
    response: oneshot::Sender<Response>,
}

struct State {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, Running>>,
    ready: watch::Sender<Option<Instant>>,
    number: AtomicU64,
    deadline: Deadline,
}

/// The deadline that an invocation is given.
#[derive(Clone, Copy)]
enum Deadline {
    After(Duration),
    /// Milliseconds since the Unix epoch.
    At(i64),
}

impl RuntimeApi {
    /// Starts on a free port.
    pub async fn start() -> Self {
        Self::with_timeout(TIMEOUT).await
    }

    /// Starts with one deadline for all events (milliseconds since the Unix epoch), as `cargo lambda watch` hands out 600000.
    pub async fn with_deadline(at: i64) -> Self {
        Self::with(Deadline::At(at)).await
    }

    /// Starts with this time from an event to its deadline. Nothing ends a process that misses it.
    pub async fn with_timeout(timeout: Duration) -> Self {
        Self::with(Deadline::After(timeout)).await
    }

    async fn with(deadline: Deadline) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let (set_ready, ready) = watch::channel(None);
        let state = Arc::new(State {
            events: tokio::sync::Mutex::new(receiver),
            running: Mutex::default(),
            ready: set_ready,
            number: AtomicU64::new(1),
            deadline,
        });
        let server = Server::start(Options::default(), move |request| serve(state.clone(), request)).await;
        Self { server, events, ready }
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// Waits until the process first asks for an event, which ends its init phase, and returns that time.
    pub async fn ready(&self) -> Instant {
        let mut ready = self.ready.clone();
        let ready = *ready.wait_for(Option::is_some).await.expect("the runtime API");
        ready.expect("a time")
    }

    /// Hands out an event as soon as the process asks, and waits for the response.
    pub async fn invoke(&self, event: &Value) -> Response {
        self.invoke_json(event.to_string()).await
    }

    /// The same, with JSON that a [`Value`] may not be able to hold.
    pub async fn invoke_json(&self, event: String) -> Response {
        let (response, receiver) = oneshot::channel();
        self.events.send(Invocation { event: event.into(), response }).expect("the runtime API");
        receiver.await.expect("a response; the process may have exited")
    }
}

async fn serve(state: Arc<State>, request: Request) -> Reply {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    match path.split('/').collect::<Vec<_>>()[..] {
        ["invocation", "next"] => next(&state).await,
        ["invocation", id, kind @ ("response" | "error")] => respond(&state, id, kind == "error", &request),
        ["init", "error"] => status(StatusCode::ACCEPTED, ""),
        _ => status(StatusCode::NOT_FOUND, ""),
    }
}

async fn next(state: &State) -> Reply {
    state.ready.send_if_modified(|ready| {
        let is_first = ready.is_none();
        ready.get_or_insert_with(Instant::now);
        is_first
    });
    let Some(invocation) = state.events.lock().await.recv().await else { return Reply::Hang };
    let id = format!("00000000-0000-4000-8000-{:012}", state.number.fetch_add(1, Ordering::SeqCst));
    let deadline = match state.deadline {
        Deadline::After(timeout) => momento::now() + timeout.as_millis() as i64,
        Deadline::At(time) => time,
    };
    let response = hyper::Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &id)
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:webhook")
        .header("lambda-runtime-trace-id", TRACE)
        .body(invocation.event)
        .expect("a response");
    let running = Running { sent: Instant::now(), response: invocation.response };
    state.running.lock().unwrap().insert(id, running);
    Reply::Response(response)
}

fn respond(state: &State, id: &str, is_error: bool, request: &Request) -> Reply {
    let Some(running) = state.running.lock().unwrap().remove(id) else { return status(StatusCode::BAD_REQUEST, "") };
    let payload = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&request.body).into_owned()));
    // Ignore an invoker that no longer waits.
    let _ = running.response.send(Response {
        request_id: id.to_owned(),
        payload,
        is_error,
        sent: running.sent,
        received: request.arrived,
    });
    status(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

fn status(status: StatusCode, body: &'static str) -> Reply {
    let mut response = HttpResponse::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    Reply::Response(response)
}
