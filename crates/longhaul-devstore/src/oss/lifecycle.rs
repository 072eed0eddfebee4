//! Which uploads have had their time? Bucket by bucket, whenever the clock is moved, and now and then by itself.

use super::store::Store;
use super::verbs::read_rules;

/// Aborts what the rules of its bucket say is over; how many uploads that was.
pub(crate) fn run(store: &Store) -> usize {
    let now_ms = store.clock.now_ms();
    let mut aborted = 0;
    for bucket in store.disk.buckets() {
        let Some(rules) = bucket.facts().lifecycle.and_then(|document| read_rules(document.as_bytes())) else {
            continue;
        };
        for upload in bucket.uploads() {
            let facts = &upload.facts;
            if rules.iter().any(|rule| rule.expires(&facts.key, facts.initiated_ms, now_ms))
                // What cannot be removed now is tried again next time.
                && bucket.abort(&upload).unwrap_or(false)
            {
                aborted += 1;
            }
        }
    }
    aborted
}
