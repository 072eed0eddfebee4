//! One request or several, is the same there already, and a new upload.
//!
//! A source is divided, compared with what may be the same object, and (when it is small) read into memory; what is not
//! there yet is begun. An attempt that is left goes back to here.

use super::attempt::Remains;
use super::compare::{Shown, shown};
use super::fit;
use super::jobs::{Main, Owner};
use super::journal::{ExpectedWhole, Record};
use super::leftovers::AbandonedUpload;
use super::parts::Parts;
use super::phase::{Stage, StoredOutcome};
use super::plan;
use super::settling::Presence;
use super::source::SnapshotVerdict;
use super::step::{Composite, Failure, Fault, Note, ObjectFacts, Restart, SourceLook, Step};
use crate::digest::{Digest, DigestKind};
use crate::words::DiskFault;

impl super::Upload {
    /// One request or several?
    pub(super) fn divide(&mut self) {
        let length = self.source.len();
        let limits = self.config.limits;
        if length <= self.single_max() {
            self.parts = Parts::default();
            self.note(Note::Started { length, part_len: None, parts: 1 });
            self.phase.go(Stage::Snapshot);
            return;
        }
        let part_len = match plan::part_len(length, &limits, self.config.part_len, self.config.part_lengths) {
            Ok(part_len) => self.fitting(part_len),
            Err(limit) => return self.fail(Failure::Limits(limit)),
        };
        let part_len = self.part_len_of_candidate(part_len);
        self.parts = Parts::new(length, part_len);
        let parts = self.parts.count();
        self.note(Note::Started { length, part_len: Some(part_len), parts });
        self.phase.go(Stage::Begin);
        if self.key.candidate().is_some_and(|object| self.is_comparable(object)) {
            self.parts.read_all();
            self.writing.prove(true); // until something is read too early
            self.phase.go(Stage::Compare);
        } else {
            let there = self.key.take_candidate().is_some();
            self.is_in_the_way(there);
        }
    }

    /// The length of parts where this is the usual one. An earlier attempt may have had shorter ones, which are kept
    /// unless the line is known to bring longer ones soon enough; and so may the line.
    fn fitting(&self, usual: u64) -> u64 {
        let (length, limits) = (self.source.len(), &self.config.limits);
        if self.config.part_len.is_some() {
            return usual;
        }
        let shorter = self.attempts.part_len_max().map(|max| plan::at_most(max, usual, length, limits));
        let by_line = self.ramp.goodput().map(|goodput| {
            let shorter = plan::fitting(fit::longest_part(goodput), usual, length, limits);
            plan::longer(fit::fast_part(goodput), shorter, length, self.config.part_lengths)
        });
        match (shorter, by_line) {
            (Some(shorter), Some(by_line)) => shorter.max(by_line),
            (shorter, by_line) => shorter.or(by_line).unwrap_or(usual),
        }
    }

    /// The source is not what stands at the key. Whether that ends the run, since the object that is `there` must not
    /// be overwritten.
    fn is_in_the_way(&mut self, there: bool) -> bool {
        let ends = self.key.is_contested() || there && self.config.forbid_overwrite;
        if ends {
            self.fail(Failure::OtherObject);
        }
        ends
    }

    /// What stands at the key and tells no more than the MD5s of its parts is compared in parts of its own length,
    /// where that is one which an interrupted upload of the source would have had.
    fn part_len_of_candidate(&self, part_len: u64) -> u64 {
        let object = self.key.candidate().filter(|o| self.config.part_len.is_none() && self.common_crc(o).is_none());
        let Some(composite) = object.and_then(|o| o.composite) else { return part_len };
        let (length, limits) = (self.source.len(), &self.config.limits);
        let usual = plan::part_len(length, limits, None, self.config.part_lengths).unwrap_or(part_len);
        let mut lengths = plan::perhaps(usual, length, limits, self.config.part_lengths);
        lengths.find(|&len| plan::count(length, len) == composite.count).unwrap_or(part_len)
    }

    /// A source that is longer than the parts that are asked for goes in parts, unless a request with the whole may be
    /// at work: the object that it makes could not be told from the one that the parts make.
    pub(super) fn single_max(&self) -> u64 {
        let asked = self.config.part_len.filter(|_| !self.writing.is_in_doubt()).unwrap_or(u64::MAX);
        self.config.single_max.min(asked).min(self.config.limits.single_max)
    }

    /// Whether reading the source can show that it is what stands there.
    fn is_comparable(&self, object: &ObjectFacts) -> bool {
        let by_md5s = object.composite.is_some_and(|c| c.count == self.parts.count());
        self.common_crc(object).is_some() || by_md5s && self.config.kinds.contains(&DigestKind::Md5)
    }

