//! One entry of the list, as readers see it: what is to be transferred, what is wanted of it, and where it stands.

use std::fmt;
use std::path::PathBuf;

pub use longhaul_core::queue::step::{Delay, EntryId, Need};

pub use crate::client::Existing;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Outcome, Progress};
use crate::transfer::TransferKind;

/// The second name of an entry, in aria2's RPC: 64 bits, shown as 16 hexadecimal digits. It is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gid(pub u64);

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is to be transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name of the entry and of its transfer: 32 hexadecimal digits when shown.
    pub id: EntryId,
    /// Its name in aria2's RPC.
    pub gid: Gid,
    /// Which way the bytes go.
    pub kind: TransferKind,
    /// Where from, best first: links without their secret parts, or names in stores. Of an upload: one, the file.
    pub sources: Vec<String>,
    /// Of a download: the folder that it is saved in. Of an upload: that of the file.
    pub folder: PathBuf,
    /// The file's name in that folder (it may lie in sub-folders); `None` while a server may still choose it.
    pub name: Option<PathBuf>,
    /// Of an upload: `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub destination: Option<String>,
    /// Which lane's limits count for it.
    pub lane: String,
    /// Words of its owner.
    pub tags: Vec<String>,
    /// Its place: entries with a lower one come first.
    pub rank: i64,
    /// Where it stands.
    pub state: State,
    /// How it is transferred.
    pub options: Options,
    /// When it was added, in milliseconds since 1970.
    pub added_ms: u64,
    /// When its last run started.
    pub started_ms: Option<u64>,
    /// When it was done, failed or was cancelled.
    pub ended_ms: Option<u64>,
    /// How many runs it has had.
    pub attempts: u32,
    /// How far it is. After a restart: as far as its journal said when it was looked at.
    pub progress: Progress,
    /// Rises with every change of the entry, of the whole list's counter.
    pub rev: u64,
}

impl Entry {
    /// The file: the target of a download once its name is known, the source of an upload.
    pub fn path(&self) -> Option<PathBuf> {
        self.name.as_ref().map(|name| self.folder.join(name))
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It does not run before it is released.
    Held,
    /// It runs.
    Running,
    /// It was told to stop, and does so in order.
    Stopping,
    /// It waits for a moment, or for what ends the wait before.
    Later {
        /// What for.
        why: Delay,
        /// The moment, in milliseconds since 1970.
        until_ms: u64,
        /// What its last run ended with.
        reason: Reason,
    },
    /// It waits for a person.
    Needs {
        /// What has to be brought.
        what: Need,
        /// What its last run ended with.
        reason: Reason,
    },
    /// It ended for good.
    Failed(Reason),
    /// It is complete.
    Done(Finish),
    /// It was given up.
    Cancelled,
}

impl State {
    /// The word for it in lists, events and the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Later { .. } => "later",
            Self::Needs { .. } => "needs",
            Self::Failed(_) => "failed",
            Self::Done(_) => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether only a request can make it run again.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Done(_) | Self::Cancelled)
    }

    /// Why it does not run, where a run told.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Later { reason, .. } | Self::Needs { reason, .. } | Self::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}

/// What a run ended with, as it is kept in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The same in a sentence, without secrets.
    pub message: String,
    /// What helps, in a sentence.
    pub advice: Option<String>,
    /// The status of the last reply, where a server refused.
    pub status: Option<u16>,
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        let advice = error.advice().map(|advice| advice.to_string());
        Self { kind: error.kind(), message: error.to_string(), advice, status: error.status() }
    }
}

/// The error as far as the list knows it.
impl From<&Reason> for Error {
    fn from(reason: &Reason) -> Self {
        Self::new(reason.kind, Disposition::Permanent, reason.message.clone()).answered(reason.status)
    }
}

/// What a run that was done has made, as it is kept in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// The file: the target of a download, the source of an upload.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// What stands behind it: [`Verified::name`](crate::Verified::name).
    pub verified: String,
    /// It stood there already, and was not transferred again.
    pub already: bool,
}

impl From<&Outcome> for Finish {
    fn from(outcome: &Outcome) -> Self {
        let verified = outcome.verified().name().to_owned();
        Self { path: outcome.path().to_owned(), bytes: outcome.bytes(), verified, already: outcome.already() }
    }
}

/// How an entry is transferred. Nothing in it is secret; `None` is the usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// So many connections from the start, 1 to 64.
    pub connections: Option<u32>,
    /// Bytes per second; 0: no limit.
    pub limit_rate: u64,
    /// Digests that the whole object must have.
    pub checksums: Vec<crate::Digest>,
    /// What is done when a file stands at the target that is not known as this one.
    pub existing: Existing,
    /// A proxy for this entry, without its password.
    pub proxy: Option<String>,
    /// The object's time becomes the file's.
    pub remote_time: bool,
    /// Slower than so many bytes a second for so many seconds is a stall.
    pub stall: Option<(u64, u64)>,
    /// Give up a download unless a digest or validator stands behind it.
    pub require_verified: bool,
}
