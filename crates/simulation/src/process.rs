//! One process of a function: the real code on a runtime of its own, whose time stands still unless it is told to go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use lambda_http::{Context, LambdaEvent};
use momento_eventbridge::simulation::{self, Aws, Redrive, RedriveConfig, SqsEvent, Webhook, WebhookConfig};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, advance, sleep_until};

/// The time of day at the beginning of each life, as Unix time in milliseconds.
pub const EPOCH: i64 = 1_790_000_000_000;

/// Which of the two functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionName {
    Webhook,
    Redrive,
}

/// What is sent back for a call, or why nothing is.
pub type Answer = Result<http::Response, Broken>;

mod http {
    /// A response with its whole body.
    pub type Response = test_kit::server::HttpResponse;
}

/// The connection broke.
#[derive(Debug, Clone, Copy)]
pub struct Broken;

/// A call that a process makes.
pub struct Call {
    /// What the process was doing: `request 3`, or the start for it.
    pub owner: String,
    /// The path, the headers, and the body.
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Dropped by the process when it waits no longer.
    pub answer: oneshot::Sender<Answer>,
}

/// Why a process was left for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It did all that it does until the time.
    AtTheTime,
    /// It called a service, or ended what it was doing, at this time.
    At(i64),
}

/// One process.
pub struct Process {
    pub name: String,
    pub function: FunctionName,
    runtime: LocalRuntime,
    shared: Arc<Shared>,
    handler: Rc<RefCell<Option<Handler>>>,
    result: Rc<RefCell<Option<Value>>>,
    /// At this instant of the runtime it was this time of the life, in milliseconds.
    anchor: (Instant, i64),
    /// How far its clock is ahead, in milliseconds.
    pub skew: i64,
}

/// What the process and its connector share.
#[derive(Debug, Default)]
struct Shared {
    owner: Mutex<String>,
    calls: Mutex<Vec<CallBox>>,
    has_news: Notify,
}

struct CallBox(Call);

#[derive(Clone)]
enum Handler {
    Webhook(Rc<Webhook>),
    Redrive(Rc<Redrive>),
}

#[derive(Debug, Clone)]
struct Connector(Arc<Shared>);

impl std::fmt::Debug for CallBox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.uri)
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, receiver) = oneshot::channel();
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let call = Call {
            owner: self.0.owner.lock().expect("no panic").clone(),
            uri: request.uri().to_owned(),
            headers,
            body: request.body().bytes().unwrap_or_default().to_vec(),
            answer,
        };
        self.0.calls.lock().expect("no panic").push(CallBox(call));
        self.0.has_news.notify_one();
        HttpConnectorFuture::new(async move {
            match receiver.await {
                Ok(Ok(response)) => Ok(sdk_response(response)),
                _ => Err(ConnectorError::io("The connection was reset.".into())),
            }
        })
    }
}

fn sdk_response(response: http::Response) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let mut response = HttpResponse::new(parts.status.into(), SdkBody::from(body));
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            response.headers_mut().insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    response
}

impl Process {
    /// Starts a process now, for `owner`, with these environment variables.
    pub fn start(
        name: String,
        function: FunctionName,
        variables: &[(&'static str, String)],
        owner: &str,
        now: i64,
        skew: i64,
    ) -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build_local(LocalOptions::default()).expect("a runtime");
        let shared = Arc::new(Shared::default());
        owner.clone_into(&mut shared.owner.lock().expect("no panic"));
        let connector = SharedHttpConnector::new(Connector(Arc::clone(&shared)));
        let client = http_client_fn(move |_, _| connector.clone());
        let lookup = |name: &str| {
            let value = variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.clone());
            Ok(value.filter(|value| !value.is_empty()))
        };
        let handler: Rc<RefCell<Option<Handler>>> = Rc::default();
        let begun = runtime.block_on(async { Instant::now() });
        simulation::set_clock(begun, EPOCH + now + skew);
        let guard = runtime.enter();
        let aws = Aws::new(&lookup, client).expect("a configuration");
        drop(guard);
        match function {
            FunctionName::Webhook => {
                let config = WebhookConfig::read(&lookup).expect("a configuration");
                let (handler, shared) = (Rc::clone(&handler), Arc::clone(&shared));
                runtime.spawn_local(async move {
                    let webhook = Webhook::start(config, &aws, begun).await;
                    *handler.borrow_mut() = Some(Handler::Webhook(Rc::new(webhook)));
                    shared.has_news.notify_one();
                });
            }
            FunctionName::Redrive => {
                let config = RedriveConfig::read(&lookup).expect("a configuration");
                *handler.borrow_mut() = Some(Handler::Redrive(Rc::new(Redrive::new(config, &aws))));
            }
        }
        Self { name, function, runtime, shared, handler, result: Rc::default(), anchor: (begun, now), skew }
    }

