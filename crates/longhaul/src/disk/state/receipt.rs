//! Receipts of finished files: what the file at a path is, so that the same command again needs one conditional
//! request, and `verify` and `repair` know every block.
//!
//! A receipt speaks of one absolute path and lies under the hash of it, or, of a small file, in the log of those. It is
//! believed only while it fits the file ([`is_of`]). Even then it is no proof that the server still has this version:
//! the server is asked with the receipt's validators.

use super::receipt_log::LINE_LEN_MAX;
use super::state_dir::{Skipped, StateDir, StoredPath};
use crate::disk::crc::RunningCrc;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::Folder;
use crate::disk::group::{Volume, Volumes};
use crate::disk::platform;
use crate::hex::hex;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::resume::{EARLY_RECEIPT_MAX, Fit, fit};
use longhaul_core::download::step::{self, Verified};
use longhaul_core::identity::Identity;
use longhaul_core::window::Window;
use longhaul_core::words::{Extent, FileFacts};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A receipt: the core's, with the path and source it speaks of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReceiptFile {
    /// The file: absolute.
    pub(crate) path: PathBuf,
    /// Where it came from, redacted.
    pub(crate) source: String,
    /// Which bytes of it.
    pub(crate) range: Window,
    /// What it is. Its `facts` have no change time: that does not outlive a rename.
    pub(crate) of: step::Receipt,
    /// When it was written: milliseconds since the Unix epoch.
    pub(crate) finished_ms: u64,
}

/// Whether a receipt speaks of what stands at this name now, whose facts are these. The bytes of a small file are read
/// where the facts alone do not tell (the core's [`fit`]); one that cannot be read does not fit.
pub(crate) fn is_of(receipt: &ReceiptFile, facts: &FileFacts, folder: &Folder, name: &OsStr) -> bool {
    if receipt.of.length != facts.len {
        return false;
    }
    match fit(&receipt.of.facts, facts) {
        Fit::Fits => true,
        Fit::IfBytesMatch => bytes_match(&receipt.of.extents, facts.len, folder, name).unwrap_or(false),
        Fit::Not => false,
    }
}

/// Whether these extents cover `len` bytes without a gap and have the CRCs of the file's bytes.
fn bytes_match(extents: &[Extent], len: u64, folder: &Folder, name: &OsStr) -> Result<bool> {
    let Some(bytes) = folder.read_small(name, len.min(EARLY_RECEIPT_MAX))? else { return Ok(false) };
    let mut rest = bytes.as_slice();
    for extent in extents {
        let at = (bytes.len() - rest.len()) as u64;
        let Some((piece, behind)) = usize::try_from(extent.len).ok().and_then(|len| rest.split_at_checked(len)) else {
            return Ok(false);
        };
        let mut crc = RunningCrc::new();
        crc.update(piece);
        if extent.start != at || crc.value() != extent.crc {
            return Ok(false);
        }
        rest = behind;
    }
    Ok(rest.is_empty() && bytes.len() as u64 == len)
}

impl StateDir {
    /// Writes the receipt of a path, replacing an older one. With `durable` it survives a power cut.
    pub(crate) fn put_receipt(&self, receipt: &ReceiptFile, durable: bool) -> Result<()> {
        match self.append_receipt(receipt)? {
            Some(log) if durable => {
                platform::sync_data(&log).map_err(|e| DiskError::io("sync the receipt of", &receipt.path, e))
            }
            Some(_) => Ok(()),
            None => self.receipts.put(&name_of(&receipt.path), &ReceiptJson::from(receipt), durable),
        }
    }

    /// Where syncs of the log of receipts are asked for.
    pub(crate) fn receipt_volume(&self, volumes: &Volumes) -> Arc<Volume> {
        self.receipt_log.folder().volume(volumes)
    }

