//! Where the bytes of a transfer are: for maps of pieces.

use longhaul_core::ranges::{Range, folded, joined};

/// The most ranges in one list of a [`PieceMap`].
pub const PIECES_MAX: usize = 4096;

/// Where the bytes of a transfer are. Ranges are half-open, `(start, end)`, in bytes of the file (of an upload: of its
/// source), ascending, and do not touch.
///
/// Each list has at most [`PIECES_MAX`] ranges. Where there would be more, it tells what is there of a grid, whole cells
/// only: it leaves something out then, and never says too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PieceMap {
    /// Length of the file, when known.
    pub total: Option<u64>,
    /// Received and written; of an upload, acknowledged by the store.
    pub held: Vec<(u64, u64)>,
    /// Of these, what a power cut cannot take any more; of an upload, all of it.
    pub durable: Vec<(u64, u64)>,
    /// What requests under way still have to bring; of an upload, what the parts are of that are being sent.
    pub in_flight: Vec<(u64, u64)>,
}

impl PieceMap {
    pub(crate) fn of(total: Option<u64>, held: Vec<Range>, durable: Vec<Range>, in_flight: Vec<Range>) -> Self {
        let list = |ranges| folded(ranges, PIECES_MAX).into_iter().map(|range| (range.start, range.end)).collect();
        Self { total, held: list(held), durable: list(durable), in_flight: list(in_flight) }
    }

    pub(crate) fn whole(bytes: u64) -> Self {
        let all = || joined([Range::new(0, bytes)]);
        Self::of(Some(bytes), all(), all(), Vec::new())
    }
}
