//! One history: a source, a store, and several runs of the upload, each ended by its own end, a kill, a power cut, a
//! pause or a discard, with trouble of its own; then undisturbed runs, and a look at what is left. Everything comes
//! from one seed.

use longhaul_core::digest::DigestKind;
use longhaul_core::retry::RetryPolicy;
use longhaul_core::run::Machine;
use longhaul_core::upload::journal::Intent;
use longhaul_core::upload::step::{Finish, Heard, ObjectFacts, SourceFacts, Step};
use longhaul_core::upload::{Config, Limits, PartLengths, Upload};
use longhaul_core::words::{Command, Durability, OnChange, Ticket};

use super::coverage::{At, Coverage};
use super::driver::{Late, Op};
use super::laws::Witness;
use super::liar::{Liar, Sabotage};
use super::refuses::Refuses;
use super::source::Source;
use super::store::{Answers, Store, Sums, Tells};
use crate::log::Log;
use crate::rng::Rng;
use crate::world::Breach;

/// Moves of the world in one run after which something must be wrong.
const TICKS_MAX: u64 = 4_000;
/// Undisturbed starts within which an upload has to end.
const LAST_RUNS: u32 = 3;

/// What goes wrong in a run, in percent per operation; in a thousand per tick where it says so.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    pub(crate) unreachable: u32,
    /// The request does not arrive.
    pub(crate) lost: u32,
    /// It is carried out, and its answer does not arrive.
    pub(crate) unanswered: u32,
    /// It is carried out much later.
    pub(crate) late: u32,
    pub(crate) busy: u32,
    /// A 200 with an error body.
    pub(crate) unreadable: u32,
    pub(crate) expired: u32,
    /// There are no credentials for a while.
    pub(crate) keyless: u32,
    /// Per Create: it is not allowed.
    pub(crate) denied: u32,
    /// Bytes arrive otherwise than they were sent.
    pub(crate) corrupt: u32,
    /// The object is stored otherwise than its parts.
    pub(crate) mangle: u32,
    /// The journal cannot be written.
    pub(crate) journal_fails: u32,
    pub(crate) read_fails: u32,
    /// The store acknowledges an abort and does not carry it out.
    pub(crate) vain_aborts: u32,
    /// Per mille and tick: the source changes.
    pub(crate) change: u32,
    /// Per mille and tick: another writer writes to the key.
    rival: u32,
    /// Per mille and tick: the store removes an upload.
    pub(crate) lifecycle: u32,
    /// Per mille and tick: another writer that has the id of an upload sends one of its parts.
    replace: u32,
}

impl Trouble {
    /// Few kinds at once, so that most runs get somewhere.
    fn draw(rng: &mut Rng) -> Self {
        let mut t = Self::default();
        for _ in 0..rng.below(4) {
            match rng.below(18) {
                0 => t.unreachable = 30,
                1 => t.lost = 20,
                2 | 3 => t.unanswered = rng.pick(&[10, 30]),
                4 => t.late = 15,
                5 => t.busy = 20,
                6 => t.unreadable = 10,
                7 => t.expired = rng.pick(&[10, 60]),
                8 => t.corrupt = 15,
                9 => t.mangle = 50,
                10 => (t.journal_fails, t.read_fails) = (2, 8),
                11 => t.vain_aborts = 60,
                12 => t.change = 40,
                13 => t.rival = 30,
                14 => t.keyless = 10,
                15 => t.denied = 60,
                16 => t.replace = 20,
                _ => t.lifecycle = 15,
            }
        }
        t
    }
}

/// How a run is to end, unless it ends before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    ToTheEnd,
    /// Killed when so many bytes of parts went through, each of which takes so long, shared equally by those that are
    /// under way.
    Uplink {
        bytes: u64,
        byte_ms: u64,
    },
    Crash {
        after: u64,
        power: bool,
    },
    /// Soon after a step of this kind was ordered.
    CrashNear {
        at: At,
        power: bool,
    },
    Command {
        after: u64,
        command: Command,
    },
}

