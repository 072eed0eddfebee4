//! What the driver does with each step, and what comes of it as time passes.

use longhaul_core::queue::step::{
    Change, Delay, End, Entry, EntryId, Heard, HostId, LaneId, Limits, News, Purpose, Step, VolumeId, Wish,
};
use longhaul_core::words::{Millis, Ticket};

use super::liar::Sabotage;
use super::world::{HOUR, MINUTE, SECOND, World, some_end};

/// Steps between two events from outside: more is a queue that spins.
const STEPS_MAX: u32 = 5000;

/// Changes on their way to the disk.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) ticket: Ticket,
    pub(crate) changes: Vec<Change>,
    pub(crate) at: Millis,
    /// It was told as done already.
    pub(crate) told: bool,
}

/// A run under way.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) ticket: Ticket,
    pub(crate) id: EntryId,
    pub(crate) purpose: Purpose,
    pub(crate) lane: LaneId,
    pub(crate) host: HostId,
    pub(crate) volume: VolumeId,
    /// Bytes to come, as far as the queue knows.
    pub(crate) missing: u64,
    pub(crate) at: Millis,
    pub(crate) end: End,
    pub(crate) stopping: bool,
    /// It was told as over, and is not.
    pub(crate) ghost: bool,
}

/// A list that tells no hold.
pub(crate) fn let_go(entry: &mut Entry) {
    if entry.wish == Wish::Hold {
        entry.wish = Wish::Run;
    }
}

impl World {
    /// Does all steps that the queue gives, and what follows from them at once; then looks whether the laws hold.
    pub(crate) fn drain(&mut self) {
        let mut steps = 0;
        loop {
            let next = self.core.as_mut().and_then(|core| core.next_step());
            if let Some(ordered) = next {
                steps += 1;
                self.steps += 1;
                if steps > STEPS_MAX {
                    return self.broken("steps between two events are bounded", format!("{:?}", ordered.step));
                }
                tell!(self, "  {:?} {:?}", ordered.ticket, ordered.step);
                self.coverage.given(&ordered.step);
                self.perform(ordered.ticket, ordered.step);
            } else if !self.news.is_empty() {
                let news = self.news.remove(0);
                tell!(self, "news: {news:?}");
                self.witness.told(&news);
                if let News::Space(volume, told) = news {
                    let free = if self.lies(Sabotage::RoomDoubled) { told / 2 } else { told };
                    self.witness.room(volume, free);
                }
                let now = self.told_now();
                if let Some(core) = &mut self.core {
                    core.news(now, news);
                }
            } else {
                break;
            }
            if self.breach.is_some() {
                return;
            }
        }
        self.look_at_laws();
    }

    fn perform(&mut self, ticket: Ticket, step: Step) {
        match step {
            Step::Record(changes) => self.record(ticket, changes),
            Step::Reload => self.reading = Some((ticket, self.now + self.rng.below(20))),
            Step::Reply(name, answer) => {
                self.coverage.answered(answer);
                if let Some(what) = self.witness.replied(name, answer) {
                    self.broken("requests are answered in order", what);
                }
            }
            Step::Start(id, purpose) => self.start(ticket, id, purpose),
            Step::Stop => {
                let (now, soon) = (self.now, self.rng.below(SECOND));
                let obeys = !self.rng.one_in(5);
                if let Some(run) = self.runs.iter_mut().find(|run| run.ticket == ticket) {
                    (run.stopping, run.at) = (true, now + soon);
                    if obeys {
                        run.end = End::Stopped;
                    }
                }
            }
            Step::LookAtSpace(volume) => {
                if !self.lies(Sabotage::RoomUntold) {
                    self.tell_room(volume);
                }
            }
        }
    }

    pub(crate) fn tell_room(&mut self, volume: VolumeId) {
        let free = self.free.get(&volume).copied().unwrap_or(0);
        let told = if self.lies(Sabotage::RoomDoubled) { free * 2 } else { free };
        self.news.push(News::Space(volume, told));
    }

