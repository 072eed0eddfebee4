//! Which operation is this? Method, bucket, key and the parameters that name a sub-resource decide.

use super::refusal::Refusal;
use super::target::{Query, Resource};
use crate::request::Headers;

macro_rules! operations {
    ($($name:ident => $action:literal,)*) => {
        /// The operations of OSS that this store has, by their documented names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Op { $($name,)* }

        impl Op {
            /// The name in the documentation, in logs and in fault rules.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Op::$name => stringify!($name),)* }
            }

            /// What a policy has to grant.
            pub(crate) fn action(self) -> &'static str {
                match self { $(Op::$name => $action,)* }
            }

            /// The operation of that name.
            pub(crate) fn named(name: &str) -> Option<Op> {
                match name { $(stringify!($name) => Some(Op::$name),)* _ => None }
            }
        }
    };
}

operations! {
    AssumeRole => "AssumeRole",
    ListBuckets => "ListBuckets",
    PutBucket => "PutBucket",
    DeleteBucket => "DeleteBucket",
    GetBucketInfo => "GetBucketInfo",
    GetBucketLocation => "GetBucketLocation",
    GetBucketAcl => "GetBucketAcl",
    PutBucketAcl => "PutBucketAcl",
    PutBucketLifecycle => "PutBucketLifecycle",
    GetBucketLifecycle => "GetBucketLifecycle",
    DeleteBucketLifecycle => "DeleteBucketLifecycle",
    PutBucketCors => "PutBucketCors",
    GetBucketCors => "GetBucketCors",
    DeleteBucketCors => "DeleteBucketCors",
    OptionObject => "OptionObject",
    ListObjects => "ListObjects",
    ListObjectsV2 => "ListObjects",
    DeleteMultipleObjects => "DeleteObject",
    ListMultipartUploads => "ListMultipartUploads",
    PutObject => "PutObject",
    PostObject => "PutObject",
    CopyObject => "PutObject",
    AppendObject => "PutObject",
    GetObject => "GetObject",
    HeadObject => "GetObject",
    GetObjectMeta => "GetObject",
    DeleteObject => "DeleteObject",
    PutObjectTagging => "PutObjectTagging",
    GetObjectTagging => "GetObjectTagging",
    DeleteObjectTagging => "DeleteObjectTagging",
    PutObjectAcl => "PutObjectAcl",
    GetObjectAcl => "GetObjectAcl",
    InitiateMultipartUpload => "PutObject",
    UploadPart => "PutObject",
    UploadPartCopy => "PutObject",
    CompleteMultipartUpload => "PutObject",
    AbortMultipartUpload => "AbortMultipartUpload",
    ListParts => "ListParts",
}

/// Sub-resources of OSS that this store has not. To take `PUT /KEY?tagging` for a PutObject would be worse than no.
const FOREIGN: [&str; 38] = [
    "accessmonitor",
    "archiveDirectRead",
    "asyncFetch",
    "bucketArchiveDirectRead",
    "callback-policy",
    "cname",
    "comp",
    "dataProcessConfiguration",
    "encryption",
    "httpsConfig",
    "inventory",
    "inventoryId",
    "live",
    "logging",
    "metaQuery",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "qosInfo",
    "qosRequester",
    "referer",
    "regionList",
    "replication",
    "requestPayment",
    "resourceGroup",
    "restore",
    "seal",
    "select",
    "stat",
    "style",
    "symlink",
    "transferAcceleration",
    "userDefinedLogFieldsConfig",
    "versioning",
    "versions",
    "website",
    "worm",
    "x-oss-process",
];

/// Names the operation.
///
/// # Errors
/// `NotImplemented` for what OSS has and we have not, `MethodNotAllowed` for what neither has.
pub(crate) fn of(method: &str, resource: &Resource, query: &Query, headers: &Headers) -> Result<Op, Refusal> {
    if let Some((name, _)) = query.iter().find(|(name, _)| FOREIGN.contains(name)) {
        return Err(Refusal::not_implemented(&format!("the sub-resource {name}")));
    }
    if let Some(version) = query.get("versionId")
        && version != "null"
    {
        return Err(Refusal::not_implemented("versions of objects"));
    }
    let not_allowed = || Refusal::method_not_allowed(method);
    let has = |name: &str| query.has(name);
    if resource.bucket.is_empty() {
        return if method == "GET" { Ok(Op::ListBuckets) } else { Err(not_allowed()) };
    }
    if resource.key.is_empty() {
        if has("tagging") {
            return Err(Refusal::not_implemented("tags of buckets"));
        }
        return match method {
            "PUT" if has("acl") => Ok(Op::PutBucketAcl),
            "PUT" if has("lifecycle") => Ok(Op::PutBucketLifecycle),
            "PUT" if has("cors") => Ok(Op::PutBucketCors),
            "PUT" => Ok(Op::PutBucket),
            "DELETE" if has("lifecycle") => Ok(Op::DeleteBucketLifecycle),
            "DELETE" if has("cors") => Ok(Op::DeleteBucketCors),
            "DELETE" => Ok(Op::DeleteBucket),
            "GET" if has("acl") => Ok(Op::GetBucketAcl),
            "GET" if has("bucketInfo") => Ok(Op::GetBucketInfo),
            "GET" if has("location") => Ok(Op::GetBucketLocation),
            "GET" if has("lifecycle") => Ok(Op::GetBucketLifecycle),
            "GET" if has("cors") => Ok(Op::GetBucketCors),
            "GET" if has("uploads") => Ok(Op::ListMultipartUploads),
            "GET" if query.get("list-type") == Some("2") => Ok(Op::ListObjectsV2),
            "GET" | "HEAD" => Ok(Op::ListObjects),
            "POST" if has("delete") => Ok(Op::DeleteMultipleObjects),
            "POST" if has("uploads") || has("uploadId") || has("append") => Err(not_allowed()),
            "POST" => Ok(Op::PostObject),
            _ => Err(not_allowed()),
        };
    }
    if has("cors") {
        return Err(not_allowed());
    }
    if has("tagging") {
        return match method {
            "PUT" => Ok(Op::PutObjectTagging),
            "GET" => Ok(Op::GetObjectTagging),
            "DELETE" => Ok(Op::DeleteObjectTagging),
            _ => Err(not_allowed()),
        };
    }
    if has("acl") {
        return match method {
            "PUT" => Ok(Op::PutObjectAcl),
            "GET" => Ok(Op::GetObjectAcl),
            _ => Err(not_allowed()),
        };
    }
    let copies = headers.has("x-oss-copy-source");
    match method {
        "PUT" if has("uploadId") || has("partNumber") => Ok(if copies { Op::UploadPartCopy } else { Op::UploadPart }),
        "PUT" if copies => Ok(Op::CopyObject),
        "PUT" => Ok(Op::PutObject),
        "POST" if has("uploads") => Ok(Op::InitiateMultipartUpload),
        "POST" if has("uploadId") => Ok(Op::CompleteMultipartUpload),
        "POST" if has("append") => Ok(Op::AppendObject),
        "GET" if has("uploadId") => Ok(Op::ListParts),
        "GET" => Ok(Op::GetObject),
        "HEAD" if has("objectMeta") => Ok(Op::GetObjectMeta),
        "HEAD" => Ok(Op::HeadObject),
        "DELETE" if has("uploadId") => Ok(Op::AbortMultipartUpload),
        "DELETE" => Ok(Op::DeleteObject),
        _ => Err(not_allowed()),
    }
}