    /// A digest that is told of an object, and can be made for the source from those of its parts.
    fn common_crc(&self, object: &ObjectFacts) -> Option<DigestKind> {
        let crc = |kind| matches!(kind, DigestKind::Crc64 | DigestKind::Crc64Nvme | DigestKind::Crc32c);
        object.digests.iter().map(Digest::kind).find(|kind| crc(*kind) && self.config.kinds.contains(kind))
    }

    // ---- what is computed --------------------------------------------------------------------------------------

    /// Which digests are computed of the parts that are sent or read now. Where one is enough the others are spared:
    /// they cost more than everything else that is done with a byte.
    pub(super) fn kinds(&self) -> Vec<DigestKind> {
        let one = match self.phase.stage() {
            Stage::Compare => self.key.candidate().and_then(|object| self.common_crc(object)),
            _ => self.attempts.checksum(),
        };
        one.map_or_else(|| self.config.kinds.clone(), |kind| vec![kind])
    }

    /// Which digests are computed of a source that is sent in one request.
    pub(super) fn kinds_of_whole(&self) -> Vec<DigestKind> {
        // What may have been sent before may show other digests only.
        let enough = |kind| self.key.is_untouched() && self.key.is_told_by_candidate(kind);
        let one = self.config.checksum_single.filter(|&kind| enough(kind));
        one.map_or_else(|| self.config.kinds.clone(), |kind| vec![kind])
    }

    // ---- comparing ---------------------------------------------------------------------------------------------

    pub(super) fn read_for_comparison(&mut self) {
        self.read_parts(Owner::Comparison);
        if !self.run.reads() {
            self.phase.go(Stage::CompareCombine);
        }
    }

    /// What was read is of another version than what was read before.
    pub(super) fn comparison_disturbed(&mut self) {
        self.run.abandon_reads();
        if !self.change() {
            self.phase.go(Stage::Replan);
        }
    }

    pub(super) fn combine(&mut self) {
        let parts = self.parts.digests();
        self.main(Main::Combine, Step::Combine { parts });
    }

    pub(super) fn heard_combined(&mut self, digests: Vec<Digest>, composite: Option<Composite>) {
        let composite = composite.filter(|_| !self.parts.has_opaque_etags());
        let whole = ExpectedWhole { length: self.source.len(), digests, composite };
        if !self.phase.is_at(Stage::CompareCombine) {
            self.writing.set_whole(whole);
            self.phase.go(Stage::Guard);
            return;
        }
        if let Some(object) = self.key.take_candidate()
            && let Shown::Same(_) = shown(&object, &whole)
        {
            self.key.put_back(object);
            self.writing.set_whole(whole);
            self.phase.go(Stage::CompareCheck);
        } else {
            self.not_the_same();
        }
    }

    /// What stands there is not what the source has.
    fn not_the_same(&mut self) {
        if self.is_in_the_way(true) {
            return;
        }
        self.divide();
    }

    pub(super) fn already_there(&mut self) {
        let (Some(object), Some(whole)) = (self.key.take_candidate(), self.writing.whole()) else { return };
        if let Shown::Same(verified) = shown(&object, whole) {
            let object = *object;
            // What an attempt of ours holds in the store is of no use any more.
            self.leave_attempt(Some(Restart::NotStored), Presence::There);
            self.done(StoredOutcome { object, verified, already: true, callback_failed: false, receipt: true });
        }
    }

    // ---- a small source ----------------------------------------------------------------------------------------

    pub(super) fn heard_snapshot(&mut self, before: SourceLook, after: SourceLook, digests: Vec<Digest>) {
        match self.source.snapshot(self.run.now(), before, after, &digests, self.single_max()) {
            SnapshotVerdict::OneVersion { proven } => self.writing.prove(proven),
            SnapshotVerdict::TooLong => return self.phase.go(Stage::Replan),
            SnapshotVerdict::Unproven => return,
            SnapshotVerdict::Changed => {
                if !self.change() && self.source.len() > self.single_max() {
                    self.phase.go(Stage::Replan);
                }
                return;
            }
        }
        let whole = ExpectedWhole { length: before.facts.len, digests, composite: None };
        let mut there = false;
        if let Some(object) = self.key.take_candidate() {
            if let Shown::Same(_) = shown(&object, &whole) {
                self.key.put_back(object);
                self.writing.set_whole(whole);
                return self.already_there();
            }
            there = true;
        }
        if self.is_in_the_way(there) {
            return;
        }
        self.writing.set_whole(whole);
        self.attempts.begin_put();
        self.phase.go(Stage::Guard);
    }

