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
