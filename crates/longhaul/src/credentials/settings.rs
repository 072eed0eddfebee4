//! Where is the store, and how is it spoken to?

use crate::source::Dialect;
use crate::store::cloud::EndpointOptions;

/// What a caller says of a kind of store. What it leaves open is looked for in the environment, when the client may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// The store's address, as `https://oss-cn-hangzhou.aliyuncs.com` or `http://127.0.0.1:9000`; https where no scheme
    /// is given. Without any, the vendor's own in the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for, as `cn-hangzhou` or `eu-central-1`.
    pub region: Option<String>,
    /// The bucket goes into the path of URLs and not into the host. With an IP address as endpoint it always does.
    pub path_style: Option<bool>,
    /// The endpoint is a domain of the bucket's own (CNAME), in which the bucket is not named.
    pub cname: bool,
    /// How requests to OSS are signed; version 4 by default.
    pub signature: Option<Signature>,
    /// Which profile in the vendors' files counts for keys and settings. With one that was chosen here, keys in
    /// variables are not looked at.
    pub profile: Option<String>,
}

/// A version of the OSS signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// HMAC-SHA1, for old stores that know no other.
    V1,
    /// HMAC-SHA256 with date and region.
    V4,
}

impl StoreSettings {
    /// The same as options of an endpoint.
    pub(crate) fn into_options(self, dialect: Dialect) -> EndpointOptions {
        EndpointOptions {
            dialect,
            endpoint: self.endpoint,
            region: self.region,
            path_style: self.path_style.unwrap_or(false),
            cname: self.cname,
            sign_v1: self.signature == Some(Signature::V1),
        }
    }
}
