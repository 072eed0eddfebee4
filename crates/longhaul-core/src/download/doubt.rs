//! Replies that are not believed at once: that cannot be used, that contradict what is held, that show versions in turn.

use super::Download;
use crate::fault::Fault;
use crate::ranges::Range;
use crate::reply::Suspicion;
use crate::resume::Restart;
use crate::step::{Extent, Failure, Note, Trouble};

impl Download {
    /// Bytes that were held when this was granted came again: they must be the same, or the validator proves nothing. Also
    /// when what lies on the disk was found damaged meanwhile: its checksum is that of the bytes that came first.
    pub(super) fn passed(&mut self, i: usize, extent: Extent) {
        let known = self.streams[i].held.iter().find(|e| (e.start, e.len) == (extent.start, extent.len));
        let differs = known.is_some_and(|e| e.crc != extent.crc);
        if differs && !self.planted(Fault::PassedNotCompared) && !self.lied {
            self.contradicted();
        }
    }

    /// Law 2: before the bytes that were proven wrong are written over or left, no record may vouch for them.
    pub(super) fn void_refuted(&mut self) -> Option<Note> {
        let reason = if self.lied { Restart::ValidatorLied } else { Restart::NotProvable };
        let refuted = self.refuted?;
        let g = self.current.as_mut().filter(|g| g.begin.generation == refuted && g.held.total() > 0)?;
        let all = Range::new(0, u64::MAX);
        let discarded = g.held.void(&[all]);
        self.record_void(refuted, vec![all], reason);
        Some(Note::Restarted { reason, discarded })
    }

    /// Two replies under one validator contradict each other: only a single reply may make the file now.
    pub(super) fn contradicted(&mut self) {
        self.lied = true;
        self.refuted = self.current.as_ref().map(|g| g.begin.generation);
        self.one_reply = true;
        self.probe_next = true;
        self.stop_all();
    }

    /// The object is not the one we hold. Nothing is discarded yet: first ask which one it is.
    pub(super) fn changed(&mut self) {
        self.probe_next = true;
        self.stop_all();
    }

    /// Replies have shown another version, and now ours again: a balancer between two versions, or edges that give the
    /// same bytes different validators. Every other connection would be shown the wrong one.
    pub(super) fn alternates(&mut self) {
        self.alternating = true;
        self.single = true;
    }

    pub(super) fn suspect(&mut self, i: usize, why: Suspicion) {
        self.stop(i);
        self.suspects += 1;
        self.fresh_connection = true;
        if self.suspects >= self.config.suspects_max {
            self.fail(match why {
                Suspicion::Html => Failure::Portal,
                why => Failure::Unusable(why),
            });
        } else {
            self.failed(Trouble::Reply(why), None);
        }
    }

    pub(super) fn failed(&mut self, why: Trouble, retry_after_ms: Option<u64>) {
        match self.retry.failed(self.now, retry_after_ms) {
            Some(delay_ms) => {
                let failures = self.retry.failures();
                self.note(Note::Retry { failures, delay_ms, why });
            }
            None => self.fail(Failure::GaveUp(why)),
        }
    }

    /// Why a reply that was not whole did not help: where versions are shown in turn, that is the trouble.
    pub(super) fn in_vain(&self) -> Option<Trouble> {
        self.alternating.then_some(Trouble::Reply(Suspicion::Alternating))
    }
}