    pub(super) fn snapshot_failed(&mut self, fault: DiskFault) {
        if fault != DiskFault::Interrupted {
            self.source.unreadable(fault);
            self.phase.go(Stage::Replan);
        }
    }

    // ---- a new upload ------------------------------------------------------------------------------------------

    pub(super) fn begin(&mut self) {
        let (number, reason) = self.attempts.begin();
        let mut records = self.papers.intent();
        let (facts, part_len) = (self.source.facts(), self.parts.part_len());
        records.push(Record::Begin { attempt: number, facts, part_len, reason });
        self.source.recorded();
        self.record(records);
    }

    pub(super) fn create_refused(&mut self, fault: Fault) {
        if self.attempts.may_go_without_checksum(&fault) {
            self.attempts.refuse_checksum();
            self.budget.stepped(); // it was answered; once
            return;
        }
        if fault.maybe_done() {
            // The store may have an upload now whose id is lost: that is remembered, and another one is begun.
            self.attempts.drop_current();
            self.leftovers.add_nameless();
            self.attempts.because(Restart::IntentOnly);
            self.phase.go(Stage::Begin);
            if !matches!(fault, Fault::Stopped { .. }) {
                self.note(Note::Restarted { reason: Restart::IntentOnly, discarded: 0 });
            }
        }
        if !matches!(fault, Fault::Stopped { .. }) {
            self.failed(fault);
        }
    }

    pub(super) fn heard_created(&mut self, upload_id: String, checksum: Option<DigestKind>) {
        self.budget.served();
        self.budget.stepped(); // at most once for each of `ATTEMPTS_MAX`
        if !self.attempts.created(upload_id, checksum) {
            return self.fail(Failure::Unusable);
        }
        self.phase.go(Stage::Created);
    }

    pub(super) fn record_created(&mut self) {
        let Some(upload_id) = self.attempts.upload_id().map(str::to_owned) else { return };
        let (number, checksum) = (self.attempts.number(), self.attempts.checksum());
        self.parts.send_all();
        self.ramp.begin(self.run.now(), self.parts.part_len());
        if self.config.part_len.is_none() {
            self.fit.begin();
        }
        self.record(vec![Record::Created { attempt: number, upload_id, checksum }]);
    }

    /// The attempt is left: what it holds in the store is owed an abort, and another one begins. `presence`: whether
    /// the store still knows it.
    pub(super) fn new_attempt(&mut self, reason: Restart, presence: Presence) {
        self.note(Note::Restarted { reason, discarded: self.parts.acknowledged() });
        self.run.stop_sends();
        self.run.abandon_reads();
        self.fit.end();
        self.leave_attempt(Some(reason), presence);
        if let Some(whole) = self.writing.start_over() {
            self.key.may_come(whole);
        }
        self.parts = Parts::default();
        self.source.start_over();
        self.key.start_over();
        self.listing.start_over();
        self.budget.restart_at(0);
        self.budget.stepped(); // at most `ATTEMPTS_MAX` times
        self.attempts.because(reason);
        self.phase.go(Stage::Replan);
        // A slow line makes parts shorter each time, and that ends.
        if reason != Restart::SlowLine && self.attempts.are_used_up() {
            self.fail(Failure::GaveUp(Fault::NoSuchUpload));
        }
    }

    /// What is there of the current attempt is owed.
    pub(super) fn leave_attempt(&mut self, reason: Option<Restart>, presence: Presence) {
        match self.attempts.leave() {
            Remains::Nothing => {}
            Remains::Uncreated { attempt } => self.record_beside(vec![Record::Aborted { attempt }]),
            Remains::Nameless => self.leftovers.add_nameless(),
            Remains::Upload { attempt, upload_id } => {
                let (in_doubt, gone) = (self.writing.is_in_doubt(), presence == Presence::Gone);
                self.leftovers.add(AbandonedUpload { attempt, upload_id, reason, in_doubt, gone, recorded: false });
            }
        }
    }

    /// The source has changed while something of the older version is in the store.
    pub(super) fn source_changed(&mut self) {
        if !self.change() {
            self.new_attempt(Restart::SourceChanged, Presence::There);
        }
    }

    /// Counts a change of the source. True when it was one too many.
    pub(super) fn change(&mut self) -> bool {
        let change = self.source.change();
        self.go_on(change).is_none()
    }

    /// The answer to a look at the source before it is divided anew.
    pub(super) fn replan(&mut self, looked: SourceLook) {
        let verdict = self.source.look_anew(self.run.now(), looked);
        let Some(other) = self.go_on(verdict) else { return };
        if other {
            self.key.keep_candidate_of(looked.facts.len);
        }
        self.divide();
    }
}
