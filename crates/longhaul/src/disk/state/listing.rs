//! The list of transfers: a note about each, for `list`, `show` and commands that take an id.
//!
//! A note says where to look; what is true is in the journal beside the target. It holds no secret: the source is
//! stored as a [`Source`](crate::source::Source) shows it.
//!
//! A note lies under the hash of what it is of: the target of a download; source, destination and endpoint of an
//! upload. So two notes are never of one file, a transfer takes the place of an older one of the same file, and the note
//! of a file is found without reading the others.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use longhaul_core::download::journal::Source;
use longhaul_core::upload::journal::Intent;
use serde::{Deserialize, Serialize};

use super::state_dir::{Skipped, StateDir, StoredPath};
use super::uploads::UploadKey;
use crate::disk::error::Result;

/// What kind of transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// From a source to a local file.
    Download,
    /// From a local file to a store.
    Upload,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// How it was when the note was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// A process worked on it (whether it still does, its lock tells).
    Running,
    /// Stopped on request.
    Paused,
    /// Waits for a new link.
    NeedsLink,
    /// Waits for header values that were not stored.
    NeedsHeaders,
    /// Waits for credentials.
    NeedsCredentials,
    /// Stopped by an error; what is held is kept.
    Failed,
    /// Finished.
    Done,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TransferNote {
    /// 32 hexadecimal digits, the same as in the journal.
    pub(crate) id: String,
    /// What kind.
    pub(crate) kind: Kind,
    /// The local file: the target of a download, the source of an upload; absolute.
    pub(crate) path: StoredPath,
    /// The other end, redacted.
    pub(crate) source: String,
    /// How it was.
    pub(crate) state: State,
    /// Bytes held (downloads) or stored (uploads).
    pub(crate) held: u64,
    /// Bytes in all, when known.
    #[serde(default)]
    pub(crate) total: Option<u64>,
    /// When this was written: milliseconds since the Unix epoch.
    pub(crate) updated_ms: u64,
    /// Secret parts of the link were left out.
    #[serde(default)]
    pub(crate) needs_link: bool,
    /// Header values were left out.
    #[serde(default)]
    pub(crate) needs_headers: bool,
    /// One line about the last error, without secrets.
    #[serde(default)]
    pub(crate) error: Option<String>,
    /// The endpoint of an upload, which is part of what names its journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// Which bytes of the source, when not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
}

impl TransferNote {
    /// A download that is not in the list, as its journal tells of it: of when is not known.
    pub(crate) fn of_download(source: &Source, target: &Path, range: Option<String>) -> Self {
        Self {
            id: id_text(source.id),
            kind: Kind::Download,
            path: target.into(),
            source: source.url.clone(),
            state: State::Running,
            held: 0,
            total: None,
            updated_ms: 0,
            needs_link: source.needs_link,
            needs_headers: source.needs_headers,
            error: None,
            endpoint: None,
            range,
        }
    }

    /// An upload that is at work, as its journal begins.
    pub(crate) fn of_upload(intent: &Intent) -> Self {
        Self {
            id: id_text(intent.id),
            kind: Kind::Upload,
            path: Path::new(OsStr::from_bytes(&intent.path)).into(),
            source: intent.destination.clone(),
            state: State::Running,
            held: 0,
            total: None,
            updated_ms: 0,
            needs_link: false,
            needs_headers: false,
            error: None,
            endpoint: Some(intent.endpoint.clone()),
            range: None,
        }
    }
}

/// The id as it is written in file names and commands.
pub(crate) fn id_text(id: [u8; 16]) -> String {
    crate::hex::hex(&id)
}

