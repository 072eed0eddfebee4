//! What can be seen and changed while the store runs? A page for people, and the same as JSON for tests.
//!
//! It listens on a port of its own, for this machine. A page of the web must not be able to use it through a user's
//! browser: `guard` says how.

mod guard;
mod objects;
mod state;

use std::io;
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::begin::{self, Keep};
use super::call::{Content, Reply};
use super::deliver::{self, Manner};
use super::faults::{self, Rule};
use super::keys::Key;
use super::policy::Policy;
use super::store::Store;
use super::target::{Query, Target};
use super::variants::Variants;
use super::wire::{Body, Head, Length, Wire};
use super::{clock, conn, lifecycle};

const BODY_BYTES_MAX: usize = 1 << 20;
/// Beyond it dates cannot be written any more.
const CLOCK_OFFSET_MS_MAX: u64 = 100 * 365 * 24 * 3600 * 1000;
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// What a browser may do with our page: show it, with its own script and style, in a window of its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What went wrong, for who asked: a status and a sentence.
#[derive(Debug)]
struct Wrong(u16, String);

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Wrong {
        match error.kind() {
            io::ErrorKind::InvalidInput => Wrong(400, error.to_string()),
            io::ErrorKind::ResourceBusy => Wrong(409, error.to_string()),
            io::ErrorKind::UnexpectedEof => Wrong(400, "the body ended too early".to_owned()),
            _ => Wrong(500, format!("the store's disk: {error}")),
        }
    }
}

fn bad(message: impl Into<String>) -> Wrong {
    Wrong(400, message.into())
}

/// Serves a connection of the admin port.
pub(crate) fn serve(store: &Store, stream: TcpStream) {
    let mut wire = Wire::new(stream, store.settings.patience);
    while let Ok(head) = wire.head() {
        if wire.set_body_patience().is_err() {
            return;
        }
        let Some(length) = Length::of(&head.headers) else { return };
        let expects = head.headers.get("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let mut body = Body::new(&mut wire, length, expects && !head.http_1_0, &store.rest);
        let began = Instant::now();
        let reply = answer(store, &head, length, &mut body).unwrap_or_else(|Wrong(status, message)| {
            let mut reply = json_reply(&json!({ "error": message }));
            reply.status = status;
            reply
        });
        // What nobody has seen to the end is no request that another could follow.
        let keep = head.keeps_alive() && body.is_over();
        let reply = reply
            .header("X-Content-Type-Options", "nosniff")
            .header("Cross-Origin-Resource-Policy", "same-origin")
            .header("Referrer-Policy", "no-referrer")
            .header("Cache-Control", "no-store");
        let bytes = conn::head_bytes(store, &reply, "-", keep, began.elapsed().as_millis());
        deliver::deliver(body.stream(), &bytes, &reply, head.method == "HEAD", Manner::plain(&store.rest));
        if !keep {
            deliver::linger(body.stream(), &store.rest);
            return;
        }
    }
}

fn answer(store: &Store, head: &Head, length: Length, body: &mut Body<'_>) -> Result<Reply, Wrong> {
    guard::check(head)?;
    let target = Target::parse(&head.target).ok_or_else(|| bad("the target cannot be understood"))?;
    let (first, rest) = target.path.split_once('/').unwrap_or((&target.path, ""));
    if (head.method.as_str(), first) == ("PUT", "object") {
        return objects::put(store, head, &target.query, length, body);
    }
    let sent = body.whole(BODY_BYTES_MAX)?.ok_or_else(|| Wrong(413, "the body is too long".to_owned()))?;
    let body: Value = if sent.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&sent).map_err(|error| bad(format!("the body is no JSON: {error}")))?
    };
    match (head.method.as_str(), first) {
        ("GET" | "HEAD", "") => Ok(page("text/html; charset=utf-8", PAGE)),
        ("GET", "page.js") => Ok(page("text/javascript; charset=utf-8", SCRIPT)),
        ("GET", "page.css") => Ok(page("text/css; charset=utf-8", STYLE)),
        ("GET", "callback-key.pem") => {
            let pem = store.callbacks.public_pem().map_err(|error| Wrong(500, error))?;
            Ok(page("application/x-pem-file", &pem))
        }
        ("GET", "state") => Ok(json_reply(&state::state(store))),
        ("GET", "log") => Ok(log(store, &target.query)),
        (method, "faults") => answer_faults(store, method, rest, body),
        ("GET", "variants") => Ok(json_reply(&state::variants(store))),
        ("POST", "variants") => choose_variants(store, &body),
        ("POST", "clock") => {
            move_clock(store, &body)?;
            let aborted = lifecycle::run(store);
            let offset = store.clock.offset_ms();
            Ok(json_reply(&json!({ "offset_ms": offset, "now": clock::iso(store.clock.now_ms()), "aborted": aborted })))
        }
        ("POST", "reset") => {
            let keep = Keep::from_words(target.query.get("keep").unwrap_or_default()).map_err(bad)?;
            begin::reset(store, keep)?;
            Ok(json_reply(&state::state(store)))
        }
        ("POST", "keys") => Ok(json_reply(&key_json(&store.keys.add(policy(&body)?)?))),
        ("POST", "sts") if rest == "expire" => {
            store.keys.expire_sessions(store.clock.now_ms())?;
            Ok(json_reply(&json!({})))
        }
        ("POST", "sts") => {
            let seconds = body.get("seconds").map_or(Some(3600), Value::as_i64).filter(|seconds| *seconds > 0);
            let seconds = seconds.ok_or_else(|| bad("seconds is a number above 0"))?;
            let now_ms = store.clock.now_ms();
            let expires_ms = now_ms.saturating_add(seconds.saturating_mul(1000));
            Ok(json_reply(&key_json(&store.keys.add_session(policy(&body)?, now_ms, expires_ms)?)))
        }
        ("POST", "buckets") => objects::make_bucket(store, body),
        ("DELETE", "buckets") => objects::remove_bucket(store, body),
        ("GET", "objects") => objects::list(store, &target.query),
        ("POST", "objects") => objects::make(store, body),
        ("DELETE", "objects") => objects::remove(store, body),
        ("GET" | "HEAD", "object") => objects::get(store, &target.query),
        ("POST", "replace") => objects::replace(store, body),
        ("DELETE", "uploads") => objects::abort(store, body),
        _ => Err(Wrong(404, "there is nothing of that name; docs/devstore.md lists what there is".to_owned())),
    }
}