/// An uplink that all connections of a run share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uplink {
    /// Bytes of parts that it lets through yet.
    pub(crate) left: u64,
    pub(crate) byte_ms: u64,
    /// When the next byte is through.
    pub(crate) free_at: u64,
    /// Bytes of each connection that the system has taken and not sent.
    pub(crate) unsent: u64,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) source: Source,
    pub(crate) store: Store,
    pub(crate) log: Option<Log>,
    /// A journal that was removed, and may come back after a power cut.
    pub(crate) ghost: Option<Log>,
    pub(crate) receipt: Option<(SourceFacts, ObjectFacts)>,
    pub(crate) ops: Vec<Op>,
    pub(crate) late: Vec<Late>,
    pub(crate) now: u64,
    pub(crate) liar: Liar,
    pub(crate) coverage: Coverage,
    pub(crate) story: Option<String>,
    pub(crate) witness: Witness,
    pub(crate) breach: Option<Breach>,
    pub(crate) trouble: Trouble,
    // Of the run.
    pub(crate) finish: Option<Finish>,
    pub(crate) sequence: Option<u32>,
    pub(crate) echo: Option<(Ticket, Heard)>,
    pub(crate) steps: u64,
    crash_at: Option<At>,
    pub(crate) crash_in: Option<u64>,
    /// The run's uplink, where its bytes are counted.
    pub(crate) uplink: Option<Uplink>,
    pub(crate) last_run: bool,
    // Of the history.
    pub(crate) config: Config,
    /// What is asked for the object beside its bytes.
    pub(crate) dress: u8,
    pub(crate) power: bool,
    /// Kills are the only disturbance.
    pub(crate) calm: bool,
    /// The store refuses half of all requests.
    pub(crate) refuses: Option<Refuses>,
}

impl crate::world::World for World {
    type Sabotage = Sabotage;
    const SABOTAGES: &'static [Sabotage] = Sabotage::ALL;
    type Coverage = Coverage;

    fn new() -> Self {
        let mut rng = Rng::new(0);
        let source = Source::new(&mut rng, 0, 0);
        let store = Store::new(&mut rng);
        Self {
            rng,
            source,
            store,
            log: None,
            ghost: None,
            receipt: None,
            ops: Vec::new(),
            late: Vec::new(),
            now: 0,
            liar: Liar::default(),
            coverage: Coverage::default(),
            story: None,
            witness: Witness::default(),
            breach: None,
            trouble: Trouble::default(),
            finish: None,
            sequence: None,
            echo: None,
            steps: 0,
            crash_at: None,
            crash_in: None,
            uplink: None,
            last_run: false,
            config: Config::default(),
            dress: 0,
            power: true,
            calm: false,
            refuses: None,
        }
    }

    fn history(&mut self, seed: u64, sabotage: Option<Sabotage>) -> Option<Breach> {
        self.reset(seed);
        self.liar.sabotage = sabotage;
        self.draw_config();
        if self.rng.one_in(4) {
            let len = self.source.bytes().len();
            self.store.rival(&mut self.rng, len, self.now);
        }
        if self.story.is_some() {
            let (config, vendor) = (format!("{:?}", self.config), self.store.vendor);
            tell!(self, "seed {seed}: {config}\n            the store: {vendor:?}, {:?}", self.store.object);
            tell!(self, "the source: {:?}", self.source.bytes().as_slice());
        }
        self.coverage.histories += 1;
        let strange = matches!(self.store.vendor.sums, Sums::Breaks | Sums::Misjudges);
        self.calm = self.rng.one_in(8) && self.store.vendor.late_ms == 0 && !strange;
        self.refuses = (!self.calm && self.rng.one_in(8)).then(|| Refuses::draw(&mut self.rng));
        if self.refuses.is_some() {
            self.coverage.refusing_stores += 1;
            self.config.retry.failures_max = 10;
        }
        self.coverage.calm += u64::from(self.calm);
        // Where the store tells no digests a part counts by its record, which a kill may take.
        if self.calm && !self.store.vendor.tells.nothing() && self.rng.one_in(3) {
            let byte_ms = if self.rng.one_in(2) { 0 } else { self.rng.pick(&[3_000, 5_000, 7_000]) };
            self.interrupted_for_ever(byte_ms);
        }
        let runs = if self.witness.done || self.breach.is_some() { 0 } else { self.rng.between(1, 3) };
        for _ in 0..runs {
            self.trouble = Trouble::draw(&mut self.rng);
            if !self.shows_mangling() {
                self.trouble.mangle = 0;
            }
            let mut plan = self.draw_plan();
            if self.refuses.is_some() {
                self.trouble = Trouble::default();
            }
            if self.calm {
                self.trouble = Trouble::default();
                if let Plan::Crash { power, .. } | Plan::CrashNear { power, .. } = &mut plan {
                    *power = false;
                } else if let Plan::Command { command, .. } = &mut plan {
                    *command = Command::Pause;
                }
            }
            self.run(plan);
            if self.breach.is_some() || self.witness.done {
                break;
            }
            self.between_runs();
        }
        if !self.witness.done {
            self.last_runs();
        } else if self.breach.is_none() && self.rng.one_in(3) {
            // A finished upload is found finished, unless another writer has undone it.
            tell!(self, "---- once more");
            self.coverage.asked_again += 1;
            self.land_everything();
            match self.rng.below(8) {
                0 => self.remove_object(),
                1 => self.rival(),
                _ => {}
            }
            (self.witness.done, self.calm) = (false, false);
            self.last_runs();
        }
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
        self.now = self.rng.pick(&[10, 3_000]);
        let len = self.rng.pick(&[0, 3, 5, 7, 8, 9, 11, 12, 13]);
        self.source = Source::new(&mut self.rng, len, 0);
        self.store = Store::new(&mut self.rng);
        (self.log, self.ghost, self.receipt) = (None, None, None);
        self.ops.clear();
        self.late.clear();
        self.witness = Witness::default();
        self.breach = None;
        self.steps = 0;
        self.last_run = false;
        self.dress = 0;
    }

