//! One history: an object on a remote, a disk, and several runs of the download, each ended by its own end, a kill, a
//! power cut, a pause or a discard, with trouble of its own; then a last undisturbed run, and a look at what
//! is left. Everything comes from one seed.

use longhaul_core::conditions::Conditions;
use longhaul_core::digest::Digest;
use longhaul_core::download::adopt::{Adoption, AdoptionProof};
use longhaul_core::download::journal::{Record, Source};
use longhaul_core::download::step::{Failure, Finish, Heard, Step};
use longhaul_core::download::{Config, Download};
use longhaul_core::link::Link;
use longhaul_core::pace::ConnectionPlan;
use longhaul_core::retry::RetryPolicy;
use longhaul_core::run::Machine;
use longhaul_core::words::{Command, Durability, FileFacts, Millis, OnChange, Ticket};

use super::content::{CAP, LEN_MAX};
use super::coverage::Coverage;
use super::disk::{Disk, Id, NONE};
use super::driver::Op;
use super::laws::Witness;
use super::liar::{Liar, Sabotage};
use super::remote::{Manners, NetTrouble, Ranges, Remote};
use super::stream::Stream;
use super::window::Wanted;
use crate::rng::Rng;
use crate::world::Breach;

/// Moves of the world in one run after which something must be wrong.
const TICKS_MAX: u64 = 4_000;

/// The time of day at the moment 0, in seconds since the Unix epoch.
const BEGAN_S: i64 = 1_700_000_000;

/// What stands at the target name besides files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    Free,
    Symlink,
    Directory,
}

/// What goes wrong in a run, in percent per operation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    pub(crate) net: NetTrouble,
    pub(crate) sync_fails: u32,
    pub(crate) folder_fails: u32,
    pub(crate) journal_fails: u32,
    pub(crate) read_fails: u32,
    /// In a thousand per tick: the disk fills up, or has space again.
    full: u32,
    /// In a thousand per tick: another program makes a file at the target.
    rival: u32,
}

impl Trouble {
    /// Two kinds at most, so that most runs get somewhere.
    fn draw(rng: &mut Rng) -> Self {
        let mut t = Self::default();
        for _ in 0..rng.below(4) {
            match rng.below(15) {
                0 => t.net.unreachable = 30,
                1 => t.net.busy = 30,
                2 | 3 => t.net.cut = 60,
                4 => t.net.odd = 40,
                5 => t.net.refused = 10,
                6 | 7 => t.net.change = 40,
                8 => t.sync_fails = 40,
                9 => (t.folder_fails, t.journal_fails) = (10, 10),
                10 => t.read_fails = 20,
                11 => t.net.portal = 70,
                12 => t.rival = 4,
                13 => t.net.dropped = rng.pick(&[20, 100]) as u32,
                _ => t.full = 30,
            }
        }
        t
    }
}

/// How a run is to end, unless it ends before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    ToTheEnd,
    Crash {
        after: u64,
        power: bool,
    },
    /// Soon after a step of this kind was ordered.
    CrashNear {
        kind: u8,
        power: bool,
    },
    Command {
        after: u64,
        command: Command,
    },
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) disk: Disk,
    pub(crate) remote: Remote,
    pub(crate) ops: Vec<Op>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) now: Millis,
    pub(crate) liar: Liar,
    /// What the driver holds for the main file, when that is not what has its name.
    pub(crate) wrong_main: Option<Id>,
    pub(crate) coverage: Coverage,
    pub(crate) story: Option<String>,
    pub(crate) witness: Witness,
    pub(crate) breach: Option<Breach>,
    pub(crate) trouble: Trouble,
    // Of the run.
    /// The driver draws streams in while it takes the steps.
    pub(crate) draws_in_at_once: bool,
    pub(crate) throttled: bool,
    pub(crate) full: bool,
    pub(crate) free: Option<u64>,
    pub(crate) finish: Option<Finish>,
    pub(crate) sequence: Option<u32>,
    pub(crate) echo: Option<Ticket>,
    pub(crate) steps: u64,
    /// A pause or discard was asked for.
    pub(crate) commanded: bool,
    crash_kind: Option<u8>,
    crash_in: Option<u64>,
    // Of the history.
    pub(crate) power: bool,
    pub(crate) overwrite: bool,
    pub(crate) stops_on_change: bool,
    pub(crate) connections: u32,
    pub(crate) block_len: u64,
    pub(crate) small_max: u64,
    pub(crate) unsynced_max: u64,
    /// So many bytes may be asked for twice in a run.
    pub(crate) twice_max: u64,
    pub(crate) sync_every_ms: u64,
    /// The caller refuses what cannot be proven.
    pub(crate) demanding: bool,
    pub(crate) expected: Vec<Digest>,
    /// What should be expected, while it is another digest.
    pub(crate) right: Option<Vec<Digest>>,
    /// Nothing goes wrong in this run.
    pub(crate) calm: bool,
    /// What of the object, in this run; and in the first one, if that was another range.
    pub(crate) wanted: Wanted,
    pub(crate) wanted_before: Option<Wanted>,
    /// The caller's conditions.
    pub(crate) wish: Conditions,
    pub(crate) link: Link,
    pub(crate) way_is_safe: bool,
    pub(crate) stand: Stand,
    pub(crate) older: Id,
    pub(crate) older_bytes: Vec<u8>,
    /// Not all of it is on the disk.
    pub(crate) older_unsynced: bool,
    /// The older file, once it was taken for ours.
    pub(crate) taken: Id,
    /// What was found at the target, and the digests read of it.
    pub(crate) target_found: FileFacts,
    pub(crate) target_read: Vec<Digest>,
    pub(crate) published: bool,
    /// What another program fetched of the object, or took for it.
    pub(crate) partial: Vec<u8>,
    pub(crate) partial_offered: bool,
}

