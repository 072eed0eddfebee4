//! What happens next in an upload?
//!
//! [`Upload`] is one run: from a start (fresh or after any kind of end) to one [`Finish`]. A driver drains
//! [`next_step`](Machine::next_step) after everything it tells ([`hear`](Machine::hear), [`wake`](Machine::wake),
//! [`command`](Machine::command)). An upload never waits: each event updates what is known, then `advance` looks at
//! all of it and gives the steps that may go now.
//!
//! ```text
//!  Open ──► Look ──► the same is there already ───────────────────────────────────────────┐
//!   │        │                                                                             │
//!   │        ├──► Snapshot ─────────────────────────┐                                      ▼
//!   │        │    (small)                           ▼                                 stored, receipt,
//!   │        └──► begin, create, created ──► parts ──► look, record, Complete or Put ──► aborts, forget ──► Finish
//!   │                     ▲                   ▲ │              ▲           │               ▲
//!   ├──► list of parts ───┼───────────────────┘ │              │       lost answer         │
//!   │                     └── a new attempt ◄───┴──────────────┴───────── settle ──────────┘
//!   └──► settle what an earlier run left unanswered ──────────────────────► ▲
//! ```
//!
//! An upload is made of organs. Each has a file with its fields, its rules and its tests, is told what happened, and
//! gives a verdict; it never sees the others but as arguments.
//!
//! | question | organ |
//! |---|---|
//! | Which steps are under way, in which lane? | `jobs`, over the [`run`](crate::run) that downloads have as well |
//! | Where is the run, and how does it end? | `phase` |
//! | Which version of the source is it? | `source` |
//! | What stands at the key, and whose is it? | `key`; `compare`: what objects and parts show |
//! | Under which number and id does it go to the store? | `attempt` |
//! | Which parts does the store have, and are they the source's? | `parts`, its list: `listing`, their length: `plan` |
//! | What has to stand there in the end, and does it? | `writing` |
//! | What became of a lost answer? | `settling` |
//! | What was given up and may still be in the store? | `leftovers` |
//! | What does the journal hold? | `papers`, in the records of [`journal`] |
//! | How many parts at once? | `ramp` |
//! | Do parts of this length fit the line? | `fit` |
//! | Is a request sent again, and when? | `budget` |
//!
//! What follows from a verdict is the run's. The next step is chosen in this file, in one place (`advance`); the run's
//! branches stand in six chapters: `hear` (which branch an answer goes to), `start` (what was found, and what stands at
//! the key), `begin` (one request or several, the same already, a new upload), `send` (parts and the store's list),
//! `write` (the request that writes the object, and lost answers), `finish` (removing what was given up, winding down).
//!
//! It does not know what a request looks like, how it is signed, or where files are.

mod attempt;
mod begin;
mod budget;
mod compare;
mod config;
mod facts;
mod finish;
mod fit;
mod hear;
mod jobs;
pub mod journal;
mod key;
mod leftovers;
mod listing;
mod papers;
mod parts;
mod phase;
mod plan;
mod ramp;
mod send;
mod settling;
mod source;
mod start;
pub mod step;
mod write;
mod writing;

pub use config::{Config, Limits, PartLengths};
pub use plan::part_len;

use crate::ranges::{Range, joined};
use crate::run::{Machine, Ordered, Run};
use crate::words::{Command, DiskFault, Millis, Ticket};
use attempt::Attempts;
use budget::Budget;
use fit::Fit;
use jobs::{Job, Lane, Main};
use journal::Record;
use key::KeyView;
use leftovers::Leftovers;
use listing::PartList;
use papers::Papers;
use parts::Parts;
use phase::{Phase, Stage};
use ramp::Ramp;
use settling::Settling;
use source::SourceVersion;
use step::{Failure, Fault, Finish, Heard, Note, Step};
use writing::Writing;

/// One run of one upload.
#[derive(Debug, Clone)]
pub struct Upload {
    config: Config,
    run: Run<Step, Job>,
    phase: Phase,
    source: SourceVersion,

    // The attempt.
    attempts: Attempts,
    parts: Parts,
    listing: PartList,

    // The object.
    key: KeyView,
    writing: Writing,
    settling: Settling,

    // What was given up.
    leftovers: Leftovers,
    papers: Papers,

    ramp: Ramp,
    fit: Fit,
    budget: Budget,
}

