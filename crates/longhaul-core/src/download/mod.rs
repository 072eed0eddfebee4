//! What happens next in a download?
//!
//! [`Download`] is one run: from a start (fresh or after any kind of end) to one [`Finish`]. A driver drains
//! [`next_step`](Machine::next_step) after everything it tells ([`hear`](Machine::hear), [`wake`](Machine::wake),
//! [`command`](Machine::command)). No method here waits: each event updates what is known, then `advance` looks at all
//! of it and gives the steps that may go now.
//!
//! ```text
//!             Open ──► prove hints ──► fetch ◄──► begin a generation ──► all held
//!                          │             │ ▲          (another identity)      │
//!                          ▼             ▼ │                                  ▼
//!                        void ◄── sync, claim, check beside it      digest, seal, sync,
//!                                                                   record, rename, sync,
//!        pause, failure: stop streams, sync, claim, clean stop      receipt, forget ──► Finish
//! ```
//!
//! A download is made of organs. Each has its own file, private fields and small tests; it judges, and gives no step
//! but the line, which stops, draws in and lets flow its own streams:
//!
//! | organ | what it has and judges |
//! |---|---|
//! | [`run`](crate::run) | time, tickets, steps to give, awaited answers; what these are for: `job` |
//! | `phase` | where the run is, and why it ends |
//! | `files` | what is held, of which generations |
//! | `disk` | what was learned of the disk: when a sync is due, whether a claim would be worth anything |
//! | `line` | the requests under way: who brings what, how fast, how many at once |
//! | `belief` | what is believed of the source: may replies be joined, which versions does it show |
//! | `manner` | how it is asked: with a range, with which conditions |
//! | [`retry`](crate::retry) | when the next request may go |
//!
//! The download itself branches: it hears an answer, asks its organs what it means, and gives the steps in the order
//! that the laws ask for.
//!
//! * [`mod@self`]: the one place where steps are chosen (`advance`). `config`: what a run is told, and all defaults.
//! * `open`: what was found, and how the run begins with it.
//! * `recognise`: is the file at the target the wanted one, by the digests that were given?
//! * `adopt`: may bytes of another program be taken up, and what proves them?
//! * `ask`: which request is sent next. `hear`: replies. `end`: how bodies end. `doubt`: replies that are not believed
//!   at once. `wanted`: is it a version that the caller wants? `begin`: a generation begins.
//! * `keep`: hints, syncs, claims, checks, voids, the old generation.
//! * `wrong`: the whole does not have the digest that it should have. `publish`: the file gets its name. `small`: the short way of an object that the first reply brings whole. `close`:
//!   winding down.
//! * `window`: where the file's offsets lie in the object, when only a part of it is wanted.
//!
//! It does not know what a connection is, how a request looks, or where files are.

pub mod adopt;
mod ask;
mod begin;
mod belief;
mod close;
mod config;
mod disk;
mod doubt;
mod end;
mod files;
mod hear;
pub mod held;
mod job;
pub mod journal;
mod keep;
mod line;
mod manner;
mod open;
mod phase;
mod publish;
mod recognise;
pub mod restart;
pub mod resume;
mod small;
pub mod step;
mod wanted;
mod window;
mod wrong;

pub use config::Config;

use crate::digest::Digest;
use crate::identity::Identity;
use crate::ranges::{Range, joined};
use crate::retry::Retry;
use crate::run::{Machine, Ordered, Run, no_answer};
use crate::words::{Command, DiskFault, Millis, Ticket};
use adopt::Adopting;
use belief::Belief;
use disk::Disk;
use files::HeldFiles;
use job::Job;
use journal::Record;
use line::ServerLine;
use manner::Manner;
use phase::Phase;
use recognise::Recognition;
use restart::Restart;
use resume::Generation;
use step::{Failure, Finish, Heard, Note, Receipt, Step};
use wrong::Doubt;

/// What was found when the folder was opened.
#[derive(Debug, Clone, Default)]
struct AtStart {
    /// Free bytes on the file system.
    free: Option<u64>,
    /// A crash would leave no file to explain: the short way is open.
    traceless: bool,
    /// Why the run begins from the first byte although there was a journal or a file.
    restart: Option<Restart>,
}

/// Bytes that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldBytes {
    /// Held: received, and known to be the object's.
    pub received: u64,
    /// Of these, claimed by a record that is on disk.
    pub durable: u64,
}

