//! How is an error said over HTTP? As RFC 9457 has it (`application/problem+json`), with the kinds of the command line.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};
use longhaul::{Error, ErrorKind};
use serde_json::{Map, Value};

/// An answer that says what went wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    advice: Option<String>,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), advice: None, more: Map::new() }
    }

    /// What was sent cannot be understood, or is not possible.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "usage", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// One more member (RFC 9457, 3.2).
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Whether what there is stands in the way.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    /// The same as a value, for answers that have one of several.
    pub(crate) fn value(&self) -> Value {
        let mut members = self.more.clone();
        members.insert("type".into(), "about:blank".into());
        members.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        members.insert("status".into(), self.status.as_u16().into());
        members.insert("kind".into(), self.kind.into());
        members.insert("detail".into(), self.detail.as_str().into());
        if let Some(advice) = &self.advice {
            members.insert("advice".into(), advice.as_str().into());
        }
        Value::Object(members)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let fact = |key: &str| error.context().iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
        let (status, kind) = of_kind(error.kind());
        // What is asked rightly and cannot be done in the state that the entry is in.
        let status = if fact("state").is_some() { StatusCode::CONFLICT } else { status };
        let advice = error.advice().map(|advice| advice.to_string());
        let problem = Self { advice, ..Self::new(status, kind, error.to_string()) };
        match fact("state") {
            Some(state) => problem.with("state", state),
            None => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.value().to_string()).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// The status for a kind of error, and its name as the command line has it (`docs/exit-codes.md`).
fn of_kind(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::Usage => (StatusCode::BAD_REQUEST, "usage"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        ErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
        ErrorKind::NeedsLink => (StatusCode::CONFLICT, "needs_link"),
        ErrorKind::Portal => (StatusCode::BAD_GATEWAY, "portal"),
        ErrorKind::Changed => (StatusCode::CONFLICT, "changed"),
        ErrorKind::ConditionFailed => (StatusCode::CONFLICT, "condition_failed"),
        ErrorKind::OtherObject => (StatusCode::CONFLICT, "other_object"),
        ErrorKind::Integrity => (StatusCode::CONFLICT, "integrity"),
        ErrorKind::NotProvable => (StatusCode::CONFLICT, "not_provable"),
        ErrorKind::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "no_space"),
        ErrorKind::LocalFile => (StatusCode::INSUFFICIENT_STORAGE, "local_file"),
        ErrorKind::Exists => (StatusCode::CONFLICT, "exists"),
        ErrorKind::InUse => (StatusCode::CONFLICT, "in_use"),
        ErrorKind::Network => (StatusCode::BAD_GATEWAY, "network"),
        ErrorKind::Refused => (StatusCode::BAD_GATEWAY, "refused"),
        ErrorKind::Unconfirmed => (StatusCode::CONFLICT, "unconfirmed"),
        ErrorKind::CallbackFailed => (StatusCode::BAD_GATEWAY, "callback_failed"),
        ErrorKind::Cancelled => (StatusCode::CONFLICT, "cancelled"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}
