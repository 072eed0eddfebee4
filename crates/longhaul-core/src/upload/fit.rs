//! Do parts of this length fit the line?
//!
//! As long as no part of an attempt was acknowledged, another attempt in shorter parts costs no more than what is on
//! its way. [`Fit`] looks at the first parts of an attempt, once a second: what the network took of them says how long
//! they will take. What was taken in the first second is left out: connections are made in it, and buffers filled. A
//! line that still becomes faster is looked at again, a few times; one that brings nothing at all says nothing.

use crate::words::Millis;

/// Parts that take longer than this are made shorter.
const FIRST_PARTS_MS_MAX: Millis = 8_000;
/// So long a part is to take at most, in place of these; the same as what a run has on its way at most.
const PART_MS: Millis = 4_000;
/// What a fast line brings in this time is a part.
const FAST_PART_MS: Millis = 250;
const LOOK_EVERY_MS: Millis = 1_000;
/// Looks until parts are judged, the first byte being the first: three seconds.
const LOOKS: usize = 4;
/// A line has become faster when it brings more than this of what it brought a second before.
const GROWS_PERCENT: u64 = 125;
/// A line that became faster so often brings them soon enough.
const GROWTHS_MAX: u32 = 4;

/// The first parts of an attempt, as long as they may be given up.
#[derive(Debug, Clone, Default)]
pub(super) struct Fit {
    watch: Option<Watch>,
}

#[derive(Debug, Clone, Default)]
struct Watch {
    /// Bytes of all parts under way that the network has taken.
    taken: u64,
    /// The first looks, the first of all at the first byte, and the last three.
    looks: Vec<Look>,
    /// How often the line was seen to have become faster.
    growths: u32,
}

/// So many bytes were taken until then.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Millis,
    taken: u64,
}

/// Bytes that a part has at most for a line that brings so many a second.
pub(super) fn longest_part(bytes_per_s: u64) -> u64 {
    bytes_per_s.saturating_mul(PART_MS) / 1000
}

/// Bytes that a part has for it, where that is longer than usual: each part costs a fast line a round trip.
pub(super) fn fast_part(bytes_per_s: u64) -> u64 {
    bytes_per_s.saturating_mul(FAST_PART_MS) / 1000
}

impl Fit {
    /// The first parts of an attempt are sent from now on, and may be given up.
    pub(super) fn begin(&mut self) {
        self.watch = Some(Watch::default());
    }

    /// They may not be given up, or not any more.
    pub(super) fn end(&mut self) {
        self.watch = None;
    }

    /// One of them is sent again from its begin.
    pub(super) fn again(&mut self) {
        self.watch = self.watch.take().map(|_| Watch::default());
    }

    /// The network has taken so many bytes of them.
    pub(super) fn taken(&mut self, now: Millis, bytes: u64) {
        let Some(watch) = self.watch.as_mut().filter(|_| bytes > 0) else { return };
        watch.taken = bytes;
        if watch.looks.is_empty() {
            watch.looks.push(Look { at: now, taken: bytes });
        }
    }

    /// When they are looked at next.
    pub(super) fn look_at(&self) -> Option<Millis> {
        self.watch.as_ref()?.looks.last().map(|look| look.at.saturating_add(LOOK_EVERY_MS))
    }

    /// A look at parts of so many bytes together. When they take too long: how long parts for this line are at most.
    pub(super) fn look(&mut self, now: Millis, bytes: u64) -> Option<u64> {
        if self.look_at().is_none_or(|at| now < at) {
            return None;
        }
        let watch = self.watch.as_mut()?;
        watch.looks.push(Look { at: now, taken: watch.taken });
        if watch.looks.len() > LOOKS + 1 {
            watch.looks.remove(2);
        }
        let ([first, second, ..], [.., before, last, latest]) = (&watch.looks[..], &watch.looks[..]) else {
            return None;
        };
        if watch.looks.len() < LOOKS {
            return None;
        }
        let (lately, earlier) = (Brought::between(last, latest), Brought::between(before, last));
        let on_average = Brought::between(second, latest);
        let brought = if lately.is_faster_than(on_average, 100) { lately } else { on_average };
        if brought.bytes == 0 {
            return None;
        }
        if lately.is_faster_than(earlier, GROWS_PERCENT) {
            watch.growths += 1;
            if watch.growths > GROWTHS_MAX {
                self.watch = None;
            }
            return None;
        }
        let left_ms = bytes.saturating_sub(latest.taken).saturating_mul(brought.ms) / brought.bytes;
        let takes_ms = (now - first.at).saturating_add(left_ms);
        self.watch = None;
        (takes_ms > FIRST_PARTS_MS_MAX).then_some(brought.bytes.saturating_mul(PART_MS) / brought.ms)
    }
}