impl crate::world::World for World {
    type Sabotage = Sabotage;
    const SABOTAGES: &'static [Sabotage] = Sabotage::ALL;
    type Coverage = Coverage;

    fn new() -> Self {
        let mut rng = Rng::new(0);
        let remote = Remote::new(&mut rng);
        Self {
            rng,
            disk: Disk::default(),
            remote,
            ops: Vec::new(),
            streams: Vec::new(),
            now: 0,
            liar: Liar::default(),
            wrong_main: None,
            coverage: Coverage::default(),
            story: None,
            witness: Witness::default(),
            breach: None,
            trouble: Trouble::default(),
            draws_in_at_once: false,
            throttled: false,
            full: false,
            free: None,
            finish: None,
            sequence: None,
            echo: None,
            steps: 0,
            commanded: false,
            crash_kind: None,
            crash_in: None,
            power: true,
            overwrite: false,
            stops_on_change: false,
            connections: 1,
            block_len: 8,
            small_max: 0,
            unsynced_max: 0,
            twice_max: 0,
            sync_every_ms: 0,
            demanding: false,
            expected: Vec::new(),
            right: None,
            calm: false,
            wanted: Wanted::default(),
            wanted_before: None,
            wish: Conditions::default(),
            link: Link::default(),
            way_is_safe: false,
            stand: Stand::Free,
            older: NONE,
            older_bytes: Vec::new(),
            older_unsynced: false,
            taken: NONE,
            target_found: FileFacts::default(),
            target_read: Vec::new(),
            published: false,
            partial: Vec::new(),
            partial_offered: false,
        }
    }

    fn history(&mut self, seed: u64, sabotage: Option<Sabotage>) -> Option<Breach> {
        self.reset(seed);
        self.liar.sabotage = sabotage;
        self.wrong_main = None;
        self.draw_wanted();
        let mut config = self.draw_config(seed);
        if !self.wanted.is_whole() {
            self.remote.manners.ranges = Ranges::Served; // without them a part of the object cannot be had
        }
        self.remote.manners.leads_away = self.expected.is_empty(); // else the digest tells
        self.coverage.ranges_not_served += u64::from(self.remote.manners.ranges != Ranges::Served);
        self.stand_something_at_the_target();
        self.put_the_wanted_file(seed);
        self.offer_a_partial(seed, &mut config);
        tell!(self, "seed {seed}: {config:?}");
        tell!(self, "the remote: {:?}", self.remote);
        self.coverage.histories += 1;
        if !self.wanted.is_whole() && self.expected.is_empty() && self.rng.one_in(4) {
            let len = self.remote.versions[0].content.len;
            let other = Wanted::draw(&mut self.rng, len);
            self.want(other, &mut config);
            tell!(self, "at first another range is asked for: {}", config.source.window);
        }
        for _ in 0..self.rng.between(1, 5) {
            self.trouble = Trouble::draw(&mut self.rng);
            let plan = self.draw_plan();
            self.free = match self.rng.below(16) {
                0 => Some(LEN_MAX),
                1 => Some(self.rng.below(LEN_MAX)),
                _ => None,
            };
            self.run_with_or_without_the_partial(&config, plan);
            if self.breach.is_some() || self.witness.done {
                break;
            }
            if let Some(wanted) = self.wanted_before.clone()
                && !self.witness.another_range
            {
                self.witness.another_range = true;
                self.want(wanted, &mut config);
            }
            self.between_runs();
        }
        if self.breach.is_none() && !self.witness.done {
            self.correct_the_digest(&mut config);
        }
        if self.breach.is_none() && !self.witness.done {
            self.last_run(&config);
        }
        if self.breach.is_none() && self.witness.done {
            self.after_done(&config);
        }
        self.coverage.changes += u64::from(self.remote.changes);
        self.coverage.steps += self.steps;
        let longest = &mut self.coverage.steps_at_most;
        *longest = (*longest).max(self.steps);
        self.breach.take()
    }

