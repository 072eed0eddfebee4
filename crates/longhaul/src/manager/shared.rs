//! What the handle, the driver and the runs have in common.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::audience::Audience;
use super::board::{Board, Counts};
use super::entry::{Entry, EntryId};
use super::vault::Vault;
use crate::event::{Event, Progress};
use crate::sync::locked;
use crate::transfer::{Transfer, TransferKind};

/// So many events of an entry are kept; progress is none of them.
const EVENTS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) board: Mutex<Board>,
    /// The transfers that run.
    pub(super) live: Mutex<HashMap<EntryId, Transfer>>,
    pub(super) vault: Mutex<Vault>,
    pub(super) audience: Audience,
    events: Mutex<HashMap<EntryId, VecDeque<(u64, Event)>>>,
    /// Nothing runs, and nothing is being recorded.
    pub(super) idle: watch::Sender<bool>,
    /// The driver has ended.
    pub(super) closed: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(audience: Audience, vault: Vault) -> Self {
        Self {
            board: Mutex::default(),
            live: Mutex::default(),
            vault: Mutex::new(vault),
            audience,
            events: Mutex::default(),
            idle: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        }
    }

    /// An entry with its progress of now.
    pub(super) fn with_progress(&self, entry: Arc<Entry>) -> Arc<Entry> {
        match self.progress(entry.id) {
            Some(progress) => Arc::new(Entry { progress, ..Entry::clone(&entry) }),
            None => entry,
        }
    }

    /// How far an entry is that runs. At its start a transfer has looked at no journal yet: what it was is told then.
    pub(super) fn progress(&self, id: EntryId) -> Option<Progress> {
        let progress = locked(&self.live).get(&id)?.progress();
        (progress != Progress::default()).then_some(progress)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = locked(&self.board).counts();
        for transfer in locked(&self.live).values() {
            let rate = transfer.progress().rate;
            match transfer.kind() {
                TransferKind::Upload => counts.rate_up += rate,
                _ => counts.rate_down += rate,
            }
        }
        counts
    }

    pub(super) fn keep_event(&self, id: EntryId, event: &Event) {
        if matches!(event, Event::Progress(_)) {
            return;
        }
        let mut all = locked(&self.events);
        let events = all.entry(id).or_default();
        if events.len() == EVENTS_MAX {
            events.pop_front();
        }
        events.push_back((crate::now_unix_ms(), event.clone()));
    }

    /// The last events of an entry, oldest first, each with its moment in milliseconds since 1970.
    pub(super) fn events(&self, id: EntryId) -> Vec<(u64, Event)> {
        locked(&self.events).get(&id).map(|events| events.iter().cloned().collect()).unwrap_or_default()
    }

    /// An entry left the list.
    pub(super) fn forget(&self, id: EntryId) {
        locked(&self.events).remove(&id);
        locked(&self.vault).remove(id);
        self.audience.forget(id);
    }
}
