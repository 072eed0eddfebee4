//! What time is it at the store?
//!
//! Signatures hold the time, and stores refuse those that are more than 15 minutes off. The machine's clock stays as it
//! is; the difference to the store's is kept here, for as long as the process runs, and used for the next signature.
//!
//! Over plain http anybody on the way can tell us a time. What they can gain is a signature for a moment that they
//! choose, to be used by them then: so a time is only believed from the reply to a request that was signed and refused
//! for its time, from the host that it was sent to, and only within bounds. Fifteen years either way cover clocks that
//! were set wrong by hand; a clock that stands before the year 2020 was never set at all (boards without a battery
//! begin in 1970), and there any time from then on is as good as ours.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::sign::Moment;

/// Further off than this a clock that was ever set is not.
const OFFSET_MAX_S: i64 = 15 * 366 * 24 * 3600;
/// 1 January 2020: earlier times are wrong for certain.
const EARLIEST_S: i64 = 1_577_836_800;
/// 1 January 2100: later ones as well.
const LATEST_S: i64 = 4_102_444_800;
/// A second reading of the same time: the clock was not what was wrong.
const SAME_S: i64 = 60;

/// The difference between the store's clock and the machine's.
#[derive(Debug, Default)]
pub(super) struct Clock {
    offset_s: AtomicI64,
}

/// What became of a time that a store told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The clock was so many seconds behind the store's and is not any more.
    Corrected(i64),
    /// It is the time that was signed with.
    Known,
    /// It cannot be right.
    Implausible,
}

impl Clock {
    /// The store's time.
    pub(super) fn now(&self) -> Moment {
        Moment::at(machine_unix_s().saturating_add(self.offset_s.load(Ordering::Relaxed)))
    }

    /// Takes what the store says the time is, in seconds since the Unix epoch.
    pub(super) fn told(&self, store_unix_s: i64) -> Told {
        self.told_at(machine_unix_s(), store_unix_s)
    }

    fn told_at(&self, machine_unix_s: i64, store_unix_s: i64) -> Told {
        let offset = store_unix_s.saturating_sub(machine_unix_s);
        let never_set = machine_unix_s < EARLIEST_S;
        if !(EARLIEST_S..LATEST_S).contains(&store_unix_s) || !never_set && offset.abs() > OFFSET_MAX_S {
            return Told::Implausible;
        }
        let before = self.offset_s.load(Ordering::Relaxed);
        if offset.abs_diff(before) < SAME_S.unsigned_abs() {
            return Told::Known;
        }
        self.offset_s.store(offset, Ordering::Relaxed);
        Told::Corrected(offset - before)
    }
}

fn machine_unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_004_345;
    const YEAR: i64 = 366 * 24 * 3600;

    #[test]
    fn a_time_is_believed_within_bounds() {
        for (machine, store, told) in [
            (NOW, NOW + 3600, Told::Corrected(3600)),
            (NOW, NOW - 3600, Told::Corrected(-3600)),
            (NOW, NOW + 5, Told::Known),
            (NOW, NOW + 15 * YEAR, Told::Corrected(15 * YEAR)),
            (NOW, NOW + 15 * YEAR + 1, Told::Implausible),
            (NOW, EARLIEST_S, Told::Corrected(EARLIEST_S - NOW)),
            (NOW, EARLIEST_S - 1, Told::Implausible),
            (NOW, 0, Told::Implausible),
            (NOW, i64::MAX, Told::Implausible),
            (NOW, i64::MIN, Told::Implausible),
            // Never set: any time that can be.
            (0, NOW, Told::Corrected(NOW)),
            (1000, LATEST_S - 1, Told::Corrected(LATEST_S - 1001)),
            (1000, LATEST_S, Told::Implausible),
            (1000, 2000, Told::Implausible),
        ] {
            assert_eq!(Clock::default().told_at(machine, store), told, "{machine} {store}");
        }
    }

    #[test]
    fn what_was_told_is_used_and_not_believed_to_help_twice() {
        let clock = Clock::default();
        let machine = machine_unix_s();
        assert_eq!(clock.told(machine + 7200), Told::Corrected(7200));
        assert!((clock.now().unix_s() - machine - 7200).abs() < 30);
        assert_eq!(clock.told(machine + 7201), Told::Known);
        assert!(matches!(clock.told(machine), Told::Corrected(by) if (by + 7200).abs() < 30));
    }
}
