//! Which bytes do we hold, and in which state?
//!
//! [`Held`] keeps the extents of one generation in order, without overlaps. An extent grows as its stream writes; how
//! much of it is claimed (synced, and recorded as such) is kept beside it, so that a failed sync can take back exactly
//! the rest. An extent found in a journal is *unread* until its bytes were read back and matched.
//!
//! Extents end at block boundaries and a stream continues the extent before it, so their number is bounded by the
//! number of blocks (8192) plus the number of gaps.

use crate::ranges::Range;
use crate::words::Extent;

/// Which of the two files that may hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// `NAME.lhpart`.
    Main,
    /// `NAME.lhnext`: a new generation, until the old one may go.
    Next,
}

/// One extent and its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldExtent {
    /// All of it, as written.
    pub extent: Extent,
    /// How much of it, from its start, is claimed; 0 when none of it is.
    pub claimed_len: u64,
    /// The CRC of the claimed part.
    pub claimed_crc: u64,
    /// Written or read back in this run, so that its CRC is known to be that of the file.
    pub read: bool,
}

/// The extents of one generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    list: Vec<HeldExtent>,
    total: u64,
    unclaimed: u64,
}

impl Held {
    /// Bytes held.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes held that no claim covers.
    pub fn unclaimed(&self) -> u64 {
        self.unclaimed
    }

    /// Bytes claimed.
    pub fn claimed(&self) -> u64 {
        self.total - self.unclaimed
    }

    /// The extents, by start.
    pub fn list(&self) -> &[HeldExtent] {
        &self.list
    }

    /// Takes up a written extent, or the longer form of one. Returns whether it fits: it must not overlap another
    /// extent, nor shrink. An extent that does not fit replaces what it overlaps.
    pub fn grow(&mut self, extent: Extent) -> bool {
        let i = self.list.partition_point(|k| k.extent.start < extent.start);
        let free_before = i == 0 || self.list[i - 1].extent.end() <= extent.start;
        let free_from = |j: usize| self.list.get(j).is_none_or(|k| k.extent.start >= extent.end());
        let same = self.list.get(i).is_some_and(|k| k.extent.start == extent.start && k.extent.len <= extent.len);
        let fits = free_before && free_from(if same { i + 1 } else { i });
        if fits && same {
            let kept = &mut self.list[i];
            let more = extent.len - kept.extent.len;
            kept.extent = extent;
            kept.read = true;
            self.total += more;
            self.unclaimed += more;
            return true;
        }
        if !fits {
            self.void(&[extent.range()]);
        }
        let i = self.list.partition_point(|k| k.extent.start < extent.start);
        self.list.insert(i, HeldExtent { extent, claimed_len: 0, claimed_crc: 0, read: true });
        self.total += extent.len;
        self.unclaimed += extent.len;
        fits
    }

    /// Takes up a claimed extent from a journal, not yet read back; refuses one that overlaps.
    pub fn recover(&mut self, extent: Extent, read: bool) -> bool {
        let i = self.list.partition_point(|k| k.extent.start < extent.start);
        let free = self.list.get(i).is_none_or(|k| k.extent.start >= extent.end())
            && (i == 0 || self.list[i - 1].extent.end() <= extent.start);
        if free {
            self.list.insert(i, HeldExtent { extent, claimed_len: extent.len, claimed_crc: extent.crc, read });
            self.total += extent.len;
        }
        free
    }

    /// The extents with bytes that no claim covers, whole.
    pub fn dirty(&self) -> Vec<Extent> {
        self.list.iter().filter(|k| k.claimed_len < k.extent.len).map(|k| k.extent).collect()
    }

    /// Whether the extent that starts here was written or read back in this run.
    pub fn is_read(&self, start: u64) -> bool {
        self.list.binary_search_by_key(&start, |k| k.extent.start).is_ok_and(|i| self.list[i].read)
    }

    /// Whether this extent is held at least to its length.
    pub fn reaches(&self, e: &Extent) -> bool {
        let found = self.list.binary_search_by_key(&e.start, |k| k.extent.start);
        found.is_ok_and(|i| self.list[i].extent.len >= e.len)
    }

    /// A completed sync covered these extents, as long as they were then. Gives the bytes that no claim covered before.
    pub fn claim(&mut self, synced: &[Extent]) -> u64 {
        let before = self.unclaimed;
        for e in synced {
            if let Ok(i) = self.list.binary_search_by_key(&e.start, |k| k.extent.start) {
                let kept = &mut self.list[i];
                if kept.extent.len >= e.len && kept.claimed_len < e.len {
                    self.unclaimed -= e.len - kept.claimed_len;
                    kept.claimed_len = e.len;
                    kept.claimed_crc = e.crc;
                }
            }
        }
        before - self.unclaimed
    }

