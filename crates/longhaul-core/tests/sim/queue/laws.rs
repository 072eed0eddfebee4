//! What must never happen. The witness knows what people were answered, and what really runs; it believes neither the
//! queue nor its driver.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use longhaul_core::queue::step::{
    Answer, End, Entry, EntryId, LaneId, Limits, News, Place, Purpose, Request, RequestId, Rest, VolumeId, Wish,
};
use longhaul_core::words::Millis;

use super::driver::Run;
use super::world::{HOUR, List, World, in_order, is_transfer};

/// Law 9, with what a person may add: their requests are not counted.
const STARTS_PER_HOUR: usize = 121;

/// What was said to people, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// The list as it was acknowledged.
    order: Vec<EntryId>,
    wishes: BTreeMap<EntryId, Wish>,
    limits: Limits,
    closed: BTreeSet<LaneId>,
    rooms: BTreeMap<VolumeId, u64>,
    network: bool,
    waiting: VecDeque<(RequestId, Request)>,
    /// Entries of which it is not known what the disk says of them.
    doubtful: BTreeSet<EntryId>,
    doubtful_limits: bool,
    /// Starts of an entry since a person last asked for anything.
    starts: BTreeMap<EntryId, VecDeque<Millis>>,
    complete: BTreeSet<EntryId>,
}

fn entry_of(request: &Request) -> Option<EntryId> {
    match request {
        Request::Add { entry, .. } => Some(entry.id),
        Request::Hold(id) | Request::Release(id) | Request::Retry(id) | Request::Forget(id) => Some(*id),
        Request::Cancel { id, .. } | Request::Move { id, .. } | Request::Edit { id, .. } => Some(*id),
        Request::Limit(_) => None,
    }
}

impl Witness {
    pub(crate) fn new(list: &List) -> Self {
        Self { limits: list.limits.clone(), network: true, ..Self::default() }
    }

    pub(crate) fn asked(&mut self, name: RequestId, request: Request) {
        self.starts.clear();
        self.waiting.push_back((name, request));
    }

    /// A request was answered; what is wrong about that.
    pub(crate) fn replied(&mut self, name: RequestId, answer: Answer) -> Option<String> {
        let (asked, request) = self.waiting.pop_front()?;
        if asked != name {
            return Some(format!("{name:?} is answered before {asked:?}"));
        }
        self.starts.clear();
        match (answer, entry_of(&request)) {
            (Answer::Recorded, _) => self.acknowledged(request),
            (Answer::NotRecorded, Some(id)) => drop(self.doubtful.insert(id)),
            (Answer::NotRecorded, None) => self.doubtful_limits = true,
            _ => {}
        }
        None
    }

    fn acknowledged(&mut self, request: Request) {
        match request {
            Request::Add { entry, place } => {
                self.complete.remove(&entry.id); // of one that had its name before
                self.put(entry.id, place);
                self.wishes.insert(entry.id, entry.wish);
            }
            Request::Hold(id) => drop(self.wishes.insert(id, Wish::Hold)),
            Request::Release(id) => drop(self.wishes.insert(id, Wish::Run)),
            Request::Retry(id) => {
                self.wishes.insert(id, Wish::Run);
                self.complete.remove(&id);
            }
            Request::Cancel { id, discard } => drop(self.wishes.insert(id, Wish::Cancel { discard })),
            Request::Move { id, place } => self.put(id, place),
            Request::Edit { id, again: true, .. } => {
                let wish = self.wishes.entry(id).or_insert(Wish::Run);
                if *wish != Wish::Hold {
                    *wish = Wish::Run;
                }
            }
            Request::Edit { .. } => {}
            Request::Forget(id) => {
                self.order.retain(|other| *other != id);
                self.wishes.remove(&id);
                self.complete.remove(&id);
            }
            Request::Limit(limits) => self.limits = limits,
        }
    }

    fn put(&mut self, id: EntryId, place: Place) {
        self.order.retain(|other| *other != id);
        let at = match place {
            Place::Top => 0,
            Place::Bottom => self.order.len(),
            Place::Before(other) => self.order.iter().position(|id| *id == other).unwrap_or(self.order.len()),
        };
        self.order.insert(at, id);
    }

    pub(crate) fn told(&mut self, news: &News) {
        match news {
            News::NetworkUp => self.network = true,
            News::NetworkDown => self.network = false,
            News::Lane(lane, true) => drop(self.closed.remove(lane)),
            News::Lane(lane, false) => drop(self.closed.insert(*lane)),
            News::Space(..) => {}
        }
    }

    /// The queue is told how much room there is.
    pub(crate) fn room(&mut self, volume: VolumeId, free: u64) {
        self.rooms.insert(volume, free);
    }

    pub(crate) fn wrote(&mut self, volume: VolumeId, bytes: u64) {
        if let Some(free) = self.rooms.get_mut(&volume) {
            *free = free.saturating_sub(bytes);
        }
    }

