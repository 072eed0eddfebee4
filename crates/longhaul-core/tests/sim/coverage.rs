//! What the histories went through, and how often: a simulation that never tears a journal proves nothing about torn
//! journals. Each world names what it counts; the table is made here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How often each of several names was met.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, count)| *self.0.entry(name).or_default() += count);
    }
}

/// What one world counts.
pub(crate) trait Table: Default + Send {
    /// Names in the tallies that must be met often enough, in the order of `tallies`.
    fn needed() -> [Vec<&'static str>; 3];

    /// Numbers that grow; all must be met often enough.
    fn sums(&self) -> Vec<(&'static str, u64)>;
    /// The largest of what was seen in one history.
    fn maxima(&self) -> Vec<(&'static str, u64)>;
    /// Where crashes fell, why a transfer began again, how runs ended.
    fn tallies(&self) -> [(&'static str, &Tally); 3];
    fn add(&mut self, other: &Self);

    fn sum(&self, name: &str) -> u64 {
        self.sums().iter().find(|(sum, _)| *sum == name).map_or(0, |(_, count)| *count)
    }

    /// Everything, a line each.
    fn report(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, count: u64| {
            let _ = writeln!(out, "{count:>12}  {}", name.replace('_', " "));
        };
        self.sums().iter().for_each(|&(name, count)| line(name, count));
        self.maxima().iter().for_each(|&(name, count)| line(name, count));
        for ((what, tally), needed) in self.tallies().iter().zip(Self::needed()) {
            let others = tally.0.keys().filter(|name| !needed.contains(name));
            needed.iter().chain(others).for_each(|name| line(&format!("{what}: {name}"), tally.of(name)));
        }
        out
    }

    /// What a million histories must have gone through, in proportion to how many there were: names of what was rare.
    fn too_rare(&self) -> Vec<String> {
        let floor = self.sum("histories") / 2_000;
        let tallies = self.tallies().into_iter().zip(Self::needed());
        let count = |tally: &Tally, name| (name, tally.of(name));
        let tallied = tallies.flat_map(|((_, tally), needed)| needed.into_iter().map(|name| count(tally, name)));
        let all = self.sums().into_iter().chain(tallied);
        all.filter(|(_, count)| *count < floor).map(|(name, count)| format!("{name}: {count} of {floor}")).collect()
    }
}

/// A world's `Coverage`: its sums, its maxima, and a tally each for crashes, restarts and ends.
macro_rules! coverage {
    ($($sum:ident),*; $($maximum:ident),*;) => {
        #[derive(Debug, Default, Clone)]
        pub(crate) struct Coverage {
            $(pub(crate) $sum: u64,)*
            $(pub(crate) $maximum: u64,)*
            crashes: crate::coverage::Tally,
            restarts: crate::coverage::Tally,
            ends: crate::coverage::Tally,
        }

        impl crate::coverage::Table for Coverage {
            fn needed() -> [Vec<&'static str>; 3] {
                needed()
            }

            fn sums(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($sum), self.$sum),)*]
            }

            fn maxima(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($maximum), self.$maximum),)*]
            }

            fn tallies(&self) -> [(&'static str, &crate::coverage::Tally); 3] {
                [("crashes", &self.crashes), ("restarts", &self.restarts), ("ends", &self.ends)]
            }

            fn add(&mut self, other: &Self) {
                $(self.$sum += other.$sum;)*
                $(self.$maximum = self.$maximum.max(other.$maximum);)*
                self.crashes.add(&other.crashes);
                self.restarts.add(&other.restarts);
                self.ends.add(&other.ends);
            }
        }
    };
}
