//! Where is the run, and how does it end?
//!
//! A run has a [`Stage`], named after what is to be done next, or is being done. Beside that it goes on, winds down,
//! has stopped everything and removes what it left in the store, or is over. Once the object is known to be stored, the
//! [`StoredOutcome`] is kept until the last step tells it, and neither a pause nor a cancel comes in time.

use super::step::{Failure, Finish, ObjectFacts, Proof};
use crate::words::{Command, DiskFault};

/// What is to be done next, or is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// What stands at the key?
    Look,
    /// The source has to be looked at and divided anew.
    Replan,
    /// Reading all of the source, to see whether the object that is there is the same.
    Compare,
    CompareCombine,
    CompareCheck,
    /// The source is small.
    Snapshot,
    // A new upload, in this order.
    Begin,
    Create,
    Created,
    /// The store's list of parts.
    List,
    /// Parts flow.
    Send,
    // All parts are there, in this order; `Guard`, `Record` and `Write` for small sources as well.
    Check,
    Combine,
    /// What stands at the key, right before it is written.
    Guard,
    Record,
    Write,
    /// The answer was lost.
    Settle,
    /// The answer was clear; what does the store show?
    Verify,
    // The object is stored, in this order.
    Stored,
    Receipt,
    Cleanup,
    Forget,
}

/// Why the run winds down.
#[derive(Debug, Clone, PartialEq)]
enum EndReason {
    Pause,
    Discard,
    Fail(Failure),
}

/// Whether the run goes on.
#[derive(Debug, Clone, PartialEq)]
enum Course {
    On,
    /// Everything under way is being stopped.
    WindingDown(EndReason),
    /// After a cancel everything has stopped, and the uploads are being removed.
    Discarding,
    Over,
}

/// How the upload ended in the store.
#[derive(Debug, Clone)]
pub(super) struct StoredOutcome {
    pub(super) object: ObjectFacts,
    pub(super) verified: Proof,
    /// Whether the object was there already, and no byte had to be sent.
    pub(super) already: bool,
    pub(super) callback_failed: bool,
    /// Whether a receipt has to be written.
    pub(super) receipt: bool,
}

/// The phase of one run.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    stage: Stage,
    course: Course,
    outcome: Option<StoredOutcome>,
}

