//! The Lambda runtime API: hands one event at a time to the process that asks, and times its answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::momento;
use crate::server::{Options, Reply, Request, Response, Server};

const PREFIX: &str = "/2018-06-01/runtime/";

/// The trace header of every invocation.
pub const TRACE: &str = "Root=1-66e540f8-0000000000000000000000aa;Parent=00000000000000bb;Sampled=1";

/// What an invocation may take, unless a test says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct RuntimeApi {
    server: Server,
    events: mpsc::UnboundedSender<Invocation>,
    asked: watch::Receiver<Option<Instant>>,
}

struct Invocation {
    event: Bytes,
    answer: oneshot::Sender<Answer>,
}

/// What the process answered to one event.
#[derive(Debug)]
pub struct Answer {
    pub request_id: String,
    /// The function's answer, or what it reported as its error.
    pub value: Value,
    pub is_error: bool,
    pub handed_out: Instant,
    pub received: Instant,
}

impl Answer {
    pub fn elapsed(&self) -> Duration {
        self.received - self.handed_out
    }

    pub fn status(&self) -> u64 {
        self.value["statusCode"].as_u64().unwrap_or_default()
    }

    /// The `message` of the answer's JSON body.
    pub fn message(&self) -> String {
        let body = self.value["body"].as_str().unwrap_or_default();
        serde_json::from_str::<Value>(body).map_or(String::new(), |body| body["message"].as_str().unwrap_or("").into())
    }
}

struct Running {
    handed_out: Instant,
    answer: oneshot::Sender<Answer>,
}

struct State {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, Running>>,
    asked: watch::Sender<Option<Instant>>,
    number: AtomicU64,
    timeout: Duration,
}

impl RuntimeApi {
    pub async fn start() -> Self {
        Self::with_timeout(TIMEOUT).await
    }

    /// Each invocation has this much time until its deadline. Nothing ends a process that misses it.
    pub async fn with_timeout(timeout: Duration) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let (asking, asked) = watch::channel(None);
        let state = Arc::new(State {
            events: tokio::sync::Mutex::new(receiver),
            running: Mutex::default(),
            asked: asking,
            number: AtomicU64::new(1),
            timeout,
        });
        let server = Server::start(Options::default(), move |request| serve(state.clone(), request)).await;
        Self { server, events, asked }
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.server.address.to_string()
    }

    /// When the process first asked for an event, that is, when its init was over. Waits for it.
    pub async fn ready(&self) -> Instant {
        let mut asked = self.asked.clone();
        let ready = *asked.wait_for(Option::is_some).await.expect("the runtime API");
        ready.expect("a time")
    }

    /// Hands out an event as soon as the process asks, and waits for the answer.
    pub async fn invoke(&self, event: &Value) -> Answer {
        self.invoke_bytes(event.to_string()).await
    }

    pub async fn invoke_bytes(&self, event: impl Into<Bytes>) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.events.send(Invocation { event: event.into(), answer }).expect("the runtime API");
        answered.await.expect("an answer; the process may have ended")
    }
}

async fn serve(state: Arc<State>, request: Request) -> Reply {
    let path = request.path.strip_prefix(PREFIX).unwrap_or_default();
    match path.split('/').collect::<Vec<_>>()[..] {
        ["invocation", "next"] => next(&state).await,
        ["invocation", id, what @ ("response" | "error")] => answered(&state, id, what == "error", &request),
        ["init", "error"] => status(202, Bytes::new()),
        _ => status(404, Bytes::new()),
    }
}

async fn next(state: &State) -> Reply {
    state.asked.send_if_modified(|asked| {
        let is_first = asked.is_none();
        asked.get_or_insert_with(Instant::now);
        is_first
    });
    let Some(invocation) = state.events.lock().await.recv().await else { return Reply::Hang };
    let id = format!("00000000-0000-4000-8000-{:012}", state.number.fetch_add(1, Ordering::SeqCst));
    let response = hyper::Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &id)
        .header("lambda-runtime-deadline-ms", (momento::now() + state.timeout.as_millis() as i64).to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:webhook")
        .header("lambda-runtime-trace-id", TRACE)
        .body(invocation.event.into())
        .expect("a response");
    let running = Running { handed_out: Instant::now(), answer: invocation.answer };
    state.running.lock().unwrap().insert(id, running);
    Reply::Answer(response)
}

fn answered(state: &State, id: &str, is_error: bool, request: &Request) -> Reply {
    let Some(running) = state.running.lock().unwrap().remove(id) else { return status(400, Bytes::new()) };
    let value = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&request.body).into_owned()));
    // Whoever invoked may have given up.
    let _ = running.answer.send(Answer {
        request_id: id.to_owned(),
        value,
        is_error,
        handed_out: running.handed_out,
        received: request.arrived,
    });
    status(202, Bytes::from_static(b"{\"status\":\"OK\"}"))
}

fn status(status: u16, body: Bytes) -> Reply {
    let mut response = Response::new(body.into());
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    Reply::Answer(response)
}
