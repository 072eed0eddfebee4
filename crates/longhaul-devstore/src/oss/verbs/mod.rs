//! What each operation does: one file for each verb or family, one function for each operation.

mod append;
mod bucket;
mod copy;
mod cors;
mod delete;
mod get;
mod labels;
mod lifecycle;
mod list;
mod multipart;
mod post;
mod put;
mod uploads;

pub(crate) use lifecycle::read_rules;
pub(crate) use list::page as list_page;

use super::call::{Call, Reply};
use super::op::Op;
use super::refusal::Refusal;

/// Carries an operation out.
pub(crate) fn perform(call: &mut Call<'_, '_>) -> Result<Reply, Refusal> {
    match call.op {
        Op::AssumeRole => super::sts::assume_role(call),
        Op::ListBuckets => bucket::list(call),
        Op::PutBucket => bucket::put(call),
        Op::DeleteBucket => bucket::delete(call),
        Op::GetBucketInfo => bucket::info(call),
        Op::GetBucketLocation => bucket::location(call),
        Op::GetBucketAcl => bucket::get_acl(call),
        Op::PutBucketAcl => bucket::put_acl(call),
        Op::PutBucketLifecycle => lifecycle::put(call),
        Op::GetBucketLifecycle => lifecycle::get(call),
        Op::DeleteBucketLifecycle => lifecycle::delete(call),
        Op::PutBucketCors => cors::put(call),
        Op::GetBucketCors => cors::get(call),
        Op::DeleteBucketCors => cors::delete(call),
        Op::OptionObject => cors::preflight(call),
        Op::ListObjects => list::v1(call),
        Op::ListObjectsV2 => list::v2(call),
        Op::DeleteMultipleObjects => delete::many(call),
        Op::DeleteObject => delete::one(call),
        Op::PutObject => put::put(call),
        Op::PostObject => post::post(call),
        Op::CopyObject => copy::copy(call),
        Op::AppendObject => append::append(call),
        Op::GetObject => get::get(call),
        Op::HeadObject => get::head(call),
        Op::GetObjectMeta => get::meta(call),
        Op::PutObjectTagging => labels::put_tags(call),
        Op::GetObjectTagging => labels::get_tags(call),
        Op::DeleteObjectTagging => labels::delete_tags(call),
        Op::PutObjectAcl => labels::put_acl(call),
        Op::GetObjectAcl => labels::get_acl(call),
        Op::InitiateMultipartUpload => multipart::initiate(call),
        Op::UploadPart => multipart::part(call),
        Op::UploadPartCopy => copy::part(call),
        Op::CompleteMultipartUpload => multipart::complete(call),
        Op::AbortMultipartUpload => multipart::abort(call),
        Op::ListParts => uploads::parts(call),
        Op::ListMultipartUploads => uploads::list(call),
    }
}
