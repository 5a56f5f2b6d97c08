//! One life: jumps from event to event, and lets the processes run in between.

use std::collections::{BTreeMap, HashMap};

use momento_eventbridge::simulation;
use serde_json::Value;
use test_kit::fault::Fault;
use test_kit::retry_queue::webhook_body;
use test_kit::server::{Reply, Request as HttpRequest};
use tokio::sync::oneshot;

use crate::fault::{self, ServiceName};
use crate::history::{self, Deletion, Describe, Drop, Existence, History, Read};
use crate::life::{Faults, Life};
use crate::operator::{Access, Action, FIRST_SECRET};
use crate::process::{Answer, Broken, Call, EPOCH, FunctionName, Left, Process};
use crate::queue::{self, Message, Queue};
use crate::request::{self, Kind};
use crate::services::Services;

/// The timeouts of the functions in the template, in milliseconds.
const WEBHOOK_TIMEOUT: i64 = 15_000;
const REDRIVE_TIMEOUT: i64 = 30_000;

/// How many batches are redriven at a time (`MaximumConcurrency` of the template).
const REDRIVES: usize = 2;

/// A broken connection is noticed at the latest after this time in a frozen process, in milliseconds.
const CONNECTION_LIVES: i64 = 60_000;

enum Event {
    /// The request with this place arrives at the Function URL.
    Request(usize),
    /// A process is started before a request needs it.
    Prewarm(String),
    /// A call arrives at its service.
    Call(usize, ServiceName, String, Box<Call>, i64),
    /// Its answer arrives at the process.
    Reply(usize, Letter),
    Freeze(usize, u64),
    Reclaim(usize, u64),
    /// Lambda ends an invocation that takes too long.
    Timeout(usize, u64),
    Step(usize),
    Calm,
    Poll,
}

/// An answer on its way to a process.
struct Letter {
    to: oneshot::Sender<Answer>,
    answer: Answer,
    answers: Question,
}

/// What a call asked, and its place in the history.
#[derive(Clone, Copy)]
enum Question {
    Read(usize),
    Describe(usize),
    Other,
}

struct Slot {
    process: Process,
    state: State,
    invocation: u64,
    frozen_at: Option<i64>,
    /// Answers that arrived while it was frozen.
    mail: Vec<Letter>,
    /// Calls that are never answered.
    hanging: Vec<oneshot::Sender<Answer>>,
    started_at: i64,
}

enum State {
    Starting(Option<usize>),
    Idle,
    Request(usize),
    Batch(Vec<Message>),
    Gone,
}

/// A life that goes on.
pub struct World<'a> {
    life: &'a Life,
    now: i64,
    events: BTreeMap<(i64, u64), Event>,
    number: u64,
    services: Services,
    queue: Queue,
    slots: Vec<Slot>,
    momento_signs_with: String,
    calls: HashMap<String, u32>,
    poll_at: Option<i64>,
    batches: u32,
    seen_on_the_bus: usize,
    history: History,
}

/// Lives one life, and returns what happened.
pub fn live(life: &Life) -> History {
    let mut world = World::new(life);
    world.run();
    world.end()
}

impl<'a> World<'a> {
    fn new(life: &'a Life) -> Self {
        let services = Services::new(life.terms.is_custom_bus, FIRST_SECRET);
        let mut world = Self {
            life,
            now: 0,
            events: BTreeMap::new(),
            number: 0,
            services,
            queue: Queue::default(),
            slots: Vec::new(),
            momento_signs_with: FIRST_SECRET.to_owned(),
            calls: HashMap::new(),
            poll_at: None,
            batches: 0,
            seen_on_the_bus: 0,
            history: History::default(),
        };
        for (place, step) in life.steps.iter().enumerate() {
            world.at(step.at, Event::Step(place));
        }
        for (place, arrival) in life.arrivals.iter().enumerate() {
            world.at(arrival.at, Event::Request(place));
        }
        let mut draw = life.draws.of("prewarm");
        if draw.once_in(4) {
            let at = draw.between(0, life.calm_at);
            world.at(at, Event::Prewarm("prewarm".to_owned()));
        }
        world.at(life.calm_at, Event::Calm);
        world
    }

