//! The world of one history: the program that has the queue, the list on its disk, runs, time, and trouble.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::queue::Queue;
use longhaul_core::queue::step::{Delay, End, Entry, EntryId, HostId, LaneId, Limits, Need, News, Purpose, VolumeId};
use longhaul_core::words::{Millis, Ticket};

use super::coverage::Coverage;
use super::driver::{Run, Write};
use super::laws::Witness;
use super::liar::Sabotage;
use crate::rng::Rng;
use crate::world::Breach;

pub(crate) const SECOND: Millis = 1000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;

pub(crate) const VOLUMES: u64 = 2;
pub(crate) const LANES: u32 = 2;
/// Room that is never short.
pub(crate) const PLENTY: u64 = 1 << 40;

/// How often things go wrong, in a hundred.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) not_recorded: u32,
    pub(crate) run_fails: u32,
    /// One server answers every run so.
    pub(crate) always: Option<Delay>,
}

/// What is on the disk: every change is made wholly or not at all.
#[derive(Debug, Default, Clone)]
pub(crate) struct List {
    pub(crate) entries: BTreeMap<EntryId, Entry>,
    pub(crate) limits: Limits,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Millis,
    /// What the queue is told the time to be, beyond what it is.
    pub(crate) skew: Millis,
    pub(crate) core: Option<Queue>,
    pub(crate) list: List,
    pub(crate) writing: Option<Write>,
    pub(crate) reading: Option<(Ticket, Millis)>,
    pub(crate) runs: Vec<Run>,
    /// Tickets whose runs are over, of this program and of those before it.
    pub(crate) spent: Vec<(Ticket, EntryId)>,
    pub(crate) network: bool,
    pub(crate) free: BTreeMap<VolumeId, u64>,
    pub(crate) news: Vec<News>,
    pub(crate) trouble: Trouble,
    pub(crate) calm: bool,
    pub(crate) closing: bool,
    /// The queue was told that its list may be or not be what it thinks, and has not read it since.
    pub(crate) unread: bool,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) witness: Witness,
    pub(crate) breach: Option<Breach>,
    pub(crate) coverage: Coverage,
    pub(crate) story: Option<String>,
    pub(crate) steps: u64,
    /// Names that were given out.
    pub(crate) entries_made: u128,
    pub(crate) requests_made: u64,
}

