//! Everything that chance decides in a life.
//!
//! Each decision has a key of its own, so that leaving one thing out of a life leaves all others as they are. That lets a
//! life that fails shrink.

use std::collections::BTreeSet;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// The decisions of one life.
#[derive(Debug, Clone, Default)]
pub struct Draws {
    /// The number of the life.
    pub seed: u64,
    /// The keys of what does not happen in it.
    pub left_out: BTreeSet<String>,
}

/// What chance decides under one key.
pub struct Draw(ChaCha8Rng);

impl Draws {
    /// The decisions under this key.
    pub fn of(&self, key: &str) -> Draw {
        let hash = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(key);
        Draw(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Whether what has this key is left out.
    pub fn is_left_out(&self, key: &str) -> bool {
        self.left_out.contains(key)
    }
}

impl Draw {
    /// True once in this many times; never if it is 0.
    pub fn once_in(&mut self, times: u32) -> bool {
        times > 0 && self.0.random_range(0..times) == 0
    }

    /// A number of this range, its ends included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0.random_range(least..=most)
    }

    /// A number of this range, where each order of magnitude is as likely as any other.
    pub fn magnitude(&mut self, least: i64, most: i64) -> i64 {
        let exponent = self.0.random_range((least as f64).ln()..=(most as f64).ln());
        (exponent.exp() as i64).clamp(least, most)
    }

    /// One of these.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }
}
