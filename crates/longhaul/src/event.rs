//! What a transfer tells while it runs, and what it ends with.

use std::path::PathBuf;
use std::time::Duration;

pub use longhaul_core::digest::{Digest, DigestKind};
pub use longhaul_core::download::restart::Restart;
pub use longhaul_core::upload::step::Restart as UploadRestart;

/// Something happened in a transfer.
///
/// Events are for displays: one that is not read in time is dropped (the newest are kept), and nothing waits for a
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
    /// The server, or somebody on the way, refused one more connection while others were served. Not a failure.
    Limited {
        /// How many are used from now on; one more is tried later.
        connections: u32,
        /// How it was refused, in words.
        reason: String,
    },
    /// Held bytes do not count any more.
    Restarted {
        /// Why.
        reason: Restart,
        /// Bytes discarded.
        discarded: u64,
    },
    /// Acknowledged bytes of an upload do not count any more.
    UploadRestarted {
        /// Why.
        reason: UploadRestart,
        /// Acknowledged bytes that were given up.
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
        /// The store confirmed that nothing of it is left; otherwise it is tried again by the next start.
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
    /// The object is the version that the caller has already (`if_none_match`, `if_modified_since`): nothing is
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

/// How far a transfer is. All counts are bytes of the object, not of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Received and written to the part file. Of an upload: acknowledged by the store, or handed to the network in
    /// requests under way; it goes back when such a request fails.
    pub received: u64,
    /// Of these, what a power cut cannot take any more. Of an upload: acknowledged by the store; it goes back only with
    /// an [`Event::UploadRestarted`] or [`Event::WrongPart`] that says why.
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
    /// An upload: every part's digest matched when it was stored; nothing was told of the whole but its length.
    Parts,
    /// A download: all bytes came under one strong validator (or in one reply that carried one).
    Validator,
    /// A download: one reply, of the length it promised. An upload: the length is right, and the store tells nothing that
    /// the bytes could be compared by.
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
            Core::Length => Self::Length,
            Core::Nothing => Self::Nothing,
        }
    }
}

impl From<longhaul_core::upload::step::Verified> for Verified {
    fn from(verified: longhaul_core::upload::step::Verified) -> Self {
        use longhaul_core::upload::step::Verified as Core;
        match verified {
            Core::Whole(kind) => Self::Digest(kind),
            Core::Composite => Self::Composite,
            Core::Parts => Self::Parts,
            Core::Length => Self::Length,
            Core::Answer => Self::Answer,
        }
    }
}

/// What an upload has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub destination: String,
    /// The object's ETag as the store told it.
    pub etag: Option<String>,
    /// Its version id, in a bucket that keeps versions.
    pub version: Option<String>,
    /// How many parts it was sent in; 0: in one request.
    pub parts: u32,
    /// The length of all parts but the last, in bytes.
    pub part_len: Option<u64>,
    /// Bytes handed to the network in the runs of this handle; more than the object has when some were sent again.
    pub sent: u64,
    /// How often acknowledged bytes were given up, with the reasons.
    pub restarts: Vec<UploadRestart>,
}

/// How a transfer ended well.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The finished file; of an upload, its source.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// What was verified.
    pub verified: Verified,
    /// Digests that were computed and matched.
    pub digests: Vec<Digest>,
    /// How often bytes of an earlier run were taken up.
    pub resumed: u32,
    /// How often held bytes were given up, with the reasons.
    pub restarts: Vec<Restart>,
    /// Requests that failed and were tried again.
    pub retries: u32,
    /// Bytes that came over the network in the runs of this handle.
    pub fetched: u64,
    /// The finished object stood there already; nothing was transferred.
    pub already: bool,
    /// A download: the object is the version that the caller has already, by the conditions that were given. Nothing was
    /// transferred, and what stood at the target, if anything, stands there still; `bytes` is 0 and `verified` says
    /// nothing; where the name was not known, `path` is the folder, or empty when a function was to choose.
    pub not_modified: bool,
    /// What was stored; `None` for a download.
    pub upload: Option<Box<Uploaded>>,
    /// How long the runs of this handle took.
    pub elapsed: Duration,
}
