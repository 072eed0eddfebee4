//! What the answers that a download awaits are for, sorted by who hears them.

use super::files::CheckReason;
use super::step::Verified;
use crate::words::Extent;

/// A step whose answer is awaited (streams are kept apart).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    Open,
    Target(TargetJob),
    Keep(KeepJob),
    Begin(BeginJob),
    Publish(PublishJob),
    Close(CloseJob),
}

/// A file at the target is recognised by its digests, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TargetJob {
    Digest,
    Take,
    SyncDir,
    Receipt,
}

/// Keeping what was received.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KeepJob {
    Sync {
        covered: Vec<Extent>,
        generation: u32,
    },
    Hint,
    Claim {
        bytes: u64,
    },
    Void,
    Settle,
    LengthKnown,
    Compact,
    Check {
        asked: Vec<Extent>,
        why: CheckReason,
        generation: u32,
    },
    /// Bytes of another program are copied.
    Adopt {
        generation: u32,
    },
    // The new generation takes the old one's place.
    Retire,
    Promote,
    PromoteDir,
    RemoveNext,
}

/// The begin of a generation, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BeginJob {
    RetireNext,
    Record,
    Create,
    SyncDir,
}

/// The file gets its name, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PublishJob {
    Digest,
    Seal,
    Sync,
    Record,
    Rename,
    SyncDir,
    Receipt,
    Forget,
    /// On the short way, beside `Sync`.
    EarlyReceipt,
    /// The finished file was there already; its name is made safe.
    Confirm {
        length: u64,
        verified: Verified,
    },
}

/// The last steps of a stop or a failure, in this order; or the removal of everything.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CloseJob {
    Sync { covered: Vec<Extent> },
    Claim { bytes: u64 },
    Facts,
    CleanStop,
    RemoveAll,
}

impl Job {
    /// While this is under way, no other step is chosen.
    pub(super) fn blocks_all(&self) -> bool {
        match self {
            Self::Open | Self::Target(_) => true,
            Self::Keep(job) => {
                use KeepJob::{Adopt, Promote, PromoteDir, RemoveNext, Retire, Settle};
                matches!(job, Adopt { .. } | Settle | Promote | PromoteDir | Retire | RemoveNext)
            }
            Self::Begin(job) => *job == BeginJob::RetireNext,
            Self::Publish(_) | Self::Close(_) => false,
        }
    }

    /// Bytes are read back.
    pub(super) fn is_check(&self) -> bool {
        matches!(self, Self::Keep(KeepJob::Check { .. }))
    }

    /// Bytes are read back before anything is fetched.
    pub(super) fn is_proof(&self) -> bool {
        matches!(self, Self::Keep(KeepJob::Check { why: CheckReason::Hints | CheckReason::Partials, .. }))
    }

    pub(super) fn is_sync(&self) -> bool {
        matches!(self, Self::Keep(KeepJob::Sync { .. }))
    }

    /// Ranges are being voided: none of their bytes may be written again before that is done (law 2).
    pub(super) fn is_void(&self) -> bool {
        matches!(self, Self::Keep(KeepJob::Void))
    }

    /// The bytes that a record under way claims.
    pub(super) fn claims(&self) -> u64 {
        match self {
            Self::Keep(KeepJob::Claim { bytes }) | Self::Close(CloseJob::Claim { bytes }) => *bytes,
            _ => 0,
        }
    }
}

impl From<TargetJob> for Job {
    fn from(job: TargetJob) -> Self {
        Self::Target(job)
    }
}

impl From<KeepJob> for Job {
    fn from(job: KeepJob) -> Self {
        Self::Keep(job)
    }
}

impl From<BeginJob> for Job {
    fn from(job: BeginJob) -> Self {
        Self::Begin(job)
    }
}

impl From<PublishJob> for Job {
    fn from(job: PublishJob) -> Self {
        Self::Publish(job)
    }
}

impl From<CloseJob> for Job {
    fn from(job: CloseJob) -> Self {
        Self::Close(job)
    }
}
