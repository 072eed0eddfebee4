//! The words between the core and its driver: the steps to do, and what is heard of them.
//!
//! A driver does each [`Step`] and answers with [`Heard`], quoting the step's [`Ticket`]. Steps on the same file are
//! done in the order they were given; requests, syncs and checks may overlap. Which answer belongs to which step:
//!
//! | step | answers |
//! |---|---|
//! | `Open` | `Opened` or `Failed` |
//! | `Fetch` | `Head`, then (after `Flow`) any number of `Wrote` and `Passed`, then `Ended`; `Ended` alone when no head came |
//! | `Flow`, `Stop` | none of their own: they act on the fetch whose ticket they carry |
//! | `Narrow` | `Narrowed`, with the fetch's ticket; none when the fetch is over |
//! | `Check` | `Checked` or `Failed` |
//! | `Digest` | `Digested` or `Failed` |
//! | `Seal`, `Facts` | `Facts` or `Failed` |
//! | `Throttle`, `Note`, `Finish` | none |
//! | all others | `Done` or `Failed` |

use crate::conditions::Conditions;
use crate::digest::{Digest, DigestKind};
use crate::identity::Validator;
use crate::journal::{Record, Recovered};
use crate::ranges::Range;
use crate::reply::ReplyFacts;
use crate::resume::Restart;

/// Names one step. Tickets are never used twice within one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Milliseconds on a clock that never goes back and stands still for nobody; only differences matter.
pub type Millis = u64;

/// Which of the two files that may hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `NAME.lhpart`.
    Main,
    /// `NAME.lhnext`: a new generation, until the old one may go.
    Next,
}

/// A stretch of written bytes and the CRC-64 of exactly these bytes. It never crosses a block boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Offset of the first byte in the file.
    pub start: u64,
    /// How many bytes; never 0.
    pub len: u64,
    /// CRC-64 of the bytes.
    pub crc: u64,
}

impl Extent {
    /// One past the last byte.
    pub fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// The bytes it covers.
    pub fn range(self) -> Range {
        Range::new(self.start, self.end())
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FileFacts {
    /// Length in bytes.
    pub len: u64,
    /// Inode number (0 where there is none).
    pub inode: u64,
    /// Modification time in nanoseconds since the Unix epoch.
    pub mtime_ns: i64,
    /// Change time in nanoseconds since the Unix epoch.
    pub ctime_ns: i64,
}

/// What stands at the target name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its facts.
        facts: FileFacts,
        /// The identity from a receipt of this source that still fits the file (path, length, mtime), if there is one.
        finished: Option<Box<crate::identity::Identity>>,
    },
    /// A symbolic link, whatever it points to.
    Symlink,
    /// A directory.
    Directory,
    /// A device, socket or pipe.
    Other,
}

/// What the driver found in the folder when it opened the transfer, after it took the lock.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The journal.
    pub journal: FoundJournal,
    /// `NAME.lhpart`, as it was before the driver created it to lock it.
    pub main: Option<FileFacts>,
    /// `NAME.lhnext`.
    pub next: Option<FileFacts>,
    /// The target name.
    pub target: Target,
    /// Free bytes for this user on the file system; `None` when it cannot be told.
    pub free: Option<u64>,
}

/// The journal as found.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundJournal {
    /// There is none.
    Absent,
    /// Readable, up to the last whole record.
    Read(Box<Recovered>),
    /// Unreadable: the driver has set it aside under another name.
    SetAside(crate::journal::Problem),
}

/// A step together with its ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered {
    /// The ticket that every answer quotes.
    pub ticket: Ticket,
    /// What to do.
    pub step: Step,
}

/// What the driver is to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Choose the file (by the suggested name, when the caller did not), take its lock, read the journal, look around.
    Open,
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
    /// Read the whole file and compute these digests.
    Digest {
        /// Which file.
        slot: Slot,
        /// The object's length in bytes; what the file has beyond does not count.
        length: u64,
        /// Which digests.
        kinds: Vec<DigestKind>,
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
    /// Remove part files and journal: nothing of this transfer stays.
    RemoveAll,
    /// Stop (or go on) taking bytes from the network: too many are unsynced.
    Throttle(bool),
    /// Tell whoever listens.
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
    /// Reading stops here, whatever the body still holds; `None`: at the end of the body.
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

/// How the network failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NetFault {
    /// The host name did not resolve.
    Resolve,
    /// No connection.
    Connect,
    /// TLS refused: not worth a second try.
    Tls,
    /// The connection broke or the body ended before its promised end.
    Cut,
    /// Slower than the least rate over the stall time.
    Stalled,
    /// The answer was no legal HTTP.
    Protocol,
    /// A proxy refuses to connect us there, by policy, say: not worth a second try.
    Proxy,
    /// A redirect that must not be followed (loop, downgrade, scheme): not worth a second try.
    Redirect,
}

/// How the disk failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFault {
    /// No space, or a quota.
    NoSpace,
    /// Read-only file system.
    ReadOnly,
    /// Permission denied.
    Denied,
    /// Something stands at the name.
    Exists,
    /// Another process holds the transfer.
    InUse,
    /// The file system cannot lock, or a name is unusable.
    Unsupported,
    /// The work was cut short because the run is ending; nothing was found wrong.
    Interrupted,
    /// Any other I/O error.
    Io,
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
    /// Answer to `Digest`.
    Digested(Vec<Digest>),
    /// Answer to `Seal` and `Facts`.
    Facts(FileFacts),
}

/// What a receipt says; the driver adds paths and file times.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The object's length.
    pub length: u64,
    /// Its identity.
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
    /// One reply, of the length it promised.
    Length,
    /// One reply whose end cannot be proven.
    Nothing,
}

/// News for whoever listens.
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
    /// The server, or somebody on the way, refused one more connection while others were served.
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

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// The file is published.
    Done {
        /// Its length.
        length: u64,
        /// What was verified.
        verified: Verified,
        /// Whether nothing had to be transferred.
        already: bool,
    },
    /// The object is the version that the caller has already; the target was left as it is.
    NotModified,
    /// Stopped on request; what is held is safe.
    Paused,
    /// Cancelled and everything removed.
    Discarded,
    /// Failed; the state is kept unless nothing had begun.
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
    /// 401 or 403 without a signed link.
    Denied(u16),
    /// A signed link that is not accepted (any more).
    NeedsLink(u16),
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
    Refused(crate::resume::Refusal),
    /// The network gave up.
    GaveUp(Trouble),
    /// HTML in place of the object: a portal or a login page.
    Portal,
    /// The server refuses, with this status.
    ServerRefused(u16),
    /// The server's replies cannot be used.
    Unusable(crate::reply::Suspicion),
}
