//! An entry as callers see it: the same in answers, events and lists. Counts and kinds have the names of
//! `docs/json-events.md`.

use longhaul::TransferKind;
use longhaul::manager::{Delay, Entry, Existing, Manager, Need, Options, Reason, State, Which};
use serde_json::{Value, json};

/// The row of an entry, with its place among those that are not over.
pub(crate) fn row(entry: &Entry, position: Option<u32>) -> Value {
    let path = entry.name.as_ref().map(|name| entry.folder.join(name));
    let shown = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let outcome = match &entry.state {
        State::Done(finish) => json!({
            "path": shown(&finish.path), "bytes": finish.bytes, "verified": finish.verified, "already": finish.already,
        }),
        _ => Value::Null,
    };
    let mut row = json!({
        "id": entry.id.to_string(), "gid": entry.gid.to_string(), "kind": entry.kind.name(),
        "source": entry.sources.first(), "sources": entry.sources, "folder": shown(&entry.folder),
        "name": entry.name.as_deref().map(shown), "path": path.as_deref().map(shown),
        "destination": entry.destination, "lane": entry.lane, "position": position, "tags": entry.tags,
        "state": entry.state.name(), "reason": reason(&entry.state), "attempts": entry.attempts,
        "added_ms": entry.added_ms, "started_ms": entry.started_ms, "ended_ms": entry.ended_ms,
        "limit_rate": entry.options.limit_rate, "options": options(&entry.options), "outcome": outcome,
        "rev": entry.rev,
    });
    if let Value::Object(fields) = &mut row {
        let kind = if entry.kind == TransferKind::Upload { TransferKind::Upload } else { TransferKind::Download };
        fields.extend(longhaul::json::progress(&entry.progress, kind));
    }
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

/// Why it does not run: what its last run ended with, and what it waits for.
fn reason(state: &State) -> Option<Value> {
    let (why, until_ms, need) = match state {
        State::Later { why, until_ms, .. } => (Some(delay(*why)), Some(*until_ms), None),
        State::Needs { what, .. } => (None, None, Some(self::need(*what))),
        _ => (None, None, None),
    };
    let Reason { kind, message, advice, status } = state.reason()?;
    Some(json!({
        "kind": kind.name(), "message": message, "advice": advice, "status": status, "need": need, "why": why,
        "until_ms": until_ms,
    }))
}

fn delay(why: Delay) -> &'static str {
    match why {
        Delay::Network => "network",
        Delay::Busy => "busy",
        Delay::NotFound => "not_found",
        Delay::InUse => "in_use",
        Delay::Space => "space",
        Delay::Unconfirmed => "unconfirmed",
    }
}

fn need(need: Need) -> &'static str {
    match need {
        Need::Link => "link",
        Need::Headers => "headers",
        Need::Keys => "keys",
        Need::Decision => "decision",
    }
}

fn options(options: &Options) -> Value {
    let existing = match options.existing {
        Existing::Overwrite => "overwrite",
        Existing::Rename => "rename",
        _ => "ask",
    };
    json!({
        "connections": options.connections, "limit_rate": options.limit_rate,
        "checksums": options.checksums.iter().map(ToString::to_string).collect::<Vec<_>>(), "existing": existing,
        "proxy": options.proxy, "remote_time": options.remote_time, "stall": options.stall,
        "require_verified": options.require_verified,
    })
}