impl Phase {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Open, course: Course::On, outcome: None }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn is_at(&self, stage: Stage) -> bool {
        self.stage == stage
    }

    pub(super) fn go(&mut self, stage: Stage) {
        self.stage = stage;
    }

    // ---- the course --------------------------------------------------------------------------------------------

    /// Whether the run goes on: it neither winds down nor is over.
    pub(super) fn goes_on(&self) -> bool {
        self.course == Course::On
    }

    /// Whether the run winds down, or discards what it left in the store.
    pub(super) fn winds_down(&self) -> bool {
        matches!(self.course, Course::WindingDown(_) | Course::Discarding)
    }

    /// Whether everything has stopped after a cancel.
    pub(super) fn is_discarding(&self) -> bool {
        self.course == Course::Discarding
    }

    pub(super) fn is_over(&self) -> bool {
        self.course == Course::Over
    }

    /// Whether the end is decided: the caller changes it no more, nor does an answer.
    pub(super) fn is_decided(&self) -> bool {
        !self.goes_on() || self.outcome.is_some()
    }

    /// The caller's word is heeded until the object is known to be stored; whether it is. A cancel comes before a pause
    /// or a failure.
    pub(super) fn command(&mut self, command: Command) -> bool {
        if self.is_over() || self.outcome.is_some() {
            return false;
        }
        match command {
            Command::Pause if self.goes_on() => self.course = Course::WindingDown(EndReason::Pause),
            Command::Discard if !self.is_discarding() => self.course = Course::WindingDown(EndReason::Discard),
            _ => {}
        }
        true
    }

    /// The run fails, unless it winds down already.
    pub(super) fn fail(&mut self, failure: Failure) {
        if self.goes_on() {
            self.course = Course::WindingDown(EndReason::Fail(failure));
        }
    }

    /// The run could not be opened, so that a pause or cancel would do no work.
    pub(super) fn fail_to_open(&mut self, failure: Failure) {
        self.course = Course::WindingDown(EndReason::Fail(failure));
    }

    /// The last steps failed: a pause or cancel did not do what it promises. A failure keeps its own first reason.
    pub(super) fn fail_to_end(&mut self, fault: DiskFault, during: &'static str) {
        if self.failure().is_none() {
            self.course = Course::WindingDown(EndReason::Fail(Failure::Disk { fault, during }));
        }
    }

    /// Why the run fails, if it does.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.course {
            Course::WindingDown(EndReason::Fail(failure)) => Some(failure),
            _ => None,
        }
    }

    /// Whether the caller wants the upload removed.
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self.course, Course::WindingDown(EndReason::Discard) | Course::Discarding)
    }

    /// Everything has stopped: the uploads are removed from now on.
    pub(super) fn discard(&mut self) {
        self.course = Course::Discarding;
    }

    /// The run is over; what the last step says of a run that wound down. `clean`: the store has no more of it.
    pub(super) fn finish(&mut self, clean: bool) -> Finish {
        match std::mem::replace(&mut self.course, Course::Over) {
            Course::WindingDown(EndReason::Fail(failure)) => Finish::Failed(failure),
            Course::WindingDown(EndReason::Discard) | Course::Discarding => Finish::Discarded { clean },
            _ => Finish::Paused,
        }
    }

    // ---- the outcome -------------------------------------------------------------------------------------------

    /// The object is stored: it is too late for a pause or a cancel.
    pub(super) fn store(&mut self, outcome: StoredOutcome) {
        (self.course, self.outcome) = (Course::On, Some(outcome));
    }

    pub(super) fn outcome(&self) -> Option<&StoredOutcome> {
        self.outcome.as_ref()
    }

    /// The run is over, and the object stored; what the last step says. `length`: of the source, in bytes.
    pub(super) fn finish_stored(&mut self, length: u64) -> Option<Finish> {
        let StoredOutcome { object, verified, already, callback_failed, .. } = self.outcome.clone()?;
        self.course = Course::Over;
        Some(Finish::Done { length, verified, already, object: Box::new(object), callback_failed })
    }

    /// The run is over; the object is stored, and its paperwork is left to the next start.
    pub(super) fn finish_without_papers(&mut self, fault: DiskFault, during: &'static str) -> Finish {
        self.course = Course::Over;
        Finish::Failed(Failure::Disk { fault, during })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> StoredOutcome {
        let object = ObjectFacts::default();
        StoredOutcome { object, verified: Proof::Length, already: false, callback_failed: false, receipt: true }
    }

    #[test]
    fn a_cancel_comes_before_a_pause_and_a_failure_and_the_first_failure_stays() {
        let mut phase = Phase::new();
        phase.command(Command::Pause);
        phase.fail(Failure::Unusable);
        phase.command(Command::Discard);
        phase.command(Command::Pause);
        assert!(phase.is_cancelled() && phase.winds_down() && !phase.is_over());
        phase.discard();
        phase.command(Command::Discard);
        assert!(phase.is_discarding());
        assert_eq!(phase.finish(true), Finish::Discarded { clean: true });
        assert!(phase.is_over() && !phase.winds_down());

        let mut phase = Phase::new();
        phase.fail(Failure::Unusable);
        phase.fail(Failure::Unconfirmed);
        phase.fail_to_end(DiskFault::Io, "write the journal");
        assert_eq!(phase.finish(true), Finish::Failed(Failure::Unusable));
    }

    #[test]
    fn a_pause_that_is_not_synced_fails() {
        let mut phase = Phase::new();
        phase.command(Command::Pause);
        phase.fail_to_end(DiskFault::Io, "write the journal");
        assert!(matches!(phase.finish(true), Finish::Failed(Failure::Disk { .. })));
    }

    #[test]
    fn an_object_that_is_stored_ends_the_callers_say() {
        let mut phase = Phase::new();
        phase.command(Command::Discard);
        phase.store(stored());
        phase.command(Command::Pause);
        assert!(phase.goes_on() && phase.is_decided());
        assert!(matches!(phase.finish_stored(5), Some(Finish::Done { length: 5, .. })));
        assert!(phase.is_over());
        assert_eq!(Phase::new().finish_stored(5), None);
    }
}
