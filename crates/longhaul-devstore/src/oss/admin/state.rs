//! What is there, as JSON: for the page, and for tests that ask.

use serde_json::{Value, json};

use crate::oss::clock;
use crate::oss::disk::Bucket;
use crate::oss::store::Store;

/// All that the page shows but requests and objects.
pub(super) fn state(store: &Store) -> Value {
    let buckets: Vec<Value> = store.disk.buckets().iter().map(|bucket| of_bucket(bucket)).collect();
    let keys: Vec<Value> = store
        .keys
        .list()
        .into_iter()
        .map(|(id, expires)| json!({ "access_key_id": id, "expires": expires.map(clock::iso) }))
        .collect();
    let owner = store.keys.owner();
    json!({
        "endpoint": store.endpoint,
        "region": store.settings.region,
        "anonymous": store.settings.anonymous,
        "access_key_id": owner.as_ref().map(|key| &key.id),
        "access_key_secret": owner.as_ref().map(|key| &key.secret),
        "now": clock::iso(store.clock.now_ms()),
        "clock_offset_ms": store.clock.offset_ms(),
        "buckets": buckets,
        "keys": keys,
        "faults": store.faults.list(),
        "variants": store.variants.chosen().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn of_bucket(bucket: &Bucket) -> Value {
    let (objects, bytes) = bucket.count();
    let uploads: Vec<Value> = bucket
        .uploads()
        .iter()
        .map(|upload| {
            let state = upload.state();
            json!({
                "key": upload.facts.key,
                "upload_id": upload.id,
                "initiated": clock::iso(upload.facts.initiated_ms),
                "parts": state.parts.len(),
                "bytes": state.parts.values().map(|part| part.size).sum::<u64>(),
            })
        })
        .collect();
    let facts = bucket.facts();
    json!({
        "name": bucket.name, "created": clock::iso(facts.created_ms), "acl": facts.acl,
        "objects": objects, "bytes": bytes, "lifecycle": facts.lifecycle.is_some(), "uploads": uploads,
    })
}

/// Every variant with what was chosen, and what could be.
pub(super) fn variants(store: &Store) -> Value {
    let row = |(name, chosen, values): (&str, &str, &[&str])| (name.to_owned(), json!({ "is": chosen, "of": values }));
    store.variants.list().into_iter().map(row).collect::<serde_json::Map<_, _>>().into()
}
