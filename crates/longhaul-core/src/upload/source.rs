//! Which version of the source is it?
//!
//! [`SourceVersion`] knows the facts that the source shows, and judges bytes by the look that was taken before they
//! were read. Its words:
//!
//! | word | meaning |
//! |---|---|
//! | settled | both times of the source are old enough for a later change to show in them |
//! | firm | bytes that were read under the facts of now, when the source was settled or seen with these for `YOUNG_MS` |
//! | young | bytes that were read under the facts of now, and are not firm |
//! | touched | the facts have changed since the journal recorded them; the bytes may be the same |
//! | doubtful | some bytes were read under other facts, or could not be read: the source has to be looked at |
//!
//! It does not know of parts or requests; what follows from a verdict is decided by the run.

use super::compare::same;
use super::step::{Failure, SourceFacts, SourceLook};
use crate::digest::Digest;
use crate::words::OnChange;
use crate::words::{DiskFault, Millis};

/// How long after a change of the source a later one may leave its times as they are, in milliseconds.
const YOUNG_MS: Millis = 2_000;
/// Changes of the source's facts without a change of its bytes, per run: each means reading what was sent.
const TOUCHES_MAX: u32 = 32;

/// The source, as far as this run has seen it.
#[derive(Debug, Clone)]
pub(super) struct SourceVersion {
    facts: SourceFacts,
    settled: bool,
    /// Since when the source has been seen with these facts.
    seen_at: Millis,
    doubt: Doubt,
    touched: bool,
    touches: u32,
    changes: u32,
    on_change: OnChange,
    changes_max: u32,
    /// The last snapshot whose facts proved no version: a second one that agrees does.
    last_snapshot: Option<(SourceFacts, Vec<Digest>)>,
}

/// Why the source has to be looked at before anything that was read counts.
#[derive(Debug, Clone, PartialEq)]
enum Doubt {
    None,
    /// A read began under other facts.
    OtherFacts,
    /// A read failed: because the source has changed, or because it cannot be read?
    Unreadable(DiskFault),
}

/// How bytes that were read stand to the source as it shows itself now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// They are of the source with these facts: a later change would show in them.
    Firm,
    /// They were read under these facts, when a later change might not show in them yet.
    Young,
    /// They were read under other facts.
    Outdated,
}

/// What a look at the source shows while parts of it are in the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum LookVerdict {
    /// The facts of before.
    Same,
    /// Other facts, and another length: it has changed.
    Changed,
    /// Other facts of a source that may have the same bytes: these have to be read again.
    Touched,
}

/// What a snapshot in memory is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SnapshotVerdict {
    /// It is of one version of the source.
    OneVersion {
        /// The source's times prove which.
        proven: bool,
    },
    /// The source has changed while, or since, it was read.
    Changed,
    /// The source is too long for a snapshot by now.
    TooLong,
    /// It proves no version by itself; another one has to agree with it.
    Unproven,
}

impl SourceVersion {
    /// `on_change` and `changes_max` bound how often the source may change in one run.
    pub(super) fn new(on_change: OnChange, changes_max: u32) -> Self {
        Self {
            facts: SourceFacts::default(),
            settled: false,
            seen_at: 0,
            doubt: Doubt::None,
            touched: false,
            touches: 0,
            changes: 0,
            on_change,
            changes_max,
            last_snapshot: None,
        }
    }

    /// The source as it was found at the start.
    pub(super) fn open(&mut self, now: Millis, found: SourceLook) {
        (self.facts, self.settled, self.seen_at) = (found.facts, found.settled, now);
    }

    pub(super) fn facts(&self) -> SourceFacts {
        self.facts
    }

    /// Its length in bytes, as last seen.
    pub(super) fn len(&self) -> u64 {
        self.facts.len
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.doubt != Doubt::None
    }

