//! How many parts at once?
//!
//! A part counts when it was acknowledged: what is on its way when a run is interrupted is lost. [`Ramp`] begins with
//! one part, so that an interruption costs no more than that, and doubles the number as long as the acknowledged
//! goodput grows by a tenth or more. What does not pay is taken back. At no time is more on the way than the line
//! brings in [`AT_RISK_MS`].
//!
//! Only acknowledgements are counted. Bytes that were handed to the network are no measure: a new connection swallows
//! what its send buffer holds, and looks like growth.
//!
//! What an earlier upload to the same host reached lets a new one begin with more at once. An upload that was
//! interrupted begins with one part, even to a host that took more: otherwise interruptions in short order would cost
//! the same parts for ever.

use crate::pace::{ConnectionPace, ConnectionPlan, PaceSample};
use crate::words::Millis;

/// An interruption costs at most what is sent in this time, and half of that on average.
const AT_RISK_MS: Millis = 4_000;
/// A run that begins with what is known from before has at most what is sent in this time on the way: the line may
/// have become slower since.
const BEGIN_MS: Millis = 2_000;
/// Acknowledgements of several parts are counted over at least this time: they come in bursts.
const COUNT_MIN_MS: Millis = 400;
/// What more parts at once must bring to be kept, in percent.
const PAYS_PERCENT: u64 = 110;
/// Counts without another trial after one that did not pay; doubles up to the maximum.
const RESTS: u32 = 8;
const RESTS_MAX: u32 = 64;

/// Parts at once, as learned in one run.
#[derive(Debug, Clone)]
pub(super) struct Ramp {
    most: u32,
    /// How many the store serves, once it has refused one more.
    served: ConnectionPace,
    /// Bytes per second that this host acknowledged of an earlier upload.
    known: Option<u64>,
    part_len: u64,
    wanted: u32,
    /// When the number changed, and so many parts were under way for the first time.
    changed_at: Millis,
    /// Parts that are to begin until that is so.
    to_fill: u32,
    count: AckCount,
    /// Bytes per second that were acknowledged in the last count.
    goodput: Option<u64>,
    trial: Option<Trial>,
    rests: u32,
    rests_next: u32,
    /// A part was begun, and one was acknowledged, in this run.
    begun: bool,
    acknowledged: bool,
}

/// Acknowledgements of parts since a moment.
#[derive(Debug, Clone, Copy, Default)]
struct AckCount {
    since: Millis,
    parts: u32,
    bytes: u64,
}

/// The number that was left for a larger one, and what it brought in bytes per second.
#[derive(Debug, Clone, Copy)]
struct Trial {
    wanted: u32,
    goodput: u64,
}

impl Ramp {
    /// Never more than `most` parts at once. `served`: more than this were refused the last time. `known`: bytes per
    /// second that the host acknowledged of an earlier upload.
    pub(super) fn new(most: u32, served: Option<u32>, known: Option<u64>) -> Self {
        Self {
            most: most.max(1),
            served: ConnectionPace::new(ConnectionPlan::Fixed(most), served),
            known,
            part_len: 1,
            wanted: 1,
            changed_at: 0,
            to_fill: 0,
            count: AckCount::default(),
            goodput: None,
            trial: None,
            rests: 0,
            rests_next: RESTS,
            begun: false,
            acknowledged: false,
        }
    }

    /// What was known of the host is of a line that did not break.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// Parts of this length are to be sent from now on.
    pub(super) fn begin(&mut self, now: Millis, part_len: u64) {
        self.part_len = part_len.max(1);
        let parts = self.known.map_or(1, |goodput| parts_in(goodput, BEGIN_MS, self.part_len));
        self.set(now, parts.min(self.most));
    }

    /// How many may be under way.
    pub(super) fn allowed(&self) -> u32 {
        self.wanted.min(self.served.allowed())
    }

    /// A part begins.
    pub(super) fn begins(&mut self, now: Millis) {
        self.begun = true;
        if self.to_fill > 0 {
            self.to_fill -= 1;
            self.changed_at = now;
        }
    }

    /// The transfer of a part broke off: what is on the way now is lost. As with a run, one part comes first.
    pub(super) fn interrupted(&mut self, now: Millis) {
        self.forget();
        self.trial = None;
        self.set(now, 1);
    }

