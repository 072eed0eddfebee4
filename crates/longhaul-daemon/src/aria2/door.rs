//! Requests and WebSockets at `/jsonrpc`: who comes in, and what goes out.
//!
//! The guard has looked at Host and Origin before; the tokens are those of the calls. A WebSocket is one task: it reads
//! no call before the last answer is sent, so that a slow reader costs one answer, and what its own call brought about
//! is told behind the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::methods::{Asker, Rpc};
use super::notify;
use super::wire::{self, Answer, Asked, Call, Fault, Read};
use crate::app::App;
use crate::guard::Caller;
use crate::tokens::Scopes;

/// The longest request over a WebSocket.
const MESSAGE_MAX: usize = 1 << 20;
/// A client that takes an answer for so long is let go.
const SEND_WITHIN: Duration = Duration::from_secs(30);

/// What answers at `/jsonrpc`. Follows the list from now on.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (notifications, _) = broadcast::channel(notify::BEHIND_MAX);
    let stopping = app.stopping.clone();
    let follow = notify::follow(app.manager.clone(), notifications.clone());
    tokio::spawn(async move { stopping.run_until_cancelled(follow).await });
    let rpc = Arc::new(Rpc::new(app, notifications));
    Router::new().route("/jsonrpc", post(answer_post).get(answer_get)).with_state(rpc)
}

async fn answer_post(
    State(rpc): State<Arc<Rpc>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut asker = asker(&rpc, caller, &headers).await;
    let (status, text) = answer(&rpc, &mut asker, &body).await;
    respond(status, text)
}

/// A WebSocket. Calls in a query are not taken: script elements send such, and logs keep them.
async fn answer_get(
    State(rpc): State<Arc<Rpc>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let fault = Fault::invalid_request();
        let answer = Answer { id: serde_json::Value::Null, result: Err(fault) };
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED.as_u16(), answer.text());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        return response;
    };
    let asker = asker(&rpc, caller, &headers).await;
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    upgrade.on_upgrade(move |socket| serve(rpc, asker, socket))
}

fn respond(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json-rpc"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Old clients send user and password in place of a token: the password is the token.
async fn asker(rpc: &Rpc, caller: Caller, headers: &HeaderMap) -> Asker {
    let mut asker = Asker::new(caller);
    if let Some(password) = headers.get(header::AUTHORIZATION).and_then(password) {
        let scopes = asker.check(rpc, Some(&password)).await;
        if scopes != Scopes::default() {
            asker = Asker::new(Caller { scopes, ..caller });
        }
    }
    asker
}

fn password(value: &HeaderValue) -> Option<String> {
    let (scheme, text) = value.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(text.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    String::from_utf8(decoded).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

async fn answer(rpc: &Rpc, asker: &mut Asker, body: &[u8]) -> (u16, String) {
    match wire::read(body) {
        Asked::One(read) => {
            let answer = answer_call(rpc, asker, read).await;
            (answer.status(), answer.text())
        }
        Asked::Batch(calls) => {
            let mut answers = Vec::new();
            for read in calls {
                answers.push(answer_call(rpc, asker, read).await);
            }
            (200, wire::batch_text(&answers))
        }
    }
}

async fn answer_call(rpc: &Rpc, asker: &mut Asker, read: Read) -> Answer {
    match read {
        Ok(Call { id, method, params }) => {
            let result = rpc.call(asker, Call { id: serde_json::Value::Null, method, params }).await;
            Answer { id, result }
        }
        Err(answer) => answer,
    }
}

/// Until the client goes, is too slow, or the daemon stops.
async fn serve(rpc: Arc<Rpc>, mut asker: Asker, socket: WebSocket) {
    let mut told = rpc.notifications.subscribe();
    let (mut out, mut inward) = socket.split();
    loop {
        let text = tokio::select! {
            () = rpc.app.stopping.cancelled() => break,
            heard = inward.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    asker.forgive();
                    answer(&rpc, &mut asker, text.as_bytes()).await.1
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                // Pings are answered by the library; aria2 passes over binary messages.
                Some(Ok(_)) => continue,
            },
            event = told.recv() => match event {
                Ok(event) => event.to_string(),
                // It finds out what it missed when it comes back.
                Err(RecvError::Lagged(_) | RecvError::Closed) => break,
            },
        };
        let sent = tokio::time::timeout(SEND_WITHIN, out.send(Message::Text(text.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    let frame = CloseFrame { code: close_code::AWAY, reason: "the daemon stops, or too much was missed".into() };
    // An error: it has gone already.
    let _ = tokio::time::timeout(Duration::from_secs(1), out.send(Message::Close(Some(frame)))).await;
}
