//! Queue message → entry: nothing panics, a message of version 1 makes the entry that its body makes, and one of version 2 is
//! verified only by its own signature.

#![no_main]

use libfuzzer_sys::fuzz_target;
use momento_eventbridge::{QueueMessage, ReceivedBody, ReceivedMessage};
use momento_eventbridge::CannotBeJudged;
use momento_eventbridge_fuzz::{SECRETS, follow, secrets, signature};

fuzz_target!(|text: &str| {
    match ReceivedMessage::parse(text).map(|message| message.body) {
        Ok(ReceivedBody::Verified(verified)) => follow(&verified),
        Ok(ReceivedBody::Unverified(signed, received_at)) => {
            let (body, given) = (signed.body.clone(), hex::encode(signed.signature));
            let written = QueueMessage::unverified(&signed, &CannotBeJudged::RotationInProgress, received_at, "");
            let again = ReceivedMessage::parse(written.text()).expect("a message that was just written").body;
            assert!(matches!(again, ReceivedBody::Unverified(again, at) if again.body == body && at == received_at));
            let is_authentic = SECRETS.iter().any(|secret| signature(secret, &body) == given);
            let verified = signed.verify(secrets().iter());
            assert_eq!(verified.is_ok(), is_authentic);
            if let Ok(verified) = verified {
                follow(&verified);
            }
        }
        Err(_) => {}
    }
});
