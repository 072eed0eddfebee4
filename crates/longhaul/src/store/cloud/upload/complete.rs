//! Makes the object of its parts. POST `?uploadId`.
//!
//! The answer to it and to Put is read here, since both store: 203 of OSS says that the object is stored and the
//! callback failed; with a callback the body is the callback's own; without one Complete's is XML, after blanks that
//! keep the connection alive (S3), and may say that it failed although the status is 200.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use longhaul_core::digest::Digest;
use longhaul_core::upload::step::CompletedPart;

use crate::store::cloud::refusal::Said;
use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::{Cloud, Refusal, Stored, checksums, facts, xml};
use crate::store::http::{Answer, Handed, Outgoing};

/// The longest answer of a callback is 1 MB, by OSS's documentation; another page of it says 3.
const CALLBACK_LEN_MAX: usize = 4 << 20;

impl Cloud {
    /// Makes the object of these parts, in the order of their numbers; `whole` is what it has to be, for an upload with
    /// checksums. May take minutes.
    pub(crate) async fn complete(
        &self,
        upload_id: &str,
        parts: &[CompletedPart],
        whole: Option<&Digest>,
    ) -> Result<Stored, Refusal> {
        let request = Request::new(Verb::Complete)
            .with("uploadId", upload_id)
            .headers(self.dress.for_complete())
            .headers(checksums::of_whole(whole))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/xml"))
            .body(Outgoing::memory(list(parts), Handed::default()));
        let answer = self.request(request).await;
        let answer = answer.inspect_err(|refusal| self.perhaps_for_checksum(whole.is_some(), refusal))?;
        self.stored(Verb::Complete, answer).await
    }

    /// What an answer to a request that stores says.
    pub(super) async fn stored(&self, verb: Verb, answer: Answer) -> Result<Stored, Refusal> {
        let dialect = self.object.dialect();
        let (status, headers, date) = (answer.status(), answer.headers().clone(), answer.date_unix_s());
        let head = || Stored { object: facts::stored(dialect, &headers), callback_failed: None };
        if status == 203 {
            let body = self.whole_body(answer, CALLBACK_LEN_MAX).await?;
            let said = Said::read(status, &headers, &body, date);
            if said.code.as_deref() == Some("CallbackFailed") {
                let fault = said.fault(verb, 0);
                let detail = said.refusal(&self.endpoint.shown(), fault, "the object is stored").detail;
                return Ok(Stored { callback_failed: Some(detail), ..head() });
            }
            return Err(Refusal::unreadable("status 203, and not for a callback: something changed the answer"));
        }
        if self.dress.callback {
            self.whole_body(answer, CALLBACK_LEN_MAX).await?;
            return Ok(head());
        }
        if verb == Verb::Put {
            self.no_error(verb, answer).await?;
            return Ok(head());
        }
        let document = self.document(verb, answer, "CompleteMultipartUploadResult").await?;
        Ok(Stored { object: facts::completed(dialect, &headers, &document), callback_failed: None })
    }
}

/// The list of parts as both vendors document it.
fn list(parts: &[CompletedPart]) -> Bytes {
    let part = |CompletedPart { number, etag, checksum }: &CompletedPart| {
        let checksum = checksums::element(checksum.as_ref());
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag>{checksum}</Part>", xml::escaped(etag))
    };
    let parts: String = parts.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into()
}
