//! An entry as callers see it: the same in answers, events and lists. Counts and kinds have the names of
//! `docs/json-events.md`.

use longhaul::manager::{Entry, Manager, Which};
use serde_json::{Value, json};

/// The row of an entry, with its place among those that are not over.
pub(crate) fn row(entry: &Entry, position: Option<u32>) -> Value {
    let mut row = longhaul::manager::json::entry(entry);
    row["position"] = position.into();
    row
}

/// All rows: those that are not over in order, then those that are, the oldest first.
pub(crate) fn rows(manager: &Manager) -> Vec<Value> {
    let entries = manager.entries(&Which::All, 0, usize::MAX);
    let (over, open): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.state.is_over());
    let open = open.iter().zip((0..).map(Some)).map(|(entry, position)| row(entry, position));
    open.chain(over.iter().map(|entry| row(entry, None))).collect()
}

/// Rates and numbers by state.
pub(crate) fn stat(manager: &Manager) -> Value {
    let counts = manager.counts();
    json!({"rate_down": counts.rate_down, "rate_up": counts.rate_up, "counts": {
        "queued": counts.queued, "held": counts.held, "running": counts.running, "stopping": counts.stopping,
        "later": counts.later, "needs": counts.needs, "failed": counts.failed, "done": counts.done,
        "cancelled": counts.cancelled,
    }})
}