/// What a line brought in some time.
#[derive(Debug, Clone, Copy)]
struct Brought {
    bytes: u64,
    ms: Millis,
}

impl Brought {
    fn between(from: &Look, to: &Look) -> Self {
        Self { bytes: to.taken.saturating_sub(from.taken), ms: to.at.saturating_sub(from.at).max(1) }
    }

    /// Whether it is more in the same time than this many percent of another.
    fn is_faster_than(self, other: Self, percent: u64) -> bool {
        let (this, other) = (self.bytes.saturating_mul(other.ms), other.bytes.saturating_mul(self.ms));
        this.saturating_mul(100) > other.saturating_mul(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const KIB: u64 = 1 << 10;

    /// A part is sent over a line that has brought so many bytes after so many milliseconds, told every 100 ms. When it
    /// was found to take too long, and what the line brings a second.
    fn sent(part_len: u64, line: impl Fn(Millis) -> u64) -> Option<(Millis, u64)> {
        let mut fit = Fit::default();
        fit.begin();
        for now in (0..60_000).step_by(100) {
            let taken = line(now).min(part_len);
            if taken == part_len {
                return None;
            }
            fit.taken(now, taken);
            if let Some(longest) = fit.look(now, part_len) {
                assert!(fit.look_at().is_none());
                return Some((now, longest / 4));
            }
        }
        None
    }

    #[test]
    fn a_line_that_brings_a_part_in_eight_seconds_is_left_alone() {
        for (bytes_per_s, slow) in [(20, true), (60, true), (100, true), (120, false), (1000, false)] {
            // A buffer of 128 KiB is filled at once.
            let found = sent(MIB, |now| 128 * KIB + bytes_per_s * KIB * now / 1000);
            assert_eq!(found.is_some(), slow, "{bytes_per_s} KiB/s: {found:?}");
            if let Some((at, measured)) = found {
                assert!((3_000..4_000).contains(&at), "{bytes_per_s} KiB/s: after {at} ms");
                assert!(measured.abs_diff(bytes_per_s * KIB) < KIB, "{bytes_per_s} KiB/s: {measured}");
            }
        }
    }

    #[test]
    fn what_goes_in_bursts_is_seen_within_seconds() {
        // The system takes the next 64 KiB when as many have gone.
        for bytes_per_s in [5, 8, 20, 30, 40, 60, 90] {
            let found = sent(MIB, |now| (128 * KIB) + bytes_per_s * KIB * now / 1000 / (64 * KIB) * 64 * KIB);
            let (at, measured) = found.expect("it takes more than ten seconds");
            assert!(at <= 5_000 + 64_000 / bytes_per_s, "{bytes_per_s} KiB/s: after {at} ms");
            assert!((bytes_per_s * KIB / 2..bytes_per_s * KIB * 2).contains(&measured), "{bytes_per_s}: {measured}");
        }
    }

    #[test]
    fn a_line_that_becomes_faster_is_waited_for() {
        // Slow start over a round trip of 600 ms.
        let line = |now: Millis| 14 * KIB * ((1 << (now / 600)) - 1);
        assert_eq!(sent(16 * MIB, |now| line(now).max(1)), None);
    }

    #[test]
    fn a_line_that_brings_nothing_says_nothing() {
        assert_eq!(sent(MIB, |_| 0), None);
        assert_eq!(sent(MIB, |_| 100 * KIB), None);
        assert_eq!(sent(MIB, |now| 100 * KIB + now.saturating_sub(5_000) * KIB), None, "a hiccup");
    }

    #[test]
    fn what_is_acknowledged_or_sent_again_is_not_judged() {
        let mut fit = Fit::default();
        fit.taken(0, 1);
        assert_eq!((fit.look_at(), fit.look(10_000, MIB)), (None, None), "it may not be given up");
        fit.begin();
        for now in 0..4 {
            assert_eq!(fit.look(now * 1000, MIB), None);
            fit.taken(now * 1000, now + 1);
            if now == 2 {
                fit.again();
            }
        }
        assert_eq!(fit.look_at(), Some(4_000), "it begins anew");
        fit.end();
        assert_eq!((fit.look_at(), fit.look(10_000, MIB)), (None, None));
    }
}
