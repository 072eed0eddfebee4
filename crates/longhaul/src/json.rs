//! Events, outcomes and errors as JSON, with the names of `docs/json-events.md`: for front ends that tell programs.
//!
//! Fields are only ever added: a reader skips those that it does not know. Nothing in them is secret. `longhaul get
//! --json` writes these objects, with what it knows of the transfer beside.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::{Disposition, Error};
use crate::event::{Digest, Event, Outcome, Progress};
use crate::transfer::TransferKind;

/// The fields of one object.
pub type Fields = Map<String, Value>;

/// An event of a transfer that goes this way: its name as `event`, and its [fields](event_fields).
pub fn event(event: &Event, way: TransferKind) -> Value {
    let mut fields = event_fields(event, way);
    fields.insert("event".to_owned(), event.name().into());
    Value::Object(fields)
}

/// The fields of an event, without its [name](Event::name).
pub fn event_fields(event: &Event, way: TransferKind) -> Fields {
    let fields = match event {
        // Where it is saved is a fact of the transfer, and stands beside every event.
        Event::Started { path: _, total, resumable } => json!({"total": total, "resumable": resumable}),
        Event::Resumed { held, total } | Event::Paused { held, total } => json!({"held": held, "total": total}),
        Event::Adopted { held, offered, total, samples } => {
            json!({"held": held, "offered": offered, "total": total, "samples": samples})
        }
        Event::Progress(reached) => return progress(reached, way),
        Event::Retry { failures, delay, reason } => {
            json!({"failures": failures, "delay_ms": milliseconds(*delay), "reason": reason})
        }
        Event::Limited { connections, reason } => json!({"connections": connections, "reason": reason}),
        Event::Restarted { reason, discarded } => {
            json!({"reason": reason.name(), "message": reason.explain(), "discarded": discarded})
        }
        Event::WrongPart { number } => json!({"part": number}),
        Event::Aborted { clean } => json!({"clean": clean}),
        Event::Damaged { ranges } => json!({"ranges": ranges}),
        Event::Returned { held } => json!({"held": held}),
        Event::DigestMatched(digest) => json!({"digest": digest.to_string()}),
        Event::Warning(message) => json!({"message": message}),
        Event::Settling | Event::NotModified | Event::NeedsLink => json!({}),
    };
    fields_of(fields)
}

/// How far a transfer is, that goes this way.
pub fn progress(reached: &Progress, way: TransferKind) -> Fields {
    let Progress { received, durable, verified, total, rate, connections } = reached;
    fields_of(match way {
        TransferKind::Download | TransferKind::Unknown => json!({
            "received": received, "durable": durable, "verified": verified, "total": total, "rate": rate,
            "connections": connections,
        }),
        TransferKind::Upload => json!({
            "acknowledged": durable, "sent": received, "total": total, "rate": rate, "connections": connections,
        }),
    })
}

/// How a transfer ended well: the fields of `done`.
pub fn outcome(outcome: &Outcome) -> Fields {
    let totals = outcome.totals();
    let digests: &[Digest] = match outcome {
        Outcome::Downloaded(saved) => &saved.digests,
        Outcome::Uploaded(stored) => &stored.digests,
        Outcome::NotModified(_) => &[],
    };
    let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
    let restarts: Vec<&str> = totals.restarts.iter().map(|reason| reason.name()).collect();
    let mut fields = fields_of(json!({
        "bytes": outcome.bytes(), "verified": outcome.verified().name(), "digests": digests,
        "already": outcome.already(), "not_modified": outcome.is_not_modified(), "resumed": totals.resumed,
        "restarts": restarts, "retries": totals.retries, "elapsed_ms": milliseconds(totals.elapsed),
    }));
    let more = match outcome {
        Outcome::Uploaded(stored) => json!({
            "sent": totals.moved, "parts": stored.parts, "part_size": stored.part_len, "etag": stored.etag,
            "version": stored.version,
        }),
        Outcome::Downloaded(_) | Outcome::NotModified(_) => json!({"fetched": totals.moved}),
    };
    fields.extend(fields_of(more));
    fields
}

/// Why a transfer failed: the fields of `failed` that do not depend on who tells.
///
/// `message` says what happened and names no option of a program; `advice` is what helps, in a sentence.
pub fn error(error: &Error) -> Fields {
    let disposition = match error.disposition() {
        Disposition::Temporary => "temporary",
        Disposition::Permanent => "permanent",
        Disposition::GaveUp => "gave_up",
    };
    fields_of(json!({
        "kind": error.kind().name(), "message": error.to_string(),
        "advice": error.advice().map(|advice| advice.to_string()), "disposition": disposition,
        "status": error.status(), "retry_after_ms": error.retry_after().map(milliseconds),
    }))
}

/// A path: `path`, and where that is not UTF-8 and stands there with replacement characters, `path_hex`, the exact bytes
/// in hexadecimal.
pub fn path(path: &Path) -> (String, Option<String>) {
    let exact = path.to_str().is_none().then(|| crate::hex::hex(path.as_os_str().as_encoded_bytes()));
    (path.to_string_lossy().into_owned(), exact)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn fields_of(object: Value) -> Fields {
    match object {
        Value::Object(fields) => fields,
        _ => Fields::new(), // they are objects, all of them
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
