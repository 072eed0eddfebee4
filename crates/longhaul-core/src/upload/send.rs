//! Who sends and reads which part, and what follows from the answers.
//!
//! Parts are sent, and read beside that, as long as there is work; what is then still unproven is read once more. What
//! an answer is worth is judged by the [`Parts`](super::parts::Parts), the store's list by the
//! [`PartList`](super::listing::PartList), the version by the [`SourceVersion`](super::source::SourceVersion).

use super::jobs::{Lane, Main, Owner, PartJob};
use super::journal::Record;
use super::listing::{ListSummary, Page};
use super::parts::{ListVerdict, PartVerdict, RereadVerdict};
use super::phase::Stage;
use super::plan;
use super::settling::Presence;
use super::source::{Freshness, LookVerdict};
use super::step::{Failure, Fault, Heard, ListedPart, Note, Restart, SourceLook, Step};
use crate::digest::Digest;
use crate::run::no_answer;
use crate::words::{DiskFault, Ticket};

/// Parts of the source that are read beside the sending at once: enough to keep one disk busy.
const READS_MAX: usize = 2;

impl super::Upload {
    // ---- sending and reading -----------------------------------------------------------------------------------

    /// Keeps parts flowing; goes on when all are there and of one version of the source.
    pub(super) fn share(&mut self) {
        if self.source.is_doubtful() && !self.run.waits() {
            self.main(Main::CheckSource, Step::CheckSource);
        }
        self.look_at_pace();
        if self.choose_again() {
            return;
        }
        self.read_parts(self.owner());
        self.send_parts();
        if self.run.sends() || self.run.reads() || self.run.waits() || self.parts.has_work() {
            return;
        }
        if self.source.is_touched() && self.parts.is_proven() {
            self.source.recorded();
            self.record_beside(vec![Record::Touched { attempt: self.attempts.number(), facts: self.source.facts() }]);
        }
        if self.parts.close() {
            return self.read_parts(self.owner());
        }
        self.phase.go(Stage::Check);
    }

    fn owner(&self) -> Owner {
        Owner::Attempt(self.attempts.number())
    }

    fn look_at_pace(&mut self) {
        let count = |sends: usize| u32::try_from(sends).unwrap_or(u32::MAX);
        let (sends, flowing) = self.run.sends_count();
        self.ramp.look(self.run.now(), count(sends), count(flowing));
    }

    /// Of this attempt nothing is in the store, and the line shows that its first parts take long: another attempt in
    /// shorter ones takes its place. Whether it does.
    fn choose_again(&mut self) -> bool {
        let (length, part_len) = (self.parts.len(), self.parts.part_len());
        let under_way = self.run.sends_of(self.attempts.number()).count() as u64;
        let first = under_way.saturating_mul(part_len).min(length);
        let Some(longest) = self.fit.look(self.run.now(), first) else { return false };
        let shorter = plan::fitting(longest, part_len, length, &self.config.limits);
        if shorter == part_len || self.parts.acknowledged_count() > 0 || !self.phase.goes_on() {
            return false;
        }
        self.ramp.forget();
        self.attempts.shorten_to(shorter);
        self.new_attempt(Restart::SlowLine, Presence::There);
        true
    }

    /// How many parts may be under way.
    fn allowed(&self) -> u32 {
        self.ramp.allowed()
    }

    fn send_parts(&mut self) {
        if self.run.now() < self.budget.not_before() || self.phase.winds_down() || self.source.is_unreadable() {
            return;
        }
        let Some(upload_id) = self.attempts.upload_id().map(str::to_owned) else { return };
        let checksum = self.attempts.checksum();
        while self.run.sends_count().0 < self.allowed() as usize {
            let Some(part) = self.parts.next_to_send() else { return };
            let job = PartJob { number: part.number, ordered_at: self.run.now(), owner: self.owner() };
            let step = Step::SendPart { upload_id: upload_id.clone(), part, kinds: self.kinds(), checksum };
            self.ramp.begins(self.run.now());
            self.run.begin_in(Lane::Send(job), step);
        }
    }

