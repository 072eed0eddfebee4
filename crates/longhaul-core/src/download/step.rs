//! The words between the core and its driver: the steps to do, and what is heard of them.
//!
//! A driver does each [`Step`] and answers with [`Heard`], quoting the step's [`Ticket`](crate::words::Ticket). Steps
//! on the same file are done in the order they were given; requests, syncs and checks may overlap. Which answer belongs
//! to which step:
//!
//! | step | answers |
//! |---|---|
//! | `Open` | `Opened` or `Failed` |
//! | `Fetch` | `Head`, then (after `Flow`) any number of `Wrote` and `Passed`, then `Ended`; `Ended` alone when no head came |
//! | `Flow`, `Stop` | none of their own: they act on the fetch whose ticket they carry |
//! | `Narrow` | `Narrowed`, with the fetch's ticket; none when the fetch is over |
//! | `Check` | `Checked` or `Failed` |
//! | `Adopt` | `Adopted` or `Failed` |
//! | `Digest` | `Digested` or `Failed` |
//! | `DigestTarget` | `TargetDigested` or `Failed` |
//! | `Seal`, `Facts`, `TakeTarget` | `Facts` or `Failed` |
//! | `Throttle`, `Note`, `Finish` | none |
//! | all others | `Done` or `Failed` |

use super::adopt::AdoptionRefusal;
use super::held::Slot;
use super::journal::Record;
use super::restart::Restart;
use super::resume::{Found, TargetRefusal};
use crate::conditions::Conditions;
use crate::digest::{Digest, DigestKind};
use crate::identity::Validator;
use crate::link::LinkEnd;
use crate::ranges::Range;
use crate::reply::ReplyFacts;
use crate::words::{DiskFault, Extent, FileFacts, NetFault};

/// What the driver is to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Choose the file (by the suggested name, when the caller did not), take its lock, read the journal, look around.
    Open {
        /// How much room there is counts. It does not for an object that the short way takes: where it has no room, the
        /// one write of it fails.
        room: bool,
    },
    /// Send a request.
    Fetch(Fetch),
    /// The reply's head was accepted: let its body flow into the part file.
    Flow(Grant),
    /// Stop the fetch with this ticket; `Ended` follows when its last write is over.
    Stop,
    /// Let the fetch with this ticket write up to `end` only, or as far as it has written already.
    Narrow {
        /// One past the last byte that it may still write.
        end: u64,
    },
    /// Make an empty file in this slot, replacing what is there.
    Create {
        /// Where.
        slot: Slot,
    },
    /// Sync the data of the file in this slot; covers all writes reported before this step was given.
    Sync {
        /// Which file.
        slot: Slot,
    },
    /// Sync the folder.
    SyncDir,
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
    /// Read these extents back and compare their CRCs.
    Check {
        /// Which file.
        slot: Slot,
        /// What to read.
        extents: Vec<Extent>,
        /// Write matching bytes again in place, so that the next sync really carries them (after a failed sync the
        /// kernel shows pages as clean that never reached the disk).
        rewrite: bool,
    },
    /// Copy these pieces of the other program's file into the file in this slot, to the same places, and tell their
    /// checksums. What the other file does not have is left out. That file is only read.
    Adopt {
        /// Into which file.
        slot: Slot,
        /// Which pieces, in order, apart; none crosses an end of a block.
        pieces: Vec<Range>,
    },
    /// Read the whole file and compute these digests.
    Digest {
        /// Which file.
        slot: Slot,
        /// The object's length in bytes; what the file has beyond does not count.
        length: u64,
        /// Which digests.
        kinds: Vec<DigestKind>,
    },
    /// Read the file that stands at the target, and compute these digests of all of it. Not of a link, and not of a file
    /// that another user could change.
    DigestTarget {
        /// Which digests.
        kinds: Vec<DigestKind>,
    },
    /// The file at the target is the one that was wanted: no other transfer of this program takes its name, and its
    /// facts are told. It is not written to.
    TakeTarget {
        /// Whether its data is synced first.
        durable: bool,
    },
    /// `NAME.lhnext` becomes `NAME.lhpart` (lock first, then rename over it).
    Promote,
    /// Remove `NAME.lhnext`.
    RemoveNext,
    /// Cut the main part file to this length, set its final times, and tell its facts.
    Seal {
        /// The object's length in bytes.
        length: u64,
    },
    /// Tell the facts of the file in this slot.
    Facts {
        /// Which file.
        slot: Slot,
    },
    /// Rename the main part file to the target.
    Publish {
        /// Whether an existing target may be replaced.
        replace: bool,
    },
    /// Write the receipt, durably unless the transfer's durability is `Process`.
    Receipt(Receipt),
    /// Remove the journal.
    Forget,
    /// Remove part files and journal: no file of this transfer stays.
    RemoveAll,
    /// Stop (or go on) taking bytes from the network: too many are unsynced.
    Throttle(bool),
    /// Tell the caller.
    Note(Note),
    /// The run is over; the last step.
    Finish(Finish),
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// The first byte wanted, in the object.
    pub start: u64,
    /// One past the last byte wanted; `None`: to the end.
    pub end: Option<u64>,
    /// Instead of both: the last so many bytes are wanted.
    pub last: Option<u64>,
    /// Whether to send `Range` at all.
    pub ranged: bool,
    /// Send only if the object is still this one.
    pub condition: Option<Validator>,
    /// Use a connection of its own, not one that served before.
    pub fresh_connection: bool,
    /// Send only if the object is what the caller wants. Never together with `condition`.
    pub only_if: Option<Conditions>,
}

