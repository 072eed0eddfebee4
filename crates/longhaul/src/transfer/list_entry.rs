//! The entry of a transfer in the list. It is a list, not the truth: what cannot be written is left out.
//!
//! It is written on threads, one after the other: a slow disk must not hold up the run.

use std::path::Path;
use std::sync::Arc;

use crate::disk::error::Result;
use crate::disk::state::listing::{State, TransferNote};
use crate::disk::state::state_dir::StateDir;
use crate::threads;

/// One transfer in the list. One without a journal is not listed: no start could go on with it.
pub(super) struct ListEntry {
    dir: Option<Arc<StateDir>>,
    /// What stays the same.
    note: TransferNote,
    /// The local file is known.
    located: bool,
    /// There is a journal.
    resumable: bool,
    /// An entry may be there, of this process or one before.
    written: bool,
    /// What is being written: at most a few, since a run writes at its begin only.
    writing: threads::InOrder,
}

impl ListEntry {
    pub(super) fn new(dir: Option<Arc<StateDir>>, note: TransferNote) -> Self {
        Self { dir, note, located: false, resumable: false, written: false, writing: threads::InOrder::default() }
    }

    pub(super) fn id(&self) -> &str {
        &self.note.id
    }

    /// The local file is known.
    pub(super) fn set_path(&mut self, path: &Path) {
        (self.note.path, self.located) = (path.into(), true);
    }

    /// There is a journal, of this run or of one before; the one that began it wrote the entry, or this one will.
    pub(super) fn set_resumable(&mut self) {
        (self.resumable, self.written) = (true, true);
    }

    /// Writes the entry soon.
    pub(super) fn write_soon(&mut self, state: State, held: u64, total: Option<u64>, error: Option<String>) {
        if !self.resumable || !self.located {
            return;
        }
        self.written = true;
        let note = TransferNote { state, held, total, error, updated_ms: crate::now_unix_ms(), ..self.note.clone() };
        self.queue(move |dir| dir.put_transfer(&note));
    }

    /// Writes the entry; it is there when this returns.
    pub(super) async fn write(&mut self, state: State, held: u64, total: Option<u64>, error: Option<String>) {
        self.write_soon(state, held, total, error);
        self.writing.done().await;
    }

    /// Removes the entry, also one that another transfer of the same file left; it is gone when this returns.
    pub(super) async fn remove(&mut self) {
        let may_be_there = self.written || self.located && self.dir.as_ref().is_some_and(|dir| dir.had_notes());
        if let Some(key) = self.note.key().filter(|_| may_be_there) {
            self.queue(move |dir| dir.remove_transfer(&key).map(drop));
        }
        self.writing.done().await;
    }

    fn queue(&mut self, change: impl FnOnce(&StateDir) -> Result<()> + Send + 'static) {
        let Some(dir) = self.dir.clone() else { return };
        self.writing.add(move || {
            if let Err(error) = change(&dir) {
                tracing::info!("the list of transfers could not be written: {error}");
            }
        });
    }
}