    /// Writes the receipt of a small file; it survives a power cut after a sync of the log, which is returned. `None`
    /// when it is none that belongs there.
    pub(crate) fn append_receipt(&self, receipt: &ReceiptFile) -> Result<Option<Arc<File>>> {
        if receipt.of.length > EARLY_RECEIPT_MAX {
            return Ok(None);
        }
        let failed = |e: serde_json::Error| DiskError::io("write the receipt of", &receipt.path, e);
        let json = serde_json::to_vec(&ReceiptJson::from(receipt)).map_err(failed)?;
        if json.len() > LINE_LEN_MAX / 2 {
            return Ok(None);
        }
        self.receipt_log.append(&json).map(Some)
    }

    /// The receipt of a path (absolute, as it was written); `None` when there is none, or it is damaged or of another
    /// path.
    pub(crate) fn receipt(&self, path: &Path) -> Result<Option<ReceiptFile>> {
        let alone = self.receipts.get::<ReceiptJson>(&name_of(path))?.and_then(std::result::Result::ok);
        // A log that cannot be read must not hide what lies beside it.
        let logged = self.receipt_log.get(path).ok().flatten().and_then(|json| serde_json::from_slice(&json).ok());
        let both = [alone, logged].into_iter().flatten().filter_map(ReceiptJson::into_receipt);
        Ok(both.filter(|receipt| receipt.path == path).max_by_key(|receipt| receipt.finished_ms))
    }

    /// Tells the receipts that have a file of their own, one by one; the files that were skipped.
    pub(crate) fn each_large_receipt(&self, mut tell: impl FnMut(ReceiptFile)) -> Result<Vec<Skipped>> {
        let (found, mut skipped) = self.receipts.all::<ReceiptJson>()?;
        for (name, stored) in found {
            match stored.into_receipt().filter(|receipt| name_of(&receipt.path) == name) {
                Some(receipt) => tell(receipt),
                None => {
                    skipped.push(Skipped { path: format!("{name}.json").into(), why: "its values are damaged".into() })
                }
            }
        }
        Ok(skipped)
    }

    /// Reads what was written of small files since the last time.
    pub(crate) fn read_small_receipts(&self) -> Result<()> {
        self.receipt_log.read()
    }

    /// Paths in this folder at which small files of these bytes of `source` may be. Their receipts say whether they are.
    pub(crate) fn small_files_perhaps_of(&self, folder: &Path, source: &str, range: &Window) -> Result<Vec<PathBuf>> {
        self.receipt_log.perhaps_of(folder, source, range)
    }

    /// Whether no small file of these bytes of `source` was saved in the folder, as far as receipts were read. False
    /// where that cannot be told at once.
    pub(crate) fn knows_of_no_small_file_of(&self, folder: &Path, source: &str, range: &Window) -> bool {
        self.receipt_log.knows_of_none(folder, source, range)
    }
}

/// Under which name what is kept of a file lies.
pub(super) fn name_of(path: &Path) -> String {
    hex(&sha2::Sha256::digest(path.as_os_str().as_bytes())[..16])
}

