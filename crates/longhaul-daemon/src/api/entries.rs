//! The list: looked at in pages, and added to.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use longhaul::manager::{Added, Entry, EntryId, Which};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::adding::Wanted;
use super::input::{Answer, Asked, Input, MayAdd, MayRead, Reply, entry_id};
use crate::app::App;
use crate::problem::Problem;
use crate::rows::row;

/// A page has so many entries if nothing else is said.
const PAGE: usize = 200;
/// And so many at most; as many are added at a time.
pub(super) const MOST: usize = 1000;
/// No key of a client is longer.
const KEY_MAX: usize = 255;

/// Which entries are meant.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Filter {
    /// One or several, with commas between.
    pub(super) state: Option<String>,
    pub(super) lane: Option<String>,
    pub(super) tag: Option<String>,
    /// Words, all of which are in its names.
    pub(super) q: Option<String>,
    /// The beginning of its id.
    pub(super) id: Option<String>,
}

impl Filter {
    pub(super) fn take(&self, entry: &Entry) -> bool {
        let states = self.state.as_deref();
        let is_one_of = |states: &str| states.split(',').any(|state| state.trim() == entry.state.name());
        states.is_none_or(is_one_of)
            && self.lane.as_ref().is_none_or(|lane| *lane == entry.lane)
            && self.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag))
            && self.id.as_ref().is_none_or(|id| entry.id.to_string().starts_with(&id.to_ascii_lowercase()))
            && self.q.as_deref().is_none_or(|words| has_words(entry, words))
    }
}

