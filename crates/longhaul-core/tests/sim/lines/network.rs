//! The network between one download and its server: a line that all connections share, with a queue before it, and what
//! bounds each of them.
//!
//! Connections are as TCP is, coarsely: a window that doubles each round trip until a loss or a bound, and grows slowly
//! behind it; what all of them send beyond the line's rate waits in the queue, and what is beyond the queue is lost: then
//! one of them stalls, as those do that mend many losses, and the others go on with half. Time goes in ticks of
//! [`TICK_MS`].

use crate::rng::Rng;

pub(crate) const TICK_MS: u64 = 5;
/// What a connection sends in its first round trip.
const FIRST_WINDOW: f64 = 14_600.0;

/// What a line is like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kind {
    /// Bytes a millisecond.
    pub(crate) rate: f64,
    /// Round trip without a queue.
    pub(crate) round_trip_ms: u64,
    /// Bytes that wait before more are lost.
    pub(crate) queue: f64,
    /// Losses at random: behind a fast start no window is larger than about this.
    pub(crate) window_lossy: Option<f64>,
    /// The server's send buffer.
    pub(crate) window_most: f64,
    /// Bytes a millisecond of each connection.
    pub(crate) rate_each: Option<f64>,
    /// The second of every eight connections brings a hundredth of that, and its heads come late.
    pub(crate) slow_second: bool,
    /// Now and then a connection brings no byte for four round trips, and then all of them.
    pub(crate) bursts: bool,
    /// So many requests are answered at once.
    pub(crate) served: Option<usize>,
}

impl Kind {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let round_trip_ms = rng.pick(&[20, 40, 80, 100, 300]);
        let rate = rng.pick(&[1_250, 2_500, 6_250, 12_500, 62_500]) as f64;
        let pipe = rate * round_trip_ms as f64;
        let mut kind =
            Self { rate, round_trip_ms, queue: pipe.max(65_536.0), window_most: 2_500_000.0, ..Self::default() };
        match rng.below(8) {
            0 | 1 => kind.window_lossy = Some(1_460.0 * rng.pick(&[10, 15, 40]) as f64),
            2 => {
                kind.rate_each = Some(rate / rng.pick(&[4, 8, 25]) as f64);
                kind.slow_second = rng.one_in(2);
            }
            3 => kind.bursts = true,
            4 => kind.served = Some(rng.between(1, 2) as usize),
            5 => kind.queue = pipe * 4.0,
            _ => {}
        }
        kind
    }

    /// Whether one connection fills the line, and whether a queue stands before it then.
    pub(crate) fn is_filled_by_one(&self) -> bool {
        let pipe = self.rate * self.round_trip_ms as f64;
        let bound = self.window_lossy.is_some() || self.rate_each.is_some() || self.bursts;
        !bound && self.window_most > 1.5 * pipe
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Connection {
    window: f64,
    /// Doubles until here.
    threshold: f64,
    stalled_until: u64,
    /// Bytes that came and were not delivered, by a burst.
    behind_a_hole: f64,
    pub(crate) idle_since: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) kind: Kind,
    queued: f64,
    pub(crate) connections: Vec<Connection>,
    rng: Rng,
}

impl Network {
    pub(crate) fn new(kind: Kind, rng: Rng) -> Self {
        Self { kind, queued: 0.0, connections: Vec::new(), rng }
    }

    /// What a packet and its answer take now.
    pub(crate) fn round_trip_ms(&self) -> u64 {
        self.kind.round_trip_ms + (self.queued / self.kind.rate) as u64
    }

    /// How long the head of a reply takes now.
    pub(crate) fn head_ms(&self, connection: usize) -> u64 {
        let packet_ms = self.rate_of(connection).map_or(0, |rate| (1_500.0 / rate) as u64);
        self.round_trip_ms() + packet_ms
    }

    /// What bounds a connection by itself, in bytes a millisecond.
    fn rate_of(&self, connection: usize) -> Option<f64> {
        let is_slow = self.kind.slow_second && connection % 8 == 1;
        self.kind.rate_each.map(|each| if is_slow { each / 100.0 } else { each })
    }

