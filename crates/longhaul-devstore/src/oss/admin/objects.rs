//! Buckets and objects, as the page and tests look at them, add and remove them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Wrong, bad, json_reply, read};
use crate::oss::begin;
use crate::oss::call::{Content, OBJECT_BYTES_MAX, Reply};
use crate::oss::disk::{Bucket, Object};
use crate::oss::store::Store;
use crate::oss::target::{Query, Resource, encode, is_key};
use crate::oss::verbs::list_page;
use crate::oss::wire::{Body, Head, Length};
use crate::oss::{clock, stock};

/// On one page of a list, if no number is asked for, and at most.
const LISTED: usize = 100;
const LISTED_MAX: usize = 1000;

fn bucket(store: &Store, name: &str) -> Result<std::sync::Arc<Bucket>, Wrong> {
    store.disk.bucket(name).ok_or_else(|| Wrong(404, format!("there is no bucket {name}")))
}

fn named<'q>(query: &'q Query, name: &str) -> Result<&'q str, Wrong> {
    query.get(name).filter(|value| !value.is_empty()).ok_or_else(|| bad(format!("{name} is missing in the query")))
}

/// `?bucket=B&prefix=P&delimiter=/&after=KEY&limit=N`: one page, in order of keys.
pub(super) fn list(store: &Store, query: &Query) -> Result<Reply, Wrong> {
    let bucket = bucket(store, named(query, "bucket")?)?;
    let get = |name: &str| query.get(name).unwrap_or_default();
    let limit = match get("limit") {
        "" => LISTED,
        text => text.parse().ok().filter(|limit| (1..=LISTED_MAX).contains(limit)).ok_or_else(|| {
            bad(format!("limit is a number from 1 to {LISTED_MAX}")) //
        })?,
    };
    let page = list_page(&bucket, get("prefix"), get("delimiter"), get("after"), limit);
    let objects: Vec<Value> = page.entries.iter().map(|object| facts(object)).collect();
    Ok(json_reply(&json!({ "objects": objects, "folders": page.prefixes, "next": page.next })))
}

fn facts(object: &Object) -> Value {
    let facts = &object.facts;
    let headers: Map<String, Value> =
        facts.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "key": facts.key,
        "size": facts.size,
        "etag": facts.etag,
        "crc64": facts.crc64.to_string(),
        "modified": clock::iso(facts.modified_ms),
        "kind": format!("{:?}", facts.kind),
        "storage_class": facts.storage_class,
        "headers": headers,
    })
}

/// `?bucket=B&key=K&first=N`: the bytes, or the first N of them. They are for saving: shown in the browser, an object
/// could act as the page.
pub(super) fn get(store: &Store, query: &Query) -> Result<Reply, Wrong> {
    let (name, key) = (named(query, "bucket")?, named(query, "key")?);
    let object = bucket(store, name)?.object(key).ok_or_else(|| Wrong(404, format!("there is no object {key}")))?;
    let mut range = 0..object.facts.size;
    if let Some(first) = query.get("first") {
        let first: u64 = first.parse().map_err(|_| bad("first is a number of bytes"))?;
        range.end = range.end.min(first);
    }
    object.check(&range).map_err(|_| Wrong(500, format!("bytes of {key} are gone from the store's disk")))?;
    // RFC 8187.
    let file = encode(key.rsplit('/').find(|part| !part.is_empty()).unwrap_or("object"));
    let mut reply = Reply::empty(200)
        .header("Content-Type", "application/octet-stream")
        .header("Content-Disposition", format!("attachment; filename*=UTF-8''{file}"))
        .header("Content-Security-Policy", "sandbox; default-src 'none'");
    reply.content = Content::Object(object, range);
    Ok(reply)
}

/// `?bucket=B&key=K` and the bytes as the body; its `Content-Type` becomes the object's.
pub(super) fn put(
    store: &Store,
    head: &Head,
    query: &Query,
    length: Length,
    body: &mut Body<'_>,
) -> Result<Reply, Wrong> {
    let (name, key) = (named(query, "bucket")?, named(query, "key")?);
    let bucket = bucket(store, name)?;
    check_key(key)?;
    match length {
        Length::Absent => return Err(Wrong(411, "the length of the body is missing".to_owned())),
        Length::Known(bytes) if bytes > OBJECT_BYTES_MAX => return Err(Wrong(413, "more than 5 GiB".to_owned())),
        Length::Known(_) | Length::Chunked => {}
    }
    let is_type =
        |value: &&str| !value.is_empty() && value.len() <= 200 && value.bytes().all(|b| (b' '..0x7f).contains(&b));
    let headers = match head.headers.get("Content-Type").filter(is_type) {
        Some(content_type) => vec![("Content-Type".to_owned(), content_type.to_owned())],
        None => stock::plain_headers(),
    };
    // A byte more than allowed shows that there is more.
    let mut bounded = std::io::Read::take(&mut *body, OBJECT_BYTES_MAX);
    stock::put(store, &bucket, key, &mut bounded, "Standard", headers)?;
    let object = bucket.object(key).map(|object| facts(&object));
    Ok(json_reply(&object.unwrap_or(Value::Null)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    bucket: String,
    key: String,
    #[serde(default)]
    size: Option<u64>,
}

/// An object of zeros.
pub(super) fn make(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: Named = read(body)?;
    let bucket = bucket(store, &wanted.bucket)?;
    let size = wanted.size.ok_or_else(|| bad("size is missing"))?;
    check_key(&wanted.key)?;
    let (crc64, etag) = stock::put_zeros(store, &bucket, &wanted.key, size)?;
    Ok(json_reply(&json!({ "size": size, "crc64": crc64.to_string(), "etag": etag })))
}

pub(super) fn replace(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: Named = read(body)?;
    let resource = Resource { bucket: wanted.bucket, key: wanted.key };
    stock::replace(store, &resource, wanted.size).map_err(|refusal| Wrong(500, refusal.message))?;
    Ok(json_reply(&json!({})))
}

pub(super) fn remove(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: Named = read(body)?;
    let removed = bucket(store, &wanted.bucket)?.remove(&wanted.key)?;
    Ok(json_reply(&json!({ "removed": u64::from(removed) })))
}

/// Aborts the uploads of a key.
pub(super) fn abort(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: Named = read(body)?;
    let bucket = bucket(store, &wanted.bucket)?;
    let mut removed = 0;
    for upload in bucket.uploads().iter().filter(|upload| upload.facts.key == wanted.key) {
        removed += u64::from(bucket.abort(upload)?);
    }
    Ok(json_reply(&json!({ "removed": removed })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedBucket {
    name: String,
    /// With all that is in it.
    #[serde(default)]
    all: bool,
}

pub(super) fn make_bucket(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: NamedBucket = read(body)?;
    begin::bucket(store, &wanted.name)?;
    Ok(json_reply(&json!({ "name": wanted.name })))
}

pub(super) fn remove_bucket(store: &Store, body: Value) -> Result<Reply, Wrong> {
    let wanted: NamedBucket = read(body)?;
    let bucket = bucket(store, &wanted.name)?;
    if wanted.all {
        begin::empty(store, &bucket)?;
    } else if store.disk.remove_bucket(&wanted.name)? == Some(false) {
        return Err(Wrong(
            409,
            format!("the bucket {} is not empty; \"all\": true removes what is in it", wanted.name),
        ));
    }
    Ok(json_reply(&json!({ "removed": 1 })))
}

fn check_key(key: &str) -> Result<(), Wrong> {
    if is_key(key) { Ok(()) } else { Err(bad("a key has 1 to 1023 bytes and does not begin with / or \\")) }
}
