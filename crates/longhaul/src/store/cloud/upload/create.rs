//! Begins a multipart upload. POST `?uploads`.

use std::sync::atomic::Ordering;

use longhaul_core::digest::DigestKind;
use longhaul_core::upload::step::Fault;

use crate::store::cloud::refusal::TOO_LARGE;
use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::{Cloud, Refusal, checksums, facts};

/// Longest id that is kept: it goes into the journal, and into every URL.
const UPLOAD_ID_LEN_MAX: usize = 1024;

/// A multipart upload that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    /// Its id.
    pub(crate) upload_id: String,
    /// The checksum that the store says it keeps: every part has to come with its own.
    pub(crate) checksum: Option<DigestKind>,
}

impl Cloud {
    /// The checksum that an upload of several parts may be created with.
    pub(crate) fn checksum_to_ask_for(&self) -> Option<DigestKind> {
        self.endpoint.checksum_to_ask_for()
    }

    /// The checksum that goes with an object sent in one request.
    pub(crate) fn checksum_to_send(&self) -> Option<DigestKind> {
        self.endpoint.checksum_to_send()
    }

    /// A request with a checksum was refused. Whether for that is known when the upload works without.
    pub(super) fn perhaps_for_checksum(&self, sent: bool, refusal: &Refusal) {
        let too_large = refusal.fault == Fault::Rejected(TOO_LARGE);
        if !too_large && matches!(refusal.fault, Fault::Rejected(_) | Fault::Corrupted) {
            self.refused_checksum.fetch_or(sent, Ordering::Relaxed);
        }
    }

    /// Begins a multipart upload. What the object shall be given is told here, and which checksum the store is to keep
    /// with it (S3).
    pub(crate) async fn create(&self, checksum: Option<DigestKind>) -> Result<Created, Refusal> {
        let request = Request::new(Verb::Create)
            .with("uploads", "")
            .headers(self.dress.for_create())
            .headers(checksums::to_be_kept(checksum));
        let answer = self.request(request).await;
        let answer = answer.inspect_err(|refusal| self.perhaps_for_checksum(checksum.is_some(), refusal))?;
        let kept = checksums::kept(answer.headers()).filter(|kept| checksum == Some(*kept));
        let refused_before = self.refused_checksum.load(Ordering::Relaxed);
        self.encrypted.store(facts::is_encrypted(answer.headers()), Ordering::Relaxed);
        let document = self.document(Verb::Create, answer, "InitiateMultipartUploadResult").await?;
        match document.text_of("UploadId").filter(|id| id.len() <= UPLOAD_ID_LEN_MAX) {
            Some(id) => {
                self.endpoint.created(checksum.is_some(), kept.is_some(), refused_before);
                Ok(Created { upload_id: id.to_owned(), checksum: kept })
            }
            None => Err(Refusal::unreadable("the answer to the upload's creation has no upload id")),
        }
    }
}