/// The id that an [`id_text`] was made of.
pub(crate) fn id_of(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().filter(|_| is_id(text)).map(u128::to_be_bytes)
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Names the note of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoteKey(String);

impl NoteKey {
    /// Of a download to this file (its absolute path).
    pub(crate) fn of_target(path: &Path) -> Self {
        Self(super::receipt::name_of(path))
    }

    /// Of an upload.
    pub(crate) fn of_upload(key: &UploadKey) -> Self {
        Self(key.as_str().to_owned())
    }
}

impl TransferNote {
    /// Under which name it lies; `None` when its path is damaged.
    pub(crate) fn key(&self) -> Option<NoteKey> {
        let path = self.path.to_path()?;
        Some(match self.kind {
            Kind::Upload => {
                NoteKey::of_upload(&UploadKey::of(&path, &self.source, self.endpoint.as_deref().unwrap_or_default()))
            }
            Kind::Download | Kind::Unknown => NoteKey::of_target(&path),
        })
    }
}

impl StateDir {
    /// Writes a note, replacing the one of the same file. Not synced: the list may be a moment old after a power cut.
    pub(crate) fn put_transfer(&self, note: &TransferNote) -> Result<()> {
        let key = note.key().filter(|_| is_id(&note.id));
        key.map_or(Ok(()), |key| self.transfers.put(&key.0, note, false))
    }

    /// The note of a file; `None` when there is none or it is damaged.
    pub(crate) fn transfer(&self, key: &NoteKey) -> Result<Option<TransferNote>> {
        let found = self.transfers.get::<TransferNote>(&key.0)?;
        Ok(found.and_then(std::result::Result::ok).filter(|note| is_sound(note, &key.0)))
    }

    /// All notes, by name, and the files that were skipped. A note that lies under the name of another file is one of
    /// those.
    pub(crate) fn transfers(&self) -> Result<(Vec<TransferNote>, Vec<Skipped>)> {
        let (found, mut skipped) = self.transfers.all::<TransferNote>()?;
        let mut notes = Vec::with_capacity(found.len());
        for (name, note) in found {
            if is_sound(&note, &name) {
                notes.push(note);
            } else {
                let why = "it is of another transfer than its name says".into();
                skipped.push(Skipped { path: format!("{name}.json").into(), why });
            }
        }
        Ok((notes, skipped))
    }

    /// The note of the transfer with this id. Reads notes until it is found: they lie under other names.
    pub(crate) fn transfer_with_id(&self, id: &str) -> Result<Option<TransferNote>> {
        if !is_id(id) {
            return Ok(None);
        }
        Ok(self.transfers()?.0.into_iter().find(|note| note.id == id))
    }

    /// Removes the note of a file; whether there was one.
    pub(crate) fn remove_transfer(&self, key: &NoteKey) -> Result<bool> {
        self.transfers.remove(&key.0)
    }

    /// Removes what processes left that died while writing, if it is older than this (nanoseconds since the epoch).
    pub(crate) fn sweep(&self, before_ns: i64) -> Result<()> {
        self.transfers.sweep(before_ns)?;
        self.receipts.sweep(before_ns)?;
        self.wishes.sweep(before_ns)?;
        self.sent.sweep(before_ns)
    }
}

/// Whether a note may lie under this name, and has an id.
fn is_sound(note: &TransferNote, name: &str) -> bool {
    is_id(&note.id) && note.key().is_some_and(|key| key.0 == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn note(id: u8) -> TransferNote {
        TransferNote {
            id: id_text([id; 16]),
            kind: Kind::Download,
            path: Path::new("/data/x.iso").into(),
            source: "https://h/x.iso".into(),
            state: State::Running,
            held: 10,
            total: Some(100),
            updated_ms: 1_700_000_000_000,
            needs_link: true,
            needs_headers: false,
            error: None,
            endpoint: None,
            range: None,
        }
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        (dir, state)
    }

    #[test]
    fn a_file_has_one_note() {
        let (_dir, state) = state();
        let other = TransferNote { path: Path::new("/data/y.iso").into(), ..note(2) };
        state.put_transfer(&note(1)).unwrap();
        state.put_transfer(&other).unwrap();
        let later = TransferNote { state: State::Paused, ..note(3) };
        state.put_transfer(&later).unwrap();
        let key = later.key().unwrap();
        assert_eq!(key, NoteKey::of_target(Path::new("/data/x.iso")));
        assert_eq!(state.transfer(&key).unwrap(), Some(later.clone()));
        let (mut notes, skipped) = state.transfers().unwrap();
        notes.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!((notes, skipped.len()), (vec![other.clone(), later], 0));
        assert_eq!(state.transfer_with_id(&note(1).id).unwrap(), None, "its file is another transfer's by now");
        assert!(state.transfer_with_id(&note(3).id).unwrap().is_some());
        assert!(state.remove_transfer(&key).unwrap() && !state.remove_transfer(&key).unwrap());
        assert_eq!(state.transfers().unwrap().0, [other]);
    }

    #[test]
    fn of_one_source_each_upload_has_a_note() {
        let (_dir, state) = state();
        let upload = |to: &str| TransferNote {
            kind: Kind::Upload,
            source: to.into(),
            endpoint: Some("https://h".into()),
            ..note(1)
        };
        for note in [upload("oss://b/1"), upload("oss://b/2"), note(2)] {
            state.put_transfer(&note).unwrap();
        }
        assert_eq!(state.transfers().unwrap().0.len(), 3);
    }

    #[test]
    fn what_a_newer_version_wrote_is_still_listed() {
        let (dir, state) = state();
        let (id, key) = (id_text([3; 16]), NoteKey::of_target(Path::new("/x")));
        let json = format!(
            r#"{{"id":"{id}","kind":"mirror","path":"/x","source":"s","state":"dreaming","held":1,"updated_ms":2,"new":{{}}}}"#
        );
        std::fs::write(dir.path().join("transfers").join(format!("{}.json", key.0)), json).unwrap();
        let note = state.transfer(&key).unwrap().unwrap();
        assert_eq!((note.kind, note.state, note.total), (Kind::Unknown, State::Unknown, None));
    }

    #[test]
    fn a_note_without_an_id_or_under_another_name_is_none() {
        let (dir, state) = state();
        let key = note(1).key().unwrap();
        for id in ["../receipts/x", "", "ABCDEF", "0123456789abcdef0123456789abcde/"] {
            state.put_transfer(&TransferNote { id: id.into(), ..note(1) }).unwrap();
            assert_eq!(state.transfer(&key).unwrap(), None);
        }
        std::fs::write(dir.path().join("transfers/odd.json"), serde_json::to_vec(&note(1)).unwrap()).unwrap();
        let (notes, skipped) = state.transfers().unwrap();
        assert_eq!((notes.len(), skipped.len()), (0, 1));
    }
}
