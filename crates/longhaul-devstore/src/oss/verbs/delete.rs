//! DeleteObject, DeleteMultipleObjects.

use crate::oss::call::{Call, Reply};
use crate::oss::refusal::Refusal;
use crate::oss::target::Resource;
use crate::oss::xml::{self, Writer};

const KEYS_MAX: usize = 1000;

/// Also a success when there was no such object.
pub(super) fn one(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.bucket()?.remove(call.key())?;
    Ok(Reply::empty(204))
}

pub(super) fn many(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let naming = call.naming()?;
    let document = call.xml_bytes()?;
    let root = xml::parse(&document).filter(|root| root.name == "Delete").ok_or_else(Refusal::malformed_xml)?;
    let quiet = root.text_of("Quiet").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    // White space belongs to a key.
    let keys: Option<Vec<&str>> =
        root.all("Object").map(|object| object.child("Key").map(|key| key.text.as_str())).collect();
    let keys = keys.filter(|keys| (1..=KEYS_MAX).contains(&keys.len())).ok_or_else(Refusal::malformed_xml)?;
    let mut answer = Writer::new("DeleteResult");
    if naming.encoded {
        answer.leaf("EncodingType", "url");
    }
    // All of them, before the first is gone.
    for key in &keys {
        let resource = Resource { bucket: bucket.name.clone(), key: (*key).to_owned() };
        call.store.allow(call.key.as_ref(), call.op, &resource)?;
    }
    for key in keys {
        bucket.remove(key)?;
        if !quiet {
            answer.begin("Deleted");
            answer.leaf("Key", naming.write(key));
            answer.end();
        }
    }
    Ok(Reply::xml(answer.finish()))
}
