//! Objects in OSS and S3-compatible stores: what can be asked of one, a file for each verb.
//!
//! ```text
//! endpoint      where is the store, and what goes into the URL of a request? (clock: what time is it there?)
//! orders        what shall an object be given beside its bytes?
//! checksums     which checksums of S3 are sent to whom?
//! request       signs one request, sends it, and follows what the store itself says of a better place
//! look list_objects fetch presign    the verbs of downloads
//! upload/       those of uploads: put create send_part list_parts complete abort list_uploads
//! pages         does a list of many pages get on?
//! facts         what does a reply tell of an object?
//! refusal       what does an error mean?
//! ```
//!
//! A verb is one question with one answer. Whether to ask again, and what a lost answer means, is decided in the core.
//! What a room adds to the one request is about *how* the question is asked, never about whether the transfer goes on,
//! and is bounded:
//!
//! - `request` asks again where the store itself says the bucket is, twice at most.
//! - `fetch` signs again, once, where the store refused the time or the keys and there are better ones by now; and asks
//!   for the checksum of the object beside its first bytes, for five seconds at most and without effect if it fails.
//!
//! Nothing here waits otherwise: how long an answer may take is the caller's to say, by dropping the future, which is
//! safe at any time and closes the connection.

mod checksums;
mod clock;
mod endpoint;
mod facts;
mod fetch;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod list_objects;
mod look;
mod orders;
mod pages;
mod presign;
mod refusal;
mod request;
#[cfg(all(feature = "oss", feature = "s3", feature = "upload"))]
#[cfg(test)]
mod tests;
#[cfg(feature = "upload")]
mod upload;
mod xml;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use url::Url;

use super::http::HttpStore;
use crate::error::Error;
use crate::keys::Credentials;
use crate::source::ObjectName;

pub(crate) use endpoint::{Endpoint, EndpointOptions};
pub(crate) use list_objects::{ListedObject, ObjectsPage, Onward};
#[cfg(feature = "upload")]
pub(crate) use orders::Callback;
use orders::Dress;
pub(crate) use orders::Orders;
pub(crate) use pages::Pages;
pub(crate) use presign::Link;
pub(crate) use refusal::Refusal;
#[cfg(feature = "upload")]
pub(crate) use upload::{Created, Promised, Stored};

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

    /// The same over the connections of another store.
    pub(crate) fn over(self, http: &HttpStore) -> Self {
        Self { http: http.sending(http::HeaderMap::new(), None), ..self }
    }

    /// The parameter that names the version that is meant: for looking, fetching, and links to do so.
    fn versioned(&self) -> Vec<(String, String)> {
        self.object.version().map(|id| ("versionId".to_owned(), id.to_owned())).into_iter().collect()
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