/// One run of one download.
#[derive(Debug, Clone)]
pub struct Download {
    config: Config,
    run: Run<Step, Job>,
    disk: Disk,
    line: ServerLine,
    files: HeldFiles,
    belief: Belief,
    manner: Manner,
    retry: Retry,
    phase: Phase,
    at_start: AtStart,
    /// What the digests say of the file at the target.
    recognition: Recognition,
    /// What is looked into before a wrong digest is believed.
    doubt: Option<Doubt>,
    /// What is taken up of another program.
    adopting: Adopting,
}

impl Download {
    /// A run that has not begun; its first steps wait in [`next_step`](Machine::next_step).
    pub fn new(config: Config) -> Self {
        let retry = Retry::new(config.retry, config.seed);
        let disk = Disk::new(&config);
        let line = ServerLine::new(&config);
        let files = HeldFiles::new(config.block_len_min, config.overwrite);
        let adopting = Adopting::new(config.adoption.clone());
        let mut run = Self {
            config,
            run: Run::new(),
            disk,
            line,
            files,
            belief: Belief::default(),
            manner: Manner::default(),
            retry,
            phase: Phase::new(),
            at_start: AtStart::default(),
            recognition: Recognition::default(),
            doubt: None,
            adopting,
        };
        if run.config.named {
            run.run.begin(Job::Open, Step::Open { room: true });
        } else {
            run.advance();
        }
        run
    }

    /// The received bytes that count, for progress displays. None, from the moment on when a new generation was
    /// decided upon: no byte is added to the old one's any more.
    pub fn held(&self) -> HeldBytes {
        if self.files.is_beginning() && self.phase.is_open() {
            return HeldBytes::default();
        }
        let under_way: u64 = self.run.jobs().map(Job::claims).sum();
        self.files.current().map_or_else(HeldBytes::default, |g| HeldBytes {
            received: g.held.total(),
            durable: g.held.claimed().saturating_sub(under_way),
        })
    }

    /// The identity that bytes are held of, once known.
    pub fn identity(&self) -> Option<&Identity> {
        self.files.current().map(|g| &g.begin.identity)
    }

    /// What [`held`](Self::held) counts, by where it lies: received, and of that durable.
    pub fn held_ranges(&self) -> (Vec<Range>, Vec<Range>) {
        let none = || (Vec::new(), Vec::new());
        if self.files.is_beginning() && self.phase.is_open() {
            return none();
        }
        let Some(held) = self.files.current().map(|g| g.held.list()) else { return none() };
        let claimed = held.iter().map(|k| Range::new(k.extent.start, k.extent.start + k.claimed_len));
        (joined(held.iter().map(|k| k.extent.range())), joined(claimed))
    }

    /// What the requests under way still have to bring, as far as the object's end is known.
    pub fn in_flight(&self) -> Vec<Range> {
        let end = self.identity().and_then(|identity| identity.length);
        let mut rests: Vec<Range> =
            self.line.under_way().map(|rest| Range::new(rest.start, rest.end.min(end.unwrap_or(rest.end)))).collect();
        rests.retain(|rest| rest.end < u64::MAX);
        rests.sort_unstable();
        joined(rests)
    }

    /// The rate limit from now on, in bytes per second; 0 is none. What a run is told first is
    /// [`rate_max`](Config::rate_max).
    pub fn limited_to(&mut self, bytes_per_s: u64) {
        self.line.limited_to(bytes_per_s);
    }

    /// The generation in work, for `show --explain` and progress.
    pub fn generation(&self) -> Option<&Generation> {
        self.files.current()
    }

    // ---- the one place where steps are chosen ------------------------------------------------------------------

    fn advance(&mut self) {
        self.line.looked_at();
        if self.phase.is_closing() {
            return;
        }
        if self.phase.is_ending() {
            self.wind_down();
            return;
        }
        self.throttle();
        if !self.phase.is_open() && self.config.named || self.run.any(Job::blocks_all) {
            return;
        }
        if !self.prove() || self.advance_small() {
            return;
        }
        if !self.files.is_beginning() {
            self.promote_if_due();
            if self.run.any(Job::blocks_all) {
                return;
            }
        }
        self.sync_if_due();
        self.check_beside();
        self.compact_if_due();
        self.settle_takeovers();
        self.look_at_pace();
        self.adopt_if_due();
        if self.files.current().is_some_and(|g| self.is_ready(g)) {
            self.try_publish();
        } else if !self.is_adopting() {
            self.fetch_more();
        }
    }

    fn is_ready(&self, g: &Generation) -> bool {
        if self.files.is_beginning()
            || self.is_adopting()
            || self.files.finished().is_some()
            || self.doubts_whole(g.begin.generation)
        {
            return false;
        }
        g.is_whole() && !self.belief.is_refuted(g.begin.generation) && !self.is_unwanted(g)
    }

