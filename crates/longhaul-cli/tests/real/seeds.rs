//! Where does chance come from? Seeds, which are printed when a test fails.

use std::ops::Range;
use std::time::Duration;

use longhaul_devstore::Content;

/// The seeds of a suite: 1 to `usual`, or what the environment says.
pub(crate) fn seeds(usual: u64) -> Vec<u64> {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match (asked("LONGHAUL_SEED"), asked("LONGHAUL_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (1..=count.unwrap_or(usual)).collect(),
    }
}

/// Numbers that a seed decides. When the test fails, the seed is printed.
pub(crate) struct Chance {
    seed: u64,
    drawn: u64,
    numbers: Content,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        // The origin's generator: any eight bytes of it are as good as a random number.
        Chance { seed, drawn: 0, numbers: Content::seeded(seed ^ 0x6c6f_6e67_6861_756c, Content::ENDLESS) }
    }

    /// A number of the range.
    pub(crate) fn of(&mut self, range: Range<u64>) -> u64 {
        let mut bytes = [0; 8];
        self.numbers.fill(self.drawn * 8, &mut bytes);
        self.drawn += 1;
        range.start + u64::from_le_bytes(bytes) % (range.end - range.start)
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.of(0..times) == 0
    }

    /// So many microseconds.
    pub(crate) fn micros(&mut self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.of(range))
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::say(&format!("to replay: LONGHAUL_SEED={}", self.seed));
        }
    }
}
