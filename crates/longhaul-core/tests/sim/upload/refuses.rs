//! A store that refuses half of all requests of every kind: every second one, at random, or in bursts.

use std::mem::Discriminant;

use longhaul_core::upload::step::Step;

use crate::rng::Rng;

/// Refusals at random of one kind of request in a row after which one gets through. By chance there could be more, and
/// then no budget would be enough.
const IN_A_ROW_MAX: u32 = 6;

#[derive(Debug, Clone, Copy)]
enum Beat {
    EverySecond,
    AtRandom,
    /// So many in a row, then as many that are served.
    Bursts(u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Refuses {
    beat: Beat,
    count: u64,
    in_a_row: Vec<(Discriminant<Step>, u32)>,
}

impl Refuses {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let beat = match rng.below(3) {
            0 => Beat::EverySecond,
            1 => Beat::AtRandom,
            _ => Beat::Bursts(rng.between(2, 6)),
        };
        Self { beat, count: rng.below(12), in_a_row: Vec::new() }
    }

    /// Whether the next request is refused.
    pub(crate) fn next(&mut self, rng: &mut Rng, kind: Discriminant<Step>) -> bool {
        self.count += 1;
        let refused = match self.beat {
            Beat::EverySecond => self.count.is_multiple_of(2),
            Beat::AtRandom => rng.coin(),
            Beat::Bursts(len) => (self.count / len).is_multiple_of(2),
        };
        let i = self.in_a_row.iter().position(|(k, _)| *k == kind).unwrap_or_else(|| {
            self.in_a_row.push((kind, 0));
            self.in_a_row.len() - 1
        });
        let in_a_row = &mut self.in_a_row[i].1;
        let too_many = matches!(self.beat, Beat::AtRandom) && *in_a_row == IN_A_ROW_MAX;
        *in_a_row = if refused && !too_many { *in_a_row + 1 } else { 0 };
        *in_a_row > 0
    }
}
