//! Who may ask? In this order, for TCP: is the request for us ([`host`]), does a page of another site ask ([`origin`]),
//! is there a token that is good for it. By the Unix socket, whose listener has looked at the peer's user, all may be
//! asked. Where files may be written is said in [`roots`].
//!
//! A wrong token is answered after a second, and at most ten wait for that at a time: more are refused at once. A right
//! one never waits.

mod host;
mod origin;
mod roots;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::Semaphore;

pub(crate) use host::Hosts;
use origin::Door;
pub(crate) use origin::Origins;
pub(crate) use roots::Roots;

use crate::problem::Problem;
use crate::tokens::{Scopes, Tokens};

/// A wrong token is answered after this: guessing is slow, and a human does not mind.
const HELD_BACK: Duration = Duration::from_secs(1);
/// So many wrong tokens are held back at a time.
const HELD_BACK_MAX: usize = 10;
/// No header of ours is longer; a longer one is no token.
const TOKEN_MAX: usize = 512;

/// What is to be guarded, and how.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) tokens: Tokens,
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
    pub(crate) roots: Roots,
    /// The name of the page's cookie: cookies do not know ports, so that it has the port in it.
    pub(crate) cookie: String,
    /// Programs of this machine use aria2's RPC without a token.
    pub(crate) open_rpc: bool,
    held_back: Semaphore,
}

/// By which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// The Unix socket: the user whose daemon this is.
    Socket,
    /// TCP, from this machine.
    Loopback,
    /// TCP, at an address that other machines reach.
    Network,
}

/// Who asks: found in the extensions of every request that the guard let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) via: Via,
    /// What its token is good for; none for what needs none.
    pub(crate) scopes: Scopes,
}

/// What a token was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is good for these.
    Good(Scopes),
    /// It is wrong, and that was held back.
    Wrong,
    /// Too many wrong ones are being held back.
    TooMany,
}

impl Guard {
    pub(crate) fn new(tokens: Tokens, hosts: Hosts, origins: Origins, roots: Roots, cookie: String) -> Self {
        Self { tokens, hosts, origins, roots, cookie, open_rpc: false, held_back: Semaphore::new(HELD_BACK_MAX) }
    }

    /// What this token is good for. Returns late for one that is wrong. For `/jsonrpc`, whose calls bring their own.
    pub(crate) async fn check(&self, token: &str) -> Checked {
        if token.len() <= TOKEN_MAX
            && let Some(scopes) = self.tokens.check(token)
        {
            return Checked::Good(scopes);
        }
        let Ok(_held) = self.held_back.try_acquire() else { return Checked::TooMany };
        tokio::time::sleep(HELD_BACK).await;
        Checked::Wrong
    }

    /// The token that a request brings, by header or by the page's cookie.
    fn token_in<'a>(&self, method: &Method, headers: &'a HeaderMap) -> Option<&'a str> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
        }
        // Other pages of this machine are of the same site to a browser, which gives them the cookie: `X-Longhaul` is
        // what they cannot send without being asked about first (Fetch standard, CORS-preflight request). EventSource
        // cannot send it either; then the browser's own word has to be that our page asks.
        let is_ours = headers.get("x-longhaul").is_some_and(|value| value == "1")
            || *method == Method::GET && headers.get("sec-fetch-site").is_some_and(|value| value == "same-origin");
        let cookies = headers.get_all(header::COOKIE).iter().filter(|_| is_ours);
        let mut cookies = cookies.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        cookies.find_map(|cookie| cookie.trim().strip_prefix(self.cookie.as_str())?.strip_prefix('='))
    }
}

/// What is behind a path.
fn door(path: &str) -> Door {
    match path {
        "/jsonrpc" => Door::Rpc,
        "/metrics" => Door::Api,
        path if path.starts_with("/api/") => Door::Api,
        _ => Door::Page,
    }
}

/// What may be asked without a token: it tells nothing of the list, and logging in has a code of its own.
fn is_open(path: &str) -> bool {
    matches!(path, "/api/v1/healthz" | "/api/v1/login")
}

/// Lets a request through, or answers it.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let via = head.extensions.get::<Via>().copied().unwrap_or(Via::Network);
    let door = door(head.uri.path());
    let origin = head.headers.get(header::ORIGIN).cloned();
    let response = match admit(&guard, via, door, &head).await {
        Ok(_) if door == Door::Rpc && head.method == Method::OPTIONS => preflight(&head.headers),
        Ok(scopes) => {
            head.extensions.insert(Caller { via, scopes });
            next.run(Request::from_parts(head, body)).await
        }
        Err(problem) => problem.into_response(),
    };
    sealed(response, door, origin)
}

async fn admit(guard: &Guard, via: Via, door: Door, head: &Parts) -> Result<Scopes, Problem> {
    if via == Via::Socket {
        return Ok(Scopes::ALL);
    }
    if !guard.hosts.are_asked(&head.uri, &head.headers) {
        let why = "this daemon answers to 127.0.0.1, [::1], localhost and the names it was told only";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "denied", why));
    }
    if !guard.origins.allow(door, &head.method, &head.headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "denied", "a page of another site may not ask this"));
    }
    if door == Door::Rpc && guard.open_rpc && via == Via::Loopback {
        return Ok(Scopes::ALL);
    }
    if door != Door::Api || is_open(head.uri.path()) {
        return Ok(Scopes::default());
    }
    let Some(token) = guard.token_in(&head.method, &head.headers) else {
        return Err(unauthorized("a token is needed: Authorization: Bearer TOKEN (`longhaul token` makes one)"));
    };
    match guard.check(token).await {
        Checked::Good(scopes) => Ok(scopes),
        Checked::Wrong => Err(unauthorized("this token is not known here, or has ended")),
        Checked::TooMany => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "denied",
            "too many wrong tokens at a time; try again later",
        )),
    }
}

fn unauthorized(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "denied", why)
}

/// The answer to a browser that asks whether a page may use the RPC (Fetch standard, CORS-preflight request; and for
/// pages outside of this machine's network, Private Network Access).
fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS"));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("1728000"));
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    answer.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        wanted.cloned().unwrap_or(HeaderValue::from_static("content-type, authorization")),
    );
    if headers.contains_key("access-control-request-private-network") {
        answer
            .insert(HeaderName::from_static("access-control-allow-private-network"), HeaderValue::from_static("true"));
    }
    response
}

/// Says to browsers what they may do with an answer.
fn sealed(mut response: Response, door: Door, origin: Option<HeaderValue>) -> Response {
    let allowed = response.status() != StatusCode::FORBIDDEN && response.status() != StatusCode::MISDIRECTED_REQUEST;
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    say(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::REFERRER_POLICY, "no-referrer");
    say(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    match door {
        Door::Rpc => {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            if let Some(origin) = origin.filter(|_| allowed) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            }
        }
        Door::Api => {
            say(header::CACHE_CONTROL, "no-store");
            say(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        }
        Door::Page => say(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    }
    response
}