    /// Gives up every byte that no claim covers, and says which.
    pub fn drop_unclaimed(&mut self) -> Vec<Range> {
        let mut dropped = Vec::new();
        self.list.retain_mut(|k| {
            if k.claimed_len < k.extent.len {
                dropped.push(Range::new(k.extent.start + k.claimed_len, k.extent.end()));
                k.extent = Extent { start: k.extent.start, len: k.claimed_len, crc: k.claimed_crc };
            }
            k.extent.len > 0
        });
        self.recount();
        dropped
    }

    /// Gives up every extent that overlaps one of these ranges, and says how many bytes that were.
    pub fn void(&mut self, ranges: &[Range]) -> u64 {
        let before = self.total;
        self.list.retain(|k| !ranges.iter().any(|r| r.overlaps(k.extent.range())));
        self.recount();
        before - self.total
    }

    fn recount(&mut self) {
        self.total = self.list.iter().map(|k| k.extent.len).sum();
        self.unclaimed = self.list.iter().map(|k| k.extent.len - k.claimed_len).sum();
    }

    /// Every extent has to be read back again.
    pub fn forget_read(&mut self) {
        self.list.iter_mut().for_each(|k| k.read = false);
    }

    /// These extents were read back and match.
    pub fn mark_read(&mut self, extents: &[Extent]) {
        for e in extents {
            if let Ok(i) = self.list.binary_search_by_key(&e.start, |k| k.extent.start) {
                self.list[i].read |= self.list[i].extent == *e;
            }
        }
    }

    /// The extent that exactly matches in place and length, if held.
    pub fn get(&self, start: u64, len: u64) -> Option<&HeldExtent> {
        let i = self.list.binary_search_by_key(&start, |k| k.extent.start).ok()?;
        Some(&self.list[i]).filter(|k| k.extent.len == len)
    }

    /// The extent that ends at `offset`, if there is one.
    pub fn ending_at(&self, offset: u64) -> Option<&HeldExtent> {
        let i = self.list.partition_point(|k| k.extent.start < offset);
        i.checked_sub(1).map(|i| &self.list[i]).filter(|k| k.extent.end() == offset)
    }

    /// The gaps below `end`, in order; the last one is open when `end` is `u64::MAX`.
    pub fn gaps(&self, end: u64) -> impl Iterator<Item = Range> + '_ {
        let mut at = 0;
        let mut list = self.list.iter();
        std::iter::from_fn(move || {
            while at < end {
                match list.next() {
                    Some(k) => {
                        let gap = Range::new(at, k.extent.start.min(end));
                        at = at.max(k.extent.end());
                        if !gap.is_empty() {
                            return Some(gap);
                        }
                    }
                    None => {
                        let gap = Range::new(at, end);
                        at = end;
                        return Some(gap);
                    }
                }
            }
            None
        })
    }

    /// Whether every byte below `length` is held.
    pub fn covers(&self, length: u64) -> bool {
        self.gaps(length).next().is_none()
    }

    /// Length of the run of held bytes from offset 0.
    pub fn front(&self) -> u64 {
        self.gaps(u64::MAX).next().map_or(u64::MAX, |g| g.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn e(start: u64, len: u64) -> Extent {
        Extent { start, len, crc: start * 1000 + len }
    }

    #[test]
    fn extents_grow_and_gaps_are_what_is_missing() {
        let mut held = Held::default();
        assert!(held.grow(e(8, 4)));
        assert!(held.grow(e(8, 8)));
        assert!(held.grow(e(0, 3)));
        assert_eq!(held.total(), 11);
        assert_eq!(held.gaps(20).collect::<Vec<_>>(), [Range::new(3, 8), Range::new(16, 20)]);
        assert_eq!(held.front(), 3);
        assert!(held.grow(e(0, 8)));
        assert!(held.covers(16) && !held.covers(17));
        assert!(!held.grow(e(4, 2)), "an overlap is noticed");
    }

    #[test]
    fn a_failed_sync_takes_back_exactly_what_was_not_claimed() {
        let mut held = Held::default();
        held.grow(e(0, 4));
        held.claim(&[e(0, 4)]);
        held.grow(e(0, 8));
        held.grow(e(8, 2));
        assert_eq!((held.claimed(), held.unclaimed()), (4, 6));
        assert_eq!(held.drop_unclaimed(), [Range::new(4, 8), Range::new(8, 10)]);
        assert_eq!(held.list()[0].extent, e(0, 4));
        assert_eq!((held.total(), held.unclaimed()), (4, 0));
    }

    #[test]
    fn recovered_extents_that_overlap_are_refused() {
        let mut held = Held::default();
        assert!(held.recover(e(0, 8), false));
        assert!(!held.recover(e(4, 8), false));
        assert!(held.recover(e(8, 8), false));
        assert!(held.list().iter().all(|k| !k.read));
        held.mark_read(&[e(0, 8)]);
        assert!(held.list()[0].read && !held.list()[1].read);
    }
}
