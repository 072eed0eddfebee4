//! The file that is uploaded: it is written, touched, replaced and cut short, sometimes without a trace.

use longhaul_core::ranges::Range;
use longhaul_core::upload::step::{SourceFacts, SourceLook};

use super::content::Bytes;
use crate::rng::Rng;

/// How long after a change another one may leave all facts as they are, in milliseconds.
const YOUNG_MS: u64 = 2_000;

#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Every version that it ever had, with the moment from which on it had it.
    pub(crate) versions: Vec<(u64, Bytes)>,
    pub(crate) facts: SourceFacts,
    /// When its facts were made.
    dated: u64,
    stamp: i64,
    /// How often its facts changed.
    pub(crate) changes: u32,
    /// How often its bytes changed and its facts did not.
    pub(crate) hidden: u32,
}

impl Source {
    pub(crate) fn new(rng: &mut Rng, len: usize, now: u64) -> Self {
        let seed = rng.next();
        let bytes = Bytes::new((0..len).map(|i| (seed >> (i % 8 * 8)) as u8 & 0x7f));
        let facts = SourceFacts { len: len as u64, device: 1, inode: 2, mtime_ns: 1, ctime_ns: 1 };
        Self { versions: vec![(0, bytes)], facts, dated: now, stamp: 1, changes: 0, hidden: 0 }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.versions[self.versions.len() - 1].1
    }

    pub(crate) fn look(&self, now: u64) -> SourceLook {
        SourceLook { facts: self.facts, settled: now >= self.dated + YOUNG_MS }
    }

    /// What a read finds of a range; `None` when it is cut short.
    pub(crate) fn read(&self, range: Range) -> Option<Bytes> {
        let bytes = self.bytes().slice(range);
        (bytes.len() as u64 == range.len()).then_some(bytes)
    }

    /// Something happens to it; what, in words.
    pub(crate) fn change(&mut self, rng: &mut Rng, now: u64) -> &'static str {
        let mut bytes = *self.bytes();
        let young = now < self.dated + YOUNG_MS;
        let what = rng.below(9);
        if what == 0 || what == 8 {
            self.date(now, rng.coin());
            return "touched";
        }
        if what == 1 && bytes.len() < 15 {
            bytes.push(rng.below(128) as u8);
            self.facts.len += 1;
            self.put(bytes, now);
            self.date(now, true);
            return "longer";
        }
        if what == 2 && bytes.len() > 1 {
            bytes = bytes.slice(Range::new(0, bytes.len() as u64 - 1));
            self.facts.len -= 1;
            self.put(bytes, now);
            self.date(now, true);
            return "shorter";
        }
        if bytes.len() == 0 {
            return "as before";
        }
        // One byte, or all of them.
        let at = rng.below(bytes.len() as u64) as usize;
        if rng.coin() {
            bytes = Bytes::new(bytes.as_slice().iter().enumerate().map(|(i, b)| b ^ if i == at { 0x41 } else { 0 }));
        } else {
            let mask = rng.between(1, 127) as u8;
            bytes = Bytes::new(bytes.as_slice().iter().map(|b| b ^ mask));
        }
        let hidden = young && rng.percent(70) && !self.brings_back(&bytes);
        self.put(bytes, now);
        if hidden {
            self.hidden += 1;
            return "another, and nothing shows it";
        }
        let keeps_mtime = rng.coin();
        self.date(now, !keeps_mtime);
        if keeps_mtime { "another, with size and mtime kept" } else { "another" }
    }

    /// Some of these bytes were there before the last hidden change, and are not there now. A reader that reads twice
    /// within the two seconds takes them for unchanged. Longhaul does not wait for a fresh source to settle
    /// (docs/decisions/0014) and does not promise to notice this, so such a change shows in the times here.
    fn brings_back(&self, bytes: &Bytes) -> bool {
        let (now, new) = (self.bytes().as_slice(), bytes.as_slice());
        let differs = |i: usize, old: &[u8]| now.get(i) != new.get(i) && old.get(i) == new.get(i);
        let unseen = self.versions.iter().filter(|(at, _)| *at >= self.dated);
        unseen.into_iter().any(|(_, old)| (0..new.len()).any(|i| differs(i, old.as_slice())))
    }

    fn put(&mut self, bytes: Bytes, now: u64) {
        self.versions.push((now, bytes));
    }

    fn date(&mut self, now: u64, mtime: bool) {
        self.stamp += 1;
        self.changes += 1;
        self.facts.ctime_ns = self.stamp;
        if mtime {
            self.facts.mtime_ns = self.stamp;
        }
        self.dated = now;
    }

    /// Whether these bytes were the source's at some moment since then.
    pub(crate) fn was(&self, bytes: &Bytes, since: u64) -> bool {
        self.versions.iter().enumerate().any(|(i, (_, version))| {
            let until = self.versions.get(i + 1).map_or(u64::MAX, |(at, _)| *at);
            version == bytes && until >= since
        })
    }
}
