//! The words between the upload machine and its driver.
//!
//! A driver does each [`Step`] and answers with [`Heard`], quoting the step's [`Ticket`](crate::words::Ticket). Steps
//! on the journal are done in the order they were given; requests and reads may overlap. Which answer belongs to which
//! step (another one breaks law 3):
//!
//! | step | answers |
//! |---|---|
//! | `Open` | `Opened` or `Failed` |
//! | `Look` | `Object` or `Refused` |
//! | `Snapshot` | `Snapped` or `Failed` |
//! | `Put` | any number of `Sent`, then `Stored` or `Refused` |
//! | `Create` | `Created` or `Refused` |
//! | `SendPart` | any number of `Sent`, then `PartStored`, `Refused` or `Failed` (the source could not be read) |
//! | `ListParts` | `Listed` or `Refused` |
//! | `Complete` | `Stored` or `Refused` |
//! | `Abort` | `Done` or `Refused` |
//! | `CheckSource` | `Source` or `Failed` |
//! | `ReadPart` | `PartRead` or `Failed` |
//! | `Combine` | `Combined` |
//! | `Record`, `Compact`, `Receipt`, `Forget` | `Done` or `Failed` |
//! | `Stop` | none of its own |
//! | `Note`, `Finish` | none |
//!
//! A step that was told to stop ends as it would have, or with `Refused(Fault::Stopped)`; a `Snapshot` or `ReadPart`
//! with
//! `Failed(DiskFault::Interrupted)`.

pub use super::facts::{Composite, ListedPart, ObjectFacts, Restart, SourceFacts, SourceLook};

use super::journal::{Record, Recovered};
use crate::digest::{Digest, DigestKind};
use crate::ranges::Range;
use crate::words::{DiskFault, NetFault};

/// What the driver found when it opened the upload, after it took the lock.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenFacts {
    /// The journal.
    pub journal: FoundJournal,
    /// The source.
    pub source: SourceLook,
    /// A receipt of this source and destination that still fits the source's facts: the object that was stored.
    pub finished: Option<Box<ObjectFacts>>,
}

/// The journal as found.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundJournal {
    /// There is none.
    Absent,
    /// Readable, up to the last whole record.
    Read(Box<Recovered>),
    /// Unreadable: the driver has set it aside under another name.
    SetAside(crate::frame::Problem),
}

/// A stretch of the source that is sent as one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourcePart {
    /// Its number, from 1.
    pub number: u32,
    /// Which bytes of the source.
    pub range: Range,
}

/// A part as Complete names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: u32,
    /// The ETag that the store gave.
    pub etag: String,
    /// Its digest, where the upload was created with a checksum.
    pub checksum: Option<Digest>,
}

/// What the driver is to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take the lock, read the journal, look at the source.
    Open,
    /// Ask what stands at the destination (HEAD).
    Look,
    /// Read the whole source into memory, between two looks at it, and digest it; it is at most `single_max` long.
    Snapshot {
        /// Which digests are wanted of it.
        kinds: Vec<DigestKind>,
    },
    /// Send the last snapshot as one object.
    Put {
        /// Its digest of this kind goes with it: the store is to compare and keep it.
        checksum: Option<DigestKind>,
    },
    /// Create a multipart upload.
    Create {
        /// The store is asked to compare and keep digests of this kind, of each part and of the whole.
        checksum: Option<DigestKind>,
    },
    /// Send one part, digesting the bytes as they are read.
    SendPart {
        /// To which upload.
        upload_id: String,
        /// Which part.
        part: SourcePart,
        /// Which digests are wanted of it.
        kinds: Vec<DigestKind>,
        /// Its digest of this kind goes ahead of it: the upload was created with it.
        checksum: Option<DigestKind>,
    },
    /// One page of the store's list of parts.
    ListParts {
        /// Of which upload.
        upload_id: String,
        /// Only parts with a higher number than this.
        after: u32,
    },
    /// Make the object of these parts.
    Complete {
        /// Of which upload.
        upload_id: String,
        /// All parts, by number.
        parts: Vec<CompletedPart>,
        /// What the whole has to be, where the upload was created with a checksum.
        whole: Option<Digest>,
    },
    /// Remove the upload and its parts.
    Abort {
        /// Which.
        upload_id: String,
    },
    /// Look at the source again.
    CheckSource,
    /// Read one part of the source and digest it, without sending it.
    ReadPart {
        /// Which part.
        part: SourcePart,
        /// Which digests are wanted of it.
        kinds: Vec<DigestKind>,
    },
    /// From the digests of all parts, in order: those of the whole. Arithmetic: no byte is read.
    Combine {
        /// Length in bytes and digests of each part.
        parts: Vec<(u64, Vec<Digest>)>,
    },
    /// Stop the request, or the reading, with this ticket.
    Stop,
    /// Append records to the journal (creating it); with `durable`, sync it before answering. No records: only that.
    Record {
        /// What to append.
        records: Vec<Record>,
        /// Whether the answer means "on disk".
        durable: bool,
    },
    /// Replace the journal by a new file that holds just these records: written, synced, renamed, folder synced.
    Compact {
        /// The whole new content.
        records: Vec<Record>,
    },
    /// Write the receipt.
    Receipt(UploadReceipt),
    /// Remove the journal.
    Forget,
    /// Tell the caller.
    Note(Note),
    /// The run is over; the last step.
    Finish(Finish),
}