    /// One more part was refused while `serving` others were served: how many may be under way from now on.
    pub(super) fn refused(&mut self, now: Millis, serving: u32, retry_after_ms: Option<u64>) -> u32 {
        let served = self.served.refused(now, serving, retry_after_ms);
        self.trial = None;
        self.set(now, self.wanted.min(served));
        self.allowed()
    }

    /// Time has passed: may one more than the store served be tried?
    pub(super) fn look(&mut self, now: Millis, in_flight: u32, flowing: u32) {
        let (received, missing, latency_ms) = (0, 0, 0); // the number that is served does not follow the goodput
        let (throttled, eldest_rate) = (false, 0);
        let seen = PaceSample { received, missing, in_flight, flowing, throttled, latency_ms, eldest_rate };
        self.served.look(now, seen);
    }

    /// A part of so many bytes was acknowledged. `oldest`: when the oldest of it and those under way was ordered.
    ///
    /// As long as a part is among them that was under way when the number changed, no acknowledgement is counted: over
    /// a long line the first part of a new connection takes many times as long as the next ones.
    pub(super) fn acknowledged(&mut self, now: Millis, bytes: u64, oldest: Millis) {
        self.acknowledged = true;
        if oldest <= self.changed_at {
            self.count = AckCount { since: now, parts: 0, bytes: 0 };
            return;
        }
        self.count.parts += 1;
        self.count.bytes += bytes;
        let AckCount { since, parts, bytes } = self.count;
        let elapsed = now.saturating_sub(since);
        let enough = parts >= 2 * self.wanted && (self.wanted == 1 || elapsed >= COUNT_MIN_MS);
        if enough || parts >= self.wanted && elapsed >= AT_RISK_MS {
            self.count = AckCount { since: now, parts: 0, bytes: 0 };
            self.counted(now, bytes.saturating_mul(1000) / elapsed.max(1));
        }
    }

    /// Bytes per second that the host acknowledged; 0 when parts were sent and none was acknowledged.
    pub(super) fn learned(&self) -> Option<u64> {
        self.goodput.or((self.begun && !self.acknowledged).then_some(0))
    }

    /// Bytes per second that the line brings: as acknowledged in this run, or else of an earlier upload.
    pub(super) fn goodput(&self) -> Option<u64> {
        self.goodput.or(self.known).filter(|&goodput| goodput > 0)
    }

    fn counted(&mut self, now: Millis, goodput: u64) {
        self.goodput = Some(goodput);
        let bound = parts_in(goodput, AT_RISK_MS, self.part_len).min(self.most);
        let paid = |trial: Trial| goodput.saturating_mul(100) >= trial.goodput.saturating_mul(PAYS_PERCENT);
        match self.trial.take() {
            Some(trial) if !paid(trial) => {
                self.rests = self.rests_next;
                self.rests_next = (self.rests_next * 2).min(RESTS_MAX);
                return self.set(now, trial.wanted.min(bound));
            }
            _ if self.wanted > bound => return self.set(now, bound),
            None if self.rests > 0 => {
                self.rests -= 1;
                return;
            }
            _ => {}
        }
        let more = (self.wanted * 2).min(bound).min(self.served.allowed());
        if more > self.wanted {
            self.trial = Some(Trial { wanted: self.wanted, goodput });
            self.set(now, more);
        }
    }

    fn set(&mut self, now: Millis, wanted: u32) {
        self.wanted = wanted.max(1);
        (self.changed_at, self.to_fill) = (now, self.wanted);
        self.count = AckCount { since: now, parts: 0, bytes: 0 };
    }
}

