//! Initiate, UploadPart, Complete, Abort.

use std::io;
use std::sync::Arc;

use super::put::published;
use crate::oss::call::{Call, Reply, echo_encryption};
use crate::oss::callback::{self, Stored};
use crate::oss::conditions::{self, bare};
use crate::oss::disk::{Added, Bucket, Draft, Kind, ObjectFacts, Part, Upload, UploadFacts, UploadState};
use crate::oss::refusal::Refusal;
use crate::oss::sums::{Sums, combine, multipart_etag};
use crate::oss::target::encode_key;
use crate::oss::variants::Row;
use crate::oss::wire::Length;
use crate::oss::xml::{self, Writer};

const PARTS_MAX: u32 = 10_000;

pub(super) fn initiate(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.check_new_key()?;
    conditions::refuse_on_writes(call.headers)?;
    let bucket = call.bucket()?;
    let naming = call.naming()?;
    let forbid_overwrite = call.says("x-oss-forbid-overwrite");
    if forbid_overwrite && bucket.object(call.key()).is_some() {
        return Err(Refusal::file_already_exists());
    }
    let facts = UploadFacts {
        key: call.key().to_owned(),
        initiated_ms: call.now_ms(),
        headers: call.stored_headers()?,
        storage_class: call.storage_class(&bucket.facts().storage_class)?,
        forbid_overwrite,
        sequential: call.query.has("sequential"),
        labels: call.labels()?,
    };
    let upload = bucket.make_upload(facts)?.ok_or_else(|| Refusal::no_such_bucket(&bucket.name))?;
    let mut xml = Writer::new("InitiateMultipartUploadResult");
    if naming.encoded {
        xml.leaf("EncodingType", "url");
    }
    xml.leaf("Bucket", &bucket.name);
    xml.leaf("Key", naming.write(call.key()));
    xml.leaf("UploadId", &upload.id);
    Ok(echo_encryption(Reply::xml(xml.finish()), &upload.facts.headers))
}

/// The number of the part, 1 to 10,000.
pub(super) fn number(call: &Call<'_, '_>) -> Result<u32, Refusal> {
    let text = call.query.get("partNumber").unwrap_or_default();
    text.parse().ok().filter(|number| (1..=PARTS_MAX).contains(number)).ok_or_else(|| {
        Refusal::invalid_argument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive.")
    })
}

/// The upload that is meant, if it is alive.
pub(super) fn upload(call: &Call<'_, '_>) -> Result<(Arc<Bucket>, Arc<Upload>), Refusal> {
    let bucket = call.bucket()?;
    let id = call.query.get("uploadId").unwrap_or_default();
    let upload = bucket.upload(call.key(), id).ok_or_else(|| Refusal::no_such_upload(id))?;
    Ok((bucket, upload))
}

/// A folder that went away took its upload with it.
pub(super) fn lost(error: io::Error, id: &str) -> Refusal {
    if error.kind() == io::ErrorKind::NotFound { Refusal::no_such_upload(id) } else { error.into() }
}

pub(super) fn part(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let number = number(call)?;
    call.check_data_length()?;
    conditions::refuse_on_writes(call.headers)?;
    let (_, upload) = upload(call)?;
    check_order(call, &upload.facts, &upload.state(), number)?;
    let mut draft = upload.draft().map_err(|error| lost(error, &upload.id))?;
    let sums = call.receive(&mut draft)?;
    let part = added(call, &upload, number, draft, &sums)?;
    Ok(echo_encryption(Reply::empty(200), &upload.facts.headers)
        .header("ETag", format!("\"{}\"", part.etag))
        .header("Content-MD5", sums.content_md5())
        .header("x-oss-hash-crc64ecma", part.crc64))
}

/// Adds a part that was received or copied.
pub(super) fn added(
    call: &Call<'_, '_>,
    upload: &Upload,
    number: u32,
    draft: Draft,
    sums: &Sums,
) -> Result<Arc<Part>, Refusal> {
    let in_order = |state: &UploadState| check_order(call, &upload.facts, state, number).is_ok();
    match upload.add(number, draft, sums, call.now_ms(), in_order).map_err(|error| lost(error, &upload.id))? {
        Added::Part(part) => Ok(part),
        Added::Dead => Err(Refusal::no_such_upload(&upload.id)),
        Added::Refused(Some(there)) => Err(already_there(&there)),
        Added::Refused(None) => Err(not_sequential(call, number)),
    }
}

/// In a sequential upload parts come one after the other, each once.
fn check_order(call: &Call<'_, '_>, facts: &UploadFacts, state: &UploadState, number: u32) -> Result<(), Refusal> {
    if !facts.sequential {
        return Ok(());
    }
    if let Some(there) = state.parts.get(&number) {
        return Err(already_there(there));
    }
    let next = state.parts.last_key_value().map_or(1, |(last, _)| last + 1);
    if number == next { Ok(()) } else { Err(not_sequential(call, number)) }
}

fn already_there(part: &Part) -> Refusal {
    Refusal::new(409, "PartAlreadyExist", "Part is already exist in sequential mode.")
        .with("PartNumber", part.number)
        .with("PartEtag", format!("\"{}\"", part.etag))
        .ec("0042-00000108")
}

fn not_sequential(call: &Call<'_, '_>, number: u32) -> Refusal {
    let code = call.store.variants.says(Row::NotSequential);
    Refusal::new(400, code, "Part number is not the next one in sequential mode.").with("PartNumber", number)
}