/// What the driver tells the core.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The step is done.
    Done,
    /// The disk failed.
    Failed(DiskFault),
    /// Answer to `Open`.
    Opened(Box<OpenFacts>),
    /// Answer to `Look`: an object is there.
    Object(Box<ObjectFacts>),
    /// Answer to `Snapshot`.
    Snapped {
        /// Before the first byte was read.
        before: SourceLook,
        /// After the last one.
        after: SourceLook,
        /// Digests of the bytes that are held in memory; of as many bytes as `before` says, or the step failed.
        digests: Vec<Digest>,
    },
    /// So many bytes of the request's body have been handed to the network in all.
    Sent(u64),
    /// An object was stored (answer to `Put` and `Complete`); what the reply told of it.
    Stored {
        /// What the reply told.
        object: Box<ObjectFacts>,
        /// The store could not reach, or was refused by, the callback that was asked for.
        callback_failed: bool,
    },
    /// A multipart upload was created.
    Created {
        /// Its id.
        upload_id: String,
        /// The store says that it keeps digests of this kind with it.
        checksum: Option<DigestKind>,
    },
    /// A part was stored.
    PartStored {
        /// Digests of the bytes as they were read and sent.
        read: Vec<Digest>,
        /// What the store tells of it.
        part: ListedPart,
        /// The source as it was before the part's first byte was read.
        before: SourceLook,
    },
    /// One page of parts, by number.
    Listed {
        /// The parts.
        parts: Vec<ListedPart>,
        /// Where the next page begins; `None`: this was the last.
        next: Option<u32>,
    },
    /// Answer to `CheckSource`.
    Source(SourceLook),
    /// Answer to `ReadPart`.
    PartRead {
        /// Digests of the bytes.
        digests: Vec<Digest>,
        /// The source as it was before the first byte was read.
        before: SourceLook,
    },
    /// Answer to `Combine`.
    Combined {
        /// Digests of the whole that can be made from those of the parts (the CRCs).
        digests: Vec<Digest>,
        /// The digest of digests, when every part has an MD5.
        composite: Option<Composite>,
    },
    /// The store did not do it, or it is not known whether it did.
    Refused(Fault),
}

/// Why a request brought no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The network failed, or the request was stopped half way.
    Net {
        /// How.
        fault: NetFault,
        /// The whole request may have reached the store.
        maybe_done: bool,
    },
    /// Stopped by `Step::Stop`.
    Stopped {
        /// The whole request may have reached the store.
        maybe_done: bool,
    },
    /// The store is busy or broken (408, 425, 429, 5xx): it may have done it all the same.
    Busy {
        /// The status.
        status: u16,
        /// The wait that the store asked for.
        retry_after_ms: Option<u64>,
    },
    /// A 200 whose body says that it failed, or an answer that cannot be read: it may have done it.
    Unreadable,
    /// The credentials have expired; the next request is signed with new ones if there are any.
    Expired,
    /// Our clock differs from the store's; it has been corrected for the next request.
    Skewed,
    /// Refused for want of something that the next request brings.
    Amended,
    /// The bytes did not arrive as they were sent (a digest that the store computed differs).
    Corrupted,
    /// There is no such upload (any more).
    NoSuchUpload,
    /// There is no such object.
    NoSuchKey,
    /// There is no such bucket.
    NoSuchBucket,
    /// Complete named a part that the store does not have, or has otherwise.
    InvalidPart,
    /// Overwriting was forbidden, and an object is there.
    Exists,
    /// Something else is being done to the object or the upload at this moment (409), or a condition failed (412).
    Conflict(u16),
    /// Not allowed: bad keys or no permission.
    Denied(u16),
    /// There are no credentials, or none could be had.
    NoCredentials,
    /// Refused for good.
    Rejected(u16),
}

impl Fault {
    /// Whether another try may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Net { fault, .. } => !matches!(fault, NetFault::Tls | NetFault::Proxy | NetFault::Redirect),
            Self::Busy { .. } | Self::Unreadable | Self::Skewed | Self::Amended | Self::Conflict(_) => true,
            _ => false,
        }
    }

    /// Whether the whole request may have reached the store.
    pub fn maybe_done(&self) -> bool {
        match self {
            Self::Net { maybe_done, .. } | Self::Stopped { maybe_done } => *maybe_done,
            Self::Busy { .. } | Self::Unreadable | Self::Conflict(_) => true,
            _ => false,
        }
    }

    /// The wait that the store asked for, in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Busy { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }

    /// The status of the answer, where that was the trouble.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Busy { status, .. } | Self::Conflict(status) | Self::Denied(status) | Self::Rejected(status) => {
                Some(*status)
            }
            _ => None,
        }
    }

    /// Whether this may be how a store says that it does not take a checksum: not with 403, which is a quota or a
    /// disabled account, nor with 413.
    pub fn may_be_about_checksums(&self) -> bool {
        matches!(self, Self::Rejected(status) if !matches!(status, 403 | 413))
    }
}