    pub(super) fn read_parts(&mut self, owner: Owner) {
        if self.source.is_unreadable() || self.phase.winds_down() {
            return;
        }
        while self.run.reads_count() < READS_MAX {
            let Some((part, closing)) = self.parts.next_to_read() else { return };
            let job = PartJob { number: part.number, ordered_at: self.run.now(), owner };
            let step = Step::ReadPart { part, kinds: self.kinds() };
            self.run.begin_in(Lane::Read { part: job, closing }, step);
        }
    }

    // ---- what was sent -----------------------------------------------------------------------------------------

    /// Bytes of a part were handed to the network. Whether more parts may be under way now.
    pub(super) fn heard_sent(&mut self, ticket: Ticket, bytes: u64) -> bool {
        if !self.run.hear_sent(ticket, bytes) {
            return false;
        }
        let taken = self.run.sends_of(self.attempts.number()).sum();
        self.fit.taken(self.run.now(), taken);
        let allowed = self.allowed();
        self.look_at_pace();
        self.allowed() > allowed && self.phase.is_at(Stage::Send) && !self.phase.winds_down()
    }

    pub(super) fn hear_send(&mut self, job: PartJob, sent: u64, ticket: Ticket, heard: Heard) {
        if job.owner != self.owner() || !self.phase.is_at(Stage::Send) {
            return; // of an attempt that was left
        }
        match heard {
            Heard::PartStored { read, part, before } => self.part_stored(job, read, part, before),
            Heard::Refused(fault) => {
                self.parts.send_again(job.number);
                self.part_refused(sent, ticket, fault);
            }
            Heard::Failed(fault) => {
                self.parts.send_again(job.number);
                self.source_unreadable(fault);
            }
            _ => no_answer("a part that is sent"),
        }
    }

    fn part_stored(&mut self, job: PartJob, read: Vec<Digest>, part: ListedPart, before: SourceLook) {
        self.budget.served();
        let freshness = self.source.freshness(&before, job.ordered_at);
        match self.parts.stored(job.number, read, part, freshness) {
            PartVerdict::Unusable => self.fail(Failure::Unusable),
            PartVerdict::Wrong { expected, actual } => self.wrong_part(job.number, &expected, &actual),
            PartVerdict::Counts { bytes } => {
                if freshness == Freshness::Outdated {
                    self.source.doubt();
                }
                let oldest =
                    self.run.oldest_send(self.attempts.number()).map_or(job.ordered_at, |at| at.min(job.ordered_at));
                self.ramp.acknowledged(self.run.now(), bytes, oldest);
                self.fit.end();
                self.acknowledge(job.number, freshness);
            }
        }
    }

    /// A part counts from now on.
    fn acknowledge(&mut self, number: u32, freshness: Freshness) {
        let record = self.parts.acknowledge(number, self.attempts.number(), freshness != Freshness::Firm);
        if let Some(record) = record {
            self.record_beside(vec![record]);
        }
        let bytes = self.parts.acknowledged();
        self.budget.progress(bytes);
        self.note(Note::Acknowledged { bytes });
    }

    /// What the store has of a part is not what was read: it is sent again, a few times.
    fn wrong_part(&mut self, number: u32, expected: &[Digest], actual: &[Digest]) {
        self.note(Note::WrongPart { number });
        let verdict = self.parts.resend(number, expected, actual);
        self.go_on(verdict);
    }

    fn part_refused(&mut self, sent: u64, ticket: Ticket, fault: Fault) {
        self.fit.again();
        if matches!(fault, Fault::Stopped { .. }) || self.phase.winds_down() || self.renewed(ticket, &fault) {
            return;
        }
        match fault {
            Fault::NoSuchUpload | Fault::NoSuchKey if self.writing.is_in_doubt() => {
                self.run.stop_sends();
                self.run.abandon_reads();
                self.settle_from(fault);
            }
            Fault::NoSuchUpload | Fault::NoSuchKey => self.new_attempt(Restart::UploadGone, Presence::Gone),
            // The checksums may be what is refused, and no part is lost by beginning anew without.
            _ if fault.may_be_about_checksums()
                && self.attempts.checksum().is_some()
                && self.parts.acknowledged_count() == 0 =>
            {
                self.drop_checksums();
            }
            _ if self.refused_one_more(sent, &fault) => {}
            _ if self.budget.is_counted(ticket, self.run.last_ticket(), &fault) => {}
            fault => {
                if matches!(fault, Fault::Net { .. }) {
                    self.ramp.interrupted(self.run.now());
                }
                self.failed(fault);
            }
        }
    }

