//! Begins a multipart upload. POST `?uploads`.

use std::sync::atomic::Ordering;

use super::request::{Request, Verb};
use super::{Cloud, Refusal, facts};

/// Longest id that is kept: it goes into the journal, and into every URL.
const UPLOAD_ID_LEN_MAX: usize = 1024;

impl Cloud {
    /// Begins a multipart upload; gives its id. What the object shall be given is told here.
    pub(crate) async fn create(&self) -> Result<String, Refusal> {
        let request = Request::new(Verb::Create).with("uploads", "").headers(self.dress.for_create());
        let answer = self.request(request).await?;
        self.encrypted.store(facts::is_encrypted(answer.headers()), Ordering::Relaxed);
        let document = self.document(Verb::Create, answer, "InitiateMultipartUploadResult").await?;
        match document.text_of("UploadId").filter(|id| id.len() <= UPLOAD_ID_LEN_MAX) {
            Some(id) => Ok(id.to_owned()),
            None => Err(Refusal::unreadable("the answer to the upload's creation has no upload id")),
        }
    }
}
