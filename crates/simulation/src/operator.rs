//! What the operator does: rotations, by the book and with slips, and changes of what the functions may do.

use crate::draw::{Draw, Draws};

/// One thing that the operator does, or that Momento does on the operator's click.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Stores this text as the current secret.
    Store(String),
    /// Makes this text, which was stored that many milliseconds ago, the current secret.
    PromoteOlder(String, i64),
    /// Labels a new version `AWSPENDING`.
    LabelPending,
    /// Makes the version `AWSPENDING` the current one, as the rotation of Secrets Manager does.
    PromotePending(String),
    /// Removes the label `AWSPENDING`.
    RemovePending,
    /// Moves `AWSCURRENT` back to the previous version.
    MoveBack,
    /// From now on, Momento signs with this secret.
    MomentoSignsWith(String),
    /// What the functions may read of the secret.
    AllowReads(Access),
    DeleteBus,
    CreateBus,
    /// A new version of the functions: what arrives from now on gets a new process.
    Deploy,
    /// Functions of another version, and a person, send messages to the retry queue.
    SendOtherMessages,
    /// *Start DLQ redrive*.
    RedriveDeadLetters,
}

impl Action {
    /// Whether it changes which secret is stored, read or used.
    pub fn is_about_the_secret(&self) -> bool {
        use Action::*;
        !matches!(self, DeleteBus | CreateBus | Deploy | SendOtherMessages | RedriveDeadLetters)
    }
}

/// Which versions of the secret may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    All,
    AllButPending,
    Nothing,
    /// The secret is marked as deleted.
    Deleted,
}

/// An action at this time, in milliseconds of the life.
#[derive(Debug, Clone)]
pub struct Step {
    pub key: String,
    /// The change that it is a part of.
    pub script: &'static str,
    pub at: i64,
    pub action: Action,
}

/// What the operator may do; the first is what it does most.
pub const SCRIPTS: [&str; 20] = [
    "rotation by the book",
    "rotation by the book",
    "rotation by promoting AWSPENDING",
    "secret stored first",
    "secret changed at Momento first, without a label",
    "wrong secret, put right",
    "invalid secret, put right",
    "secret stored in addition",
    "label moved back",
    "label moved back before Momento",
    "version stored long before",
    "AWSPENDING left over",
    "reads denied",
    "AWSPENDING denied",
    "AWSPENDING denied during a rotation",
    "secret deleted and restored",
    "bus deleted and created",
    "bus created late",
    "dead letters redriven",
    "messages of other versions",
];

/// Those after which a process that saw them, or what was before, may judge otherwise than one that did not.
const JUDGED_BY_HISTORY: [&str; 5] = [
    "label moved back",
    "label moved back before Momento",
    "version stored long before",
    "AWSPENDING denied",
    "AWSPENDING denied during a rotation",
];

/// The secret that Momento signs with at first.
pub const FIRST_SECRET: &str = "whsec-first-secret";

/// What the operator does in a life of this length, which may be compared with another.
pub fn steps(draws: &Draws, length: i64, is_compared: bool) -> Vec<Step> {
    let may_be = |script: &&str| !is_compared || !JUDGED_BY_HISTORY.contains(script);
    let scripts: Vec<&str> = SCRIPTS.into_iter().filter(may_be).collect();
    let count = draws.of("operator").one_of(&[0, 1, 1, 2, 2, 3, 4]);
    let mut steps: Vec<Step> = Vec::new();
    let mut secret = FIRST_SECRET.to_owned();
    let mut at = 0;
    for number in 0..count {
        let mut draw = draws.of(&format!("script {number}"));
        let script = draw.one_of(&scripts);
        at += draw.magnitude(1_000, (length / 2).max(2_000));
        let mut script_steps = Script { draw, at, actions: Vec::new() };
        secret = script_steps.write(script, secret, &format!("whsec-secret-{number}"));
        at = script_steps.at;
        for (place, (at, action)) in script_steps.actions.into_iter().enumerate() {
            steps.push(Step { key: format!("step {number}.{place}"), script, at, action });
        }
    }
    steps.retain(|step| !draws.is_left_out(&step.key));
    steps
}

