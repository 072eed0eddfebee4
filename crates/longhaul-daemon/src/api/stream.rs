//! `GET /events`: what happens, as server-sent events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, header};
use serde::Deserialize;

use super::input::{Asked, MayRead};
use crate::app::App;
use crate::events::From;

#[derive(Debug, Deserialize)]
pub(super) struct Since {
    since: Option<u64>,
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    _: MayRead,
    Asked(words): Asked<Since>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(From::from_id);
    let from = last.or(words.since.map(From::Rev)).unwrap_or(From::Start);
    let stream = app.feed.clone().read(app.manager.clone(), from, app.stopping.clone());
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}
