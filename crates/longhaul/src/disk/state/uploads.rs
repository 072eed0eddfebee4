//! Journals of uploads: in the state directory, since the other end is no folder of ours.
//!
//! ```text
//! uploads/KEY.lhlog     the journal; while it is there, something may be left in the store
//! uploads/KEY.lock      locked while a process works on it
//! ```
//!
//! KEY is a hash of the source's canonical path, the destination and the endpoint: the same command again finds its
//! journal. Together these journals are the ledger: what was begun in a store and is neither finished nor removed.

use super::state_dir::{Skipped, StateDir};
use crate::disk::beside::journal_file::{JournalFile, LEN_MAX, OnDisk};
use crate::disk::beside::lock::{LockFile, Locking};
use crate::disk::beside::names::{FileNames, is_log};
use crate::disk::beside::place::Place;
use crate::disk::error::Result;
use crate::disk::folder::read_expecting;
use crate::hex::hex;
use longhaul_core::download::journal::Problem;
use longhaul_core::upload::journal::{self, Attempt, Intent, Record, Recovered};
use longhaul_core::upload::step::FoundJournal;
use sha2::Digest as _;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// How many files of the folder are looked at.
const FILES_MAX: usize = 100_000;

/// The journal of one upload.
pub(crate) type UploadJournal = JournalFile<Record>;

impl From<OnDisk<Recovered>> for FoundJournal {
    fn from(found: OnDisk<Recovered>) -> Self {
        match found {
            OnDisk::Absent => Self::Absent,
            OnDisk::Read(recovered) => Self::Read(Box::new(recovered)),
            OnDisk::SetAside(problem) => Self::SetAside(problem),
        }
    }
}

/// Names the files of one upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UploadKey(String);

impl UploadKey {
    /// Of a source (its canonical path), a destination and an endpoint.
    pub(crate) fn of(path: &Path, destination: &str, endpoint: &str) -> Self {
        let mut hash = sha2::Sha256::new();
        for part in [path.as_os_str().as_bytes(), destination.as_bytes(), endpoint.as_bytes()] {
            hash.update((part.len() as u64).to_le_bytes()); // so that no two triples run together
            hash.update(part);
        }
        Self(hex(&hash.finalize()[..16]))
    }