struct Script {
    draw: Draw,
    at: i64,
    actions: Vec<(i64, Action)>,
}

impl Script {
    fn then(&mut self, action: Action) -> &mut Self {
        self.actions.push((self.at, action));
        self
    }

    fn after(&mut self, least: i64, most: i64) -> &mut Self {
        self.at += self.draw.magnitude(least, most);
        self
    }

    /// Adds the actions of a script, and returns the secret that Momento signs with at its end.
    fn write(&mut self, script: &str, old: String, new: &str) -> String {
        use Action::*;
        let new = new.to_owned();
        let signs = || MomentoSignsWith(new.clone());
        let store = || Store(new.clone());
        match script {
            "rotation by the book" => {
                self.then(LabelPending).after(5_000, 60_000).then(signs()).after(500, 600_000).then(store());
                self.after(10_000, 60_000).then(RemovePending);
            }
            "rotation by promoting AWSPENDING" => {
                self.then(LabelPending).after(5_000, 60_000).then(signs());
                self.after(500, 600_000).then(PromotePending(new.clone()));
            }
            "secret stored first" => {
                self.then(store()).after(100, 600_000).then(signs());
            }
            "secret changed at Momento first, without a label" => {
                self.then(signs()).after(100, 600_000).then(store());
            }
            "wrong secret, put right" => {
                self.then(Store(format!("{new}-mistyped"))).after(1_000, 2_400_000).then(Store(old.clone()));
                return old;
            }
            "invalid secret, put right" => {
                self.then(Store(r#"{"momentoSecret": "#.to_owned())).after(1_000, 2_400_000).then(Store(old.clone()));
                return old;
            }
            "secret stored in addition" => {
                self.then(Store(format!(r#"["{old}","{new}"]"#))).after(100, 600_000).then(signs());
            }
            "label moved back" => {
                self.then(store()).after(100, 600_000).then(MoveBack);
                return old;
            }
            "label moved back before Momento" => {
                self.then(store()).after(100, 60_000).then(signs()).after(500, 600_000).then(MoveBack);
                self.after(500, 600_000).then(MomentoSignsWith(old.clone()));
                return old;
            }
            "version stored long before" => {
                let age = self.draw.magnitude(30_000, 200_000_000);
                self.then(PromoteOlder(new.clone(), age)).after(100, 600_000).then(signs());
            }
            "AWSPENDING denied during a rotation" => {
                self.then(LabelPending).after(5_000, 60_000).then(signs()).after(100, 60_000);
                self.then(AllowReads(Access::AllButPending)).after(500, 600_000).then(store());
                self.after(10_000, 60_000).then(RemovePending).then(AllowReads(Access::All));
            }
            "AWSPENDING left over" => {
                let at = if self.draw.once_in(2) { -2_000_000 } else { self.at };
                self.actions.push((at, LabelPending));
                return old;
            }
            "reads denied" | "AWSPENDING denied" | "secret deleted and restored" => {
                let access = match script {
                    "reads denied" => Access::Nothing,
                    "AWSPENDING denied" => Access::AllButPending,
                    _ => Access::Deleted,
                };
                self.then(AllowReads(access)).after(500, 2_400_000).then(AllowReads(Access::All));
                return old;
            }
            "bus deleted and created" => {
                self.then(DeleteBus).after(100, 2_400_000).then(CreateBus);
                return old;
            }
            "bus created late" => {
                self.actions.push((-1_000_000, DeleteBus));
                self.then(CreateBus);
                return old;
            }
            "messages of other versions" => {
                self.then(SendOtherMessages);
                return old;
            }
            _ => {
                self.then(RedriveDeadLetters);
                return old;
            }
        }
        new
    }
}
