//! One life: jumps from event to event, and lets the processes run in between.

mod lambda;
mod network;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use test_kit::retry_queue::webhook_body;
use tokio::sync::oneshot;

pub use lambda::REDRIVE_TIMEOUT;

use crate::fault::ServiceName;
use crate::history::History;
use crate::life::Life;
use crate::operator::{Access, Action, FIRST_SECRET};
use crate::process::{Answer, Call, EPOCH, FunctionName, Left, Process};
use crate::queue::{self, Message, Queue};
use crate::request;
use crate::services::Services;

enum Event {
    /// The request with this place arrives at the Function URL.
    Request(usize),
    /// A process is started before a request needs it.
    Prewarm,
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
    invoked_at: i64,
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
    /// In milliseconds of the life.
    pub now: i64,
    events: BTreeMap<(i64, u64), Event>,
    number: u64,
    services: Services,
    pub queue: Queue,
    slots: Vec<Slot>,
    momento_signs_with: String,
    calls: HashMap<String, u32>,
    /// When the processes that start were deployed. Older ones get nothing any more.
    deployed_at: i64,
    poll_at: Option<i64>,
    batches: u32,
    seen_on_the_bus: usize,
    history: History,
}

/// Lives one life, and returns what happened.
pub fn live(life: &Life) -> History {
    let mut world = World::new(life);
    while world.step() {}
    world.end()
}

impl<'a> World<'a> {
    /// The beginning of this life.
    pub fn new(life: &'a Life) -> Self {
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
            deployed_at: 0,
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
            world.at(at, Event::Prewarm);
        }
        world.at(life.calm_at, Event::Calm);
        world
    }

    fn at(&mut self, time: i64, event: Event) {
        self.number += 1;
        self.events.insert((time, self.number), event);
    }

    /// Goes on until the next thing has happened. False if nothing more happens.
    pub fn step(&mut self) -> bool {
        let Some((&(time, _), _)) = self.events.first_key_value() else { return false };
        if self.let_run(time) {
            let (_, event) = self.events.pop_first().expect("an event");
            self.now = time;
            self.handle(event);
        }
        true
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
            Event::Prewarm => self.start(FunctionName::Webhook, "prewarm", None),
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
                if step.key.ends_with(".0") {
                    self.history.count(format!("operator: {}", step.script));
                }
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
            Action::Deploy => self.deployed_at = self.now,
            Action::RedriveDeadLetters => self.queue.redrive(self.now),
            Action::SendOtherMessages => {
                for (text, body, is_known) in queue::messages_of_others(EPOCH + self.now) {
                    self.queue.send(text, self.now);
                    self.history.others.push((body, is_known));
                }
            }
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

    /// What happened until now.
    pub fn end(mut self) -> History {
        let letters = self.queue.messages.iter().chain(&self.queue.dead_letters);
        self.history.in_a_queue = letters.map(|message| Kept::from(message.text.as_str()).body).collect();
        self.history
    }
}

/// What a queue message says.
struct Kept {
    /// The request that it was kept for, if it was.
    request: Option<usize>,
    is_unverified: bool,
    body: Vec<u8>,
}

impl From<&str> for Kept {
    fn from(text: &str) -> Self {
        let message = serde_json::from_str::<Value>(text).ok();
        let body = message.as_ref().map_or_else(|| text.into(), webhook_body);
        let message = message.unwrap_or_default();
        let request = message["requestId"].as_str().and_then(request::number_of);
        Self { request, is_unverified: message["version"] == 2, body }
    }
}