/// A receipt in JSON. Digests are `kind:hex`; CRCs are hexadecimal too, since many readers of JSON round numbers of
/// 64 bits.
#[derive(Debug, Serialize, Deserialize)]
struct ReceiptJson {
    path: StoredPath,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    length: u64,
    mtime_ns: i64,
    #[serde(default)]
    inode: u64,
    identity: StoredIdentity,
    verified: String,
    #[serde(default)]
    digests: Vec<String>,
    #[serde(default)]
    finished_ms: u64,
    /// Start, length, CRC-64/XZ.
    #[serde(default)]
    blocks: Vec<(u64, u64, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredIdentity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<i64>,
    #[serde(default)]
    modified_is_old: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<String>,
    #[serde(default)]
    digests: Vec<String>,
    #[serde(default)]
    html: bool,
    #[serde(default)]
    distrusted: bool,
}

impl From<&ReceiptFile> for ReceiptJson {
    fn from(receipt: &ReceiptFile) -> Self {
        let texts = |digests: &[Digest]| digests.iter().map(Digest::to_string).collect();
        let (of, identity) = (&receipt.of, &receipt.of.identity);
        Self {
            path: receipt.path.as_path().into(),
            source: receipt.source.clone(),
            range: (!receipt.range.is_whole()).then(|| receipt.range.to_string()),
            length: of.length,
            mtime_ns: of.facts.mtime_ns,
            inode: of.facts.inode,
            identity: StoredIdentity {
                version: identity.version.clone(),
                etag: identity.etag.clone(),
                modified: identity.modified,
                modified_is_old: identity.modified_is_old,
                length: identity.length,
                of: identity.of,
                encoding: identity.encoding.clone(),
                digests: texts(&identity.digests),
                html: identity.html,
                distrusted: identity.distrusted,
            },
            verified: verified_text(of.verified).into(),
            digests: texts(&of.digests),
            finished_ms: receipt.finished_ms,
            blocks: of.extents.iter().map(|e| (e.start, e.len, format!("{:016x}", e.crc))).collect(),
        }
    }
}

impl ReceiptJson {
    /// `None` when a value is damaged. Digests of unknown kinds (a newer version's) are left out.
    fn into_receipt(self) -> Option<ReceiptFile> {
        let extent = |(start, len, crc): &(u64, u64, String)| {
            let sane = *len > 0 && start.checked_add(*len).is_some_and(|end| end <= self.length);
            let crc = u64::from_str_radix(crc, 16).ok()?;
            sane.then_some(Extent { start: *start, len: *len, crc })
        };
        let digests = |texts: &[String]| texts.iter().filter_map(|text| digest_from(text)).collect();
        let identity = Identity {
            digests: digests(&self.identity.digests),
            version: self.identity.version,
            etag: self.identity.etag,
            modified: self.identity.modified,
            modified_is_old: self.identity.modified_is_old,
            length: self.identity.length,
            of: self.identity.of,
            encoding: self.identity.encoding,
            html: self.identity.html,
            distrusted: self.identity.distrusted,
        };
        Some(ReceiptFile {
            path: self.path.to_path()?,
            of: step::Receipt {
                length: self.length,
                identity,
                verified: verified_from(&self.verified)?,
                digests: digests(&self.digests),
                facts: FileFacts { len: self.length, inode: self.inode, mtime_ns: self.mtime_ns, ctime_ns: 0 },
                extents: self.blocks.iter().map(extent).collect::<Option<_>>()?,
            },
            source: self.source,
            range: self.range.map_or(Some(Window::default()), |range| Window::parse(&range).ok())?,
            finished_ms: self.finished_ms,
        })
    }
}

pub(super) fn digest_from(text: &str) -> Option<Digest> {
    let (kind, hex) = text.split_once(':')?;
    Digest::from_hex(DigestKind::from_name(kind)?, hex)
}

/// What was verified, in the words of summaries and events.
pub(crate) fn verified_text(verified: Verified) -> &'static str {
    match verified {
        Verified::Digest(kind) => kind.name(),
        Verified::Validator => "validator",
        Verified::Samples => "samples",
        Verified::Length => "length only",
        Verified::Nothing => "nothing",
    }
}