    /// Interruptions without an end, each of which lets one part through, and all but the last byte of another. A line
    /// that needs seconds for a byte has shorter parts after its first look.
    fn interrupted_for_ever(&mut self, byte_ms: u64) {
        let part_len = self.config.part_lengths.least;
        self.config.single_max = self.config.single_max.min(part_len);
        self.trouble = Trouble::default();
        self.coverage.interrupted_for_ever += 1;
        self.coverage.slow_uplinks += u64::from(byte_ms > 0);
        let parts = (self.source.bytes().len() as u64).div_ceil(part_len);
        let parts = if byte_ms > 0 { self.source.bytes().len() as u64 } else { parts };
        // The first may lose everything, by what was known of the host.
        for _ in 0..parts + 3 {
            self.run(Plan::Uplink { bytes: 2 * part_len - 1, byte_ms });
            let ended = self.finish.take().is_some_and(|finish| self.is_right_end(&finish));
            if ended || self.witness.done || self.breach.is_some() {
                return;
            }
            self.between_runs();
        }
        self.broken(
            "interruptions that each let a part through end in a stored object",
            format_args!("{} interruptions of an upload of {parts} parts", parts + 3),
        );
    }

    /// Whether the store tells enough of the whole for a wrong object to be seen.
    fn shows_mangling(&self) -> bool {
        let vendor = self.store.vendor;
        (!vendor.tells.nothing() || self.keeps_all_sums()) && (vendor.answers == Answers::Everything || vendor.looks)
    }

    /// Every object is stored with a checksum that the store tells.
    pub(crate) fn keeps_all_sums(&self) -> bool {
        let sums = self.store.vendor.sums == Sums::Keeps;
        sums && self.config.checksum.is_some() && self.config.checksum_single.is_some()
    }

    fn draw_config(&mut self) {
        let rng = &mut self.rng;
        self.power = !rng.one_in(8);
        let part_len = rng.pick(&[2, 3, 4]);
        let mut kinds = match (self.store.vendor.tells, rng.below(4)) {
            (Tells::Crc, 1..) => vec![DigestKind::Crc64],
            (Tells::Md5, 1..) => vec![DigestKind::Md5],
            _ => vec![DigestKind::Crc64, DigestKind::Md5],
        };
        let checksum = (!rng.one_in(3)).then_some(DigestKind::Crc64Nvme);
        let checksum_single = checksum.filter(|_| self.store.vendor.sums == Sums::Keeps && rng.coin());
        kinds.extend(checksum);
        self.config = Config {
            seed: 0,
            intent: Intent { destination: "oss://b/k".to_owned(), path: b"/f".to_vec(), ..Intent::default() },
            limits: Limits { part_min: 1, part_max: 100, parts_max: 15, single_max: 100, object_max: 1000 },
            single_max: rng.pick(&[0, 2, 2, 8]),
            part_len: None,
            part_lengths: PartLengths { least: part_len, most: part_len },
            connections: rng.pick(&[1, 2, 3]),
            connections_known: None,
            goodput_known: rng.pick(&[None, Some(0), Some(u64::MAX), Some(u64::MAX)]),
            kinds,
            checksum,
            checksum_single,
            retry: RetryPolicy {
                failures_max: rng.pick(&[4, 10]),
                backoff_ms: 20,
                backoff_max_ms: 400,
                retry_after_max_ms: 1_000,
            },
            settle_ms: 4_000,
            compact_after: rng.pick(&[2, 1024]),
            changes_max: 3,
            on_change: if rng.one_in(12) { OnChange::Stop } else { OnChange::Restart },
            durability: if self.power { Durability::Power } else { Durability::Process },
            force: rng.one_in(12),
            forbid_overwrite: rng.one_in(16),
            callback: rng.one_in(16),
            keep_parts: rng.one_in(6),
        };
    }

