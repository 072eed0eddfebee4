//! Where a run is, and why it ends.
//!
//! ```text
//!   Opening ──► Running ◄──► Sealing ──► Publishing ──► Over
//!                  │ ▲                        │          ▲ ▲
//!                  │ └──── it did not work ◄──┘          │ │
//!                  ├──► Confirming (it was there already)┘ │
//!                  └──► Closing (a stop or a failure) ─────┘
//! ```
//!
//! Why it ends is kept beside that: a pause that comes while the file is sealed takes effect when that did not work.

use super::journal::Publishing;
use super::step::{Failure, Finish};
use crate::words::{Command, DiskFault, Millis};

#[derive(Debug, Clone, Copy, PartialEq)]
enum RunStage {
    /// The folder was not opened yet.
    Opening,
    /// Bytes come and are kept.
    Running,
    /// All bytes are here: they are digested, and the file gets its final length and times.
    Sealing,
    /// The file is sealed, and about to get its name, or has it.
    Publishing(Publishing),
    /// The finished file was at the target already; its name is made safe.
    Confirming,
    /// The last steps of a stop or a failure.
    Closing,
    /// The last step was given.
    Over,
}

/// Why a run ends without its file.
#[derive(Debug, Clone, PartialEq)]
enum Ending {
    Pause,
    NotModified,
    Discard,
    Fail(Failure),
}

/// The phase of one run.
#[derive(Debug, Clone)]
pub(super) struct Phase {
    stage: RunStage,
    ending: Option<Ending>,
    /// Since when the current generation is on the short way.
    small_since: Option<Millis>,
}

impl Phase {
    pub(super) fn new() -> Self {
        Self { stage: RunStage::Opening, ending: None, small_since: None }
    }

    /// Whether the folder was opened.
    pub(super) fn is_open(&self) -> bool {
        self.stage != RunStage::Opening
    }

    /// Whether no new work is begun: the file is on its way to its name, or the last steps are.
    pub(super) fn is_closing(&self) -> bool {
        !matches!(self.stage, RunStage::Opening | RunStage::Running)
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == RunStage::Over
    }

    /// The sealed file that is about to get its name, or has it.
    pub(super) fn publishing(&self) -> Option<Publishing> {
        match self.stage {
            RunStage::Publishing(publishing) => Some(publishing),
            _ => None,
        }
    }

    /// Whether it is decided that the run ends without its file.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether everything of the transfer is to be removed.
    pub(super) fn is_discarding(&self) -> bool {
        self.ending == Some(Ending::Discard)
    }

    // ---- the stages --------------------------------------------------------------------------------------------

    pub(super) fn opened(&mut self) {
        self.stage = RunStage::Running;
    }

    /// The folder cannot be opened. What lies there cannot be removed either: a caller who wanted that hears why.
    pub(super) fn not_opened(&mut self, failure: Failure) {
        self.opened();
        if self.is_discarding() {
            self.ending = None;
        }
        self.fail(failure);
    }

    pub(super) fn seal(&mut self) {
        self.stage = RunStage::Sealing;
    }

    /// The file is sealed (or was, by an earlier run): from here on the caller's commands come too late.
    pub(super) fn publish(&mut self, publishing: Publishing) {
        self.stage = RunStage::Publishing(publishing);
    }

    pub(super) fn confirm(&mut self) {
        self.stage = RunStage::Confirming;
    }

    /// The last steps of a stop or a failure begin.
    pub(super) fn close(&mut self) {
        self.stage = RunStage::Closing;
    }

    /// The file did not get its name: the run goes on, or ends in order.
    pub(super) fn go_on(&mut self) {
        self.stage = RunStage::Running;
    }

    pub(super) fn over(&mut self) {
        self.stage = RunStage::Over;
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// The caller wants something. Whether it is not too late for that.
    pub(super) fn command(&mut self, command: Command) -> bool {
        if matches!(self.stage, RunStage::Publishing(_) | RunStage::Over) {
            return false;
        }
        match (command, &self.ending) {
            (Command::Pause, None) => self.ending = Some(Ending::Pause),
            (Command::Discard, _) if !self.is_closing() => self.ending = Some(Ending::Discard),
            (Command::Pause, Some(_)) | (Command::Discard, _) => {}
        }
        true
    }

    /// The run fails, unless it ends for an earlier reason.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.ending.get_or_insert(Ending::Fail(failure));
    }

