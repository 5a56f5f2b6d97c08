//! Queue message → entry: nothing panics, and a readable message makes the entry that its body makes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use momento_eventbridge::queue_message::ReceivedMessage;
use momento_eventbridge_fuzz::follow;

fuzz_target!(|text: &str| {
    if let Ok(received) = ReceivedMessage::parse(text) {
        follow(&received.verified);
    }
});
