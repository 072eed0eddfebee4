//! What is done to entries: one by one, or to many.

use std::sync::Arc;

use axum::extract::State;
use futures_util::stream::{self, StreamExt as _};
use http::StatusCode;
use longhaul::manager::{Change, Decision, Entry, Which};
use longhaul::{Cancel, Source, Verification};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::adding::{PlaceWords, SecretWords, source};
use super::entries::{Filter, MOST};
use super::entry::{Files, now, refused, remove_entry};
use super::input::{Answer, Input, MayControl, Named, Reply, named, shown};
use crate::app::App;
use crate::guard::Via;
use crate::problem::Problem;

/// So many entries of a batch are dealt with at a time: what comes together shares a transaction.
const AT_ONCE: usize = 64;

/// What an action needs to be told.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Words {
    /// Of `cancel`: partial files and parts go too.
    discard: bool,
    /// Of `link`.
    source: Option<String>,
    sources: Vec<String>,
    headers: Option<std::collections::BTreeMap<String, String>>,
    auth: Option<super::adding::Login>,
    proxy_auth: Option<super::adding::Login>,
    /// Of `decide`: overwrite, rename, restart, forget.
    answer: Option<String>,
    /// Of `move`.
    place: Option<PlaceWords>,
    /// Of `remove`.
    files: Files,
}

/// `POST /entries/ID/ACTION`
pub(super) async fn one(
    State(app): State<Arc<App>>,
    MayControl(caller): MayControl,
    Named(entry): Named,
    axum::extract::Path((_, action)): axum::extract::Path<(String, String)>,
    Input(words): Input<Words>,
) -> Answer {
    let done = act(&app, caller.via, &entry, &action, &words).await?;
    Ok(Reply::ok(done.value(&app, &entry)))
}

/// What an action led to.
struct Outcome {
    /// `false`: it was so already.
    changed: bool,
    more: Map<String, Value>,
}

impl Outcome {
    fn value(mut self, app: &App, entry: &Entry) -> Value {
        self.more.insert("id".into(), entry.id.to_string().into());
        self.more.insert("changed".into(), self.changed.into());
        self.more.insert("entry".into(), now(app, entry));
        Value::Object(self.more)
    }
}

impl From<Change> for Outcome {
    fn from(change: Change) -> Self {
        Self { changed: change == Change::Made, more: Map::new() }
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self { changed: true, more: Map::new() }
    }
}

async fn act(app: &App, via: Via, entry: &Entry, action: &str, words: &Words) -> Result<Outcome, Problem> {
    let (manager, id) = (&app.manager, entry.id);
    let done: Result<Outcome, longhaul::Error> = match action {
        "hold" => manager.hold(id).await.map(Outcome::from),
        "release" => manager.release(id).await.map(Outcome::from),
        "retry" => manager.retry(id).await.map(Outcome::from),
        "now" => manager.now(id).await.map(Outcome::from),
        "forget" => manager.forget(id).await.map(Outcome::from),
        "cancel" => {
            let how = if words.discard { Cancel::Discard } else { Cancel::Keep };
            manager.cancel(id, how).await.map(Outcome::from)
        }
        "move" => {
            let place = words.place.as_ref().ok_or_else(|| Problem::usage("place: where to?"))?.place()?;
            let position = |position: u32| {
                let more = Map::from_iter([("position".to_owned(), position.into())]);
                Outcome { changed: true, more }
            };
            manager.move_to(id, place).await.map(position)
        }
        "link" => return relink(app, entry, words).await,
        "decide" => manager.decide(id, decision(words.answer.as_deref())?).await.map(Outcome::from),
        "verify" => return verify(app, entry).await,
        "remove" => return remove_entry(app, via, entry, words.files).await.map(Outcome::from),
        other => {
            let why = format!("there is no action {}", shown(other));
            return Err(Problem::not_found(why));
        }
    };
    done.map_err(|error| refused(app, entry, &error))
}

