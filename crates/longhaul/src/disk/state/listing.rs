//! The list of transfers: a note about each, for `list`, `show` and commands that take an id.
//!
//! A note says where to look; what is true is in the journal beside the target. It holds no secret: the source is
//! stored as a [`Source`](crate::source::Source) shows it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use longhaul_core::upload::journal::Intent;
use serde::{Deserialize, Serialize};

use super::state_dir::{Skipped, StateDir, StoredPath};
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

impl StateDir {
    /// Writes a note, replacing the one with the same id. Not synced: the list may be a moment old after a power cut.
    /// An id that is none is ignored (it would name a file elsewhere).
    pub(crate) fn put_transfer(&self, note: &TransferNote) -> Result<()> {
        if is_id(&note.id) { self.transfers.put(&note.id, note, false) } else { Ok(()) }
    }

    /// The note with this id; `None` when there is none or it is damaged.
    pub(crate) fn transfer(&self, id: &str) -> Result<Option<TransferNote>> {
        if !is_id(id) {
            return Ok(None);
        }
        let found = self.transfers.get::<TransferNote>(id)?;
        Ok(found.and_then(std::result::Result::ok).filter(|note| note.id == id))
    }

    /// All notes, by id, and the files that were skipped. A note that lies under another id's name is one of those.
    pub(crate) fn transfers(&self) -> Result<(Vec<TransferNote>, Vec<Skipped>)> {
        let (found, mut skipped) = self.transfers.all::<TransferNote>()?;
        let mut notes = Vec::new();
        for (name, note) in found {
            if is_id(&name) && name == note.id {
                notes.push(note);
            } else {
                skipped.push(Skipped {
                    path: format!("{name}.json").into(),
                    why: "it has another name than its id".into(),
                });
            }
        }
        Ok((notes, skipped))
    }

    /// Removes a note; whether there was one.
    pub(crate) fn remove_transfer(&self, id: &str) -> Result<bool> {
        if is_id(id) { self.transfers.remove(id) } else { Ok(false) }
    }

    /// Removes what processes left that died while writing, if it is older than this (nanoseconds since the epoch).
    pub(crate) fn sweep(&self, before_ns: i64) -> Result<()> {
        self.transfers.sweep(before_ns)?;
        self.receipts.sweep(before_ns)?;
        self.sent.sweep(before_ns)
    }
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

    #[test]
    fn notes_are_kept_by_id() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        state.put_transfer(&note(2)).unwrap();
        state.put_transfer(&note(1)).unwrap();
        let paused = TransferNote { state: State::Paused, ..note(1) };
        state.put_transfer(&paused).unwrap();
        assert_eq!(state.transfer(&id_text([1; 16])).unwrap(), Some(paused.clone()));
        let (notes, skipped) = state.transfers().unwrap();
        assert_eq!((notes, skipped.len()), (vec![paused, note(2)], 0));
        assert!(state.remove_transfer(&id_text([1; 16])).unwrap());
        assert_eq!(state.transfers().unwrap().0, [note(2)]);
    }

    #[test]
    fn what_a_newer_version_wrote_is_still_listed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let id = id_text([3; 16]);
        let json = format!(
            r#"{{"id":"{id}","kind":"mirror","path":"/x","source":"s","state":"dreaming","held":1,"updated_ms":2,"new":{{}}}}"#
        );
        std::fs::write(dir.path().join("transfers").join(format!("{id}.json")), json).unwrap();
        let note = state.transfer(&id).unwrap().unwrap();
        assert_eq!((note.kind, note.state, note.total), (Kind::Unknown, State::Unknown, None));
    }

    #[test]
    fn an_id_never_names_a_file_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        for id in ["../receipts/x", "", "ABCDEF", "0123456789abcdef0123456789abcde/"] {
            state.put_transfer(&TransferNote { id: id.into(), ..note(1) }).unwrap();
            assert_eq!(state.transfer(id).unwrap(), None);
            assert!(!state.remove_transfer(id).unwrap());
        }
        std::fs::write(dir.path().join("transfers/odd.json"), serde_json::to_vec(&note(1)).unwrap()).unwrap();
        let (notes, skipped) = state.transfers().unwrap();
        assert_eq!((notes.len(), skipped.len()), (0, 1));
    }
}
