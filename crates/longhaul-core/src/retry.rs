//! When do we ask again? Exponential backoff with full jitter, the server's own `Retry-After`, and a budget.
//!
//! The budget counts failures in a row **without progress**; progress is a new high-water mark of held bytes of one
//! identity. Questions that do not carry bytes (what stands there, which parts are stored) are counted by themselves:
//! in a row, until one is answered. Otherwise a source that refuses every other request would use the budget up with
//! questions between the tries, or refill it with their answers and keep a run busy for ever. What is worth a second
//! try is decided where the failure is judged ([`reply`](crate::reply), [`download`](crate::download)): connections
//! that fail, break or stall; 202, 408, 425, 429 and 5xx (but 501 and 505); replies that cannot be used, three times.
//! Redirect trouble, refused TLS and every other 4xx end the run, those that may be of how it was asked after it was
//! asked more plainly.

use crate::words::Millis;

/// The numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failures in a row without progress before giving up.
    pub failures_max: u32,
    /// The first backoff bound, in milliseconds; doubles with each failure.
    pub backoff_ms: u64,
    /// The largest backoff bound, in milliseconds.
    pub backoff_max_ms: u64,
    /// The longest `Retry-After` that is obeyed in full, in milliseconds.
    pub retry_after_max_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { failures_max: 10, backoff_ms: 200, backoff_max_ms: 30_000, retry_after_max_ms: 300_000 }
    }
}

/// The state of one run.
#[derive(Debug, Clone)]
pub struct Retry {
    policy: RetryPolicy,
    random: u64,
    failures: u32,
    /// Questions in a row that were not answered.
    unanswered: u32,
    high_water: u64,
    /// No request before this moment.
    pub not_before: Millis,
}

impl Retry {
    /// A fresh budget; `seed` feeds the jitter.
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self { policy, random: seed, failures: 0, unanswered: 0, high_water: 0, not_before: 0 }
    }

    /// Failures in a row without progress.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The next failure ends the run.
    pub fn is_used_up(&self) -> bool {
        self.failures >= self.policy.failures_max
    }

    /// `held` bytes of one identity are held: a new high-water mark forgives earlier failures.
    pub fn progress(&mut self, held: u64) -> bool {
        let progress = held > self.high_water;
        if progress {
            self.high_water = held;
            self.failures = 0;
        }
        progress
    }

    /// A step forward that moves no byte: it forgives earlier failures. The caller bounds how many there are.
    pub fn stepped(&mut self) {
        self.failures = 0;
    }

    /// Questions in a row that were not answered.
    pub fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// A question was answered. Failures of what carries forward are not forgiven by that.
    pub fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// A question was not answered: the delay before it is asked again in milliseconds, or `None` when it has been
    /// asked often enough.
    pub fn asked_in_vain(&mut self, now: Millis, retry_after_ms: Option<u64>) -> Option<u64> {
        self.unanswered += 1;
        self.delay(self.unanswered, now, retry_after_ms)
    }

    /// Another identity: its progress is counted from here.
    pub fn restart_at(&mut self, held: u64) {
        self.high_water = held;
    }

    /// A request failed: the delay before the next one in milliseconds, or `None` when the budget is used up.
    pub fn failed(&mut self, now: Millis, retry_after_ms: Option<u64>) -> Option<u64> {
        self.failures += 1;
        self.delay(self.failures, now, retry_after_ms)
    }

    fn delay(&mut self, failures: u32, now: Millis, retry_after_ms: Option<u64>) -> Option<u64> {
        if failures > self.policy.failures_max {
            return None;
        }
        let doublings = (failures - 1).min(32);
        let bound = self.policy.backoff_ms.saturating_mul(1 << doublings).min(self.policy.backoff_max_ms);
        let jittered = if bound == 0 { 0 } else { self.next_random() % (bound + 1) };
        let delay = match retry_after_ms {
            // The server's wish is a floor: jitter on top keeps a crowd from coming back in one instant.
            Some(wish) => wish.min(self.policy.retry_after_max_ms).saturating_add(jittered / 4),
            None => jittered,
        };
        self.not_before = now.saturating_add(delay);
        Some(delay)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): jitter needs spread, not secrecy.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_below_a_doubling_bound_and_the_budget_ends() {
        let mut retry = Retry::new(RetryPolicy::default(), 7);
        let mut bound = 200;
        for _ in 0..10 {
            let delay = retry.failed(1000, None).expect("within the budget");
            assert!(delay <= bound, "{delay} over {bound}");
            bound = (bound * 2).min(30_000);
        }
        assert_eq!(retry.failed(1000, None), None);
    }

    #[test]
    fn progress_forgives_and_repetition_does_not() {
        let mut retry = Retry::new(RetryPolicy { failures_max: 1, ..RetryPolicy::default() }, 7);
        assert!(retry.failed(0, None).is_some());
        assert!(retry.progress(10));
        assert!(retry.failed(0, None).is_some());
        assert!(!retry.progress(10));
        assert!(retry.failed(0, None).is_none());
    }

    #[test]
    fn questions_have_a_budget_of_their_own() {
        let mut retry = Retry::new(RetryPolicy { failures_max: 3, ..RetryPolicy::default() }, 7);
        for _ in 0..3 {
            // Answers between failures neither spend the budget nor refill it.
            assert!(retry.asked_in_vain(0, None).is_some());
            assert!(retry.asked_in_vain(0, None).is_some());
            retry.answered();
            assert!(retry.failed(0, None).is_some());
        }
        assert_eq!((retry.failures(), retry.unanswered()), (3, 0));
        assert_eq!(retry.failed(0, None), None);
        retry.stepped();
        assert!(retry.failed(0, None).is_some());
        for _ in 0..3 {
            assert!(retry.asked_in_vain(0, None).is_some());
        }
        assert_eq!(retry.asked_in_vain(0, None), None);
    }

    #[test]
    fn retry_after_is_a_floor_with_a_ceiling() {
        let mut retry = Retry::new(RetryPolicy::default(), 7);
        let delay = retry.failed(0, Some(5_000)).expect("first failure");
        assert!((5_000..5_100).contains(&delay));
        let delay = retry.failed(0, Some(u64::MAX)).expect("second failure");
        assert!((300_000..300_200).contains(&delay));
    }
}
