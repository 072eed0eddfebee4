//! What a transfer tells while it runs, and what it ends with.

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use longhaul_core::digest::{Digest, DigestKind, DigestTextFault};
pub use longhaul_core::download::restart::Restart;
pub use longhaul_core::upload::step::Restart as UploadRestart;

/// Something happened in a transfer.
///
/// Events are for displays: one that is not read in time is dropped (the newest are kept), and no transfer waits for a
/// reader. The outcome is never lost: [`Transfer::finished`](crate::Transfer::finished) has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The length and identity of the object are known.
    Started {
        /// Where the file will be; of an upload, its source.
        path: PathBuf,
        /// Length in bytes, when the source told.
        total: Option<u64>,
        /// Whether an interruption now would be resumed instead of starting over.
        resumable: bool,
    },
    /// Bytes of an earlier run were found and are used.
    Resumed {
        /// How many bytes.
        held: u64,
        /// Length in bytes, when known.
        total: Option<u64>,
    },
    /// Bytes that another program had fetched are used from now on, until they prove to be wrong.
    Adopted {
        /// How many bytes.
        held: u64,
        /// How many its file has.
        offered: u64,
        /// Length in bytes, when known.
        total: Option<u64>,
        /// Blocks of it that are fetched as well and compared; 0 where a digest of the whole decides.
        samples: u64,
    },
    /// The state a few times a second while bytes flow.
    Progress(Progress),
    /// A request failed and will be tried again.
    Retry {
        /// Failures in a row without progress.
        failures: u32,
        /// The wait before the next try.
        delay: Duration,
        /// Why, in words.
        reason: String,
    },
    /// The server, or a proxy on the way, refused one more connection while others were served. Not a failure.
    Limited {
        /// How many are used from now on; one more is tried later.
        connections: u32,
        /// How it was refused, in words.
        reason: String,
    },
    /// Bytes that were held, or acknowledged by a store, do not count any more.
    Restarted {
        /// Why.
        reason: RestartReason,
        /// Bytes given up.
        discarded: u64,
    },
    /// A part that the store has differs from the source and is sent again.
    WrongPart {
        /// Its number, from 1.
        number: u32,
    },
    /// The answer to the request that makes the object was lost: it is found out whether it was carried out.
    Settling,
    /// An upload was given up.
    Aborted {
        /// The store confirmed that no part of it is left; otherwise it is tried again by the next start.
        clean: bool,
    },
    /// Parts of the partial file did not match their checksums and are fetched again.
    Damaged {
        /// Half-open byte ranges `(start, end)`.
        ranges: Vec<(u64, u64)>,
    },
    /// The source shows the version again that was held before.
    Returned {
        /// Bytes held of it.
        held: u64,
    },
    /// A whole-object digest matched.
    DigestMatched(Digest),
    /// Something the user should know, in words (the end of the body cannot be proven, say).
    Warning(String),
    /// The object is the version that the caller has already (`if_none_match`, `if_modified_since`): no byte is
    /// transferred, and a file at the target stays as it is. The end of the transfer follows.
    NotModified,
    /// The link is not accepted any more; a new one is asked of the [`LinkSource`](crate::LinkSource).
    NeedsLink,
    /// Paused: everything received is durable.
    Paused {
        /// Bytes held.
        held: u64,
        /// Length in bytes, when known.
        total: Option<u64>,
    },
}

impl Event {
    /// The word for it in `--json` and other interfaces: `started`, `wrong_part`, …
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Resumed { .. } => "resumed",
            Self::Adopted { .. } => "adopted",
            Self::Progress(_) => "progress",
            Self::Retry { .. } => "retry",
            Self::Limited { .. } => "limited",
            Self::Restarted { .. } => "restarted",
            Self::WrongPart { .. } => "wrong_part",
            Self::Settling => "settling",
            Self::Aborted { .. } => "aborted",
            Self::Damaged { .. } => "damaged",
            Self::Returned { .. } => "returned",
            Self::DigestMatched(_) => "verified",
            Self::Warning(_) => "warning",
            Self::NotModified => "not_modified",
            Self::NeedsLink => "needs_link",
            Self::Paused { .. } => "paused",
        }
    }
}

