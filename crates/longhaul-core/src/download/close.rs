//! Winding down: a pause, a cancel or a failure.

use super::Download;
use super::files::Claimed;
use super::job::CloseJob;
use super::journal::Record;
use super::step::{Heard, Step};
use crate::run::no_answer;
use crate::words::DiskFault;

impl Download {
    /// A pause, a cancel or a failure: streams stop, open jobs end; what is held is synced and claimed; the state of
    /// the file is recorded, so that the next start need not read it all.
    pub(super) fn wind_down(&mut self) {
        self.stop_all();
        if !self.line.is_empty() || !self.run.is_idle() {
            return;
        }
        if !self.phase.is_discarding() {
            self.wind_down_small();
        }
        self.settle_failed_sync();
        if let Some(note) = self.void_refuted() {
            self.note(note);
        }
        if !self.run.is_idle() {
            return;
        }
        let opened = self.phase.is_open();
        self.phase.close();
        if self.phase.is_discarding() {
            return if opened { self.job(CloseJob::RemoveAll, Step::RemoveAll) } else { self.finish_ending() };
        }
        let Some(g) = self.files.current().filter(|_| self.disk.can_claim()) else {
            return self.finish_ending();
        };
        let covered = g.held.dirty();
        if covered.is_empty() {
            return self.last_facts();
        }
        let slot = g.begin.slot;
        self.job(CloseJob::Sync { covered }, Step::Sync { slot });
    }

    fn last_facts(&mut self) {
        // Extents that were not read back yet must be read next time: then this is no clean stop.
        match self.files.current().filter(|g| g.is_read()) {
            Some(g) => {
                let slot = g.begin.slot;
                self.job(CloseJob::Facts, Step::Facts { slot });
            }
            None => self.finish_ending(),
        }
    }

    fn pause_failed(&mut self, fault: DiskFault, during: &'static str) {
        self.phase.last_steps_failed(fault, during);
        self.finish_ending();
    }

    fn finish_ending(&mut self) {
        let finish = self.phase.finish();
        self.finish(finish);
    }

    pub(super) fn hear_close(&mut self, job: CloseJob, heard: Heard) {
        match (job, heard) {
            (CloseJob::Sync { covered }, Heard::Done) => {
                let Some(Claimed { generation, extents, bytes, .. }) = self.files.claim(covered) else { return };
                self.record(CloseJob::Claim { bytes }, vec![Record::Claim { generation, extents }], true);
            }
            (CloseJob::Claim { .. }, Heard::Done) => self.last_facts(),
            (CloseJob::Facts, Heard::Facts(facts)) => {
                let generation = self.files.current().map_or(0, |g| g.begin.generation);
                self.record(CloseJob::CleanStop, vec![Record::CleanStop { generation, facts }], true);
            }
            (CloseJob::CleanStop | CloseJob::RemoveAll, Heard::Done) => self.finish_ending(),
            (job, Heard::Failed(fault)) => {
                let during = match job {
                    // What came since the last good sync is not claimed; its hints are read back and written again next
                    // time.
                    CloseJob::Sync { .. } => "sync",
                    CloseJob::Claim { .. } | CloseJob::Facts | CloseJob::CleanStop => "write the journal",
                    CloseJob::RemoveAll => "remove the partial file",
                };
                self.pause_failed(fault, during);
            }
            _ => no_answer("a last step"),
        }
    }
}
