//! Receipts of uploads: what was sent where, so that the same command again with an unchanged source needs one
//! conditional request.
//!
//! A receipt is believed only for a source whose facts are the same. Where the facts are no proof that these bytes were
//! sent, the core has left out the times: such a receipt fits no file. Even one that fits does not say what the store
//! has now; the store is asked. Losing one costs reading the source again, so none is synced.

use super::state_dir::{StateDir, StoredPath};
use super::uploads::UploadKey;
use crate::disk::error::Result;
use crate::hex::hex;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::upload::step::{Composite, ObjectFacts, Proof, SourceFacts};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A receipt: the core's, with what it speaks of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SentReceipt {
    /// The source's canonical path.
    pub(crate) path: PathBuf,
    /// `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub(crate) destination: String,
    /// The endpoint.
    pub(crate) endpoint: String,
    /// The source as it was sent.
    pub(crate) facts: SourceFacts,
    /// The object as it was stored.
    pub(crate) object: ObjectFacts,
    /// What was verified.
    pub(crate) verified: Proof,
    /// When it was written: milliseconds since the Unix epoch.
    pub(crate) finished_ms: u64,
}

impl StateDir {
    /// Writes a receipt, replacing an older one.
    pub(crate) fn put_sent(&self, key: &UploadKey, receipt: &SentReceipt) -> Result<()> {
        self.sent.put(key.as_str(), &SentJson::from(receipt), false)
    }

    /// The receipt under this key; `None` when there is none, or it is damaged or of another source or destination.
    pub(crate) fn sent(&self, key: &UploadKey) -> Result<Option<SentReceipt>> {
        let stored = self.sent.get::<SentJson>(key.as_str())?.and_then(std::result::Result::ok);
        Ok(stored.and_then(SentJson::into_receipt).filter(|receipt| receipt.key() == *key))
    }

    /// All receipts of a source. Those that are damaged, or are of another upload than their name says, are left out.
    pub(crate) fn sent_of(&self, path: &Path) -> Result<Vec<SentReceipt>> {
        let (stored, _) = self.sent.all::<SentJson>()?;
        let receipts = stored.into_iter().filter_map(|(name, stored)| Some((name, stored.into_receipt()?)));
        Ok(receipts.filter(|(name, r)| r.path == path && r.key().as_str() == name).map(|(_, r)| r).collect())
    }

    /// The object that a source was stored as, when a receipt tells and still fits it.
    pub(crate) fn sent_object(&self, key: &UploadKey, facts: &SourceFacts) -> Option<ObjectFacts> {
        // A receipt that cannot be read is as good as none.
        let receipt = self.sent(key).ok()??;
        (receipt.facts == *facts).then_some(receipt.object)
    }
}

