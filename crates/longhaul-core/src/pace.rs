//! How many connections at once?
//!
//! [`ConnectionPace`] answers with a number that follows what the network shows. `Fixed` asks for as many as the caller
//! said. `Auto` begins with a few, waits until these show what they can, doubles them as long as that makes the goodput
//! grow by a tenth or more, and goes back one stage when it does not; later it tries again now and then, and at once
//! when the goodput has halved. Both go down to what a server serves when it refuses one more (429, 503, a reset, no
//! answer), and try one more after a while that doubles.
//!
//! The rate of one connection is [`Meter`]'s to tell. Who fetches what is decided in [`download`](crate::download).

use crate::words::Millis;

/// Goodput is compared over at least this time, in milliseconds: shorter ones compare the luck of single packets.
const EPOCH_MIN_MS: Millis = 250;
/// ... and at most over this.
const EPOCH_MAX_MS: Millis = 3_000;
/// Goodput that has grown by more than this since the epoch before, in percent, is still growing.
const GROWS_PERCENT: u64 = 115;
/// What more connections must bring to be kept, in percent: below it they cost the server more than they are worth.
const PAYS_PERCENT: u64 = 110;
/// New connections need a while until they bring what they can: what would be here sooner than this has no need of
/// them.
const WORTH_MS: Millis = 4_000;
/// After connections did not pay: the wait before the next attempt; doubles up to the maximum.
const SETTLED_MS: Millis = 10_000;
const SETTLED_MAX_MS: Millis = 120_000;
/// After a refusal: the wait before one more is tried; doubles up to the maximum.
const REFUSED_MS: Millis = 5_000;
const REFUSED_MAX_MS: Millis = 300_000;
/// Refusals within this time are one: several connections were asked for at once.
const ONE_MOMENT_MS: Millis = 1_000;
/// The span over which a connection's own rate is told, in milliseconds, at least.
const METER_MS: Millis = 500;

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionPlan {
    /// Up to this many, from the start.
    Fixed(u32),
    /// As many as pay, beginning with `start`, never more than `most`.
    Auto {
        /// At the start.
        start: u32,
        /// At most.
        most: u32,
    },
}

impl ConnectionPlan {
    /// The most that may ever be in flight; at least 1.
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed(most) | Self::Auto { most, .. } => most.max(1),
        }
    }
}

/// What [`ConnectionPace::look`] is shown.
#[derive(Debug, Clone, Copy)]
pub struct PaceSample {
    /// Bytes held of the object: only differences count.
    pub received: u64,
    /// Bytes that lack.
    pub missing: u64,
    /// Requests under way, and those of them whose bytes flow.
    pub in_flight: u32,
    /// See `in_flight`.
    pub flowing: u32,
    /// The disk holds the network back: rates do not show what the network can do.
    pub throttled: bool,
    /// The shortest time from a request to its head, in milliseconds.
    pub latency_ms: Millis,
}

/// How many connections at once, as learned in one run.
#[derive(Debug, Clone)]
pub struct ConnectionPace {
    most: u32,
    auto: bool,
    wanted: u32,
    /// Since when, and with how many bytes, the goodput is being measured.
    epoch: Option<(Millis, u64)>,
    /// As many as wanted have flowed at once.
    reached: bool,
    /// The goodput of the epoch before, with as many connections.
    last: Option<u64>,
    /// Connections and goodput before the last raise.
    before: Option<(u32, u64)>,
    /// The best goodput since it was settled.
    best: u64,
    /// No raise before this moment.
    raise_at: Millis,
    settled_ms: Millis,
    refused_ms: Millis,
    refused_at: Option<Millis>,
}

impl ConnectionPace {
    /// `known_limit`: more than this were refused the last time.
    pub fn new(plan: ConnectionPlan, known_limit: Option<u32>) -> Self {
        let most = plan.most();
        let start = match plan {
            ConnectionPlan::Fixed(_) => most,
            ConnectionPlan::Auto { start, .. } => start.clamp(1, most),
        };
        let limited = known_limit.is_some_and(|limit| limit < start);
        Self {
            most,
            auto: matches!(plan, ConnectionPlan::Auto { .. }),
            wanted: known_limit.map_or(start, |limit| start.min(limit.max(1))),
            epoch: None,
            reached: false,
            last: None,
            before: None,
            best: 0,
            raise_at: if limited { REFUSED_MS } else { 0 },
            settled_ms: SETTLED_MS,
            refused_ms: REFUSED_MS,
            refused_at: limited.then_some(0),
        }
    }

    /// How many may be in flight now.
    pub fn allowed(&self) -> u32 {
        self.wanted
    }

    /// Whether there may ever be more than one.
    pub fn several(&self) -> bool {
        self.most > 1
    }