    /// An idle connection, that which was used last, or a new one; and whether it is new.
    pub(crate) fn connection(&mut self, fresh: bool) -> (usize, bool) {
        let idle = self.connections.iter().enumerate().filter_map(|(i, c)| Some((c.idle_since?, i))).max();
        if let Some((_, i)) = idle.filter(|_| !fresh) {
            self.connections[i].idle_since = None;
            return (i, false);
        }
        let threshold = self.kind.window_lossy.map_or(f64::MAX, |lossy| lossy * (4.0 + self.rng.below(12) as f64));
        let new =
            Connection { window: FIRST_WINDOW, threshold, stalled_until: 0, behind_a_hole: 0.0, idle_since: None };
        self.connections.push(new);
        (self.connections.len() - 1, true)
    }

    /// A tick: what each of the connections that send delivers, in bytes.
    pub(crate) fn tick(&mut self, now: u64, sending: &[usize]) -> Vec<u64> {
        let kind = self.kind;
        let round_trip = self.round_trip_ms() as f64;
        let mut offers: Vec<f64> = Vec::with_capacity(sending.len());
        for &i in sending {
            let offer = self.offer(i, now, round_trip);
            offers.push(offer);
        }
        let carried = kind.rate * TICK_MS as f64;
        let sum: f64 = offers.iter().sum();
        // What is in the queue is a part of the windows; it drains when these shrink.
        let each = kind.rate_each.map_or(f64::MAX, |each| each * kind.round_trip_ms as f64);
        let windows: f64 = sending.iter().map(|&i| self.connections[i].window.min(each)).sum();
        self.queued = (windows - kind.rate * kind.round_trip_ms as f64).max(0.0).min(kind.queue);
        if windows > kind.rate * kind.round_trip_ms as f64 + kind.queue && !sending.is_empty() {
            self.overrun(now, sending);
        }
        let share = if sum > carried { carried / sum } else { 1.0 };
        offers.iter().map(|offer| (offer * share) as u64).collect()
    }

    /// What a connection would deliver in this tick by itself; its window grows.
    fn offer(&mut self, i: usize, now: u64, round_trip: f64) -> f64 {
        let kind = self.kind;
        let rate_of = self.rate_of(i);
        let bursts = kind.bursts && self.rng.one_in(600);
        let wobble = 60.0 + self.rng.below(80) as f64;
        let c = &mut self.connections[i];
        if bursts && c.stalled_until <= now {
            c.stalled_until = now + 4 * kind.round_trip_ms;
        }
        let mut offer = c.window / round_trip * TICK_MS as f64;
        if let Some(each) = rate_of {
            offer = offer.min(each * TICK_MS as f64);
        }
        if now < c.stalled_until {
            c.behind_a_hole += if kind.bursts { offer } else { 0.0 };
            return 0.0;
        }
        offer += std::mem::take(&mut c.behind_a_hole);
        let growth = TICK_MS as f64 / round_trip;
        if c.window >= c.threshold {
            // Of a lossy line: the fast start is over.
            c.window = kind.window_lossy.map_or(c.window + 1_460.0 * growth, |lossy| lossy * wobble / 100.0);
        } else {
            c.window *= 1.0 + growth;
        }
        let each = kind.rate_each.map_or(f64::MAX, |each| each * kind.round_trip_ms as f64);
        c.window = c.window.min(kind.window_most).min(each.max(FIRST_WINDOW));
        if let Some(lossy) = kind.window_lossy.filter(|_| c.window >= c.threshold) {
            c.threshold = 0.0;
            c.window = lossy;
        }
        offer
    }

    /// More is under way than line and queue hold.
    fn overrun(&mut self, now: u64, sending: &[usize]) {
        let stalls = sending.len() > 1;
        let worst = self.rng.pick(sending);
        for &i in sending {
            let c = &mut self.connections[i];
            c.window *= 0.7; // as cubic does (RFC 9438, 4.6)
            c.threshold = c.window;
            if stalls && i == worst {
                c.stalled_until = now + self.kind.round_trip_ms * self.rng.between(10, 20);
                c.window = FIRST_WINDOW;
            }
        }
    }
}
