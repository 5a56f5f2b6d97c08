//! As many entries a call as EventBridge's limits allow.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::Redriven;

/// EventBridge's limit of entries for a call.
const MAX_ENTRIES: usize = 10;

/// EventBridge's limit for a call, in UTF-8 bytes of source, detail-type and detail; the smaller reading of 1 MB.
const MAX_CALL_BYTES: usize = 1_000_000;

/// Parts the entries into as few calls as EventBridge's limits allow, in their order.
pub(super) fn batches(entries: Vec<Redriven>) -> Vec<Vec<Redriven>> {
    let mut batches: Vec<Vec<Redriven>> = Vec::new();
    let mut bytes = 0;
    for redriven in entries {
        let more = entry_bytes(&redriven.entry);
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

fn entry_bytes(entry: &PutEventsRequestEntry) -> usize {
    [entry.source(), entry.detail_type(), entry.detail()].into_iter().flatten().map(str::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_sizes(sizes: &[usize]) -> Vec<Vec<usize>> {
        let redriven = |bytes: &usize| Redriven {
            record: super::super::tally::MessageRecord::default(),
            entry: PutEventsRequestEntry::builder().detail("x".repeat(*bytes)).build(),
        };
        let sizes_of = |batch: Vec<Redriven>| batch.iter().map(|redriven| entry_bytes(&redriven.entry)).collect();
        batches(sizes.iter().map(redriven).collect()).into_iter().map(sizes_of).collect()
    }

    #[test]
    fn ten_small_entries_go_in_one_call_and_the_eleventh_in_another() {
        assert_eq!(of_sizes(&[1; 11]), [vec![1; 10], vec![1]]);
    }

    #[test]
    fn entries_of_more_than_a_megabyte_together_are_parted() {
        assert_eq!(
            of_sizes(&[400_000, 600_000, 1, 1_000_001, 1]),
            [vec![400_000, 600_000], vec![1], vec![1_000_001], vec![1]]
        );
        assert_eq!(of_sizes(&[1, 600_000, 400_000]), [vec![1, 600_000], vec![400_000]]);
    }

    #[test]
    fn no_entries_make_no_call() {
        assert!(of_sizes(&[]).is_empty());
    }
}
