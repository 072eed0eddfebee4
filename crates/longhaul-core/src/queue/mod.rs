//! What runs next of a list of transfers? A [`Queue`] is told what people ask of the list, how its runs end and what
//! changes outside; it says what is to be recorded, who is answered, and which entry runs. It knows no database, clock
//! or transfer; the words are in [`step`].
//!
//! ```text
//!         Add ─► QUEUED ◄─────────────── Retry · due · the network is back · room ────────────────┐
//!                 │  ▲ Release                                                                    │
//!          Hold ▼ │  │                                                                            │
//!               HELD ┤         a slot of all, of the lane, of the host; room on the volume        │
//!                    ▼                                                                            │
//!                 RUNNING ── Ended ──┬─► LATER   waits for a moment or an event ──────────────────┤
//!                    │               ├─► NEEDS   waits for a person ──────────────────────────────┤
//!      Hold · Cancel ▼               ├─► FAILED  for good ────────────────────────────────────────┘
//!                 STOPPING ──┬─► HELD└─► DONE
//!                            └─► CANCELLED
//! ```
//!
//! # The nine laws
//!
//! 1. **Recorded before said.** A request is answered when its change is recorded, and acts from then on.
//! 2. **Once.** An entry has at most one run; the next one starts after the last one ended.
//! 3. **Order.** Of the entries that could run, the first in rank starts; no slot stays empty while one could.
//! 4. **A hold holds**: no timer and no restart undoes it.
//! 5. **Nothing is lost.** What was acknowledged is in the list until a request that is recorded takes it out.
//! 6. **Limits** of all, of lanes, of hosts and of room on volumes hold at every step.
//! 7. **No silent wait.** An entry that does not run waits for a moment, for an event, for a slot or for a person.
//! 8. **Stale tickets change nothing.**
//! 9. **Bounded.** What no person asked for starts an entry 120 times an hour at most.
//!
//! What people ask for is recorded first and changes the list then. How a run ended is a fact: it changes the list at
//! once, and is recorded as soon as may be; where a crash comes between, the entry is queued as it was, and its run
//! finds what the last one left.

mod ask;
mod order;
mod slots;
pub mod step;
mod turn;
mod wait;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::run::{Ordered, Run, no_answer};
use crate::words::{Millis, Ticket};
use ask::Batch;
use order::Order;
use slots::Slots;
use step::{
    Answer, Delay, End, Entry, EntryId, Heard, HostId, LaneId, Limits, News, Purpose, Request, RequestId, Rest, Step,
    VolumeId, Wish,
};

/// Changes of one `Record`, at most: so many that a disk syncs once for thousands, so few that nobody waits for long.
const BATCH_MAX: usize = 1000;
/// A list that could not be written is tried again after so long.
const RECORD_AGAIN_MS: Millis = 2000;
/// How often a volume without room is looked at.
const LOOK_EVERY_MS: Millis = 30_000;

/// What an answer is awaited for.
#[derive(Debug, Clone)]
enum Job {
    Record(Batch),
    Reload,
}

/// Entries that wait for their turn, by what decides whether they may have it.
type Class = (LaneId, HostId, VolumeId);

/// The list, and who of it runs.
#[derive(Debug, Clone)]
pub struct Queue {
    run: Run<Step, Job>,
    random: u64,
    entries: BTreeMap<EntryId, Entry>,
    limits: Limits,
    order: Order,
    slots: Slots,
    ready: BTreeMap<Class, BTreeSet<(i64, EntryId)>>,
    /// When entries that run later are due.
    due: BTreeMap<EntryId, Millis>,
    timers: BTreeSet<(Millis, EntryId)>,
    /// Volumes without room, and when they are looked at.
    watched: BTreeMap<VolumeId, Millis>,
    inbox: VecDeque<(RequestId, Request)>,
    /// Entries whose ends are not recorded yet.
    unrecorded: BTreeSet<EntryId>,
    /// After a list could not be written: nothing is recorded of its own accord before.
    record_at: Millis,
    /// After a list could not be read: when that is tried again.
    reload_at: Option<Millis>,
    network: bool,
    /// Entries that may not be what they were when that was last asked.
    touched: BTreeSet<EntryId>,
    /// It is ending: nothing starts any more.
    closing: bool,
}

