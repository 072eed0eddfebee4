//! `POST /probe`: can this be resumed, how long is it, what is it called? Nothing is downloaded. The names are those of
//! `longhaul probe --json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use longhaul::ErrorKind;
use serde::Deserialize;
use serde_json::json;

use super::adding::{Login, source};
use super::explain::object;
use super::input::{Answer, Input, MayAdd, Reply};
use crate::app::App;
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    source: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    auth: Option<Login>,
}

pub(super) async fn probe(State(app): State<Arc<App>>, _: MayAdd, Input(question): Input<Question>) -> Answer {
    let mut probe = app.client.probe(source(&question.source)?);
    for (name, value) in &question.headers {
        probe = probe.header(name, value);
    }
    if let Some(login) = &question.auth {
        probe = probe.basic_auth(&login.user, &login.password);
    }
    let found = probe.run().await.map_err(|error| {
        let problem = Problem::from(&error);
        // What the source answered is not what this daemon says of itself.
        if error.kind() == ErrorKind::Usage { problem } else { problem.status(StatusCode::BAD_GATEWAY) }
    })?;
    Ok(Reply::ok(json!({
        "url": found.source, "final_url": found.final_url, "status": found.status, "resumable": found.resumable,
        "why": found.why, "ranges": found.honours_ranges, "conditions": found.honours_conditions,
        "clock_skew_s": found.clock_skew_s, "name": found.suggested_name, "object": object(&found.object),
        "problems": found.problems,
    })))
}