    fn draw_plan(&mut self) -> Plan {
        let rng = &mut self.rng;
        let power = rng.percent(40);
        match rng.below(20) {
            0..4 => Plan::ToTheEnd,
            4..8 => Plan::Crash { after: rng.below(50), power },
            8..16 => Plan::CrashNear { at: At::ALL[rng.below(At::ALL.len() as u64) as usize], power },
            16 | 17 => Plan::Command { after: rng.below(50), command: Command::Pause },
            _ => Plan::Command { after: rng.below(50), command: Command::Discard },
        }
    }

    // ---- one run -----------------------------------------------------------------------------------------------

    fn run(&mut self, plan: Plan) {
        self.coverage.runs += 1;
        self.witness.run_begins(self.now);
        (self.finish, self.sequence, self.echo) = (None, None, None);
        (self.crash_at, self.crash_in, self.uplink) = (None, None, None);
        let mut power_cut = false;
        let mut command = None;
        match plan {
            Plan::ToTheEnd => {}
            Plan::Uplink { bytes: left, byte_ms } => {
                let unsent = self.rng.below(2);
                self.uplink = Some(Uplink { left, byte_ms, free_at: self.now, unsent });
            }
            Plan::Crash { after, power } => (self.crash_in, power_cut) = (Some(after), power),
            Plan::CrashNear { at, power } => (self.crash_at, power_cut) = (Some(at), power),
            Plan::Command { after, command: what } => command = Some((after, what)),
        }
        tell!(self, "---- a run begins, {plan:?}, {:?}", self.trouble);
        let mut config = Config { seed: self.rng.next(), ..self.config.clone() };
        self.bend_config(&mut config);
        let mut core = Upload::new(config);
        self.drain(&mut core);
        for tick in 0.. {
            if let Some(finish) = self.finish.take() {
                self.ops.clear();
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
                let what = format!("{TICKS_MAX} moves and no end; under way: {waiting:?}");
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
                self.coverage.pauses += u64::from(what == Command::Pause);
                self.coverage.discards += u64::from(what == Command::Discard);
                core.command(self.now, what);
                self.drain(&mut core);
                continue;
            }
            self.tick(&mut core);
        }
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.below(1000) < u64::from(per_mille)
    }

    fn tick(&mut self, core: &mut Upload) {
        self.coverage.ticks += 1;
        self.now += if self.rng.one_in(32) { self.rng.below(700) } else { self.rng.below(16) };
        self.land_late();
        // More where only one more look shows it: during a snapshot, and while a part is read beside no other.
        let reading = |op: &Op| match op.step {
            Step::Snapshot { .. } => op.stage == 1,
            Step::SendPart { .. } => op.stage == 1 && self.ops.len() == 1,
            _ => false,
        };
        let reading = self.ops.iter().any(reading);
        if self.chance(self.trouble.change * if reading { 6 } else { 1 }) {
            self.change_source();
        }
        if self.chance(self.trouble.rival) {
            self.rival();
        }
        if self.chance(self.trouble.lifecycle) {
            self.lifecycle();
        }
        if self.chance(self.trouble.replace) {
            self.replace_part();
        }
        if self.echo.is_some() && self.rng.one_in(12) {
            // An answer that was given already comes again: the core must ignore it.
            if let Some((ticket, heard)) = self.echo.take() {
                let ticket = self.ticket_of_echo(ticket, &heard);
                tell!(self, "answer {} again: {heard:?}", ticket.0);
                return self.hear(core, ticket, heard);
            }
        }
        if core.wake_at().is_some_and(|at| at <= self.now) {
            core.wake(self.now);
            return self.drain(core);
        }
        if !self.ops.is_empty() && self.progress(core) {
            return;
        }
        let through = self.uplink.filter(|uplink| uplink.free_at > self.now && self.ops.iter().any(Op::is_on_line));
        match (core.wake_at(), through) {
            (at, Some(Uplink { free_at, .. })) if at.is_none_or(|at| at > free_at) => self.now = free_at,
            (Some(at), _) => {
                self.now = self.now.max(at);
                self.land_late();
                core.wake(self.now);
                self.drain(core);
            }
            (None, _) if self.finish.is_some() => {}
            (None, _) => {
                let what = format!("{:?}", self.ops);
                self.broken("liveness: no run hangs", format_args!("nothing to do, nothing to wait for: {what}"));
            }
        }
    }

