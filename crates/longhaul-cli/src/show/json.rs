//! `--json`: events for programs, one object a line. `docs/json-events.md` is their contract.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use longhaul::Event;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Direction, ShownObject, ShownOutcome, ShownTransfer, text};
use crate::exit::Failure;

/// Progress is told at most this often.
const PROGRESS_APART: Duration = Duration::from_millis(500);

/// What a reader of one URL's events was told last.
#[derive(Debug, Default)]
pub(super) struct JsonEvents {
    progress: Option<Instant>,
}

impl JsonEvents {
    /// The line for an event; `None` when there is no need of one.
    pub(super) fn line(&mut self, subject: &ShownTransfer, event: &Event) -> Option<String> {
        if matches!(event, Event::Progress(_)) {
            let now = Instant::now();
            if self.progress.is_some_and(|last| now - last < PROGRESS_APART) {
                return None;
            }
            self.progress = Some(now);
        }
        let (name, fields) = fields(event, subject.way)?;
        Some(line(name, subject, fields))
    }
}

fn fields(event: &Event, way: Direction) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::Started { total, resumable, .. } => ("started", json!({"total": total, "resumable": resumable})),
        Event::Resumed { held, total } => ("resumed", json!({"held": held, "total": total})),
        Event::Progress(p) if way == Direction::Up => (
            "progress",
            json!({
                "acknowledged": p.durable, "sent": p.received, "total": p.total, "rate": p.rate,
                "connections": p.connections,
            }),
        ),
        Event::Progress(p) => (
            "progress",
            json!({
                "received": p.received, "durable": p.durable, "verified": p.verified, "total": p.total,
                "rate": p.rate, "connections": p.connections,
            }),
        ),
        Event::Retry { failures, delay, reason } => (
            "retry",
            json!({
                "failures": failures, "delay_ms": u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), "reason": reason,
            }),
        ),
        Event::Limited { connections, reason } => ("limited", json!({"connections": connections, "reason": reason})),
        Event::Restarted { reason, discarded } => {
            ("restarted", json!({"reason": reason.name(), "message": reason.explain(), "discarded": discarded}))
        }
        Event::WrongPart { number } => ("wrong_part", json!({"part": number})),
        Event::Settling => ("settling", json!({})),
        Event::Aborted { clean } => ("aborted", json!({"clean": clean})),
        Event::Damaged { ranges } => ("damaged", json!({"ranges": ranges})),
        Event::Returned { held } => ("returned", json!({"held": held})),
        Event::DigestMatched(digest) => ("verified", json!({"digest": digest.to_string()})),
        Event::Warning(message) => ("warning", json!({"message": message})),
        Event::NotModified => ("not_modified", json!({})),
        Event::NeedsLink => ("needs_link", json!({})),
        Event::Paused { held, total } => ("paused", json!({"held": held, "total": total})),
        _ => return None, // newer than this program
    })
}

/// The last line of a transfer that is whole.
pub(super) fn done(subject: &ShownTransfer, outcome: &ShownOutcome) -> String {
    let digests: Vec<String> = outcome.digests.iter().map(ToString::to_string).collect();
    let mut fields = json!({
        "bytes": outcome.bytes, "verified": text::verified(outcome.verified), "digests": digests,
        "already": outcome.already, "not_modified": outcome.not_modified, "resumed": outcome.resumed, "restarts": outcome.restarts,
        "retries": outcome.retries, "elapsed_ms": u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
    });
    match &outcome.stored {
        None => fields["fetched"] = outcome.moved.into(),
        Some(ShownObject { etag, version, parts, part_size, .. }) => {
            fields["sent"] = outcome.moved.into();
            fields["parts"] = (*parts).into();
            fields["part_size"] = json!(part_size);
            fields["etag"] = json!(etag);
            fields["version"] = json!(version);
        }
    }
    line("done", subject, fields)
}

/// The last line of a URL that failed.
pub(super) fn failed(subject: &ShownTransfer, failure: &Failure, held: Option<u64>) -> String {
    let fields = json!({
        "kind": failure.kind, "exit_code": failure.exit.code(), "message": failure.message,
        "state_kept": held.is_some_and(|held| held > 0), "held": held,
    });
    line("failed", subject, fields)
}

/// `event`, `url`, `number`, `id`, `path` and `time_ms` are in every line, in this order; then come the event's own
/// fields.
fn line(event: &'static str, subject: &ShownTransfer, fields: Value) -> String {
    #[derive(Serialize)]
    struct JsonLine<'a> {
        event: &'static str,
        url: &'a str,
        number: usize,
        id: Option<&'a str>,
        path: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_hex: Option<String>,
        time_ms: u64,
        #[serde(flatten)]
        fields: Map<String, Value>,
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (path, path_hex) = path_fields(subject.path.as_deref());
    let fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let time_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let line = JsonLine {
        event,
        url: &subject.url,
        number: subject.number,
        id: subject.id.as_deref(),
        path,
        path_hex,
        time_ms,
        fields,
    };
    // Maps with text keys always serialize.
    let mut line = serde_json::to_string(&line).unwrap_or_default();
    line.push('\n');
    line
}

/// A path for JSON: text; where it is not UTF-8, text with replacement characters and the exact bytes in hexadecimal.
pub(crate) fn path_fields(path: Option<&Path>) -> (Option<String>, Option<String>) {
    let Some(path) = path else { return (None, None) };
    let exact = path.to_str().is_none().then(|| {
        let bytes = path.as_os_str().as_encoded_bytes();
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    });
    (Some(path.to_string_lossy().into_owned()), exact)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