impl Upload {
    /// A run that has not begun; its first steps wait in [`next_step`](Machine::next_step).
    pub fn new(config: Config) -> Self {
        let attempts = Attempts::new(config.checksum);
        let budget = Budget::new(&config);
        let source = SourceVersion::new(config.on_change, config.changes_max);
        let papers = Papers::new(config.intent.clone(), config.durability);
        let ramp = Ramp::new(config.connections, config.connections_known, config.goodput_known);
        let mut run = Self {
            config,
            run: Run::new(),
            phase: Phase::new(),
            source,
            attempts,
            parts: Parts::default(),
            listing: PartList::default(),
            key: KeyView::new(),
            writing: Writing::new(),
            settling: Settling::default(),
            leftovers: Leftovers::default(),
            papers,
            ramp,
            fit: Fit::default(),
            budget,
        };
        run.main(Main::Open, Step::Open);
        run
    }

    /// Whether the end is decided: no later answer changes it.
    pub fn is_ending(&self) -> bool {
        self.phase.is_decided()
    }

    /// Bytes of the source that the store has acknowledged and that count; for progress displays.
    pub fn acknowledged(&self) -> u64 {
        match self.phase.outcome() {
            Some(_) => self.source.len(),
            None => self.parts.acknowledged(),
        }
    }

    /// What [`acknowledged`](Self::acknowledged) counts, by where it lies.
    pub fn acknowledged_ranges(&self) -> Vec<Range> {
        match self.phase.outcome() {
            Some(_) => joined([Range::new(0, self.source.len())]),
            None => self.parts.acknowledged_ranges(),
        }
    }

    /// Bytes that were handed to the network for parts (or the whole) still under way.
    pub fn in_flight(&self) -> u64 {
        self.run.in_flight()
    }

    /// Bytes per second that the host acknowledged in this run; 0 when parts were sent and none was acknowledged;
    /// `None` when there were too few to tell. What the next upload to this host is told as [`Config::goodput_known`].
    pub fn goodput(&self) -> Option<u64> {
        self.ramp.learned()
    }

    /// The source's length in bytes, as last seen.
    pub fn length(&self) -> u64 {
        self.source.len()
    }

    /// The length of all parts but the last, once the source is divided; `None` while, or because, it is one request.
    pub fn part_len(&self) -> Option<u64> {
        (self.parts.count() > 0).then(|| self.parts.part_len())
    }

    // ---- the one place where steps are chosen ------------------------------------------------------------------

    fn advance(&mut self) {
        if self.phase.is_over() {
            return;
        }
        if self.phase.winds_down() {
            return self.wind_down();
        }
        if self.phase.is_at(Stage::Send) {
            self.share();
        }
        while self.phase.goes_on() && !self.run.waits() && !self.phase.is_at(Stage::Send) {
            let stage = self.phase.stage();
            self.choose();
            if self.phase.is_at(stage) {
                break; // it waits
            }
            if self.phase.is_at(Stage::Send) {
                self.share();
            }
        }
        if self.phase.winds_down() {
            self.wind_down();
        } else if !self.phase.is_over() {
            self.run_lane(); // last, so that what was given up just now is not left waiting
        }
    }

    /// The next main step. Orders it, goes on to another stage, or leaves both as they are to wait.
    fn choose(&mut self) {
        if self.run.now() < self.budget.not_before() {
            return;
        }
        match self.phase.stage() {
            Stage::Open | Stage::Send => {}
            Stage::Guard => self.guard(),
            Stage::Look | Stage::Verify => self.main(Main::Look, Step::Look),
            Stage::Replan | Stage::CompareCheck | Stage::Check => self.main(Main::CheckSource, Step::CheckSource),
            Stage::Compare => self.read_for_comparison(),
            Stage::CompareCombine | Stage::Combine => self.combine(),
            Stage::Snapshot => self.main(Main::Snapshot, Step::Snapshot { kinds: self.kinds_of_whole() }),
            Stage::Begin => self.begin(),
            Stage::Create => self.main(Main::Create, Step::Create { checksum: self.attempts.wanted_checksum() }),
            Stage::Created => self.record_created(),
            Stage::List => self.list(),
            Stage::Record => self.record_sending(),
            Stage::Write => self.write(),
            Stage::Settle => self.settle_on(),
            Stage::Stored => self.record_stored(),
            Stage::Receipt => self.write_receipt(),
            Stage::Cleanup => self.clean_up(),
            Stage::Forget => self.main(Main::Forget, Step::Forget),
        }
    }

    // ---- small words -------------------------------------------------------------------------------------------

    fn main(&mut self, main: Main, step: Step) {
        self.law(3, !self.run.waits(), "two main steps at once");
        self.run.begin_in(Lane::Main(main), step);
    }

