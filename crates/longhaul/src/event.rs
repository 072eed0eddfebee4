//! What a transfer tells while it runs, and what it ends with.

use std::path::PathBuf;
use std::time::Duration;

pub use longhaul_core::digest::{Digest, DigestKind};
pub use longhaul_core::resume::Restart;
pub use longhaul_core::step::Verified;

/// Something happened in a transfer.
///
/// Events are for displays: one that is not read in time is dropped (the newest are kept), and nothing waits for a
/// reader. The outcome is never lost: [`Transfer::finished`](crate::Transfer::finished) has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The length and identity of the object are known.
    Started {
        /// Where the file will be.
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
    /// Received and written to the part file.
    pub received: u64,
    /// Of these, what a power cut cannot take any more.
    pub durable: u64,
    /// Of these, what was read back or received in this run and matches its checksum.
    pub verified: u64,
    /// Length of the object, when known.
    pub total: Option<u64>,
    /// Bytes per second over the last few seconds.
    pub rate: u64,
    /// Requests under way.
    pub connections: u32,
}

/// How a transfer ended well.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The finished file.
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
    /// How long the runs of this handle took.
    pub elapsed: Duration,
}