    fn hear_job(&mut self, job: Job, heard: Heard) {
        match (job, heard) {
            (Job::Open, Heard::Opened(found)) => self.opened(found),
            (Job::Open, Heard::Failed(fault)) => {
                self.phase.not_opened(Failure::Disk { fault, during: "open" });
            }
            (Job::Open, _) => no_answer("the opening of a folder"),
            (Job::Target(job), heard) => self.hear_target(job, heard),
            (Job::Keep(job), heard) => self.hear_keep(job, heard),
            (Job::Begin(job), heard) => self.hear_begin(job, heard),
            (Job::Publish(job), heard) => self.hear_publish(job, heard),
            (Job::Close(job), heard) => self.hear_close(job, heard),
        }
    }

    // ---- small words -------------------------------------------------------------------------------------------

    fn job(&mut self, job: impl Into<Job>, step: Step) {
        self.run.begin(job.into(), step);
    }

    fn record(&mut self, job: impl Into<Job>, records: Vec<Record>, durable: bool) {
        let durable = durable && self.power();
        self.job(job, Step::Record { records, durable });
    }

    fn note(&mut self, note: Note) {
        self.run.order(Step::Note(note));
    }

    fn fail(&mut self, failure: Failure) {
        self.phase.fail(failure);
    }

    fn fail_disk(&mut self, fault: DiskFault, during: &'static str) {
        self.fail(Failure::Disk { fault, during });
    }

    fn finish(&mut self, finish: Finish) {
        self.phase.over();
        self.run.order(Step::Finish(finish));
    }

    fn power(&self) -> bool {
        self.disk.outlives_power()
    }

    /// A law of the core.
    fn law(&self, number: u32, holds: bool, what: &str) {
        assert!(holds, "law {number} of the core is broken: {what}");
    }

    /// Digests that the outcome can be held against.
    fn expected(&self) -> Vec<Digest> {
        let declared = self.files.current().map(|g| g.begin.identity.digests.as_slice()).unwrap_or_default();
        let mut all = self.config.expected.clone();
        all.extend(declared.iter().filter(|d| !self.config.expected.contains(d)).cloned());
        all
    }

    /// Whether bytes of several replies may be joined in this generation.
    fn joinable(&self, g: &Generation) -> bool {
        self.belief.joins(g, !self.config.expected.is_empty())
    }

    fn receipt(&self) -> Option<Receipt> {
        let (g, publishing) = (self.files.current()?, self.phase.publishing()?);
        Some(Receipt {
            length: publishing.facts.len,
            identity: g.begin.identity.clone(),
            verified: self.verdict_on(g),
            digests: self.files.proven().to_vec(),
            facts: publishing.facts,
            extents: g.held.list().iter().map(|k| k.extent).collect(),
        })
    }
}

impl Machine for Download {
    type Step = Step;
    type Heard = Heard;
    type Note = Note;
    type Finish = Finish;

    fn next_step(&mut self) -> Option<Ordered<Step>> {
        let step = self.run.next_step();
        self.run.assert_goes_on(|| {
            step.is_some() || self.phase.is_over() || !self.line.is_empty() || self.wake_at().is_some()
        });
        step
    }

    fn wake_at(&self) -> Option<Millis> {
        let proving = self.run.any(|j| j.blocks_all() || j.is_proof());
        if self.phase.is_closing() || self.phase.is_ending() || self.disk.has_lost_unsynced() || proving {
            return None; // something else will be heard first
        }
        let small = self.small_until().filter(|_| !self.files.current().is_some_and(|g| self.is_ready(g)));
        let retry = (self.retry.not_before > self.run.now()).then_some(self.retry.not_before);
        let sync = self.disk.sync_at().filter(|_| self.may_sync());
        [retry, sync, small, self.line.look_at()].into_iter().flatten().min()
    }

    fn wake(&mut self, now: Millis) {
        self.run.tick(now);
        self.advance();
    }

    fn command(&mut self, now: Millis, command: Command) {
        self.run.tick(now);
        self.phase.command(command);
        self.advance(); // also where it comes too late: a moment that was waited for may have passed
    }

    fn hear(&mut self, now: Millis, ticket: Ticket, heard: Heard) {
        self.run.tick(now);
        if self.phase.is_over() {
            return;
        }
        if let Some(i) = self.line.find(ticket) {
            self.hear_stream(i, heard);
        } else if let Some(job) = self.run.answered(ticket) {
            self.hear_job(job, heard);
        }
        self.advance();
    }
}