impl World {
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(story) = &mut self.story {
            *story += &format!("{:>9.1} s  {line}\n", self.now as f64 / 1000.0);
        }
    }

    pub(crate) fn lies(&self, about: Sabotage) -> bool {
        self.sabotage == Some(about)
    }

    pub(crate) fn broken(&mut self, law: &'static str, what: String) {
        if self.breach.is_none() {
            tell!(self, "BROKEN: {law}: {what}");
            self.breach = Some(Breach { law, what });
        }
    }

    /// The time as the queue is told.
    pub(crate) fn told_now(&self) -> Millis {
        self.now + self.skew
    }

    fn begin(&mut self, seed: u64, sabotage: Option<Sabotage>) {
        self.rng = Rng::new(seed);
        (self.now, self.skew, self.steps) = (0, 0, 0);
        (self.core, self.writing, self.reading, self.breach) = (None, None, None, None);
        (self.calm, self.closing, self.network) = (false, false, true);
        self.runs.clear();
        self.spent.clear();
        self.news.clear();
        self.sabotage = sabotage;
        (self.entries_made, self.requests_made) = (0, 0);
        let rare = |rng: &mut Rng, percent| if rng.coin() { 0 } else { percent };
        self.trouble =
            Trouble { not_recorded: rare(&mut self.rng, 15), run_fails: self.rng.pick(&[0, 30, 60, 90]), always: None };
        self.free = (0..VOLUMES).map(|v| (VolumeId(v), self.rng.pick(&[100, 1000, PLENTY]))).collect();
        self.list = List { entries: BTreeMap::new(), limits: self.some_limits() };
        self.witness = Witness::new(&self.list);
    }

    pub(crate) fn some_limits(&mut self) -> Limits {
        let most = |rng: &mut Rng| rng.pick(&[1, 1, 2, 3, 8]);
        let lanes = 0..self.rng.below(u64::from(LANES) + 1) as u32;
        let most_of_lane = lanes.map(|lane| (LaneId(lane), most(&mut self.rng))).collect();
        let patience_ms = self.rng.pick(&[HOUR, 14 * 24 * HOUR]);
        let (most, most_of_host) = (most(&mut self.rng), most(&mut self.rng));
        Limits { most, most_of_host, spare: self.rng.pick(&[0, 10]), patience_ms, most_of_lane }
    }

    /// The program starts: it reads the list.
    pub(crate) fn start_program(&mut self) {
        let mut entries: Vec<Entry> = self.list.entries.values().copied().collect();
        let mut limits = self.list.limits.clone();
        if self.lies(Sabotage::EntryDropped) {
            entries.pop();
        }
        if self.lies(Sabotage::HoldForgotten) {
            entries.iter_mut().for_each(super::driver::let_go);
        }
        self.widen(&mut limits);
        self.witness.restarted(&self.list);
        self.unread = false;
        let seed = self.rng.next();
        let closed = (0..LANES).map(LaneId).filter(|_| self.rng.one_in(6)).collect::<Vec<_>>();
        self.witness.closed(&closed);
        self.network = true;
        self.core = Some(Queue::new(self.told_now(), seed, entries, limits, &closed));
        self.drain();
    }

    pub(crate) fn widen(&self, limits: &mut Limits) {
        if self.lies(Sabotage::LaneWidened) {
            limits.most_of_lane.values_mut().for_each(|most| *most += 1);
        }
    }

    /// The program is gone, with all that was not on the disk.
    fn crash(&mut self) {
        self.coverage.restarts_of_the_program += 1;
        self.coverage.crashed(self.writing.is_some(), self.reading.is_some(), !self.runs.is_empty());
        if let Some(write) = self.writing.take()
            && self.rng.coin()
        {
            self.apply(write);
        }
        tell!(self, "the program is gone");
        (self.core, self.reading, self.closing) = (None, None, false);
        let ended: Vec<_> = self.runs.drain(..).map(|run| (run.ticket, run.id)).collect();
        self.spent.extend(ended);
        self.news.clear();
        if let Some(what) = self.witness.lost(&self.list) {
            self.broken("5: nothing is lost", what);
        }
        let away = self.rng.pick(&[0, SECOND, HOUR, 48 * HOUR]);
        self.now += away;
        self.start_program();
    }

    /// Something happens.
    fn turn(&mut self) {
        if self.lies(Sabotage::TimeFlies) {
            self.skew += HOUR;
        }
        match self.rng.below(100) {
            0..40 => self.somebody_asks(),
            40..78 => self.pass_time(),
            78..81 => self.change_network(),
            81..86 => self.change_room(),
            86..90 => self.change_lane(),
            90..94 => self.crash(),
            94..96 => self.close(),
            _ => self.tell_stale(),
        }
        self.drain();
    }

    fn change_network(&mut self) {
        self.network = !self.network;
        match self.network {
            true => self.coverage.networks_back += 1,
            false => self.coverage.networks_lost += 1,
        }
        self.news.push(if self.network { News::NetworkUp } else { News::NetworkDown });
    }

    fn change_room(&mut self) {
        let volume = VolumeId(self.rng.below(VOLUMES));
        let room = self.rng.pick(&[0, 50, 300, PLENTY]);
        self.coverage.volumes_full += u64::from(room == 0);
        self.coverage.rooms += u64::from(room > 0);
        self.free.insert(volume, room);
        if self.rng.coin() {
            self.tell_room(volume);
        }
    }

    fn change_lane(&mut self) {
        let lane = LaneId(self.rng.below(u64::from(LANES)) as u32);
        let open = self.rng.coin();
        match open {
            true => self.coverage.lanes_opened += 1,
            false => self.coverage.lanes_closed += 1,
        }
        self.news.push(News::Lane(lane, open));
    }

    /// The program ends in order, and is started again.
    fn close(&mut self) {
        self.coverage.closes += 1;
        self.closing = true;
        let now = self.told_now();
        if let Some(core) = &mut self.core {
            core.close(now);
        }
        self.drain();
        for _ in 0..200 {
            if self.runs.is_empty() && self.writing.is_none() || self.breach.is_some() {
                break;
            }
            self.pass_time();
            self.drain();
        }
        if self.breach.is_none() && !self.runs.is_empty() {
            self.broken("a close ends every run", format!("{:?}", self.runs));
        }
        self.crash();
    }

    /// A run that fails is one of a server that is busy, for hours.
    fn storm(&mut self) {
        self.trouble = Trouble { always: Some(self.rng.pick(&ALL_DELAYS)), ..Trouble::default() };
        for _ in 0..400 {
            if self.breach.is_some() {
                return;
            }
            if self.lies(Sabotage::TimeFlies) {
                self.skew += HOUR;
            }
            if self.rng.one_in(8) {
                self.network = true;
                self.news.push(News::NetworkUp);
            }
            self.pass_time();
            self.drain();
        }
        self.trouble.always = None;
    }

    /// Nothing goes wrong any more, and nobody asks for anything: all that is wanted comes to an end.
    fn calm_down(&mut self) {
        tell!(self, "from here on nothing goes wrong");
        self.coverage.calm += 1;
        (self.calm, self.trouble) = (true, Trouble::default());
        self.free.values_mut().for_each(|free| *free = PLENTY);
        if !self.network {
            self.network = true;
            self.news.push(News::NetworkUp);
        }
        self.news.extend((0..LANES).map(|lane| News::Lane(LaneId(lane), true)));
        self.drain();
        for _ in 0..2000 {
            if self.breach.is_some() || !self.is_anything_to_come() {
                break;
            }
            self.pass_time();
            self.drain();
        }
        if self.breach.is_none()
            && let Some(what) = self.left_undone()
        {
            self.broken("7: no silent wait", what);
        }
    }
}