fn verified_from(text: &str) -> Option<Verified> {
    match text {
        "validator" => Some(Verified::Validator),
        "samples" => Some(Verified::Samples),
        "length only" => Some(Verified::Length),
        "nothing" => Some(Verified::Nothing),
        name => DigestKind::from_name(name).map(Verified::Digest),
    }
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(json: &[u8]) {
    let _ = serde_json::from_slice::<ReceiptJson>(json).ok().and_then(ReceiptJson::into_receipt);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::crc::crc64;

    fn receipt(path: &str) -> ReceiptFile {
        let digest = |kind: DigestKind| Digest::new(kind, vec![0xab; kind.len()]).unwrap();
        ReceiptFile {
            path: path.into(),
            source: "https://h/x".into(),
            range: Window::parse("5-,-9").unwrap(),
            finished_ms: 5,
            of: step::Receipt {
                length: 30,
                identity: Identity {
                    etag: Some("\"a\"".into()),
                    length: Some(30),
                    of: Some(100),
                    modified: Some(-1),
                    digests: vec![digest(DigestKind::Crc64)],
                    ..Identity::default()
                },
                verified: Verified::Digest(DigestKind::Sha256),
                digests: DigestKind::ALL.map(digest).to_vec(),
                facts: FileFacts { len: 30, inode: u64::MAX, mtime_ns: 1_700_000_000_123_456_789, ctime_ns: 0 },
                extents: vec![Extent { start: 0, len: 20, crc: u64::MAX }, Extent { start: 20, len: 10, crc: 1 }],
            },
        }
    }

    #[test]
    fn a_receipt_is_found_by_its_path_and_comes_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        for durable in [false, true] {
            state.put_receipt(&receipt("/d/a"), durable).unwrap();
            state.put_receipt(&receipt("/d/b"), durable).unwrap();
        }
        assert_eq!(state.receipt(Path::new("/d/a")).unwrap(), Some(receipt("/d/a")));
        assert_eq!(state.receipt(Path::new("/d/c")).unwrap(), None);
        let mut large = receipt("/d/a");
        (large.of.length, large.of.facts.len) = (EARLY_RECEIPT_MAX + 1, EARLY_RECEIPT_MAX + 1);
        large.finished_ms += 1;
        state.put_receipt(&large, true).unwrap();
        assert_eq!(state.receipt(Path::new("/d/a")).unwrap(), Some(large), "the newer one, wherever it lies");
    }

    #[test]
    fn every_verdict_comes_back() {
        for verified in [Verified::Validator, Verified::Length, Verified::Nothing]
            .into_iter()
            .chain(DigestKind::ALL.map(Verified::Digest))
        {
            assert_eq!(verified_from(verified_text(verified)), Some(verified));
        }
        assert_eq!(verified_from("everything"), None);
    }

    #[test]
    fn it_fits_only_the_file_it_speaks_of() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let bytes = [7_u8; 30];
        let is_of = |r: &ReceiptFile, facts: &FileFacts| is_of(r, facts, &folder, "a".as_ref());
        let mut r = receipt("/d/a");
        r.of.extents = [(0, 20), (20, 10)]
            .map(|(start, len)| Extent { start, len, crc: crc64(&bytes[start as usize..(start + len) as usize]) })
            .to_vec();
        let facts = r.of.facts;
        let moved = FileFacts { inode: 1, ..facts };
        assert!(is_of(&r, &FileFacts { ctime_ns: 9, ..facts }));
        assert!(!is_of(&r, &FileFacts { len: 29, ..facts }));
        assert!(!is_of(&r, &FileFacts { mtime_ns: facts.mtime_ns + 1, ..facts }));
        assert!(!is_of(&r, &moved), "another file, and it is not there to be read");
        std::fs::write(dir.path().join("a"), bytes).unwrap();
        assert!(is_of(&r, &moved), "a copy");
        for (at, crc) in [(0, 5), (1, 5)] {
            let mut other = r.clone();
            other.of.extents[at].crc = crc;
            assert!(!is_of(&other, &moved), "other bytes");
        }
        let mut gap = r.clone();
        gap.of.extents.pop();
        assert!(!is_of(&gap, &moved), "not all of it is vouched for");
        let large = FileFacts { len: EARLY_RECEIPT_MAX + 1, ..facts };
        (r.of.length, r.of.facts.len) = (large.len, large.len);
        assert!(is_of(&r, &FileFacts { inode: 1, ..large }), "a copy of a large one is not read");
    }

    #[test]
    fn a_receipt_under_another_paths_name_or_with_absurd_blocks_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        state.receipts.put(&name_of(Path::new("/d/b")), &ReceiptJson::from(&receipt("/d/a")), false).unwrap();
        assert_eq!(state.receipt(Path::new("/d/b")).unwrap(), None);
        let mut absurd = receipt("/d/c");
        absurd.of.extents[1].len = 11;
        state.receipts.put(&name_of(Path::new("/d/c")), &ReceiptJson::from(&absurd), false).unwrap();
        state.put_receipt(&absurd, false).unwrap();
        assert_eq!(state.receipt(Path::new("/d/c")).unwrap(), None);
        let mut receipts = Vec::new();
        let skipped = state.each_large_receipt(|receipt| receipts.push(receipt)).unwrap();
        assert_eq!((receipts.len(), skipped.len()), (0, 2));
    }
}