    /// One more connection was refused while `serving` others were served: what may be in flight from now on.
    pub fn refused(&mut self, now: Millis, serving: u32, retry_after_ms: Option<u64>) -> u32 {
        self.wanted = self.wanted.min(serving.max(1));
        let asked_for = retry_after_ms.unwrap_or(0).min(REFUSED_MAX_MS);
        if self.refused_at.is_none_or(|at| now.saturating_sub(at) > ONE_MOMENT_MS) {
            self.raise_at = now.saturating_add(self.refused_ms.max(asked_for));
            self.refused_ms = (self.refused_ms * 2).min(REFUSED_MAX_MS);
        }
        self.raise_at = self.raise_at.max(now.saturating_add(asked_for));
        self.refused_at = Some(now);
        (self.before, self.epoch, self.last) = (None, None, None);
        self.wanted
    }

    /// Time has passed and bytes have come: more, fewer, or as before?
    pub fn look(&mut self, now: Millis, seen: PaceSample) {
        self.reached |= seen.flowing >= self.wanted;
        if seen.throttled || !self.reached || seen.in_flight < self.wanted {
            self.epoch = None;
            return;
        }
        let Some((since, bytes)) = self.epoch.filter(|(_, bytes)| *bytes <= seen.received) else {
            self.epoch = Some((now, seen.received));
            return;
        };
        let elapsed = now.saturating_sub(since);
        if elapsed < (2 * seen.latency_ms).clamp(EPOCH_MIN_MS, EPOCH_MAX_MS) {
            return;
        }
        self.epoch = None;
        let goodput = (seen.received - bytes).saturating_mul(1000) / elapsed;
        if !self.auto || self.refused_at.is_some() {
            // One more now and then; neither the caller nor the server asked for fewer.
            if now >= self.raise_at && self.wanted < self.most {
                self.wanted += 1;
                self.raise_at = now.saturating_add(self.settled_ms / 4);
            }
            return;
        }
        let last = self.last.replace(goodput);
        if last.is_none_or(|last| goodput.saturating_mul(100) > last.saturating_mul(GROWS_PERCENT)) {
            return; // connections that are young get faster by themselves: wait until this many show what they can
        }
        let goodput = goodput.max(last.unwrap_or(0));
        if let Some((count, before)) = self.before.take()
            && goodput.saturating_mul(100) < before.saturating_mul(PAYS_PERCENT)
        {
            self.want(count);
            self.best = before.max(goodput);
            self.raise_at = now.saturating_add(self.settled_ms);
            self.settled_ms = (self.settled_ms * 2).min(SETTLED_MAX_MS);
            return;
        }
        if self.best > 0 && goodput < self.best / 2 {
            self.raise_at = now; // the network has changed
            self.settled_ms = SETTLED_MS;
            self.best = 0;
        }
        self.best = self.best.max(goodput);
        let rest_ms = seen.missing.saturating_mul(1000) / goodput.max(1);
        let worth_it = rest_ms > WORTH_MS + 10 * seen.latency_ms;
        if now >= self.raise_at && self.wanted < self.most && worth_it {
            self.before = Some((self.wanted, goodput));
            self.want((self.wanted * 2).min(self.most));
        }
    }

    fn want(&mut self, connections: u32) {
        self.reached = false;
        self.wanted = connections;
        self.last = None;
    }
}

/// Bytes per second of one connection over its last second or so. It goes down while no bytes come.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    got: u64,
    older: (Millis, u64),
    newer: (Millis, u64),
}

impl Meter {
    /// No byte has come yet.
    pub fn new(now: Millis) -> Self {
        Self { got: 0, older: (now, 0), newer: (now, 0) }
    }

    /// So many bytes came.
    pub fn came(&mut self, now: Millis, bytes: u64) {
        self.got += bytes;
        if now.saturating_sub(self.newer.0) >= METER_MS {
            self.older = self.newer;
            self.newer = (now, self.got);
        }
    }

