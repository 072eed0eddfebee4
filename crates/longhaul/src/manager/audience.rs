//! Who listens: readers that take what is told when they like, and functions that are called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::entry::{EntryId, State};
use super::told::{EntryEvent, Told};
use crate::drive::panics::caught_here;
use crate::sync::locked;

/// What a reader may fall behind before it is told that it missed some: a page of a thousand rows, four times.
const TOLD_MAX: usize = 4096;

pub(super) type Listener = Arc<dyn Fn(&Told) + Send + Sync>;
type EntryListener = Box<dyn FnMut(&EntryEvent) + Send>;

/// Everyone who listens.
pub(super) struct Audience {
    sender: broadcast::Sender<Told>,
    listener: Option<Listener>,
    of_entries: Mutex<HashMap<EntryId, Vec<EntryListener>>>,
}

impl std::fmt::Debug for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audience").field("readers", &self.sender.receiver_count()).finish_non_exhaustive()
    }
}

/// What the list tells, from when this was made on.
#[derive(Debug)]
pub struct ToldReader {
    receiver: broadcast::Receiver<Told>,
}

impl ToldReader {
    /// The next; `None` when the manager is closed. A reader that is thousands behind gets [`Told::Missed`], and reads
    /// the list anew.
    ///
    /// # Cancel safety
    /// When the future is dropped, what is next stays so.
    pub async fn next(&mut self) -> Option<Told> {
        match self.receiver.recv().await {
            Ok(told) => Some(told),
            Err(RecvError::Lagged(_)) => Some(Told::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Audience {
    pub(super) fn new(listener: Option<Listener>) -> Self {
        let (sender, _) = broadcast::channel(TOLD_MAX);
        Self { sender, listener, of_entries: Mutex::default() }
    }

    pub(super) fn reader(&self) -> ToldReader {
        ToldReader { receiver: self.sender.subscribe() }
    }

    pub(super) fn listen(&self, id: EntryId, listener: EntryListener) {
        locked(&self.of_entries).entry(id).or_default().push(listener);
    }

    pub(super) fn tell(&self, told: Told) {
        if let Some(listener) = &self.listener {
            guarded(|| listener(&told));
        }
        let _ = self.sender.send(told); // no reader: fine
    }

    /// Tells what happened to one entry. What it calls may listen in its turn.
    pub(super) fn tell_of(&self, id: EntryId, event: &EntryEvent) {
        let Some(mut listeners) = locked(&self.of_entries).remove(&id) else { return };
        for listener in &mut listeners {
            guarded(|| listener(event));
        }
        let mut all = locked(&self.of_entries);
        listeners.append(all.entry(id).or_default());
        all.insert(id, listeners);
    }

    /// An entry left the list.
    pub(super) fn forget(&self, id: EntryId) {
        locked(&self.of_entries).remove(&id);
    }
}

/// A function of the program's that panics stops no transfer.
fn guarded(call: impl FnOnce()) {
    if caught_here(call).is_err() {
        tracing::warn!("a listener of the list panicked");
    }
}

/// Whether a reader that waits for the end of an entry has it: it is over, or waits for a person.
pub(super) fn is_end(state: &State) -> bool {
    state.is_over() || matches!(state, State::Needs { .. })
}
