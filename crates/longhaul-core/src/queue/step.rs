//! The words between the queue and its driver: what people ask of the list, what is recorded of it, what runs, and how
//! runs end.
//!
//! | step | answer |
//! |---|---|
//! | `Record` | `Recorded` or `NotRecorded` |
//! | `Reload` | `Loaded` |
//! | `Start` | any number of `Progress`, then `Ended` |
//! | `Stop`, which acts on a `Start` | that one's `Ended`, soon |
//! | `LookAtSpace` | `Space`; it may come unasked as well |
//! | `Reply` | none |
//!
//! Every answer quotes the ticket of its step. Steps are done in the order in which they were given, as far as they are
//! about the list; runs go on side by side.

use std::collections::BTreeMap;
use std::fmt;

use crate::words::Millis;

/// Names one entry of the list: the id of its transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u128);

/// 32 hexadecimal digits.
impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u32);

/// Names a server, as far as connections to it are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub u64);

/// Names a file system that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeId(pub u64);

/// Names one request of a person or program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What is wanted of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wish {
    /// It runs when its turn comes.
    Run,
    /// It does not run before it is released: no timer and no restart undoes that.
    Hold,
    /// It is given up.
    Cancel {
        /// Its partial files and parts are removed.
        discard: bool,
    },
}

/// What a person has to bring before an entry can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// A fresh link.
    Link,
    /// Headers or a password.
    Headers,
    /// Keys of a store.
    Keys,
    /// A decision: a file stands at the target, or the object is another one.
    Decision,
}

/// Why an entry runs later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delay {
    /// The network failed; a change of the network ends the wait.
    Network,
    /// The server asked for patience.
    Busy,
    /// The server does not have the object now.
    NotFound,
    /// Another process works on the target.
    InUse,
    /// The volume is full, or away; room on it ends the wait.
    Space,
    /// An upload was sent, and the store does not say whether it has it.
    Unconfirmed,
}

/// What an entry does while it does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rest {
    /// It waits for its turn.
    Queued,
    /// It waits for a moment, or for what ends the wait before.
    Later {
        /// Why.
        why: Delay,
        /// How long, from when this was told.
        wait_ms: Millis,
    },
    /// It waits for a person.
    Needs(Need),
    /// It ended for good.
    Failed,
    /// It is complete.
    Done,
    /// It was given up.
    Cancelled,
}

impl Rest {
    /// Whether only a request can make it run again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Done | Self::Cancelled)
    }
}

/// What the list says of one entry, as far as the queue decides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// Its place: entries with a lower one come first.
    pub rank: i64,
    /// Which lane's limits count for it.
    pub lane: LaneId,
    /// Which server it is of.
    pub host: HostId,
    /// What it writes to.
    pub volume: VolumeId,
    /// So many bytes are still to be written, as far as that is known; 0: it is not.
    pub missing: u64,
    /// What is wanted of it.
    pub wish: Wish,
    /// What it does while it does not run.
    pub rest: Rest,
    /// Runs in a row that brought no byte.
    pub vain: u32,
    /// So long it has waited since a run brought a byte.
    pub vain_ms: Millis,
}

/// Where an entry is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before all others.
    Top,
    /// Behind all others.
    Bottom,
    /// Before this one.
    Before(EntryId),
}

/// Limits of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// So many entries run at once.
    pub most: u32,
    /// So many entries of one server run at once.
    pub most_of_host: u32,
    /// So many bytes of a volume stay free.
    pub spare: u64,
    /// An entry fails when it has waited so long for the network, or a server, without a byte.
    pub patience_ms: Millis,
    /// So many entries of a lane run at once; one that is not here has the limits of all.
    pub most_of_lane: BTreeMap<LaneId, u32>,
}

impl Default for Limits {
    /// Four at once, as many of one server, 14 days of patience.
    fn default() -> Self {
        let patience_ms = 14 * 24 * 3_600_000;
        Self { most: 4, most_of_host: 4, spare: 0, patience_ms, most_of_lane: BTreeMap::new() }
    }
}

/// What is asked of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A new entry; its rank is given by the place.
    Add {
        /// What it is.
        entry: Entry,
        /// Where it goes.
        place: Place,
    },
    /// It does not run any more before it is released.
    Hold(EntryId),
    /// A held entry waits for its turn again.
    Release(EntryId),
    /// It is given up.
    Cancel {
        /// Which.
        id: EntryId,
        /// What it left is removed.
        discard: bool,
    },
    /// It waits for its turn again, whatever it waited for; also one that failed or was cancelled.
    Retry(EntryId),
    /// It goes to another place.
    Move {
        /// Which.
        id: EntryId,
        /// Where to.
        place: Place,
    },
    /// An entry that is over leaves the list.
    Forget(EntryId),
    /// What is known of it beside its place and its rest is another: its link, its settings, its lane.
    Edit {
        /// Which.
        id: EntryId,
        /// Which lane's limits count for it from its next start.
        lane: LaneId,
        /// Which server it is of.
        host: HostId,
        /// What it writes to.
        volume: VolumeId,
        /// It is tried with that at once: it waits for its turn again, also when it waited for a person, failed or was
        /// given up; if it runs, it is stopped and goes on. One that is held stays so.
        again: bool,
    },
    /// Other limits.
    Limit(Limits),
}

/// What a request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is recorded.
    Recorded,
    /// It was so already: nothing changed.
    Already,
    /// The list has no such entry.
    Unknown,
    /// Its state does not allow it.
    NotNow,
    /// It may be recorded or not; the list was read again, and shows which.
    NotRecorded,
}

/// A change of the list. Those of one `Record` are made together, or none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// This is what the list says of an entry from now on.
    Put(Entry),
    /// The entry leaves the list.
    Remove(EntryId),
    /// The limits.
    Limits(Limits),
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To transfer.
    Transfer,
    /// To remove what earlier runs left.
    Discard,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make these changes last.
    Record(Vec<Change>),
    /// Read the list: what the last `Record` did to it is not known.
    Reload,
    /// A request was dealt with.
    Reply(RequestId, Answer),
    /// Run this entry.
    Start(EntryId, Purpose),
    /// Stop the run of the `Start` with this ticket in order; what it has is kept.
    Stop,
    /// See how much room there is on a volume.
    LookAtSpace(VolumeId),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Everything is there; of a `Discard`: nothing is.
    Done,
    /// It was stopped.
    Stopped,
    /// It may go on later.
    Later {
        /// Why not now.
        why: Delay,
        /// The server's wish, if it had one.
        after_ms: Option<Millis>,
    },
    /// A person has to bring something.
    Needs(Need),
    /// It will not end otherwise however often it is tried.
    Failed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The changes last.
    Recorded,
    /// They may last or not.
    NotRecorded,
    /// This is the list, and these are the limits.
    Loaded(Vec<Entry>, Limits),
    /// A run brought bytes; so many are missing now.
    Progress {
        /// Bytes; 0: that is not known.
        missing: u64,
    },
    /// A run is over.
    Ended(End),
}

/// What changed outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The network is there, and not what it was before.
    NetworkUp,
    /// There is no network.
    NetworkDown,
    /// A volume has so many free bytes.
    Space(VolumeId, u64),
    /// A lane's entries may run from now on, or not: its timetable says so. Those that run and may not are stopped.
    Lane(LaneId, bool),
}
