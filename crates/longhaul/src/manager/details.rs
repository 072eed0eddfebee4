//! What an entry is beside what the queue decides by: recorded with it, and of no weight in what runs next.

use std::path::PathBuf;
use std::sync::Arc;

use longhaul_core::queue::step as core;

use super::entry::{Finish, Gid, Options, Reason};
use crate::transfer::TransferKind;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) gid: Gid,
    pub(crate) kind: TransferKind,
    /// As they are shown, best first.
    pub(crate) sources: Vec<String>,
    /// Links have secret parts that are left out here.
    pub(crate) needs_link: bool,
    /// There are headers or passwords, which are left out here.
    pub(crate) needs_headers: bool,
    pub(crate) folder: PathBuf,
    pub(crate) name: Option<PathBuf>,
    /// No link is followed below the folder.
    pub(crate) below: bool,
    pub(crate) destination: Option<String>,
    pub(crate) lane: String,
    pub(crate) tags: Vec<String>,
    pub(crate) options: Options,
    pub(crate) added_ms: u64,
    pub(crate) started_ms: Option<u64>,
    pub(crate) ended_ms: Option<u64>,
    pub(crate) attempts: u32,
    /// What its last run ended with, where that was no good end.
    pub(crate) reason: Option<Reason>,
    pub(crate) finish: Option<Finish>,
    /// So far it was when its last run ended: a hint, the journal knows.
    pub(crate) held: u64,
    pub(crate) total: Option<u64>,
    /// The id of the transfer that lies at the target, once one began.
    pub(crate) transfer: Option<String>,
    pub(crate) rev: u64,
}

impl Details {
    /// The file: the target of a download once its name is known, the source of an upload.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.name.as_ref().map(|name| self.folder.join(name))
    }

    /// What it is called in messages.
    pub(crate) fn shown(&self) -> &str {
        let first = self.sources.first().map(String::as_str);
        self.destination.as_deref().or(first).unwrap_or_default()
    }
}

/// What the list says of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// What the queue decides by. Its lane, host and volume are numbers of one program, and not recorded.
    pub(crate) entry: core::Entry,
    pub(crate) details: Arc<Details>,
}