fn answer_faults(store: &Store, method: &str, rest: &str, body: Value) -> Result<Reply, Wrong> {
    let id = || rest.parse().map_err(|_| bad("a fault is named by its number"));
    match (method, rest) {
        ("GET", "") => Ok(json_reply(&json!(store.faults.list()))),
        ("GET", "kinds") => Ok(json_reply(&json!(faults::KINDS))),
        ("POST", "") => {
            let rule = Rule::from_json(body).map_err(bad)?;
            Ok(json_reply(&json!({ "id": store.faults.add(rule).map_err(bad)? })))
        }
        ("POST", _) => {
            let on = body.get("on").and_then(Value::as_bool).ok_or_else(|| bad("send {\"on\": true} or false"))?;
            match store.faults.switch(id()?, on) {
                true => Ok(json_reply(&json!({ "on": on }))),
                false => Err(Wrong(404, "there is no fault of that number".to_owned())),
            }
        }
        ("DELETE", "") => Ok(json_reply(&json!({ "removed": store.faults.remove(None) }))),
        ("DELETE", _) => Ok(json_reply(&json!({ "removed": store.faults.remove(Some(id()?)) }))),
        _ => Err(Wrong(405, "faults are got, posted and deleted".to_owned())),
    }
}

fn choose_variants(store: &Store, body: &Value) -> Result<Reply, Wrong> {
    let Value::Object(chosen) = body else { return Err(bad("send an object of names and values")) };
    // All or none: the first time is on a copy.
    for variants in [&Variants::default(), &store.variants] {
        for (name, value) in chosen {
            let value = value.as_str().ok_or_else(|| bad(format!("the value of {name} is no text")))?;
            variants.choose(name, value).map_err(bad)?;
        }
    }
    Ok(json_reply(&state::variants(store)))
}

fn page(content_type: &str, text: &str) -> Reply {
    let mut reply = Reply::empty(200).header("Content-Type", content_type).header("Content-Security-Policy", POLICY);
    reply.content = Content::Bytes(text.as_bytes().to_vec());
    reply
}

fn json_reply(value: &Value) -> Reply {
    page("application/json", &value.to_string())
}

fn log(store: &Store, query: &Query) -> Reply {
    let after = query.get("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let lines: Vec<String> = store
        .log
        .since(after)
        .iter()
        .filter_map(|line| serde_json::to_string(line).ok())
        .map(|line| line + "\n")
        .collect();
    page("application/x-ndjson", &lines.concat())
}

fn move_clock(store: &Store, body: &Value) -> Result<(), Wrong> {
    let offset = match (body.get("offset_ms").and_then(Value::as_i64), body.get("advance_ms").and_then(Value::as_i64)) {
        (Some(offset), None) => offset,
        (None, Some(more)) => store.clock.offset_ms().saturating_add(more),
        _ => return Err(bad("give offset_ms or advance_ms")),
    };
    if offset.unsigned_abs() > CLOCK_OFFSET_MS_MAX {
        return Err(bad("the clock can be moved by a hundred years, not more"));
    }
    store.clock.set_offset_ms(offset);
    Ok(())
}

fn policy(body: &Value) -> Result<Option<Policy>, Wrong> {
    match body.get("policy") {
        None | Some(Value::Null) => Ok(None),
        Some(policy) => Ok(Some(Policy::parse(&policy.to_string()).map_err(bad)?)),
    }
}

/// A new key is shown once, here; pages and logs show ids only.
fn key_json(key: &Key) -> Value {
    json!({
        "access_key_id": key.id,
        "access_key_secret": key.secret,
        "security_token": key.session.as_ref().map(|session| &session.token),
        "expiration": key.session.as_ref().map(|session| clock::iso(session.expires_ms)),
    })
}

fn read<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Wrong> {
    serde_json::from_value(body).map_err(|error| bad(error.to_string()))
}