impl Queue {
    /// The list as it was recorded, and the lanes that are closed now. `seed` feeds the jitter of waits. Recorded waits
    /// begin again.
    pub fn new(now: Millis, seed: u64, entries: Vec<Entry>, limits: Limits, closed: &[LaneId]) -> Self {
        let mut queue = Self {
            run: Run::new(),
            random: seed,
            entries: BTreeMap::new(),
            limits,
            order: Order::default(),
            slots: Slots::default(),
            ready: BTreeMap::new(),
            due: BTreeMap::new(),
            timers: BTreeSet::new(),
            watched: BTreeMap::new(),
            inbox: VecDeque::new(),
            unrecorded: BTreeSet::new(),
            record_at: 0,
            reload_at: None,
            network: true,
            touched: BTreeSet::new(),
            closing: false,
        };
        queue.run.tick(now);
        closed.iter().for_each(|lane| queue.slots.set_open(*lane, false));
        entries.into_iter().for_each(|entry| queue.insert(entry));
        queue.advance();
        queue
    }

    /// The next step to do, until there is none for now.
    pub fn next_step(&mut self) -> Option<Ordered<Step>> {
        self.run.next_step()
    }

    /// An entry as it is now; what is asked for and not recorded yet does not show.
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// What an entry's run is for, while it has one.
    pub fn running(&self, id: EntryId) -> Option<Purpose> {
        self.slots.get(id).map(|slot| slot.purpose)
    }

