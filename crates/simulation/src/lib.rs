//! Simulates the whole system: one seed is one life of it, from the first webhook until the retry queue is empty.
//!
//! The code of both functions is the real one. Simulated are the network and the clock: each process has a paused tokio
//! runtime, and the life jumps from event to event. The same seed gives the same life, to the last line of its trace.
//!
//! # Layout
//!
//! - [`life`]: what a life is made of, as data: [`request`]s, [`fault`]s and outages, and what the [`operator`] does.
//! - [`world`]: lives it. [`process`]: a process of a function; [`services`]: the fakes of the test kit; [`queue`]: SQS.
//! - [`history`]: what happened. [`checks`]: what must hold.
//! - [`search`]: lives many, finds the ones that fail, and shrinks them.
//! - [`draw`]: everything that chance decides.

pub mod checks;
pub mod draw;
pub mod fault;
pub mod history;
pub mod life;
pub mod operator;
pub mod process;
pub mod queue;
pub mod request;
pub mod search;
pub mod services;
pub mod world;
