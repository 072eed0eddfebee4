//! PostObject: the file of a form, under the key and with the fields that stand in front of it.

use super::put::{Wanted, bucket_sync, store};
use crate::oss::call::{Call, Content, OBJECT_BYTES_MAX, Reply, echo_encryption, receive_from};
use crate::oss::callback::{self, Stored};
use crate::oss::disk::{Draft, Object};
use crate::oss::form::{self, File};
use crate::oss::post_policy::Lengths;
use crate::oss::refusal::Refusal;
use crate::oss::target::{encode, encode_key};
use crate::oss::xml::Writer;

pub(super) fn post(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let posted = call.form.ok_or_else(form::no_form)?;
    let wanted = Wanted::of(call)?;
    let callback = callback::asked(call.query, call.headers)?;
    let mut draft = Draft::new(&wanted.bucket.data())?;
    call.limit_traffic()?;
    let mut file = File::new(&posted.form, call.body);
    let max = posted.lengths.max.min(OBJECT_BYTES_MAX);
    let sums = receive_from(&mut file, call.length, max, &mut draft)?;
    file.finish()?;
    if sums.len < posted.lengths.min {
        return Err(too_small(sums.len, posted.lengths));
    }
    let segment = draft.finish(sums.len, bucket_sync(call))?;
    let object = store(call, wanted, segment, &sums)?;
    let reply = echo_encryption(answer(call, &object), &object.facts.headers)
        .header("ETag", format!("\"{}\"", object.facts.etag))
        .header("Content-MD5", sums.content_md5())
        .header("x-oss-hash-crc64ecma", object.facts.crc64);
    match callback {
        Some(callback) => {
            // The application's answer goes to who sent the form, whatever it wanted to see otherwise.
            let mut reply = reply;
            reply.status = 200;
            reply.headers.remove("Location");
            Ok(callback.finish(call, &Stored::of(&object), reply))
        }
        None => Ok(reply),
    }
}

fn too_small(size: u64, lengths: Lengths) -> Refusal {
    Refusal::new(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.")
        .with("ProposedSize", size)
        .with("MinSizeAllowed", lengths.min)
}

/// What the form wants to be answered: another page, or one of three statuses.
fn answer(call: &Call<'_, '_>, object: &Object) -> Reply {
    let form = |name: &str| call.form.and_then(|posted| posted.form.get(name));
    let (bucket, key) = (&call.resource.bucket, call.key());
    let web = |url: &&str| {
        (url.starts_with("http://") || url.starts_with("https://"))
            && url.bytes().all(|byte| (0x21..0x7f).contains(&byte))
    };
    if let Some(url) = form("success_action_redirect").filter(web) {
        let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
        let joint = if url.contains('?') { '&' } else { '?' };
        let etag = encode(&format!("\"{}\"", object.facts.etag));
        let mut location = format!("{url}{joint}bucket={bucket}&key={}&etag={etag}", encode(key));
        if let Some(fragment) = fragment {
            location.push_str(&format!("#{fragment}"));
        }
        return Reply::empty(303).header("Location", location);
    }
    let location = format!("{}/{bucket}/{}", call.store.endpoint, encode_key(key));
    match form("success_action_status") {
        Some("200") => Reply::empty(200),
        Some("201") => {
            let mut xml = Writer::new("PostResponse");
            xml.leaf("Bucket", bucket);
            xml.leaf("ETag", format!("\"{}\"", object.facts.etag));
            xml.leaf("Key", key);
            xml.leaf("Location", &location);
            let mut reply = Reply::empty(201).header("Content-Type", "application/xml").header("Location", location);
            reply.content = Content::Bytes(xml.finish());
            reply
        }
        // Also for what is none of the three.
        _ => Reply::empty(204),
    }
}
