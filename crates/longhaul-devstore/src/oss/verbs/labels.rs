//! Tags and ACLs of objects: put, got, deleted.

use super::bucket::owner;
use crate::oss::call::{Call, Reply};
use crate::oss::disk::Unpublished;
use crate::oss::labels::{Acl, Labels, Tags};
use crate::oss::refusal::Refusal;
use crate::oss::xml::Writer;

pub(super) fn put_tags(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let tags = Tags::of_document(&call.xml_bytes()?)?;
    amend(call, |labels| labels.tags = tags)?;
    Ok(Reply::empty(200))
}

pub(super) fn get_tags(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    Ok(Reply::xml(call.object()?.facts.labels.tags.document()))
}

pub(super) fn delete_tags(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    amend(call, |labels| labels.tags = Tags::default())?;
    Ok(Reply::empty(204))
}

pub(super) fn put_acl(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let acl = call.acl()?.ok_or_else(|| Refusal::invalid_argument("x-oss-object-acl", "", "It is missing."))?;
    amend(call, |labels| labels.acl = acl)?;
    Ok(Reply::empty(200))
}

pub(super) fn get_acl(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let acl: Acl = call.object()?.facts.labels.acl;
    let mut xml = Writer::new("AccessControlPolicy");
    owner(&mut xml);
    xml.begin("AccessControlList");
    xml.leaf("Grant", acl.word());
    Ok(Reply::xml(xml.finish()))
}

fn amend(call: &Call<'_, '_>, change: impl FnOnce(&mut Labels)) -> Result<(), Refusal> {
    match call.bucket()?.amend(call.key(), change) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refusal::no_such_key(call.key())),
        Err(Unpublished::NoBucket) => Err(Refusal::no_such_bucket(&call.resource.bucket)),
        Err(Unpublished::Refused) => Err(Refusal::internal("change the object")),
        Err(Unpublished::Disk(error) | Unpublished::InDoubt(error)) => Err(error.into()),
    }
}
