//! From verified to entry: which fields of a body are read, and whether it was sent recently.

mod entry;
pub mod timestamp;

pub use entry::{Entry, MAX_DETAIL_TYPE_CHARS, SOURCE, Unmappable};