impl Op {
    /// Whether it only reads: what a bucket with public-read grants to every client, and answers to HEAD.
    pub(crate) fn reads_object(self) -> bool {
        matches!(self, Op::GetObject | Op::HeadObject | Op::GetObjectMeta)
    }

    /// What a bucket with public-read-write grants beside that.
    pub(crate) fn writes_object(self) -> bool {
        self.action() == "PutObject"
            || matches!(self, Op::DeleteObject | Op::AbortMultipartUpload | Op::ListParts | Op::ListObjects)
            || self == Op::ListObjectsV2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_named_as_the_documentation_names_them() {
        for (method, key, query, copies, expected) in [
            ("PUT", "k", "", false, "PutObject"),
            ("PUT", "k", "", true, "CopyObject"),
            ("PUT", "k", "partNumber=1&uploadId=A", false, "UploadPart"),
            ("PUT", "k", "uploadId=A&partNumber=1", true, "UploadPartCopy"),
            ("POST", "k", "uploads", false, "InitiateMultipartUpload"),
            ("POST", "k", "uploads=&encoding-type=url", false, "InitiateMultipartUpload"),
            ("POST", "k", "uploadId=A", false, "CompleteMultipartUpload"),
            ("POST", "k", "append&position=0", false, "AppendObject"),
            ("GET", "k", "uploadId=A", false, "ListParts"),
            ("GET", "k", "response-content-type=x", false, "GetObject"),
            ("GET", "k", "versionId=null", false, "GetObject"),
            ("GET", "k", "versionId=7", false, "NotImplemented"),
            ("HEAD", "k", "", false, "HeadObject"),
            ("HEAD", "k", "objectMeta", false, "GetObjectMeta"),
            ("DELETE", "k", "uploadId=A", false, "AbortMultipartUpload"),
            ("DELETE", "k", "", false, "DeleteObject"),
            ("PATCH", "k", "", false, "MethodNotAllowed"),
            ("PUT", "k", "tagging", false, "PutObjectTagging"),
            ("GET", "k", "tagging=", false, "GetObjectTagging"),
            ("DELETE", "k", "tagging", false, "DeleteObjectTagging"),
            ("POST", "k", "tagging", false, "MethodNotAllowed"),
            ("PUT", "", "tagging", false, "NotImplemented"),
            ("PUT", "k", "acl", false, "PutObjectAcl"),
            ("GET", "k", "acl", false, "GetObjectAcl"),
            ("DELETE", "k", "acl", false, "MethodNotAllowed"),
            ("GET", "", "uploads&prefix=a", false, "ListMultipartUploads"),
            ("GET", "", "list-type=2", false, "ListObjectsV2"),
            ("GET", "", "prefix=a", false, "ListObjects"),
            ("POST", "", "delete", false, "DeleteMultipleObjects"),
            ("POST", "", "", false, "PostObject"),
            ("PUT", "", "cors", false, "PutBucketCors"),
            ("GET", "", "cors=", false, "GetBucketCors"),
            ("DELETE", "", "cors", false, "DeleteBucketCors"),
            ("PUT", "k", "cors", false, "MethodNotAllowed"),
            ("PUT", "", "", false, "PutBucket"),
        ] {
            let resource = Resource { bucket: "b".into(), key: key.into() };
            let mut headers = Headers::default();
            if copies {
                headers.set("x-oss-copy-source", "/b/k");
            }
            let named = of(method, &resource, &Query::parse(query).unwrap(), &headers);
            let found = named.map_or_else(|refusal| refusal.code, |op| op.name().to_owned());
            assert_eq!(found, expected, "{method} {key} {query}");
        }
        let service = Resource { bucket: String::new(), key: String::new() };
        assert_eq!(of("GET", &service, &Query::default(), &Headers::default()), Ok(Op::ListBuckets));
    }

    #[test]
    fn names_lead_back_to_operations() {
        assert_eq!(Op::named("UploadPart"), Some(Op::UploadPart));
        assert_eq!(Op::named("Upload"), None);
    }
}