    /// When an entry that runs later is due.
    pub fn due(&self, id: EntryId) -> Option<Millis> {
        self.due.get(&id).copied()
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Somebody asks something of the list. It is answered by a `Reply` with this name.
    pub fn request(&mut self, now: Millis, name: RequestId, request: Request) {
        self.run.tick(now);
        self.inbox.push_back((name, request));
        self.advance();
    }

    /// The same of many, which are recorded together as far as a record goes.
    pub fn requests(&mut self, now: Millis, requests: impl IntoIterator<Item = (RequestId, Request)>) {
        self.run.tick(now);
        self.inbox.extend(requests);
        self.advance();
    }

    /// Entries that may not be what they were when this was last called; also those that left the list.
    pub fn take_touched(&mut self) -> BTreeSet<EntryId> {
        std::mem::take(&mut self.touched)
    }

    /// Whether what was asked for and what happened is recorded.
    pub fn is_recorded(&self) -> bool {
        self.run.is_idle() && self.inbox.is_empty() && self.unrecorded.is_empty() && self.reload_at.is_none()
    }

    /// Something changed outside.
    pub fn news(&mut self, now: Millis, news: News) {
        self.run.tick(now);
        match news {
            News::NetworkDown => self.network = false,
            News::NetworkUp => {
                self.network = true;
                self.end_waits(|entry| matches!(entry.rest, Rest::Later { why: Delay::Network, .. }));
            }
            News::Space(volume, free) => {
                self.slots.set_free(volume, free);
                self.watched.remove(&volume);
                self.end_waits_for_space(volume);
            }
            News::Lane(lane, open) => self.slots.set_open(lane, open),
        }
        self.advance();
    }

    /// The program ends: every run is stopped in order, nothing starts any more. Entries stay as they are in the list.
    pub fn close(&mut self, now: Millis) {
        self.run.tick(now);
        self.closing = true;
        let ids: Vec<EntryId> = self.entries.keys().copied().collect();
        ids.into_iter().for_each(|id| self.stop(id));
        self.advance();
    }

    /// When [`wake`](Self::wake) is wanted at the latest; `None`: something else will be heard first.
    pub fn wake_at(&self) -> Option<Millis> {
        let timer = self.timers.first().map(|(at, _)| *at).filter(|_| !self.closing);
        let look = self.watched.values().min().copied().filter(|_| !self.closing);
        let record = (!self.unrecorded.is_empty() && self.run.is_idle()).then_some(self.record_at);
        [timer, look, record.filter(|_| self.reload_at.is_none()), self.reload_at].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Millis) {
        self.run.tick(now);
        while let Some(&(at, id)) = self.timers.first()
            && at <= self.run.now()
        {
            self.end_wait(id);
        }
        if self.reload_at.is_some_and(|at| at <= self.run.now()) {
            self.reload_at = None;
            self.run.begin(Job::Reload, Step::Reload);
        }
        let (now, again) = (self.run.now(), self.run.now() + LOOK_EVERY_MS);
        let looked: Vec<VolumeId> = self.watched.iter().filter(|(_, at)| **at <= now).map(|(v, _)| *v).collect();
        for volume in looked {
            self.watched.insert(volume, again);
            self.run.order(Step::LookAtSpace(volume));
        }
        self.advance();
    }

    /// A step was answered.
    pub fn hear(&mut self, now: Millis, ticket: Ticket, heard: Heard) {
        self.run.tick(now);
        match heard {
            Heard::Progress { missing } => self.hear_progress(ticket, missing),
            Heard::Ended(end) => self.hear_end(ticket, end),
            heard => match self.run.answered(ticket) {
                None => {}
                Some(Job::Record(batch)) => self.hear_recorded(batch, &heard),
                Some(Job::Reload) => self.hear_loaded(heard),
            },
        }
        self.advance();
    }

    fn hear_progress(&mut self, ticket: Ticket, missing: u64) {
        let Some(id) = self.slots.of_ticket(ticket) else { return };
        self.slots.progress(id, missing);
        if let Some(entry) = self.entries.get_mut(&id) {
            wait::forgive(entry);
            entry.missing = missing;
        }
    }

    fn hear_end(&mut self, ticket: Ticket, end: End) {
        let Some(id) = self.slots.of_ticket(ticket) else { return };
        let slot = self.slots.give_back(id);
        let (purpose, goes_on) = (slot.map(|slot| slot.purpose), slot.is_some_and(|slot| slot.goes_on));
        let random = self.next_random();
        let patience_ms = self.limits.patience_ms;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.rest = match (purpose, end) {
            (Some(Purpose::Discard), End::Done) => Rest::Cancelled,
            // What could not be removed is tried again: it is wanted still.
            (Some(Purpose::Discard), _) => wait::delayed(entry, Delay::InUse, None, patience_ms, random),
            (_, End::Done) => {
                entry.wish = Wish::Run; // too late to be held or given up
                Rest::Done
            }
            (_, End::Stopped) => Rest::Queued,
            _ if goes_on => Rest::Queued,
            (_, End::Later { why, after_ms }) => wait::delayed(entry, why, after_ms, patience_ms, random),
            (_, End::Needs(need)) => Rest::Needs(need),
            (_, End::Failed) => Rest::Failed,
        };
        if let Rest::Later { why: Delay::Space, .. } = entry.rest {
            self.watch(id);
        }
        self.unrecorded.insert(id);
        self.settle(id);
    }

    fn hear_recorded(&mut self, batch: Batch, heard: &Heard) {
        self.order.settled();
        match heard {
            Heard::Recorded => {
                let touched: Vec<EntryId> = batch.effects.into_iter().flat_map(|effect| self.apply(effect)).collect();
                for (name, answer) in batch.answers {
                    self.run.order(Step::Reply(name, answer));
                }
                touched.into_iter().for_each(|id| self.settle(id));
            }
            Heard::NotRecorded => {
                self.unrecorded.extend(batch.ends);
                self.record_at = self.run.now() + RECORD_AGAIN_MS;
                for (name, answer) in batch.answers {
                    let answer = if answer == Answer::Recorded { Answer::NotRecorded } else { answer };
                    self.run.order(Step::Reply(name, answer));
                }
                self.run.begin(Job::Reload, Step::Reload);
            }
            _ => no_answer("a record of the list"),
        }
    }

    /// The list was read again. What runs goes on; ends that were not recorded count.
    fn hear_loaded(&mut self, heard: Heard) {
        match heard {
            Heard::Loaded(entries, limits) => {
                let before = std::mem::take(&mut self.entries);
                self.order = Order::default();
                self.ready.clear();
                self.due.clear();
                self.timers.clear();
                self.limits = limits;
                for mut entry in entries {
                    if let Some(known) = before.get(&entry.id) {
                        (entry.missing, entry.vain, entry.vain_ms) = (known.missing, known.vain, known.vain_ms);
                        if self.unrecorded.contains(&entry.id) || self.slots.get(entry.id).is_some() {
                            entry.rest = known.rest;
                        }
                    }
                    self.insert(entry);
                }
                self.unrecorded.retain(|id| self.entries.contains_key(id));
                self.touched.extend(before.keys().chain(self.entries.keys()));
                // A run whose entry is gone has nobody who wants it.
                before.keys().filter(|id| !self.entries.contains_key(id)).for_each(|id| {
                    if let Some(ticket) = self.slots.stop(*id) {
                        self.run.act_on(ticket, Step::Stop);
                    }
                });
            }
            Heard::NotRecorded => self.reload_at = Some(self.run.now() + RECORD_AGAIN_MS),
            _ => no_answer("a look at the list"),
        }
    }
}
