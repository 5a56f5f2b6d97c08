//! As many entries a call as the event bus allows.

use super::Redriven;
use crate::event_bus::CallLimits;

/// Divides the entries into as few calls as the limits allow, in their order.
pub(super) fn batches(entries: Vec<Redriven<'_>>, limits: CallLimits) -> Vec<Vec<Redriven<'_>>> {
    let mut batches: Vec<Vec<Redriven<'_>>> = Vec::new();
    let mut bytes = 0;
    for redriven in entries {
        let more = redriven.entry.bytes() + limits.metadata_bytes;
        match batches.last_mut() {
            Some(batch) if batch.len() < limits.entries && bytes + more <= limits.bytes => {
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

    const LIMITS: CallLimits = CallLimits { entries: 10, bytes: 1_000_000, metadata_bytes: 0 };

    fn of_sizes(sizes: &[usize]) -> Vec<Vec<usize>> {
        within(LIMITS, sizes)
    }

    fn within(limits: CallLimits, sizes: &[usize]) -> Vec<Vec<usize>> {
        let details: Vec<String> = sizes.iter().map(|bytes| "x".repeat(bytes - EMPTY_BYTES)).collect();
        let redriven = |detail| Redriven { record: MessageRecord::default(), entry: Entry { detail, ..EMPTY } };
        let sizes_of = |batch: Vec<Redriven>| batch.iter().map(|redriven| redriven.entry.bytes()).collect();
        let entries = details.iter().map(|detail| redriven(detail)).collect();
        batches(entries, limits).into_iter().map(sizes_of).collect()
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
    fn what_an_entry_has_besides_counts_too() {
        let limits = CallLimits { entries: 3, metadata_bytes: 100, ..LIMITS };
        assert_eq!(within(limits, &[10; 4]), [vec![10; 3], vec![10]]);
        assert_eq!(within(limits, &[499_900, 499_900, 10]), [vec![499_900; 2], vec![10]]);
        assert_eq!(within(limits, &[499_900, 499_901]), [vec![499_900], vec![499_901]]);
    }

    #[test]
    fn no_entries_make_no_call() {
        assert!(of_sizes(&[]).is_empty());
    }
}
