//! Settings of the list and of its lanes. What a `PUT` does not name stays as it is.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;
use longhaul::manager::{Lane, MAIN_LANE, Settings};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::input::{Answer, Input, MayControl, MayRead, Reply, shown};
use crate::app::App;
use crate::guard::Via;
use crate::problem::Problem;

/// So many lanes may have limits of their own.
const LANES_MAX: usize = 100;

/// `GET /settings`
pub(super) async fn show(State(app): State<Arc<App>>, _: MayRead) -> Answer {
    Ok(Reply::ok(value(&app.manager.settings())))
}

fn value(settings: &Settings) -> Value {
    let lanes: Map<String, Value> =
        settings.lanes.iter().map(|(name, lane)| (name.clone(), lane_value(lane))).collect();
    json!({
        "most": settings.most, "most_of_host": settings.most_of_host, "limit_rate": settings.limit_rate,
        "limit_upload_rate": settings.limit_upload_rate, "limit_rate_each": settings.limit_rate_each,
        "spare": settings.spare, "patience_ms": settings.patience_ms, "history": settings.history,
        "folder": settings.folder.as_ref().map(|folder| folder.to_string_lossy()), "connections": settings.connections,
        "user_agent": settings.user_agent, "lanes": lanes,
    })
}

fn lane_value(lane: &Lane) -> Value {
    json!({"most": lane.most, "limit_rate": lane.limit_rate, "timetable": lane.timetable})
}

/// What is changed. A member that is null goes back to the usual.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SettingWords {
    most: Option<u32>,
    most_of_host: Option<u32>,
    limit_rate: Option<u64>,
    limit_upload_rate: Option<u64>,
    limit_rate_each: Option<u64>,
    spare: Option<u64>,
    patience_ms: Option<u64>,
    history: Option<u32>,
    #[serde(deserialize_with = "told")]
    folder: Option<Option<PathBuf>>,
    #[serde(deserialize_with = "told")]
    connections: Option<Option<u32>>,
    #[serde(deserialize_with = "told")]
    user_agent: Option<Option<String>>,
    lanes: Option<std::collections::BTreeMap<String, LaneWords>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LaneWords {
    #[serde(deserialize_with = "told")]
    most: Option<Option<u32>>,
    limit_rate: Option<u64>,
    #[serde(deserialize_with = "told")]
    timetable: Option<Option<String>>,
}

fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl LaneWords {
    fn change(self, mut lane: Lane) -> Lane {
        lane.most = self.most.unwrap_or(lane.most);
        lane.limit_rate = self.limit_rate.unwrap_or(lane.limit_rate);
        lane.timetable = self.timetable.unwrap_or(lane.timetable);
        lane
    }
}

/// `PUT /settings`
pub(super) async fn change(
    State(app): State<Arc<App>>,
    MayControl(caller): MayControl,
    Input(words): Input<SettingWords>,
) -> Answer {
    let mut settings = Settings::clone(&app.manager.settings());
    if words.connections.flatten().is_some_and(|connections| !(1..=64).contains(&connections)) {
        return Err(Problem::usage("connections: 1 to 64"));
    }
    if words.user_agent.iter().flatten().any(|agent| http::HeaderValue::try_from(agent.as_str()).is_err()) {
        return Err(Problem::usage("user_agent: this is no value of a header"));
    }
    if let Some(Some(folder)) = &words.folder {
        if !folder.is_absolute() {
            return Err(Problem::usage("folder: a path from the root on"));
        }
        if caller.via != Via::Socket {
            let outside = |why| Problem::new(StatusCode::FORBIDDEN, "denied", why);
            app.guard.roots.below(folder).map_err(outside)?;
        }
    }
    settings.most = words.most.unwrap_or(settings.most);
    settings.most_of_host = words.most_of_host.unwrap_or(settings.most_of_host);
    settings.limit_rate = words.limit_rate.unwrap_or(settings.limit_rate);
    settings.limit_upload_rate = words.limit_upload_rate.unwrap_or(settings.limit_upload_rate);
    settings.limit_rate_each = words.limit_rate_each.unwrap_or(settings.limit_rate_each);
    settings.spare = words.spare.unwrap_or(settings.spare);
    settings.patience_ms = words.patience_ms.unwrap_or(settings.patience_ms);
    settings.history = words.history.unwrap_or(settings.history);
    settings.folder = words.folder.unwrap_or(settings.folder);
    settings.connections = words.connections.unwrap_or(settings.connections);
    settings.user_agent = words.user_agent.unwrap_or(settings.user_agent);
    if let Some(lanes) = words.lanes {
        let before = std::mem::take(&mut settings.lanes);
        let changed = lanes.into_iter().map(|(name, words)| {
            let lane = words.change(before.get(&name).cloned().unwrap_or_default());
            (name, lane)
        });
        settings.lanes = changed.collect();
    }
    keep(&app, settings).await
}

async fn keep(app: &App, settings: Settings) -> Answer {
    let unusable = settings.lanes.keys().find(|name| !is_name(name));
    if let Some(name) = unusable {
        return Err(Problem::usage(format!("{}: the name of a lane is 1 to 64 characters", shown(name))));
    }
    if settings.lanes.len() > LANES_MAX {
        return Err(Problem::usage(format!("{LANES_MAX} lanes at most")));
    }
    app.manager.set_settings(settings).await?;
    Ok(Reply::ok(value(&app.manager.settings())))
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// `GET /lanes/NAME`
pub(super) async fn lane(State(app): State<Arc<App>>, _: MayRead, Path(name): Path<String>) -> Answer {
    let settings = app.manager.settings();
    match settings.lanes.get(&name) {
        Some(lane) => Ok(Reply::ok(lane_value(lane))),
        // Its entries have the limits of all.
        None if name == MAIN_LANE => Ok(Reply::ok(lane_value(&Lane::default()))),
        None => Err(no_lane(&name)),
    }
}

fn no_lane(name: &str) -> Problem {
    Problem::not_found(format!("no lane {} has limits of its own", shown(name)))
}

/// `PUT /lanes/NAME`
pub(super) async fn set_lane(
    State(app): State<Arc<App>>,
    _: MayControl,
    Path(name): Path<String>,
    Input(words): Input<LaneWords>,
) -> Answer {
    let mut settings = Settings::clone(&app.manager.settings());
    let lane = words.change(settings.lanes.get(&name).cloned().unwrap_or_default());
    settings.lanes.insert(name.clone(), lane);
    keep(&app, settings).await?;
    let kept = app.manager.settings().lanes.get(&name).map_or(Value::Null, lane_value);
    Ok(Reply::ok(kept))
}

/// `DELETE /lanes/NAME`: its entries have the limits of all from then on.
pub(super) async fn remove_lane(State(app): State<Arc<App>>, _: MayControl, Path(name): Path<String>) -> Answer {
    let mut settings = Settings::clone(&app.manager.settings());
    settings.lanes.remove(&name).ok_or_else(|| no_lane(&name))?;
    keep(&app, settings).await
}