/// What a receipt says; the driver adds source, destination and time.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadReceipt {
    /// The source as it was sent. While its times do not prove yet which version that was, they are 0 here: such a
    /// receipt fits no file, and the next start compares bytes.
    pub facts: SourceFacts,
    /// The object as it was stored; where the store told no digest, with those of what was sent.
    pub object: ObjectFacts,
    /// What was verified.
    pub verified: Proof,
}

/// What stands behind a stored object, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proof {
    /// A digest of the whole that the store vouches for matched.
    Whole(crate::digest::DigestKind),
    /// The multipart ETag is the MD5 of the MD5s of what was read.
    Composite,
    /// Every part's digest matched when it was stored; of the whole only its length was told.
    Parts,
    /// The length is right; the store tells no digest that its bytes could be compared by.
    Length,
    /// The store said that it is stored; it could not be looked at.
    Answer,
}

/// News for the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// The source is known.
    Started {
        /// Its length in bytes.
        length: u64,
        /// The length of the parts; `None`: it is sent in one request.
        part_len: Option<u64>,
        /// How many parts.
        parts: u32,
    },
    /// Parts are there already and count.
    Resumed {
        /// How many parts.
        parts: u32,
        /// How many bytes.
        bytes: u64,
    },
    /// The acknowledged bytes went down or were given up.
    Restarted {
        /// Why.
        reason: Restart,
        /// Acknowledged bytes that do not count any more.
        discarded: u64,
    },
    /// So many bytes of the source are acknowledged by the store.
    Acknowledged {
        /// Bytes.
        bytes: u64,
    },
    /// A part that was stored differs from the source and is sent again.
    WrongPart {
        /// Its number.
        number: u32,
    },
    /// A request failed and is tried again.
    Retry {
        /// Failures in a row without progress.
        failures: u32,
        /// The wait before the next try.
        delay_ms: u64,
        /// Why.
        why: Fault,
    },
    /// The store refused one more connection while others were served.
    Limited {
        /// How many are used from now on.
        connections: u32,
    },
    /// The answer to Complete or Put was lost; it is found out whether the object is ours.
    Settling,
    /// The upload was given up and removed from the store, or it could not be removed.
    Aborted {
        /// Whether the store confirmed that it is gone with all its parts.
        clean: bool,
    },
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// The object is stored.
    Done {
        /// Its length.
        length: u64,
        /// What was verified.
        verified: Proof,
        /// Whether the object was there already, and no byte had to be sent.
        already: bool,
        /// What is known of it.
        object: Box<ObjectFacts>,
        /// The callback that was asked for failed: stored all the same.
        callback_failed: bool,
    },
    /// Stopped on request; what the store acknowledged is kept.
    Paused,
    /// Cancelled.
    Discarded {
        /// The store confirmed that it is gone with all its parts; otherwise the journal stays as a reminder.
        clean: bool,
    },
    /// Failed; the state is kept, if there was any.
    Failed(Failure),
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// No such bucket.
    NoSuchBucket,
    /// Not allowed.
    Denied(u16),
    /// There are no credentials, or they expired and there are no newer ones.
    NeedsCredentials,
    /// The source changed more often than allowed, or `on_change` is `Stop`.
    SourceChanged {
        /// How often in this run.
        changes: u32,
    },
    /// Another object stands at the key: it was written while our Complete was unanswered, or overwriting is forbidden.
    OtherObject,
    /// The object may be stored; it cannot be found out.
    Unconfirmed,
    /// A digest does not match after everything was sent a second time.
    Integrity {
        /// What was read.
        expected: Option<Digest>,
        /// What the store says.
        actual: Option<Digest>,
    },
    /// A local file problem.
    Disk {
        /// What failed.
        fault: DiskFault,
        /// During what.
        during: &'static str,
    },
    /// The size, or the part length asked for, cannot be stored within the store's limits.
    Limits(StoreLimit),
    /// The network or the store gave up.
    GaveUp(Fault),
    /// The store refuses, with this status.
    Rejected(u16),
    /// The store's answers cannot be used.
    Unusable,
}

/// Which limit of the store stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreLimit {
    /// The part length asked for is less than the store takes, in bytes.
    PartTooSmall(u64),
    /// The part length asked for is more than the store takes, in bytes.
    PartTooLarge(u64),
    /// With the part length asked for there would be more parts than the store takes.
    TooManyParts(u32),
    /// The source is longer than the store's longest object, in bytes.
    TooLong(u64),
}
