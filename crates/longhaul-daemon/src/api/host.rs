//! The daemon itself: what it is, how it is, which folders it may use; and its end.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Answer, Asked, MayControl, MayRead, Reply};
use crate::app::App;
use crate::guard::Via;
use crate::problem::Problem;
use crate::rows::stat;

/// Rises when what callers rely on changes its meaning. Fields and routes may be added under the same number.
const API: u32 = 1;
/// So many folders are listed.
const FOLDERS_MAX: usize = 1000;

/// `GET /info`
pub(super) async fn info(State(app): State<Arc<App>>, MayRead(caller): MayRead) -> Answer {
    let place = &app.place;
    let roots: Vec<String> = app.guard.roots.all().iter().map(|root| root.to_string_lossy().into_owned()).collect();
    Ok(Reply::ok(json!({
        "name": "longhaul", "version": env!("CARGO_PKG_VERSION"), "api": API, "pid": std::process::id(),
        "address": place.address.map(|address| address.to_string()),
        "socket": place.socket.as_ref().map(|path| path.to_string_lossy()),
        "state_dir": place.state_dir.to_string_lossy(), "uptime_ms": u64::try_from(app.started.elapsed().as_millis()).ok(),
        "roots": roots, "scopes": caller.scopes.names(),
    })))
}

/// `GET /stats`
pub(super) async fn stats(State(app): State<Arc<App>>, _: MayRead) -> Answer {
    let mut stats = stat(&app.manager);
    stats["rev"] = app.manager.counts().rev.into();
    stats["readers"] = app.feed.readers().into();
    Ok(Reply::ok(stats))
}

/// `GET /healthz`: for programs that start and watch daemons. It says nothing of the list.
pub(super) async fn healthz() -> Reply {
    Reply::ok(json!({"status": "ok"}))
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<Arc<App>>, _: MayRead) -> Response {
    let text = app.metrics.text(&app.manager, &app.feed);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// `POST /shutdown`
pub(super) async fn shutdown(State(app): State<Arc<App>>, MayControl(caller): MayControl) -> Answer {
    if caller.via == Via::Network {
        let why = "a daemon is stopped from its own machine only";
        return Err(Problem::new(StatusCode::FORBIDDEN, "denied", why));
    }
    app.asked_to_stop.cancel();
    Ok(Reply(StatusCode::ACCEPTED, json!({"stopping": true})))
}

#[derive(Debug, Deserialize)]
pub(super) struct FolderWords {
    #[serde(default)]
    path: PathBuf,
}

/// `GET /folders?path=`: the folders in one, below the roots.
pub(super) async fn folders(State(app): State<Arc<App>>, _: MayRead, Asked(words): Asked<FolderWords>) -> Answer {
    let outside = |why| Problem::new(StatusCode::FORBIDDEN, "denied", why);
    let below = app.guard.roots.below(&words.path).map_err(outside)?;
    let listed = tokio::task::spawn_blocking(move || {
        let whole = below.whole();
        let mut names: Vec<String> = fs::read_dir(&whole)?
            .flatten()
            // Of links it is not said where they lead: they are no folders here.
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .take(FOLDERS_MAX)
            .collect();
        names.sort();
        let (root, path) = (below.root.to_string_lossy().into_owned(), whole.to_string_lossy().into_owned());
        std::io::Result::Ok(json!({"root": root, "path": path, "folders": names}))
    });
    let listed: Result<Value, String> = match listed.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem::not_found("there is no such folder"));
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    listed.map(Reply::ok).map_err(|why| Problem::new(StatusCode::INSUFFICIENT_STORAGE, "local_file", why))
}
