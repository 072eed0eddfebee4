//! How much one request asks for: what no stream brings, in pieces.
//!
//! A piece that ends by itself leaves its connection in order, with the window that it has reached; a stream that is
//! drawn in does not. So a request asks for what its connection brings in some seconds, and for less towards the end:
//! half of what lacks is divided among the connections, then half of the rest, and so on. What a stream has that
//! another one takes over from is free behind that one, and is asked for in pieces as well.

use super::{PIECE_LENGTHS, ServerLine, align};
use crate::download::resume::Generation;
use crate::ranges::Range;
use crate::words::Millis;

/// A piece is at most what a connection brings in this time, or in so many round trips, of which one is lost between two
/// pieces.
const PIECE_MS: Millis = 4_000;
const PIECE_ROUND_TRIPS: u64 = 20;
/// ... and at least what it brings in so many, and half of the time for which a rest may lie.
const LEAST_ROUND_TRIPS: u64 = 8;

impl ServerLine {
    /// The first part of a gap that no stream is writing.
    pub(in crate::download) fn unreserved(&self, gap: Range) -> Option<Range> {
        let mut start = gap.start;
        while let Some(end) = self.reserved().find(|r| r.start <= start && start < r.end).map(|r| r.end) {
            start = end;
        }
        let next = self.streams.iter().map(|s| s.range.start).filter(|&s| s > start).min().unwrap_or(u64::MAX);
        let end = gap.end.min(next);
        (start < end).then_some(Range { start, end })
    }

    /// What each stream will bring, as far as others do not take over from it.
    fn reserved(&self) -> impl Iterator<Item = Range> + '_ {
        self.streams.iter().map(|s| {
            let later = self.streams.iter().map(|other| other.range.start).filter(|&start| start > s.range.start);
            Range::new(s.range.start, later.fold(s.range.end, u64::min))
        })
    }

    /// Bytes that are not held, and that no stream will bring.
    fn unasked(&self, g: &Generation, end: u64) -> u64 {
        let reserved: Vec<Range> = self.reserved().collect();
        let common = |gap: Range| {
            let both = |r: &Range| r.end.min(gap.end).saturating_sub(r.start.max(gap.start));
            reserved.iter().map(both).sum::<u64>()
        };
        g.held.gaps(end).map(|gap| gap.len().saturating_sub(common(gap))).sum()
    }

    /// Where a piece that begins at a gap ends.
    pub(in crate::download) fn piece(&self, now: Millis, g: &Generation, gap: Range, end: u64) -> u64 {
        let len = self.piece_len(now, g, self.unasked(g, end));
        self.end_of(g, gap, len)
    }

    /// Where so many bytes of a gap end: no crumbs are left, and no new extent begins in the middle of a block.
    pub(super) fn end_of(&self, g: &Generation, gap: Range, len: u64) -> u64 {
        let end = align(g, gap.start.saturating_add(len));
        if gap.end.saturating_sub(end) < self.piece_min / 2 { gap.end } else { end }
    }

    /// The length of the next piece of so many bytes that no stream brings.
    pub(super) fn piece_len(&self, now: Millis, g: &Generation, unasked: u64) -> u64 {
        let connections = u64::from(self.allowed()).max(1);
        let idle = connections.saturating_sub(self.streams.len() as u64).max(1);
        let round_trip_ms = self.round_trip_ms.unwrap_or(0);
        let brings = |ms: u64| self.takers_rate(now).saturating_mul(ms) / 1000;
        let longest = self.range_len.saturating_mul(PIECE_LENGTHS).max(self.piece_min);
        let most = match brings(PIECE_MS.max(PIECE_ROUND_TRIPS * round_trip_ms)) {
            0 => self.range_len, // no byte came yet
            most => most,
        };
        let least = brings(self.share_after_ms / 2 + LEAST_ROUND_TRIPS * round_trip_ms);
        let (most, least) = (most.clamp(self.piece_min, longest), least.clamp(self.piece_min, longest));
        // What streams have that are divided later counts as well.
        let missing = g.begin.identity.length.map_or(unasked, |length| length.saturating_sub(g.held.total()));
        let half_of_all = missing.div_ceil(2 * connections);
        half_of_all.max(least).min(most.max(least)).min(unasked.div_ceil(idle).max(self.piece_min))
    }
}