    pub(crate) fn ended(&mut self, id: EntryId, end: End) {
        if end == End::Done {
            self.complete.insert(id);
            self.wishes.entry(id).and_modify(|wish| *wish = Wish::Run);
        }
    }

    /// What was acknowledged and is not on the disk of a program that is gone.
    pub(crate) fn lost(&self, list: &List) -> Option<String> {
        let asked: BTreeSet<EntryId> = self.waiting.iter().filter_map(|(_, request)| entry_of(request)).collect();
        let sure = |id: &&EntryId| !asked.contains(id) && !self.doubtful.contains(id);
        let forgotten = self.order.iter().filter(sure).find(|id| !list.entries.contains_key(id));
        if let Some(id) = forgotten {
            return Some(format!("{id:?} was acknowledged, and is not in the list"));
        }
        let other = self.wishes.iter().filter(|(id, _)| sure(id)).find(|(id, wish)| {
            let found = list.entries.get(id);
            found.is_some_and(|found| found.wish != **wish && found.rest != Rest::Done && !self.complete.contains(id))
        });
        other.map(|(id, wish)| {
            format!("{id:?}: {wish:?} was acknowledged, and the list says {:?}", list.entries.get(id))
        })
    }

    /// A program starts: what the disk says counts.
    pub(crate) fn restarted(&mut self, list: &List) {
        self.waiting.clear();
        self.rooms.clear();
        self.network = true;
        self.starts.clear();
        self.complete.clear();
        self.believe(list);
    }

    /// A program starts, and is told which lanes are closed.
    pub(crate) fn closed(&mut self, lanes: &[LaneId]) {
        self.closed = lanes.iter().copied().collect();
    }

    /// The list was read again: what it says of what was doubtful counts.
    pub(crate) fn reloaded(&mut self, list: &List) {
        self.believe(list);
    }

    fn believe(&mut self, list: &List) {
        self.order = in_order(&list.entries);
        self.complete.retain(|id| list.entries.contains_key(id));
        let complete = &self.complete;
        let known = std::mem::take(&mut self.wishes);
        self.wishes = list.entries.values().map(|entry| (entry.id, entry.wish)).collect();
        for (id, wish) in known {
            if complete.contains(&id) && self.wishes.contains_key(&id) {
                self.wishes.insert(id, wish);
            }
        }
        self.limits = list.limits.clone();
        self.doubtful.clear();
        self.doubtful_limits = false;
    }

    fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.doubtful.is_empty() && !self.doubtful_limits
    }

    fn is_open(&self, lane: LaneId) -> bool {
        !self.closed.contains(&lane)
    }

    fn most_of(&self, lane: LaneId) -> usize {
        self.limits.most_of_lane.get(&lane).map_or(usize::MAX, |most| *most as usize)
    }
}

impl World {
    /// What is removed of an entry, by a run or by a driver that is too quick.
    pub(crate) fn removed(&mut self, id: EntryId) {
        let wish = self.list.entries.get(&id).map(|entry| entry.wish);
        if wish != Some(Wish::Cancel { discard: true }) && wish.is_some() {
            self.broken("what is given up is recorded before it is removed", format!("{id:?}: {wish:?}"));
        }
    }

    /// Whether the limits leave a slot and room for one more beside these.
    fn has_slot_and_room(&self, lane: LaneId, entry: (u64, VolumeId), host: impl Fn(&Run) -> bool) -> bool {
        let (limits, told) = (&self.witness.limits, |run: &&Run| !run.ghost);
        let running = || self.runs.iter().filter(is_transfer).filter(told);
        let (missing, volume) = entry;
        let reserved: u64 = running().filter(|run| run.volume == volume).map(|run| run.missing).sum();
        let room = self.witness.rooms.get(&volume).copied().unwrap_or(u64::MAX);
        running().count() < limits.most as usize
            && running().filter(|run| host(run)).count() < limits.most_of_host as usize
            && running().filter(|run| run.lane == lane).count() < self.witness.most_of(lane)
            && self.witness.is_open(lane)
            && (missing == 0 || reserved + missing + limits.spare <= room)
    }

    fn could_run(&self, entry: &Entry) -> bool {
        let waits = entry.wish == Wish::Run && entry.rest == Rest::Queued;
        let idle = !self.runs.iter().any(|run| run.id == entry.id && !run.ghost);
        waits && idle && self.has_slot_and_room(entry.lane, (entry.missing, entry.volume), |r| r.host == entry.host)
    }

    fn known(&self, id: EntryId) -> Option<&Entry> {
        self.core.as_ref()?.entry(id)
    }

