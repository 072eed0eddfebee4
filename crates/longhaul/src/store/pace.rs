//! How fast may bytes be taken from the network? A tree of buckets of tokens, a token a byte: a client's, in it those of
//! lanes, and the one of each transfer.
//!
//! ```text
//!   client ──┬── lane ──┬── transfer ── its connections
//!            │          └── transfer
//!            ├── lane ───── lane within it ── transfer
//!            └── transfer
//! ```
//!
//! A stream pays for bytes before it hands them on, in pieces, into each bucket on its [way](Rates) from the transfer to
//! the client; while it waits for tokens it does not read, so the network's own flow control slows the sender down. A
//! bucket has one turn at a time, and turns are given in the order they were asked for: streams that all have bytes to
//! hand on get equal shares, whatever the size of what they received at once. A rate may change at any time; who is
//! waiting reckons again.
//!
//! Waiting here is ours, not the network's: the stall clock ([`StallWatch`](super::StallWatch)) does not run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

/// Tokens that may gather while no stream asks, as a time at the rate. Shorter is smoother; longer makes up for a
/// machine that is busy elsewhere and late to ask.
const GATHER: Duration = Duration::from_millis(200);
/// A piece is what comes in this time through the widest bucket with a limit, which has the most streams to serve …
const PIECE_TIME: Duration = Duration::from_millis(20);
/// … and no more than what comes in this time through one further in. Pieces are to be alike for all streams of the
/// wide bucket, since a turn there is worth a piece.
const PIECE_TIME_WITHIN: Duration = Duration::from_millis(200);
/// Both between these: small pieces are dear, large ones make the turns of the others long.
const PIECE_MIN: u64 = 512;
const PIECE_MAX: u64 = 64 << 10;

/// The buckets that the bytes of one transfer are paid into: its own, those of its lanes, the client's. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    own: Arc<Pace>,
    /// From the innermost lane to the client.
    outer: Arc<[Arc<Pace>]>,
}

impl Rates {
    /// From the transfer outwards.
    pub(crate) fn new(own: Arc<Pace>, lanes: &[Arc<Pace>], client: Arc<Pace>) -> Self {
        Self { own, outer: lanes.iter().cloned().chain([client]).collect() }
    }

    /// No limit, and none to come.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { own: Arc::new(Pace::new(0)), outer: Arc::new([]) }
    }

    /// The transfer's own.
    pub(crate) fn own(&self) -> &Arc<Pace> {
        &self.own
    }

    fn buckets(&self) -> impl DoubleEndedIterator<Item = &Pace> + '_ {
        std::iter::once(&*self.own).chain(self.outer.iter().map(|bucket| &**bucket))
    }

    /// The least of the limits now, in bytes per second; 0 is none.
    pub(crate) fn limit(&self) -> u64 {
        self.limits().min().unwrap_or(0)
    }

    /// The limits there are, from the transfer outwards.
    fn limits(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.buckets().map(Pace::limit).filter(|&limit| limit > 0)
    }

    /// How many of `available` bytes are worth paying for at once; at least one if there is any.
    pub(crate) fn piece_len(&self, available: usize) -> usize {
        let mut limits = self.limits().rev();
        let Some(widest) = limits.next() else { return available };
        let within = limits.map(|limit| in_time(limit, PIECE_TIME_WITHIN)).min().unwrap_or(u64::MAX);
        let piece = in_time(widest, PIECE_TIME).min(within).clamp(PIECE_MIN, PIECE_MAX);
        usize::try_from(piece).map_or(available, |piece| available.min(piece))
    }

    /// Waits until this many bytes may be handed on. Dropped, it has paid into some of the buckets, perhaps: one piece
    /// is lost to who shares them.
    pub(crate) async fn pay(&self, bytes: usize) {
        for bucket in self.buckets() {
            bucket.pay(bytes).await;
        }
    }
}

/// What comes at this rate in that time.
fn in_time(bytes_per_s: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(bytes_per_s) * time.as_nanos() / TOKEN).unwrap_or(u64::MAX)
}

/// One bucket.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes per second; 0: as fast as they come.
    rate: watch::Sender<u64>,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Tokens there at `filled`, in billionths, so that slow rates lose none by rounding.
    tokens: u128,
    filled: Instant,
}

/// Billionths of a token.
const TOKEN: u128 = 1_000_000_000;

impl Pace {
    /// A limit; 0 is none.
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self { rate: watch::Sender::new(bytes_per_s), bucket: Mutex::new(Bucket { tokens: 0, filled: Instant::now() }) }
    }

    /// Another limit from now on, for those who are waiting too; 0 is none.
    pub(crate) fn set(&self, bytes_per_s: u64) {
        self.rate.send_replace(bytes_per_s);
    }

    /// The limit now, in bytes per second; 0 is none.
    pub(crate) fn limit(&self) -> u64 {
        *self.rate.borrow()
    }

    /// Waits until this many bytes may be handed on. Dropped, it has not paid.
    async fn pay(&self, bytes: usize) {
        let mut rate = self.rate.subscribe();
        if *rate.borrow_and_update() == 0 {
            return;
        }
        let price = bytes as u128 * TOKEN;
        let mut bucket = self.bucket.lock().await; // fair: first come, first served
        loop {
            let now_rate = *rate.borrow_and_update();
            if now_rate == 0 {
                return;
            }
            bucket.fill(now_rate, price);
            let Some(missing) = price.checked_sub(bucket.tokens).filter(|&missing| missing > 0) else {
                bucket.tokens -= price;
                return;
            };
            let wait = Duration::from_nanos(u64::try_from(missing.div_ceil(now_rate.into())).unwrap_or(u64::MAX));
            tokio::select! {
                () = sleep(wait) => {}
                _ = rate.changed() => {} // the sender lives as long as `self`
            }
        }
    }
}

impl Bucket {
    /// Adds what came since the last time. What may gather is bounded, but never below what is asked for.
    fn fill(&mut self, rate: u64, price: u128) {
        let now = Instant::now();
        let came = now.duration_since(self.filled).as_nanos().saturating_mul(rate.into());
        let most = GATHER.as_nanos().saturating_mul(rate.into()).max(price);
        self.tokens = self.tokens.saturating_add(came).min(most);
        self.filled = now;
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