    /// Bytes per second; `None` while it is too early to tell.
    pub fn rate(&self, now: Millis) -> Option<u64> {
        let elapsed = now.saturating_sub(self.older.0);
        (elapsed >= METER_MS / 2).then(|| (self.got - self.older.1).saturating_mul(1000) / elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a network whose goodput is a function of the connections, from a moment on; gives how many are wanted
    /// after each second.
    fn play(pace: &mut ConnectionPace, from_s: u64, seconds: u64, goodput: impl Fn(u32) -> u64) -> Vec<u32> {
        let mut received = 0;
        let mut wanted = Vec::new();
        for tick in from_s * 50..(from_s + seconds) * 50 {
            received += goodput(pace.allowed()) / 50;
            let seen = PaceSample {
                received,
                missing: u64::MAX,
                in_flight: pace.allowed(),
                flowing: pace.allowed(),
                throttled: false,
                latency_ms: 50,
            };
            pace.look(tick * 20, seen);
            if tick % 50 == 49 {
                wanted.push(pace.allowed());
            }
        }
        wanted
    }

    const AUTO: ConnectionPlan = ConnectionPlan::Auto { start: 4, most: 16 };

    #[test]
    fn connections_that_pay_are_kept() {
        let mut pace = ConnectionPace::new(AUTO, None);
        assert_eq!(play(&mut pace, 0, 3, |n| u64::from(n) * 1_000_000).last(), Some(&16));
    }

    #[test]
    fn connections_that_do_not_pay_are_given_up() {
        let mut pace = ConnectionPace::new(AUTO, None);
        assert_eq!(play(&mut pace, 0, 5, |_| 50_000_000)[1..], [4, 4, 4, 4]);
        let mut pace = ConnectionPace::new(AUTO, None);
        assert_eq!(play(&mut pace, 0, 5, |n| u64::from(n.min(8)) * 1_000_000).last(), Some(&8));
    }

    #[test]
    fn what_is_nearly_done_gets_no_more_connections() {
        let mut pace = ConnectionPace::new(AUTO, None);
        for tick in 0..100 {
            let received = tick * 1_000_000;
            let missing = 100_000_000 - received; // two seconds' worth at the beginning
            let seen = PaceSample { received, missing, in_flight: 4, flowing: 4, throttled: false, latency_ms: 50 };
            pace.look(tick * 20, seen);
        }
        assert_eq!(pace.allowed(), 4);
    }

    #[test]
    fn a_slow_start_is_waited_for() {
        let mut pace = ConnectionPace::new(AUTO, None);
        let mut received = 0;
        for tick in 0..100 {
            // Every connection doubles its rate each 100 ms.
            received += 10_000 << (tick / 5);
            let seen = PaceSample {
                received,
                missing: u64::MAX,
                in_flight: pace.allowed(),
                flowing: pace.allowed(),
                throttled: false,
                latency_ms: 100,
            };
            pace.look(tick * 20, seen);
        }
        assert_eq!(pace.allowed(), 4);
    }

    #[test]
    fn a_network_that_has_halved_is_tried_again() {
        let mut pace = ConnectionPace::new(AUTO, None);
        play(&mut pace, 0, 4, |_| 50_000_000);
        assert_eq!(pace.allowed(), 4);
        // A handover: now every connection is slow, and more of them pay.
        assert_eq!(play(&mut pace, 4, 6, |n| u64::from(n) * 1_000_000).last(), Some(&16));
    }

    #[test]
    fn a_refusal_sets_the_number_to_what_is_served_and_one_more_is_tried_later() {
        for plan in [AUTO, ConnectionPlan::Fixed(8)] {
            let mut pace = ConnectionPace::new(plan, None);
            assert_eq!((pace.refused(0, 3, None), pace.refused(1, 2, None)), (3, 2));
            assert_eq!(play(&mut pace, 0, 5, |_| 1_000_000).last(), Some(&2), "{plan:?}");
            assert_eq!(play(&mut pace, 5, 2, |_| 1_000_000).last(), Some(&3), "{plan:?}");
            assert_eq!(pace.refused(7_000, 2, Some(60_000)), 2);
            assert_eq!(play(&mut pace, 7, 59, |_| 1_000_000).last(), Some(&2), "{plan:?}");
            assert_eq!(play(&mut pace, 66, 2, |_| 1_000_000).last(), Some(&3), "{plan:?}");
        }
    }

    #[test]
    fn a_limit_known_from_before_is_where_it_begins() {
        assert_eq!(ConnectionPace::new(AUTO, Some(1)).allowed(), 1);
        assert_eq!(ConnectionPace::new(ConnectionPlan::Fixed(8), Some(2)).allowed(), 2);
        assert_eq!(ConnectionPace::new(ConnectionPlan::Fixed(2), Some(8)).allowed(), 2);
        assert_eq!(ConnectionPace::new(ConnectionPlan::Fixed(0), Some(0)).allowed(), 1);
    }

    #[test]
    fn nothing_is_concluded_while_the_disk_holds_back_or_heads_are_awaited() {
        let mut pace = ConnectionPace::new(AUTO, None);
        for tick in 0..500 {
            let seen = PaceSample {
                received: tick * 1000,
                missing: u64::MAX,
                in_flight: 4,
                flowing: 4,
                throttled: tick % 2 == 0,
                latency_ms: 1,
            };
            pace.look(tick * 20, seen);
        }
        assert_eq!(pace.allowed(), 4);
        let mut pace = ConnectionPace::new(AUTO, None);
        for tick in 0..500 {
            let seen = PaceSample {
                received: tick * 1000,
                missing: u64::MAX,
                in_flight: 4,
                flowing: 3,
                throttled: false,
                latency_ms: 1,
            };
            pace.look(tick * 20, seen);
        }
        assert_eq!(pace.allowed(), 4);
    }

    #[test]
    fn the_rate_of_a_connection_falls_when_nothing_comes() {
        let mut meter = Meter::new(0);
        assert_eq!(meter.rate(100), None);
        for tick in 1..=20 {
            meter.came(tick * 100, 100_000);
        }
        let rate = meter.rate(2_000).unwrap_or(0);
        assert!((900_000..=1_200_000).contains(&rate), "{rate}");
        assert!(meter.rate(10_000).is_some_and(|rate| rate < 150_000));
    }
}
