//! One entry: looked at, changed, removed.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use http::{HeaderMap, StatusCode, header};
use longhaul::manager::{Entry, State as EntryState};
use longhaul::{Cancel, PieceMap};
use serde::Deserialize;
use serde_json::{Value, json};

use super::adding::{OptionWords, PlaceWords, SecretWords};
use super::input::{Answer, Asked, Input, MayControl, MayRead, Named, Reply};
use crate::app::App;
use crate::events::told;
use crate::guard::Via;
use crate::problem::Problem;
use crate::rows::row;

/// A piece map has so many pieces at most.
const BUCKETS_MAX: u64 = 4096;

/// What is given up is over within this, or is not forgotten yet.
const OVER_WITHIN: Duration = Duration::from_secs(30);

/// `GET /entries/ID`
pub(super) async fn show(State(app): State<Arc<App>>, _: MayRead, Named(entry): Named) -> Answer {
    Ok(Reply::ok(row(&entry, app.manager.position(entry.id))))
}

/// `GET /entries/ID/events`: the last ones, the oldest first.
pub(super) async fn events(State(app): State<Arc<App>>, _: MayRead, Named(entry): Named) -> Answer {
    let events = app.manager.events(entry.id);
    let events: Vec<Value> = events.iter().map(|(time_ms, event)| told(event, entry.kind, *time_ms)).collect();
    Ok(Reply::ok(json!({"id": entry.id.to_string(), "events": events})))
}

/// What is changed of an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeWords {
    #[serde(default)]
    options: OptionWords,
    place: Option<PlaceWords>,
    headers: Option<std::collections::BTreeMap<String, String>>,
    auth: Option<super::adding::Login>,
    proxy_auth: Option<super::adding::Login>,
}

/// `PATCH /entries/ID`
pub(super) async fn change(
    State(app): State<Arc<App>>,
    _: MayControl,
    Named(entry): Named,
    headers: HeaderMap,
    Input(words): Input<ChangeWords>,
) -> Answer {
    check_rev(&app, &entry, &headers)?;
    let secrets = SecretWords { headers: words.headers, auth: words.auth, proxy_auth: words.proxy_auth }.secrets()?;
    let place = words.place.as_ref().map(PlaceWords::place).transpose()?;
    if !words.options.is_empty() || secrets.is_some() {
        let options = words.options.change(entry.options.clone())?;
        let changed = app.manager.set_options(entry.id, options, secrets).await;
        changed.map_err(|error| refused(&app, &entry, &error))?;
    }
    if let Some(place) = place {
        let moved = app.manager.move_to(entry.id, place).await;
        moved.map_err(|error| refused(&app, &entry, &error))?;
    }
    Ok(Reply::ok(now(&app, &entry)))
}

/// `If-Match: REV`, of callers that change only what they have seen.
fn check_rev(app: &App, entry: &Entry, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let text = wanted.to_str().unwrap_or_default().trim().trim_matches('"');
    let rev = text.parse::<u64>().map_err(|_| Problem::usage("If-Match: the rev of an entry, a number"))?;
    if rev == entry.rev {
        return Ok(());
    }
    let why = format!("the entry changed meanwhile: it is at rev {}, not {rev}", entry.rev);
    Err(Problem::new(StatusCode::CONFLICT, "changed", why).with("entry", now(app, entry)))
}

/// What a change of an entry was refused with; where its state is in the way, with what it is now.
pub(super) fn refused(app: &App, entry: &Entry, error: &longhaul::Error) -> Problem {
    let problem = Problem::from(error);
    if problem.is_conflict() { problem.with("entry", now(app, entry)) } else { problem }
}

/// The entry as it is now; null when it is gone.
pub(super) fn now(app: &App, entry: &Entry) -> Value {
    app.manager.entry(entry.id).map_or(Value::Null, |entry| row(&entry, app.manager.position(entry.id)))
}

/// Which files go with an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Files {
    /// None: a partial file stays, and a later download to the same place goes on from it.
    #[default]
    Keep,
    /// Partial files, and parts in stores.
    Partial,
    /// These, and the finished file of a download.
    All,
}

#[derive(Debug, Deserialize)]
pub(super) struct RemoveWords {
    #[serde(default)]
    files: Files,
}

/// `DELETE /entries/ID?files=keep|partial|all`
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    MayControl(caller): MayControl,
    Named(entry): Named,
    headers: HeaderMap,
    Asked(words): Asked<RemoveWords>,
) -> Answer {
    check_rev(&app, &entry, &headers)?;
    remove_entry(&app, caller.via, &entry, words.files).await?;
    Ok(Reply::ok(json!({"removed": true, "id": entry.id.to_string()})))
}

