//! What a handle asks of the driver, and what it gets back.

use longhaul_core::queue::step::Request;
use tokio::sync::oneshot;

use super::details::Details;
use super::entry::EntryId;
use super::new::{Added, Place};
use super::prepare::Prepared;
use super::settings::Settings;
use super::vault::Kept;
use crate::error::Error;

/// Whether a request changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It did, and that is recorded.
    Made,
    /// It was so already.
    Already,
}

/// Requests that are recorded together, each with who waits for its answer.
pub(super) enum Asked {
    All(Vec<(Wanted, Answering)>),
    Close,
}

pub(super) type Answering = oneshot::Sender<Result<Replied, Error>>;

/// What of an entry is new, and whether it is tried with that at once; and what is kept for it from then on.
pub(super) type Edit = Box<dyn FnOnce(&mut Details, Kept) -> Result<(bool, Kept), Error> + Send>;

pub(super) enum Wanted {
    Add(Box<Prepared>),
    Change(Request),
    Move(EntryId, Place),
    Edit(EntryId, Edit),
    Settings(Box<Settings>),
}

/// What was asked for is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replied {
    Change(Change),
    Added(Added),
}