/// Permission for the bytes of one reply to enter the part file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Into which file.
    pub slot: Slot,
    /// So many bytes of the body come before `body_start` and are dropped.
    pub skip: u64,
    /// The offset in the file of the first byte of the body behind those.
    pub body_start: u64,
    /// Bytes before this offset are read and dropped.
    pub write_start: u64,
    /// Reading stops here, also when the body holds more; `None`: at the end of the body.
    pub write_end: Option<u64>,
    /// The grid that new extents are cut at, in bytes; a power of two.
    pub block_len: u64,
    /// The extent that ends at `write_start` and is continued: reported extents begin where it begins, and the CRC goes
    /// on from its CRC.
    pub continues: Option<Extent>,
    /// Extents inside the granted range that are held already, in order: their bytes are not written, and reported as
    /// `Passed` with the CRC of what came.
    pub held: Vec<Extent>,
}

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// The body ended as its framing says.
    Complete,
    /// The granted end was reached.
    Reached,
    /// The network failed.
    Failed(NetFault),
    /// The disk failed under it.
    Disk(DiskFault),
    /// It was stopped by `Step::Stop`.
    Stopped,
}

/// What the driver tells the core.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The step is done.
    Done,
    /// The step failed.
    Failed(DiskFault),
    /// Answer to `Open`.
    Opened(Box<Found>),
    /// The head of a reply.
    Head(Box<ReplyFacts>),
    /// A stream wrote bytes. Cumulative: a later report with the same start replaces the earlier one.
    Wrote(Extent),
    /// A stream passed over a held extent; `crc` is that of the bytes that came.
    Passed(Extent),
    /// The fetch will write up to here and no further.
    Narrowed {
        /// One past the last byte: what was asked for, or later when it had been written already.
        end: u64,
    },
    /// The stream is over, no write of it will follow.
    Ended {
        /// Why.
        end: StreamEnd,
        /// The offset that the body reached (its next byte would have had this offset).
        at: u64,
    },
    /// Answer to `Check`: the extents that do not match, a subset of those asked for.
    Checked {
        /// The damaged ones.
        bad: Vec<Extent>,
    },
    /// Answer to `Adopt`: the pieces that were copied, in order.
    Adopted {
        /// Each one of those asked for.
        extents: Vec<Extent>,
    },
    /// Answer to `Digest`.
    Digested(Vec<Digest>),
    /// Answer to `DigestTarget`.
    TargetDigested {
        /// What stands at the target after the reading.
        facts: FileFacts,
        /// The digests.
        digests: Vec<Digest>,
    },
    /// Answer to `Seal`, `Facts` and `TakeTarget`.
    Facts(FileFacts),
}

/// What a receipt says; the driver adds paths and file times.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The object's length.
    pub length: u64,
    /// Its identity; the default of a file that was recognised by its digest, since the source was not asked.
    pub identity: crate::identity::Identity,
    /// What was verified.
    pub verified: Verified,
    /// Digests that were computed and matched.
    pub digests: Vec<Digest>,
    /// Facts of the published file.
    pub facts: FileFacts,
    /// The extents with their CRCs, for `verify` and `repair`.
    pub extents: Vec<Extent>,
}

/// What stands behind a finished file, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verified {
    /// A whole-object digest matched.
    Digest(DigestKind),
    /// All bytes came under one strong validator (or in one reply that carried one).
    Validator,
    /// Some bytes are another program's, and samples of them were compared with the source. All others came under one
    /// strong validator.
    Samples,
    /// One reply, of the length it promised.
    Length,
    /// One reply whose end cannot be proven.
    Nothing,
}

