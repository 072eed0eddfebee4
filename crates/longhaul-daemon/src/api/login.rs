//! How a page gets in. `longhaul open` asks for a code by the Unix socket and opens the page with it, in the part of the
//! link that browsers do not send (`#`). The page gives the code, once and within a minute, for a cookie. Without such a
//! link a person may paste a token.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::input::{Answer, Input, MayControl, Reply};
use crate::app::App;
use crate::codes::CODE_LASTS;
use crate::guard::Checked;
use crate::problem::Problem;
use crate::tokens::Scopes;

/// `POST /codes`
pub(super) async fn new_code(State(app): State<Arc<App>>, _: MayControl) -> Answer {
    let failed = |error: std::io::Error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string());
    let code = app.codes.give(Instant::now()).map_err(failed)?;
    Ok(Reply(StatusCode::CREATED, json!({"code": code, "lasts_ms": u64::try_from(CODE_LASTS.as_millis()).ok()})))
}

/// What a page has to show.
#[derive(Deserialize)]
pub(super) struct Proof {
    code: Option<String>,
    token: Option<String>,
}

/// `POST /login`
pub(super) async fn log_in(State(app): State<Arc<App>>, Input(proof): Input<Proof>) -> Result<Response, Problem> {
    let scopes = match (proof.code, proof.token) {
        (Some(code), None) if app.codes.take(&code, Instant::now()) => Scopes::ALL,
        // A wrong code is held back like a wrong token.
        (Some(code), None) => checked(&app, &code).await?,
        (None, Some(token)) => checked(&app, &token).await?,
        _ => return Err(Problem::usage("a login has a code or a token")),
    };
    let logins = app.clone();
    let made = tokio::task::spawn_blocking(move || logins.guard.tokens.log_in(scopes)).await;
    let made = made.map_err(|error| error.to_string()).and_then(|made| made.map_err(|error| error.to_string()));
    let login = made.map_err(|why| Problem::new(StatusCode::INSUFFICIENT_STORAGE, "local_file", why))?;
    let cookie = format!("{}={login}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000", app.guard.cookie);
    let cookie = HeaderValue::try_from(cookie).map_err(|error| Problem::usage(error.to_string()))?;
    let mut response = Reply::ok(json!({"scopes": scopes.names()})).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn checked(app: &App, token: &str) -> Result<Scopes, Problem> {
    match app.guard.check(token).await {
        Checked::Good(scopes) => Ok(scopes),
        Checked::Wrong => {
            let why = "this is no token, and no code that is still good: a code works once, within a minute";
            Err(Problem::new(StatusCode::UNAUTHORIZED, "denied", why))
        }
        Checked::TooMany => {
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "denied", "too many wrong ones at a time; try again later"))
        }
    }
}