    /// Whether its start has ended.
    pub fn has_started(&self) -> bool {
        self.handler.borrow().is_some()
    }

    /// Begins an invocation now. `timeout` is the function's, in milliseconds.
    pub fn invoke(&mut self, owner: &str, event: String, now: i64, timeout: i64) {
        owner.clone_into(&mut self.shared.owner.lock().expect("no panic"));
        let mut context = Context::default();
        context.request_id = owner.to_owned();
        context.deadline = u64::try_from(EPOCH + now + self.skew + timeout).unwrap_or_default();
        context.invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned();
        context.xray_trace_id = Some("Root=1-66e540f8-01".to_owned());
        let handler = self.handler.borrow().clone().expect("a process that has started");
        let (result, shared) = (Rc::clone(&self.result), Arc::clone(&self.shared));
        self.runtime.spawn_local(async move {
            let value = match handler {
                Handler::Webhook(webhook) => {
                    let event = RawValue::from_string(event).expect("JSON");
                    let response = webhook.handle(LambdaEvent::new(event, context)).await;
                    response.map(|response| serde_json::to_value(response).expect("JSON")).expect("never an error")
                }
                Handler::Redrive(redrive) => {
                    let event: SqsEvent = serde_json::from_str(&event).expect("a batch");
                    let report = redrive.handle(LambdaEvent::new(event, context)).await.expect("no error");
                    serde_json::to_value(report).expect("JSON")
                }
            };
            *result.borrow_mut() = Some(value);
            shared.has_news.notify_one();
        });
    }

    /// Lets the process run until it does something that others see, at most until this time of the life.
    pub fn run(&mut self, until: i64) -> Left {
        self.set_clock();
        let limit = self.anchor.0 + milliseconds(until - self.anchor.1);
        let shared = Arc::clone(&self.shared);
        let left = self.runtime.block_on(async move {
            tokio::select! {
                biased;
                () = shared.has_news.notified() => Some(Instant::now()),
                () = sleep_until(limit) => None,
            }
        });
        match left {
            Some(instant) => {
                Left::At(self.anchor.1 + i64::try_from((instant - self.anchor.0).as_millis()).unwrap_or(i64::MAX))
            }
            None => Left::AtTheTime,
        }
    }

    /// Goes on now, after it was frozen: its monotonic clock went on, or stood still meanwhile.
    pub fn thaw(&mut self, now: i64, has_clock_stopped: bool) {
        self.set_clock();
        let anchor = self.anchor;
        self.anchor = self.runtime.block_on(async {
            if has_clock_stopped {
                (Instant::now(), now)
            } else {
                advance(milliseconds(now - anchor.1).saturating_sub(anchor.0.elapsed())).await;
                anchor
            }
        });
    }

    /// The calls that it made since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("no panic").drain(..).map(|call| call.0).collect()
    }

    /// The result of its invocation, if it has ended.
    pub fn take_result(&self) -> Option<Value> {
        self.result.borrow_mut().take()
    }

    /// How many tasks go on in it.
    pub fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    fn set_clock(&self) {
        simulation::set_clock(self.anchor.0, EPOCH + self.anchor.1 + self.skew);
    }
}

fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or_default())
}