fn decision(answer: Option<&str>) -> Result<Decision, Problem> {
    Ok(match answer {
        Some("overwrite") => Decision::Overwrite,
        Some("rename") => Decision::Rename,
        Some("restart") => Decision::Restart,
        Some("forget") => Decision::Forget,
        _ => return Err(Problem::usage("answer: overwrite, rename, restart or forget")),
    })
}

/// Other links, and with them perhaps other headers.
async fn relink(app: &App, entry: &Entry, words: &Words) -> Result<Outcome, Problem> {
    let sources = words.source.iter().chain(&words.sources).map(|text| source(text));
    let sources = sources.collect::<Result<Vec<Source>, _>>()?;
    let given =
        SecretWords { headers: words.headers.clone(), auth: words.auth.clone(), proxy_auth: words.proxy_auth.clone() };
    let secrets = given.secrets()?;
    if sources.is_empty() && secrets.is_none() {
        return Err(Problem::usage("a link has a source, or headers"));
    }
    if let Some(secrets) = secrets {
        let set = app.manager.set_options(entry.id, entry.options.clone(), Some(secrets)).await;
        set.map_err(|error| refused(app, entry, &error))?;
    }
    if !sources.is_empty() {
        let linked = app.manager.relink(entry.id, sources).await;
        linked.map_err(|error| refused(app, entry, &error))?;
    }
    Ok(().into())
}

/// Holds a finished file against what was recorded at its download. Answers when it was read.
async fn verify(app: &App, entry: &Entry) -> Result<Outcome, Problem> {
    let longhaul::manager::State::Done(finish) = &entry.state else {
        let why = "only what is done can be verified";
        return Err(Problem::new(StatusCode::CONFLICT, "usage", why).with("entry", now(app, entry)));
    };
    let verified = app.client.verify(&finish.path, |_, _| {}).await.map_err(Problem::from)?;
    let result = match verified {
        Verification::Intact { .. } => "intact",
        Verification::Damaged { .. } => "damaged",
        _ => "unknown",
    };
    Ok(Outcome { changed: false, more: Map::from_iter([("result".to_owned(), result.into())]) })
}

/// Entries, by name or by what they have in common, and what is to be done to them.
#[derive(Deserialize)]
pub(super) struct BatchWords {
    ids: Option<Vec<String>>,
    filter: Option<Filter>,
    action: String,
    #[serde(flatten)]
    words: Words,
}

/// `POST /batch`
pub(super) async fn batch(
    State(app): State<Arc<App>>,
    MayControl(caller): MayControl,
    Input(batch): Input<BatchWords>,
) -> Answer {
    let wanted: Vec<Result<Arc<Entry>, Problem>> = match (&batch.ids, &batch.filter) {
        (Some(ids), None) if ids.len() <= MOST => ids.iter().map(|id| named(&app, id)).collect(),
        (Some(_), None) => return Err(Problem::usage(format!("{MOST} entries at a time at most"))),
        (None, Some(filter)) => {
            let all = app.manager.entries(&Which::All, 0, usize::MAX);
            all.into_iter().filter(|entry| filter.take(entry)).map(Ok).collect()
        }
        _ => return Err(Problem::usage("a batch has ids or a filter")),
    };
    let (app, words, action) = (&app, &batch.words, batch.action.as_str());
    let results = stream::iter(wanted).map(async |entry| {
        let entry = entry.map_err(|problem| problem.value())?;
        let done = act(app, caller.via, &entry, action, words).await;
        done.map(|done| done.value(app, &entry)).map_err(|problem| problem.with("id", entry.id.to_string()).value())
    });
    // In order: what is moved to the top one after another stands there in that order.
    let at_once = if action == "move" { 1 } else { AT_ONCE };
    let results: Vec<Result<Value, Value>> = results.buffered(at_once).collect().await;
    let results: Vec<Value> = results.into_iter().map(|result| result.unwrap_or_else(|problem| problem)).collect();
    Ok(Reply::ok(json!({"results": results})))
}
