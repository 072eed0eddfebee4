//! What was uploaded from this machine, by the receipts in the state directory.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Client;
use crate::disk::state::sent::SentReceipt;
use crate::drive::upload::source::SourceFile;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Digest, Verified};

/// An upload that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentUpload {
    /// The source's canonical path.
    pub path: PathBuf,
    /// `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub destination: String,
    /// The endpoint.
    pub endpoint: String,
    /// Length in bytes.
    pub bytes: u64,
    /// What was verified.
    pub verified: Verified,
    /// What the store told as the object's ETag.
    pub etag: Option<String>,
    /// Which version of the object it became, where the bucket keeps versions.
    pub version: Option<String>,
    /// Digests of the whole that the store told.
    pub digests: Vec<Digest>,
    /// When it ended.
    pub finished: SystemTime,
    /// The file is as it was sent, by its length and times; not when these are no proof. What the store has by now
    /// only the store knows.
    pub unchanged: bool,
}

impl Client {
    /// Where a file was uploaded to: one for each destination, the latest first. Empty when it is not known, and
    /// for a client without a state directory.
    ///
    /// # Blocking
    /// It reads the receipts: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::LocalFile`] when the state directory cannot be read.
    pub fn sent_uploads(&self, path: impl AsRef<Path>) -> Result<Vec<SentUpload>, Error> {
        let Some(state) = self.state() else { return Ok(Vec::new()) };
        let path = path.as_ref();
        let path = path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
        let receipts = state.sent_of(&path).map_err(|error| {
            let text = format!("the state directory cannot be read: {error}");
            Error::new(ErrorKind::LocalFile, Disposition::Permanent, text).with("path", error.path().display())
        })?;
        let facts = SourceFile::canonical(path).look().ok().map(|(looked, _)| looked.facts);
        let mut sent: Vec<SentUpload> = receipts.into_iter().map(|receipt| told(receipt, facts.as_ref())).collect();
        sent.sort_by(|a, b| b.finished.cmp(&a.finished).then_with(|| a.destination.cmp(&b.destination)));
        Ok(sent)
    }
}

fn told(receipt: SentReceipt, facts: Option<&longhaul_core::upload::step::SourceFacts>) -> SentUpload {
    SentUpload {
        unchanged: facts == Some(&receipt.facts),
        path: receipt.path,
        destination: receipt.destination,
        endpoint: receipt.endpoint,
        bytes: receipt.facts.len,
        verified: receipt.verified.into(),
        etag: receipt.object.etag,
        version: receipt.object.version,
        digests: receipt.object.digests,
        finished: UNIX_EPOCH.checked_add(Duration::from_millis(receipt.finished_ms)).unwrap_or(UNIX_EPOCH),
    }
}
