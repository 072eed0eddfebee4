//! Keeping what was received: hints, syncs, claims, checks, voids, and the old generation.

use std::collections::HashSet;

use super::held::Slot;
use super::journal::Record;
use super::restart::Restart;
use super::resume::Generation;
use super::step::{Failure, Heard, Note, Step};
use super::{Download, Job};
use crate::fault::Fault;
use crate::ranges::Range;
use crate::words::{DiskFault, Durability, Extent};

impl Download {
    /// Bytes reached the file: keep them in mind, and leave a hint.
    pub(super) fn wrote(&mut self, extent: Extent) {
        let Some(g) = &mut self.current else { return };
        let before = g.held.total();
        let fits = g.held.grow(extent);
        let (total, generation) = (g.held.total(), g.begin.generation);
        self.law(4, fits, "a stream wrote over bytes that are held already");
        self.moved = true;
        self.disk.wrote(self.run.now(), total.saturating_sub(before));
        if self.retry.progress(total) {
            self.suspects = 0;
            self.doubts = 0;
            (self.told, self.anew) = (None, None);
        }
        if self.small_since.is_none() {
            self.disk.hint_recorded();
            self.record(Job::Hint, vec![Record::Hint { generation, extent }], false);
        }
    }

    pub(super) fn hear_keep(&mut self, job: Job, heard: Heard) {
        match (job, heard) {
            // What was learned of a generation that was left meanwhile says nothing of the one that took its place.
            (Job::Sync { generation, .. }, Heard::Done) | (Job::Check { generation, .. }, Heard::Checked { .. })
                if self.current.as_ref().is_none_or(|g| g.begin.generation != generation) => {}
            (Job::Sync { covered, .. }, Heard::Done) => self.synced(covered),
            (Job::Sync { covered, .. }, _) if self.planted(Fault::FailedSyncIgnored) => self.synced(covered),
            (Job::Sync { generation, .. }, Heard::Failed(fault)) => self.sync_failed(generation, fault),
            (Job::Check { asked, hints, .. }, Heard::Checked { bad }) => self.checked(asked, bad, hints),
            (Job::Check { .. }, Heard::Failed(DiskFault::Interrupted)) => {}
            (Job::Check { .. }, Heard::Failed(fault)) => self.fail_disk(fault, "read back"),
            (Job::Retire, Heard::Done) => self.job(Job::Promote, Step::Promote),
            (Job::Promote, Heard::Done) => self.promoted(),
            (Job::Promote, Heard::Failed(fault)) => self.fail_disk(fault, "replace the partial file"),
            (Job::PromoteDir | Job::RemoveNext, Heard::Failed(fault)) => self.fail_disk(fault, "sync the folder"),
            (
                Job::Hint | Job::Claim { .. } | Job::Void | Job::Settle | Job::LengthKnown | Job::Compact | Job::Retire,
                Heard::Failed(fault),
            ) => self.journal_failed(fault),
            _ => {}
        }
    }

    pub(super) fn journal_failed(&mut self, fault: DiskFault) {
        self.disk.journal_failed();
        self.fail_disk(fault, "write the journal");
    }

    // ---- syncs and claims --------------------------------------------------------------------------------------

    pub(super) fn may_sync(&self) -> bool {
        self.power()
            && self.disk.is_folder_synced()
            && self.beginning.is_none()
            && self.current.as_ref().is_some_and(|g| !g.is_whole())
            // One at a time: when two overlap, the kernel may report a lost page to one of them and success to the
            // other, so neither would prove anything.
            && !self.run.any(|j| matches!(j, Job::Sync { .. }))
    }

    pub(super) fn sync_if_due(&mut self) {
        let Some(g) = &self.current else { return };
        if !self.disk.is_sync_due(self.run.now()) || !self.may_sync() {
            return;
        }
        let (covered, slot, generation) = (g.held.dirty(), g.begin.slot, g.begin.generation);
        self.disk.is_clean_from_here();
        if self.planted(Fault::ClaimBeforeSync) {
            self.claim(covered.clone());
        }
        self.job(Job::Sync { covered, generation }, Step::Sync { slot });
    }

    fn synced(&mut self, covered: Vec<Extent>) {
        if !self.planted(Fault::ClaimBeforeSync) {
            self.claim(covered);
        }
    }

    /// Records as claimed what a completed sync covered.
    fn claim(&mut self, covered: Vec<Extent>) {
        let Some(g) = &mut self.current else { return };
        // What was voided or replaced since the sync began is not claimed.
        let still: Vec<Extent> = covered.into_iter().filter(|e| g.held.reaches(e)).collect();
        let bytes = g.held.claim(&still);
        let known = still.iter().all(|e| g.held.is_read(e.start));
        let generation = g.begin.generation;
        self.law(1, known, "bytes are claimed that were neither written nor read back in this run");
        if !still.is_empty() {
            self.record(Job::Claim { bytes }, vec![Record::Claim { generation, extents: still }], true);
        }
    }