/// News for the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// The identity and length are known.
    Started {
        /// Length in bytes, when known.
        length: Option<u64>,
        /// Bytes held of it already.
        held: u64,
        /// Whether an interrupted transfer of it can be resumed.
        resumable: bool,
    },
    /// Held bytes were found and are used.
    Resumed {
        /// How many.
        held: u64,
        /// The object's length in bytes, when known: the journal has it before the source is asked.
        length: Option<u64>,
    },
    /// Bytes of another program were taken up.
    Adopted {
        /// How many are held now.
        bytes: u64,
        /// How many it had.
        offered: u64,
        /// Samples that are fetched as well, and compared.
        samples: u64,
    },
    /// Held bytes do not count any more.
    Restarted {
        /// Why.
        reason: Restart,
        /// How many bytes were discarded (or will be, when the new version's first block is safe).
        discarded: u64,
    },
    /// Parts of the partial file do not match their checksums and are fetched again.
    Damaged {
        /// Where.
        ranges: Vec<Range>,
    },
    /// The server, or a host on the way, refused one more connection while others were served.
    Limited {
        /// How many are used from now on, until one more is tried.
        connections: u32,
        /// How it was refused.
        why: Trouble,
        /// That is this server's usual way to say so, and worth remembering of it.
        lasting: bool,
    },
    /// A request failed and is tried again.
    Retry {
        /// Failures in a row without progress.
        failures: u32,
        /// The wait before the next try.
        delay_ms: u64,
        /// Why.
        why: Trouble,
    },
    /// A refusal, or replies of no use, may be of how it was asked: the same is asked again with less.
    Plainer {
        /// What it is asked without from now on.
        without: Plainer,
        /// Why.
        why: Trouble,
    },
    /// The old generation is back: the source shows the version that we had before.
    Returned {
        /// Bytes held of it.
        held: u64,
    },
    /// A digest matched.
    DigestMatched(Digest),
    /// A digest that the source declares does not match, and one that the caller gave does: that decides.
    Disputed {
        /// What the source declares.
        declared: Digest,
        /// What came out.
        actual: Digest,
    },
    /// A web page comes where its name says that something else was wanted.
    PageInPlace,
    /// The end of the body cannot be proven.
    EndNotProvable,
    /// The object is the version that the caller has already.
    NotModified,
}

/// What a request may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plainer {
    /// A condition: replies are compared in any case.
    Condition,
    /// A range: all of the object is asked for.
    Range,
}

/// Why a request did not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The network failed.
    Net(NetFault),
    /// The server is busy (408, 425, 429, 5xx).
    Busy(u16),
    /// The reply could not be used.
    Reply(crate::reply::Suspicion),
    /// The reply ended early.
    Short,
}

impl Trouble {
    /// The status of the reply that did not help, where that was the trouble.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Busy(status) | Self::Reply(crate::reply::Suspicion::OddStatus(status)) => Some(*status),
            Self::Net(_) | Self::Reply(_) | Self::Short => None,
        }
    }
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// The file is published.
    Done {
        /// Its length.
        length: u64,
        /// What was verified.
        verified: Verified,
        /// Whether the object was there already, and no byte of it had to be transferred.
        already: bool,
    },
    /// The object is the version that the caller has already; the target was left as it is.
    NotModified,
    /// Stopped on request; what is held is safe.
    Paused,
    /// Cancelled and everything removed.
    Discarded,
    /// Failed; the state is kept, if the transfer had begun.
    Failed(Failure),
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// 404 or 410.
    NotFound(u16),
    /// The object has no byte of a piece that is wanted.
    Outside {
        /// The object's length in bytes, if the server told it.
        length: Option<u64>,
    },
    /// 401 or 403 that has not to do with the age of a link: who asks is refused. Or 407.
    Denied(u16),
    /// The link is not accepted (any more): a new one is needed.
    NeedsLink {
        /// 400, 401 or 403.
        status: u16,
        /// How that is known.
        why: LinkEnd,
    },
    /// The object changed more often than allowed, or `on_change` is `Stop`.
    Changed {
        /// Identity changes in this run.
        changes: u32,
    },
    /// The object is another one than the caller asked for.
    Unmet {
        /// Which one it is.
        seen: Box<crate::identity::Identity>,
    },
    /// A digest does not match, after one restart.
    Integrity {
        /// What was expected.
        expected: Digest,
        /// What came out.
        actual: Digest,
        /// The source declared it; the caller did not give it.
        declared: bool,
    },
    /// Another program's file stands at the target, and does not have a digest that the caller gave.
    OtherTarget {
        /// What was expected.
        expected: Digest,
        /// What the file has.
        actual: Digest,
    },
    /// Bytes of another program were offered, and cannot be taken up.
    Adoption(AdoptionRefusal),
    /// `require_verified` or `require_length` was asked and cannot be met.
    NotProvable(&'static str),
    /// A local file problem.
    Disk {
        /// What failed.
        fault: DiskFault,
        /// During what.
        during: &'static str,
    },
    /// A target or partial that is not ours to touch.
    Refused(TargetRefusal),
    /// The network gave up.
    GaveUp(Trouble),
    /// HTML in place of the object: a portal or a login page.
    Portal,
    /// The server refuses, with this status.
    ServerRefused(u16),
    /// The server's replies cannot be used.
    Unusable(crate::reply::Suspicion),
}