    /// Of what a journal is of.
    pub(crate) fn of_intent(intent: &Intent) -> Self {
        Self::of(Path::new(OsStr::from_bytes(&intent.path)), &intent.destination, &intent.endpoint)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the store refused at once: then no upload was begun that could go on, or has to be removed or settled.
pub(crate) fn is_barren(upload: &Recovered) -> bool {
    upload.attempts.iter().all(|attempt| attempt.aborted)
}

/// What an attempt's acknowledged parts hold.
pub(crate) fn stored(attempt: &Attempt) -> u64 {
    let part_len = |number: u32| {
        let start = u64::from(number.saturating_sub(1)).saturating_mul(attempt.part_len);
        attempt.facts.len.saturating_sub(start).min(attempt.part_len)
    };
    attempt.parts.iter().map(|part| part_len(part.number)).sum()
}

impl StateDir {
    /// Where the files of an upload are.
    pub(crate) fn upload_place(&self, key: &UploadKey) -> Result<Arc<Place>> {
        Ok(Arc::new(Place::new(self.uploads.clone(), OsStr::new(key.as_str()))?))
    }

    /// Whether a process works on an upload; its lock is tried for a moment, shared.
    pub(crate) fn is_uploading(&self, key: &UploadKey) -> bool {
        FileNames::of(OsStr::new(key.as_str())).is_some_and(|names| LockFile::is_held(&self.uploads, &names.lock()))
    }

    /// The journal of an upload, without touching it; `None` when there is none or it cannot be used.
    pub(crate) fn upload(&self, key: &UploadKey) -> Result<Option<Recovered>> {
        let Some(names) = FileNames::of(OsStr::new(key.as_str())) else { return Ok(None) };
        self.read_upload(&names.log()).map(|found| found.and_then(std::result::Result::ok))
    }

    /// When the journal of an upload was last written: nanoseconds since the Unix epoch.
    pub(crate) fn upload_written_ns(&self, key: &UploadKey) -> Option<i64> {
        let names = FileNames::of(OsStr::new(key.as_str()))?;
        self.uploads.look(&names.log()).ok()?.map(|entry| entry.facts.mtime_ns)
    }

    /// Removes the journal of an upload; false when a process works on it.
    pub(crate) fn forget_upload(&self, key: &UploadKey) -> Result<bool> {
        let place = self.upload_place(key)?;
        let _lock = match LockFile::acquire(&place.folder, &place.names.lock(), Locking::IfPossible) {
            Err(error) if error.fault() == longhaul_core::words::DiskFault::InUse => return Ok(false),
            lock => lock?,
        };
        place.folder.remove_own(&place.names.log())?;
        Ok(true)
    }

    /// All journals of uploads that can be read, and what had to be skipped.
    pub(crate) fn uploads(&self) -> Result<(Vec<Recovered>, Vec<Skipped>)> {
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        let mut names: Vec<OsString> = self.uploads.list(FILES_MAX)?.into_iter().filter(|name| is_log(name)).collect();
        names.sort();
        for name in names {
            let path = self.uploads.path_of(&name);
            match self.read_upload(&name) {
                Ok(None) => {} // finished meanwhile
                Ok(Some(Ok(recovered))) => {
                    let key = UploadKey::of_intent(&recovered.intent);
                    match FileNames::of(OsStr::new(key.as_str())).filter(|names| names.log() == name) {
                        Some(_) => found.push(recovered),
                        None => {
                            skipped.push(Skipped { path, why: "it is of another upload than its name says".into() })
                        }
                    }
                }
                Ok(Some(Err(problem))) => skipped.push(Skipped { path, why: problem.to_string() }),
                Err(error) => skipped.push(Skipped { path, why: error.to_string() }),
            }
        }
        Ok((found, skipped))
    }

    fn read_upload(&self, name: &OsStr) -> Result<Option<std::result::Result<Recovered, Problem>>> {
        let Some((file, entry)) = self.uploads.open_own_seen(name, false)? else { return Ok(None) };
        let bytes = read_expecting(&file, entry.facts.len, LEN_MAX + 1).unwrap_or_default();
        if bytes.len() as u64 > LEN_MAX {
            return Ok(Some(Err(Problem::Damaged)));
        }
        Ok(Some(journal::decode(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn intent(path: &str) -> Intent {
        let (path, destination) = (path.as_bytes().to_vec(), "oss://b/k".to_owned());
        Intent { id: [7; 16], path, destination, endpoint: "http://e".into(), ..Intent::default() }
    }

    fn append(state: &StateDir, intent: &Intent) -> UploadJournal {
        let place = state.upload_place(&UploadKey::of_intent(intent)).unwrap();
        let (mut journal, _) = UploadJournal::open(place, false).unwrap();
        journal.append(&[Record::Intent(intent.clone())], true).unwrap();
        journal
    }

    #[test]
    fn a_journal_is_found_by_what_it_is_of() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (a, b) = (intent("/a"), intent("/b"));
        let _journals = [append(&state, &a), append(&state, &b)];
        assert_eq!(state.upload(&UploadKey::of_intent(&a)).unwrap().unwrap().intent, a);
        assert_eq!(state.upload(&UploadKey::of(Path::new("/a"), "oss://b/k", "http://other")).unwrap(), None);
        let folder = dir.path().join("uploads");
        for entry in std::fs::read_dir(&folder).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(folder.join("0.lhlog"), b"nonsense").unwrap();
        let names = FileNames::of(OsStr::new(UploadKey::of_intent(&a).as_str())).unwrap();
        std::fs::copy(folder.join(names.log()), folder.join("moved.lhlog")).unwrap();
        let (found, skipped) = state.uploads().unwrap();
        let mut paths: Vec<_> = found.into_iter().map(|r| r.intent.path).collect();
        paths.sort();
        assert_eq!((paths, skipped.len()), (vec![b"/a".to_vec(), b"/b".to_vec()], 2));
    }

    #[test]
    fn no_two_triples_share_a_key() {
        let keys = [("/a", "b", "c"), ("/ab", "", "c"), ("/a", "bc", ""), ("/", "ab", "c"), ("/abc", "", "")];
        let keys: std::collections::HashSet<_> = keys.map(|(a, b, c)| UploadKey::of(Path::new(a), b, c)).into();
        assert_eq!(keys.len(), 5);
    }

    #[test]
    fn a_journal_of_a_download_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let key = UploadKey::of_intent(&intent("/a"));
        let place = state.upload_place(&key).unwrap();
        std::fs::write(place.folder.path_of(&place.names.log()), longhaul_core::download::journal::header()).unwrap();
        let (_, found) = UploadJournal::open(place, false).unwrap();
        assert!(matches!(found, OnDisk::SetAside(Problem::OtherKind(1))), "{found:?}");
        assert!(!state.is_uploading(&key));
        assert_eq!(state.upload(&key).unwrap(), None);
    }
}
