//! AppendObject: each piece becomes a segment of its own.

use std::sync::Arc;

use super::put::{bucket_sync, published};
use crate::oss::call::{Call, Reply, echo_encryption};
use crate::oss::conditions;
use crate::oss::disk::{Draft, Kind, Object, ObjectFacts, Unpublished};
use crate::oss::refusal::Refusal;
use crate::oss::sums::{Sums, combine};

pub(super) fn append(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.check_new_key()?;
    call.check_data_length()?;
    conditions::refuse_on_writes(call.headers)?;
    let bucket = call.bucket()?;
    let Some(position) = call.query.get("position").and_then(|text| text.parse::<u64>().ok()) else {
        let text = call.query.get("position").unwrap_or_default();
        return Err(Refusal::invalid_argument("position", text, "position must be a number."));
    };
    let before = bucket.object(call.key());
    check_position(before.as_deref(), position)?;
    let headers = match &before {
        Some(object) => object.facts.headers.clone(),
        None => call.stored_headers()?,
    };
    let labels = match &before {
        Some(object) => object.facts.labels.clone(),
        None => call.labels()?,
    };
    let storage_class = match &before {
        Some(object) => object.facts.storage_class.clone(),
        None => call.storage_class(&bucket.facts().storage_class)?,
    };
    let mut draft = Draft::new(&bucket.data())?;
    let sums = call.receive(&mut draft)?;
    let segment = Arc::new(draft.finish(sums.len, bucket_sync(call))?);
    let (crc_before, etag_before) = match &before {
        Some(object) => (object.facts.crc64, object.facts.etag.as_str()),
        None => (0, ""),
    };
    let facts = ObjectFacts {
        key: call.key().to_owned(),
        size: position + sums.len,
        etag: Sums::of(format!("{etag_before}{}", sums.etag()).as_bytes()).etag(),
        crc64: combine(crc_before, sums.crc64, sums.len),
        content_md5: None,
        modified_ms: call.now_ms(),
        kind: Kind::Appendable,
        storage_class,
        headers,
        upload: None,
        labels,
    };
    let mut segments = before.as_ref().map_or_else(Vec::new, |object| object.segments.clone());
    segments.push(segment);
    let unchanged = |now: Option<&Arc<Object>>| match (now, &before) {
        (None, None) => true,
        (Some(now), Some(before)) => Arc::ptr_eq(now, before),
        _ => false,
    };
    let object = match bucket.publish(Object { facts, segments }, unchanged) {
        Err(Unpublished::Refused) => return Err(misplaced(bucket.object(call.key()).as_deref())),
        other => published(call, other)?,
    };
    Ok(echo_encryption(Reply::empty(200), &object.facts.headers)
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("x-oss-next-append-position", object.facts.size)
        .header("x-oss-hash-crc64ecma", object.facts.crc64))
}

fn check_position(object: Option<&Object>, position: u64) -> Result<(), Refusal> {
    if let Some(object) = object
        && object.facts.kind != Kind::Appendable
    {
        return Err(Refusal::new(409, "ObjectNotAppendable", "The object is not appendable.")
            .header("x-oss-next-append-position", object.facts.size));
    }
    if object.map_or(0, |object| object.facts.size) == position { Ok(()) } else { Err(misplaced(object)) }
}

fn misplaced(object: Option<&Object>) -> Refusal {
    Refusal::new(409, "PositionNotEqualToLength", "Position is not equal to file length.")
        .header("x-oss-next-append-position", object.map_or(0, |object| object.facts.size))
}
