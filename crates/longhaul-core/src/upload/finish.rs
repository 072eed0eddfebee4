//! Removing what was given up, winding down, the end.
//!
//! An upload that was given up stays in the journal until the store has confirmed that nothing of it is left: the record
//! that it is given up is durable, no part of it is on its way, then it is aborted, and its list is asked until the store
//! does not know it any more. What cannot be removed within a few tries is left to a later start.

use super::journal::{self, Record};
use super::step::{Failure, Fault, Heard, Note, Receipt, Restart, Step};
use super::{Main, Stage, UploadFault};
use crate::words::{DiskFault, Millis};

/// Tries to remove one upload, per run, and requests for it in a row that are not answered.
const ABORT_TRIES: u32 = 6;
/// The first wait between them, in milliseconds; doubles.
const ABORT_PAUSE_MS: Millis = 200;

/// What the lane waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Record,
    Abort,
    List,
    Aborted,
}

/// An upload that was given up.
#[derive(Debug, Clone)]
pub(super) struct Owed {
    attempt: u32,
    upload_id: String,
    reason: Option<Restart>,
    /// Its Complete may be at work.
    pub(super) in_doubt: bool,
    /// The store has said that it does not know it: that is asked once more when none of its parts is on its way.
    gone: bool,
    /// Its list was empty the last time.
    empty: bool,
    at: At,
    /// Aborts that left something.
    tries: u32,
    /// Requests in a row that were not answered.
    unanswered: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// That it is given up is not recorded.
    Live,
    /// It is to be aborted.
    Abandoned,
    /// Is anything left of it?
    Aborting,
    /// Nothing is; that is to be recorded.
    Clean,
    /// That is recorded.
    Over,
    /// For a later start.
    GivenUp,
}

impl Owed {
    pub(super) fn new(
        attempt: u32,
        upload_id: String,
        reason: Option<Restart>,
        in_doubt: bool,
        gone: bool,
        recorded: bool,
    ) -> Self {
        let at = if recorded { At::Abandoned } else { At::Live };
        Self { attempt, upload_id, reason, in_doubt, gone, empty: false, at, tries: 0, unanswered: 0 }
    }

