//! `GET /entries/ID/explain`: what is held of an entry, and what its next start would do. The names are those of
//! `longhaul show --json`.

use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use http::StatusCode;
use longhaul::{FetchRange, Finished, Inspection, JournalHealth, NextStart, ObjectIdentity, Unfinished, ValidatorKind};
use serde_json::{Value, json};

use super::input::{Answer, MayRead, Named, Reply};
use crate::app::App;
use crate::problem::Problem;
use crate::rows::row;

pub(super) async fn explain(State(app): State<Arc<App>>, _: MayRead, Named(entry): Named) -> Answer {
    let of_entry = row(&entry, app.manager.position(entry.id));
    let path = entry.name.as_ref().filter(|_| entry.destination.is_none()).map(|name| entry.folder.join(name));
    let facts = match path {
        None => Value::Null,
        Some(path) => {
            let client = app.client.clone();
            let looked = tokio::task::spawn_blocking(move || client.inspect(path)).await;
            let looked = looked
                .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
            match looked {
                Ok(Inspection::Unfinished(found)) => unfinished(&found),
                Ok(Inspection::Finished(found)) => finished(&found),
                // Nothing was begun, or it is gone.
                _ => Value::Null,
            }
        }
    };
    Ok(Reply::ok(json!({"entry": of_entry, "files": facts})))
}

fn unfinished(found: &Unfinished) -> Value {
    let sum = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
    let (next_start, next_start_why) = match &found.next_start {
        NextStart::Continues => ("continues", None),
        NextStart::StartsOver(reason) => ("starts_over", reason.map(|reason| reason.explain().to_owned())),
        NextStart::FinishesPublishing => ("finishes_publishing", None),
        NextStart::Refused { why, advice } => {
            ("refused", Some(advice.map_or_else(|| why.clone(), |advice| format!("{why}; {advice}"))))
        }
        _ => ("unknown", None),
    };
    let (journal, journal_problem) = match &found.journal {
        JournalHealth::Absent => ("absent", None),
        JournalHealth::Readable { torn: 0, .. } => ("readable", None),
        JournalHealth::Readable { torn, .. } => {
            ("readable", Some(format!("{torn} bytes behind the last whole record do not count, as after a crash")))
        }
        JournalHealth::Unusable(why) => ("unusable", Some(why.clone())),
        _ => ("unknown", None),
    };
    let restarts = found.restarts.iter().map(|reason| json!({"reason": reason.name(), "message": reason.explain()}));
    json!({
        "state": "unfinished", "range": found.range, "object": found.object.as_ref().map(object),
        "total": found.object.as_ref().and_then(|object| object.length),
        "held": sum(&found.claimed) + sum(&found.hinted), "claimed": pairs(&found.claimed),
        "hinted": pairs(&found.hinted), "voided": pairs(&found.voided), "resumable": found.resumable,
        "resumable_why": found.resumable_why, "next_start": next_start, "next_start_why": next_start_why,
        "fetch": found.fetch.iter().map(fetch).collect::<Vec<_>>(), "reread": found.reread,
        "clean_stop": found.clean_stop, "restarts": restarts.collect::<Vec<_>>(),
        "kept_older": found.old.as_ref().map(|old| old.held), "journal": journal, "journal_problem": journal_problem,
        "needs_link": found.needs_link, "needs_headers": found.needs_headers, "holder": found.holder,
    })
}

fn fetch(range: &FetchRange) -> Value {
    json!({"start": range.start, "end": range.end, "reason": range.reason.name(), "message": range.reason.explain()})
}

fn finished(found: &Finished) -> Value {
    json!({
        "state": "finished", "range": found.range, "object": object(&found.object), "bytes": found.length,
        "verified": found.verified.name(), "digests": found.digests.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "finished_ms": since_1970_ms(found.finished), "leftover": found.leftover,
    })
}

fn pairs(ranges: &[Range<u64>]) -> Vec<(u64, u64)> {
    ranges.iter().map(|range| (range.start, range.end)).collect()
}

/// Which version of an object, as `show` and `probe` tell it.
pub(super) fn object(object: &ObjectIdentity) -> Value {
    let validator = object.validator.and_then(|kind| match kind {
        ValidatorKind::Version => Some("version"),
        ValidatorKind::Etag => Some("etag"),
        ValidatorKind::LastModified => Some("last_modified"),
        _ => None,
    });
    json!({
        "length": object.length, "validator": validator, "strong": object.strong, "version": object.version,
        "etag": object.etag, "last_modified_ms": object.last_modified.map(since_1970_ms), "encoding": object.encoding,
        "digests": object.digests.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn since_1970_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
