//! The CORS rules of a bucket: put, got, deleted, and asked by browsers.

use crate::oss::call::{Call, Reply};
use crate::oss::cors::{self, Cors};
use crate::oss::refusal::Refusal;

pub(super) fn put(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let bucket = call.bucket()?;
    let cors = Cors::parse(&call.xml_bytes()?)?;
    bucket.set_facts(|facts| facts.cors = Some(cors))?;
    Ok(Reply::empty(200))
}

pub(super) fn get(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    let cors = call.bucket()?.facts().cors;
    let none =
        || Refusal::new(404, "NoSuchCORSConfiguration", "The CORS Configuration does not exist.").ec("0034-00000001");
    Ok(Reply::xml(cors.ok_or_else(none)?.document()))
}

pub(super) fn delete(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.bucket()?.set_facts(|facts| facts.cors = None)?;
    Ok(Reply::empty(204))
}

/// A preflight. The browser sends it without a signature, and whether the object is there is not looked at.
pub(super) fn preflight(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    call.bucket()?;
    let mut reply = Reply::empty(200);
    reply.headers = cors::preflight(call.store.cors(&call.resource.bucket).as_ref(), call.headers)?;
    Ok(reply)
}