    /// Records that the run waits for.
    fn record(&mut self, records: Vec<Record>) {
        let step = self.papers.write(records);
        self.main(Main::Record, step);
    }

    /// Records beside the main step.
    fn record_beside(&mut self, records: Vec<Record>) {
        let step = self.papers.write_beside(records);
        self.run.begin_in(Lane::Record, step);
    }

    fn note(&mut self, note: Note) {
        self.run.order(Step::Note(note));
    }

    fn fail(&mut self, failure: Failure) {
        self.phase.fail(failure);
    }

    /// What an organ decided, unless it is that the run fails.
    fn go_on<T>(&mut self, verdict: Result<T, Failure>) -> Option<T> {
        verdict.map_err(|failure| self.fail(failure)).ok()
    }

    fn fail_disk(&mut self, fault: DiskFault, during: &'static str) {
        self.fail(Failure::Disk { fault, during });
    }

    fn finish(&mut self, finish: Finish) {
        self.run.order(Step::Finish(finish));
    }

    /// A law of the core.
    fn law(&self, number: u32, holds: bool, what: &str) {
        assert!(holds, "law {number} of the core is broken: {what}");
    }

    // ---- failures ----------------------------------------------------------------------------------------------

    /// The request with this ticket was refused for the sake of credentials or clock, and is sent again at once.
    fn renewed(&mut self, ticket: Ticket, fault: &Fault) -> bool {
        self.budget.renewed(ticket, self.run.last_ticket(), fault)
    }

    /// A question, which carries no byte forward, was not answered: it is asked again after a while, or the run fails.
    fn asked_in_vain(&mut self, fault: Fault) {
        let verdict = self.budget.unanswered(self.run.now(), fault);
        if let Some(note) = self.go_on(verdict) {
            self.note(note);
        }
    }

    /// The same, where the run can do without an answer. Whether it is asked again.
    fn may_ask_again(&mut self, fault: &Fault) -> bool {
        let note = self.budget.ask_again(self.run.now(), fault);
        let again = note.is_some();
        note.into_iter().for_each(|note| self.note(note));
        again
    }

    /// A request failed: it is sent again after a while, or the run fails.
    fn failed(&mut self, fault: Fault) {
        let verdict = self.budget.failed(self.run.now(), fault);
        if let Some(note) = self.go_on(verdict) {
            self.note(note);
        }
    }
}

impl Machine for Upload {
    type Step = Step;
    type Heard = Heard;
    type Note = Note;
    type Finish = Finish;

    fn next_step(&mut self) -> Option<Ordered<Step>> {
        let step = self.run.next_step();
        self.run.assert_goes_on(|| step.is_some() || self.phase.is_over() || self.wake_at().is_some());
        step
    }

    fn wake_at(&self) -> Option<Millis> {
        if self.phase.is_over() {
            return None;
        }
        let later = |at: Millis| (at > self.run.now()).then_some(at);
        let lane = || if self.lane_wants() { later(self.leftovers.not_before()) } else { None };
        if self.phase.winds_down() {
            return if self.phase.is_discarding() { lane() } else { None };
        }
        let main = match self.phase.stage() {
            _ if self.run.waits() && !self.phase.is_at(Stage::Send) => None,
            Stage::Settle => later(self.settling.next_at().max(self.budget.not_before())),
            Stage::Send => {
                let look = self.fit.look_at().and_then(later);
                [later(self.budget.not_before()), look].into_iter().flatten().min()
            }
            _ => later(self.budget.not_before()),
        };
        [main, lane()].into_iter().flatten().min()
    }

    fn wake(&mut self, now: Millis) {
        self.run.tick(now);
        self.advance();
    }

    /// The caller wants something. No command is heeded once the object is known to be stored.
    fn command(&mut self, now: Millis, command: Command) {
        self.run.tick(now);
        self.phase.command(command);
        self.advance(); // also where it comes too late: a moment that was waited for may have passed
    }

