//! How many connections at once?
//!
//! [`ConnectionPace`] answers with a number that follows what the network shows. `Fixed` asks for as many as the caller
//! said. `Auto` begins with one, and goes on in steps:
//!
//! ```text
//!   what flows shows what it can ──► sound: one more is asked for ──► its head is late, twice: a queue stands ──► hold
//!        ▲                                   │ its head is as quick as the first: the line has room
//!        │                                   ▼
//!        └── kept, if a tenth more comes ◄── trial: several more ──► no gain: back, the surplus is shed ──► hold
//! ```
//!
//! One connection shows what it can when its goodput grows no more, or when more than a mebibyte of it is under way at
//! once: then it is the server's send buffer that will bound it, or a queue that will fill. A line that one connection
//! fills has a queue before it, and the reply to one more request waits in that queue; where packets are lost at
//! random, or the server bounds each connection, there is none. So one round trip tells apart what goodput shows only
//! seconds later, and the streams that would overrun the queue are never begun. A single head may be late because it
//! was lost, or came over the one connection that is slow: a second one is asked for before that is believed.
//!
//! Where several connections bring several times as much, nothing bounds them together: then all that may be are asked
//! for at once.
//!
//! Both plans go down to what a server serves when it refuses one more (429, 503, a reset, no answer), and try one more
//! after a while that doubles.
//!
//! The rate of one connection is [`Meter`]'s to tell. Who fetches what is decided in [`download`](crate::download).

use crate::words::Millis;

/// Goodput is compared over at least this time, in milliseconds, and two round trips: shorter ones compare the luck of
/// single packets.
const EPOCH_MIN_MS: Millis = 50;
/// What comes is told in reports of some 64 KiB. An epoch has three for each connection, nearly ...
const EPOCH_BYTES: u64 = 160 << 10;
/// ... or lasts this long.
const EPOCH_FEW_MS: Millis = 200;
/// ... and at most over this.
const EPOCH_MAX_MS: Millis = 3_000;
/// Goodput that is more than this of the best epoch since the number changed is still growing, in percent.
const GROWS_PERCENT: u64 = 115;
/// What more connections must bring to be kept, in percent: below it they cost the server more than they are worth.
const PAYS_PERCENT: u64 = 110;
/// When each new connection brings this share of what one brought before, nothing bounds them together, in percent.
const SCALES_PERCENT: u64 = 60;
/// What brings this much is followed by more connections at once, in percent.
const PAYS_WELL_PERCENT: u64 = 160;
/// More connections are not asked for what would be here sooner than this and so many round trips: new ones need a
/// while until they bring what they can.
const WORTH_MS: Millis = 1_000;
const WORTH_ROUND_TRIPS: u64 = 10;
/// With so many bytes under way on its connections, each on the average, it need not be waited for what these can.
const WINDOW_LARGE: u64 = 1 << 20;
/// One more is asked for this many others when the line has room; where there are more, for as many as there are.
const RAISE_MIN: u32 = 4;
/// A head that takes more than this of the least time a head took, and a little, has waited in a queue, in percent.
const QUEUE_PERCENT: u64 = 120;
const QUEUE_MS: Millis = 3;
/// A trial is given up when it has not paid after this time and so many round trips.
const TRIAL_MS: Millis = 200;
const TRIAL_ROUND_TRIPS: u64 = 12;
/// A connection of a trial that does not flow after so many round trips is not waited for: its first packet was lost.
const BEGUN_ROUND_TRIPS: u64 = 4;
/// Goodput below half of the best is believed when it has lasted this long, and so many round trips: losses are being
/// mended, and what came behind the holes will be there at once.
const DIP_MS: Millis = 200;
const DIP_ROUND_TRIPS: u64 = 4;
/// After a queue stood: the wait before the line is sounded again, and so many round trips; doubles up to the maximum.
/// After connections did not pay it is three times as long: they cost more than a head.
const SETTLED_MS: Millis = 1_000;
const SETTLED_ROUND_TRIPS: u64 = 10;
const SETTLED_MAX_MS: Millis = 120_000;
/// After a refusal: the wait before one more is tried; doubles up to the maximum.
const REFUSED_MS: Millis = 5_000;
const REFUSED_MAX_MS: Millis = 300_000;
/// After one more was not refused: the wait before the next one.
const ONE_MORE_MS: Millis = 2_500;
/// Refusals within this time are one: several connections were asked for at once.
const ONE_MOMENT_MS: Millis = 1_000;
/// The span over which a connection's own rate is told, in milliseconds, at least.
const METER_MS: Millis = 500;

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionPlan {
    /// Up to this many, from the start.
    Fixed(u32),
    /// As many as pay, beginning with one, never more than this.
    Auto(u32),
}

