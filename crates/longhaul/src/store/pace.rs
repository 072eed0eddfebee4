//! How fast may bytes be taken from the network? One bucket of tokens, a token a byte, for all transfers of a client.
//!
//! A stream pays for bytes before it hands them on, in pieces; while it waits for tokens it does not read, so the
//! network's own flow control slows the sender down. The bucket has one turn at a time, and turns are given in the
//! order they were asked for: streams that all have bytes to hand on get equal shares, whatever the size of what they
//! received at once. The rate may change at any time; who is waiting reckons again.
//!
//! Waiting here is ours, not the network's: the stall clock ([`StallWatch`](super::StallWatch)) does not run.

use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

/// Tokens that may gather while no stream asks, as a time at the rate. Shorter is smoother; longer makes up for a
/// machine that is busy elsewhere and late to ask.
const GATHER: Duration = Duration::from_millis(200);
/// A piece is what comes in this time …
const PIECE_TIME: Duration = Duration::from_millis(20);
/// … between these: small pieces are dear, large ones make the turns of the others long.
const PIECE_MIN: u64 = 512;
const PIECE_MAX: u64 = 64 << 10;

/// See the module.
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

    /// How many of `available` bytes are worth paying for at once; at least one if there is any.
    pub(crate) fn piece_len(&self, available: usize) -> usize {
        let rate = *self.rate.borrow();
        if rate == 0 {
            return available;
        }
        let piece = (u128::from(rate) * PIECE_TIME.as_nanos() / TOKEN).clamp(PIECE_MIN.into(), PIECE_MAX.into());
        usize::try_from(piece).map_or(available, |piece| available.min(piece))
    }

    /// Waits until this many bytes may be handed on. Dropped, it has not paid.
    pub(crate) async fn pay(&self, bytes: usize) {
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
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinSet;
    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Hands on chunks of this size for ever, and counts.
    async fn stream(pace: Arc<Pace>, chunk: usize, count: Arc<std::sync::atomic::AtomicU64>) {
        loop {
            let mut left = chunk;
            while left > 0 {
                let piece = pace.piece_len(left);
                pace.pay(piece).await;
                count.fetch_add(piece as u64, std::sync::atomic::Ordering::Relaxed);
                left -= piece;
            }
        }
    }

    /// How many bytes streams with chunks of these sizes hand on in that time.
    async fn run(pace: &Arc<Pace>, chunks: &[usize], time: Duration) -> Vec<u64> {
        let counts: Vec<_> = chunks.iter().map(|_| Arc::default()).collect();
        let mut streams = JoinSet::new();
        for (&chunk, count) in chunks.iter().zip(&counts) {
            streams.spawn(stream(Arc::clone(pace), chunk, Arc::clone(count)));
        }
        let _ = timeout(time, async { while streams.join_next().await.is_some() {} }).await;
        counts.iter().map(|c| c.load(std::sync::atomic::Ordering::Relaxed)).collect()
    }

    fn close(got: u64, want: u64) -> bool {
        got.abs_diff(want) <= want / 20
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_whatever_the_rate_and_the_chunks() {
        for rate in [700, 10_000, 1 << 20, 100 << 20] {
            for chunk in [1_000, 100_000, 3_000_000] {
                let pace = Arc::new(Pace::new(rate));
                let sum: u64 = run(&pace, &[chunk], SECOND * 20).await.iter().sum();
                assert!(close(sum, rate * 20), "{rate}: {sum} in chunks of {chunk}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn streams_get_equal_shares_whatever_they_receive_at_once() {
        let pace = Arc::new(Pace::new(8 << 20));
        let shares = run(&pace, &[8 << 10, 500_000, 64 << 10, 300_000], SECOND * 30).await;
        // Chunks smaller than a piece cost more turns: each turn is worth what was asked for, so compare large ones.
        assert!(shares[1..].iter().all(|&s| close(s, shares[1])), "{shares:?}");
        assert!(shares[0] > 0 && close(shares.iter().sum(), 30 * (8 << 20)), "{shares:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_counts_at_once_for_those_who_wait() {
        let pace = Arc::new(Pace::new(1));
        let waiting = Arc::clone(&pace);
        let begun = Instant::now();
        let waiting = tokio::spawn(async move { waiting.pay(1_000_000).await });
        advance(SECOND).await;
        assert!(!waiting.is_finished());
        pace.set(1_000_000);
        waiting.await.unwrap();
        assert!(begun.elapsed() <= SECOND * 3, "{:?}", begun.elapsed());

        let pace = Arc::new(Pace::new(1));
        let waiting = Arc::clone(&pace);
        let waiting = tokio::spawn(async move { waiting.pay(1_000_000).await });
        advance(SECOND).await;
        pace.set(0);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_time_is_not_made_up_for() {
        let pace = Arc::new(Pace::new(1 << 20));
        advance(SECOND * 3600).await;
        let sum: u64 = run(&pace, &[100_000], SECOND).await.iter().sum();
        assert!(sum <= (1 << 20) * 13 / 10, "{sum}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_nothing_and_holds_up_nobody() {
        let pace = Arc::new(Pace::new(1000));
        assert!(timeout(SECOND, pace.pay(5_000)).await.is_err());
        let begun = Instant::now();
        pace.pay(1_000).await;
        assert!(begun.elapsed() <= SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits() {
        let pace = Pace::new(0);
        let begun = Instant::now();
        assert_eq!(pace.piece_len(1 << 30), 1 << 30);
        pace.pay(1 << 30).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
