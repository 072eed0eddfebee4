//! What runs and what waits: slots are filled in order, what may not run any more is stopped, and waits end.

use std::collections::btree_map;

use super::step::{Delay, Entry, EntryId, Purpose, Rest, Step, VolumeId, Wish};
use super::{Class, Job, LOOK_EVERY_MS, Queue, wait};
use crate::words::Millis;

impl Queue {
    pub(super) fn advance(&mut self) {
        self.record_next();
        if self.closing {
            return;
        }
        for id in self.slots.surplus(&self.limits) {
            self.stop(id);
        }
        let reloads = self.reload_at.is_some() || self.run.any(|job| matches!(job, Job::Reload));
        if reloads || !self.network {
            return; // what the list says is not known, or nothing would come of it
        }
        while !self.slots.is_full(&self.limits)
            && let Some(id) = self.next_in_order()
        {
            self.start(id, Purpose::Transfer);
        }
    }

    /// The first entry in rank that may run now. Volumes that had no room for one before it are watched.
    pub(super) fn next_in_order(&mut self) -> Option<EntryId> {
        let mut first: Option<(i64, EntryId)> = None;
        let mut without_room = Vec::new();
        for (&(lane, host, volume), waiting) in &self.ready {
            if !self.slots.has_slot(&self.limits, lane, host) {
                continue;
            }
            for &(rank, id) in waiting {
                if first.is_some_and(|first| first < (rank, id)) {
                    break;
                }
                let missing = self.entries.get(&id).map_or(0, |entry| entry.missing);
                if self.slots.has_room(&self.limits, volume, missing) {
                    first = Some((rank, id));
                    break;
                }
                without_room.push(id);
            }
        }
        without_room.into_iter().for_each(|id| self.watch(id));
        first.map(|(_, id)| id)
    }

    pub(super) fn start(&mut self, id: EntryId, purpose: Purpose) {
        let Some(entry) = self.entries.get(&id).copied() else { return };
        self.unready(&entry);
        self.touched.insert(id);
        let ticket = self.run.order(Step::Start(id, purpose));
        self.slots.take(&entry, ticket, purpose);
    }

    pub(super) fn stop(&mut self, id: EntryId) {
        if let Some(ticket) = self.slots.stop(id) {
            self.run.act_on(ticket, Step::Stop);
            self.touched.insert(id);
        }
    }

    /// Brings an entry where its wish and its rest want it: among those that wait for a turn, to a timer, to an end.
    pub(super) fn settle(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get(&id).copied() else { return };
        self.touched.insert(id);
        self.unready(&entry);
        if let Some(slot) = self.slots.get(id) {
            let wanted = match entry.wish {
                Wish::Run => slot.purpose == Purpose::Transfer,
                Wish::Hold => false,
                Wish::Cancel { .. } => slot.purpose == Purpose::Discard,
            };
            if !wanted {
                self.stop(id);
            }
            return;
        }
        if let Rest::Later { wait_ms, .. } = entry.rest {
            self.wait_until(id, self.run.now().saturating_add(wait_ms.min(wait::WAIT_MAX)));
        }
        match (entry.wish, entry.rest) {
            (Wish::Run, Rest::Queued) => {
                self.ready.entry(class(&entry)).or_default().insert((entry.rank, id));
            }
            (Wish::Cancel { .. }, Rest::Done | Rest::Cancelled | Rest::Later { .. }) => {}
            (Wish::Cancel { discard: false }, _) => {
                self.set_rest(id, Rest::Cancelled);
                self.unrecorded.insert(id);
            }
            (Wish::Cancel { discard: true }, _) if !self.closing => self.start(id, Purpose::Discard),
            _ => {}
        }
    }

    pub(super) fn set_rest(&mut self, id: EntryId, rest: Rest) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.rest = rest;
        }
    }

    pub(super) fn unready(&mut self, entry: &Entry) {
        let class = class(entry);
        if let Some(waiting) = self.ready.get_mut(&class) {
            waiting.remove(&(entry.rank, entry.id));
            if waiting.is_empty() {
                self.ready.remove(&class);
            }
        }
    }

    /// An entry runs later: its moment, unless it has one.
    pub(super) fn wait_until(&mut self, id: EntryId, at: Millis) {
        if let btree_map::Entry::Vacant(free) = self.due.entry(id) {
            free.insert(at);
            self.touched.insert(id);
            self.timers.insert((at, id));
        }
    }

    pub(super) fn forget_wait(&mut self, id: EntryId) {
        if let Some(at) = self.due.remove(&id) {
            self.timers.remove(&(at, id));
        }
    }

    /// An entry has waited long enough.
    pub(super) fn end_wait(&mut self, id: EntryId) {
        self.forget_wait(id);
        self.set_rest(id, Rest::Queued);
        self.settle(id);
    }

    /// An event ends these waits, of which each lasts [`wait::WAIT_MIN`] at least.
    pub(super) fn end_waits(&mut self, is: impl Fn(&Entry) -> bool) {
        let now = self.run.now();
        let waiting: Vec<EntryId> =
            self.due.keys().filter(|id| self.entries.get(id).is_some_and(&is)).copied().collect();
        for id in waiting {
            let (Some(due), Some(Rest::Later { wait_ms, .. })) = (self.due(id), self.entries.get(&id).map(|e| e.rest))
            else {
                continue;
            };
            let earliest = due.saturating_sub(wait_ms).saturating_add(wait::WAIT_MIN);
            if earliest <= now {
                self.end_wait(id);
            } else if earliest < due {
                self.forget_wait(id);
                self.wait_until(id, earliest);
            }
        }
    }

    /// Those that wait for room on a volume, as far as it is known that they have it now.
    pub(super) fn end_waits_for_space(&mut self, volume: VolumeId) {
        let (slots, limits) = (self.slots.clone(), self.limits.clone());
        self.end_waits(|entry| {
            let waits = matches!(entry.rest, Rest::Later { why: Delay::Space, .. }) && entry.volume == volume;
            waits && entry.missing > 0 && slots.has_room(&limits, volume, entry.missing)
        });
        let is_short = |entry: &Entry| matches!(entry.rest, Rest::Later { why: Delay::Space, .. });
        let short: Vec<EntryId> = self.due.keys().copied().collect();
        for id in short {
            if self.entries.get(&id).is_some_and(|entry| entry.volume == volume && is_short(entry)) {
                self.watch(id);
            }
        }
    }

    /// The volume of an entry is looked at in a while.
    pub(super) fn watch(&mut self, id: EntryId) {
        if let Some(entry) = self.entries.get(&id) {
            self.watched.entry(entry.volume).or_insert(self.run.now() + LOOK_EVERY_MS);
        }
    }

    /// xorshift64*: any numbers will do, the same for the same seed.
    pub(super) fn next_random(&mut self) -> u64 {
        let mut x = self.random | 1;
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

pub(super) fn class(entry: &Entry) -> Class {
    (entry.lane, entry.host, entry.volume)
}
