//! Where the bytes of one reply go: what to skip, write, or hold against bytes that are held already.
//!
//! A [`Sink`] carries out one [`Grant`] of the core. It cuts what it writes into extents at block boundaries, keeps
//! their CRCs as the bytes pass, and says from time to time what was written. The core decides.
//!
//! How often it says so is a trade-off: a report becomes a hint in the journal, and what was not hinted is fetched
//! again after a kill; each costs a small write and a change of threads. A slow line reports every [`REPORT_EVERY`]
//! once [`REPORT_SMALL`] came, a fast one every [`REPORT_LARGE`]. Bytes come in bursts: the last of a burst are
//! reported when their time has come ([`Sink::report_at`]), not when the next burst does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::download::step::Grant;
use longhaul_core::words::Extent;

use super::reach::Reach;
use crate::disk::beside::part_file::PartFile;
use crate::disk::crc::RunningCrc;
use crate::disk::error::DiskError;

/// On a slow line, a report once this many bytes came …
const REPORT_SMALL: u64 = 64 << 10;
/// … and this much time passed.
const REPORT_EVERY: Duration = Duration::from_millis(5);
/// Any bytes at all are reported after this time.
const REPORT_LATEST: Duration = Duration::from_millis(250);
/// On a fast line, a report after this many bytes at the latest. Two reports may be on their way to the journal
/// (`DownloadShared::reports`), and as much again lies in the HTTP layer's buffer: what a kill may cost stays within 1
/// MiB.
const REPORT_LARGE: u64 = 256 << 10;
/// One write: small enough that the CRC finds the bytes in the cache, large enough to be few.
const WRITE_MAX: usize = 64 << 10;

/// What the sink has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SinkReport {
    /// These bytes are in the file.
    Wrote(Extent),
    /// These bytes came, and are held already.
    Passed(Extent),
}

/// An extent that grows.
struct Growing {
    start: u64,
    len: u64,
    crc: RunningCrc,
}

impl Growing {
    fn extent(&self) -> Extent {
        Extent { start: self.start, len: self.len, crc: self.crc.value() }
    }
}

/// Carries out one grant.
pub(crate) struct Sink {
    file: Arc<PartFile>,
    grant: Grant,
    reach: Arc<Reach>,
    /// Bytes of the body still to come that are of no use.
    skip: u64,
    at: u64,
    growing: Option<Growing>,
    passing: Option<Growing>,
    next_held: usize,
    unreported: u64,
    reported_at: Instant,
}

impl Sink {
    pub(crate) fn new(file: Arc<PartFile>, grant: Grant, reach: Arc<Reach>, now: Instant) -> Self {
        let growing =
            grant.continues.map(|e| Growing { start: e.start, len: e.len, crc: RunningCrc::continuing(e.crc) });
        let (at, skip) = (grant.body_start, grant.skip);
        Self { file, grant, reach, skip, at, growing, passing: None, next_held: 0, unreported: 0, reported_at: now }
    }

    /// The offset of the next byte of the body.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Whether the granted end is reached; what follows is not taken.
    pub(crate) fn is_full(&self) -> bool {
        self.at >= self.reach.end()
    }