/// Gives the entry up if it is not over, and forgets it.
pub(super) async fn remove_entry(app: &App, via: Via, entry: &Entry, files: Files) -> Result<(), Problem> {
    let finished = match &entry.state {
        EntryState::Done(finish) if files == Files::All && entry.destination.is_none() => Some(finish.path.clone()),
        _ => None,
    };
    if let Some(path) = &finished
        && via != Via::Socket
    {
        let outside = |why| Problem::new(StatusCode::FORBIDDEN, "denied", why);
        app.guard.roots.below(path).map_err(outside)?;
    }
    let is_left = files != Files::Keep && !matches!(entry.state, EntryState::Done(_));
    if !entry.state.is_over() || is_left {
        let how = if files == Files::Keep { Cancel::Keep } else { Cancel::Discard };
        let cancelled = app.manager.cancel(entry.id, how).await;
        cancelled.map_err(|error| refused(app, entry, &error))?;
        // A run stops in order, and what it left is removed, before it can be forgotten.
        let over = tokio::time::timeout(OVER_WITHIN, app.manager.finished(entry.id)).await;
        if let Ok(over) = over {
            over.map_err(|error| refused(app, entry, &error))?;
        }
    }
    app.manager.forget(entry.id).await.map_err(|error| refused(app, entry, &error))?;
    match finished {
        None => Ok(()),
        Some(path) => remove_file(path).await,
    }
}

/// A file that is gone already is as good.
async fn remove_file(path: PathBuf) -> Result<(), Problem> {
    let removed = tokio::task::spawn_blocking(move || match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("the entry is forgotten, but {} is not removed ({error})", path.display())),
        Ok(()) => Ok(()),
    });
    let removed = removed.await.unwrap_or_else(|error| Err(error.to_string()));
    removed.map_err(|why| Problem::new(StatusCode::INSUFFICIENT_STORAGE, "local_file", why))
}

#[derive(Debug, Deserialize)]
pub(super) struct MapWords {
    buckets: Option<u64>,
}

/// `GET /entries/ID/map?buckets=N`: which bytes are there. With `buckets`, no range is told that is shorter than one of
/// so many equal pieces, and no gap.
pub(super) async fn map(
    State(app): State<Arc<App>>,
    _: MayRead,
    Named(entry): Named,
    Asked(words): Asked<MapWords>,
) -> Answer {
    let buckets = words.buckets.unwrap_or(BUCKETS_MAX);
    if !(1..=BUCKETS_MAX).contains(&buckets) {
        return Err(Problem::usage(format!("buckets: 1 to {BUCKETS_MAX}")));
    }
    let map = match app.manager.transfer(entry.id) {
        Some(transfer) => transfer.map(),
        None => at_rest(&app, &entry).await,
    };
    let total = map.total.or(entry.progress.total);
    let coarse = |ranges: &[(u64, u64)]| coarse(ranges, total, buckets);
    Ok(Reply::ok(json!({
        "id": entry.id.to_string(), "total": total, "held": coarse(&map.held), "durable": coarse(&map.durable),
        "in_flight": coarse(&map.in_flight),
    })))
}

/// What the journal says, or a file that is whole. What is not there, or cannot be read, has no bytes.
async fn at_rest(app: &App, entry: &Entry) -> PieceMap {
    let (client, id) = (app.client.clone(), entry.id.to_string());
    let is_upload = entry.destination.is_some();
    let path = entry.name.as_ref().map(|name| entry.folder.join(name));
    let looked = tokio::task::spawn_blocking(move || match path {
        _ if is_upload => client.map_of_upload(&id).ok(),
        Some(path) => client.map_of(path).ok(),
        None => None,
    });
    looked.await.ok().flatten().unwrap_or_default()
}

/// Ranges whose neighbours are nearer than one piece are told as one, and with too many of them the gaps grow.
fn coarse(ranges: &[(u64, u64)], total: Option<u64>, buckets: u64) -> Vec<(u64, u64)> {
    let end = ranges.last().map_or(0, |(_, end)| *end);
    let piece = total.unwrap_or(end).max(end) / buckets;
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for &(start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start.saturating_sub(last.1) <= piece => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::coarse;

    #[test]
    fn a_map_has_no_more_ranges_than_pieces() {
        let every_second: Vec<(u64, u64)> = (0..10_000).map(|i| (i * 10, i * 10 + 5)).collect();
        assert_eq!(coarse(&every_second, Some(100_000), 100_000).len(), 10_000);
        assert_eq!(coarse(&every_second, Some(100_000), 4096), [(0, 99_995)]);
        let far: Vec<(u64, u64)> = (0..100).map(|i| (i * 1000, i * 1000 + 1)).collect();
        assert!(coarse(&far, Some(100_000), 64).len() <= 65);
        assert_eq!(coarse(&[], None, 10), []);
        assert_eq!(coarse(&[(5, 9), (9, 12)], None, 1_000), [(5, 12)]);
    }
}
