//! PutObject, and what it has in common with the form of a browser.

use std::sync::Arc;

use crate::oss::call::{Call, Reply, echo_encryption};
use crate::oss::callback::{self, Stored};
use crate::oss::conditions;
use crate::oss::disk::{Bucket, Draft, Kind, Object, ObjectFacts, Segment, Unpublished};
use crate::oss::labels::Labels;
use crate::oss::refusal::Refusal;
use crate::oss::sums::Sums;

pub(super) fn put(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.check_data_length()?;
    conditions::refuse_on_writes(call.headers)?;
    let wanted = Wanted::of(call)?;
    let callback = callback::asked(call.query, call.headers)?;
    let mut draft = Draft::new(&wanted.bucket.data())?;
    let sums = call.receive(&mut draft)?;
    let segment = draft.finish(sums.len, bucket_sync(call))?;
    let object = store(call, wanted, segment, &sums)?;
    let reply = echo_encryption(Reply::empty(200), &object.facts.headers)
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("Content-MD5", sums.content_md5())
        .header("x-oss-hash-crc64ecma", object.facts.crc64);
    match callback {
        Some(callback) => Ok(callback.finish(call, &Stored::of(&object), reply)),
        None => Ok(reply),
    }
}

/// What a new object is to be, found out before any of its bytes is read.
pub(super) struct Wanted {
    pub(super) bucket: Arc<Bucket>,
    headers: Vec<(String, String)>,
    labels: Labels,
    storage_class: String,
    forbid_overwrite: bool,
}

impl Wanted {
    /// Reads the fields of a request.
    pub(super) fn of(call: &Call<'_, '_>) -> Result<Wanted, Refusal> {
        call.check_new_key()?;
        let bucket = call.bucket()?;
        let headers = call.stored_headers()?;
        let labels = call.labels()?;
        let storage_class = call.storage_class(&bucket.facts().storage_class)?;
        let forbid_overwrite = call.says("x-oss-forbid-overwrite");
        if forbid_overwrite && bucket.object(call.key()).is_some() {
            return Err(Refusal::file_already_exists());
        }
        Ok(Wanted { bucket, headers, labels, storage_class, forbid_overwrite })
    }
}

/// Makes the object of bytes that were received in one request.
pub(super) fn store(
    call: &Call<'_, '_>,
    wanted: Wanted,
    segment: Segment,
    sums: &Sums,
) -> Result<Arc<Object>, Refusal> {
    let facts = ObjectFacts {
        key: call.key().to_owned(),
        size: sums.len,
        etag: sums.etag(),
        crc64: sums.crc64,
        content_md5: Some(sums.content_md5()),
        modified_ms: call.now_ms(),
        kind: Kind::Normal,
        storage_class: wanted.storage_class,
        headers: wanted.headers,
        upload: None,
        labels: wanted.labels,
    };
    let agree = |before: Option<&Arc<_>>| !(wanted.forbid_overwrite && before.is_some());
    published(call, wanted.bucket.publish(Object { facts, segments: vec![Arc::new(segment)] }, agree))
}

pub(super) fn bucket_sync(call: &Call<'_, '_>) -> bool {
    call.store.settings.sync
}

/// What it means when an object was not published: another request was faster, or the disk failed.
pub(super) fn published(
    call: &Call<'_, '_>,
    outcome: Result<Arc<Object>, Unpublished>,
) -> Result<Arc<Object>, Refusal> {
    outcome.map_err(|why| match why {
        Unpublished::Refused => Refusal::file_already_exists(),
        Unpublished::NoBucket => Refusal::no_such_bucket(&call.resource.bucket),
        Unpublished::Disk(error) | Unpublished::InDoubt(error) => error.into(),
    })
}
