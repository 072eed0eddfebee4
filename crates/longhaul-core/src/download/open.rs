//! What was found when the folder was opened, and how the run begins with it. What it is worth is judged in
//! [`resume`](crate::download::resume).

use super::job::{BeginJob, KeepJob};
use super::journal::Record;
use super::restart::Restart;
use super::resume::{Found, FoundJournal, StartVerdict, TargetRefusal, TargetState, verdict};
use super::step::{Failure, Note, Step};
use super::wrong::Mismatch;
use super::{AtStart, Download};
use crate::identity::Identity;
use crate::link::Served;

impl Download {
    pub(super) fn begin_with_found(&mut self, mut found: Found) {
        never_asked_is_not_ours(&mut found.target);
        self.at_start = AtStart { free: found.free, traceless: Self::leaves_no_trace(&found), restart: None };
        // Our own finished file may be replaced by a newer version that was begun before.
        if matches!(found.target, TargetState::File { finished: Some(_), .. }) {
            self.files.may_replace_target();
        }
        if let TargetState::File { finished, .. } = &mut found.target
            && self.mends()
        {
            *finished = None;
        }
        if let FoundJournal::Read(recovered) = &found.journal {
            self.disk.found_records(recovered.readable.next_sequence.into());
            if recovered.current.is_some() && !matches!(self.belief.served(), Served::Now) {
                self.belief.served_before(recovered.source.needs_headers);
            }
        }
        let (source, overwrite, least) = (&self.config.source, self.files.replaces_target(), self.config.block_len_min);
        match verdict(source, overwrite, least, found) {
            StartVerdict::Fresh(reason) => {
                self.at_start.restart = reason;
                self.resume_waiting_head();
            }
            StartVerdict::Continue { mut current, old, promote, gone } => {
                self.drop_waiting_head();
                if self.config.ignore_declared {
                    current.begin.identity.digests.clear();
                }
                let older = old.as_ref().map(|g| g.begin.generation);
                let newest = [older, gone].into_iter().flatten().fold(current.begin.generation, u32::max);
                let (lost, lost_of_old) = self.files.resume(*current, old.map(|g| *g), newest);
                if let Some(lost) = lost {
                    self.note(Note::Damaged { ranges: lost.ranges.clone() });
                    self.record_void(lost, Restart::Truncated);
                }
                if let Some(lost) = lost_of_old {
                    self.record_void(lost, Restart::Truncated);
                }
                self.adopt_on_resume();
                // What was read may be no more than what the page cache remembers of a process that was killed: no step
                // that a void or a retirement in it allows is done before it is on the disk (law 2).
                if promote || self.power() {
                    self.record(if promote { KeepJob::Retire } else { KeepJob::Settle }, Vec::new(), true);
                }
                if self.power() {
                    // The run before may have died before it could.
                    self.disk.folder_changed();
                    self.job(BeginJob::SyncDir, Step::SyncDir);
                }
                if let Some(generation) = gone {
                    // Or the journal would go on taking what follows for that generation's, or its number for new.
                    self.record(BeginJob::RetireNext, vec![Record::Retire { generation }], true);
                }
                self.note_held();
            }
            StartVerdict::FinishPublish { current, publishing } => {
                self.drop_waiting_head();
                self.files.resume_published(*current);
                self.phase.publish(publishing);
                self.after_rename();
            }
            StartVerdict::Finished(identity) => {
                self.drop_waiting_head();
                self.files.set_finished(Some(*identity));
            }
            StartVerdict::Refuse(refusal) => {
                self.drop_waiting_head();
                let failure = match (refusal, self.recognition.differs.take()) {
                    (TargetRefusal::TargetExists, Some(Mismatch { expected, actual, .. })) => {
                        Failure::OtherTarget { expected, actual }
                    }
                    (refusal, _) => Failure::Refused(refusal),
                };
                self.fail(failure);
            }
        }
    }

    /// The reply that told the name is not what continues the transfer: that is asked for by itself.
    pub(super) fn drop_waiting_head(&mut self) {
        self.files.take_beginning();
        self.stop_all();
    }

    fn note_held(&mut self) {
        if let Some(g) = self.files.current() {
            let held = g.on_record();
            let (length, resumable) = (g.begin.identity.length, self.joinable(g));
            // Bytes that cannot be joined with new ones are held, but no transfer goes on from them.
            if held > 0 && (resumable || g.is_whole()) && !self.is_unwanted(g) {
                self.note(Note::Resumed { held, length });
            }
            self.note(Note::Started { length, held, resumable });
        }
    }

    /// A fresh start was decided while a reply waited for the folder to be opened.
    fn resume_waiting_head(&mut self) {
        if let Some(b) = self.files.take_beginning()
            && let Some(i) = self.line.find(b.stream)
        {
            self.begin_with(i, b.identity, b.body, self.at_start.restart);
        }
    }
}

/// A file that was recognised by its digests is the caller's, not ours to replace: without these digests it cannot be
/// said whether the source still shows it, since the source was never asked.
fn never_asked_is_not_ours(target: &mut TargetState) {
    if let TargetState::File { finished, .. } = target
        && finished.as_ref().is_some_and(|receipt| receipt.identity == Identity::default())
    {
        *finished = None;
    }
}
