//! As many entries per call as the event bus allows.

use crate::event::Entry;

/// The limits of one PutEvents call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallLimits {
    /// The number of entries.
    pub(super) entries: usize,
    /// The size of all entries, in UTF-8 bytes.
    pub(super) bytes: usize,
    /// What the other fields of an entry may add to source, detail-type, and detail, in bytes.
    pub(super) metadata_bytes: usize,
}

/// Divides the entries into as few calls as the limits allow, in their order.
pub(super) fn batches<'s, 'e>(entries: &'s [Entry<'e>], limits: CallLimits) -> Vec<&'s [Entry<'e>]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (end, entry) in entries.iter().enumerate() {
        let more = entry.bytes() + limits.metadata_bytes;
        if end > start && (end - start == limits.entries || bytes + more > limits.bytes) {
            batches.push(&entries[start..end]);
            (start, bytes) = (end, 0);
        }
        bytes += more;
    }
    if start < entries.len() {
        batches.push(&entries[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::event::SOURCE;

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
        let entries: Vec<_> = details.iter().map(|detail| Entry { detail, ..EMPTY }).collect();
        let sizes_of = |batch: &[Entry<'_>]| batch.iter().map(Entry::bytes).collect();
        batches(&entries, limits).into_iter().map(sizes_of).collect()
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
    fn the_other_fields_of_an_entry_count_too() {
        let limits = CallLimits { entries: 3, metadata_bytes: 100, ..LIMITS };
        assert_eq!(within(limits, &[10; 4]), [vec![10; 3], vec![10]]);
        assert_eq!(within(limits, &[499_900, 499_900, 10]), [vec![499_900; 2], vec![10]]);
        assert_eq!(within(limits, &[499_900, 499_901]), [vec![499_900], vec![499_901]]);
    }

    #[test]
    fn no_entries_make_no_call() {
        assert!(of_sizes(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn batches_are_the_entries_in_order_and_only_a_batch_of_one_may_be_over_the_limit(
            sizes in prop::collection::vec(EMPTY_BYTES..700, 0..40)
        ) {
            let limits = CallLimits { entries: 4, bytes: 1_000, metadata_bytes: 50 };
            let batches = within(limits, &sizes);
            prop_assert_eq!(batches.concat(), sizes);
            for batch in &batches {
                let bytes: usize = batch.iter().map(|bytes| bytes + 50).sum();
                prop_assert!(!batch.is_empty() && batch.len() <= 4 && (bytes <= 1_000 || batch.len() == 1));
            }
            // No two calls that follow each other would fit one.
            for pair in batches.windows(2) {
                let bytes: usize = pair[0].iter().chain(&pair[1][..1]).map(|bytes| bytes + 50).sum();
                prop_assert!(pair[0].len() == 4 || bytes > 1_000);
            }
        }
    }
}