    fn change_source(&mut self) {
        let what = self.source.change(&mut self.rng, self.now);
        self.coverage.changes += 1;
        self.coverage.hidden_changes += u64::from(what.contains("nothing shows"));
        tell!(self, "the source is {what}: {:?}", self.source.bytes().as_slice());
    }

    fn rival(&mut self) {
        let bytes = *self.source.bytes();
        if self.rng.one_in(3) {
            self.store.rival_with(bytes, self.dress, self.now);
            self.coverage.rivals_with_the_source += 1;
        } else {
            self.store.rival(&mut self.rng, bytes.len(), self.now);
        }
        self.coverage.rivals += 1;
        tell!(self, "another writer writes to the key: {:?}", self.store.object);
    }

    fn remove_object(&mut self) {
        if self.store.remove() {
            self.coverage.removals += 1;
            tell!(self, "another writer removes what stands at the key");
        }
    }

    fn lifecycle(&mut self) {
        let Some(i) = self.store.open().last() else { return };
        let _ = self.store.abort(&format!("U{i}"), false, self.now);
        self.coverage.lifecycles += 1;
        tell!(self, "the store removes upload U{i} by a rule");
    }

    fn replace_part(&mut self) {
        if let Some((upload, number)) = self.store.replace_part(&mut self.rng, self.now) {
            self.coverage.replaced_parts += 1;
            tell!(self, "another writer sends part {number} of U{upload}");
        }
    }

    /// Called for each step that is ordered: some runs are to crash near one.
    pub(crate) fn crash_near(&mut self, step: &Step) {
        if self.crash_at.is_some() && self.crash_at == At::of(step) {
            self.crash_at = None;
            self.crash_in = Some(self.rng.below(7));
        }
    }

    fn crash(&mut self, power_cut: bool) {
        tell!(self, "{}", if power_cut { "POWER CUT" } else { "KILLED" });
        self.land_or_lose();
        self.finish = None;
        self.coverage.kills += u64::from(!power_cut);
        if power_cut {
            self.power_cut();
        }
        self.check_known("after a crash");
    }

    fn power_cut(&mut self) {
        self.coverage.reboots += 1;
        if !self.power {
            self.witness.journal_spoiled(); // without power durability no journal is promised
        }
        if self.log.is_none() && self.rng.coin() {
            self.log = self.ghost.take();
        }
        self.ghost = None;
        if let Some(log) = &mut self.log {
            log.power_cut(&mut self.rng);
            if log.live.is_empty() {
                self.log = None;
            }
        }
    }

    // ---- between runs ------------------------------------------------------------------------------------------

    fn between_runs(&mut self) {
        self.now += self.rng.pick(&[5, 100, 1_000, 100_000]);
        self.land_late();
        if self.calm {
            return;
        }
        if self.rng.one_in(4) {
            self.change_source();
        }
        // Most of what is decided about other writers is decided while an answer is missing.
        if self.rng.one_in(if self.witness.doubt.is_some() { 3 } else { 10 }) {
            self.rival();
        }
        if self.rng.one_in(10) {
            self.remove_object();
        }
        if self.rng.one_in(10) {
            self.lifecycle();
        }
        if self.rng.one_in(10) {
            self.replace_part();
        }
        if self.rng.one_in(8) {
            self.power_cut();
            tell!(self, "POWER CUT between runs");
            self.check_known("after a power cut between runs");
        }
        if self.rng.one_in(20)
            && let Some(log) = &mut self.log
        {
            self.coverage.spoiled_journals += 1;
            let at = self.rng.below(log.live.len() as u64 + 1) as usize;
            if self.rng.coin() {
                log.cut(at);
            } else {
                self.log = None;
            }
            self.witness.journal_spoiled();
            tell!(self, "another program spoils the journal at {at}");
        }
        if self.rng.one_in(10) {
            self.dress += 1;
            tell!(self, "other metadata is asked for");
        }
        if self.rng.one_in(12) {
            self.config.part_len = Some(self.rng.between(2, 4));
        }
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Undisturbed runs: one of the first few must store the object.
    fn last_runs(&mut self) {
        self.trouble = Trouble::default();
        self.refuses = None;
        self.last_run = true;
        for n in 1..=LAST_RUNS {
            if self.breach.is_some() {
                return;
            }
            tell!(self, "from now on all is well");
            self.run(Plan::ToTheEnd);
            if let Some(finish) = self.finish.take() {
                if self.is_right_end(&finish) {
                    break;
                }
                if n == LAST_RUNS {
                    self.broken("an undisturbed run stores the object", format_args!("{finish:?}"));
                }
            }
            self.now += 10;
        }
        if self.breach.is_none() {
            self.land_everything();
            self.check_left();
        }
    }
}