    /// Nothing more is done about it in this run.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.at, At::Over | At::GivenUp)
    }
}

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
            None => self.nameless += 1,
            Some(id) => {
                let in_doubt = attempt.sending.is_some();
                self.owed.push(Owed::new(attempt.attempt, id, None, in_doubt, false, attempt.abandoned));
            }
        }
    }

    pub(super) fn lane_wants(&self) -> bool {
        self.lane.is_none() && self.owed.iter().any(|o| !o.is_over())
    }

    /// The next step towards removing what was given up, one at a time.
    pub(super) fn run_lane(&mut self) {
        if self.lane.is_some() || self.now < self.lane_not_before || self.planted(UploadFault::AbortForgotten) {
            return;
        }
        let Some(owed) = self.owed.iter().find(|o| !o.is_over()) else { return };
        let (attempt, upload_id) = (owed.attempt, owed.upload_id.clone());
        let underway = self.sends.iter().any(|s| s.attempt == attempt);
        let (lane, step) = match owed.at {
            At::Live => {
                let records = vec![Record::Abandoned { attempt, reason: owed.reason }];
                (Lane::Record, Step::Record { records, durable: self.power() })
            }
            // A part that is on its way may bring back what is gone.
            At::Abandoned | At::Aborting if underway && !self.planted(UploadFault::AbortedUnderway) => return,
            At::Abandoned => {
                self.law(5, !underway, "an upload is aborted while its parts are on their way");
                (Lane::Abort, Step::Abort { upload_id })
            }
            At::Aborting => (Lane::List, Step::ListParts { upload_id, after: 0 }),
            At::Clean => {
                let records = vec![Record::Aborted { attempt }];
                (Lane::Aborted, Step::Record { records, durable: false })
            }
            At::Over | At::GivenUp => return,
        };
        let ticket = self.order(step);
        self.lane = Some((ticket, lane));
    }

    pub(super) fn hear_lane(&mut self, lane: Lane, heard: Heard) {
        let unconfirmed = self.planted(UploadFault::AbortUnconfirmed);
        let Some(i) = self.owed.iter().position(|o| !o.is_over()) else { return };
        let owed = &mut self.owed[i];
        if !matches!(heard, Heard::Refused(_)) {
            owed.unanswered = 0;
        }
        match (lane, heard) {
            (Lane::Record, Heard::Done) => owed.at = if owed.gone { At::Aborting } else { At::Abandoned },
            (Lane::Abort, Heard::Done) if unconfirmed => owed.at = At::Clean,
            (Lane::Abort, Heard::Done) => owed.at = At::Aborting,
            (Lane::Abort | Lane::List, Heard::Refused(Fault::NoSuchUpload | Fault::NoSuchKey)) => {
                owed.at = At::Clean;
                self.note(Note::Aborted { clean: true });
            }
            // A list may be late, and an upload without parts is one all the same: empty twice, or not known any more.
            (Lane::List, Heard::Listed { parts, next: None }) if parts.is_empty() && owed.empty => {
                owed.at = At::Clean;
                self.note(Note::Aborted { clean: true });
            }
            (Lane::List, Heard::Listed { parts, .. }) => {
                owed.empty = parts.is_empty();
                owed.at = At::Abandoned;
                owed.tries += 1;
                self.abort_later(i);
            }
            (Lane::Aborted, Heard::Done) => owed.at = At::Over,
            (_, Heard::Refused(Fault::Stopped { .. })) => {}
            (_, Heard::Refused(Fault::Denied(_) | Fault::Rejected(_) | Fault::NoCredentials | Fault::NoSuchBucket)) => {
                owed.at = At::GivenUp;
                self.note(Note::Aborted { clean: false });
            }
            (_, Heard::Refused(_)) => {
                owed.unanswered += 1;
                self.abort_later(i);
            }
            // The journal cannot be written: nothing is removed that it still promises.
            _ => owed.at = At::GivenUp,
        }
    }

    fn abort_later(&mut self, i: usize) {
        let owed = &mut self.owed[i];
        let doublings = owed.tries.max(owed.unanswered);
        if doublings >= ABORT_TRIES {
            owed.at = At::GivenUp;
            return self.note(Note::Aborted { clean: false });
        }
        self.lane_not_before = self.now.saturating_add(ABORT_PAUSE_MS << doublings);
    }

    /// Nothing may be left in the store that only the journal knows.
    fn is_clean(&self) -> bool {
        self.nameless == 0 && self.owed.iter().all(|o| o.at == At::Over)
    }

    /// The object goes in one request, and no such request of ours can have been carried out.
    fn single_refused(&self) -> bool {
        !self.writing.is_in_doubt() && self.attempts.is_recorded_put()
    }

    /// The store refused to begin, and the journal tells of nothing else.
    fn is_worthless(&self) -> bool {
        use Failure::{Denied, NoSuchBucket, Rejected};
        let refused = matches!(self.phase.failure(), Some(NoSuchBucket | Denied(_) | Rejected(_)));
        refused && self.journal && self.is_clean()
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
            Receipt { facts: self.writing.proven_facts(self.source.facts()), object, verified: outcome.verified };
        self.main(Main::Receipt, Step::Receipt(receipt));
    }

    /// Waits until what was given up is removed, or cannot be for now; then the journal goes, unless it is a reminder.
    pub(super) fn clean_up(&mut self) {
        let forgetful = self.planted(UploadFault::ForgottenBeforeAborted) || self.planted(UploadFault::AbortForgotten);
        if !forgetful && (self.lane.is_some() || self.lane_wants()) {
            return;
        }
        if self.lane.is_some() || !self.records.is_empty() {
            return;
        }
        if self.journal && (self.is_clean() || forgetful) {
            self.phase.go(Stage::Forget);
        } else {
            self.finish_done();
        }
    }

    pub(super) fn forgotten(&mut self) {
        self.journal = false;
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
        self.stop_all();
        let busy = self.main.is_some() || self.lane.is_some() || !self.sends.is_empty() || !self.reads.is_empty();
        if busy || !self.records.is_empty() {
            return;
        }
        if self.phase.is_at(Stage::Created) && !self.planted(UploadFault::UploadIdUnrecorded) {
            return self.record_created(); // or nobody would know it
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
            self.leave_attempt(None, false);
            return self.discard_on();
        }
        if std::mem::take(&mut self.unsynced_records) && self.power() {
            return self.main(Main::LastSync, Step::Record { records: Vec::new(), durable: true });
        }
        if self.records.is_empty() {
            self.finish_ending();
        }
    }

    /// Orders a stop for whatever may take long.
    fn stop_all(&mut self) {
        self.stop_sends();
        let reads: Vec<_> = self.reads.iter().map(|r| r.ticket).collect();
        reads.into_iter().for_each(|ticket| self.stop(ticket));
        if let Some((ticket, main)) = self.main
            && matches!(main, Main::Look | Main::Snapshot | Main::Create | Main::List | Main::Write | Main::Probe)
        {
            self.stop(ticket);
        }
        if let Some((ticket, Lane::Abort | Lane::List)) = self.lane {
            self.stop(ticket);
        }
    }

    fn discard_on(&mut self) {
        self.run_lane();
        if self.main.is_some() || self.lane.is_some() || self.lane_wants() || !self.records.is_empty() {
            return;
        }
        let forgetful = self.planted(UploadFault::AbortForgotten) || self.planted(UploadFault::ForgottenBeforeAborted);
        if self.journal && (self.is_clean() || forgetful) {
            return self.main(Main::Forget, Step::Forget);
        }
        self.finish_ending();
    }

    pub(super) fn last_sync_failed(&mut self, fault: DiskFault) {
        self.phase.fail_to_end(fault, "write the journal");
        self.finish_ending();
    }

    pub(super) fn finish_ending(&mut self) {
        let finish = self.phase.finish(!self.journal);
        self.finish(finish);
    }
}
