//! What can be seen and changed while the store runs? A page for people, and the same as JSON for tests.
//!
//! It listens on a port of its own, for this machine. A page of the web must not be able to use it through a user's
//! browser: changes have to come as `application/json`, and the Host has to be an address or `localhost`.

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Content, Reply};
use super::deliver::{self, Manner};
use super::disk::{Draft, Kind, Object, ObjectFacts};
use super::faults::Rule;
use super::keys::Key;
use super::labels::Labels;
use super::policy::Policy;
use super::store::Store;
use super::sums::{Sums, crc_of_zeros, upper_hex};
use super::target::{Query, Resource, Target};
use super::variants::Variants;
use super::wire::{Body, Head, Length, Wire};
use super::{clock, conn, lifecycle};

const BODY_BYTES_MAX: usize = 1 << 20;
/// Beyond it dates cannot be written any more.
const CLOCK_OFFSET_MS_MAX: u64 = 100 * 365 * 24 * 3600 * 1000;
const PAGE: &str = include_str!("page.html");
/// What a browser may do with our page: show it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'";
const SCRIPT: &str = include_str!("page.js");

/// What went wrong, for who asked.
struct Wrong(u16, String);

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Wrong {
        Wrong(500, format!("the store's disk: {error}"))
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
        let mut body = Body::new(&mut wire, length, false, &store.rest);
        let Ok(Some(sent)) = body.whole(BODY_BYTES_MAX) else { return };
        let began = Instant::now();
        let reply = answer(store, &head, &sent).unwrap_or_else(|Wrong(status, message)| {
            let mut reply = Reply::empty(status).header("Content-Type", "application/json");
            reply.content = Content::Bytes(json!({ "error": message }).to_string().into_bytes());
            reply
        });
        let keep = head.keeps_alive();
        let bytes = conn::head_bytes(store, &reply, "-", keep, began.elapsed().as_millis());
        deliver::deliver(body.stream(), &bytes, &reply, head.method == "HEAD", Manner::plain(&store.rest));
        if !keep {
            return;
        }
    }
}

fn answer(store: &Store, head: &Head, sent: &[u8]) -> Result<Reply, Wrong> {
    let host = head.headers.get("Host").unwrap_or_default();
    if !is_local_name(host) {
        return Err(Wrong(403, "the admin side answers to addresses and localhost only".to_owned()));
    }
    let target = Target::parse(&head.target).ok_or_else(|| bad("the target cannot be understood"))?;
    let body: Value = if sent.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(sent).map_err(|error| bad(format!("the body is no JSON: {error}")))?
    };
    let changes = !matches!(head.method.as_str(), "GET" | "HEAD");
    let is_json = head.headers.get("Content-Type").is_some_and(|value| value.starts_with("application/json"));
    if changes && !is_json {
        return Err(Wrong(415, "send changes with Content-Type: application/json".to_owned()));
    }
    let (first, rest) = target.path.split_once('/').unwrap_or((&target.path, ""));
    match (head.method.as_str(), first) {
        ("GET" | "HEAD", "") => Ok(page("text/html; charset=utf-8", PAGE)),
        ("GET", "page.js") => Ok(page("text/javascript; charset=utf-8", SCRIPT)),
        ("GET", "callback-key.pem") => {
            let pem = store.callbacks.public_pem().map_err(|error| Wrong(500, error))?;
            Ok(page("application/x-pem-file", &pem))
        }
        ("GET", "state") => Ok(json_reply(&state(store))),
        ("GET", "log") => Ok(log(store, &target.query)),
        ("GET", "faults") => Ok(json_reply(&json!(store.faults.list()))),
        ("POST", "faults") => {
            let rule = Rule::from_json(body).map_err(bad)?;
            Ok(json_reply(&json!({ "id": store.faults.add(rule).map_err(bad)? })))
        }
        ("DELETE", "faults") => {
            let id = match rest {
                "" => None,
                id => Some(id.parse().map_err(|_| bad("a fault is named by its number"))?),
            };
            Ok(json_reply(&json!({ "removed": store.faults.remove(id) })))
        }
        ("GET", "variants") => Ok(json_reply(&variants(store))),
        ("POST", "variants") => {
            let Value::Object(chosen) = body else { return Err(bad("send an object of names and values")) };
            // All or none: the first time is on a copy.
            for variants in [&Variants::default(), &store.variants] {
                for (name, value) in &chosen {
                    let value = value.as_str().ok_or_else(|| bad(format!("the value of {name} is no text")))?;
                    variants.choose(name, value).map_err(bad)?;
                }
            }
            Ok(json_reply(&variants(store)))
        }
        ("POST", "clock") => {
            move_clock(store, &body)?;
            let aborted = lifecycle::run(store);
            let offset = store.clock.offset_ms();
            Ok(json_reply(&json!({ "offset_ms": offset, "now": clock::iso(store.clock.now_ms()), "aborted": aborted })))
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
        ("POST", "objects") => make_object(store, body),
        ("POST", "replace") => {
            let wanted: Named = read(body)?;
            let resource = Resource { bucket: wanted.bucket, key: wanted.key };
            conn::replace(store, &resource, wanted.size).map_err(|refusal| Wrong(500, refusal.message))?;
            Ok(json_reply(&json!({})))
        }
        ("DELETE", "uploads") => {
            let wanted: Named = read(body)?;
            let bucket = store.disk.bucket(&wanted.bucket).ok_or_else(|| Wrong(404, "no such bucket".to_owned()))?;
            let mut removed = 0;
            for upload in bucket.uploads().iter().filter(|upload| upload.facts.key == wanted.key) {
                removed += u64::from(bucket.abort(upload)?);
            }
            Ok(json_reply(&json!({ "removed": removed })))
        }
        _ => Err(Wrong(404, "there is nothing of that name; docs/devstore.md lists what there is".to_owned())),
    }
}

fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn page(content_type: &str, text: &str) -> Reply {
    let mut reply = Reply::empty(200)
        .header("Content-Type", content_type)
        .header("Content-Security-Policy", POLICY)
        .header("Cache-Control", "no-store");
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

fn state(store: &Store) -> Value {
    let buckets: Vec<Value> = store
        .disk
        .buckets()
        .iter()
        .map(|bucket| {
            let (objects, bytes) = bucket.count();
            let uploads: Vec<Value> = bucket
                .uploads()
                .iter()
                .map(|upload| {
                    let state = upload.state();
                    json!({
                        "key": upload.facts.key,
                        "upload_id": upload.id,
                        "initiated": clock::iso(upload.facts.initiated_ms),
                        "parts": state.parts.len(),
                        "bytes": state.parts.values().map(|part| part.size).sum::<u64>(),
                    })
                })
                .collect();
            let facts = bucket.facts();
            json!({
                "name": bucket.name, "created": clock::iso(facts.created_ms), "acl": facts.acl,
                "objects": objects, "bytes": bytes, "lifecycle": facts.lifecycle.is_some(), "uploads": uploads,
            })
        })
        .collect();
    let keys: Vec<Value> = store
        .keys
        .list()
        .into_iter()
        .map(|(id, expires)| json!({ "access_key_id": id, "expires": expires.map(clock::iso) }))
        .collect();
    json!({
        "endpoint": store.endpoint,
        "region": store.settings.region,
        "anonymous": store.settings.anonymous,
        "now": clock::iso(store.clock.now_ms()),
        "clock_offset_ms": store.clock.offset_ms(),
        "buckets": buckets,
        "keys": keys,
        "faults": store.faults.list(),
        "variants": store.variants.chosen().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn variants(store: &Store) -> Value {
    let row = |(name, chosen, values): (&str, &str, &[&str])| (name.to_owned(), json!({ "is": chosen, "of": values }));
    store.variants.list().into_iter().map(row).collect::<serde_json::Map<_, _>>().into()
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    bucket: String,
    key: String,
    #[serde(default)]
    size: Option<u64>,
}

fn read<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, Wrong> {
    serde_json::from_value(body).map_err(|error| bad(error.to_string()))
}

/// An object of zeros, of any size: sparse on disk, and made without being written.
fn make_object(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: Named = read(body)?;
    let bucket = store.disk.bucket(&wanted.bucket).ok_or_else(|| Wrong(404, "no such bucket".to_owned()))?;
    let size = wanted.size.ok_or_else(|| bad("size is missing"))?;
    if wanted.key.is_empty() || wanted.key.len() > 1023 {
        return Err(bad("a key has 1 to 1023 bytes"));
    }
    let draft = Draft::new(&bucket.data())?;
    draft.set_len(size)?;
    let segment = Arc::new(draft.finish(size, store.settings.sync)?);
    let crc64 = crc_of_zeros(size);
    let facts = ObjectFacts {
        key: wanted.key,
        size,
        // Not read, so it has no MD5; that is so for objects uploaded in parts, too.
        etag: format!("{}-1", upper_hex(&Sums::of(&size.to_le_bytes()).md5)),
        crc64,
        content_md5: None,
        modified_ms: store.clock.now_ms(),
        kind: Kind::Multipart,
        storage_class: "Standard".to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/octet-stream".to_owned())],
        upload: None,
        labels: Labels::default(),
    };
    let etag = facts.etag.clone();
    bucket
        .publish(Object { facts, segments: vec![segment] }, |_| true)
        .map_err(|_| Wrong(500, "the object could not be written".to_owned()))?;
    Ok(json_reply(&json!({ "size": size, "crc64": crc64.to_string(), "etag": etag })))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_this_machine_has_a_name_for_it() {
        for (host, local) in [
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("localhost", true),
            ("", true),
            ("evil.example", false),
            ("localhost.evil.example:80", false),
        ] {
            assert_eq!(super::is_local_name(host), local, "{host}");
        }
    }
}
