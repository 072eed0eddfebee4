//! People, who ask for anything at any time.

use longhaul_core::queue::step::{EntryId, Place, Request, RequestId};

use super::liar::Sabotage;
use super::world::{World, some_entry};

/// Entries are few, so that requests meet.
const ENTRIES_MAX: usize = 8;

impl World {
    pub(crate) fn somebody_asks(&mut self) {
        let times = if self.rng.one_in(4) { self.rng.between(2, 5) } else { 1 };
        for _ in 0..times {
            let request = self.some_request();
            self.ask(request);
        }
    }

    fn some_id(&mut self) -> EntryId {
        // Also one that was forgotten, or never was.
        EntryId(u128::from(self.rng.below(self.entries_made as u64 + 2)))
    }

    fn some_place(&mut self) -> Place {
        match self.rng.below(4) {
            0 => Place::Top,
            1 => Place::Before(self.some_id()),
            _ => Place::Bottom,
        }
    }

    fn some_request(&mut self) -> Request {
        let (id, place) = (self.some_id(), self.some_place());
        let few = self.list.entries.len() < ENTRIES_MAX;
        match self.rng.below(20) {
            0..8 if few => {
                let is_known = self.rng.one_in(16);
                if !is_known {
                    self.entries_made += 1;
                }
                let id = EntryId(self.entries_made);
                Request::Add { entry: some_entry(&mut self.rng, id), place }
            }
            8..11 => Request::Hold(id),
            11..14 => Request::Release(id),
            14 => Request::Cancel { id, discard: self.rng.coin() },
            15 | 16 => Request::Retry(id),
            17 if self.rng.coin() => self.some_edit(id),
            17 => Request::Forget(id),
            18 if self.rng.coin() => Request::Limit(self.some_limits()),
            _ => Request::Move { id, place },
        }
    }

    fn some_edit(&mut self, id: EntryId) -> Request {
        self.coverage.edits += 1;
        let other = some_entry(&mut self.rng, id);
        Request::Edit { id, lane: other.lane, host: other.host, volume: other.volume, again: self.rng.coin() }
    }

    fn ask(&mut self, request: Request) {
        self.coverage.requests += 1;
        self.coverage.moves += u64::from(matches!(request, Request::Move { .. }));
        self.requests_made += 1;
        let name = RequestId(self.requests_made);
        tell!(self, "{name:?}: {request:?}");
        self.witness.asked(name, request.clone());
        let mut told = request;
        match &mut told {
            Request::Limit(limits) => self.widen(limits),
            Request::Cancel { id, discard: true } if self.lies(Sabotage::DiscardedEarly) => {
                let id = *id;
                self.removed(id);
            }
            _ => {}
        }
        let now = self.told_now();
        if let Some(core) = &mut self.core {
            core.request(now, name, told);
        }
    }
}
