//! Stores an object in one request. PUT.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::request::{Request, Verb};
use super::{Cloud, Promised, Refusal, Stored};
use crate::store::http::{Handed, Outgoing};

impl Cloud {
    /// Stores the object. `handed` tells meanwhile how much of the body has left.
    ///
    /// For S3 the SHA-256 of the body is signed, so that other bytes are refused.
    pub(crate) async fn put(&self, body: Bytes, promised: Promised, handed: &Handed) -> Result<Stored, Refusal> {
        let request = Request::new(Verb::Put)
            .headers(self.dress.for_put())
            .headers(promised.headers())
            .body(Outgoing::memory(body, handed.clone()), promised.sha256);
        let answer = self.request(request).await?;
        self.stored(Verb::Put, answer).await
    }
}

impl Promised {
    /// What of it goes into the head.
    pub(super) fn headers(&self) -> HeaderMap {
        let md5 = self.md5.and_then(|sum| HeaderValue::from_str(&BASE64.encode(sum)).ok());
        md5.map(|sum| (HeaderName::from_static("content-md5"), sum)).into_iter().collect()
    }
}
