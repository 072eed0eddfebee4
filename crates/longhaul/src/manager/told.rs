//! What the list tells those who listen.

use std::sync::Arc;

use super::entry::{Entry, EntryId, Finish};
use crate::error::Error;
use crate::event::{Event, Progress};

/// A change of the list, or an event of one of its transfers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Told {
    /// An entry is new, or is not what it was.
    Changed(Arc<Entry>),
    /// An entry left the list.
    Gone {
        /// Which.
        id: EntryId,
        /// The list's counter then.
        rev: u64,
    },
    /// Something happened in a transfer that runs.
    Event {
        /// Whose.
        id: EntryId,
        /// What.
        event: Event,
    },
    /// The settings are not what they were.
    Settings,
    /// A reader was too slow, and some of what was told is lost: read the list anew.
    Missed,
    /// The list cannot be written, or can be again (`None`): nothing is acknowledged meanwhile.
    Unwritten(Option<String>),
}

/// What happened to one entry, for an app that shows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EntryEvent {
    /// It started.
    Started,
    /// How far it is, a few times a second.
    Progress(Progress),
    /// It is held: what it has is durable.
    Paused,
    /// It was given up.
    Cancelled,
    /// It waits for a moment, or for what ends the wait before.
    Later(Error),
    /// Its link is not accepted any more: bring another one ([`Manager::relink`](super::Manager::relink)).
    NeedsLink(Error),
    /// It waits for a person for another reason.
    Needs(Error),
    /// It is complete.
    Finished(Finish),
    /// It ended for good.
    Failed(Error),
}