    fn hear(&mut self, now: Millis, ticket: Ticket, heard: Heard) {
        let due = self.wake_at().is_some_and(|at| at <= now);
        self.run.tick(now);
        if self.phase.is_over() {
            return;
        }
        if let Heard::Sent(bytes) = heard {
            if self.heard_sent(ticket, bytes) || due {
                self.advance();
            }
            return;
        }
        if let Some(job) = self.run.answered(ticket) {
            self.law(3, job.lane.takes(&heard), "an answer that does not belong to its step");
            self.hear_job(job, ticket, heard);
        }
        self.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::journal::{Attempt, Before, ExpectedWhole, Recovered};
    use super::step::{FoundJournal, ListedPart, ObjectFacts, OpenFacts, SourceFacts, SourceLook};
    use super::*;
    use crate::digest::{Digest, DigestKind};

    /// Steps that are no news.
    fn steps(upload: &mut Upload) -> Vec<Ordered<Step>> {
        std::iter::from_fn(|| upload.next_step()).filter(|o| !matches!(o.step, Step::Note(_))).collect()
    }

    fn only_step(upload: &mut Upload) -> Ordered<Step> {
        let mut steps = steps(upload);
        assert_eq!(steps.len(), 1, "{steps:?}");
        steps.remove(0)
    }

    /// An earlier run sent Complete and recorded no answer. The object is there, and a receipt of it; the source was
    /// touched since. The store lists the upload still. Returns the machine and its next step: that the upload is
    /// given up is to be recorded.
    fn stored_and_still_listed() -> (Upload, Ordered<Step>) {
        let digests = vec![Digest::new(DigestKind::Crc64, [7; 8]).expect("eight bytes")];
        let object = ObjectFacts { len: Some(4), digests: digests.clone(), ..ObjectFacts::default() };
        let facts = SourceFacts { len: 4, mtime_ns: 1, ..SourceFacts::default() };
        let attempt = Attempt {
            attempt: 1,
            facts: SourceFacts { mtime_ns: 0, ..facts },
            reason: None,
            part_len: 2,
            upload_id: Some("U0".into()),
            checksum: None,
            parts: Vec::new(),
            sending: Some(ExpectedWhole { length: 4, digests, composite: None }),
            before: Before::Absent,
            abandoned: false,
            aborted: false,
            stored: false,
        };
        let recovered = Recovered { attempts: vec![attempt], ..Recovered::default() };
        let found = OpenFacts {
            journal: FoundJournal::Read(Box::new(recovered)),
            source: SourceLook { facts, settled: true },
            finished: Some(Box::new(object.clone())),
        };
        let mut upload = Upload::new(Config::default());
        let open = only_step(&mut upload);
        upload.hear(10, open.ticket, Heard::Opened(Box::new(found)));
        let look = only_step(&mut upload);
        assert_eq!(look.step, Step::Look);
        upload.hear(20, look.ticket, Heard::Object(Box::new(object)));
        let probe = only_step(&mut upload);
        let parts = vec![ListedPart { number: 1, len: 2, etag: "e".into(), digests: Vec::new() }];
        upload.hear(30, probe.ticket, Heard::Listed { parts, next: None });
        let record = only_step(&mut upload);
        (upload, record)
    }

    #[test]
    fn what_is_given_up_without_a_step_between_is_removed_before_the_end() {
        let (mut upload, record) = stored_and_still_listed();
        assert!(
            matches!(&record.step, Step::Record { records, .. } if matches!(records[..], [Record::Abandoned { .. }]))
        );
        upload.hear(40, record.ticket, Heard::Done);
        let abort = only_step(&mut upload);
        assert_eq!(abort.step, Step::Abort { upload_id: "U0".into() });
        upload.hear(50, abort.ticket, Heard::Refused(Fault::NoSuchUpload));
        let record = only_step(&mut upload);
        upload.hear(60, record.ticket, Heard::Done);
        let forget = only_step(&mut upload);
        assert_eq!(forget.step, Step::Forget);
        upload.hear(70, forget.ticket, Heard::Done);
        assert!(matches!(only_step(&mut upload).step, Step::Finish(Finish::Done { already: true, .. })));
    }

    /// A driver may tell something else when a moment has come that the run waits for, before it wakes the run.
    #[test]
    fn a_moment_that_passes_while_something_else_is_told_is_not_lost() {
        type Telling = fn(&mut Upload, Millis);
        let late_pause: Telling = |upload, at| upload.command(at, Command::Pause);
        let bytes_of_a_part_long_gone: Telling = |upload, at| upload.hear(at, Ticket(1), Heard::Sent(1));
        for tell in [late_pause, bytes_of_a_part_long_gone] {
            let (mut upload, record) = stored_and_still_listed();
            upload.hear(40, record.ticket, Heard::Done);
            let abort = only_step(&mut upload);
            upload.hear(50, abort.ticket, Heard::Refused(Fault::Unreadable));
            assert_eq!(steps(&mut upload), []);
            let at = upload.wake_at().expect("it is tried again");
            tell(&mut upload, at);
            assert_eq!(only_step(&mut upload).step, abort.step);
        }
    }
}
