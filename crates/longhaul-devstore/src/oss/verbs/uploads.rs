//! ListParts and ListMultipartUploads.

use std::sync::Arc;

use super::list::Folding;
use super::multipart::upload;
use crate::oss::call::{Call, Reply};
use crate::oss::clock;
use crate::oss::disk::{Part, Upload};
use crate::oss::refusal::Refusal;
use crate::oss::xml::Writer;

pub(super) fn parts(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let (bucket, upload) = upload(call)?;
    let naming = call.naming()?;
    let max = call.number("max-parts", 1..=1000, 1000)? as usize;
    let marker = call.number("part-number-marker", 0..=10_000, 0)? as u32;
    let state = upload.state();
    if state.dead {
        return Err(Refusal::no_such_upload(&upload.id));
    }
    let page: Vec<Arc<Part>> = state.parts.range(marker + 1..).take(max + 1).map(|(_, part)| part.clone()).collect();
    drop(state);
    let more = page.len() > max;
    let page = &page[..page.len().min(max)];
    let mut xml = Writer::new("ListPartsResult");
    if naming.encoded {
        xml.leaf("EncodingType", "url");
    }
    xml.leaf("Bucket", &bucket.name);
    xml.leaf("Key", naming.write(call.key()));
    xml.leaf("UploadId", &upload.id);
    xml.leaf("StorageClass", &upload.facts.storage_class);
    xml.leaf("PartNumberMarker", marker);
    xml.leaf("NextPartNumberMarker", page.last().map_or(marker, |part| part.number));
    xml.leaf("MaxParts", max);
    xml.leaf("IsTruncated", more);
    for part in page {
        xml.begin("Part");
        xml.leaf("PartNumber", part.number);
        xml.leaf("LastModified", clock::iso(part.modified_ms));
        xml.leaf("ETag", format!("\"{}\"", part.etag));
        xml.leaf("HashCrc64ecma", part.crc64);
        xml.leaf("Size", part.size);
        xml.end();
    }
    Ok(Reply::xml(xml.finish()))
}

pub(super) fn list(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let naming = call.naming()?;
    let get = |name: &str| call.query.get(name).unwrap_or_default();
    let (prefix, delimiter) = (get("prefix"), get("delimiter"));
    let (key_marker, id_marker) = (get("key-marker"), get("upload-id-marker"));
    let max = call.number("max-uploads", 1..=1000, 1000)? as usize;
    let mut folding: Folding<'_, Arc<Upload>> = Folding::new(prefix, delimiter, max);
    for upload in bucket.uploads() {
        let key = upload.facts.key.as_str();
        // Without an id the marker stands for all uploads of that key.
        let past = key > key_marker || (key == key_marker && !id_marker.is_empty() && upload.id.as_str() > id_marker);
        let folded_before =
            !key_marker.is_empty() && folding.fold(key).is_some_and(|folded| folded.as_str() <= key_marker);
        if key.starts_with(prefix) && past && !folded_before && !folding.take(key, || upload.clone()) {
            break;
        }
    }
    let page = folding.finish();
    let mut xml = Writer::new("ListMultipartUploadsResult");
    if naming.encoded {
        xml.leaf("EncodingType", "url");
    }
    xml.leaf("Bucket", &bucket.name);
    xml.leaf("KeyMarker", naming.write(key_marker));
    xml.leaf("UploadIdMarker", id_marker);
    let next_id = page.entries.last().filter(|last| page.next.as_ref() == Some(&last.facts.key));
    xml.leaf("NextKeyMarker", naming.write(page.next.as_deref().unwrap_or_default()));
    xml.leaf("NextUploadIdMarker", next_id.map_or("", |last| last.id.as_str()));
    xml.leaf("Delimiter", naming.write(delimiter));
    xml.leaf("Prefix", naming.write(prefix));
    xml.leaf("MaxUploads", max);
    xml.leaf("IsTruncated", page.next.is_some());
    for upload in &page.entries {
        xml.begin("Upload");
        xml.leaf("Key", naming.write(&upload.facts.key));
        xml.leaf("UploadId", &upload.id);
        xml.leaf("StorageClass", &upload.facts.storage_class);
        xml.leaf("Initiated", clock::iso(upload.facts.initiated_ms));
        xml.end();
    }
    for prefix in &page.prefixes {
        xml.begin("CommonPrefixes");
        xml.leaf("Prefix", naming.write(prefix));
        xml.end();
    }
    Ok(Reply::xml(xml.finish()))
}