    fn at(&mut self, time: i64, event: Event) {
        self.number += 1;
        self.events.insert((time, self.number), event);
    }

    fn run(&mut self) {
        while let Some((&(time, _), _)) = self.events.first_key_value() {
            if self.let_run(time) {
                let (_, event) = self.events.pop_first().expect("an event");
                self.now = time;
                self.handle(event);
            }
        }
    }

    /// Lets each process run until this time. False if one did something before that others see.
    fn let_run(&mut self, until: i64) -> bool {
        for place in 0..self.slots.len() {
            let slot = &mut self.slots[place];
            if slot.frozen_at.is_some() || matches!(slot.state, State::Gone) {
                continue;
            }
            let left = slot.process.run(until);
            self.take_log(place);
            if let Left::At(time) = left {
                self.now = time;
                self.collect(place);
                return false;
            }
        }
        true
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Request(place) => self.request(place),
            Event::Prewarm(key) => self.start(FunctionName::Webhook, &key, None),
            Event::Call(place, service, key, call, called_at) => self.call(place, service, key, *call, called_at),
            Event::Reply(place, letter) => self.reply(place, letter),
            Event::Freeze(place, invocation) => {
                let slot = &mut self.slots[place];
                if slot.invocation == invocation && matches!(slot.state, State::Idle) {
                    slot.frozen_at = Some(self.now);
                }
            }
            Event::Reclaim(place, invocation) => {
                let slot = &mut self.slots[place];
                if slot.invocation == invocation && matches!(slot.state, State::Idle) {
                    slot.state = State::Gone;
                    self.history.count("process reclaimed");
                }
            }
            Event::Timeout(place, invocation) => {
                let slot = &mut self.slots[place];
                if slot.invocation == invocation && matches!(slot.state, State::Request(_) | State::Batch(_)) {
                    slot.state = State::Gone;
                    let name = slot.process.name.clone();
                    self.history.broken.push(format!("{name} did not end its invocation before Lambda did"));
                }
            }
            Event::Step(place) => {
                let step = &self.life.steps[place];
                self.history.count(format!("operator: {}", step.script));
                self.act(&step.action);
            }
            Event::Calm => self.repair(),
            Event::Poll => self.poll_at = None,
        }
        self.poll();
    }

    fn act(&mut self, action: &Action) {
        self.history.trace(self.now, "operator", &format!("{action:?}"));
        match action {
            Action::MomentoSignsWith(secret) => self.momento_signs_with.clone_from(secret),
            Action::RedriveDeadLetters => self.queue.redrive(self.now),
            action => self.services.act(action, self.now),
        }
    }

    fn repair(&mut self) {
        self.act(&Action::AllowReads(Access::All));
        self.act(&Action::CreateBus);
        let labels = self.services.labels(self.now);
        if !labels.current.is_some_and(|current| current.holds(&self.momento_signs_with)) {
            self.act(&Action::Store(self.momento_signs_with.clone()));
        }
    }

    fn request(&mut self, place: usize) {
        let arrival = &self.life.arrivals[place];
        let mut draw = self.life.draws.of(&format!("process for {}", arrival.key));
        let idle = self.idle(FunctionName::Webhook);
        if idle.is_empty() || draw.once_in(12) {
            self.start(FunctionName::Webhook, &format!("start for {}", arrival.key), Some(place));
        } else {
            let slot = draw.one_of(&idle);
            self.invoke_webhook(slot, place, self.now);
        }
    }

    fn idle(&self, function: FunctionName) -> Vec<usize> {
        let is_idle = |slot: &Slot| slot.process.function == function && matches!(slot.state, State::Idle);
        (0..self.slots.len()).filter(|&place| is_idle(&self.slots[place])).collect()
    }

    fn start(&mut self, function: FunctionName, key: &str, request: Option<usize>) {
        let number = self.slots.iter().filter(|slot| slot.process.function == function).count() + 1;
        let name = format!("{} {number}", if function == FunctionName::Webhook { "webhook" } else { "redrive" });
        let skew = self.life.terms.skew;
        let skew = self.life.draws.of(&format!("clock of {key}")).between(-skew, skew);
        self.history.trace(self.now, &name, key);
        self.history.count(format!("{function:?} started"));
        let variables = self.variables(function);
        let process = Process::start(name, function, &variables, key, self.now, skew);
        let state = if function == FunctionName::Webhook { State::Starting(request) } else { State::Idle };
        self.slots.push(Slot {
            process,
            state,
            invocation: 0,
            frozen_at: None,
            mail: Vec::new(),
            hanging: Vec::new(),
            started_at: self.now,
        });
    }

    fn variables(&self, function: FunctionName) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "key".to_owned()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://events".to_owned()),
            ("AWS_ENDPOINT_URL_EVENTBRIDGEV2", "http://events".to_owned()),
            ("AWS_ENDPOINT_URL_SQS", "http://sqs".to_owned()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://secretsmanager".to_owned()),
            ("EVENT_BUS_NAME", self.services.bus_name().to_owned()),
            ("SIGNING_SECRET_ID", "signing".to_owned()),
            ("PREVIOUS_SECRET_SECONDS", self.life.terms.previous_secret_seconds.to_string()),
        ];
        if function == FunctionName::Webhook && self.life.terms.has_retry_queue {
            variables.push(("RETRY_QUEUE_URL", "http://sqs/123456789012/retry".to_owned()));
        }
        variables
    }

    fn invoke_webhook(&mut self, place: usize, request: usize, waits_since: i64) {
        let arrival = &self.life.arrivals[request];
        let number = request_number(&arrival.key);
        let sent = match &arrival.kind {
            Kind::Replay(of) => self.history.requests.get(of).map(|replayed| replayed.sent.clone()),
            _ => None,
        };
        let sent =
            sent.unwrap_or_else(|| request::sent(number, &arrival.kind, EPOCH + arrival.at, &self.momento_signs_with));
        self.thaw(place, &arrival.key);
        let slot = &mut self.slots[place];
        slot.invocation += 1;
        slot.state = State::Request(request);
        slot.process.invoke(&arrival.key, sent.event.clone(), self.now, WEBHOOK_TIMEOUT);
        let (name, received_at) = (slot.process.name.clone(), EPOCH + self.now + slot.process.skew);
        let timeout = Event::Timeout(place, slot.invocation);
        self.at(self.now + WEBHOOK_TIMEOUT, timeout);
        let signed = sent.signed_with.as_deref().unwrap_or("nobody");
        self.history.trace(self.now, &name, &format!("{}: {:?}, signed by {signed}", arrival.key, arrival.kind));
        self.history.count(format!("request: {}", kind_name(&arrival.kind)));
        self.history.requests.insert(
            number,
            history::Request {
                kind: arrival.kind.clone(),
                sent,
                process: place,
                arrived_at: arrival.at,
                waits_since,
                received_at,
                answer: None,
                sends: Vec::new(),
                is_logged: false,
            },
        );
    }

    /// Lets a process go on. What arrived while it was frozen reaches it now, or its connection is broken.
    fn thaw(&mut self, place: usize, key: &str) {
        let slot = &mut self.slots[place];
        let Some(frozen_at) = slot.frozen_at.take() else { return };
        slot.process.thaw(self.now, self.life.terms.stops_clock);
        let frozen_for = self.now - frozen_at;
        let mail = std::mem::take(&mut slot.mail);
        self.history.count("process thawed");
        if !mail.is_empty() {
            self.history.count("process thawed with a call under way");
        }
        let is_broken = frozen_for > CONNECTION_LIVES || self.life.draws.of(&format!("thaw for {key}")).once_in(3);
        for letter in mail {
            let answer = if is_broken { Err(Broken) } else { letter.answer };
            self.reply(place, Letter { answer, ..letter });
        }
    }

    /// Takes what a process did.
    fn collect(&mut self, place: usize) {
        for call in self.slots[place].process.take_calls() {
            self.send(place, call);
        }
        if let State::Starting(request) = self.slots[place].state {
            if self.slots[place].process.has_started() {
                self.slots[place].state = State::Idle;
                match request {
                    Some(request) => self.invoke_webhook(place, request, self.slots[place].started_at),
                    None => self.rest(place),
                }
            }
            return;
        }
        let Some(result) = self.slots[place].process.take_result() else { return };
        match std::mem::replace(&mut self.slots[place].state, State::Idle) {
            State::Request(request) => self.answer(place, request, &result),
            State::Batch(messages) => self.report(place, messages, &result),
            _ => {}
        }
        let tasks = self.slots[place].process.tasks();
        if tasks > 6 {
            self.history.broken.push(format!("{tasks} tasks go on in {}", self.slots[place].process.name));
        }
        self.rest(place);
        self.poll();
    }

    /// Lambda freezes a process soon after its answer, and ends it some time later.
    fn rest(&mut self, place: usize) {
        let slot = &self.slots[place];
        let (invocation, name) = (slot.invocation, slot.process.name.clone());
        let mut draw = self.life.draws.of(&format!("rest of {name} after {invocation}"));
        let freeze = self.now + if draw.once_in(3) { draw.magnitude(1, 400) } else { 0 };
        let reclaim = freeze + draw.magnitude(1_000, self.life.terms.idle);
        self.at(freeze, Event::Freeze(place, invocation));
        if !self.life.terms.is_alone {
            self.at(reclaim, Event::Reclaim(place, invocation));
        }
    }

    fn answer(&mut self, place: usize, request: usize, response: &Value) {
        let status = response["statusCode"].as_u64().unwrap_or_default();
        let key = &self.life.arrivals[request].key;
        self.history.trace(self.now, &self.slots[place].process.name, &format!("{key}: {status}"));
        self.history.count(format!("response: {status}"));
        if let Some(request) = self.history.requests.get_mut(&request_number(key)) {
            request.answer = Some(history::Answer { at: self.now, status });
        }
    }

    fn report(&mut self, place: usize, messages: Vec<Message>, report: &Value) {
        let failures: Vec<&str> = report["batchItemFailures"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|each| each["itemIdentifier"].as_str())
            .collect();
        self.history.trace(self.now, &self.slots[place].process.name, &format!("left in the queue: {failures:?}"));
        for message in messages {
            if failures.contains(&message.id.to_string().as_str()) {
                self.history.count("queue: message left");
                continue;
            }
            let mut draw = self.life.draws.of(&format!("deletion of {} at {}", message.id, self.now));
            let again = draw.once_in(40).then(|| self.now + draw.magnitude(10, 200_000));
            if again.is_some() {
                self.history.count("queue: message delivered again");
            }
            self.queue.delete(message.id, again);
            let labels = self.services.labels(self.now);
            let body = body_of(&message.text);
            self.history.deletions.push(Deletion { at: self.now, body, labels });
        }
    }

    /// Sends a call on its way.
    fn send(&mut self, place: usize, call: Call) {
        let service = match call.uri.as_str() {
            uri if uri.starts_with("http://events") => ServiceName::EventBridge,
            uri if uri.starts_with("http://sqs") => ServiceName::Sqs,
            _ => ServiceName::SecretsManager,
        };
        let number = self.calls.entry(format!("{} {service:?}", call.owner)).or_default();
        *number += 1;
        let key = format!("{}, call {number} to {service:?}", call.owner);
        let out = self.life.draws.of(&format!("way of {key}")).between(1, self.life.terms.latency);
        let now = self.now;
        self.at(now + out, Event::Call(place, service, key, Box::new(call), now));
    }

    fn call(&mut self, place: usize, service: ServiceName, key: String, call: Call, called_at: i64) {
        let operation = operation_of(&call);
        let fault = self.fault(service, &key, &operation);
        let request = HttpRequest {
            path: format!("/{}", call.uri.splitn(4, '/').nth(3).unwrap_or_default()),
            headers: call
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
                .collect(),
            body: call.body.into(),
            arrived: std::time::Instant::now(),
        };
        let exchange = self.services.execute(service, request, self.now, fault);
        let label = exchange.call.as_ref().and_then(|(_, input)| input["VersionStage"].as_str()).unwrap_or_default();
        let name = self.slots[place].process.name.clone();
        let fault_name = fault::name(&exchange.fault);
        self.history.trace(self.now, &name, &format!("{operation} {label} [{key}]: {fault_name}"));
        self.history.count(format!("{operation}: {fault_name}"));
        self.history.calls.push(key.clone());
        let is_clear = matches!(exchange.fault, Fault::None | Fault::Slow(_));
        let answers = match operation.as_str() {
            "GetSecretValue" => {
                let labels = is_clear.then(|| self.services.labels(self.now));
                let label = label.to_owned();
                self.history.reads.push(Read { process: place, label, called_at, answered_at: None, labels });
                Question::Read(self.history.reads.len() - 1)
            }
            "DescribeEventBus" => {
                let answer = match exchange.fault {
                    _ if is_clear && self.services.has_bus() => Existence::Found,
                    _ if is_clear => Existence::NotFound,
                    Fault::Error(_, "AccessDeniedException") => Existence::Denied,
                    _ => Existence::Unclear,
                };
                self.history.describes.push(Describe { process: place, called_at, answered_at: None, answer });
                Question::Describe(self.history.describes.len() - 1)
            }
            _ => Question::Other,
        };
        if service == ServiceName::Sqs {
            self.note_send(&call.owner, &key, &exchange.fault);
        }
        self.note_entries(place, called_at);
        let answer = match exchange.reply {
            Reply::Response(response) => Ok(response),
            Reply::Reset => Err(Broken),
            Reply::Hang => return self.slots[place].hanging.push(call.answer),
        };
        let mut draw = self.life.draws.of(&format!("way back of {key}"));
        let is_slow = draw.once_in(30) && !self.life.terms.is_alone;
        let back = if is_slow { draw.between(100, 450) } else { draw.between(1, self.life.terms.latency) };
        let takes = i64::try_from(exchange.takes.as_millis()).unwrap_or_default();
        self.at(self.now + takes + back, Event::Reply(place, Letter { to: call.answer, answer, answers }));
    }

    /// What goes wrong with a call.
    fn fault(&self, service: ServiceName, key: &str, operation: &str) -> Fault {
        if self.now >= self.life.calm_at || self.life.draws.is_left_out(&format!("fault of {key}")) {
            return Fault::None;
        }
        let mut draw = self.life.draws.of(&format!("fault of {key}"));
        match &self.life.faults {
            Faults::None => Fault::None,
            Faults::Once(at) if at == key => fault::passing(&mut draw),
            Faults::Once(_) => Fault::None,
            Faults::Drawn => {
                let is_out = |outage: &&fault::Outage| {
                    (outage.from..outage.to).contains(&self.now) && outage.service.is_none_or(|out| out == service)
                };
                match self.life.outages.iter().find(is_out) {
                    Some(outage) => outage.fault.clone(),
                    None if draw.once_in(self.life.terms.fault_once_in) => fault::any(&mut draw, operation),
                    None => Fault::None,
                }
            }
        }
    }

    fn note_send(&mut self, owner: &str, key: &str, fault: &Fault) {
        if let Some(request) = owner.strip_prefix("request ").and_then(|number| number.parse().ok())
            && let Some(request) = self.history.requests.get_mut(&request)
        {
            request.sends.push(fault.clone());
        }
        for text in self.services.take_messages() {
            let mut draw = self.life.draws.of(&format!("message of {key}"));
            let visible_at = self.now + if draw.once_in(5) { draw.magnitude(10, 30_000) } else { 5 };
            self.queue.send(text, visible_at);
            self.history.count("queue: message sent");
        }
    }

    fn note_entries(&mut self, place: usize, called_at: i64) {
        let new: Vec<Vec<u8>> =
            self.services.details().skip(self.seen_on_the_bus).map(|detail| detail.as_bytes().to_vec()).collect();
        self.seen_on_the_bus += new.len();
        for body in new {
            self.history.on_the_bus.push((self.now, body));
        }
        for body in self.services.take_dropped() {
            self.history.count("entry put on a bus that does not exist");
            self.history.dropped.push(Drop { process: place, called_at, body });
        }
    }

    fn reply(&mut self, place: usize, letter: Letter) {
        let slot = &mut self.slots[place];
        if slot.frozen_at.is_some() {
            slot.mail.push(letter);
            return;
        }
        let is_answer = letter.answer.is_ok();
        let is_taken = letter.to.send(letter.answer).is_ok();
        let answered_at = (is_answer && is_taken).then_some(self.now);
        match letter.answers {
            Question::Read(place) => self.history.reads[place].answered_at = answered_at,
            Question::Describe(place) => self.history.describes[place].answered_at = answered_at,
            Question::Other => {}
        }
    }

    /// Hands batches of messages to `redrive`, as the event source mapping does.
    fn poll(&mut self) {
        loop {
            let Some(visible_at) = self.queue.next_visible() else { return };
            if visible_at > self.now {
                if self.poll_at.is_none_or(|poll_at| poll_at > visible_at) {
                    self.poll_at = Some(visible_at);
                    self.at(visible_at, Event::Poll);
                }
                return;
            }
            let is_busy = |slot: &&Slot| matches!(slot.state, State::Batch(_));
            if self.slots.iter().filter(is_busy).count() >= REDRIVES {
                return;
            }
            let messages = self.queue.receive(&self.life.draws, self.now);
            if messages.is_empty() {
                continue;
            }
            self.batches += 1;
            let key = format!("batch {}", self.batches);
            if self.idle(FunctionName::Redrive).is_empty() {
                self.start(FunctionName::Redrive, &format!("start for {key}"), None);
            }
            let place = self.idle(FunctionName::Redrive)[0];
            self.thaw(place, &key);
            let slot = &mut self.slots[place];
            slot.invocation += 1;
            slot.process.invoke(&key, queue::event(&messages).to_string(), self.now, REDRIVE_TIMEOUT);
            let ids: Vec<u64> = messages.iter().map(|message| message.id).collect();
            slot.state = State::Batch(messages);
            let (name, timeout) = (slot.process.name.clone(), Event::Timeout(place, slot.invocation));
            self.history.trace(self.now, &name, &format!("{key}: messages {ids:?}"));
            self.history.count("queue: batch");
            self.at(self.now + REDRIVE_TIMEOUT, timeout);
        }
    }

    /// Takes what the functions logged: the outcome for the trace, and the queue message of an event that nothing accepted.
    fn take_log(&mut self, place: usize) {
        for line in simulation::take_log().lines() {
            let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
            let Some(outcome) = record["outcome"].as_str() else { continue };
            let reason = record["reason"].as_str().unwrap_or_default();
            let error = record["error"].as_str().unwrap_or_default();
            let name = self.slots[place].process.name.clone();
            self.history.trace(self.now, &name, &format!("log: {outcome} {reason} {error}"));
            self.history.count(format!("outcome: {outcome} {reason}"));
            if let (false, Some(id)) = (record["queueMessage"].is_null(), record["requestId"].as_str())
                && let Some(request) = self.history.requests.get_mut(&request_number(id))
            {
                request.is_logged = webhook_body(&record["queueMessage"]) == request.sent.body;
            }
        }
    }

    fn end(mut self) -> History {
        let letters = self.queue.messages.iter().chain(&self.queue.dead_letters);
        self.history.in_a_queue = letters.map(|message| body_of(&message.text)).collect();
        self.history
    }
}

/// The number in a request's key.
fn request_number(key: &str) -> usize {
    key.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn operation_of(call: &Call) -> String {
    let target = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"));
    let name = target.map_or(call.uri.as_str(), |(_, value)| value.as_str());
    name.rsplit(['.', '/']).next().unwrap_or_default().to_owned()
}

fn body_of(message: &str) -> Vec<u8> {
    serde_json::from_str(message).map_or_else(|_| message.as_bytes().to_vec(), |message| webhook_body(&message))
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Webhook(content) => format!("webhook, {content:?}"),
        Kind::Delayed(age) => format!("webhook, {} s old", age / 1000),
        Kind::Replay(_) => "replay".to_owned(),
        Kind::Leaked => "signed with the first secret".to_owned(),
        Kind::Forged { body_bytes } => format!("forged, {body_bytes} bytes"),
        Kind::Malformed(malformed) => format!("malformed, {malformed:?}"),
    }
}
