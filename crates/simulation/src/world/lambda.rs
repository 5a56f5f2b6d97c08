//! Lambda: which process gets a request or a batch, when one starts, is frozen, goes on, or is reclaimed, and what it logs.

use momento_eventbridge::simulation;
use serde_json::Value;
use test_kit::retry_queue::{batch, webhook_body};

use super::{Event, Kept, Letter, Slot, State, World};
use crate::history::{self, Redriven};
use crate::operator::FIRST_SECRET;
use crate::process::{Broken, EPOCH, FunctionName, Process};
use crate::queue::Message;
use crate::request::{self, Kind};

/// The timeouts of the functions in the template, in milliseconds.
const WEBHOOK_TIMEOUT: i64 = 15_000;
pub const REDRIVE_TIMEOUT: i64 = 30_000;

/// How long before a step of the operator processes are replaced, in milliseconds.
const DEPLOYMENT: i64 = 2_000;

/// How many batches are redriven at a time (`MaximumConcurrency` of the template).
const REDRIVES: usize = 2;

/// A broken connection is noticed at the latest after this time in a frozen process, in milliseconds.
const CONNECTION_LIVES: i64 = 60_000;

impl World<'_> {
    pub(super) fn request(&mut self, place: usize) {
        let arrival = &self.life.arrivals[place];
        let key = request::name_of(arrival.number);
        let mut draw = self.life.draws.of(&format!("process for {key}"));
        let idle = self.idle(FunctionName::Webhook);
        // What the operator changes often comes with a deployment, which replaces processes.
        let is_deployed = self.life.steps.iter().any(|step| (0..DEPLOYMENT).contains(&(step.at - self.now)));
        if idle.is_empty() || draw.once_in(if is_deployed { 2 } else { self.life.terms.spare_once_in }) {
            self.start(FunctionName::Webhook, &format!("start for {key}"), Some(place));
        } else {
            let slot = draw.one_of(&idle);
            self.invoke_webhook(slot, place, self.now);
        }
    }

    fn idle(&self, function: FunctionName) -> Vec<usize> {
        let is_new = |slot: &Slot| slot.started_at >= self.deployed_at && slot.process.function == function;
        let is_idle = |slot: &Slot| is_new(slot) && matches!(slot.state, State::Idle);
        (0..self.slots.len()).filter(|&place| is_idle(&self.slots[place])).collect()
    }

    pub(super) fn start(&mut self, function: FunctionName, key: &str, request: Option<usize>) {
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
            invoked_at: self.now,
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
            ("PREVIOUS_SECRET_SECONDS", self.life.terms.previous_secret_seconds.to_string()),
        ];
        variables.push(match self.life.terms.has_static_secret {
            true => ("SIGNING_SECRET", FIRST_SECRET.to_owned()),
            false => ("SIGNING_SECRET_ID", "signing".to_owned()),
        });
        if function == FunctionName::Webhook && self.life.terms.has_retry_queue {
            variables.push(("RETRY_QUEUE_URL", "http://sqs/123456789012/retry".to_owned()));
        }
        variables
    }

    fn invoke_webhook(&mut self, place: usize, request: usize, waits_since: i64) {
        let arrival = &self.life.arrivals[request];
        let key = request::name_of(arrival.number);
        let sent = match &arrival.kind {
            Kind::Replay(of) => self.history.requests.get(of).map(|replayed| replayed.sent.clone()),
            _ => None,
        };
        let sent = sent.unwrap_or_else(|| {
            request::sent(arrival.number, &arrival.kind, EPOCH + arrival.at, &self.momento_signs_with)
        });
        self.thaw(place, &key);
        let slot = &mut self.slots[place];
        slot.invocation += 1;
        slot.invoked_at = self.now;
        slot.state = State::Request(request);
        slot.process.invoke(&key, sent.event.clone(), self.now, WEBHOOK_TIMEOUT);
        let (name, received_at) = (slot.process.name.clone(), EPOCH + self.now + slot.process.skew);
        let timeout = Event::Timeout(place, slot.invocation);
        self.at(self.now + WEBHOOK_TIMEOUT, timeout);
        let signed = sent.signed_with.as_deref().unwrap_or("nobody");
        self.history.trace(self.now, &name, &format!("{key}: {:?}, signed by {signed}", arrival.kind));
        self.history.count(format!("request: {}", kind_name(&arrival.kind)));
        self.history.requests.insert(
            arrival.number,
            history::Request {
                kind: arrival.kind.clone(),
                sent,
                process: place,
                arrived_at: arrival.at,
                waits_since,
                received_at,
                answer: None,
                is_unverified: false,
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
    pub(super) fn collect(&mut self, place: usize) {
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
        if !self.life.terms.is_steady {
            self.at(reclaim, Event::Reclaim(place, invocation));
        }
    }

    fn answer(&mut self, place: usize, request: usize, response: &Value) {
        let status = response["statusCode"].as_u64().unwrap_or_default();
        let number = self.life.arrivals[request].number;
        let name = &self.slots[place].process.name;
        self.history.trace(self.now, name, &format!("{}: {status}", request::name_of(number)));
        self.history.count(format!("response: {status}"));
        if let Some(request) = self.history.requests.get_mut(&number) {
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
        let began_at = self.slots[place].invoked_at;
        for message in messages {
            let stays = failures.contains(&message.id.to_string().as_str());
            if stays {
                self.history.count("queue: message left");
            } else {
                let mut draw = self.life.draws.of(&format!("deletion of {} at {}", message.id, self.now));
                let again = draw.once_in(40).then(|| self.now + draw.magnitude(10, 200_000));
                if again.is_some() {
                    self.history.count("queue: message delivered again");
                }
                self.queue.delete(message.id, again);
            }
            let Kept { request, is_unverified, body } = Kept::from(message.text.as_str());
            self.history.redriven.push(Redriven {
                began_at,
                at: self.now,
                request,
                is_unverified,
                stays,
                body,
                labels: self.services.labels(if stays { began_at } else { self.now }),
            });
        }
    }

    /// Hands batches of messages to `redrive`, as the event source mapping does.
    pub(super) fn poll(&mut self) {
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
            slot.invoked_at = self.now;
            let event = batch(messages.iter().map(|message| (message.id.to_string(), message.text.as_str())));
            slot.process.invoke(&key, event.to_string(), self.now, REDRIVE_TIMEOUT);
            let ids: Vec<u64> = messages.iter().map(|message| message.id).collect();
            slot.state = State::Batch(messages);
            let (name, timeout) = (slot.process.name.clone(), Event::Timeout(place, slot.invocation));
            self.history.trace(self.now, &name, &format!("{key}: messages {ids:?}"));
            self.history.count("queue: batch");
            self.at(self.now + REDRIVE_TIMEOUT, timeout);
        }
    }

    /// Takes what the functions logged: metrics, the outcome for the trace, and the queue message of an event that nothing accepted.
    pub(super) fn take_log(&mut self, place: usize) {
        for line in simulation::take_log().lines() {
            let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
            let Some(outcome) = record["outcome"].as_str() else {
                self.history.metrics.push((self.slots[place].process.function, record));
                continue;
            };
            let reason = record["reason"].as_str().unwrap_or_default();
            let error = record["error"].as_str().unwrap_or_default();
            let name = self.slots[place].process.name.clone();
            self.history.trace(self.now, &name, &format!("log: {outcome} {reason} {error}"));
            self.history.count(format!("outcome: {outcome} {reason}"));
            let number = record["requestId"].as_str().and_then(request::number_of);
            if !record["queueMessage"].is_null()
                && let Some(request) = number.and_then(|number| self.history.requests.get_mut(&number))
            {
                request.is_logged = webhook_body(&record["queueMessage"]) == request.sent.body;
            }
        }
    }
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