    /// A run begins; the law that this breaks.
    pub(crate) fn begun(&mut self, run: &Run) -> Option<(&'static str, String)> {
        let id = run.id;
        if self.runs.iter().any(|other| other.id == id) {
            return Some(("2: once", format!("{id:?} runs already")));
        }
        if self.closing {
            return Some(("a program that ends starts nothing", format!("{id:?}")));
        }
        if run.purpose == Purpose::Discard {
            return None;
        }
        let doubtful = self.witness.doubtful.contains(&id);
        let asked = self.witness.waiting.iter().any(|(_, request)| entry_of(request) == Some(id));
        if let Some(wish) = self.witness.wishes.get(&id).filter(|wish| **wish != Wish::Run && !doubtful && !asked) {
            return Some(("4: a hold holds", format!("{id:?}: {wish:?}")));
        }
        if self.witness.complete.contains(&id) && !asked && !doubtful {
            return Some(("what is complete stays so", format!("{id:?}")));
        }
        if self.witness.is_settled() {
            if !self.has_slot_and_room(run.lane, (run.missing, run.volume), |other| other.host == run.host) {
                return Some((
                    "6: limits",
                    format!("{id:?} has no slot or no room beside {:?}: {:?}", self.runs, self.witness),
                ));
            }
            let rank = (self.known(id).map_or(0, |entry| entry.rank), id);
            let before = self.witness.order.iter().filter_map(|id| self.known(*id));
            let mut before = before.filter(|entry| (entry.rank, entry.id) < rank);
            if let Some(entry) = before.find(|entry| self.could_run(entry)) {
                return Some(("3: order", format!("{id:?} starts before {:?}", entry.id)));
            }
        }
        let now = self.now;
        let starts = self.witness.starts.entry(id).or_default();
        starts.push_back(now);
        starts.retain(|at| *at + HOUR > now);
        (starts.len() > STARTS_PER_HOUR).then(|| ("9: bounded", format!("{id:?}: {} starts", starts.len())))
    }

    /// Between two events, when all steps are done.
    pub(crate) fn look_at_laws(&mut self) {
        if self.breach.is_some() || self.core.is_none() {
            return;
        }
        if let Some((law, what)) = self.wrong_in_list().or_else(|| self.silent_wait()) {
            self.broken(law, what);
        }
    }

    /// What is wrong about the list, when all that was asked is answered and recorded.
    fn wrong_in_list(&self) -> Option<(&'static str, String)> {
        let told_early = self.writing.as_ref().is_some_and(|write| write.told);
        let busy = self.writing.is_some() && !told_early || self.reading.is_some();
        if busy || !self.witness.is_settled() || self.core.as_ref()?.wake_at().is_some_and(|at| at <= self.now) {
            return None;
        }
        if told_early {
            return None; // a crash shows it
        }
        if let Some(what) = self.witness.lost(&self.list) {
            return Some(("1: recorded before said", what));
        }
        let order = in_order(&self.list.entries);
        if order != self.witness.order {
            return Some(("3: order", format!("{:?} was acknowledged, the list says {order:?}", self.witness.order)));
        }
        let unknown = self.witness.order.iter().find(|id| self.known(**id).is_none());
        unknown.map(|id| ("5: nothing is lost", format!("{id:?} is in the list, and the queue does not know it")))
    }

    /// An entry that does not run, and waits for nothing.
    fn silent_wait(&self) -> Option<(&'static str, String)> {
        let core = self.core.as_ref()?;
        if self.closing || !self.witness.network || self.unread {
            return None;
        }
        for entry in self.witness.order.iter().filter_map(|id| core.entry(*id)) {
            let idle = core.running(entry.id).is_none();
            if idle && self.witness.is_settled() && self.could_run(entry) {
                return Some(("3: no slot stays empty", format!("{entry:?}")));
            }
            let due = core.due(entry.id);
            let waits = matches!(entry.rest, Rest::Later { .. }) && idle;
            if waits && due.is_none_or(|due| due > self.told_now() + 26 * HOUR || due + HOUR < self.told_now()) {
                return Some(("7: no silent wait", format!("{entry:?} is due at {due:?}")));
            }
            if waits && core.wake_at().is_none_or(|at| Some(at) > due) {
                return Some(("7: no silent wait", format!("no wake for {entry:?}")));
            }
        }
        None
    }

    /// Something that is wanted, when nothing is to come any more.
    pub(crate) fn left_undone(&self) -> Option<String> {
        let core = self.core.as_ref()?;
        let undone = self.witness.order.iter().filter_map(|id| core.entry(*id)).find(|entry| match entry.wish {
            Wish::Run => matches!(entry.rest, Rest::Queued | Rest::Later { .. }) && self.witness.is_open(entry.lane),
            Wish::Hold => false,
            Wish::Cancel { .. } => !matches!(entry.rest, Rest::Cancelled | Rest::Done),
        });
        undone.map(|entry| format!("{entry:?}"))
    }
}
