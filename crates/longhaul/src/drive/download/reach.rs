//! How far one stream may write: known to the stream, and to the run that may draw it in while it writes.

use std::sync::Mutex;

use longhaul_core::download::step::Grant;

use crate::sync::locked;

/// A stream takes bytes from here before it writes them, so that an end once told is never written over.
pub(crate) struct Reach(Mutex<Bounds>);

struct Bounds {
    /// One past the last byte that was taken.
    taken: u64,
    end: u64,
}

impl Reach {
    pub(crate) fn new(grant: &Grant) -> Self {
        Self(Mutex::new(Bounds { taken: grant.body_start, end: grant.write_end.unwrap_or(u64::MAX) }))
    }

    /// One past the last byte that may be written.
    pub(crate) fn end(&self) -> u64 {
        locked(&self.0).end
    }

    /// Takes up to `len` bytes at `at`; gives how many may be written.
    pub(crate) fn take(&self, at: u64, len: usize) -> usize {
        let mut inner = locked(&self.0);
        let free = usize::try_from(inner.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = len.min(free);
        inner.taken = inner.taken.max(at + len as u64);
        len
    }

    /// Draws the end in, but not behind what is taken; gives where it is now.
    pub(crate) fn draw_in(&self, end: u64) -> u64 {
        let mut inner = locked(&self.0);
        inner.end = inner.end.min(end.max(inner.taken));
        inner.end
    }
}