    /// The store refuses what it said it keeps: another upload is begun without.
    pub(super) fn drop_checksums(&mut self) {
        self.attempts.refuse_checksum();
        self.new_attempt(Restart::ChecksumRefused, Presence::There);
    }

    /// A request failed before it took anything. While others are served, that is no failure of the upload: the store,
    /// or a proxy on the way, allows no more of them. Whether it was so.
    fn refused_one_more(&mut self, sent: u64, fault: &Fault) -> bool {
        let others = || self.run.sends_of(self.attempts.number());
        let refusal = matches!(fault, Fault::Busy { .. }) || matches!(fault, Fault::Net { .. }) && sent == 0;
        if !refusal || !others().any(|sent| sent > 0) {
            return false;
        }
        let serving = u32::try_from(others().count()).unwrap_or(u32::MAX);
        let before = self.ramp.allowed();
        let connections = self.ramp.refused(self.run.now(), serving, fault.retry_after_ms());
        if connections < before {
            self.note(Note::Limited { connections });
        }
        true
    }

    // ---- what was read -----------------------------------------------------------------------------------------

    pub(super) fn hear_read(&mut self, job: PartJob, closing: bool, heard: Heard) {
        match (self.phase.stage(), heard) {
            (Stage::Compare, heard) if job.owner == Owner::Comparison => self.hear_comparison(job, heard),
            (Stage::Send, Heard::PartRead { digests, before }) if job.owner == self.owner() => {
                self.part_read(job, closing, digests, before);
            }
            (Stage::Send, Heard::Failed(fault)) if job.owner == self.owner() => {
                self.parts.read_again(job.number);
                self.source_unreadable(fault);
            }
            _ => {} // it was read for something that was left
        }
    }

    fn hear_comparison(&mut self, job: PartJob, heard: Heard) {
        match heard {
            Heard::PartRead { digests, before } => {
                let freshness = self.source.freshness(&before, job.ordered_at);
                self.writing.prove_only(freshness == Freshness::Firm);
                if freshness == Freshness::Outdated {
                    self.comparison_disturbed();
                } else {
                    self.parts.compared(job.number, digests);
                }
            }
            Heard::Failed(DiskFault::Interrupted) => self.parts.read_again(job.number),
            Heard::Failed(fault) => {
                self.run.abandon_reads();
                self.source.unreadable(fault);
                self.phase.go(Stage::Replan);
            }
            _ => no_answer("a part that is read"),
        }
    }

    fn part_read(&mut self, job: PartJob, closing: bool, digests: Vec<Digest>, before: SourceLook) {
        let freshness = self.source.freshness(&before, job.ordered_at);
        match self.parts.reread(job.number, digests, freshness, closing) {
            RereadVerdict::Counts => self.acknowledge(job.number, freshness),
            RereadVerdict::Proven if !self.source.is_touched() => self.acknowledge(job.number, freshness),
            RereadVerdict::Proven | RereadVerdict::Same => {}
            RereadVerdict::Outdated => self.source.doubt(),
            RereadVerdict::Changed => self.source_changed(),
            // It was digested in another way when it was sent.
            RereadVerdict::Incomparable { discarded } => {
                self.note(Note::Restarted { reason: Restart::PartsDiffer, discarded });
            }
            RereadVerdict::Wrong { expected, actual } => self.wrong_part(job.number, &expected, &actual),
        }
    }

    /// A read of the source failed: because it has changed, or because it cannot be read?
    fn source_unreadable(&mut self, fault: DiskFault) {
        if fault != DiskFault::Interrupted && !self.phase.winds_down() {
            self.source.unreadable(fault);
        }
    }

    // ---- the source's facts ------------------------------------------------------------------------------------