    /// Takes the next bytes of the body, as far as granted.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        now: Instant,
        reports: &mut Vec<SinkReport>,
    ) -> Result<(), DiskError> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() && !self.is_full() {
            let wanted = self.piece_len(bytes.len());
            let (piece, rest) = bytes.split_at(self.reach.take(self.at, wanted));
            if piece.is_empty() {
                break; // drawn in just now
            }
            if self.at < self.grant.write_start {
                self.at += piece.len() as u64;
            } else if let Some(held) = self.held_here() {
                self.pass(held, piece, reports);
            } else {
                self.write(piece, now, reports)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// DownloadReports what is written and unreported.
    pub(crate) fn flush(&mut self, now: Instant, reports: &mut Vec<SinkReport>) {
        if let Some(growing) = self.growing.as_ref().filter(|_| self.unreported > 0) {
            reports.push(SinkReport::Wrote(growing.extent()));
            self.unreported = 0;
            self.reported_at = now;
        }
    }

    /// When written bytes have to be reported, if no more come before.
    pub(crate) fn report_at(&self) -> Option<Instant> {
        let wait = match self.unreported {
            0 => return None,
            1..REPORT_SMALL => REPORT_LATEST,
            _ => REPORT_EVERY,
        };
        Some(self.reported_at + wait)
    }

    /// The held extent that the next byte lies in.
    fn held_here(&mut self) -> Option<Extent> {
        while let Some(held) = self.grant.held.get(self.next_held) {
            if self.at < held.start {
                return None;
            }
            if self.at < held.end() {
                return Some(*held);
            }
            self.next_held += 1;
        }
        None
    }

    /// How many of `available` bytes have the same fate.
    fn piece_len(&mut self, available: usize) -> usize {
        let mut end = u64::MAX;
        if self.at < self.grant.write_start {
            end = self.grant.write_start;
        } else if let Some(held) = self.held_here() {
            end = end.min(held.end());
        } else {
            let block_end = (self.at / self.grant.block_len + 1).saturating_mul(self.grant.block_len);
            end = end.min(block_end);
            if let Some(next) = self.grant.held.get(self.next_held) {
                end = end.min(next.start);
            }
            end = end.min(self.at + WRITE_MAX as u64);
        }
        usize::try_from(end - self.at).unwrap_or(usize::MAX).min(available)
    }

    fn pass(&mut self, held: Extent, piece: &[u8], reports: &mut Vec<SinkReport>) {
        let passing = self.passing.get_or_insert_with(|| Growing { start: self.at, len: 0, crc: RunningCrc::new() });
        passing.crc.update(piece);
        passing.len += piece.len() as u64;
        self.at += piece.len() as u64;
        if self.at == held.end()
            && let Some(passed) = self.passing.take()
        {
            reports.push(SinkReport::Passed(passed.extent()));
        }
    }

    fn write(&mut self, piece: &[u8], now: Instant, reports: &mut Vec<SinkReport>) -> Result<(), DiskError> {
        self.file.write_at(self.at, piece)?;
        let growing = self.growing.get_or_insert_with(|| Growing { start: self.at, len: 0, crc: RunningCrc::new() });
        growing.crc.update(piece);
        growing.len += piece.len() as u64;
        self.at += piece.len() as u64;
        self.unreported += piece.len() as u64;
        let held_next = self.grant.held.get(self.next_held).is_some_and(|h| h.start == self.at);
        let extent_ends = self.at.is_multiple_of(self.grant.block_len) || held_next || self.is_full();
        let waited = now.saturating_duration_since(self.reported_at);
        let due = self.unreported >= REPORT_LARGE
            || (self.unreported >= REPORT_SMALL && waited >= REPORT_EVERY)
            || waited >= REPORT_LATEST;
        if extent_ends || due {
            self.flush(now, reports);
        }
        if extent_ends {
            self.growing = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::beside::place::Place;
    use crate::disk::crc::crc64;
    use crate::disk::folder::Folder;
    use longhaul_core::download::held::Slot;

    const BODY: &[u8] = b"The quick brown fox jumps over the lazy dog, twice, and once more for luck.";

    fn extent(start: usize, end: usize) -> Extent {
        Extent { start: start as u64, len: (end - start) as u64, crc: crc64(&BODY[start..end]) }
    }

    fn grant() -> Grant {
        Grant {
            slot: Slot::Main,
            skip: 0,
            body_start: 0,
            write_start: 0,
            write_end: None,
            block_len: 16,
            continues: None,
            held: Vec::new(),
        }
    }

    /// Carries a grant out over `body` in pieces of `step` bytes; gives the file and the last report of each extent.
    fn carry_out(grant: &Grant, body: &[u8], step: usize) -> (Vec<u8>, Vec<SinkReport>, u64) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(Folder::open(dir.path()).unwrap(), "f".as_ref()).unwrap();
        let file = PartFile::create_main(&place).unwrap();
        let now = Instant::now();
        let reach = Arc::new(Reach::new(grant));
        let mut sink = Sink::new(Arc::new(file), grant.clone(), reach, now);
        let mut reports = Vec::new();
        for piece in body.chunks(step) {
            sink.take(piece, now, &mut reports).unwrap();
        }
        sink.flush(now, &mut reports);
        let at = sink.at();
        (std::fs::read(dir.path().join("f.lhpart")).unwrap(), reports, at)
    }

    /// The same outcome whatever the pieces, down to single bytes.
    fn expect(grant: &Grant, body: &[u8], file: &[u8], reports: &[SinkReport], at: usize) {
        for step in [1, 2, 7, 16, 17, body.len()] {
            let got = carry_out(grant, body, step);
            assert_eq!((got.0.as_slice(), got.1.as_slice(), got.2), (file, reports, at as u64), "pieces of {step}");
        }
    }

    #[test]
    fn extents_are_cut_at_blocks_whatever_the_pieces() {
        let reports =
            [(0, 16), (16, 32), (32, 48), (48, 64), (64, BODY.len())].map(|(a, b)| SinkReport::Wrote(extent(a, b)));
        expect(&grant(), BODY, BODY, &reports, BODY.len());
    }

    #[test]
    fn an_early_start_is_trimmed_and_the_end_is_not_passed() {
        let grant = Grant { body_start: 10, write_start: 20, write_end: Some(40), ..grant() };
        let mut file = vec![0; 20];
        file.extend_from_slice(&BODY[20..40]);
        let reports = [SinkReport::Wrote(extent(20, 32)), SinkReport::Wrote(extent(32, 40))];
        expect(&grant, &BODY[10..], &file, &reports, 40);
    }

    #[test]
    fn what_comes_before_a_piece_is_dropped() {
        let grant = Grant { skip: 7, body_start: 10, write_start: 20, write_end: Some(40), ..grant() };
        let mut file = vec![0; 20];
        file.extend_from_slice(&BODY[20..40]);
        let reports = [SinkReport::Wrote(extent(20, 32)), SinkReport::Wrote(extent(32, 40))];
        expect(&grant, &BODY[3..], &file, &reports, 40);
    }

    #[test]
    fn a_continued_extent_is_reported_from_its_own_start() {
        let grant =
            Grant { body_start: 5, write_start: 5, write_end: Some(20), continues: Some(extent(0, 5)), ..grant() };
        let mut file = vec![0; 5];
        file.extend_from_slice(&BODY[5..20]);
        expect(&grant, &BODY[5..], &file, &[SinkReport::Wrote(extent(0, 16)), SinkReport::Wrote(extent(16, 20))], 20);
    }

    #[test]
    fn held_extents_are_passed_over_and_their_bytes_summed() {
        let grant = Grant { held: vec![extent(4, 10), extent(16, 32)], write_end: Some(40), ..grant() };
        let mut file = BODY[..40].to_vec();
        file[4..10].fill(0);
        file[16..32].fill(0);
        let reports = [
            SinkReport::Wrote(extent(0, 4)),
            SinkReport::Passed(extent(4, 10)),
            SinkReport::Wrote(extent(10, 16)),
            SinkReport::Passed(extent(16, 32)),
            SinkReport::Wrote(extent(32, 40)),
        ];
        expect(&grant, BODY, &file, &reports, 40);
    }

    #[test]
    fn a_sink_that_is_drawn_in_stops_there_or_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(Folder::open(dir.path()).unwrap(), "f".as_ref()).unwrap();
        let file = PartFile::create_main(&place).unwrap();
        let (now, mut reports) = (Instant::now(), Vec::new());
        let grant = Grant { write_end: Some(60), ..grant() };
        let reach = Arc::new(Reach::new(&grant));
        let mut sink = Sink::new(Arc::new(file), grant, reach.clone(), now);
        sink.take(&BODY[..20], now, &mut reports).unwrap();
        assert_eq!(reach.draw_in(50), 50);
        sink.take(&BODY[20..30], now, &mut reports).unwrap();
        assert_eq!(reach.draw_in(25), 30, "what is written stays");
        assert!(sink.is_full());
        sink.take(&BODY[30..], now, &mut reports).unwrap();
        sink.flush(now, &mut reports);
        assert_eq!((sink.at(), reports.last()), (30, Some(&SinkReport::Wrote(extent(16, 30)))));
        assert_eq!(std::fs::read(dir.path().join("f.lhpart")).unwrap(), &BODY[..30]);
    }

    #[test]
    fn what_is_written_falls_due_even_when_nothing_more_comes() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(Folder::open(dir.path()).unwrap(), "f".as_ref()).unwrap();
        let file = PartFile::create_main(&place).unwrap();
        let (now, mut reports) = (Instant::now(), Vec::new());
        let grant = Grant { block_len: 1 << 20, ..grant() };
        let reach = Arc::new(Reach::new(&grant));
        let mut sink = Sink::new(Arc::new(file), grant, reach, now);
        assert_eq!(sink.report_at(), None);
        sink.take(&[7; 100], now, &mut reports).unwrap();
        assert_eq!(sink.report_at(), Some(now + REPORT_LATEST));
        sink.take(&[7; REPORT_SMALL as usize], now, &mut reports).unwrap();
        assert_eq!(sink.report_at(), Some(now + REPORT_EVERY));
        assert_eq!(reports, []);
        sink.flush(now, &mut reports);
        assert_eq!((sink.report_at(), reports.len()), (None, 1));
    }
}