/// How many parts of this length go in a time; at least one.
fn parts_in(goodput: u64, ms: Millis, part_len: u64) -> u32 {
    let parts = goodput.saturating_mul(ms) / 1000 / part_len;
    u32::try_from(parts).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const MB: u64 = 1_000_000;

    /// A line over which parts are sent for ever.
    struct Line {
        now: Millis,
        /// Of each part under way, when it was ordered and what lacks.
        parts: Vec<(Millis, u64)>,
        most: usize,
        acknowledged: u64,
    }

    impl Line {
        fn new() -> Self {
            Self { now: 0, parts: Vec::new(), most: 0, acknowledged: 0 }
        }

        /// So many parts under way bring so many bytes per second together, shared equally. Gives how many are wanted
        /// at the end.
        fn play(&mut self, ramp: &mut Ramp, ms: Millis, rate: impl Fn(u64) -> u64) -> u32 {
            for _ in 0..ms {
                self.now += 1;
                while self.parts.len() < ramp.allowed() as usize {
                    ramp.begins(self.now);
                    self.parts.push((self.now, ramp.part_len));
                }
                self.most = self.most.max(self.parts.len());
                let count = self.parts.len() as u64;
                for (_, left) in &mut self.parts {
                    *left = left.saturating_sub(rate(count) / count / 1000);
                }
                while let Some(i) = self.parts.iter().position(|(_, left)| *left == 0) {
                    let oldest = self.parts.iter().map(|(ordered_at, _)| *ordered_at).min().unwrap_or(0);
                    self.parts.remove(i);
                    self.acknowledged += ramp.part_len;
                    ramp.acknowledged(self.now, ramp.part_len, oldest);
                }
                ramp.look(self.now, count as u32, count as u32);
            }
            ramp.allowed()
        }
    }

    fn begun(most: u32, known: Option<u64>, part_len: u64) -> Ramp {
        let mut ramp = Ramp::new(most, None, known);
        ramp.begin(0, part_len);
        ramp
    }

    #[test]
    fn one_part_comes_first_and_more_while_they_pay() {
        let (mut line, mut ramp) = (Line::new(), begun(4, None, MIB));
        let rate = |count: u64| count * 2 * MB;
        assert_eq!(line.play(&mut ramp, 1500, rate), 1, "one part says how long parts take, two more are counted");
        assert_eq!(line.play(&mut ramp, 1000, rate), 2);
        assert_eq!(line.play(&mut ramp, 5000, rate), 4);
        assert!(ramp.learned().is_some_and(|goodput| (7 * MB..9 * MB).contains(&goodput)), "{ramp:?}");
    }

    /// Over a round trip of 100 ms a new connection needs a second for its first part of 1 MiB, and then an eighth.
    #[test]
    fn the_first_parts_of_new_connections_are_no_measure() {
        let mut ramp = begun(4, None, MIB);
        // When the next part of each connection is acknowledged, and when it was ordered.
        let (mut connections, mut fours) = (Vec::<(Millis, Millis)>::new(), 0);
        for now in 0..10_000 {
            let running = connections.len();
            for _ in running..ramp.allowed() as usize {
                ramp.begins(now);
                connections.push((now + 1000, now));
            }
            for i in 0..connections.len() {
                if connections[i].0 == now {
                    let oldest = connections.iter().map(|connection| connection.1).min().unwrap_or(0);
                    ramp.acknowledged(now, MIB, oldest);
                    ramp.begins(now);
                    connections[i] = (now + 125, now);
                }
            }
            connections.truncate(ramp.allowed().max(running as u32) as usize);
            fours += u32::from(ramp.allowed() == 4);
        }
        assert!(fours > 6_000, "four at once for {fours} ms of ten seconds");
    }

    #[test]
    fn parts_that_do_not_pay_are_taken_back_and_tried_rarely() {
        let (mut line, mut ramp) = (Line::new(), begun(4, None, MIB));
        let mut several = 0;
        for _ in 0..600 {
            several += u32::from(line.play(&mut ramp, 100, |_| 4 * MB) > 1);
        }
        assert!(line.most == 2 && several < 200, "of a minute, {several} tenths of a second with two");
    }

    #[test]
    fn what_is_on_the_way_is_sent_within_four_seconds() {
        // 2 Mbit/s: a part takes four seconds already.
        let (mut line, mut ramp) = (Line::new(), begun(4, None, MIB));
        line.play(&mut ramp, 120_000, |count| count * MB / 4);
        assert_eq!(line.most, 1);
        // Twice as much, and parts would pay: two are on the way, not four.
        let (mut line, mut ramp) = (Line::new(), begun(4, None, MIB));
        line.play(&mut ramp, 120_000, |count| [0, 530_000, 790_000, 790_000, 790_000][count as usize]);
        assert!(line.most > 1 && line.most as u64 * MIB <= 4 * 790_000, "{}", line.most);
    }

    #[test]
    fn a_line_that_becomes_slow_has_fewer_on_the_way() {
        let (mut line, mut ramp) = (Line::new(), begun(4, None, MIB));
        assert_eq!(line.play(&mut ramp, 10_000, |count| count * 2 * MB), 4);
        assert_eq!(line.play(&mut ramp, 60_000, |_| MB / 4), 1);
    }

    #[test]
    fn a_known_host_is_begun_with_what_goes_in_two_seconds() {
        for (known, part_len, most, want) in [
            (None, MIB, 4, 1),
            (Some(0), MIB, 4, 1),
            (Some(MIB), MIB, 4, 2),
            (Some(100 * MIB), MIB, 4, 4),
            (Some(100 * MIB), MIB, 16, 16),
            (Some(6 * MIB), 5 * MIB, 4, 2),
            (Some(u64::MAX), MIB, 1, 1),
        ] {
            assert_eq!(begun(most, known, part_len).allowed(), want, "{known:?} in parts of {part_len}");
        }
        let mut ramp = Ramp::new(4, None, Some(100 * MIB));
        ramp.forget();
        ramp.begin(0, MIB);
        assert_eq!(ramp.allowed(), 1);
        assert_eq!(begun(4, Some(100 * MIB), MIB).learned(), None);
    }

    #[test]
    fn an_interruption_begins_with_one_part_again() {
        let (mut line, mut ramp) = (Line::new(), begun(4, Some(100 * MIB), MIB));
        assert_eq!(line.play(&mut ramp, 3_000, |count| count * 2 * MB), 4);
        ramp.interrupted(line.now);
        assert_eq!(ramp.allowed(), 1);
        line.parts.clear();
        assert_eq!(line.play(&mut ramp, 1_000, |count| count * 2 * MB), 1);
        assert_eq!(line.play(&mut ramp, 10_000, |count| count * 2 * MB), 4);
    }

    #[test]
    fn what_was_only_sent_says_nothing() {
        let mut ramp = begun(4, None, MIB);
        ramp.begins(0);
        for now in 0..100_000 {
            ramp.look(now, 1, 1);
        }
        assert_eq!((ramp.allowed(), ramp.learned()), (1, Some(0)));
        ramp.acknowledged(100_000, MIB, 0);
        assert_eq!(ramp.learned(), None, "one part says nothing of the pace");
    }

    #[test]
    fn a_store_that_refuses_one_more_is_asked_again_later() {
        let (mut line, mut ramp) = (Line::new(), begun(4, None, MIB));
        assert_eq!(line.play(&mut ramp, 10_000, |count| count * 2 * MB), 4);
        assert_eq!(ramp.refused(line.now, 2, None), 2);
        line.parts.truncate(2);
        assert_eq!(line.play(&mut ramp, 4_000, |count| count * 2 * MB), 2);
        assert_eq!(line.play(&mut ramp, 30_000, |count| count * 2 * MB), 4);
        assert_eq!(Ramp::new(4, Some(2), Some(u64::MAX)).served.allowed(), 2);
    }

    /// However acknowledgements come, the number is never above the bound, and a stall of them never raises it.
    #[test]
    fn acknowledgements_in_any_order_of_times_keep_the_bounds() {
        for seed in 0..200_u64 {
            let (mut ramp, mut now, mut draw) = (begun(5, None, 1000), 0, seed * 7919 + 1);
            for _ in 0..500 {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                now += match draw >> 61 {
                    0 => 0,
                    1..5 => draw >> 32 & 0x7f,
                    5 | 6 => draw >> 32 & 0xfff,
                    _ => draw >> 32 & 0xf_ffff,
                };
                let before = ramp.allowed();
                match draw >> 20 & 0xf {
                    0 => ramp.interrupted(now),
                    1 => _ = ramp.refused(now, (draw >> 8 & 3) as u32, Some(draw >> 40 & 0xfff)),
                    2 => ramp.look(now, 1, 1),
                    3 => ramp.begins(now),
                    _ => ramp.acknowledged(now, 1000, now.saturating_sub(draw >> 44 & 0xfff)),
                }
                let allowed = ramp.allowed();
                assert!((1..=5).contains(&allowed), "seed {seed}: {allowed}");
                let bound = ramp.goodput.map_or(1, |goodput| parts_in(goodput, AT_RISK_MS, 1000));
                assert!(allowed <= before || allowed <= bound, "seed {seed}: {before}, then {allowed} of {bound}");
            }
        }
    }
}
