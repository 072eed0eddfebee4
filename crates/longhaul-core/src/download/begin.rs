//! The begin of a generation, with the reply that showed another identity (or the first one).

use super::Download;
use super::end::NO_LENGTH;
use super::files::Beginning;
use super::held::Slot;
use super::job::{BeginJob, Job, KeepJob};
use super::journal::Record;
use super::line::{BodySpan, Flow};
use super::restart::Restart;
use super::resume::TargetRefusal;
use super::step::{Failure, Heard, Note, Step};
use crate::identity::Identity;
use crate::run::no_answer;
use crate::words::{DiskFault, OnChange};

/// Why several pieces may be refused.
const SEVERAL: &str = "the source gives no validator that can be trusted, so several pieces of it cannot be joined; \
                       ask for one piece";

impl Download {
    /// A waiting reply begins a generation: its file is made, the begin recorded, then its bytes flow.
    pub(super) fn begin_with(&mut self, i: usize, identity: Identity, body: BodySpan, reason: Option<Restart>) {
        let alone = self.line.len() == 1;
        // The files are changing places: whichever this reply began now would end up in the wrong one.
        let moving = self.run.any(Job::blocks_all);
        if body.start != 0 || !alone || moving {
            return self.changed();
        }
        if !self.is_wanted(&identity) {
            return self.stop(i);
        }
        let provable = identity.is_strong() || !identity.digests.is_empty() || !self.config.expected.is_empty();
        let piece = body.end.is_some_and(|end| identity.length.is_some_and(|length| end < length));
        if piece && self.line.stream(i).asked.end.is_some() && (self.belief.is_one_reply() || !provable) {
            // No other reply could be joined to this piece: only one reply to the end makes a file.
            self.manner.ask_open_ended();
            return self.stop(i);
        }
        if !self.phase.is_open() {
            // The name was not known: the folder is looked at now, while the reply waits.
            self.line.wait(i);
            let stream = self.line.stream(i).ticket;
            let slot = Slot::Main;
            self.files.announce(Beginning { stream, identity, body, reason, slot });
            let room = self.files.beginning().is_none_or(|b| !self.config.is_small(b.identity.length));
            return self.job(Job::Open, Step::Open { room });
        }
        let held = self.files.held();
        self.void_refuted();
        let kept = self.files.held();
        let strong_before = self.files.current().is_some_and(|g| g.begin.identity.is_strong());
        if strong_before && reason == Some(Restart::Changed) {
            let before = self.files.current().and_then(|g| g.begin.identity.strong());
            let change = self.belief.left(before, &identity, self.config.changes_max);
            if self.belief.is_alternating() {
                self.manner.ask_one_at_a_time();
            }
            if change.too_many || self.config.on_change == OnChange::Stop && held > 0 {
                return self.fail(Failure::Changed { changes: change.changes });
            }
        }
        if let Some(failure) = self.cannot_do(&identity, self.line.stream(i).close_framed) {
            return self.fail(failure);
        }
        if let Some(failure) = self.cannot_adopt(&identity) {
            return self.fail(failure);
        }
        if self.has_several_pieces() && (self.belief.is_one_reply() || !provable) {
            return self.fail(Failure::NotProvable(SEVERAL));
        }
        let back = !self.belief.is_one_reply() && self.files.is_old(&identity);
        self.belief.decided();
        if back {
            self.stop(i);
            return self.return_to_old();
        }
        if let Some(reason) = reason.filter(|_| held > 0 || self.files.current().is_none()) {
            self.note(Note::Restarted { reason, discarded: held });
        }
        self.line.wait(i);
        let in_next = self.files.current().is_some_and(|g| g.begin.slot == Slot::Next);
        let slot = if in_next || kept > 0 { Slot::Next } else { Slot::Main };
        // A source whose validators lied once is not trusted again in this transfer.
        let distrusted = self.belief.has_lied() || self.files.current().is_some_and(|g| g.begin.identity.distrusted);
        let identity = Identity { distrusted, ..identity };
        let stream = self.line.stream(i).ticket;
        self.files.announce(Beginning { stream, identity, body, reason, slot });
        if self.begin_small(reason) {
            return;
        }
        match self.files.current() {
            Some(g) if in_next => {
                let generation = g.begin.generation;
                self.record(BeginJob::RetireNext, vec![Record::Retire { generation }], true);
            }
            _ => self.record_begin(),
        }
    }