/// How far a transfer is. All counts are bytes of the object, not of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Received and written to the part file. Of an upload: acknowledged by the store, or handed to the network in
    /// requests under way; it goes back when such a request fails.
    pub received: u64,
    /// Of these, what a power cut cannot take any more. Of an upload: acknowledged by the store; it goes back only with
    /// an [`Event::Restarted`] or [`Event::WrongPart`] that says why.
    pub durable: u64,
    /// Of these, what was read back or received in this run and matches its checksum. Of an upload: acknowledged.
    pub verified: u64,
    /// Length of the object, when known.
    pub total: Option<u64>,
    /// Bytes per second over the last few seconds.
    pub rate: u64,
    /// Requests under way.
    pub connections: u32,
}

/// What stands behind a finished transfer, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verified {
    /// A digest of the whole object matched.
    Digest(DigestKind),
    /// An upload: the multipart ETag is the MD5 of the MD5s of what was read.
    Composite,
    /// An upload: every part's digest matched when it was stored; of the whole, only the length was told.
    Parts,
    /// A download: all bytes came under one strong validator (or in one reply that carried one).
    Validator,
    /// A download: some bytes are another program's ([`adopt`](crate::DownloadBuilder::adopt)), and samples of them were
    /// compared with the source; all others came under one strong validator.
    Samples,
    /// A download: one reply, of the length it promised. An upload: the length is right, and the store tells no digest
    /// that the bytes could be compared by.
    Length,
    /// An upload: the store said that it is stored; it could not be looked at.
    Answer,
    /// A download: one reply whose end cannot be proven.
    Nothing,
}

impl Verified {
    /// The word for it in summaries and events: `crc64`, `validator`, `length only`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Digest(kind) => kind.name(),
            Self::Composite => "composite",
            Self::Parts => "parts",
            Self::Validator => "validator",
            Self::Samples => "samples",
            Self::Length => "length only",
            Self::Answer => "answer only",
            Self::Nothing => "nothing",
        }
    }
}

impl From<longhaul_core::download::step::Verified> for Verified {
    fn from(verified: longhaul_core::download::step::Verified) -> Self {
        use longhaul_core::download::step::Verified as Core;
        match verified {
            Core::Digest(kind) => Self::Digest(kind),
            Core::Validator => Self::Validator,
            Core::Samples => Self::Samples,
            Core::Length => Self::Length,
            Core::Nothing => Self::Nothing,
        }
    }
}

impl From<longhaul_core::upload::step::Proof> for Verified {
    fn from(verified: longhaul_core::upload::step::Proof) -> Self {
        use longhaul_core::upload::step::Proof as Core;
        match verified {
            Core::Whole(kind) => Self::Digest(kind),
            Core::Composite => Self::Composite,
            Core::Parts => Self::Parts,
            Core::Length => Self::Length,
            Core::Answer => Self::Answer,
        }
    }
}

/// Why bytes do not count any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartReason {
    /// Of a download.
    Download(Restart),
    /// Of an upload.
    Upload(UploadRestart),
}

impl RestartReason {
    /// The word for it in events: `changed`, `source_changed`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Download(reason) => reason.name(),
            Self::Upload(reason) => reason.name(),
        }
    }

    /// The same in a sentence.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Download(reason) => reason.explain(),
            Self::Upload(reason) => reason.explain(),
        }
    }
}

impl From<Restart> for RestartReason {
    fn from(reason: Restart) -> Self {
        Self::Download(reason)
    }
}

impl From<UploadRestart> for RestartReason {
    fn from(reason: UploadRestart) -> Self {
        Self::Upload(reason)
    }
}