    /// The caller has this version already. Whether that is why the run ends.
    pub(super) fn not_modified(&mut self) -> bool {
        let first = self.ending.is_none();
        self.ending.get_or_insert(Ending::NotModified);
        first
    }

    /// A pause would promise what the journal does not hold: the failure that comes now counts in its place.
    pub(super) fn pause_is_void(&mut self) {
        if self.ending == Some(Ending::Pause) {
            self.ending = None;
        }
    }

    /// The last steps failed: a pause or cancel did not do what it promises. Others keep their own first reason.
    pub(super) fn last_steps_failed(&mut self, fault: DiskFault, during: &'static str) {
        if !matches!(self.ending, Some(Ending::Fail(_) | Ending::NotModified)) {
            self.ending = Some(Ending::Fail(Failure::Disk { fault, during }));
        }
    }

    /// What the last step says of a run that ends without its file.
    pub(super) fn finish(&mut self) -> Finish {
        match self.ending.take() {
            None | Some(Ending::Pause) => Finish::Paused,
            Some(Ending::NotModified) => Finish::NotModified,
            Some(Ending::Discard) => Finish::Discarded,
            Some(Ending::Fail(failure)) => Finish::Failed(failure),
        }
    }

    // ---- the short way -----------------------------------------------------------------------------------------

    pub(super) fn take_short_way(&mut self, now: Millis) {
        self.small_since = Some(now);
    }

    pub(super) fn small_since(&self) -> Option<Millis> {
        self.small_since
    }

    pub(super) fn is_small(&self) -> bool {
        self.small_since.is_some()
    }

    /// Whether the run was on the short way until now.
    pub(super) fn leave_short_way(&mut self) -> bool {
        self.small_since.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::FileFacts;

    #[test]
    fn a_command_comes_too_late_once_the_file_is_sealed() {
        let mut phase = Phase::new();
        phase.opened();
        phase.seal();
        assert!(phase.command(Command::Discard) && !phase.is_ending(), "but pausing is possible still");
        assert!(phase.command(Command::Pause) && phase.is_ending());
        let mut phase = Phase::new();
        phase.publish(Publishing { generation: 1, facts: FileFacts::default() });
        assert!(!phase.command(Command::Pause) && !phase.is_ending());
        phase.go_on();
        assert!(phase.command(Command::Pause));
    }

    #[test]
    fn the_first_reason_counts_but_a_discard_comes_before_a_pause() {
        let denied = Failure::Denied(403);
        let mut phase = Phase::new();
        phase.command(Command::Pause);
        phase.fail(denied.clone());
        assert!(!phase.not_modified());
        phase.command(Command::Discard);
        assert!(phase.is_discarding());
        assert_eq!(phase.finish(), Finish::Discarded);
        let mut phase = Phase::new();
        phase.fail(denied.clone());
        phase.command(Command::Pause);
        phase.last_steps_failed(DiskFault::Io, "sync");
        assert_eq!(phase.finish(), Finish::Failed(denied));
    }

    #[test]
    fn what_cannot_be_opened_is_not_discarded_and_says_why() {
        let in_use = Failure::Disk { fault: DiskFault::InUse, during: "open" };
        let mut phase = Phase::new();
        phase.command(Command::Discard);
        phase.not_opened(in_use.clone());
        assert!(!phase.is_discarding());
        assert_eq!(phase.finish(), Finish::Failed(in_use));
    }

    #[test]
    fn a_pause_that_did_not_do_what_it_promises_is_a_failure() {
        let mut phase = Phase::new();
        phase.command(Command::Pause);
        phase.last_steps_failed(DiskFault::Io, "sync");
        let failed = Finish::Failed(Failure::Disk { fault: DiskFault::Io, during: "sync" });
        assert_eq!(phase.finish(), failed);
    }
}