    /// A read failed, and the source has not been looked at since.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self.doubt, Doubt::Unreadable(_))
    }

    /// How bytes that were read after the look `before`, by a step of the moment `ordered_at`, stand to the source as
    /// it shows itself now.
    pub(super) fn freshness(&self, before: &SourceLook, ordered_at: Millis) -> Freshness {
        if !self.is_as_in(before) {
            Freshness::Outdated
        } else if before.settled || ordered_at >= self.seen_at.saturating_add(YOUNG_MS) {
            Freshness::Firm
        } else {
            Freshness::Young
        }
    }

    /// Whether it showed the facts of now.
    pub(super) fn is_as_in(&self, look: &SourceLook) -> bool {
        look.facts == self.facts
    }

    // ---- the journal's facts -----------------------------------------------------------------------------------

    /// The journal holds these facts.
    pub(super) fn recorded_as(&mut self, facts: SourceFacts) {
        self.touched = facts != self.facts;
    }

    /// The journal holds the facts of now.
    pub(super) fn recorded(&mut self) {
        self.touched = false;
    }

    /// The journal holds facts that must not be believed.
    pub(super) fn recorded_unproven(&mut self) {
        self.touched = true;
    }

    // ---- doubts ------------------------------------------------------------------------------------------------

    /// Bytes were read under other facts than these.
    pub(super) fn doubt(&mut self) {
        if self.doubt == Doubt::None {
            self.doubt = Doubt::OtherFacts;
        }
    }

    /// A read failed.
    pub(super) fn unreadable(&mut self, fault: DiskFault) {
        self.doubt = Doubt::Unreadable(fault);
    }

    /// An attempt is left: what was read for it does not count, under whichever facts.
    pub(super) fn start_over(&mut self) {
        if self.doubt == Doubt::OtherFacts {
            self.doubt = Doubt::None;
        }
        self.touched = false;
        self.last_snapshot = None;
    }

    /// Counts a change of the source; one too many ends the run.
    pub(super) fn change(&mut self) -> Result<(), Failure> {
        self.changes += 1;
        if self.on_change == OnChange::Stop || self.changes > self.changes_max {
            return Err(Failure::SourceChanged { changes: self.changes });
        }
        Ok(())
    }

    // ---- looks -------------------------------------------------------------------------------------------------

    /// A look while parts of `len` bytes in all are in the store, or on their way.
    pub(super) fn look(&mut self, now: Millis, looked: SourceLook, len: u64) -> Result<LookVerdict, Failure> {
        let doubt = std::mem::replace(&mut self.doubt, Doubt::None);
        self.settled = looked.settled;
        if self.is_as_in(&looked) {
            return match doubt {
                Doubt::Unreadable(fault) => Err(Self::read_failed(fault)),
                _ => Ok(LookVerdict::Same),
            };
        }
        self.see(now, looked.facts);
        if looked.facts.len != len {
            return Ok(LookVerdict::Changed);
        }
        self.touches += 1;
        if self.touches > TOUCHES_MAX {
            return Err(Failure::SourceChanged { changes: self.changes + 1 });
        }
        self.touched = true;
        Ok(LookVerdict::Touched)
    }

    /// A look while none of it counts. Whether it shows other facts.
    pub(super) fn look_anew(&mut self, now: Millis, looked: SourceLook) -> Result<bool, Failure> {
        let other = !self.is_as_in(&looked);
        if let Doubt::Unreadable(fault) = std::mem::replace(&mut self.doubt, Doubt::None) {
            if !other {
                return Err(Self::read_failed(fault));
            }
            self.change()?;
        }
        if other {
            self.see(now, looked.facts);
        }
        self.settled = looked.settled;
        Ok(other)
    }

    /// A snapshot was read between two looks. It is of one version of the source when the facts before and after it are
    /// the same and old enough, or when two in a row are the same.
    pub(super) fn snapshot(
        &mut self,
        now: Millis,
        before: SourceLook,
        after: SourceLook,
        digests: &[Digest],
        len_max: u64,
    ) -> SnapshotVerdict {
        let torn = before.facts != after.facts;
        if !self.is_as_in(&before) || torn {
            self.see(now, after.facts);
        }
        self.settled = before.settled;
        if torn {
            self.last_snapshot = None;
            return SnapshotVerdict::Changed;
        }
        if before.facts.len > len_max {
            return SnapshotVerdict::TooLong;
        }
        if before.settled || digests.is_empty() {
            return SnapshotVerdict::OneVersion { proven: before.settled };
        }
        let last = self.last_snapshot.replace((before.facts, digests.to_vec()));
        // Snapshots that were digested in different ways cannot be compared.
        match last.and_then(|(facts, last)| same(&last, digests).map(|same| same && facts == before.facts)) {
            Some(true) => SnapshotVerdict::OneVersion { proven: false },
            Some(false) => SnapshotVerdict::Changed,
            None => SnapshotVerdict::Unproven,
        }
    }

    fn see(&mut self, now: Millis, facts: SourceFacts) {
        (self.facts, self.seen_at) = (facts, now);
    }

    fn read_failed(fault: DiskFault) -> Failure {
        Failure::Disk { fault, during: "read the source" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::DigestKind;

    fn look(version: i64, len: u64, settled: bool) -> SourceLook {
        SourceLook { facts: SourceFacts { len, mtime_ns: version, ..SourceFacts::default() }, settled }
    }

    fn seen(now: Millis, found: SourceLook) -> SourceVersion {
        let mut source = SourceVersion::new(OnChange::Restart, 2);
        source.open(now, found);
        source
    }

    #[test]
    fn bytes_are_firm_under_old_facts_that_are_still_shown() {
        let source = seen(100, look(1, 5, false));
        for (before, ordered_at, want) in [
            (look(1, 5, true), 0, Freshness::Firm),
            (look(1, 5, false), 100 + YOUNG_MS - 1, Freshness::Young),
            (look(1, 5, false), 100 + YOUNG_MS, Freshness::Firm),
            (look(2, 5, true), 100 + YOUNG_MS, Freshness::Outdated),
        ] {
            assert_eq!(source.freshness(&before, ordered_at), want, "{before:?} at {ordered_at}");
        }
    }

    #[test]
    fn a_look_tells_a_touch_from_a_change_and_a_change_from_a_broken_disk() {
        let mut source = seen(0, look(1, 5, true));
        source.doubt();
        assert_eq!(source.look(1, look(1, 5, true), 5), Ok(LookVerdict::Same));
        assert!(!source.is_doubtful());
        assert_eq!(source.look(1, look(2, 5, true), 5), Ok(LookVerdict::Touched));
        assert!(source.is_touched());
        source.unreadable(DiskFault::Io);
        assert_eq!(source.look(1, look(3, 6, true), 5), Ok(LookVerdict::Changed), "that is why it could not be read");
        source.unreadable(DiskFault::Io);
        source.doubt();
        let failure = source.look(1, look(3, 6, true), 6);
        assert!(matches!(failure, Err(Failure::Disk { fault: DiskFault::Io, .. })), "{failure:?}");
    }

    #[test]
    fn touches_and_changes_have_bounds() {
        let mut source = seen(0, look(0, 5, true));
        let touch = |source: &mut SourceVersion, version| source.look(1, look(version, 5, true), 5);
        assert!((1..=32).all(|version| touch(&mut source, version) == Ok(LookVerdict::Touched)));
        assert_eq!(touch(&mut source, 33), Err(Failure::SourceChanged { changes: 1 }));
        assert_eq!((source.change(), source.change()), (Ok(()), Ok(())));
        assert_eq!(source.change(), Err(Failure::SourceChanged { changes: 3 }));
        assert!(SourceVersion::new(OnChange::Stop, 9).change().is_err());
    }

    #[test]
    fn a_snapshot_proves_itself_or_is_taken_twice() {
        let digest = |value: u8| vec![Digest::new(DigestKind::Crc64, [value; 8]).expect("eight bytes")];
        let mut source = seen(0, look(1, 5, true));
        let mut take = |before, after, value| source.snapshot(1, before, after, &digest(value), 10);
        let (old, young) = (look(1, 5, true), look(1, 5, false));
        assert_eq!(take(old, old, 1), SnapshotVerdict::OneVersion { proven: true });
        assert_eq!(take(young, young, 1), SnapshotVerdict::Unproven);
        assert_eq!(take(young, young, 1), SnapshotVerdict::OneVersion { proven: false });
        assert_eq!(take(young, young, 2), SnapshotVerdict::Changed, "its times hid that");
        assert_eq!(take(young, look(2, 5, false), 2), SnapshotVerdict::Changed);
        assert_eq!(
            take(look(2, 5, false), look(2, 5, false), 2),
            SnapshotVerdict::Unproven,
            "the torn one does not count"
        );
        assert_eq!(take(look(3, 11, true), look(3, 11, true), 3), SnapshotVerdict::TooLong);
    }
}
