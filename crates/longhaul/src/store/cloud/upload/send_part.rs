//! Sends a part. PUT `?partNumber&uploadId`.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use longhaul_core::digest::DigestKind;
use longhaul_core::upload::step::ListedPart;

use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::{Cloud, Promised, Refusal, facts};
use crate::store::http::{Handed, Outgoing};

impl Cloud {
    /// Sends one part of `len` bytes.
    ///
    /// The body is polled as the network takes it; what it holds beyond one frame is its own matter. It has to give
    /// exactly `len` bytes: with fewer, more, or an error, the request fails and the store keeps nothing of the part.
    /// An answer may come before the body was read. `handed` counts what the connection has taken. Once that is all, the store may have stored it, whatever
    /// comes back: `maybe_done` says so.
    pub(crate) async fn send_part<B>(
        &self,
        upload_id: &str,
        number: u32,
        len: u64,
        promised: Promised,
        body: B,
        handed: &Handed,
    ) -> Result<ListedPart, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let sent = promised.checksum.is_some();
        let request = Request::new(Verb::SendPart)
            .with("partNumber", number)
            .with("uploadId", upload_id)
            .headers(self.dress.for_part())
            .headers(promised.headers())
            .body(Outgoing::stream(len, body, handed.clone()));
        let answer = self.request(request).await;
        let answer = answer.inspect_err(|refusal| self.perhaps_for_checksum(sent, refusal))?;
        if facts::is_encrypted(answer.headers()) {
            self.encrypted.store(true, Ordering::Relaxed);
        }
        let mut told = facts::stored(self.object.dialect(), answer.headers());
        if self.encrypted.load(Ordering::Relaxed) {
            told.digests.retain(|digest| digest.kind() != DigestKind::Md5);
        }
        self.no_error(Verb::SendPart, answer).await?;
        let part = ListedPart { number, len, etag: told.etag.unwrap_or_default(), digests: told.digests };
        Ok(if part.etag.is_empty() { self.named(upload_id, part).await } else { part })
    }

    /// A part whose answer told no ETag, as when somebody between takes it out: Complete has to name it, and the list
    /// does.
    async fn named(&self, upload_id: &str, part: ListedPart) -> ListedPart {
        let Ok(page) = self.list_parts(upload_id, part.number.saturating_sub(1)).await else { return part };
        let listed = page.parts.into_iter().find(|listed| (listed.number, listed.len) == (part.number, part.len));
        match listed {
            Some(listed) if part.digests.is_empty() => listed,
            Some(listed) => ListedPart { etag: listed.etag, ..part },
            None => part,
        }
    }
}