    fn record(&mut self, ticket: Ticket, mut changes: Vec<Change>) {
        if self.lies(Sabotage::RanksForgotten) {
            for change in &mut changes {
                if let Change::Put(entry) = change {
                    entry.rank = 0;
                }
            }
        }
        let told = self.lies(Sabotage::RecordToldEarly);
        let at = self.now + if told { MINUTE } else { self.rng.below(20) };
        if self.lies(Sabotage::RecordUnwritten) && self.rng.coin() {
            changes.clear();
        }
        self.writing = Some(Write { ticket, changes, at, told });
        if told {
            self.hear(ticket, Heard::Recorded);
        }
    }

    pub(crate) fn apply(&mut self, write: Write) {
        for change in write.changes {
            match change {
                Change::Put(entry) => drop(self.list.entries.insert(entry.id, entry)),
                Change::Remove(id) => drop(self.list.entries.remove(&id)),
                Change::Limits(limits) => self.list.limits = limits,
            }
        }
    }

    fn start(&mut self, ticket: Ticket, id: EntryId, purpose: Purpose) {
        let Some(entry) = self.core.as_ref().and_then(|core| core.entry(id)).copied() else {
            return self.broken("5: nothing is lost", format!("{id:?} is started, and is not in the list"));
        };
        let run = Run {
            ticket,
            id,
            purpose,
            lane: entry.lane,
            host: entry.host,
            volume: entry.volume,
            missing: entry.missing,
            at: self.now + self.rng.pick(&[SECOND, MINUTE, 10 * MINUTE]),
            end: match purpose {
                Purpose::Discard if self.calm || self.rng.percent(80) => End::Done,
                Purpose::Discard => End::Failed,
                Purpose::Transfer => some_end(&mut self.rng, &self.trouble),
            },
            stopping: false,
            ghost: false,
        };
        if let Some((law, what)) = self.begun(&run) {
            self.broken(law, what);
        }
        self.runs.push(run);
        if purpose == Purpose::Discard {
            self.removed(id);
        }
        let stale = self.spent.iter().any(|(_, spent)| *spent == id);
        if stale && self.lies(Sabotage::StaleEndRetold) {
            self.hear(ticket, Heard::Ended(End::Later { why: Delay::InUse, after_ms: None }));
        }
    }

    pub(crate) fn hear(&mut self, ticket: Ticket, heard: Heard) {
        tell!(self, "{ticket:?}: {heard:?}");
        let now = self.told_now();
        if let Some(core) = &mut self.core {
            core.hear(now, ticket, heard);
        }
    }

    /// An answer comes a second time, or for a run of a program before: it changes nothing.
    pub(crate) fn tell_stale(&mut self) {
        let Some(&(ticket, _)) = self.spent.get(self.rng.below(self.spent.len() as u64) as usize) else { return };
        if self.runs.iter().any(|run| run.ticket == ticket) || self.is_awaited(ticket) {
            return; // a number of a program before may be in use again
        }
        self.coverage.stale += 1;
        self.hear(Ticket(u64::MAX), Heard::Ended(End::Done)); // the time is told, which may change something
        let before = format!("{:?}", self.core);
        self.hear(ticket, self.some_stale());
        let after = format!("{:?}", self.core);
        if before != after {
            self.broken("8: stale tickets change nothing", format!("{ticket:?}"));
        }
    }

    fn some_stale(&self) -> Heard {
        match self.now % 3 {
            0 => Heard::Ended(End::Done),
            1 => Heard::Progress { missing: 0 },
            _ => Heard::Recorded,
        }
    }

    fn is_awaited(&self, ticket: Ticket) -> bool {
        self.writing.as_ref().is_some_and(|write| write.ticket == ticket)
            || self.reading.is_some_and(|(reading, _)| reading == ticket)
    }

    /// Whether any event is to come by itself.
    pub(crate) fn is_anything_to_come(&self) -> bool {
        self.next_event().is_some()
    }

    fn next_event(&self) -> Option<Millis> {
        let wake = self.core.as_ref().and_then(|core| core.wake_at()).map(|at| at.saturating_sub(self.skew));
        let wake = wake.filter(|_| !self.lies(Sabotage::NeverWoken));
        let run = self.runs.iter().map(|run| run.at).min();
        let write = self.writing.as_ref().map(|write| write.at);
        [wake, run, write, self.reading.map(|(_, at)| at)].into_iter().flatten().min()
    }

