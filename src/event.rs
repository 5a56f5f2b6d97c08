//! From verified to entry: what is read of a body, and whether it was sent recently.

mod entry;
pub mod timestamp;

pub use entry::{Entry, MAX_DETAIL_TYPE_CHARS, SOURCE, Unmappable};
