//! Removes an upload. DELETE `?uploadId`.

use crate::store::cloud::request::{Request, Verb};
use crate::store::cloud::{Cloud, Refusal};

impl Cloud {
    /// Removes the upload and the parts that have arrived. What is on its way may arrive afterwards.
    pub(crate) async fn abort(&self, upload_id: &str) -> Result<(), Refusal> {
        let answer = self.request(Request::new(Verb::Abort).with("uploadId", upload_id)).await?;
        self.no_error(Verb::Abort, answer).await
    }
}