    /// Recorded before the file is made: until then the journal may still look for the generation before in a file of
    /// that name.
    fn record_begin(&mut self) {
        let Some(begin) = self.files.begin_record() else { return };
        let mut records = Vec::new();
        if !self.files.is_source_recorded() {
            records.push(Record::Source(self.config.source.clone()));
        }
        let foreign = self.foreign_record(begin.generation);
        records.push(Record::Begin(begin));
        records.extend(foreign);
        self.record(BeginJob::Record, records, true);
    }

    /// Whether the caller's wishes rule this object out before a byte of it is kept.
    fn cannot_do(&self, identity: &Identity, close_framed: bool) -> Option<Failure> {
        if self.config.require_verified && self.config.expected.is_empty() && identity.digests.is_empty() {
            return Some(Failure::NotProvable("the source declares no digest and none was given"));
        }
        if self.config.require_length && identity.length.is_none() && close_framed {
            return Some(Failure::NotProvable(NO_LENGTH));
        }
        match (identity.length, self.at_start.free) {
            (Some(needed), Some(free)) if needed > free => {
                Some(Failure::Refused(TargetRefusal::NoSpaceAhead { needed, free }))
            }
            _ => None,
        }
    }

    /// The source shows the version again that the old generation is of.
    fn return_to_old(&mut self) {
        let Some(left) = self.files.return_to_old() else { return };
        let held = self.files.held();
        if left.held.total() > 0 {
            self.note(Note::Restarted { reason: Restart::Superseded, discarded: left.held.total() });
        }
        self.belief.returned();
        self.whole_is_back();
        self.manner.ask_one_at_a_time();
        self.note(Note::Returned { held });
        self.disk.count_anew(self.run.now());
        self.retry.restart_at(held);
        self.record(BeginJob::RetireNext, vec![Record::Retire { generation: left.begin.generation }], true);
    }

    pub(super) fn hear_begin(&mut self, job: BeginJob, heard: Heard) {
        match heard {
            Heard::Done => {}
            Heard::Failed(fault) => return self.begin_failed(job, fault),
            _ => no_answer("the begin of a generation"),
        }
        match job {
            BeginJob::RetireNext => match self.files.beginning() {
                Some(_) => {
                    self.files.retired();
                    self.record_begin();
                }
                None => self.job(KeepJob::RemoveNext, Step::RemoveNext),
            },
            BeginJob::Record => {
                if let Some(slot) = self.files.beginning().map(|b| b.slot) {
                    self.job(BeginJob::Create, Step::Create { slot });
                }
            }
            BeginJob::Create => self.begun(),
            BeginJob::SyncDir => self.disk.folder_synced(),
        }
    }

    fn begin_failed(&mut self, job: BeginJob, fault: DiskFault) {
        match job {
            BeginJob::Create => self.fail_disk(fault, "create the partial file"),
            BeginJob::SyncDir => self.fail_disk(fault, "sync the folder"),
            BeginJob::RetireNext | BeginJob::Record => self.journal_failed(fault),
        }
    }

    pub(super) fn begun(&mut self) {
        let Some(begin) = self.files.begin_record() else { return };
        let Some(b) = self.files.take_beginning() else { return };
        let alone = self.line.streams().all(|s| s.ticket == b.stream);
        self.law(5, alone, "a generation begins while a stream of another one may still write");
        let length = begin.identity.length;
        if begin.identity.is_strong() && !self.belief.is_one_reply() {
            self.retry.restart_at(0); // where only one reply counts, the next one must bring more than the last
        }
        // When a sync failed since this was announced, it was of the generation that is left now, and may be returned
        // to.
        if let Some(lost) = self.files.begin(begin, self.disk.take_lost()) {
            self.record_void(lost, Restart::SyncFailed);
        }
        self.disk.is_clean_from_here();
        if self.power() {
            self.disk.folder_changed();
            if !self.phase.is_small() {
                self.job(BeginJob::SyncDir, Step::SyncDir);
            }
        }
        let resumable = self.files.current().is_some_and(|g| self.joinable(g));
        self.note(Note::Started { length, held: 0, resumable });
        let adopts = self.adopts();
        let Some(i) = self.line.find(b.stream) else { return };
        if adopts {
            return self.stop(i); // copying may take long: what is missing then is asked for
        }
        if self.line.stream(i).flow != Flow::Waiting {
            return;
        }
        if length == Some(0) {
            return self.stop(i);
        }
        if let Some(g) = self.files.current() {
            self.line.flow_from_the_start(i, self.run.now(), g, b.body, &mut self.run);
        }
    }
}