impl ConnectionPlan {
    /// The most that may ever be in flight; at least 1.
    pub fn most(self) -> u32 {
        match self {
            Self::Fixed(most) | Self::Auto(most) => most.max(1),
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
    /// What the request that was sent first of all that flow brings, in bytes per second; 0 where that is not known.
    pub eldest_rate: u64,
}

/// Whether more connections pay, as far as that is being found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    None,
    /// One more was asked for, to learn whether a queue stands.
    Sounding {
        /// So many there were, and brought this much.
        from: u32,
        before: u64,
        since: Millis,
        /// A first head was late: this is the second request.
        again: bool,
    },
    /// Several more were asked for.
    Open {
        from: u32,
        before: u64,
        since: Millis,
        /// Those before are young, and bring more than they will.
        young: bool,
    },
}

/// How many connections at once, as learned in one run.
#[derive(Debug, Clone)]
pub struct ConnectionPace {
    most: u32,
    auto: bool,
    wanted: u32,
    /// So many are served, as far as is known; `most` where no limit is known.
    limit: u32,
    /// Fewer are wanted than are under way: the surplus is to stop.
    sheds: bool,
    /// Since when, and with how many bytes, the goodput is being measured.
    epoch: Option<(Millis, u64)>,
    /// The bytes that had come when it was looked at last.
    came: u64,
    /// As many as wanted have flowed at once.
    reached: bool,
    /// The best goodput of an epoch since the number changed.
    peak: u64,
    /// The goodput of the epoch before.
    last: Option<u64>,
    /// The same, if it was not growing.
    flat: Option<u64>,
    /// Epochs in a row that brought half as much again as before the trial.
    rich: u32,
    trial: Trial,
    /// The best goodput since it was settled.
    best: u64,
    /// Since when the goodput is below half of that.
    dip_since: Option<Millis>,
    /// No raise before this moment.
    raise_at: Millis,
    settled_ms: Millis,
    /// No more than `limit` before this moment.
    one_more_at: Millis,
    refused_ms: Millis,
    refused_at: Option<Millis>,
}

impl ConnectionPace {
    /// `known_limit`: more than this were refused the last time.
    pub fn new(plan: ConnectionPlan, known_limit: Option<u32>) -> Self {
        let most = plan.most();
        let auto = matches!(plan, ConnectionPlan::Auto(_));
        let limit = known_limit.map_or(most, |limit| limit.clamp(1, most));
        Self {
            most,
            auto,
            wanted: if auto { 1 } else { limit },
            limit,
            sheds: false,
            epoch: None,
            came: 0,
            reached: false,
            peak: 0,
            last: None,
            flat: None,
            rich: 0,
            trial: Trial::None,
            best: 0,
            dip_since: None,
            raise_at: 0,
            settled_ms: SETTLED_MS,
            one_more_at: REFUSED_MS,
            refused_ms: REFUSED_MS,
            refused_at: None,
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

    /// Whether the number is found out here, and not said by the caller.
    pub fn is_auto(&self) -> bool {
        self.auto
    }

    /// Whether the request that is sent now is to tell if a queue stands.
    pub fn is_sounding(&self) -> bool {
        matches!(self.trial, Trial::Sounding { .. })
    }

    /// One more connection was refused while `serving` others were served: what may be in flight from now on.
    pub fn refused(&mut self, now: Millis, serving: u32, retry_after_ms: Option<u64>) -> u32 {
        self.wanted = self.wanted.min(serving.max(1));
        self.limit = self.wanted;
        let asked_for = retry_after_ms.unwrap_or(0).min(REFUSED_MAX_MS);
        if self.refused_at.is_none_or(|at| now.saturating_sub(at) > ONE_MOMENT_MS) {
            self.one_more_at = now.saturating_add(self.refused_ms.max(asked_for));
            self.refused_ms = (self.refused_ms * 2).min(REFUSED_MAX_MS);
        }
        self.one_more_at = self.one_more_at.max(now.saturating_add(asked_for));
        self.refused_at = Some(now);
        self.trial = Trial::None;
        self.begin_anew();
        self.wanted
    }

    /// Whether requests beyond the number that is wanted are to stop; asked once.
    pub fn takes_shedding(&mut self) -> bool {
        std::mem::take(&mut self.sheds)
    }

    /// The head of the request that sounds the line is here, after `took_ms`; no head took less than `least_ms` in this
    /// run. Whether its bytes are wanted. When the first one is late, another one is to be sent.
    pub fn sounded(&mut self, now: Millis, took_ms: Millis, least_ms: Millis) -> bool {
        let Trial::Sounding { from, before, again, .. } = self.trial else { return true };
        if took_ms > least_ms * QUEUE_PERCENT / 100 + QUEUE_MS {
            if !again {
                self.trial = Trial::Sounding { from, before, since: now, again: true };
                return false;
            }
            let wait_ms = self.settled_ms + SETTLED_ROUND_TRIPS * least_ms;
            self.give_up(now, from, before, wait_ms);
            return false;
        }
        self.raise(now, from, before, from.max(RAISE_MIN), false);
        true
    }

    /// Time has passed and bytes have come: more, fewer, or as before?
    pub fn look(&mut self, now: Millis, seen: PaceSample) {
        if let Trial::Sounding { from, before, since, .. } = self.trial {
            if now.saturating_sub(since) > TRIAL_MS + TRIAL_ROUND_TRIPS * seen.latency_ms {
                self.give_up(now, from, before, 3 * self.settled_ms); // no answer is an answer
            }
            return;
        }
        let comes = seen.received != std::mem::replace(&mut self.came, seen.received);
        self.reached |= seen.flowing >= self.wanted || self.has_begun(now, seen);
        if seen.throttled || !self.reached || seen.in_flight < self.wanted {
            self.epoch = None;
            return;
        }
        let Some((since, bytes)) = self.epoch.filter(|(_, bytes)| *bytes <= seen.received) else {
            self.epoch = Some((now, seen.received));
            return;
        };
        let elapsed = now.saturating_sub(since);
        let least_ms = (2 * seen.latency_ms).clamp(EPOCH_MIN_MS, EPOCH_MAX_MS);
        let few = seen.received - bytes < EPOCH_BYTES * u64::from(self.wanted);
        // It ends as it begins, with a report.
        let late = elapsed >= 2 * least_ms.max(EPOCH_FEW_MS);
        if elapsed < least_ms || few && elapsed < EPOCH_FEW_MS || !comes && !late {
            return;
        }
        self.epoch = Some((now, seen.received));
        let goodput = (seen.received - bytes).saturating_mul(1000) / elapsed;
        if self.wanted == self.limit && self.limit < self.most {
            // One more now and then: the server may serve more by now.
            if now >= self.one_more_at {
                (self.wanted, self.limit) = (self.wanted + 1, self.limit + 1);
                self.one_more_at = now.saturating_add(ONE_MORE_MS);
            }
        } else if self.auto {
            self.judge(now, goodput, seen);
        }
    }

    /// Whether what flows of a trial shows what it brings, though not all of its connections do.
    fn has_begun(&self, now: Millis, seen: PaceSample) -> bool {
        let Trial::Open { from, since, .. } = self.trial else { return false };
        let waited = now.saturating_sub(since) > EPOCH_MIN_MS + BEGUN_ROUND_TRIPS * seen.latency_ms;
        waited && seen.flowing > from + (self.wanted - from) / 2
    }

    /// An epoch is over.
    fn judge(&mut self, now: Millis, goodput: u64, seen: PaceSample) {
        let grows = is_above(goodput, GROWS_PERCENT, self.peak);
        self.peak = self.peak.max(goodput);
        let recent = self.last.replace(goodput).map_or(goodput, |last| (last + goodput) / 2);
        let two_flat = match self.flat.take() {
            Some(last) if !grows => Some((last + goodput) / 2),
            _ => {
                self.flat = (!grows).then_some(goodput);
                None
            }
        };
        match self.trial {
            Trial::Open { from, before, since, young } => {
                let all = self.compared_with(from, before, seen);
                let before = if young { all / 3 * 2 } else { all };
                self.rich = if is_above(goodput, 150, before) { self.rich + 1 } else { 0 };
                let late = now.saturating_sub(since) > TRIAL_MS + TRIAL_ROUND_TRIPS * seen.latency_ms;
                let pays = |goodput| !is_above(before, 100, goodput * 100 / PAYS_PERCENT);
                match two_flat {
                    _ if self.scales(from, all, goodput) => self.scaled(now, goodput, before, seen),
                    _ if self.rich >= 2 => self.paid(now, goodput, before, seen),
                    Some(mean) if pays(mean.max(self.peak / 4 * 3)) => self.paid(now, mean, before, seen),
                    _ if late && pays(recent) => self.paid(now, recent, before, seen),
                    _ if late => self.give_up(now, from, before, 3 * self.settled_ms),
                    _ => {}
                }
            }
            Trial::Sounding { .. } => {} // it has its own time
            Trial::None => {
                let window = goodput.saturating_mul(seen.latency_ms) / 1000 / u64::from(self.wanted);
                if window > WINDOW_LARGE && grows && self.wanted == 1 {
                    // What it will bring shows when others flow.
                    self.best = self.best.max(goodput);
                    self.sound(now, goodput, seen);
                } else if let Some(mean) = two_flat {
                    self.settle(now, mean, seen);
                }
            }
        }
    }

    /// What the connections brought that there were before a trial. One alone may have been young: what it brings
    /// beside the others, it would bring without them.
    fn compared_with(&mut self, from: u32, before: u64, seen: PaceSample) -> u64 {
        let before = if from == 1 { before.max(seen.eldest_rate) } else { before };
        if let Trial::Open { before: known, .. } = &mut self.trial {
            *known = before;
        }
        before
    }

    /// Whether each new connection brings nearly as much as one did before.
    fn scales(&self, from: u32, before: u64, goodput: u64) -> bool {
        let each = before / u64::from(from.max(1));
        let new = u64::from(self.wanted.saturating_sub(from));
        before > 0 && goodput >= before.saturating_add(new * each / 100 * SCALES_PERCENT)
    }

    /// The trial has paid as well as it could: all connections that may be are asked for.
    fn scaled(&mut self, now: Millis, goodput: u64, before: u64, seen: PaceSample) {
        if self.wanted < self.limit && self.is_worth_it(goodput, seen) {
            (self.best, self.settled_ms) = (self.best.max(goodput), SETTLED_MS);
            self.raise(now, self.wanted, goodput, self.limit, true);
        } else {
            self.paid(now, goodput, before, seen);
        }
    }

    /// So much comes, and no trial is under way.
    fn settle(&mut self, now: Millis, goodput: u64, seen: PaceSample) {
        if goodput < self.best / 2 {
            let since = *self.dip_since.get_or_insert(now);
            if now.saturating_sub(since) < DIP_MS + DIP_ROUND_TRIPS * seen.latency_ms {
                return;
            }
            (self.best, self.raise_at, self.settled_ms) = (goodput, now, SETTLED_MS); // the network has changed
        }
        self.dip_since = None;
        self.best = self.best.max(goodput);
        self.sound(now, goodput, seen);
    }

    /// Asks for one more, if more could pay.
    fn sound(&mut self, now: Millis, goodput: u64, seen: PaceSample) {
        if now >= self.raise_at && self.wanted < self.limit && self.is_worth_it(goodput, seen) {
            self.trial = Trial::Sounding { from: self.wanted, before: goodput, since: now, again: false };
            self.wanted += 1;
        }
    }

    fn is_worth_it(&self, goodput: u64, seen: PaceSample) -> bool {
        let rest_ms = seen.missing.saturating_mul(1000) / goodput.max(self.best / 2).max(1);
        rest_ms > WORTH_MS + WORTH_ROUND_TRIPS * seen.latency_ms
    }

    fn raise(&mut self, now: Millis, from: u32, before: u64, more: u32, young: bool) {
        self.trial = Trial::Open { from, before, since: now, young };
        self.wanted = from.saturating_add(more).min(self.limit);
        self.begin_anew();
    }

    /// The trial has paid: its connections stay.
    fn paid(&mut self, now: Millis, goodput: u64, before: u64, seen: PaceSample) {
        self.trial = Trial::None;
        self.best = self.best.max(goodput);
        self.settled_ms = SETTLED_MS;
        let well = is_above(goodput, PAYS_WELL_PERCENT, before);
        if well && self.wanted < self.limit && self.is_worth_it(goodput, seen) {
            self.raise(now, self.wanted, goodput, self.wanted.max(RAISE_MIN), true);
        } else {
            self.begin_anew();
        }
    }

    /// More do not pay, for a while.
    fn give_up(&mut self, now: Millis, from: u32, before: u64, wait_ms: Millis) {
        self.trial = Trial::None;
        (self.wanted, self.sheds) = (from, true);
        self.best = self.best.max(before);
        self.raise_at = now.saturating_add(wait_ms);
        self.settled_ms = (self.settled_ms * 2).min(SETTLED_MAX_MS);
        self.begin_anew();
    }

    /// What follows is not compared with what came before.
    fn begin_anew(&mut self) {
        (self.reached, self.epoch, self.peak) = (false, None, 0);
        (self.last, self.flat, self.rich, self.dip_since) = (None, None, 0, None);
    }
}

/// Whether a goodput is more than so many percent of another one.
fn is_above(goodput: u64, percent: u64, other: u64) -> bool {
    goodput.saturating_mul(100) > other.saturating_mul(percent)
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

    /// A line with a round trip of 50 ms, and how it answers one more.
    struct Line {
        head_ms: Millis,
        refuses: bool,
        /// How often it was asked for one more.
        sounded: std::cell::Cell<u32>,
    }

    impl Default for Line {
        fn default() -> Self {
            Self { head_ms: 50, refuses: false, sounded: std::cell::Cell::new(0) }
        }
    }

    impl Line {
        /// Plays a network whose goodput is a function of the connections, from a moment on; gives how many are wanted
        /// after each second, those that sound left out.
        fn play(&self, pace: &mut ConnectionPace, from_s: u64, seconds: u64, goodput: impl Fn(u32) -> u64) -> Vec<u32> {
            let mut received = 0;
            let mut wanted = Vec::new();
            let mut asked_at = None;
            for tick in from_s * 50..(from_s + seconds) * 50 {
                let now = tick * 20;
                let flowing = pace.allowed() - u32::from(pace.is_sounding());
                received += goodput(flowing) / 50;
                let seen = PaceSample {
                    received,
                    missing: u64::MAX,
                    in_flight: pace.allowed(),
                    flowing,
                    throttled: false,
                    latency_ms: 50,
                    eldest_rate: 0,
                };
                pace.look(now, seen);
                if !pace.is_sounding() {
                    asked_at = None;
                } else if asked_at.is_none() {
                    asked_at = Some(now);
                    self.sounded.set(self.sounded.get() + 1);
                }
                match asked_at {
                    Some(at) if self.refuses => _ = (at, pace.refused(now, 1, None)),
                    Some(at) if now - at >= self.head_ms => {
                        pace.sounded(now, self.head_ms, 50);
                        asked_at = None; // if it sounds again, with another request
                    }
                    _ => {}
                }
                if tick % 50 == 49 {
                    wanted.push(pace.allowed() - u32::from(pace.is_sounding()));
                }
            }
            wanted
        }
    }

    fn play(pace: &mut ConnectionPace, from_s: u64, seconds: u64, goodput: impl Fn(u32) -> u64) -> Vec<u32> {
        Line::default().play(pace, from_s, seconds, goodput)
    }

    /// What is seen of one connection.
    fn one(received: u64, missing: u64, latency_ms: Millis) -> PaceSample {
        PaceSample { received, missing, in_flight: 1, flowing: 1, throttled: false, latency_ms, eldest_rate: 0 }
    }

    const AUTO: ConnectionPlan = ConnectionPlan::Auto(16);
    const MB: u64 = 1_000_000;

    #[test]
    fn connections_that_pay_are_kept() {
        let mut pace = ConnectionPace::new(AUTO, None);
        assert_eq!(play(&mut pace, 0, 5, |n| u64::from(n) * MB)[..], [16, 16, 16, 16, 16]);
    }

    #[test]
    fn where_a_queue_stands_there_is_one_connection() {
        let mut pace = ConnectionPace::new(AUTO, None);
        let queued = Line { head_ms: 80, ..Line::default() };
        assert_eq!(queued.play(&mut pace, 0, 60, |_| 50 * MB).iter().max(), Some(&1));
        assert_eq!(queued.sounded.get(), 12, "it sounds now and then, twice each time, and less and less");
    }

    #[test]
    fn connections_that_do_not_pay_are_shed() {
        let mut pace = ConnectionPace::new(AUTO, None);
        assert_eq!(play(&mut pace, 0, 4, |_| 5 * MB)[..], [5, 1, 1, 1]);
        assert!(pace.takes_shedding() && !pace.takes_shedding());
        let mut pace = ConnectionPace::new(AUTO, None);
        assert_eq!(play(&mut pace, 0, 6, |n| u64::from(n.min(2)) * MB).last(), Some(&10));
    }

    /// One connection that brings a megabyte a second, until the line is sounded; the bytes and the moment.
    fn until_sounded(pace: &mut ConnectionPace) -> (u64, Millis) {
        (1..100)
            .map(|tick| (tick * MB / 50, tick * 20))
            .find(|&(received, now)| {
                pace.look(now, one(received, u64::MAX, 50));
                pace.is_sounding()
            })
            .expect("it brings the same for two seconds")
    }

    #[test]
    fn a_head_that_is_late_once_is_no_queue() {
        let mut pace = ConnectionPace::new(AUTO, None);
        let (_, now) = until_sounded(&mut pace);
        assert!(!pace.sounded(now + 80, 80, 50) && pace.is_sounding() && !pace.takes_shedding());
        assert!(pace.sounded(now + 130, 50, 50));
        assert_eq!(pace.allowed(), 5);
    }

    /// The first packet of a connection was lost: it is sent again after a second.
    #[test]
    fn a_trial_is_judged_without_a_connection_that_does_not_flow() {
        let mut pace = ConnectionPace::new(AUTO, None);
        let (received, now) = until_sounded(&mut pace);
        assert!(pace.sounded(now, 50, 50));
        for tick in 1..40 {
            let (received, now) = (received + tick * 3 * MB / 50, now + tick * 20);
            let seen = PaceSample { in_flight: 5, flowing: 4, ..one(received, u64::MAX, 50) };
            pace.look(now, seen);
        }
        assert!(pace.allowed() > 5, "three times as much came");
    }

    /// The one that there was grows, and brings all that comes: the others do not pay.
    #[test]
    fn what_the_eldest_brings_is_what_others_have_to_add_to() {
        for (eldest_rate, stays) in [(2 * MB, false), (MB, true)] {
            let mut pace = ConnectionPace::new(ConnectionPlan::Auto(5), None);
            let (received, now) = until_sounded(&mut pace);
            assert!(pace.sounded(now, 50, 50));
            for tick in 1..50 {
                let (received, now) = (received + tick * 2 * MB / 50, now + tick * 20);
                let seen = PaceSample { in_flight: 5, flowing: 5, eldest_rate, ..one(received, u64::MAX, 50) };
                pace.look(now, seen);
            }
            assert_eq!(pace.allowed() == 5, stays, "{eldest_rate}");
        }
    }

    #[test]
    fn what_is_nearly_done_comes_over_one_connection() {
        let mut pace = ConnectionPace::new(AUTO, None);
        for tick in 0..100 {
            let received = tick * MB;
            let missing = 100 * MB - received; // two seconds' worth at the beginning
            let seen = one(received, missing, 100);
            pace.look(tick * 20, seen);
            assert_eq!(pace.allowed(), 1);
        }
    }

    #[test]
    fn a_slow_start_is_waited_for_unless_its_window_is_large() {
        for (least, want) in [(1, 1), (100, 2)] {
            let mut pace = ConnectionPace::new(AUTO, None);
            let mut received = 0;
            for tick in 0..25 {
                received += (least * 1000) << (tick / 5); // it doubles each 100 ms
                let missing = u64::MAX;
                let seen = one(received, missing, 100);
                pace.look(tick * 20, seen);
                if pace.is_sounding() {
                    break;
                }
            }
            assert_eq!(pace.allowed(), want, "{least}");
        }
    }

    #[test]
    fn a_burst_of_losses_that_is_mended_is_waited_for() {
        let mut pace = ConnectionPace::new(AUTO, None);
        Line { head_ms: 80, ..Line::default() }.play(&mut pace, 0, 10, |_| 50 * MB);
        let mut received = 500 * MB;
        let mut sounds_at = None;
        for tick in 500..600 {
            received += MB / 10; // a tenth of what came before
            let (missing, now) = (u64::MAX, tick * 20);
            let seen = one(received, missing, 50);
            pace.look(now, seen);
            sounds_at = sounds_at.or(pace.is_sounding().then_some(now - 10_000));
        }
        assert!(sounds_at.is_some_and(|at| (400..1_500).contains(&at)), "{sounds_at:?}");
    }

    #[test]
    fn a_network_that_has_halved_is_tried_again() {
        let mut pace = ConnectionPace::new(AUTO, None);
        Line { head_ms: 80, ..Line::default() }.play(&mut pace, 0, 20, |_| 50 * MB);
        assert_eq!(pace.allowed(), 1);
        // A handover: now every connection is slow, and more of them pay.
        assert_eq!(play(&mut pace, 20, 6, |n| u64::from(n) * MB).last(), Some(&16));
    }

    #[test]
    fn a_refusal_sets_the_number_to_what_is_served_and_one_more_is_tried_later() {
        let mut pace = ConnectionPace::new(ConnectionPlan::Fixed(8), None);
        assert_eq!((pace.refused(0, 3, None), pace.refused(1, 2, None)), (3, 2));
        assert_eq!(play(&mut pace, 0, 5, |_| MB).last(), Some(&2));
        assert_eq!(play(&mut pace, 5, 2, |_| MB).last(), Some(&3));
        assert_eq!(pace.refused(7_000, 2, Some(60_000)), 2);
        assert_eq!(play(&mut pace, 7, 59, |_| MB).last(), Some(&2));
        assert_eq!(play(&mut pace, 66, 2, |_| MB).last(), Some(&3));
    }

    #[test]
    fn a_sounding_that_is_refused_leaves_what_is_served() {
        let mut pace = ConnectionPace::new(AUTO, None);
        let refusing = Line { refuses: true, ..Line::default() };
        assert_eq!(refusing.play(&mut pace, 0, 5, |n| u64::from(n) * MB).iter().max(), Some(&1));
        assert_eq!(refusing.sounded.get(), 1, "one more is tried later");
        assert_eq!(play(&mut pace, 5, 3, |n| u64::from(n) * MB).last(), Some(&2));
    }

    #[test]
    fn a_limit_known_from_before_is_where_it_ends() {
        assert_eq!(ConnectionPace::new(AUTO, Some(2)).allowed(), 1);
        let mut pace = ConnectionPace::new(AUTO, Some(2));
        assert_eq!(play(&mut pace, 0, 4, |n| u64::from(n) * MB)[1..], [2, 2, 2]);
        assert_eq!(ConnectionPace::new(ConnectionPlan::Fixed(8), Some(2)).allowed(), 2);
        assert_eq!(ConnectionPace::new(ConnectionPlan::Fixed(2), Some(8)).allowed(), 2);
        assert_eq!(ConnectionPace::new(ConnectionPlan::Fixed(0), Some(0)).allowed(), 1);
    }

    #[test]
    fn a_sounding_that_is_not_answered_is_given_up() {
        let mut pace = ConnectionPace::new(AUTO, None);
        let silent = Line { head_ms: 1_000_000, ..Line::default() };
        assert_eq!(silent.play(&mut pace, 0, 3, |_| MB).last(), Some(&1));
        assert!(silent.sounded.get() == 1 && pace.takes_shedding());
    }

    #[test]
    fn nothing_is_concluded_while_the_disk_holds_back_or_heads_are_awaited() {
        for (flowing, throttles) in [(4, true), (3, false)] {
            let mut pace = ConnectionPace::new(AUTO, None);
            for tick in 0..500 {
                let throttled = throttles && tick % 2 == 0;
                let received = tick * 1000;
                let seen = PaceSample {
                    received,
                    missing: u64::MAX,
                    in_flight: flowing - 3,
                    flowing: 0,
                    throttled,
                    latency_ms: 1,
                    eldest_rate: 0,
                };
                pace.look(tick * 20, seen);
            }
            assert_eq!(pace.allowed(), 1);
        }
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