pub(super) fn complete(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let (bucket, upload) = upload(call)?;
    let naming = call.naming()?;
    conditions::refuse_on_writes(call.headers)?;
    let callback = callback::asked(call.query, call.headers)?;
    let all = match call.headers.get("x-oss-complete-all") {
        None => false,
        Some("yes") => true,
        Some(other) => return Err(Refusal::invalid_argument("x-oss-complete-all", other, "It can only be yes.")),
    };
    if all && !matches!(call.length, Length::Absent | Length::Known(0) | Length::Chunked) {
        return Err(not_with_a_list());
    }
    let document = call.xml_bytes()?;
    if all && !document.is_empty() {
        return Err(not_with_a_list());
    }
    let mut state = upload.state();
    if state.dead {
        return Err(Refusal::no_such_upload(&upload.id));
    }
    let parts = if all { state.parts.values().cloned().collect() } else { listed(&document, &state)? };
    check_sizes(&parts, call.store.settings.part_bytes_min)?;
    let forbid = upload.facts.forbid_overwrite || call.says("x-oss-forbid-overwrite");
    let mut labels = upload.facts.labels.clone();
    if let Some(acl) = call.acl()? {
        labels.acl = acl; // some SDKs say it here and not when they begin
    }
    let etags: Vec<String> = parts.iter().map(|part| part.etag.clone()).collect();
    let facts = ObjectFacts {
        key: call.key().to_owned(),
        size: parts.iter().map(|part| part.size).sum(),
        etag: multipart_etag(&etags),
        crc64: parts.iter().fold(0, |crc, part| combine(crc, part.crc64, part.size)),
        content_md5: None,
        modified_ms: call.now_ms(),
        kind: Kind::Multipart,
        storage_class: upload.facts.storage_class.clone(),
        headers: upload.facts.headers.clone(),
        upload: Some(upload.id.clone()),
        labels,
    };
    let agree = |before: Option<&Arc<_>>| !(forbid && before.is_some());
    let object = published(call, bucket.complete(&upload, &mut state, &parts, facts, agree))?;
    drop(state);
    let mut xml = Writer::new("CompleteMultipartUploadResult");
    if naming.encoded {
        xml.leaf("EncodingType", "url");
    }
    xml.leaf("Location", format!("{}/{}/{}", call.store.endpoint, bucket.name, encode_key(call.key())));
    xml.leaf("Bucket", &bucket.name);
    xml.leaf("Key", naming.write(call.key()));
    xml.leaf("ETag", format!("\"{}\"", object.facts.etag));
    let reply = echo_encryption(Reply::xml(xml.finish()), &object.facts.headers)
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("x-oss-hash-crc64ecma", object.facts.crc64);
    match callback {
        Some(callback) => Ok(callback.finish(call, &Stored::of(&object), reply)),
        None => Ok(reply),
    }
}

fn not_with_a_list() -> Refusal {
    Refusal::invalid_argument("x-oss-complete-all", "yes", "With x-oss-complete-all the body must be empty.")
}

/// The parts that the client names, which must be those that are there.
fn listed(document: &[u8], state: &UploadState) -> Result<Vec<Arc<Part>>, Refusal> {
    let root = xml::parse(document).filter(|root| root.name == "CompleteMultipartUpload");
    let root = root.ok_or_else(Refusal::malformed_xml)?;
    let mut parts: Vec<Arc<Part>> = Vec::new();
    for one in root.all("Part") {
        let number: Option<u32> = one.text_of("PartNumber").and_then(|text| text.parse().ok());
        let (Some(number), Some(etag)) = (number, one.text_of("ETag")) else { return Err(Refusal::malformed_xml()) };
        if !(1..=PARTS_MAX).contains(&number) {
            let message = "Part number must be an integer between 1 and 10000, inclusive.";
            return Err(Refusal::invalid_argument("PartNumber", &number.to_string(), message));
        }
        if parts.last().is_some_and(|last| last.number >= number) {
            let message = "The list of parts was not in ascending order. Parts list must be specified in order by part \
                           number.";
            return Err(Refusal::new(400, "InvalidPartOrder", message));
        }
        let part = state.parts.get(&number).filter(|part| part.etag == bare(etag)).ok_or_else(|| {
            let message = "One or more of the specified parts could not be found or the specified entity tag might not \
                           have matched the part's entity tag.";
            Refusal::new(400, "InvalidPart", message).with("PartNumber", number).with("PartEtag", etag)
        })?;
        parts.push(part.clone());
    }
    Ok(parts)
}

fn check_sizes(parts: &[Arc<Part>], min: u64) -> Result<(), Refusal> {
    let Some((_, all_but_last)) = parts.split_last() else { return Err(Refusal::malformed_xml()) };
    match all_but_last.iter().find(|part| part.size < min) {
        Some(part) => {
            let message = "Your proposed upload smaller than the minimum allowed size.";
            Err(Refusal::new(400, "EntityTooSmall", message)
                .with("ProposedSize", part.size)
                .with("MinSizeAllowed", min)
                .with("PartNumber", part.number)
                .ec("0042-00000213"))
        }
        None => Ok(()),
    }
}

pub(super) fn abort(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let (bucket, upload) = upload(call)?;
    if bucket.abort(&upload)? { Ok(Reply::empty(204)) } else { Err(Refusal::no_such_upload(&upload.id)) }
}
