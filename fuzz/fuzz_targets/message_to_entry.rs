//! Queue message → entry: nothing panics, and what can be read makes the entry that its body makes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use momento_eventbridge::queue_message::Kept;
use momento_eventbridge_fuzz::follow;

fuzz_target!(|text: &str| {
    if let Ok(kept) = Kept::from_message(text) {
        follow(kept.verified);
    }
});
