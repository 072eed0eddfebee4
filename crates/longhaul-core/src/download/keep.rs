//! Keeping what was received: hints, syncs, claims, checks, voids, and the old generation.

use super::Download;
use super::files::{CheckReason, Claimed, Lost, ToRead, good_ones};
use super::job::{Job, KeepJob};
use super::journal::Record;
use super::restart::Restart;
use super::step::{Failure, Heard, Note, Step};
use crate::run::no_answer;
use crate::words::{DiskFault, Extent};

impl Download {
    /// Bytes reached the file: keep them in mind, and leave a hint.
    pub(super) fn wrote(&mut self, extent: Extent) {
        let Some(grown) = self.files.grow(extent) else { return };
        let generation = grown.generation;
        self.law(4, grown.fits, "a stream wrote over bytes that are held already");
        self.disk.wrote(self.run.now(), grown.more);
        if self.retry.progress(grown.total) {
            self.belief.progress();
        }
        if !self.phase.is_small() {
            self.disk.hint_recorded();
            self.record(KeepJob::Hint, vec![Record::Hint { generation, extent }], false);
        }
        self.compare_sample(extent.start);
    }

    pub(super) fn hear_keep(&mut self, job: KeepJob, heard: Heard) {
        match (job, heard) {
            // What was learned of a generation that was left meanwhile says no word of the one that took its place.
            (KeepJob::Sync { generation, .. }, Heard::Done)
            | (KeepJob::Check { generation, .. }, Heard::Checked { .. })
                if !self.files.is_current(generation) => {}
            (KeepJob::Sync { covered, .. }, Heard::Done) => self.claim(covered),
            (KeepJob::Sync { generation, .. }, Heard::Failed(fault)) => self.sync_failed(generation, fault),
            (KeepJob::Check { asked, why, .. }, Heard::Checked { bad }) => self.checked(asked, bad, why),
            (KeepJob::Adopt { generation }, Heard::Adopted { extents }) => self.adopted(generation, extents),
            (KeepJob::Check { .. } | KeepJob::Adopt { .. }, Heard::Failed(DiskFault::Interrupted)) => {}
            (KeepJob::Adopt { .. }, Heard::Failed(fault)) => self.fail_disk(fault, "copy the other program's bytes"),
            (KeepJob::Check { .. }, Heard::Failed(fault)) => self.fail_disk(fault, "read back"),
            (KeepJob::Retire, Heard::Done) => self.job(KeepJob::Promote, Step::Promote),
            (KeepJob::Promote, Heard::Done) => self.promoted(),
            (KeepJob::Promote, Heard::Failed(fault)) => self.fail_disk(fault, "replace the partial file"),
            (KeepJob::PromoteDir | KeepJob::RemoveNext, Heard::Failed(fault)) => {
                self.fail_disk(fault, "sync the folder")
            }
            (KeepJob::Sync { .. } | KeepJob::Check { .. } | KeepJob::Adopt { .. }, _) => {
                no_answer("a sync, a check or a copy")
            }
            // All others are records.
            (_, Heard::Done) => {}
            (_, Heard::Failed(fault)) => self.journal_failed(fault),
            _ => no_answer("a record"),
        }
    }

    pub(super) fn journal_failed(&mut self, fault: DiskFault) {
        self.disk.journal_failed();
        self.phase.pause_is_void();
        self.fail_disk(fault, "write the journal");
    }

    // ---- syncs and claims --------------------------------------------------------------------------------------

    pub(super) fn may_sync(&self) -> bool {
        self.power()
            && self.disk.is_folder_synced()
            && !self.files.is_beginning()
            && self.files.current().is_some_and(|g| !g.is_whole())
            // One at a time: when two overlap, the kernel may report a lost page to one of them and success to the
            // other, so neither would prove anything.
            && !self.run.any(Job::is_sync)
    }

    pub(super) fn sync_if_due(&mut self) {
        let Some(g) = self.files.current() else { return };
        if !self.disk.is_sync_due(self.run.now()) || !self.may_sync() {
            return;
        }
        let (covered, slot, generation) = (g.held.dirty(), g.begin.slot, g.begin.generation);
        self.disk.is_clean_from_here();
        self.job(KeepJob::Sync { covered, generation }, Step::Sync { slot });
    }

    /// Records as claimed what a completed sync covered.
    fn claim(&mut self, covered: Vec<Extent>) {
        let Some(Claimed { generation, extents, bytes, known }) = self.files.claim(covered) else { return };
        self.law(1, known, "bytes are claimed that were neither written nor read back in this run");
        if !extents.is_empty() {
            self.record(KeepJob::Claim { bytes }, vec![Record::Claim { generation, extents }], true);
        }
    }

    /// After a failed sync the kernel may show pages as clean that never reached the disk; syncing again is no proof.
    /// What no earlier sync covered is given up, durably, and fetched again once all streams have stopped.
    fn sync_failed(&mut self, generation: u32, fault: DiskFault) {
        let too_often = self.disk.sync_failed();
        // Syncs under way saw the same error or were begun after it: their success would be no proof either.
        self.run.forget(|j| matches!(j, Job::Keep(KeepJob::Sync { generation: g, .. }) if *g == generation));
        if self.files.is_current(generation) {
            // Also bytes that landed before the failure and are told of after it are in doubt: given up once all is
            // told.
            self.stop_all();
            self.disk.lose_unsynced();
        } else if let Some(lost) = self.files.drop_unclaimed(generation) {
            self.record_void(lost, Restart::SyncFailed);
        }
        if too_often {
            self.fail(Failure::Disk { fault, during: "sync" });
        }
    }

