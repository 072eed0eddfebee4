//! Removing what was given up, winding down, the end.
//!
//! Uploads that were given up are removed beside everything else ([`Leftovers`](super::leftovers::Leftovers) says how).
//! A run that ends stops its steps, waits for their answers, records an upload's id that came meanwhile, and syncs what
//! it recorded. The journal goes when the store holds no upload that only the journal knows.

use super::jobs::{Lane, Main};
use super::journal::{self, Record};
use super::leftovers::{AbandonedUpload, Removal};
use super::phase::Stage;
use super::settling::Presence;
use super::step::{Failure, Heard, Step, UploadReceipt};
use crate::words::DiskFault;

impl super::Upload {
    // ---- what is owed ------------------------------------------------------------------------------------------

    /// An attempt from the journal that is not gone on with.
    pub(super) fn owe(&mut self, attempt: journal::Attempt) {
        if let Some(whole) = attempt.sending.clone().filter(|_| !attempt.stored) {
            self.key.may_come(whole);
        }
        if !attempt.may_be_left() {
            return;
        }
        match attempt.upload_id {
            None => self.leftovers.add_nameless(),
            Some(upload_id) => self.leftovers.add(AbandonedUpload {
                attempt: attempt.attempt,
                upload_id,
                reason: None,
                in_doubt: attempt.sending.is_some(),
                gone: false,
                recorded: attempt.abandoned,
            }),
        }
    }

    pub(super) fn lane_wants(&self) -> bool {
        !self.run.removes() && self.leftovers.wait()
    }

    /// The next step towards removing what was given up, one at a time.
    pub(super) fn run_lane(&mut self) {
        if self.run.removes() {
            return;
        }
        let underway = |attempt| self.run.sends_of(attempt).next().is_some();
        let Some((removal, step)) = self.leftovers.next(self.run.now(), self.papers.are_synced(), underway) else {
            return;
        };
        self.run.begin_in(Lane::Removal(removal), step);
    }

    pub(super) fn hear_removal(&mut self, removal: Removal, heard: Heard) {
        if let Some(note) = self.leftovers.hear(self.run.now(), removal, heard) {
            self.note(note);
        }
    }

    /// The object goes in one request, and no such request of ours can have been carried out.
    fn single_refused(&self) -> bool {
        !self.writing.is_in_doubt() && self.attempts.is_recorded_put()
    }

    /// The store refused to begin, and the journal tells of no other upload.
    fn is_worthless(&self) -> bool {
        use Failure::{Denied, NoSuchBucket, Rejected};
        let refused = matches!(self.phase.failure(), Some(NoSuchBucket | Denied(_) | Rejected(_)));
        refused && self.papers.exist() && self.leftovers.are_gone()
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    pub(super) fn write_receipt(&mut self) {
        let Some(outcome) = self.phase.outcome() else { return };
        let mut object = outcome.object.clone();
        if object.digests.is_empty() {
            // The store told none: what was sent is what the next start holds against what it sees.
            object.digests = self.writing.whole().map(|whole| whole.digests.clone()).unwrap_or_default();
        }
        let receipt =
            UploadReceipt { facts: self.writing.proven_facts(self.source.facts()), object, verified: outcome.verified };
        self.main(Main::Receipt, Step::Receipt(receipt));
    }

    /// Waits until what was given up is removed, or cannot be for now; then the journal goes, unless it is a reminder.
    pub(super) fn clean_up(&mut self) {
        if self.run.removes() || self.lane_wants() {
            return;
        }
        if self.run.removes() || self.run.records() {
            return;
        }
        if self.papers.exist() && self.leftovers.are_gone() {
            self.phase.go(Stage::Forget);
        } else {
            self.finish_done();
        }
    }

    pub(super) fn forgotten(&mut self) {
        self.papers.removed();
        match self.phase.goes_on() {
            true => self.finish_done(),
            false => self.finish_ending(),
        }
    }

    fn finish_done(&mut self) {
        if let Some(finish) = self.phase.finish_stored(self.source.len()) {
            self.finish(finish);
        }
    }

    /// A record, the receipt or the journal's removal failed.
    pub(super) fn paper_failed(&mut self, fault: DiskFault, during: &'static str) {
        if self.phase.outcome().is_some() {
            let finish = self.phase.finish_without_papers(fault, during);
            return self.finish(finish);
        }
        if self.phase.winds_down() {
            self.phase.fail_to_end(fault, during);
            return self.finish_ending();
        }
        self.fail_disk(fault, during);
    }

    // ---- winding down ------------------------------------------------------------------------------------------

    /// A pause, a cancel or a failure: everything under way stops; an upload's id that came meanwhile is recorded; what
    /// was recorded is synced. A cancel then removes the uploads.
    pub(super) fn wind_down(&mut self) {
        if self.phase.is_discarding() {
            return self.discard_on();
        }
        self.run.stop_all();
        if !self.run.is_idle() {
            return;
        }
        if self.phase.is_at(Stage::Created) {
            return self.record_created(); // its id would be lost otherwise
        }
        if self.single_refused() && self.is_worthless() {
            self.attempts.drop_current();
            return self.main(Main::Forget, Step::Forget);
        }
        if let Some(attempt) = self.attempts.uncreated() {
            // It is known that the store did not create it: no need to wonder later.
            self.attempts.drop_current();
            if self.is_worthless() {
                return self.main(Main::Forget, Step::Forget);
            }
            self.record_beside(vec![Record::Aborted { attempt }]);
        }
        if self.phase.is_cancelled() && !self.config.keep_parts {
            self.phase.discard();
            self.leave_attempt(None, Presence::There);
            return self.discard_on();
        }
        if let Some(sync) = self.papers.last_sync() {
            return self.main(Main::LastSync, sync);
        }
        if !self.run.records() {
            self.finish_ending();
        }
    }

    fn discard_on(&mut self) {
        self.run_lane();
        if !self.run.is_idle() || self.lane_wants() {
            return;
        }
        if self.papers.exist() && self.leftovers.are_gone() {
            return self.main(Main::Forget, Step::Forget);
        }
        self.finish_ending();
    }

    pub(super) fn last_sync_failed(&mut self, fault: DiskFault) {
        self.phase.fail_to_end(fault, "write the journal");
        self.finish_ending();
    }

    pub(super) fn finish_ending(&mut self) {
        let finish = self.phase.finish(!self.papers.exist());
        self.finish(finish);
    }
}