    fn clear(&mut self) {
        let coverage = std::mem::take(&mut self.coverage);
        let steps = self.steps;
        *self = Self { coverage, steps, ..Self::new() };
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

impl World {
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(story) = &mut self.story {
            use std::fmt::Write as _;
            let _ = writeln!(story, "{:>7} ms  {line}", self.now);
        }
    }

    fn reset(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
        self.disk.reset();
        self.remote = Remote::new(&mut self.rng);
        self.ops.clear();
        self.streams.clear();
        self.witness.forget_all();
        self.breach = None;
        self.now = 0;
        self.steps = 0;
        self.stand = Stand::Free;
        (self.older, self.taken, self.published) = (NONE, NONE, false);
        (self.older_unsynced, self.target_found) = (false, FileFacts::default());
        self.older_bytes.clear();
        self.partial.clear();
        self.partial_offered = false;
        self.target_read.clear();
        self.expected.clear();
        (self.right, self.calm) = (None, false);
        (self.wanted, self.wanted_before) = (Wanted::default(), None);
        // Drawn apart, so that histories without conditions are the same as ever.
        self.wish = self.remote.draw_wish(&mut Rng::new(!seed));
        self.remote.manners = Manners::draw(&mut Rng::new(seed ^ 0x006d_616e_6e65_7273));
        self.link = Self::draw_link(seed);
        self.way_is_safe = Rng::new(seed ^ 0x0077_6179).coin();
    }

    fn draw_wanted(&mut self) {
        if self.rng.one_in(4) {
            let len = self.remote.versions[0].content.len;
            self.wanted = Wanted::draw(&mut self.rng, len);
            self.remote.windowed = true;
            self.coverage.windowed += 1;
            self.coverage.several_pieces += u64::from(self.wanted.is_several());
        }
    }

    /// From now on other bytes are asked for.
    fn want(&mut self, wanted: Wanted, config: &mut Config) {
        config.source.window = wanted.window();
        self.wanted_before = Some(std::mem::replace(&mut self.wanted, wanted));
    }

    /// A link that is over at once, after some seconds, or never. Drawn apart, as conditions are.
    fn draw_link(seed: u64) -> Link {
        let mut rng = Rng::new(seed ^ 0x006c_696e_6b73);
        let good_until_s = rng.pick(&[None, None, None, Some(-3), Some(0), Some(1), Some(2), Some(1000)]);
        Link { signed: rng.one_in(4), good_until_s: good_until_s.map(|s: i64| BEGAN_S + s), credentials: rng.one_in(4) }
    }

    /// The time of day, in seconds since the Unix epoch.
    pub(crate) fn now_s(&self) -> i64 {
        BEGAN_S + (self.now / 1000) as i64
    }

    fn draw_config(&mut self, seed: u64) -> Config {
        let rng = &mut self.rng;
        self.power = !rng.one_in(8);
        self.overwrite = rng.coin();
        self.stops_on_change = rng.one_in(10);
        self.connections = rng.pick(&[1, 1, 2, 3, 4]);
        self.block_len = rng.pick(&[4, 8, 8, 16]);
        self.small_max = rng.pick(&[0, 0, 16, 64, 64]);
        self.unsynced_max = rng.pick(&[16, 32, 64]);
        self.sync_every_ms = rng.pick(&[50, 200, 1000]);
        self.demanding = rng.one_in(24);
        if rng.one_in(6)
            && let Some(bytes) = self.wanted.cut(&self.remote.versions[0].content)
        {
            self.expected.push(self.remote.digest_of(&bytes));
        }
        if !self.expected.is_empty() && Rng::new(seed ^ 0x7479_706f).one_in(3) {
            let typo = self.remote.digest_of(b"a digest of something else");
            self.right = Some(std::mem::replace(&mut self.expected, vec![typo]));
        }
        let rng = &mut self.rng;
        let window = self.wanted.window();
        let range_len = rng.pick(&[8, 16, 24]);
        self.twice_max = range_len.max(CAP as u64 / 50);
        Config {
            seed,
            source: Source { url: "u".to_owned(), name: b"n".to_vec(), window, ..Source::default() },
            wanted_name: "object.zip".to_owned(),
            ignore_declared: false,
            named: !rng.one_in(8),
            link: Some(self.link),
            way_is_safe: self.way_is_safe,
            began_s: BEGAN_S,
            connections: if rng.coin() {
                ConnectionPlan::Fixed(self.connections)
            } else {
                ConnectionPlan::Auto(self.connections)
            },
            connections_known: rng.one_in(8).then_some(1),
            rate_max: 0,
            range_len,
            piece_min: rng.pick(&[2, 4, 8]),
            first_len: rng.pick(&[4, 8, 16]),
            share_after_ms: rng.pick(&[0, 20, 300]),
            hedge_after_ms: rng.pick(&[10, 100, 1000]),
            block_len_min: self.block_len,
            sync_every_ms: self.sync_every_ms,
            sync_bytes: rng.pick(&[8, 16, 64]),
            unsynced_bytes_max: self.unsynced_max,
            check_bytes: rng.pick(&[8, 64]),
            small_max: self.small_max,
            keep_old_above: rng.pick(&[0, 16, 1 << 30]),
            compact_after: rng.pick(&[4, 16, 64]),
            retry: RetryPolicy {
                failures_max: rng.pick(&[2, 4, 10]) as u32,
                backoff_ms: 20,
                backoff_max_ms: 400,
                retry_after_max_ms: 1_000,
            },
            suspects_max: 3,
            changes_max: 3,
            durability: if self.power { Durability::Power } else { Durability::Process },
            on_change: if self.stops_on_change { OnChange::Stop } else { OnChange::Restart },
            expected: self.expected.clone(),
            require_verified: self.demanding && rng.coin(),
            require_length: self.demanding,
            overwrite: self.overwrite,
            only_if: self.wish.clone(),
            adoption: None,
        }
    }

    fn draw_plan(&mut self) -> Plan {
        let rng = &mut self.rng;
        let power = rng.percent(40);
        match rng.below(20) {
            0..4 => Plan::ToTheEnd,
            4..9 => Plan::Crash { after: rng.below(40), power },
            9..17 => Plan::CrashNear { kind: rng.below(KINDS) as u8, power },
            17 | 18 => Plan::Command { after: rng.below(40), command: Command::Pause },
            _ => Plan::Command { after: rng.below(40), command: Command::Discard },
        }
    }

    // ---- one run -----------------------------------------------------------------------------------------------

    pub(crate) fn run(&mut self, config: &Config, plan: Plan) {
        self.coverage.runs += 1;
        self.witness.run_begins(self.now_s());
        (self.throttled, self.full, self.finish, self.sequence, self.echo) = (false, false, None, None, None);
        (self.crash_kind, self.crash_in, self.commanded) = (None, None, false);
        self.draws_in_at_once = self.rng.coin();
        let mut power_cut = false;
        let mut command = None;
        match plan {
            Plan::ToTheEnd => {}
            Plan::Crash { after, power } => (self.crash_in, power_cut) = (Some(after), power),
            Plan::CrashNear { kind, power } => (self.crash_kind, power_cut) = (Some(kind), power),
            Plan::Command { after, command: what } => command = Some((after, what)),
        }
        tell!(self, "---- a run begins, {plan:?}, {:?}", self.trouble);
        let mut config = Config { seed: self.rng.next(), ..config.clone() };
        self.liar.run_begins();
        self.bend_config(&mut config);
        let mut core = Download::new(config);
        self.drain(&mut core);
        for tick in 0.. {
            if let Some(finish) = self.finish.take() {
                self.land_last_writes();
                self.land_put_off();
                self.ops.clear();
                self.disk.kill();
                self.coverage.ended(&finish);
                self.finished(&finish);
                self.finish = Some(finish);
                return;
            }
            if self.breach.is_some() {
                return;
            }
            if tick == TICKS_MAX {
                let waiting: Vec<_> = self.ops.iter().map(|op| &op.step).collect();
                let what = format!("{} moves and no end; under way: {waiting:?}", TICKS_MAX);
                return self.broken("liveness: every run ends", format_args!("{what}"));
            }
            if self.crash_in == Some(0) {
                return self.crash(power_cut);
            }
            self.crash_in = self.crash_in.map(|ticks| ticks - 1);
            if let Some((after, what)) = command
                && after == tick
            {
                tell!(self, "command: {what:?}");
                self.commanded = true;
                self.witness.discarding = what == Command::Discard;
                self.coverage.pauses += u64::from(what == Command::Pause);
                self.coverage.discards += u64::from(what == Command::Discard);
                core.command(self.now, what);
                self.drain(&mut core);
                continue;
            }
            self.tick(&mut core);
            self.check_bounds();
        }
    }

    fn tick(&mut self, core: &mut Download) {
        self.coverage.ticks += 1;
        self.now += if self.rng.one_in(32) { self.rng.below(500) } else { self.rng.below(16) };
        self.disk.now_ns = self.now as i64 * 1_000_000 + 1;
        if self.trouble.net.change > 0 && self.rng.below(1000) < u64::from(self.trouble.net.change) {
            self.remote.change(&mut self.rng);
            tell!(self, "the remote now shows version {}", self.remote.current);
        }
        if self.trouble.full > 0 && self.rng.below(1000) < u64::from(self.trouble.full) {
            self.full = !self.full;
            self.coverage.no_space += u64::from(self.full);
            tell!(self, "the disk {}", if self.full { "is full" } else { "has space again" });
        }
        if self.trouble.rival > 0 && self.rng.below(1000) < u64::from(self.trouble.rival) && self.target_is_free() {
            self.put_at_the_target();
        }
        if let Some(ticket) = self.echo
            && self.rng.one_in(24)
        {
            // An answer that was given already comes again: the core must ignore it.
            self.echo = None;
            let ticket = self.ticket_of_echo(ticket);
            tell!(self, "answer {} again: Done", ticket.0);
            return self.hear(core, ticket, Heard::Done);
        }
        if core.wake_at().is_some_and(|at| at <= self.now) {
            return self.wake(core);
        }
        if (!self.ops.is_empty() || !self.streams.is_empty()) && self.progress(core) {
            return;
        }
        match core.wake_at() {
            Some(at) => {
                self.now = self.now.max(at);
                self.wake(core);
            }
            None if self.finish.is_some() => {}
            None => {
                let what = format!("{:?}, streams {:?}", self.ops, self.streams);
                self.broken("liveness: no run hangs", format_args!("nothing to do, nothing to wait for: {what}"));
            }
        }
    }

    /// The time that the core waited for has come. When it gives no step then, it must ask for a later time; otherwise
    /// its driver would wake it without rest.
    fn wake(&mut self, core: &mut Download) {
        let before = self.steps;
        let now = if self.lies(Sabotage::ClockStandsStill) { 0 } else { self.now };
        core.wake(now);
        self.drain(core);
        if self.steps == before
            && let Some(at) = core.wake_at().filter(|at| *at <= self.now)
        {
            let now = self.now;
            self.broken("a wake that changed nothing is not wanted again", format_args!("at {at}, and it is {now}"));
        }
    }

    /// Called for each step that is ordered: some runs are to crash near one.
    pub(crate) fn crash_near(&mut self, step: &Step) {
        if self.crash_kind.is_some() && self.crash_kind == kind_of(step) {
            self.crash_kind = None;
            self.crash_in = Some(self.rng.below(6));
        }
    }

    fn crash(&mut self, power_cut: bool) {
        tell!(self, "{}", if power_cut { "POWER CUT" } else { "KILLED" });
        self.crashed();
        self.land_or_lose();
        self.land_last_writes();
        self.finish = None;
        if power_cut {
            self.power_cut();
        } else {
            self.disk.kill();
            self.coverage.kills += 1;
            self.check_target("after a kill");
        }
    }

    fn power_cut(&mut self) {
        self.coverage.reboots += 1;
        self.disk.power_cut(&mut self.rng);
        self.witness.rebooted = true;
        self.older_after_power_cut();
        self.check_target("after a power cut");
    }

    // ---- between runs ------------------------------------------------------------------------------------------

    fn between_runs(&mut self) {
        self.now += self.rng.below(100_000);
        self.disk.now_ns = self.now as i64 * 1_000_000;
        if self.rng.one_in(4) {
            self.remote.change(&mut self.rng);
            tell!(self, "meanwhile the remote shows version {}", self.remote.current);
        }
        if self.remote.manners.hides {
            self.remote.manners.hidden = true;
            tell!(self, "the remote shows no strong validators any more");
        }
        if self.rng.one_in(8) {
            self.power_cut();
            tell!(self, "POWER CUT between runs");
        }
        if self.rng.one_in(5) {
            self.spoil_file();
        }
        if self.rng.one_in(12) {
            self.spoil_journal();
        }
        if self.disk.receipt.is_some() && self.target_is_free() && self.rng.one_in(3) {
            self.put_at_the_target();
        }
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// An undisturbed run with a wrong digest, perhaps, and from then on the right one is given.
    fn correct_the_digest(&mut self, config: &mut Config) {
        if self.right.is_none() {
            return;
        }
        self.coverage.wrong_digests += 1;
        for _ in 0..self.rng.below(3) {
            self.last_run(config);
            if self.breach.is_some() {
                return;
            }
        }
        if let Some(right) = self.right.take() {
            tell!(self, "the digest is corrected");
            self.expected = right;
            config.expected.clone_from(&self.expected);
        }
    }

    /// An undisturbed run: it must bring the file.
    fn last_run(&mut self, config: &Config) {
        self.trouble = Trouble::default();
        self.free = None;
        let settled = if self.expected.is_empty() { self.remote.current } else { 0 };
        let two = self.expected.is_empty() && !self.stops_on_change && self.rng.one_in(4);
        self.remote.settle(settled, two);
        self.coverage.alternating += u64::from(self.remote.alternates());
        tell!(self, "from now on all is well; the remote shows version {settled}");
        self.calm = true;
        // Where the first reply tells the name, that reply may be the end already. What is to be mended is read block by
        // block, and not recognised by its digest.
        let mends = |adoption: &Adoption| matches!(adoption.proof, AdoptionProof::Blocks { .. });
        let recognises = config.named && !config.adoption.as_ref().is_some_and(mends);
        let there = (recognises && self.is_there_already()).then_some(self.coverage.requests);
        self.run(config, Plan::ToTheEnd);
        if let Some(requests) = there {
            self.check_recognised(requests);
        }
        let integrity = matches!(self.finish, Some(Finish::Failed(Failure::Integrity { .. })));
        self.coverage.wrong_digests_told += u64::from(integrity && self.right.is_some());
        self.check_end();
        if integrity && self.remote.lies && self.right.is_none() && self.breach.is_none() {
            tell!(self, "it is begun anew");
            self.run(config, Plan::Command { after: 0, command: Command::Discard });
            self.run(config, Plan::ToTheEnd);
            self.check_end();
        }
        self.calm = false;
    }

    fn check_end(&mut self) {
        if let Some(finish) = self.finish.take()
            && !self.is_right_end(&finish)
            && (self.power || !self.witness.rebooted)
        {
            self.broken("an undisturbed run brings the file", format_args!("{finish:?}"));
        }
    }

    /// What is done stays done: through a power cut, and when asked for again.
    fn after_done(&mut self, config: &Config) {
        if self.rng.coin() {
            tell!(self, "POWER CUT after the end");
            self.power_cut();
            self.coverage.survived_after_done += 1;
        }
        if self.breach.is_none() && self.rng.one_in(4) {
            self.coverage.asked_again_after_done += 1;
            if self.rng.coin() {
                self.remote.change(&mut self.rng);
            }
            self.trouble = Trouble::default();
            self.free = None;
            let settled = if self.expected.is_empty() { self.remote.current } else { 0 };
            self.remote.settle(settled, false);
            tell!(self, "once more; the remote shows version {settled}");
            let config = self.forget_the_digest(config);
            self.run(&config, Plan::ToTheEnd);
            self.check_end();
        }
    }
}

/// Kinds of steps that crashes are aimed at.
const KINDS: u64 = 12;

fn kind_of(step: &Step) -> Option<u8> {
    Some(match step {
        Step::Sync { .. } => 0,
        Step::SyncDir => 1,
        Step::Record { records, durable: true } => match records.last() {
            Some(Record::Claim { .. }) => 2,
            Some(Record::Publishing(_) | Record::CleanStop { .. }) => 3,
            Some(Record::Void { .. }) => 4,
            _ => 5,
        },
        Step::Publish { .. } => 6,
        Step::Receipt(_) => 7,
        Step::Forget => 8,
        Step::Promote => 9,
        Step::Compact { .. } => 10,
        Step::Create { .. } | Step::RemoveNext => 11,
        _ => return None,
    })
}