    /// The answer to a look at the source.
    pub(super) fn heard_source(&mut self, looked: SourceLook) {
        match self.phase.stage() {
            Stage::Replan => return self.replan(looked),
            Stage::CompareCheck if self.source.is_as_in(&looked) => return self.already_there(),
            Stage::CompareCheck => return self.comparison_disturbed(),
            _ => {}
        }
        let verdict = self.source.look(self.run.now(), looked, self.parts.len());
        match self.go_on(verdict) {
            None => {}
            Some(LookVerdict::Same) if self.phase.is_at(Stage::Check) => self.phase.go(Stage::Combine),
            Some(LookVerdict::Same) => {}
            Some(LookVerdict::Changed) => {
                self.phase.go(Stage::Send);
                self.source_changed();
            }
            Some(LookVerdict::Touched) => {
                self.phase.go(Stage::Send);
                self.parts.doubt_all();
            }
        }
    }

    pub(super) fn read_failed_for_good(&mut self, fault: DiskFault) {
        if fault != DiskFault::Interrupted {
            self.fail_disk(fault, "look at the source");
        }
    }

    // ---- the store's list --------------------------------------------------------------------------------------

    /// Asks for the next page.
    pub(super) fn list(&mut self) {
        let Some(upload_id) = self.attempts.upload_id().map(str::to_owned) else { return };
        if self.listing.begins() {
            self.writing.unready();
        }
        let after = self.listing.page(self.parts.count());
        self.main(Main::List, Step::ListParts { upload_id, after });
    }

    pub(super) fn list_refused(&mut self, fault: Fault) {
        match fault {
            Fault::Stopped { .. } => {}
            Fault::NoSuchUpload | Fault::NoSuchKey if self.writing.is_in_doubt() => {
                // Complete may have been carried out meanwhile.
                self.settle_from(fault);
            }
            Fault::NoSuchUpload | Fault::NoSuchKey => self.new_attempt(Restart::UploadGone, Presence::Gone),
            fault => self.asked_in_vain(fault),
        }
    }

    pub(super) fn heard_list(&mut self, parts: Vec<ListedPart>, next: Option<u32>) {
        self.budget.served();
        for part in parts {
            self.listed(part);
        }
        match self.listing.turn(next, self.parts.count()) {
            Page::More => {}
            Page::Last => self.all_listed(),
            Page::Loop => self.fail(Failure::Unusable),
        }
    }

    fn listed(&mut self, part: ListedPart) {
        let number = part.number;
        if !self.listing.awaits(number) {
            return; // none of ours, or listed twice
        }
        let proven = !self.source.is_touched() && self.source.is_settled();
        let verdict = self.parts.listed(part, proven, &self.kinds());
        if verdict != ListVerdict::Kept
            && let Some(note) = self.listing.drop_part(&mut self.parts, number, verdict)
        {
            self.note(note);
        }
    }

    fn all_listed(&mut self) {
        let ListSummary { is_bare, is_again, loss } = self.listing.end(&mut self.parts);
        if !is_again && is_bare && self.shorten() {
            return;
        }
        loss.into_iter().for_each(|note| self.note(note));
        if !is_again {
            self.note(Note::Resumed { parts: self.parts.acknowledged_count(), bytes: self.parts.acknowledged() });
        }
        self.budget.restart_at(self.parts.acknowledged());
        self.phase.go(Stage::Send);
    }

    /// An earlier run began the attempt, and no part of it arrived before that run ended: no part is lost by beginning
    /// anew with shorter ones. Whether it is so.
    fn shorten(&mut self) -> bool {
        let (length, part_len) = (self.parts.len(), self.parts.part_len());
        let shorter = plan::shorter(part_len, length, &self.config.limits);
        let Some(shorter) = shorter.filter(|_| self.config.part_len.is_none()) else { return false };
        self.attempts.shorten_to(shorter);
        self.new_attempt(Restart::ShorterParts, Presence::There);
        true
    }

    /// Complete named a part that the store does not have, or has otherwise: what does it have?
    pub(super) fn list_again(&mut self) {
        self.budget.stepped(); // Complete was answered; the listing bounds how often
        if !self.listing.may_begin_again() {
            return self.new_attempt(Restart::InvalidPart, Presence::There);
        }
        self.phase.go(Stage::List);
    }
}
