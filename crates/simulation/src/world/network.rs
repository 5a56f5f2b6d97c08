//! The network: a call on its way to a service, what goes wrong with it, and its answer on the way back.

use test_kit::fault::Fault;
use test_kit::server::{Reply, Request as HttpRequest};

use super::{Event, Kept, Letter, Question, World};
use crate::fault::{self, ServiceName};
use crate::history::{self, Describe, Drop, Existence, Put, Read};
use crate::life::Faults;
use crate::process::{Broken, Call, FunctionName};
use crate::request;

impl World<'_> {
    /// Sends a call on its way.
    pub(super) fn send(&mut self, place: usize, call: Call) {
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

    pub(super) fn call(&mut self, place: usize, service: ServiceName, key: String, call: Call, called_at: i64) {
        let operation = operation_of(&call);
        let fault = self.fault(&key, &operation);
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
        self.history.calls.push(history::Call {
            key: key.clone(),
            request: request::number_of(&call.owner),
            operation: operation.clone(),
            at: self.now,
            fault: exchange.fault.clone(),
        });
        let is_clear = matches!(exchange.fault, Fault::None | Fault::Slow(_));
        let answers = match operation.as_str() {
            "GetSecretValue" => {
                let labels = is_clear.then(|| self.services.labels(self.now));
                let label = label.to_owned();
                self.history.reads.push(Read {
                    process: place,
                    label,
                    called_at,
                    answered_at: None,
                    was_frozen: false,
                    fault: exchange.fault.clone(),
                    labels,
                });
                Question::Read(self.history.reads.len() - 1)
            }
            "DescribeEventBus" => {
                let answer = match exchange.fault {
                    _ if is_clear && self.services.has_bus() => Existence::Found,
                    _ if is_clear => Existence::NotFound,
                    Fault::Error(_, "AccessDeniedException") => Existence::Denied,
                    _ => Existence::Unclear,
                };
                self.history.describes.push(Describe {
                    process: place,
                    called_at,
                    answered_at: None,
                    answer,
                    was_frozen: false,
                });
                Question::Describe(self.history.describes.len() - 1)
            }
            _ => Question::Other,
        };
        if service == ServiceName::Sqs {
            self.note_messages(&key);
        }
        self.note_entries(place, called_at);
        let answer = match exchange.reply {
            Reply::Response(response) => Ok(response),
            Reply::Reset => Err(Broken),
            Reply::Hang => return self.slots[place].hanging.push(call.answer),
        };
        let mut draw = self.life.draws.of(&format!("way back of {key}"));
        let is_slow = draw.once_in(30) && !self.life.terms.is_steady;
        let back = if is_slow { draw.between(100, 450) } else { draw.between(1, self.life.terms.latency) };
        let takes = i64::try_from(exchange.takes.as_millis()).unwrap_or_default();
        self.at(self.now + takes + back, Event::Reply(place, Letter { to: call.answer, answer, answers }));
    }

    /// What goes wrong with a call.
    fn fault(&self, key: &str, operation: &str) -> Fault {
        if self.now >= self.life.calm_at || self.life.draws.is_left_out(&format!("fault of {key}")) {
            return Fault::None;
        }
        let mut draw = self.life.draws.of(&format!("fault of {key}"));
        match &self.life.faults {
            Faults::None => Fault::None,
            Faults::Single(calls) if calls.contains(key) => fault::passing(&mut draw),
            Faults::Single(_) => Fault::None,
            Faults::Drawn => {
                let is_out = |outage: &&fault::Outage| {
                    (outage.from..outage.to).contains(&self.now) && outage.operations.contains(&operation)
                };
                match self.life.outages.iter().find(is_out) {
                    Some(outage) => outage.fault.clone(),
                    None if draw.once_in(self.life.terms.fault_once_in) => fault::any(&mut draw, operation),
                    None => Fault::None,
                }
            }
        }
    }

    fn note_messages(&mut self, key: &str) {
        for text in self.services.take_messages() {
            let kept = Kept::from(text.as_str());
            if let Some(request) = kept.request.and_then(|request| self.history.requests.get_mut(&request)) {
                request.is_unverified |= kept.is_unverified;
            }
            let mut draw = self.life.draws.of(&format!("message of {key}"));
            let visible_at = self.now + if draw.once_in(5) { draw.magnitude(10, 30_000) } else { 5 };
            if !text.bytes().all(|byte| (0x20..0x80).contains(&byte)) {
                self.history.broken.push(format!("a queue message is not one line of ASCII: {text}"));
            }
            self.queue.send(text, visible_at);
            self.history.count("queue: message sent");
        }
    }

    fn note_entries(&mut self, place: usize, called_at: i64) {
        let new: Vec<Vec<u8>> =
            self.services.details().skip(self.seen_on_the_bus).map(|detail| detail.as_bytes().to_vec()).collect();
        self.seen_on_the_bus += new.len();
        let is_redriven = self.slots[place].process.function == FunctionName::Redrive;
        for body in new {
            let labels = self.services.labels(self.now);
            self.history.on_the_bus.push(Put { at: self.now, process: place, is_redriven, body, labels });
        }
        for body in self.services.take_dropped() {
            self.history.count("entry put on a bus that does not exist");
            let began_at = self.slots[place].invoked_at;
            self.history.dropped.push(Drop { process: place, is_redriven, began_at, called_at, body });
        }
    }

    pub(super) fn reply(&mut self, place: usize, letter: Letter) {
        let slot = &mut self.slots[place];
        if slot.frozen_at.is_some() {
            match letter.answers {
                Question::Read(place) => self.history.reads[place].was_frozen = true,
                Question::Describe(place) => self.history.describes[place].was_frozen = true,
                Question::Other => {}
            }
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
}

fn operation_of(call: &Call) -> String {
    let target = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-target"));
    let name = target.map_or(call.uri.as_str(), |(_, value)| value.as_str());
    name.rsplit(['.', '/']).next().unwrap_or_default().to_owned()
}