/// How a transfer ended well.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// A file is saved, or was there already.
    Downloaded(Downloaded),
    /// An object is stored, or was there already.
    Uploaded(Box<Uploaded>),
    /// A download: the object is the version that the caller has already, by the conditions that were given. No byte
    /// was fetched, and a file at the target stays as it was.
    NotModified(NotModified),
}

/// What a download has saved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The finished file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// What was verified.
    pub verified: Verified,
    /// Digests that were computed and matched.
    pub digests: Vec<Digest>,
    /// The finished file stood there already, and was not fetched again.
    pub already: bool,
    /// What it took.
    pub totals: Totals,
}

/// What an upload has stored.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The source.
    pub path: PathBuf,
    /// `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub destination: String,
    /// The object's length in bytes.
    pub bytes: u64,
    /// What was verified.
    pub verified: Verified,
    /// Digests that the store told of the object, and that matched.
    pub digests: Vec<Digest>,
    /// The same object stood there already, and was not sent again.
    pub already: bool,
    /// The object's ETag as the store told it.
    pub etag: Option<String>,
    /// Its version id, in a bucket that keeps versions.
    pub version: Option<String>,
    /// How many parts it was sent in; 0: in one request.
    pub parts: u32,
    /// The length of all parts but the last, in bytes.
    pub part_len: Option<u64>,
    /// What it took.
    pub totals: Totals,
}

/// What a download found that had no byte to fetch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NotModified {
    /// The target; where its name was not known, the folder, or empty when a function was to choose.
    pub path: PathBuf,
    /// What it took.
    pub totals: Totals,
}

/// What the runs of one handle took, all together.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// How often bytes of an earlier run were taken up.
    pub resumed: u32,
    /// How often bytes that were held or stored were given up, with the reasons.
    pub restarts: Vec<RestartReason>,
    /// Requests that failed and were tried again.
    pub retries: u32,
    /// Bytes of the object that came over the network, or were handed to it; more than the object has when some went
    /// twice.
    pub moved: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// What all ends have in common.
impl Outcome {
    /// The local file: the target of a download, the source of an upload.
    pub fn path(&self) -> &Path {
        match self {
            Self::Downloaded(done) => &done.path,
            Self::Uploaded(done) => &done.path,
            Self::NotModified(done) => &done.path,
        }
    }

    /// The length of the file or object in bytes; 0 for [`NotModified`](Self::NotModified).
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Downloaded(done) => done.bytes,
            Self::Uploaded(done) => done.bytes,
            Self::NotModified(_) => 0,
        }
    }

    /// What was verified; [`Verified::Nothing`] for [`NotModified`](Self::NotModified).
    pub fn verified(&self) -> Verified {
        match self {
            Self::Downloaded(done) => done.verified,
            Self::Uploaded(done) => done.verified,
            Self::NotModified(_) => Verified::Nothing,
        }
    }

    /// The finished file or object stood there already, and was not transferred again.
    pub fn already(&self) -> bool {
        match self {
            Self::Downloaded(done) => done.already,
            Self::Uploaded(done) => done.already,
            Self::NotModified(_) => false,
        }
    }

    /// What it took.
    pub fn totals(&self) -> &Totals {
        match self {
            Self::Downloaded(done) => &done.totals,
            Self::Uploaded(done) => &done.totals,
            Self::NotModified(done) => &done.totals,
        }
    }

    /// What was saved, by a download.
    pub fn downloaded(&self) -> Option<&Downloaded> {
        match self {
            Self::Downloaded(done) => Some(done),
            _ => None,
        }
    }

    /// What was stored, by an upload.
    pub fn uploaded(&self) -> Option<&Uploaded> {
        match self {
            Self::Uploaded(done) => Some(done),
            _ => None,
        }
    }

    /// Whether the object is the version that the caller has already.
    pub fn is_not_modified(&self) -> bool {
        matches!(self, Self::NotModified(_))
    }
}
