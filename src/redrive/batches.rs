//! As many entries a call as EventBridge's limits allow.

use super::Redriven;

/// EventBridge's limit of entries for a call.
const MAX_ENTRIES: usize = 10;

/// EventBridge's limit for a call, in UTF-8 bytes of source, detail-type and detail; the smaller reading of 1 MB.
const MAX_CALL_BYTES: usize = 1_000_000;

/// Divides the entries into as few calls as EventBridge's limits allow, in their order.
pub(super) fn batches(entries: Vec<Redriven<'_>>) -> Vec<Vec<Redriven<'_>>> {
    let mut batches: Vec<Vec<Redriven<'_>>> = Vec::new();
    let mut bytes = 0;
    for redriven in entries {
        let more = redriven.entry.bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + more <= MAX_CALL_BYTES => {
                bytes += more;
                batch.push(redriven);
            }
            _ => {
                bytes = more;
                batches.push(vec![redriven]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::entry::{Entry, SOURCE};
    use crate::redrive::tally::MessageRecord;

    const EMPTY: Entry<'_> = Entry {
        cache: Cow::Borrowed(""),
        topic: Cow::Borrowed(""),
        publish_timestamp: 0,
        topic_sequence_number: None,
        detail: "",
    };
    const EMPTY_BYTES: usize = SOURCE.len() + "#".len();

    fn of_sizes(sizes: &[usize]) -> Vec<Vec<usize>> {
        let details: Vec<String> = sizes.iter().map(|bytes| "x".repeat(bytes - EMPTY_BYTES)).collect();
        let redriven = |detail| Redriven { record: MessageRecord::default(), entry: Entry { detail, ..EMPTY } };
        let sizes_of = |batch: Vec<Redriven>| batch.iter().map(|redriven| redriven.entry.bytes()).collect();
        batches(details.iter().map(|detail| redriven(detail)).collect()).into_iter().map(sizes_of).collect()
    }

    #[test]
    fn ten_small_entries_go_in_one_call_and_the_eleventh_in_another() {
        assert_eq!(of_sizes(&[100; 11]), [vec![100; 10], vec![100]]);
    }

    #[test]
    fn entries_of_more_than_a_megabyte_together_go_in_several_calls() {
        assert_eq!(
            of_sizes(&[400_000, 600_000, 10, 1_000_001, 10]),
            [vec![400_000, 600_000], vec![10], vec![1_000_001], vec![10]]
        );
        assert_eq!(of_sizes(&[10, 600_000, 400_000]), [vec![10, 600_000], vec![400_000]]);
    }

    #[test]
    fn no_entries_make_no_call() {
        assert!(of_sizes(&[]).is_empty());
    }
}
