//! What a request brings, parsed once: who asks, which entry, and JSON.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use longhaul::manager::{Entry, EntryId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::App;
use crate::guard::Caller;
use crate::problem::Problem;
use crate::tokens::Scopes;

/// JSON, with a status.
pub(super) struct Reply(pub(super) StatusCode, pub(super) Value);

impl Reply {
    pub(super) fn ok(value: Value) -> Self {
        Self(StatusCode::OK, value)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "application/json")], self.1.to_string()).into_response()
    }
}

/// What a handler answers.
pub(super) type Answer = Result<Reply, Problem>;

/// A caller who may see the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayRead(pub(super) Caller);
/// A caller who may add to the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayAdd(pub(super) Caller);
/// A caller who may change what is in the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayControl(pub(super) Caller);

fn caller(parts: &Parts, needed: Scopes) -> Result<Caller, Problem> {
    // A request without a caller did not come through the guard, and may nothing.
    let caller = parts.extensions.get::<Caller>().copied();
    caller.filter(|caller| caller.scopes.contain(needed)).ok_or_else(|| {
        let scope = needed.names().join(", ");
        Problem::new(StatusCode::FORBIDDEN, "denied", format!("this token has no scope {scope}")).with("scope", scope)
    })
}

macro_rules! callers {
    ($($name:ident: $scope:ident),*) => {$(
        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                caller(parts, Scopes { $scope: true, ..Scopes::default() }).map(Self)
            }
        }
    )*};
}
callers!(MayRead: read, MayAdd: add, MayControl: control);

/// The entry that a path names: 32 hexadecimal digits, and it is in the list.
pub(super) struct Named(pub(super) Arc<Entry>);

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        // Of /entries/{id} and of what is below it, the first.
        let segments = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await;
        let segments = segments.map_err(|error: PathRejection| Problem::usage(error.to_string()))?;
        let id = segments.first().map(|(_, value)| value.as_str()).unwrap_or_default();
        named(app, id).map(Self)
    }
}

/// The entry of this name.
pub(super) fn named(app: &App, id: &str) -> Result<Arc<Entry>, Problem> {
    let known = entry_id(id).and_then(|id| app.manager.entry(id));
    known.ok_or_else(|| Problem::not_found(format!("the list has no entry {}", shown(id))))
}

/// 32 hexadecimal digits.
pub(super) fn entry_id(text: &str) -> Option<EntryId> {
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(EntryId)
}

/// Text of a caller, as far as an answer repeats it.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The body of a request: `application/json` and nothing else, which no form of a page can send.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Problem::usage(error.to_string()))?;
        if kind != "application/json" && !(kind.is_empty() && bytes.is_empty()) {
            let why = "send Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "usage", why));
        }
        // Nothing at all is an object without members.
        let text = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| Problem::usage(format!("the body: {error}")))
    }
}

/// The query of a request.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|error: QueryRejection| Problem::usage(error.body_text()))
    }
}
