//! Stores an object in one request. PUT.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use longhaul_core::digest::Digest;
use md5::{Digest as _, Md5};

use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::{Cloud, Promised, Refusal, Stored, checksums};
use crate::store::http::{Handed, Outgoing};

impl Cloud {
    /// Stores the object. `handed` tells meanwhile how much of the body has left.
    ///
    /// For S3 the SHA-256 of the body is signed, so that other bytes are refused; unless a checksum does that, and
    /// a machine on the way cannot change both.
    ///
    /// A store that wants the body's MD5 gets it, from the second try on.
    pub(crate) async fn put(&self, body: Bytes, promised: Promised, handed: &Handed) -> Result<Stored, Refusal> {
        let wanted = self.wants_md5();
        let first = self.put_once(body.clone(), self.with_md5(&body, promised.clone()), handed).await;
        if first.is_err() && !wanted && self.wants_md5() && promised.md5.is_none() {
            return self.put_once(body.clone(), self.with_md5(&body, promised), handed).await;
        }
        first
    }

    /// The store wants the MD5 of every body ahead of it.
    pub(crate) fn wants_md5(&self) -> bool {
        self.endpoint.learned.is_md5_wanted()
    }

    fn with_md5(&self, body: &[u8], promised: Promised) -> Promised {
        let md5 = promised.md5.or_else(|| self.wants_md5().then(|| Md5::digest(body).into()));
        Promised { md5, ..promised }
    }

    async fn put_once(&self, body: Bytes, promised: Promised, handed: &Handed) -> Result<Stored, Refusal> {
        let checksum = promised.checksum.as_ref().map(Digest::kind);
        let request = Request::new(Verb::Put)
            .headers(self.dress.for_put())
            .headers(promised.headers())
            .body(Outgoing::memory(body, handed.clone()))
            .unsigned_body(checksum.is_some() && self.endpoint.is_https());
        let answer = self.request(request).await?;
        let stored = self.stored(Verb::Put, answer).await?;
        if checksum.is_some_and(|sent| !stored.object.digests.iter().any(|told| told.kind() == sent)) {
            self.endpoint.dropped_checksum();
        }
        Ok(stored)
    }
}

impl Promised {
    /// What of it goes into the head.
    pub(super) fn headers(&self) -> HeaderMap {
        let md5 = self.md5.and_then(|sum| HeaderValue::from_str(&BASE64.encode(sum)).ok());
        let mut headers = checksums::sent(self.checksum.as_ref());
        headers.extend(md5.map(|sum| (HeaderName::from_static("content-md5"), sum)));
        headers
    }
}
