//! An entry as JSON: the same in the API, in events and on the command line. The names are those of
//! `docs/json-events.md`.

use serde_json::{Map, Value, json};

use super::entry::{Entry, Options, State};
use super::words;
use crate::transfer::TransferKind;

/// The entry. Its place among others is what [`Manager::position`](super::Manager::position) says.
pub fn entry(entry: &Entry) -> Value {
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let path = entry.name.as_ref().map(|name| text(&entry.folder.join(name)));
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("id", entry.id.to_string().into());
    put("gid", entry.gid.to_string().into());
    put("kind", entry.kind.name().into());
    put("source", entry.sources.first().cloned().into());
    put("sources", entry.sources.clone().into());
    put("folder", text(&entry.folder).into());
    put("name", entry.name.as_deref().map(text).into());
    put("path", path.into());
    put("destination", entry.destination.clone().into());
    put("lane", entry.lane.clone().into());
    put("tags", entry.tags.clone().into());
    put("state", entry.state.name().into());
    put("reason", reason(&entry.state));
    put("outcome", outcome(&entry.state));
    put("total", entry.progress.total.into());
    put("rate", entry.progress.rate.into());
    put("connections", entry.progress.connections.into());
    put("attempts", entry.attempts.into());
    put("added_ms", entry.added_ms.into());
    put("started_ms", entry.started_ms.into());
    put("ended_ms", entry.ended_ms.into());
    put("limit_rate", entry.options.limit_rate.into());
    put("options", options(&entry.options));
    put("rev", entry.rev.into());
    let progress = &entry.progress;
    match entry.kind {
        TransferKind::Upload => {
            put("acknowledged", progress.durable.into());
            put("sent", progress.received.into());
        }
        _ => {
            put("received", progress.received.into());
            put("durable", progress.durable.into());
            put("verified", progress.verified.into());
        }
    }
    Value::Object(fields)
}

/// Why an entry does not run; null where nothing is to be said.
fn reason(state: &State) -> Value {
    let Some(reason) = state.reason() else { return Value::Null };
    let mut value = json!({
        "kind": reason.kind.name(), "message": reason.message, "advice": reason.advice, "status": reason.status,
        "need": null, "why": null, "until_ms": null,
    });
    match state {
        State::Later { why, until_ms, .. } => {
            value["why"] = words::delay(*why).into();
            value["until_ms"] = (*until_ms).into();
        }
        State::Needs { what, .. } => value["need"] = words::need(*what).into(),
        _ => {}
    }
    value
}

fn outcome(state: &State) -> Value {
    match state {
        State::Done(finish) => json!({
            "path": finish.path.to_string_lossy(), "bytes": finish.bytes, "verified": finish.verified,
            "already": finish.already,
        }),
        _ => Value::Null,
    }
}

fn options(options: &Options) -> Value {
    let checksums: Vec<String> = options.checksums.iter().map(ToString::to_string).collect();
    json!({
        "connections": options.connections, "limit_rate": options.limit_rate, "checksums": checksums,
        "existing": words::existing(options.existing), "proxy": options.proxy, "remote_time": options.remote_time,
        "stall": options.stall, "require_verified": options.require_verified,
    })
}