const ALL_DELAYS: [Delay; 6] =
    [Delay::Network, Delay::Busy, Delay::NotFound, Delay::InUse, Delay::Space, Delay::Unconfirmed];

/// How a run ends by itself.
pub(crate) fn some_end(rng: &mut Rng, trouble: &Trouble) -> End {
    if let Some(why) = trouble.always {
        return End::Later { why, after_ms: None };
    }
    if !rng.percent(trouble.run_fails) {
        return End::Done;
    }
    match rng.below(8) {
        0 => End::Needs(rng.pick(&[Need::Link, Need::Headers, Need::Keys, Need::Decision])),
        1 => End::Failed,
        _ => {
            let after_ms = rng.one_in(3).then(|| rng.pick(&[0, SECOND, 2 * HOUR]));
            End::Later { why: rng.pick(&ALL_DELAYS), after_ms }
        }
    }
}

/// What a new entry is.
pub(crate) fn some_entry(rng: &mut Rng, id: EntryId) -> Entry {
    use longhaul_core::queue::step::{Rest, Wish};
    Entry {
        id,
        rank: 0,
        lane: LaneId(rng.below(u64::from(LANES) + 1) as u32),
        host: HostId(rng.below(3)),
        volume: VolumeId(rng.below(VOLUMES)),
        missing: rng.pick(&[0, 20, 60, 200]),
        wish: if rng.one_in(4) { Wish::Hold } else { Wish::Run },
        rest: Rest::Queued,
        vain: 0,
        vain_ms: 0,
    }
}

/// Runs that are counted.
pub(crate) fn is_transfer(run: &&Run) -> bool {
    run.purpose == Purpose::Transfer
}

impl crate::world::World for World {
    type Sabotage = Sabotage;
    const SABOTAGES: &'static [Sabotage] = Sabotage::ALL;
    type Coverage = Coverage;

    fn new() -> Self {
        let list = List::default();
        Self {
            rng: Rng::new(0),
            now: 0,
            skew: 0,
            core: None,
            witness: Witness::new(&list),
            list,
            writing: None,
            reading: None,
            runs: Vec::new(),
            spent: Vec::new(),
            network: true,
            free: BTreeMap::new(),
            news: Vec::new(),
            trouble: Trouble::default(),
            calm: false,
            closing: false,
            unread: false,
            sabotage: None,
            breach: None,
            coverage: Coverage::default(),
            story: None,
            steps: 0,
            entries_made: 0,
            requests_made: 0,
        }
    }

    fn history(&mut self, seed: u64, sabotage: Option<Sabotage>) -> Option<Breach> {
        self.begin(seed, sabotage);
        self.coverage.histories += 1;
        self.start_program();
        let turns = self.rng.between(10, 60);
        for _ in 0..turns {
            if self.breach.is_some() {
                break;
            }
            self.turn();
        }
        if self.breach.is_none() && self.rng.one_in(16) {
            self.storm();
        }
        if self.breach.is_none() {
            self.calm_down();
        }
        self.coverage.entries_at_most = self.coverage.entries_at_most.max(self.entries_made as u64);
        self.breach.take()
    }

    fn clear(&mut self) {
        self.core = None;
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn story(&mut self) -> &mut Option<String> {
        &mut self.story
    }

    fn into_coverage(self) -> Coverage {
        self.coverage
    }
}

/// Ids of a list, in its order.
pub(crate) fn in_order(entries: &BTreeMap<EntryId, Entry>) -> Vec<EntryId> {
    let ranks: BTreeSet<(i64, EntryId)> = entries.values().map(|entry| (entry.rank, entry.id)).collect();
    ranks.into_iter().map(|(_, id)| id).collect()
}
