//! The short way of a small object: no journal before it is published.
//!
//! An object of at most [`small_max`](super::Config::small_max) bytes that the first reply brings whole gains
//! no safety from a journal: what a kill can cost is no more than what it may cost any transfer.
//!
//! ```text
//!   bytes ──► digest ──► seal ──► sync of the file ─┐
//!                             └─► receipt ──────────┴──► rename ──► folder sync ──► Done
//! ```
//!
//! The receipt comes before the rename and stands in for the record of publishing: it names the file by inode, length
//! and time, so that a start after a crash behind the rename knows the target for ours. A receipt whose file never got
//! the name is harmless: the target is free, or a file that it does not fit stands there.
//!
//! Whatever goes wrong before the rename (a cut, a pause, a failed sync, a digest that does not match, a line so slow
//! that a sync would be due) leads back to the long way: the journal is written now, with a hint for everything held,
//! and from there on the transfer is like any other ([`Download::leave_small`]).
//!
//! It is taken only where a crash leaves nothing to explain: no journal, an empty part file, nothing at the target
//! (whose own receipt would be lost), no restart with a reason.

use super::Download;
use super::held::Slot;
use super::job::{BeginJob, KeepJob, PublishJob};
use super::journal::Record;
use super::line::Flow;
use super::restart::Restart;
use super::resume::{Found, FoundJournal, TargetState};
use super::step::{Finish, Step, Verified};

impl Download {
    /// Whether what was found leaves the short way open.
    pub(super) fn leaves_no_trace(found: &Found) -> bool {
        matches!(found.journal, FoundJournal::Absent)
            && found.main.is_none_or(|main| main.len == 0)
            && found.target == TargetState::Absent
    }

    /// Begins the generation of the waiting reply on the short way, when it is small and whole.
    pub(super) fn begin_small(&mut self, reason: Option<Restart>) -> bool {
        let Some(b) = self.files.beginning() else { return false };
        let small = self.config.is_small(b.identity.length) && b.body.end == b.identity.length;
        let first = self.files.current().is_none() && !self.files.is_source_recorded() && b.slot == Slot::Main;
        if !small || !first || !self.at_start.traceless || reason.is_some() {
            return false;
        }
        self.phase.take_short_way(self.run.now());
        self.begun(); // the part file is there since it was locked, and empty
        true
    }

    /// When the short way has taken as long as bytes may stay unsynced.
    pub(super) fn small_until(&self) -> Option<u64> {
        self.phase.small_since().map(|since| since + self.config.sync_every_ms)
    }

    /// The next step on the short way. False when the transfer is not on it (any more).
    pub(super) fn advance_small(&mut self) -> bool {
        let Some(until) = self.small_until() else { return false };
        if self.files.current().is_some_and(|g| self.is_ready(g)) {
            self.try_publish();
            return true;
        }
        let flowing = self.line.streams().any(|s| s.flow == Flow::Flowing);
        if flowing && self.run.now() < until {
            return true;
        }
        self.leave_small();
        false
    }

    /// Back to the long way: all that is held gets the records that it would have had from the begin.
    pub(super) fn leave_small(&mut self) {
        if !self.phase.leave_short_way() {
            return;
        }
        let mut records = vec![Record::Source(self.config.source.clone())];
        self.files.snapshot(&mut records);
        self.record(KeepJob::Settle, records, true);
        if self.power() {
            self.job(BeginJob::SyncDir, Step::SyncDir);
        }
    }

    /// A stop, or an end in failure: what is held is recorded first; an empty file needs no journal.
    pub(super) fn wind_down_small(&mut self) {
        let held = self.files.held();
        if held > 0 {
            self.leave_small();
        }
        self.phase.leave_short_way();
    }

    /// Sealed: the sync of the file and the receipt may go side by side, since neither means anything without the other
    /// before the rename.
    pub(super) fn sync_small(&mut self) {
        if self.power() {
            self.job(PublishJob::Sync, Step::Sync { slot: Slot::Main });
        }
        if let Some(receipt) = self.receipt() {
            self.job(PublishJob::EarlyReceipt, Step::Receipt(receipt));
        }
        self.publish_small();
    }

    /// The finished file of this very version stands at the target. The run that put it there may have been killed
    /// behind the rename: before this is told, its name is on the disk.
    pub(super) fn already_there(&mut self, length: u64, verified: Verified) {
        if self.power() {
            self.job(PublishJob::Confirm { length, verified }, Step::SyncDir);
        } else {
            self.finish(Finish::Done { length, verified, already: true });
        }
    }

    /// Once both are done, the file gets its name.
    pub(super) fn publish_small(&mut self) {
        if !self.phase.is_small() || self.phase.publishing().is_none() || !self.run.is_idle() {
            return; // left meanwhile, or not yet
        }
        let whole = self.files.current().is_some_and(|g| g.is_whole());
        self.law(6, whole, "a small object with holes is about to be published");
        self.job(PublishJob::Rename, Step::Publish { replace: self.files.replaces_target() });
    }
}
