//! CopyObject and UploadPartCopy: bytes that are in the store already.

use std::io;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::get::not_modified;
use super::multipart::{self, added};
use super::put::published;
use crate::oss::call::{Call, ENCRYPTION, OBJECT_BYTES_MAX, Reply, echo_encryption};
use crate::oss::clock;
use crate::oss::conditions::{self, Failed, OF_SOURCE};
use crate::oss::disk::{Kind, Object, ObjectFacts, Segment};
use crate::oss::labels::Labels;
use crate::oss::op::Op;
use crate::oss::refusal::Refusal;
use crate::oss::sums::{Summing, Sums};
use crate::oss::target::Resource;
use crate::oss::variants::Row;
use crate::oss::xml::Writer;

pub(super) fn copy(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.check_new_key()?;
    let bucket = call.bucket()?;
    let source = source(call)?;
    let headers = if replaces(call, "x-oss-metadata-directive")? {
        call.stored_headers()?
    } else {
        // How it is encrypted is said anew.
        let copied = source.facts.headers.iter().filter(|(name, _)| name != ENCRYPTION).cloned();
        copied.chain(call.encryption()?).collect()
    };
    let tags = if replaces(call, "x-oss-tagging-directive")? { call.tags()? } else { source.facts.labels.tags.clone() };
    let labels = Labels { tags, acl: call.acl()?.unwrap_or_default() };
    let storage_class = call.storage_class(&bucket.facts().storage_class)?;
    call.traffic_limit()?; // no body is sent that it could slow down, but it has to be a limit
    let forbid = call.says("x-oss-forbid-overwrite");
    let facts = ObjectFacts {
        key: call.key().to_owned(),
        modified_ms: call.now_ms(),
        kind: Kind::Normal,
        storage_class,
        headers,
        upload: None,
        labels,
        ..source.facts.clone()
    };
    let segments = bucket.share(&source)?;
    let agree = |before: Option<&Arc<_>>| !(forbid && before.is_some());
    let object = published(call, bucket.publish(Object { facts, segments }, agree))?;
    let reply = answer("CopyObjectResult", object.facts.modified_ms, &object.facts.etag);
    Ok(echo_encryption(reply, &object.facts.headers)
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("x-oss-hash-crc64ecma", object.facts.crc64))
}

/// Whether a copy is to have what the request says, and not what its source has.
fn replaces(call: &Call<'_, '_>, directive: &'static str) -> Result<bool, Refusal> {
    match call.headers.get(directive) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("copy") => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("replace") => Ok(true),
        Some(other) => Err(Refusal::invalid_argument(directive, other, "Must be COPY or REPLACE.")),
    }
}

pub(super) fn part(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let number = multipart::number(call)?;
    let (_, upload) = multipart::upload(call)?;
    let source = source(call)?;
    let size = source.facts.size;
    let range = match call.headers.get("x-oss-copy-source-range") {
        None => 0..size,
        Some(text) => wanted(text).filter(|range| range.end <= size).ok_or_else(|| {
            Refusal::invalid_argument("x-oss-copy-source-range", text, "The range lies not within the source.")
        })?,
    };
    if range.end - range.start > OBJECT_BYTES_MAX {
        return Err(Refusal::new(400, "EntityTooLarge", "The range is larger than a part may be."));
    }
    let mut draft = upload.draft().map_err(|error| multipart::lost(error, &upload.id))?;
    draft.copy_from(&source.segments, range.start, range.end - range.start)?;
    let sums = sum(&source.segments, range.start, range.end - range.start)?;
    let part = added(call, &upload, number, draft, &sums)?;
    Ok(answer("CopyPartResult", part.modified_ms, &part.etag)
        .header("ETag", format!("\"{}\"", part.etag))
        .header("x-oss-hash-crc64ecma", part.crc64))
}

fn answer(root: &'static str, modified_ms: i64, etag: &str) -> Reply {
    let mut xml = Writer::new(root);
    xml.leaf("LastModified", clock::iso(modified_ms));
    xml.leaf("ETag", format!("\"{etag}\""));
    Reply::xml(xml.finish())
}

/// `bytes=a-b`, both inclusive.
fn wanted(text: &str) -> Option<std::ops::Range<u64>> {
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
    (start <= end).then(|| Some(start..end.checked_add(1)?)).flatten()
}

/// The object named by `x-oss-copy-source`, if the client may read it and its conditions hold.
fn source(call: &Call<'_, '_>) -> Result<Arc<Object>, Refusal> {
    let text = call.headers.get("x-oss-copy-source").unwrap_or_default();
    let wrong = || Refusal::invalid_argument("x-oss-copy-source", text, "The source must be /BUCKET/KEY.");
    let path = match text.split_once("?versionId=") {
        None => text,
        Some((path, "null")) => path,
        Some(_) => return Err(Refusal::not_implemented("versions of objects")),
    };
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| wrong())?;
    let decoded = decoded.strip_prefix('/').unwrap_or(&decoded);
    let (bucket, key) = decoded.split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(wrong)?;
    let resource = Resource { bucket: bucket.to_owned(), key: key.to_owned() };
    call.store.allow(call.key.as_ref(), Op::GetObject, &resource)?;
    let object = call.store.bucket(bucket)?.object(key).ok_or_else(|| Refusal::no_such_key(key))?;
    let variants = &call.store.variants;
    let all = variants.says(Row::Conditions) == "all";
    match conditions::check(call.headers, &OF_SOURCE, &object.facts.etag, object.facts.modified_ms, all) {
        Ok(()) => Ok(object),
        Err(Failed::NotModified(_)) if variants.says(Row::CopyNotModified) == "304" => Err(not_modified(&object)),
        // For the source of a copy every failed condition is a 412.
        Err(Failed::Precondition(name) | Failed::NotModified(name)) => Err(Refusal::precondition(name)),
    }
}

/// The sums of a slice, read once more: only those of the whole are known.
fn sum(segments: &[Arc<Segment>], at: u64, len: u64) -> io::Result<Sums> {
    let mut summing = Summing::new();
    let mut skip = at;
    let mut left = len;
    let mut piece = vec![0; 256 << 10];
    for segment in segments {
        if skip >= segment.len {
            skip -= segment.len;
            continue;
        }
        let mut file = segment.open()?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(skip))?;
        let mut here = left.min(segment.len - skip);
        left -= here;
        skip = 0;
        while here > 0 {
            let most = here.min(piece.len() as u64) as usize;
            let count = io::Read::read(&mut file, &mut piece[..most])?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            summing.update(&piece[..count]);
            here -= count as u64;
        }
        if left == 0 {
            break;
        }
    }
    Ok(summing.finish())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ranges_of_a_source_are_inclusive_and_whole() {
        for (text, range) in [
            ("bytes=0-9", Some(0..10)),
            ("bytes=5-5", Some(5..6)),
            ("bytes=5-4", None),
            ("bytes=5-", None),
            ("bytes=-5", None),
            ("0-9", None),
            ("bytes=0-18446744073709551615", None),
        ] {
            assert_eq!(super::wanted(text), range, "{text}");
        }
    }
}
