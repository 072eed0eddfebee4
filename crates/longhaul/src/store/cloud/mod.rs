//! Objects in OSS and S3-compatible stores: what can be asked of one, a file for each verb.
//!
//! ```text
//! endpoint      where is the store, and what goes into the URL of a request? (clock: what time is it there?)
//! orders        what shall an object be given beside its bytes?
//! checksums     which checksums of S3 are sent to whom?
//! request       signs one request, sends it, and follows what the store itself says of a better place
//! look put create send_part list_parts complete abort list_uploads list_objects fetch presign    the verbs
//! pages         does a list of many pages get on?
//! facts         what does a reply tell of an object?
//! refusal       what does an error mean?
//! ```
//!
//! Every verb is one request with one answer. Whether to ask again, and what a lost answer means, is decided in the
//! core. Nothing here waits: how long an answer may take is the caller's to say, by dropping the future, which is safe
//! at any time and closes the connection.

mod abort;
mod checksums;
mod clock;
mod complete;
mod create;
mod endpoint;
mod facts;
mod fetch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod list_objects;
mod list_parts;
mod list_uploads;
mod look;
mod orders;
mod pages;
mod presign;
mod put;
mod refusal;
mod request;
mod send_part;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use longhaul_core::digest::Digest;
use longhaul_core::upload::step::ObjectFacts;
use url::Url;

use super::Pace;
use super::http::HttpStore;
use crate::error::Error;
use crate::keys::Credentials;
use crate::source::ObjectName;

pub(crate) use create::Created;
pub(crate) use endpoint::{Endpoint, EndpointOptions};
pub(crate) use list_objects::{ListedObject, ObjectsPage, Onward};
use orders::Dress;
pub(crate) use orders::{Callback, Orders};
pub(crate) use pages::Pages;
pub(crate) use presign::Link;
pub(crate) use refusal::Refusal;

/// What can be asked of one object.
pub(crate) struct Cloud {
    http: HttpStore,
    endpoint: Arc<Endpoint>,
    object: ObjectName,
    /// Where the object is, as far as it was known at first.
    url: Url,
    dress: Dress,
    credentials: Arc<dyn Credentials>,
    /// The store said that it encrypts this upload: the ETags of its parts are no digests.
    encrypted: AtomicBool,
    /// The store refused to create an upload with a checksum.
    refused_checksum: AtomicBool,
}

/// An object was stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// What the reply told of it. Its length is seldom among that.
    pub(crate) object: ObjectFacts,
    /// The callback that was asked for failed; this is what the store said of it. The object is stored all the same.
    pub(crate) callback_failed: Option<String>,
}

/// Digests of a body that are sent ahead of it, so that the store refuses other bytes ([`Fault::Corrupted`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Promised {
    /// Its MD5, sent as `Content-MD5`.
    pub(crate) md5: Option<[u8; 16]>,
    /// Its SHA-256, signed as `x-amz-content-sha256`. OSS has no use for it.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Its checksum, sent as `x-amz-checksum-*`: for uploads that were created with one, and for stores that keep it.
    pub(crate) checksum: Option<Digest>,
}

impl Cloud {
    /// Nothing is connected yet. `orders` may be the default for one that is only read.
    ///
    /// # Errors
    /// `Usage` for a key that cannot be asked for at this endpoint, and for orders that cannot be sent.
    pub(crate) fn new(
        http: &HttpStore,
        endpoint: Arc<Endpoint>,
        object: ObjectName,
        orders: &Orders,
        credentials: Arc<dyn Credentials>,
    ) -> Result<Self, Error> {
        if endpoint.dialect != object.dialect() {
            return Err(Error::usage(format!("{object} is not in the store at {}", endpoint.shown())));
        }
        let url = endpoint.target(object.bucket(), object.key(), &[])?.url;
        let dress = Dress::new(orders, object.dialect())?;
        let http = http.sending(http::HeaderMap::new(), None);
        let (encrypted, refused_checksum) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { http, endpoint, object, url, dress, credentials, encrypted, refused_checksum })
    }

    /// The parameter that names the version that is meant: for looking, fetching, and links to do so.
    fn versioned(&self) -> Vec<(String, String)> {
        self.object.version().map(|id| ("versionId".to_owned(), id.to_owned())).into_iter().collect()
    }

    /// How fast bodies may be read.
    pub(crate) fn pace(&self) -> &Pace {
        self.http.pace()
    }

    /// Which object this is.
    pub(crate) fn object(&self) -> &ObjectName {
        &self.object
    }

    /// The region that requests are signed for.
    pub(crate) fn region(&self) -> &str {
        self.endpoint.region()
    }

    /// Where the store is, fit to be shown.
    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.shown()
    }
}
