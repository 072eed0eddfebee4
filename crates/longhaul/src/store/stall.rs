//! Is the network too slow to wait on? A stall is less than a least rate, averaged over a time, from connect to last
//! byte, head included.
//!
//! The clock of a [`StallWatch`] runs only while something is awaited from the network: time in which we do not read
//! (disk, rate limit, a pause) is not the network's fault. Each wait gets the time until the average of the last
//! `window` would fall below the minimum if no more came.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Into how many slots the window is divided. More remember better when bytes came; a stall is noticed at most one
/// slot early.
const SLOTS: u32 = 32;

/// Less than the least rate over the stall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stalled;

/// Watches one request.
#[derive(Debug)]
pub(crate) struct StallWatch {
    /// Bytes that the window must hold; at least 1.
    least: u64,
    /// How far back is averaged; zero: never stalled.
    window: Duration,
    /// Time spent waiting on the network so far.
    waited: Duration,
    /// Begins of slots (on the clock of `waited`) and the bytes that came in them, oldest first.
    slots: VecDeque<(Duration, u64)>,
}

impl StallWatch {
    /// A watch for one request. A `timeout` of zero never stalls; a rate of zero stalls when no byte comes.
    pub(crate) fn new(min_rate_bytes_per_s: u64, timeout: Duration) -> Self {
        let least = (u128::from(min_rate_bytes_per_s) * timeout.as_millis() / 1000).max(1);
        let least = u64::try_from(least).unwrap_or(u64::MAX);
        Self { least, window: timeout, waited: Duration::ZERO, slots: VecDeque::new() }
    }

    /// Waits for the network, no longer than the average allows.
    pub(crate) async fn guard<F: Future>(&mut self, waiting: F) -> Result<F::Output, Stalled> {
        let Some(patience) = self.patience() else { return Ok(waiting.await) };
        let begun = Instant::now();
        let outcome = timeout(patience, waiting).await;
        self.pass(begun.elapsed());
        outcome.map_err(|_| Stalled)
    }

    /// Bytes came.
    pub(crate) fn came(&mut self, bytes: u64) {
        match self.slots.back_mut() {
            Some((begin, sum)) if self.waited - *begin < self.window / SLOTS => *sum = sum.saturating_add(bytes),
            _ => self.slots.push_back((self.waited, bytes)),
        }
        self.forget_old();
    }

    /// Time was spent waiting.
    fn pass(&mut self, waited: Duration) {
        self.waited = self.waited.saturating_add(waited);
        self.forget_old();
    }

    /// How long the next wait may take; `None`: for ever.
    fn patience(&self) -> Option<Duration> {
        if self.window.is_zero() {
            return None;
        }
        // The first moment at which the slots still inside the window hold less than the minimum. Slots leave it oldest
        // first, so the newest ones that together reach the minimum say how long it can last.
        let mut sum = 0_u64;
        let enough = self.slots.iter().rev().find(|(_, bytes)| {
            sum = sum.saturating_add(*bytes);
            sum >= self.least
        });
        let until = enough.map_or(self.window, |(begin, _)| begin.saturating_add(self.window));
        Some(until.saturating_sub(self.waited))
    }

    fn forget_old(&mut self) {
        while self.slots.front().is_some_and(|(begin, _)| *begin + self.window < self.waited) {
            self.slots.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets `(seconds, bytes)` happen one after the other; gives the time at which the watch stalls.
    async fn play(mut watch: StallWatch, events: &[(u64, u64)]) -> Option<u64> {
        let begun = Instant::now();
        for &(seconds, bytes) in events {
            if watch.guard(sleep(SECOND * seconds as u32)).await.is_err() {
                return Some(begun.elapsed().as_secs());
            }
            watch.came(bytes);
        }
        None
    }

    fn watch() -> StallWatch {
        StallWatch::new(1024, SECOND * 30)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_an_average_below_the_minimum() {
        let enough = 30 * 1024;
        assert_eq!(play(watch(), &[(100, 0)]).await, Some(30), "a head that does not come");
        assert_eq!(play(watch(), &[(29, enough), (29, 0), (100, 0)]).await, Some(59), "silence behind a burst");
        assert_eq!(play(watch(), &[(29, enough - 1), (100, 0)]).await, Some(30), "one byte too few");
        assert_eq!(play(watch(), &[(1, 1024); 300]).await, None, "exactly the least rate");
        assert_eq!(play(watch(), &[(1, 900); 300]).await, Some(30), "slower from the begin");
        assert_eq!(play(watch(), &[(10, 12_000); 30]).await, None, "rare but large");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_after_a_fast_begin_is_noticed() {
        let mut events = vec![(1, 1 << 20); 10];
        events.extend([(1, 10); 100]);
        let stalled = play(watch(), &events).await.unwrap();
        assert!((39..=41).contains(&stalled), "{stalled}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_we_do_not_read_does_not_count() {
        let mut watch = watch();
        for _ in 0..10 {
            sleep(SECOND * 100).await;
            assert_eq!(watch.guard(sleep(SECOND)).await, Ok(()));
            watch.came(1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn zero_means_no_limit() {
        assert_eq!(play(StallWatch::new(1024, Duration::ZERO), &[(100_000, 0), (100_000, 1)]).await, None);
        let mut idle = StallWatch::new(0, SECOND * 5);
        assert_eq!(idle.guard(sleep(SECOND * 4)).await, Ok(()));
        idle.came(1);
        assert_eq!(idle.guard(sleep(SECOND * 4)).await, Ok(()));
        assert_eq!(idle.guard(sleep(SECOND * 4)).await, Err(Stalled));
    }

    #[test]
    fn memory_is_bounded() {
        let mut watch = watch();
        for _ in 0..1_000_000 {
            watch.came(1);
            watch.pass(Duration::from_millis(1));
        }
        assert!(watch.slots.len() <= SLOTS as usize + 2);
    }
}