fn has_words(entry: &Entry, words: &str) -> bool {
    let mut text = entry.sources.join("\n");
    for path in [Some(&entry.folder), entry.name.as_ref()].into_iter().flatten() {
        text += "\n";
        text += &path.to_string_lossy();
    }
    text += entry.destination.as_deref().unwrap_or_default();
    let text = text.to_lowercase();
    words.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// A page of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageWords {
    state: Option<String>,
    lane: Option<String>,
    tag: Option<String>,
    q: Option<String>,
    id: Option<String>,
    sort: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /entries`
pub(super) async fn list(State(app): State<Arc<App>>, _: MayRead, Asked(page): Asked<PageWords>) -> Answer {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::usage(format!("limit: 1 to {MOST}")));
    }
    let filter = Filter { state: page.state, lane: page.lane, tag: page.tag, q: page.q, id: page.id };
    let rev = app.manager.counts().rev;
    let all = app.manager.entries(&Which::All, 0, usize::MAX);
    let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|entry| entry.state.is_over());
    let open = (0..).map(Some).zip(open).map(|(position, entry)| (entry, position));
    let mut listed: Vec<(Arc<Entry>, Option<u32>)> = open.chain(over.into_iter().map(|entry| (entry, None))).collect();
    listed.retain(|(entry, _)| filter.take(entry));
    sort(&mut listed, page.sort.as_deref())?;
    let total = listed.len();
    let from = match &page.after {
        None => 0,
        Some(after) => {
            let id = entry_id(after);
            let at = listed.iter().position(|(entry, _)| Some(entry.id) == id);
            let gone =
                || Problem::not_found("after: no such entry is listed any more; begin again").status(StatusCode::GONE);
            at.ok_or_else(gone)? + 1
        }
    };
    let shown: Vec<Value> =
        listed.iter().skip(from).take(limit).map(|(entry, position)| row(entry, *position)).collect();
    let last = listed.get(from + limit - 1).filter(|_| from + limit < total);
    let next = last.map(|(entry, _)| entry.id.to_string());
    Ok(Reply::ok(json!({"rev": rev, "total": total, "next": next, "entries": shown})))
}

/// By `position` (those that are over come last, the oldest first), `added`, `name`, `size`, `state`; `-` turns it round.
fn sort(listed: &mut [(Arc<Entry>, Option<u32>)], by: Option<&str>) -> Result<(), Problem> {
    let by = by.unwrap_or("position");
    let (name, turned) = by.strip_prefix('-').map_or((by, false), |name| (name, true));
    let compare = |a: &Entry, b: &Entry| -> Ordering {
        match name {
            "added" => a.added_ms.cmp(&b.added_ms),
            "ended" => a.ended_ms.cmp(&b.ended_ms),
            "name" => a.name.cmp(&b.name).then_with(|| a.sources.cmp(&b.sources)),
            "size" => a.progress.total.cmp(&b.progress.total),
            "state" => a.state.name().cmp(b.state.name()),
            _ => Ordering::Equal,
        }
    };
    match name {
        "position" if turned => listed.reverse(),
        "position" => {}
        "added" | "ended" | "name" | "size" | "state" if turned => listed.sort_by(|(a, _), (b, _)| compare(b, a)),
        "added" | "ended" | "name" | "size" | "state" => listed.sort_by(|(a, _), (b, _)| compare(a, b)),
        _ => return Err(Problem::usage("sort: position, added, ended, name, size or state, perhaps with - before it")),
    }
    Ok(())
}

/// `POST /entries`
pub(super) async fn add(
    State(app): State<Arc<App>>,
    MayAdd(caller): MayAdd,
    headers: HeaderMap,
    Input(body): Input<Value>,
) -> Answer {
    let key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) if (1..=KEY_MAX).contains(&key.len()) => Some(key),
        Some(_) => return Err(Problem::usage(format!("Idempotency-Key: 1 to {KEY_MAX} characters of ASCII"))),
    };
    let (wanted, is_list) = match body {
        Value::Array(list) => (list, true),
        one => (vec![one], false),
    };
    if wanted.len() > MOST {
        return Err(Problem::usage(format!("{MOST} entries at a time at most")));
    }
    let mut results: Vec<Option<Result<Value, Problem>>> = Vec::new();
    let mut new = Vec::new();
    for (index, wanted) in wanted.into_iter().enumerate() {
        let id = key.map(|key| id_of_key(key, index));
        // Asked for a second time, perhaps of another daemon after a crash: the list itself remembers.
        if let Some(entry) = id.and_then(|id| app.manager.entry(id)) {
            results.push(Some(Ok(added(&app, &Added { id: entry.id, gid: entry.gid, new: false }))));
            continue;
        }
        let parsed = serde_json::from_value::<Wanted>(wanted).map_err(|error| Problem::usage(error.to_string()));
        match parsed.and_then(|wanted| wanted.entry(&app, caller.via, id)) {
            Ok(entry) => {
                results.push(None);
                new.push(entry);
            }
            Err(problem) => results.push(Some(Err(problem))),
        }
    }
    let mut made = app.manager.add_all(new).await.into_iter();
    let results = results.into_iter().map(|known| match known {
        Some(known) => known,
        None => match made.next() {
            Some(Ok(made)) => Ok(added(&app, &made)),
            Some(Err(error)) => Err(Problem::from(error)),
            None => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the list gave no answer")),
        },
    });
    let results: Vec<Result<Value, Problem>> = results.collect();
    if !is_list {
        let result = results.into_iter().next().unwrap_or_else(|| Err(Problem::usage("there is no entry in it")))?;
        let status = if result["added"] == true { StatusCode::CREATED } else { StatusCode::OK };
        return Ok(Reply(status, result));
    }
    // Of several, each has an answer of its own. When all were refused alike, that is the answer.
    let any_new = results.iter().flatten().any(|result| result["added"] == true);
    let results: Vec<Value> =
        results.into_iter().map(|result| result.unwrap_or_else(|problem| problem.value())).collect();
    let status = if any_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply(status, json!({"results": results})))
}

/// What became of a wish.
fn added(app: &App, added: &Added) -> Value {
    let entry = app.manager.entry(added.id);
    let position = app.manager.position(added.id);
    json!({
        "added": added.new, "id": added.id.to_string(), "gid": added.gid.to_string(), "position": position,
        "entry": entry.map(|entry| row(&entry, position)),
    })
}

/// An entry's name, from a key of the client: the same key names the same entry for as long as that is in the list.
fn id_of_key(key: &str, index: usize) -> EntryId {
    let digest =
        Sha256::new().chain_update(b"longhaul add\0").chain_update(key).chain_update(index.to_le_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    EntryId(u128::from_be_bytes(bytes))
}