    /// After a failed sync the kernel may show pages as clean that never reached the disk; syncing again proves nothing.
    /// What no earlier sync covered is given up, durably, and fetched again once all streams have stopped.
    fn sync_failed(&mut self, generation: u32, fault: DiskFault) {
        if self.planted(Fault::SyncRetriedAfterFailure) {
            self.disk.wrote(self.run.now(), 0);
            return;
        }
        let too_often = self.disk.sync_failed();
        // Syncs under way saw the same error or were begun after it: their success would prove nothing either.
        self.run.forget(|j| matches!(j, Job::Sync { generation: g, .. } if *g == generation));
        if self.current.as_ref().is_some_and(|g| g.begin.generation == generation) {
            // Also bytes that landed before the failure and are told of after it are in doubt: given up once all is
            // told.
            self.stop_all();
            self.disk.lose_unsynced();
        } else if let Some(old) = self.old.as_mut().filter(|g| g.begin.generation == generation) {
            let ranges = old.held.drop_unclaimed();
            if !ranges.is_empty() {
                self.record_void(generation, ranges, Restart::SyncFailed);
            }
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
        let Some(g) = &mut self.current else { return };
        let ranges = g.held.drop_unclaimed();
        let (generation, held) = (g.begin.generation, g.held.total());
        self.disk.is_clean_from_here();
        if !ranges.is_empty() {
            let discarded = ranges.iter().map(|r| r.len()).sum();
            self.note(Note::Restarted { reason: Restart::SyncFailed, discarded });
            self.record_void(generation, ranges, Restart::SyncFailed);
            self.retry.restart_at(held);
        }
    }

    pub(super) fn throttle(&mut self) {
        let unsynced = self.current.as_ref().map_or(0, |g| g.held.unclaimed());
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
        let trusted = self.planted(Fault::HintTrusted);
        let Some(g) = &mut self.current else { return true };
        if !g.hints.is_empty() {
            let hints = std::mem::take(&mut g.hints);
            if trusted {
                hints.iter().for_each(|&h| {
                    g.held.grow(h);
                });
                self.disk.wrote(self.run.now(), 0);
                return true;
            }
            let (slot, generation) = (g.begin.slot, g.begin.generation);
            let step =
                Step::Check { slot, extents: hints.clone(), rewrite: self.config.durability == Durability::Power };
            self.job(Job::Check { asked: hints, hints: true, generation }, step);
        } else if !self.partials_asked && !self.run.any(|j| matches!(j, Job::Check { .. })) {
            self.partials_asked = true;
            let block = g.begin.block_len;
            let length = g.begin.identity.length;
            let partial = |e: Extent| !e.end().is_multiple_of(block) && Some(e.end()) != length;
            let asked: Vec<Extent> =
                g.held.list().iter().filter(|k| !k.read && partial(k.extent)).map(|k| k.extent).collect();
            let (slot, generation) = (g.begin.slot, g.begin.generation);
            if !asked.is_empty() {
                let step = Step::Check { slot, extents: asked.clone(), rewrite: false };
                self.job(Job::Check { asked, hints: true, generation }, step);
            }
        }
        !self.run.any(|j| matches!(j, Job::Check { hints: true, .. }))
    }

    fn checked(&mut self, asked: Vec<Extent>, bad: Vec<Extent>, first: bool) {
        let bad = if self.planted(Fault::DamageIgnored) { Vec::new() } else { bad };
        let damaged: HashSet<&Extent> = bad.iter().collect();
        let good: Vec<Extent> = asked.into_iter().filter(|e| !damaged.contains(e)).collect();
        let unsynced_claims = self.planted(Fault::HintClaimedUnsynced);
        let Some(g) = &mut self.current else { return };
        let before = g.held.unclaimed();
        for e in &good {
            match g.held.get(e.start, e.len) {
                Some(_) => g.held.mark_read(&[*e]),
                None if first => {
                    g.held.grow(*e);
                }
                None => {} // voided or grown meanwhile
            }
        }
        let more = g.held.unclaimed().saturating_sub(before);
        if more > 0 {
            self.disk.wrote(self.run.now(), more);
        }
        if unsynced_claims && more > 0 {
            self.claim(good);
        }
        self.damaged(&bad);
        if let Some(g) = &self.current {
            self.retry.progress(g.held.total());
        }
    }

    /// Extents whose bytes do not match: the claims among them are voided, durably, before anything is fetched again.
    fn damaged(&mut self, bad: &[Extent]) {
        let Some(g) = &mut self.current else { return };
        if bad.is_empty() {
            return;
        }
        // A bad hint leaves the shorter claim with the same start alone: that one is checked by itself.
        let told = bad.iter().map(|e| {
            let claim = g.held.list().iter().map(|k| k.extent).find(|k| k.start == e.start && k.len < e.len);
            Range::new(claim.map_or(e.start, Extent::end), e.end())
        });
        let told: Vec<Range> = told.collect();
        let claims: Vec<Extent> = bad.iter().copied().filter(|e| g.held.get(e.start, e.len).is_some()).collect();
        let ranges: Vec<Range> = claims.iter().map(|e| e.range()).collect();
        g.held.void(&ranges);
        let generation = g.begin.generation;
        self.note(Note::Damaged { ranges: told.clone() });
        self.record_void(generation, told, Restart::Damaged);
    }

    /// Law 2: nothing that was promised is destroyed before this record is durable; `fetch_more` waits for it.
    pub(super) fn record_void(&mut self, generation: u32, ranges: Vec<Range>, reason: Restart) {
        self.record(Job::Void, vec![Record::Void { generation, ranges, reason }], true);
    }

    /// Claims that were not read back since an unclean stop are read beside the download, some at a time.
    pub(super) fn check_beside(&mut self) {
        let under_way = self.run.any(|j| matches!(j, Job::Check { .. }));
        let Some(g) = self.current.as_ref().filter(|_| !under_way) else { return };
        let mut bytes = 0;
        let asked: Vec<Extent> = g
            .held
            .list()
            .iter()
            .filter(|k| !k.read)
            .map(|k| k.extent)
            .take_while(|e| {
                let fits = bytes < self.config.check_bytes;
                bytes += e.len;
                fits
            })
            .collect();
        if !asked.is_empty() {
            let generation = g.begin.generation;
            let step = Step::Check { slot: g.begin.slot, extents: asked.clone(), rewrite: false };
            self.job(Job::Check { asked, hints: false, generation }, step);
        }
    }

    // ---- the old generation ------------------------------------------------------------------------------------

    /// The new version's first block is safe (or, when much is held of the old one, all of it): the old one may go.
    pub(super) fn promote_if_due(&mut self) {
        let (Some(g), Some(old)) = (&self.current, &self.old) else { return };
        let safe = if self.power() { g.held.claimed() } else { g.held.total() };
        let first_block = g.begin.block_len.min(g.begin.identity.length.unwrap_or(u64::MAX));
        let dear = old.held.total() > self.config.keep_old_above && self.joinable(old);
        let due = g.is_whole() || (safe >= first_block && !dear);
        // Syncs in flight name a slot; it must not change under them.
        let quiet = !self.run.any(|j| !matches!(j, Job::Hint));
        if due && quiet {
            let generation = old.begin.generation;
            if self.planted(Fault::RetireUnrecorded) {
                self.job(Job::Promote, Step::Promote);
            } else {
                self.record(Job::Retire, vec![Record::Retire { generation }], true);
            }
        }
    }

    fn promoted(&mut self) {
        let voiding = self.run.any(|j| matches!(j, Job::Retire));
        self.law(2, !voiding, "a file was replaced before the retirement of its generation was recorded");
        self.old = None;
        if let Some(g) = &mut self.current {
            g.begin.slot = Slot::Main;
        }
        if self.power() {
            self.job(Job::PromoteDir, Step::SyncDir);
        }
    }

    // ---- compaction --------------------------------------------------------------------------------------------

    pub(super) fn compact_if_due(&mut self) {
        let extents = [&self.current, &self.old].into_iter().flatten().map(|g| g.held.list().len() as u64);
        if !self.disk.wants_compaction(extents.sum()) || self.beginning.is_some() {
            return;
        }
        self.disk.compacted();
        let mut records = vec![Record::Source(self.config.source.clone())];
        for g in [&self.old, &self.current].into_iter().flatten() {
            snapshot(g, &mut records);
        }
        self.job(Job::Compact, Step::Compact { records });
    }
}

/// All that a journal must say of a generation.
pub(super) fn snapshot(g: &Generation, records: &mut Vec<Record>) {
    let generation = g.begin.generation;
    records.push(Record::Begin(g.begin.clone()));
    let claims: Vec<Extent> = g
        .held
        .list()
        .iter()
        .filter(|k| k.claimed_len > 0)
        .map(|k| Extent { start: k.extent.start, len: k.claimed_len, crc: k.claimed_crc })
        .collect();
    if !claims.is_empty() {
        records.push(Record::Claim { generation, extents: claims });
    }
    let hints = g.held.dirty().into_iter().chain(g.hints.iter().copied());
    records.extend(hints.map(|extent| Record::Hint { generation, extent }));
}