    /// Once no stream writes any more: the unclaimed bytes are voided.
    pub(super) fn settle_failed_sync(&mut self) -> bool {
        if self.line.is_empty() && self.disk.take_lost() {
            self.give_up_unclaimed();
        }
        !self.disk.has_lost_unsynced()
    }

    pub(super) fn give_up_unclaimed(&mut self) {
        let Some(generation) = self.files.current().map(|g| g.begin.generation) else { return };
        self.disk.is_clean_from_here();
        if let Some(lost) = self.files.drop_unclaimed(generation) {
            let discarded = lost.ranges.iter().map(|r| r.len()).sum();
            self.note(Note::Restarted { reason: Restart::SyncFailed, discarded });
            self.record_void(lost, Restart::SyncFailed);
            self.retry.restart_at(self.files.held());
        }
    }

    pub(super) fn throttle(&mut self) {
        let unsynced = self.files.current().map_or(0, |g| g.held.unclaimed());
        if let Some(stop) = self.disk.throttle(unsynced) {
            self.run.order(Step::Throttle(stop));
        }
    }

    // ---- checks and voids --------------------------------------------------------------------------------------

    /// Before anything is fetched: hints are read back, and so are claims that end inside a block (a stream will
    /// continue them). Returns whether that is over.
    pub(super) fn prove(&mut self) -> bool {
        if !self.settle_failed_sync() {
            return false;
        }
        if let Some(hints) = self.files.take_hints() {
            self.check(hints, CheckReason::Hints);
        } else if !self.run.any(Job::is_check)
            && let Some(partials) = self.files.take_partials()
        {
            self.check(partials, CheckReason::Partials);
        }
        !self.run.any(Job::is_proof)
    }

    /// Reads extents back. Those for which only a hint speaks are written again in place: the kernel may show pages
    /// that never reached the disk.
    fn check(&mut self, ToRead { slot, generation, extents }: ToRead, why: CheckReason) {
        let rewrite = why == CheckReason::Hints && self.power();
        let step = Step::Check { slot, extents: extents.clone(), rewrite };
        self.job(KeepJob::Check { asked: extents, why, generation }, step);
    }

    fn checked(&mut self, asked: Vec<Extent>, bad: Vec<Extent>, why: CheckReason) {
        let good = good_ones(asked, &bad);
        let more = self.files.matched(&good, why != CheckReason::Claims);
        if more > 0 {
            self.disk.wrote(self.run.now(), more);
        }
        // The claims that do not match are voided, durably, before anything is fetched again.
        if let Some(lost) = self.files.differed(&bad) {
            self.note(Note::Damaged { ranges: lost.ranges.clone() });
            self.record_void(lost, Restart::Damaged);
        }
        self.retry.progress(self.files.held());
    }

    /// Law 2: no byte that was promised is destroyed before this record is durable; `fetch_more` waits for it.
    pub(super) fn record_void(&mut self, Lost { generation, ranges }: Lost, reason: Restart) {
        self.record(KeepJob::Void, vec![Record::Void { generation, ranges, reason }], true);
    }

    /// Claims that were not read back since an unclean stop are read beside the download, some at a time.
    pub(super) fn check_beside(&mut self) {
        if !self.run.any(Job::is_check)
            && let Some(unread) = self.files.some_unread(self.config.check_bytes)
        {
            self.check(unread, CheckReason::Claims);
        }
    }

    // ---- the old generation ------------------------------------------------------------------------------------

    /// The new version's first block is safe (or, when much is held of the old one, all of it): the old one may go.
    pub(super) fn promote_if_due(&mut self) {
        let Some(old) = self.files.old() else { return };
        let dear = old.held.total() > self.config.keep_old_above && self.joinable(old);
        let due = self.files.old_may_go(self.power(), dear);
        // Syncs in flight name a slot; it must not change under them.
        let quiet = !self.run.any(|j| *j != Job::Keep(KeepJob::Hint));
        if due && quiet {
            let generation = old.begin.generation;
            self.record(KeepJob::Retire, vec![Record::Retire { generation }], true);
        }
    }

    fn promoted(&mut self) {
        let voiding = self.run.any(|j| *j == Job::Keep(KeepJob::Retire));
        self.law(2, !voiding, "a file was replaced before the retirement of its generation was recorded");
        self.files.promoted();
        if self.power() {
            self.job(KeepJob::PromoteDir, Step::SyncDir);
        }
    }

    // ---- compaction --------------------------------------------------------------------------------------------

    pub(super) fn compact_if_due(&mut self) {
        if !self.disk.wants_compaction(self.files.extents()) || self.files.is_beginning() {
            return;
        }
        self.disk.compacted();
        let mut records = vec![Record::Source(self.config.source.clone())];
        self.files.snapshot(&mut records);
        self.job(KeepJob::Compact, Step::Compact { records });
    }
}