    /// Time passes until the next event, or not quite.
    pub(crate) fn pass_time(&mut self) {
        self.coverage.ticks += 1;
        let Some(at) = self.next_event() else {
            self.now += HOUR;
            return;
        };
        if at > self.now && !self.calm && self.rng.one_in(8) {
            self.now += self.rng.below(at - self.now);
            return;
        }
        self.now = self.now.max(at);
        let now = self.now;
        if let Some(write) = self.writing.take_if(|write| write.at <= now) {
            return self.written(write);
        }
        if let Some((ticket, _)) = self.reading.take_if(|(_, at)| *at <= now) {
            return self.read(ticket);
        }
        if let Some(n) = self.runs.iter().position(|run| run.at <= now) {
            return self.run_goes_on(n);
        }
        if self.lies(Sabotage::NeverWoken) {
            return;
        }
        let told = self.told_now();
        let Some(core) = &mut self.core else { return };
        core.wake(told);
        if core.wake_at().is_some_and(|at| at <= told) {
            let what = format!("woken at {told}, and wants to be at {:?}", core.wake_at());
            self.broken("a wake is behind it when it is over", what);
        }
    }

    fn written(&mut self, write: Write) {
        let (ticket, told) = (write.ticket, write.told);
        let fails = self.rng.percent(self.trouble.not_recorded) && !told;
        if !fails || self.rng.coin() {
            self.coverage.recorded_all_the_same += u64::from(fails);
            self.apply(write);
        }
        self.unread |= fails;
        self.coverage.not_recorded += u64::from(fails);
        if !told {
            self.hear(ticket, if fails { Heard::NotRecorded } else { Heard::Recorded });
        }
    }

    fn read(&mut self, ticket: Ticket) {
        if self.rng.percent(self.trouble.not_recorded) {
            self.coverage.failed_reloads += 1;
            return self.hear(ticket, Heard::NotRecorded);
        }
        let mut entries: Vec<Entry> = self.list.entries.values().copied().collect();
        if self.lies(Sabotage::HoldForgottenByReload) {
            entries.iter_mut().for_each(let_go);
        }
        let mut limits: Limits = self.list.limits.clone();
        self.widen(&mut limits);
        self.witness.reloaded(&self.list);
        self.unread = false;
        self.hear(ticket, Heard::Loaded(entries, limits));
    }

    /// A run brings some bytes, or ends.
    fn run_goes_on(&mut self, n: usize) {
        let run = self.runs[n].clone();
        if run.ghost {
            self.runs.remove(n);
            return;
        }
        if run.missing > 10 && !run.stopping && self.trouble.always.is_none() && self.rng.coin() {
            let written = self.rng.between(1, 10);
            self.runs[n].missing -= written;
            self.runs[n].at = self.now + MINUTE;
            if let Some(free) = self.free.get_mut(&run.volume) {
                *free = free.saturating_sub(written);
            }
            self.witness.wrote(run.volume, written);
            return self.hear(run.ticket, Heard::Progress { missing: run.missing - written });
        }
        self.coverage.ended(run.end);
        self.spent.push((run.ticket, run.id));
        if self.lies(Sabotage::EndToldEarly) && self.rng.coin() {
            (self.runs[n].ghost, self.runs[n].at) = (true, self.now + HOUR);
            return self.hear(run.ticket, Heard::Ended(End::Stopped));
        }
        self.runs.remove(n);
        if run.purpose == Purpose::Transfer {
            self.witness.ended(run.id, run.end);
        }
        let patience = matches!(run.end, End::Later { why: Delay::Network | Delay::Busy, .. });
        self.hear(run.ticket, Heard::Ended(run.end));
        let rest = self.core.as_ref().and_then(|core| core.entry(run.id)).map(|entry| entry.rest);
        self.coverage.patience_ended += u64::from(patience && rest == Some(longhaul_core::queue::step::Rest::Failed));
    }
}
