//! Buckets: make, list, describe, remove, and who may use them without a key.

use crate::oss::call::{Call, Reply};
use crate::oss::clock;
use crate::oss::disk::{Bucket, BucketFacts};
use crate::oss::labels::Acl;
use crate::oss::refusal::Refusal;
use crate::oss::target::is_bucket_name;
use crate::oss::xml::{self, Writer};

/// There is one owner.
pub(super) const OWNER: &str = "1000000000000001";

pub(super) fn list(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let max = call.number("max-keys", 1..=1000, 100)? as usize;
    let prefix = call.query.get("prefix").unwrap_or_default();
    let marker = call.query.get("marker").unwrap_or_default();
    let mut buckets = call.store.disk.buckets();
    buckets.retain(|bucket| bucket.name.starts_with(prefix) && bucket.name.as_str() > marker);
    let more = buckets.len() > max;
    buckets.truncate(max);
    let mut xml = Writer::new("ListAllMyBucketsResult");
    xml.leaf("Prefix", prefix);
    xml.leaf("Marker", marker);
    xml.leaf("MaxKeys", max);
    xml.leaf("IsTruncated", more);
    if let (true, Some(last)) = (more, buckets.last()) {
        xml.leaf("NextMarker", &last.name);
    }
    owner(&mut xml);
    xml.begin("Buckets");
    for bucket in &buckets {
        xml.begin("Bucket");
        describe(call, &mut xml, bucket, &bucket.facts());
        xml.leaf("Region", &call.store.settings.region);
        xml.end();
    }
    xml.end();
    Ok(Reply::xml(xml.finish()))
}

fn describe(call: &Call<'_, '_>, xml: &mut Writer, bucket: &Bucket, facts: &BucketFacts) {
    let host = call.store.endpoint.trim_start_matches("http://");
    xml.leaf("CreationDate", clock::iso(facts.created_ms));
    xml.leaf("ExtranetEndpoint", host);
    xml.leaf("IntranetEndpoint", host);
    xml.leaf("Location", format!("oss-{}", call.store.settings.region));
    xml.leaf("Name", &bucket.name);
    xml.leaf("StorageClass", &facts.storage_class);
}

pub(super) fn owner(xml: &mut Writer) {
    xml.begin("Owner");
    xml.leaf("ID", OWNER);
    xml.leaf("DisplayName", OWNER);
    xml.end();
}

pub(super) fn put(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let name = call.resource.bucket.clone();
    if !is_bucket_name(&name) {
        return Err(
            Refusal::new(400, "InvalidBucketName", "The specified bucket is not valid.").with("BucketName", name)
        );
    }
    let acl = acl(call)?;
    let document = call.xml_bytes()?;
    let storage_class = if document.is_empty() {
        None
    } else {
        let root = xml::parse(&document).ok_or_else(Refusal::malformed_xml)?;
        root.text_of("StorageClass").map(str::to_owned)
    };
    let mut facts = BucketFacts::new(call.now_ms());
    facts.acl = acl.unwrap_or(facts.acl);
    facts.storage_class = storage_class.unwrap_or(facts.storage_class);
    // The owner may make it again; that changes its ACL if one is given.
    let bucket = call.store.disk.make_bucket(&name, facts)?;
    if let Some(acl) = acl
        && bucket.facts().acl != acl
    {
        bucket.set_facts(|facts| facts.acl = acl)?;
    }
    Ok(Reply::empty(200).header("Location", format!("/{name}")))
}

fn acl(call: &Call<'_, '_>) -> Result<Option<Acl>, Refusal> {
    let Some(word) = call.headers.get("x-oss-acl") else { return Ok(None) };
    let acl = Acl::of_word(word).filter(|acl| *acl != Acl::Default);
    let unknown = || Refusal::invalid_argument("x-oss-acl", word, "no such bucket access control exists");
    acl.map(Some).ok_or_else(unknown)
}

pub(super) fn delete(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    match call.store.disk.remove_bucket(&call.resource.bucket)? {
        None => Err(Refusal::no_such_bucket(&call.resource.bucket)),
        Some(false) => Err(Refusal::new(
            409,
            "BucketNotEmpty",
            "The bucket has objects or multipart uploads. Please delete them first.",
        )
        .with("BucketName", &call.resource.bucket)),
        Some(true) => Ok(Reply::empty(204)),
    }
}

pub(super) fn info(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let facts = bucket.facts();
    let mut xml = Writer::new("BucketInfo");
    xml.begin("Bucket");
    describe(call, &mut xml, &bucket, &facts);
    xml.leaf("DataRedundancyType", "LRS");
    xml.leaf("Comment", "");
    owner(&mut xml);
    xml.begin("AccessControlList");
    xml.leaf("Grant", facts.acl.word());
    Ok(Reply::xml(xml.finish()))
}

pub(super) fn location(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.bucket()?;
    let region = format!("oss-{}", call.store.settings.region);
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint>{region}</LocationConstraint>");
    Ok(Reply::xml(body.into_bytes()))
}

pub(super) fn get_acl(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let facts = call.bucket()?.facts();
    let mut xml = Writer::new("AccessControlPolicy");
    owner(&mut xml);
    xml.begin("AccessControlList");
    xml.leaf("Grant", facts.acl.word());
    Ok(Reply::xml(xml.finish()))
}

pub(super) fn put_acl(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let missing = || Refusal::invalid_argument("x-oss-acl", "", "no such bucket access control exists");
    let acl = acl(call)?.ok_or_else(missing)?;
    bucket.set_facts(|facts| facts.acl = acl)?;
    Ok(Reply::empty(200))
}