impl SentReceipt {
    fn key(&self) -> UploadKey {
        UploadKey::of(&self.path, &self.destination, &self.endpoint)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SentJson {
    path: StoredPath,
    destination: String,
    endpoint: String,
    length: u64,
    device: u64,
    inode: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    verified: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Length of the object, when the store told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_length: Option<u64>,
    #[serde(default)]
    digests: Vec<String>,
    /// MD5 of the parts' MD5s, and their count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    composite: Option<(String, u32)>,
    #[serde(default)]
    finished_ms: u64,
}

impl From<&SentReceipt> for SentJson {
    fn from(receipt: &SentReceipt) -> Self {
        let (facts, object) = (&receipt.facts, &receipt.object);
        Self {
            path: receipt.path.as_path().into(),
            destination: receipt.destination.clone(),
            endpoint: receipt.endpoint.clone(),
            length: facts.len,
            device: facts.device,
            inode: facts.inode,
            mtime_ns: facts.mtime_ns,
            ctime_ns: facts.ctime_ns,
            verified: verified_text(receipt.verified).into(),
            etag: object.etag.clone(),
            version: object.version.clone(),
            object_length: object.len,
            digests: object.digests.iter().map(Digest::to_string).collect(),
            composite: object.composite.map(|c| (hex(&c.md5), c.count)),
            finished_ms: receipt.finished_ms,
        }
    }
}

impl SentJson {
    /// `None` when a value is damaged. Digests of unknown kinds (a newer version's) are left out.
    fn into_receipt(self) -> Option<SentReceipt> {
        let composite = match &self.composite {
            None => None,
            Some((md5, count)) => {
                let md5 = Digest::from_hex(DigestKind::Md5, md5)?.bytes().try_into().ok()?;
                Some(Composite { md5, count: *count })
            }
        };
        Some(SentReceipt {
            path: self.path.to_path()?,
            destination: self.destination,
            endpoint: self.endpoint,
            facts: SourceFacts {
                len: self.length,
                device: self.device,
                inode: self.inode,
                mtime_ns: self.mtime_ns,
                ctime_ns: self.ctime_ns,
            },
            object: ObjectFacts {
                len: self.object_length,
                etag: self.etag,
                version: self.version,
                digests: self.digests.iter().filter_map(|text| super::receipt::digest_from(text)).collect(),
                composite,
                dressed_differently: false,
            },
            verified: verified_from(&self.verified)?,
            finished_ms: self.finished_ms,
        })
    }
}

/// What was verified, in the words of summaries and events.
pub(crate) fn verified_text(verified: Proof) -> &'static str {
    match verified {
        Proof::Whole(kind) => kind.name(),
        Proof::Composite => "composite",
        Proof::Parts => "parts",
        Proof::Length => "length only",
        Proof::Answer => "answer only",
    }
}

fn verified_from(text: &str) -> Option<Proof> {
    let plain = [Proof::Composite, Proof::Parts, Proof::Length, Proof::Answer];
    let whole = || DigestKind::from_name(text).map(Proof::Whole);
    plain.into_iter().find(|&verified| verified_text(verified) == text).or_else(whole)
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(json: &[u8]) {
    let _ = serde_json::from_slice::<SentJson>(json).ok().and_then(SentJson::into_receipt);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> SentReceipt {
        SentReceipt {
            path: "/d/a".into(),
            destination: "oss://b/a".into(),
            endpoint: "http://e".into(),
            facts: SourceFacts { len: 30, device: u64::MAX, inode: 7, mtime_ns: -1, ctime_ns: i64::MAX },
            object: ObjectFacts {
                len: Some(30),
                etag: Some("\"a\"".into()),
                version: Some("v".into()),
                digests: vec![Digest::new(DigestKind::Crc64, vec![0xab; 8]).unwrap()],
                composite: Some(Composite { md5: [3; 16], count: 9 }),
                dressed_differently: false,
            },
            verified: Proof::Whole(DigestKind::Crc64),
            finished_ms: 5,
        }
    }

    #[test]
    fn a_receipt_comes_back_whole_and_fits_only_the_source_it_speaks_of() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (receipt, key) = (receipt(), receipt().key());
        assert_eq!(state.sent(&key).unwrap(), None);
        state.put_sent(&key, &receipt).unwrap();
        assert_eq!(state.sent(&key).unwrap(), Some(receipt.clone()));
        assert_eq!(state.sent_object(&key, &receipt.facts), Some(receipt.object.clone()));
        assert_eq!(state.sent_object(&key, &SourceFacts { ctime_ns: 0, ..receipt.facts }), None, "touched");
        let other = UploadKey::of(Path::new("/d/b"), "oss://b/a", "http://e");
        state.put_sent(&other, &receipt).unwrap();
        assert_eq!(state.sent(&other).unwrap(), None, "it speaks of another source");
        assert_eq!(state.sent_of(Path::new("/d/a")).unwrap(), [receipt]);
        assert_eq!(state.sent_of(Path::new("/d/b")).unwrap(), []);
    }

    #[test]
    fn every_verdict_comes_back() {
        let plain = [Proof::Composite, Proof::Parts, Proof::Length, Proof::Answer];
        for verified in plain.into_iter().chain(DigestKind::ALL.map(Proof::Whole)) {
            assert_eq!(verified_from(verified_text(verified)), Some(verified));
        }
        assert_eq!(verified_from("everything"), None);
    }
}
