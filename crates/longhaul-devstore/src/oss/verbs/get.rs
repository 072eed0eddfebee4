//! GetObject, HeadObject, GetObjectMeta.

use crate::oss::call::{Call, Content, Reply, describe, identify};
use crate::oss::conditions::{self, Failed};
use crate::oss::disk::Object;
use crate::oss::range::{self, Asked};
use crate::oss::refusal::Refusal;
use crate::oss::variants::Row;

pub(super) fn get(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let object = call.object()?;
    check_conditions(call, &object)?;
    let size = object.facts.size;
    let limit = call.traffic_limit()?;
    let standard = call.headers.get("x-oss-range-behavior").is_some_and(|value| value.eq_ignore_ascii_case("standard"));
    let wanted = call.headers.get("Range").filter(|_| !call.ignore_range);
    let (reply, range) = match range::asked(wanted, standard, size, &call.store.variants) {
        Asked::Whole => (Reply::empty(200), 0..size),
        Asked::Part(range) => {
            let shown = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            (Reply::empty(206).header("Content-Range", shown), range)
        }
        Asked::Unsatisfiable => {
            return Err(Refusal::new(416, "InvalidRange", "The requested range cannot be satisfied.")
                .with("ActualObjectSize", size)
                .with("RangeRequested", wanted.unwrap_or_default())
                .header("Content-Range", format!("bytes */{size}")));
        }
        Asked::Malformed => {
            let range = wanted.unwrap_or_default();
            return Err(Refusal::invalid_argument("Range", range, "The range cannot be understood."));
        }
    };
    // Better no than half an answer.
    object.check(&range)?;
    let mut reply = overridden(call, describe(reply, &object))?;
    reply.content = Content::Object(object, range);
    reply.bytes_per_second = limit;
    Ok(reply)
}

pub(super) fn head(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let object = call.object()?;
    check_conditions(call, &object)?;
    let size = object.facts.size;
    let mut reply = describe(Reply::empty(200), &object);
    reply.content = Content::Object(object, 0..size);
    Ok(reply)
}

pub(super) fn meta(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let object = call.object()?;
    let size = object.facts.size;
    let mut reply = identify(Reply::empty(200), &object);
    if call.store.variants.says(Row::MetaCrc) == "sent" {
        reply = reply.header("x-oss-hash-crc64ecma", object.facts.crc64);
    }
    reply.content = Content::Object(object, 0..size);
    Ok(reply)
}

fn check_conditions(call: &Call<'_, '_>, object: &Object) -> Result<(), Refusal> {
    let facts = &object.facts;
    let all = call.store.variants.says(Row::Conditions) == "all";
    match conditions::check(call.headers, &conditions::OF_OBJECT, &facts.etag, facts.modified_ms, all) {
        Ok(()) => Ok(()),
        Err(Failed::Precondition(name)) => Err(Refusal::precondition(name)),
        Err(Failed::NotModified(_)) => Err(not_modified(object)),
    }
}

/// 304, and of which version.
pub(super) fn not_modified(object: &Object) -> Refusal {
    let described = identify(Reply::empty(304), object);
    let mut refusal = Refusal::new(304, "NotModified", "");
    for name in ["ETag", "Last-Modified"] {
        refusal = refusal.header(name, described.headers.get(name).unwrap_or_default());
    }
    refusal
}

/// `response-*` parameters replace fields of the answer; who asks for that has to sign.
fn overridden(call: &Call<'_, '_>, mut reply: Reply) -> Result<Reply, Refusal> {
    for name in
        ["content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"]
    {
        let Some(value) = call.query.get(&format!("response-{name}")) else { continue };
        if call.key.is_none() && !call.store.settings.anonymous {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(Refusal::bad_request(message));
        }
        if value.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(Refusal::invalid_argument("response", value, "A field cannot have this value."));
        }
        reply.headers.set(name, value);
    }
    Ok(reply)
}
