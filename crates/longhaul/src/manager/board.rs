//! The list as everyone reads it: who stands where, what runs, how many there are of each state. The driver alone
//! changes it; readers take what they ask for and go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::entry::{Entry, EntryId, Gid, State};
use super::settings::Settings;

/// Which entries of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Which {
    /// That run or stop, in the order in which they started.
    Active,
    /// That are queued, held or run later, in the order of the list.
    Waiting,
    /// That wait for a person, in the order of the list.
    Needs,
    /// That are done, failed or cancelled; the newest last.
    Over,
    /// Those of [`Needs`](Self::Needs) and [`Over`](Self::Over); the one that stopped last is the last.
    Stopped,
    /// All, in the order of the list, and then those that are over.
    All,
    /// The same of one lane.
    Lane(String),
    /// The same with this tag.
    Tag(String),
}

/// How many entries there are of each state, and how fast they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// That wait for their turn.
    pub queued: usize,
    /// That are held.
    pub held: usize,
    /// That run.
    pub running: usize,
    /// That stop.
    pub stopping: usize,
    /// That wait for a moment or an event.
    pub later: usize,
    /// That wait for a person.
    pub needs: usize,
    /// That failed.
    pub failed: usize,
    /// That are complete.
    pub done: usize,
    /// That were given up.
    pub cancelled: usize,
    /// Bytes per second of all downloads together.
    pub rate_down: u64,
    /// Bytes per second of all uploads together.
    pub rate_up: u64,
    /// The list's counter.
    pub rev: u64,
}

impl Counts {
    fn of(&mut self, state: &State) -> &mut usize {
        match state {
            State::Queued => &mut self.queued,
            State::Held => &mut self.held,
            State::Running => &mut self.running,
            State::Stopping => &mut self.stopping,
            State::Later { .. } => &mut self.later,
            State::Needs { .. } => &mut self.needs,
            State::Failed(_) => &mut self.failed,
            State::Done(_) => &mut self.done,
            State::Cancelled => &mut self.cancelled,
        }
    }
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct Board {
    entries: HashMap<EntryId, Arc<Entry>>,
    gids: HashMap<Gid, EntryId>,
    /// Those that are not over, in order.
    order: BTreeSet<(i64, EntryId)>,
    /// Those that run, by when they started.
    active: BTreeMap<u64, EntryId>,
    started: HashMap<EntryId, u64>,
    starts: u64,
    /// Those that wait for a person or are over, by when that was.
    stopped: BTreeSet<(u64, EntryId)>,
    counts: Counts,
    rev: u64,
    pub(super) settings: Arc<Settings>,
    pub(super) unwritten: Option<String>,
}

fn is_active(entry: &Entry) -> bool {
    matches!(entry.state, State::Running | State::Stopping)
}

fn is_stopped(entry: &Entry) -> bool {
    entry.state.is_over() || matches!(entry.state, State::Needs { .. })
}

impl Board {
    pub(super) fn get(&self, id: EntryId) -> Option<&Arc<Entry>> {
        self.entries.get(&id)
    }

    pub(super) fn by_gid(&self, gid: Gid) -> Option<EntryId> {
        self.gids.get(&gid).copied()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = EntryId> {
        self.entries.keys().copied()
    }

    pub(super) fn rev(&self) -> u64 {
        self.rev
    }

    /// The next number of the counter.
    pub(super) fn next_rev(&mut self) -> u64 {
        self.rev += 1;
        self.rev
    }

    pub(super) fn begin_at_rev(&mut self, rev: u64) {
        self.rev = self.rev.max(rev);
    }

    pub(super) fn put(&mut self, entry: Arc<Entry>) {
        self.remove(entry.id);
        let id = entry.id;
        self.gids.insert(entry.gid, id);
        *self.counts.of(&entry.state) += 1;
        if !entry.state.is_over() {
            self.order.insert((entry.rank, id));
        }
        if is_active(&entry) {
            let starts = &mut self.starts;
            let number = *self.started.entry(id).or_insert_with(|| {
                *starts += 1;
                *starts
            });
            self.active.insert(number, id);
        } else {
            self.started.remove(&id);
        }
        if is_stopped(&entry) {
            self.stopped.insert((entry.ended_ms.unwrap_or(0), id));
        }
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: EntryId) -> Option<Arc<Entry>> {
        let old = self.entries.remove(&id)?;
        self.gids.remove(&old.gid);
        *self.counts.of(&old.state) -= 1;
        self.order.remove(&(old.rank, id));
        self.stopped.remove(&(old.ended_ms.unwrap_or(0), id));
        if let Some(number) = self.started.get(&id) {
            self.active.remove(number);
        }
        Some(old)
    }

    /// An entry left the list for good.
    pub(super) fn forget(&mut self, id: EntryId) -> bool {
        let was_there = self.remove(id).is_some();
        self.started.remove(&id);
        was_there
    }

    pub(super) fn position(&self, id: EntryId) -> Option<u32> {
        let entry = self.entries.get(&id).filter(|entry| !entry.state.is_over())?;
        u32::try_from(self.order.range(..(entry.rank, id)).count()).ok()
    }

    /// The entry at a place among those that are not over, `without` not counted.
    pub(super) fn at(&self, place: usize, without: EntryId) -> Option<EntryId> {
        self.order.iter().map(|(_, id)| *id).filter(|id| *id != without).nth(place)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { rev: self.rev, ..self.counts }
    }

    /// Over ones beyond the newest `most`, oldest first.
    pub(super) fn beyond(&self, most: usize) -> Vec<EntryId> {
        let over = self.counts.failed + self.counts.done + self.counts.cancelled;
        let ids = self.stopped.iter().map(|(_, id)| *id).filter(|id| self.is_over(*id));
        ids.take(over.saturating_sub(most)).collect()
    }

    fn is_over(&self, id: EntryId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.state.is_over())
    }

    /// `most` of these entries, from the `from`th.
    pub(super) fn list(&self, which: &Which, from: usize, most: usize) -> Vec<Arc<Entry>> {
        let in_order = || self.order.iter().map(|(_, id)| id);
        let stopped = || self.stopped.iter().map(|(_, id)| id);
        let ids: Box<dyn Iterator<Item = &EntryId>> = match which {
            Which::Active => Box::new(self.active.values()),
            Which::Waiting | Which::Needs => Box::new(in_order()),
            Which::Over | Which::Stopped => Box::new(stopped()),
            Which::All | Which::Lane(_) | Which::Tag(_) => {
                Box::new(in_order().chain(stopped().filter(|id| self.is_over(**id))))
            }
        };
        let wanted = |entry: &&Arc<Entry>| match which {
            Which::Active | Which::All | Which::Stopped => true,
            Which::Waiting => matches!(entry.state, State::Queued | State::Held | State::Later { .. }),
            Which::Needs => matches!(entry.state, State::Needs { .. }),
            Which::Over => entry.state.is_over(),
            Which::Lane(lane) => entry.lane == *lane,
            Which::Tag(tag) => entry.tags.contains(tag),
        };
        ids.filter_map(|id| self.entries.get(id)).filter(wanted).skip(from).take(most).cloned().collect()
    }
}
