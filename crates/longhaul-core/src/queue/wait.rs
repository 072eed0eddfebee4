//! How long does an entry wait before it is tried again? A backoff of its own for each reason, with full jitter; for the
//! network and for servers until the patience of the list is over.

use super::step::{Delay, Entry, Rest};
use crate::words::Millis;

const SECOND: Millis = 1000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// An object that is not there may be there soon: after so many tries within an hour it is not.
const NOT_FOUND_TRIES: u32 = 3;
/// The longest wait that a server can ask for.
const ASKED_MAX: Millis = 24 * HOUR;
/// An event ends no wait before so long: what comes and goes does not start an entry again and again.
pub(super) const WAIT_MIN: Millis = 30 * SECOND;
/// No wait is longer; one that was recorded as longer (the clock jumped) is cut to it.
pub(super) const WAIT_MAX: Millis = ASKED_MAX + HOUR;

/// The first bound of a wait, and the last.
fn bounds(why: Delay) -> (Millis, Millis) {
    match why {
        Delay::Network | Delay::Busy => (5 * SECOND, HOUR),
        Delay::NotFound => (10 * MINUTE, 20 * MINUTE),
        Delay::InUse => (5 * SECOND, 2 * MINUTE),
        Delay::Space => (MINUTE, 10 * MINUTE),
        Delay::Unconfirmed => (10 * MINUTE, HOUR),
    }
}

/// Whether a person's patience counts: not for what another process, a disk or a store's answer ends.
fn is_of_patience(why: Delay) -> bool {
    matches!(why, Delay::Network | Delay::Busy)
}

/// The state of an entry whose run ended with this delay, its counts of vain runs raised. `after_ms` is what the server
/// asked for, `random` any number.
pub(super) fn delayed(
    entry: &mut Entry,
    why: Delay,
    after_ms: Option<Millis>,
    patience_ms: Millis,
    random: u64,
) -> Rest {
    entry.vain = entry.vain.saturating_add(1);
    let (first, last) = bounds(why);
    let doublings = (entry.vain - 1).min(30);
    let bound = first.saturating_mul(1 << doublings).min(last);
    // Half of it is certain, so that the number of starts has a bound whatever chance says.
    let jittered = bound / 2 + random % (bound / 2 + 1);
    let wait_ms = match after_ms {
        // The server's wish is a floor: jitter on top keeps a crowd from coming back in one instant.
        Some(wish) => wish.min(ASKED_MAX).saturating_add(jittered / 4).max(jittered),
        None => jittered,
    };
    let is_over = match why {
        Delay::NotFound => entry.vain >= NOT_FOUND_TRIES,
        why => is_of_patience(why) && entry.vain_ms >= patience_ms,
    };
    if is_over {
        return Rest::Failed;
    }
    entry.vain_ms = entry.vain_ms.saturating_add(wait_ms);
    Rest::Later { why, wait_ms }
}

/// A run brought a byte, or a person asked for another try: the count begins anew.
pub(super) fn forgive(entry: &mut Entry) {
    (entry.vain, entry.vain_ms) = (0, 0);
}

#[cfg(test)]
mod tests {
    use super::super::step::{EntryId, HostId, LaneId, VolumeId, Wish};
    use super::*;

    fn entry() -> Entry {
        Entry {
            id: EntryId(1),
            rank: 0,
            lane: LaneId(0),
            host: HostId(0),
            volume: VolumeId(0),
            missing: 0,
            wish: Wish::Run,
            rest: Rest::Queued,
            vain: 0,
            vain_ms: 0,
        }
    }

    fn wait(rest: Rest) -> Millis {
        match rest {
            Rest::Later { wait_ms, .. } => wait_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_double_up_to_an_hour_and_begin_anew_when_a_byte_came() {
        let mut e = entry();
        let next = |e: &mut Entry, random| wait(delayed(e, Delay::Network, None, HOUR * 9999, random));
        assert_eq!(next(&mut e, u64::MAX - 1) / SECOND, 2); // between half of five seconds and all of them
        for _ in 0..20 {
            next(&mut e, 7);
        }
        let long = next(&mut e, 0);
        assert!((HOUR / 2..=HOUR).contains(&long), "{long}");
        forgive(&mut e);
        assert!(next(&mut e, 0) <= 5 * SECOND);
    }

    #[test]
    fn a_server_that_asks_for_patience_is_given_it_up_to_a_day() {
        let mut e = entry();
        let hour = wait(delayed(&mut e, Delay::Busy, Some(HOUR), HOUR * 9999, 5));
        assert!((HOUR..HOUR + 5 * SECOND).contains(&hour), "{hour}");
        assert!(wait(delayed(&mut e, Delay::Busy, Some(Millis::MAX), HOUR * 9999, 5)) <= WAIT_MAX);
        assert!(wait(delayed(&mut e, Delay::Busy, Some(0), HOUR * 9999, 5)) > 0);
    }

    #[test]
    fn patience_ends_for_networks_and_servers_alone() {
        for (why, ends) in [
            (Delay::Network, true),
            (Delay::Busy, true),
            (Delay::NotFound, true),
            (Delay::InUse, false),
            (Delay::Space, false),
            (Delay::Unconfirmed, false),
        ] {
            let mut e = entry();
            let failed = (0..1000).any(|n| delayed(&mut e, why, None, 24 * HOUR, n) == Rest::Failed);
            assert_eq!(failed, ends, "{why:?}");
        }
    }

    #[test]
    fn no_more_than_120_starts_come_of_an_hour() {
        for why in [Delay::Network, Delay::Busy, Delay::NotFound, Delay::InUse, Delay::Space, Delay::Unconfirmed] {
            let mut e = entry();
            let (mut at, mut starts) = (0, 0);
            while at < HOUR {
                starts += 1;
                match delayed(&mut e, why, None, Millis::MAX, 0) {
                    Rest::Later { wait_ms, .. } => at += wait_ms,
                    _ => break,
                }
            }
            assert!(starts <= 120, "{why:?}: {starts}");
        }
    }
}
