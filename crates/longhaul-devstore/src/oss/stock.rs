//! Objects that no client sent: those of tests, of files, of the admin page.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::disk::{Bucket, Draft, Kind, Object, ObjectFacts, Unpublished};
use super::labels::Labels;
use super::refusal::Refusal;
use super::store::Store;
use super::sums::{Summing, Sums, crc_of_zeros, upper_hex};
use super::target::Resource;

/// The fields of an object of which nothing is known but its bytes.
pub(crate) fn plain_headers() -> Vec<(String, String)> {
    vec![("Content-Type".to_owned(), "application/octet-stream".to_owned())]
}

/// Puts another object in the place of one: other bytes, other ETag, the same fields.
pub(crate) fn replace(store: &Store, resource: &Resource, size: Option<u64>) -> Result<(), Refusal> {
    let Some(bucket) = store.disk.bucket(&resource.bucket) else { return Ok(()) };
    let Some(before) = bucket.object(&resource.key) else { return Ok(()) };
    let facts = &before.facts;
    // Another content each time, and the same ones in every run.
    let content = crate::Content::seeded(facts.crc64, size.unwrap_or(facts.size));
    put(store, &bucket, &facts.key, &mut content.reader(), &facts.storage_class, facts.headers.clone())?;
    if facts.labels != Labels::default() {
        // Should the disk fail now, it is an object that was put without them.
        let _ = bucket.amend(&facts.key, |labels| *labels = facts.labels.clone());
    }
    Ok(())
}

/// Puts an object of the bytes that are read.
pub(crate) fn put(
    store: &Store,
    bucket: &Bucket,
    key: &str,
    from: &mut dyn Read,
    storage_class: &str,
    headers: Vec<(String, String)>,
) -> io::Result<()> {
    let mut draft = Draft::new(&bucket.data())?;
    let mut summing = Summing::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        store.rest.go_on()?;
        let count = from.read(&mut piece)?;
        if count == 0 {
            break;
        }
        summing.update(&piece[..count]);
        draft.write_all(&piece[..count])?;
    }
    let sums = summing.finish();
    let facts = ObjectFacts {
        key: key.to_owned(),
        size: sums.len,
        etag: sums.etag(),
        crc64: sums.crc64,
        content_md5: Some(sums.content_md5()),
        modified_ms: store.clock.now_ms(),
        kind: Kind::Normal,
        storage_class: storage_class.to_owned(),
        headers,
        upload: None,
        labels: Labels::default(),
    };
    let segments = vec![Arc::new(draft.finish(sums.len, store.settings.sync)?)];
    publish(bucket, Object { facts, segments })
}

/// Puts an object of zeros, of any size: sparse on disk, and made without being written. Its CRC-64 and its ETag.
pub(crate) fn put_zeros(store: &Store, bucket: &Bucket, key: &str, size: u64) -> io::Result<(u64, String)> {
    let draft = Draft::new(&bucket.data())?;
    draft.set_len(size)?;
    let segments = vec![Arc::new(draft.finish(size, store.settings.sync)?)];
    let crc64 = crc_of_zeros(size);
    // Not read, so it has no MD5; that is so for objects uploaded in parts, too.
    let etag = format!("{}-1", upper_hex(&Sums::of(&size.to_le_bytes()).md5));
    let facts = ObjectFacts {
        key: key.to_owned(),
        size,
        etag: etag.clone(),
        crc64,
        content_md5: None,
        modified_ms: store.clock.now_ms(),
        kind: Kind::Multipart,
        storage_class: "Standard".to_owned(),
        headers: plain_headers(),
        upload: None,
        labels: Labels::default(),
    };
    publish(bucket, Object { facts, segments })?;
    Ok((crc64, etag))
}

fn publish(bucket: &Bucket, object: Object) -> io::Result<()> {
    match bucket.publish(object, |_| true) {
        Ok(_) => Ok(()),
        Err(Unpublished::Disk(error) | Unpublished::InDoubt(error)) => Err(error),
        Err(Unpublished::Refused) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(Unpublished::NoBucket) => Err(io::ErrorKind::NotFound.into()),
    }
}
