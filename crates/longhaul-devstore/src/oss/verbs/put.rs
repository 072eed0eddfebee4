//! PutObject.

use std::sync::Arc;

use crate::oss::call::{Call, Reply};
use crate::oss::callback::{self, Stored};
use crate::oss::conditions;
use crate::oss::disk::{Draft, Kind, Object, ObjectFacts, Unpublished};
use crate::oss::refusal::Refusal;

pub(super) fn put(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.check_new_key()?;
    call.check_data_length()?;
    conditions::refuse_on_writes(call.headers)?;
    let bucket = call.bucket()?;
    let headers = call.stored_headers()?;
    let storage_class = call.storage_class(&bucket.facts().storage_class)?;
    let callback = callback::asked(call.query, call.headers)?;
    let forbid = call.says("x-oss-forbid-overwrite");
    if forbid && bucket.object(call.key()).is_some() {
        return Err(Refusal::file_already_exists());
    }
    let mut draft = Draft::new(&bucket.data())?;
    let sums = call.receive(&mut draft)?;
    let segment = Arc::new(draft.finish(sums.len, bucket_sync(call))?);
    let facts = ObjectFacts {
        key: call.key().to_owned(),
        size: sums.len,
        etag: sums.etag(),
        crc64: sums.crc64,
        content_md5: Some(sums.content_md5()),
        modified_ms: call.now_ms(),
        kind: Kind::Normal,
        storage_class,
        headers,
        upload: None,
    };
    let agree = |before: Option<&Arc<_>>| !(forbid && before.is_some());
    let object = published(call, bucket.publish(Object { facts, segments: vec![segment] }, agree))?;
    let reply = Reply::empty(200)
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("Content-MD5", sums.content_md5())
        .header("x-oss-hash-crc64ecma", object.facts.crc64);
    match callback {
        Some(callback) => Ok(callback.finish(call, &Stored::of(&object), reply)),
        None => Ok(reply),
    }
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
