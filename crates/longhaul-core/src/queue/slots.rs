//! What runs, and what may run beside it? Slots of all, of a lane and of a host, and room on a volume that is reserved
//! for what a run still has to write.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{Entry, EntryId, HostId, LaneId, Limits, Purpose, VolumeId};
use crate::words::Ticket;

/// A run under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) ticket: Ticket,
    pub(super) purpose: Purpose,
    /// It was told to stop: its place is not counted as taken by the limits that told it so.
    pub(super) stopping: bool,
    /// It was stopped to go on with what is new: how it ends otherwise was of what is old.
    pub(super) goes_on: bool,
    rank: i64,
    lane: LaneId,
    host: HostId,
    volume: VolumeId,
    missing: u64,
}

/// The runs under way, and what is known of the volumes.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    running: BTreeMap<EntryId, Slot>,
    free: BTreeMap<VolumeId, u64>,
    /// Lanes whose entries may not run now.
    closed: BTreeSet<LaneId>,
}

impl Slots {
    pub(super) fn get(&self, id: EntryId) -> Option<&Slot> {
        self.running.get(&id)
    }

    pub(super) fn take(&mut self, entry: &Entry, ticket: Ticket, purpose: Purpose) {
        let slot = Slot {
            ticket,
            purpose,
            stopping: false,
            goes_on: false,
            rank: entry.rank,
            lane: entry.lane,
            host: entry.host,
            volume: entry.volume,
            missing: entry.missing,
        };
        self.running.insert(entry.id, slot);
    }

    /// Which run has this ticket.
    pub(super) fn of_ticket(&self, ticket: Ticket) -> Option<EntryId> {
        self.running.iter().find(|(_, slot)| slot.ticket == ticket).map(|(id, _)| *id)
    }

    pub(super) fn give_back(&mut self, id: EntryId) -> Option<Slot> {
        self.running.remove(&id)
    }

    /// The run is told to stop; its ticket, unless it was told before.
    pub(super) fn stop(&mut self, id: EntryId) -> Option<Ticket> {
        let slot = self.running.get_mut(&id)?;
        (!std::mem::replace(&mut slot.stopping, true)).then_some(slot.ticket)
    }

    pub(super) fn goes_on_anew(&mut self, id: EntryId) {
        if let Some(slot) = self.running.get_mut(&id) {
            slot.goes_on = true;
        }
    }

    /// A run has written some of what it was to write: that much less is free until the volume is looked at again.
    pub(super) fn progress(&mut self, id: EntryId, missing: u64) {
        let Some(slot) = self.running.get_mut(&id) else { return };
        let written = slot.missing.saturating_sub(missing);
        slot.missing = missing;
        if let Some(free) = self.free.get_mut(&slot.volume) {
            *free = free.saturating_sub(written);
        }
    }

    pub(super) fn moved(&mut self, id: EntryId, rank: i64) {
        if let Some(slot) = self.running.get_mut(&id) {
            slot.rank = rank;
        }
    }

    pub(super) fn set_open(&mut self, lane: LaneId, open: bool) {
        match open {
            true => self.closed.remove(&lane),
            false => self.closed.insert(lane),
        };
    }

    pub(super) fn set_free(&mut self, volume: VolumeId, bytes: u64) {
        self.free.insert(volume, bytes);
    }

    /// Transfers that count; what is only removed takes no slot.
    fn counted(&self) -> impl Iterator<Item = (&EntryId, &Slot)> {
        self.running.iter().filter(|(_, slot)| slot.purpose == Purpose::Transfer)
    }

    fn count(&self, is: impl Fn(&Slot) -> bool) -> u32 {
        u32::try_from(self.counted().filter(|(_, slot)| is(slot)).count()).unwrap_or(u32::MAX)
    }

    /// Whether one more may run, of this lane and host.
    pub(super) fn has_slot(&self, limits: &Limits, lane: LaneId, host: HostId) -> bool {
        !self.closed.contains(&lane)
            && self.count(|_| true) < limits.most
            && self.count(|slot| slot.host == host) < limits.most_of_host
            && self.count(|slot| slot.lane == lane) < most_of(limits, lane)
    }

    /// Whether any more may run at all.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.count(|_| true) >= limits.most
    }

    /// Whether so many bytes fit beside what is reserved on the volume. What is not known counts as room: a volume that
    /// was not looked at, a length that no reply told.
    pub(super) fn has_room(&self, limits: &Limits, volume: VolumeId, missing: u64) -> bool {
        let Some(free) = self.free.get(&volume) else { return true };
        let reserved = self.counted().filter(|(_, slot)| slot.volume == volume).map(|(_, slot)| slot.missing);
        let needed = reserved.fold(missing, u64::saturating_add).saturating_add(limits.spare);
        missing == 0 || needed <= *free
    }

    /// Runs that the limits allow no more: of each limit the last in order, and all of a lane that is closed.
    pub(super) fn surplus(&self, limits: &Limits) -> Vec<EntryId> {
        let mut by_rank: Vec<_> = self.counted().filter(|(_, slot)| !slot.stopping).collect();
        by_rank.sort_by_key(|(id, slot)| (slot.rank, **id));
        let mut taken = Taken::default();
        let is_open = |slot: &Slot| !self.closed.contains(&slot.lane);
        by_rank
            .into_iter()
            .filter(|(_, slot)| !(is_open(slot) && taken.fits(limits, slot)))
            .map(|(id, _)| *id)
            .collect()
    }
}

/// The lane's own limit, or none.
fn most_of(limits: &Limits, lane: LaneId) -> u32 {
    limits.most_of_lane.get(&lane).copied().unwrap_or(u32::MAX)
}

/// What runs with a better rank take of the limits.
#[derive(Debug, Default)]
struct Taken {
    all: u32,
    of_host: BTreeMap<HostId, u32>,
    of_lane: BTreeMap<LaneId, u32>,
}

impl Taken {
    /// Whether one more fits; if so, it is counted.
    fn fits(&mut self, limits: &Limits, slot: &Slot) -> bool {
        let of_host = self.of_host.entry(slot.host).or_default();
        let of_lane = self.of_lane.entry(slot.lane).or_default();
        let most_of_lane = most_of(limits, slot.lane);
        if self.all >= limits.most || *of_host >= limits.most_of_host || *of_lane >= most_of_lane {
            return false;
        }
        self.all += 1;
        *of_host += 1;
        *of_lane += 1;
        true
    }
}
