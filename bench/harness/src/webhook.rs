//! A signed webhook of a given size.

use serde_json::Value;

use test_kit::momento;

/// The event for a body of this many bytes, published now.
pub fn event(bytes: usize) -> Value {
    let body = |text: &str| momento::body("serverless", "test", 3, text);
    let padding = bytes.checked_sub(body("").len()).expect("a size above that of the keys");
    momento::event(&body(&text(padding)))
}

/// Text that needs no escaping and does not repeat one letter.
fn text(bytes: usize) -> String {
    "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(bytes).collect()
}
