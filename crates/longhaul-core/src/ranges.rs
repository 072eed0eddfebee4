//! Half-open byte ranges, `start..end`, and the grid of blocks that extents are cut at.

use std::fmt;

/// A half-open range of bytes: `start` included, `end` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// One past the last byte; never below `start`.
    pub end: u64,
}

impl Range {
    /// The range `start..end`; an `end` below `start` gives an empty range at `start`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: end.max(start) }
    }

    /// How many bytes.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds no byte.
    pub fn is_empty(self) -> bool {
        self.end == self.start
    }

    /// Whether both share at least one byte.
    pub fn overlaps(self, other: Range) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// Ranges that come ascending by their start, with those that touch or overlap made one, and without empty ones.
pub fn joined(ranges: impl IntoIterator<Item = Range>) -> Vec<Range> {
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// No more than `most` (at least 1) of these ranges, which are ascending and do not touch: where there are more, what is
/// covered of a grid, whole cells only. No byte is in the outcome that was not covered before.
pub fn folded(ranges: Vec<Range>, most: usize) -> Vec<Range> {
    let most = most.max(1);
    if ranges.len() <= most {
        return ranges;
    }
    let end = ranges.last().map_or(0, |range| range.end);
    // Ranges of whole cells that do not touch are at most half as many as cells.
    let cell = end.div_ceil(most as u64).max(1).next_power_of_two();
    let whole = |range: Range| Range::new(range.start.next_multiple_of(cell), range.end / cell * cell);
    ranges.into_iter().map(whole).filter(|range| !range.is_empty()).collect()
}

/// Most blocks that an object is divided into (beyond it blocks grow), so that what we remember of a transfer stays
/// small for objects of any size.
pub const BLOCKS_MAX: u64 = 8192;

/// Blocks of an object whose length is not known are so many times as long as the least: it may be large, and it comes
/// over one connection.
const OF_UNKNOWN_LENGTH: u64 = 4;

/// The length of a block for an object of `length` bytes: `block_len_min` (a power of two) up to 8192 of them, then
/// the size divided by 8192, rounded up to a power of two.
pub fn block_len(length: Option<u64>, block_len_min: u64) -> u64 {
    let least = block_len_min.max(1);
    let wanted = length.map_or(least.saturating_mul(OF_UNKNOWN_LENGTH), |length| length.div_ceil(BLOCKS_MAX));
    // An object near u64::MAX still has a block length that fits.
    wanted.max(least).checked_next_power_of_two().unwrap_or(1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(list: &[(u64, u64)]) -> Vec<Range> {
        list.iter().map(|&(start, end)| Range::new(start, end)).collect()
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let given = ranges(&[(0, 4), (4, 8), (9, 9), (10, 20), (12, 14), (21, 22)]);
        assert_eq!(joined(given), ranges(&[(0, 8), (10, 20), (21, 22)]));
    }

    /// Folding forgets bytes and invents none.
    #[test]
    fn folding_is_bounded_and_never_says_too_much() {
        for (count, len, gap) in [(10_000, 1, 1), (10_000, 1_000_000, 1), (5_000, 7, 4_099), (4_096, 3, 9)] {
            let given: Vec<Range> = (0..count).map(|i| Range::new(i * (len + gap), i * (len + gap) + len)).collect();
            let folded = folded(given.clone(), 4_096);
            assert!(folded.len() <= 4_096, "{}", folded.len());
            for range in &folded {
                let i = given.partition_point(|g| g.end < range.end);
                assert!(given[i].start <= range.start && range.end <= given[i].end, "{range} was not covered");
            }
        }
        let long = ranges(&[(0, 1_000), (1_001, 1_002), (1_003, 1_004)]);
        assert_eq!(folded(long, 2), ranges(&[(0, 512)]), "cells of 512 bytes");
        assert_eq!(folded(ranges(&[(5, 9), (10, 12)]), 2), ranges(&[(5, 9), (10, 12)]));
    }

    #[test]
    fn a_range_without_bytes_shares_none() {
        let range = |start, end| Range::new(start, end);
        assert!(range(0, 5).overlaps(range(4, 9)) && !range(0, 5).overlaps(range(5, 9)));
        assert!(!range(0, 5).overlaps(range(3, 3)) && !range(3, 3).overlaps(range(0, 5)));
    }

    #[test]
    fn blocks_grow_beyond_two_gib() {
        const LEAST: u64 = 256 << 10;
        for (length, want) in [
            (None, 4 * LEAST),
            (Some(0), LEAST),
            (Some(2 << 30), LEAST),
            (Some((2 << 30) + 1), 2 * LEAST),
            (Some(100 << 30), 16 << 20),
            (Some(u64::MAX), 1 << 51),
        ] {
            assert_eq!(block_len(length, LEAST), want, "{length:?}");
        }
    }
}
