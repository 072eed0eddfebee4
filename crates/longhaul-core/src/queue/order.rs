//! Where does an entry stand in the list? Ranks with gaps between them, so that a move writes one entry.

use std::collections::BTreeSet;

use super::step::{EntryId, Place};

/// The usual distance of two ranks: 31 entries can be put between two neighbours, one before the other, before ranks
/// have to be given anew.
const GAP: i64 = 1 << 32;

/// The order of all entries.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    by_rank: BTreeSet<(i64, EntryId)>,
    /// Ranks that were given to entries which are not recorded yet.
    first: Option<i64>,
    last: Option<i64>,
}

/// The rank of an entry that is put somewhere, and those of entries that had to make room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranks {
    pub(super) rank: i64,
    pub(super) moved: Vec<(EntryId, i64)>,
}

impl Order {
    pub(super) fn insert(&mut self, rank: i64, id: EntryId) {
        self.by_rank.insert((rank, id));
    }

    pub(super) fn remove(&mut self, rank: i64, id: EntryId) {
        self.by_rank.remove(&(rank, id));
    }

    /// The rank at a place. `at` is the rank of the entry that it is put before; `None` where there is no such entry.
    pub(super) fn place(&mut self, id: EntryId, place: Place, at: Option<i64>) -> Option<Ranks> {
        let first = [self.first, self.by_rank.first().map(|(rank, _)| *rank)].into_iter().flatten().min();
        let last = [self.last, self.by_rank.last().map(|(rank, _)| *rank)].into_iter().flatten().max();
        let rank = match place {
            Place::Top => first.map_or(Some(0), |first| first.checked_sub(GAP)),
            Place::Bottom => last.map_or(Some(0), |last| last.checked_add(GAP)),
            Place::Before(other) => {
                let at = at?;
                let before = self.by_rank.range(..(at, other)).rev().find(|(_, before)| *before != id);
                match before.map(|(rank, _)| *rank) {
                    None => at.checked_sub(GAP),
                    Some(before) => between(before, at),
                }
            }
        };
        let ranks = rank.map(|rank| Ranks { rank, moved: Vec::new() });
        let ranks = ranks.unwrap_or_else(|| self.ranked_anew(id, place));
        self.first = Some(first.map_or(ranks.rank, |first| first.min(ranks.rank)));
        self.last = Some(last.map_or(ranks.rank, |last| last.max(ranks.rank)));
        Some(ranks)
    }

    /// All entries with the usual gaps, and this one at its place among them.
    fn ranked_anew(&self, id: EntryId, place: Place) -> Ranks {
        let mut ids: Vec<EntryId> = self.by_rank.iter().map(|(_, id)| *id).filter(|other| *other != id).collect();
        let at = match place {
            Place::Top => 0,
            Place::Bottom => ids.len(),
            Place::Before(other) => ids.iter().position(|id| *id == other).unwrap_or(ids.len()),
        };
        ids.insert(at, id);
        let rank_of = |n: usize| i64::try_from(n).unwrap_or(i64::MAX).saturating_mul(GAP);
        let moved = ids.iter().enumerate().filter(|(n, _)| *n != at).map(|(n, id)| (*id, rank_of(n)));
        Ranks { rank: rank_of(at), moved: moved.collect() }
    }

    /// What was given out is recorded, or will never be.
    pub(super) fn settled(&mut self) {
        (self.first, self.last) = (None, None);
    }
}

/// A rank between two neighbours; `None` when there is no room.
fn between(before: i64, behind: i64) -> Option<i64> {
    let middle = before.midpoint(behind);
    (before < middle && middle < behind).then_some(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(order: &Order) -> Vec<u128> {
        order.by_rank.iter().map(|(_, id)| id.0).collect()
    }

    fn put(order: &mut Order, id: u128, place: Place) {
        let rank_of = |order: &Order, id: EntryId| order.by_rank.iter().find(|(_, other)| *other == id).map(|e| e.0);
        let at = match place {
            Place::Before(other) => rank_of(order, other),
            _ => None,
        };
        let ranks = order.place(EntryId(id), place, at).unwrap();
        if let Some(old) = rank_of(order, EntryId(id)) {
            order.remove(old, EntryId(id));
        }
        for (moved, rank) in ranks.moved {
            let old = rank_of(order, moved).unwrap();
            order.remove(old, moved);
            order.insert(rank, moved);
        }
        order.insert(ranks.rank, EntryId(id));
        order.settled();
    }

    #[test]
    fn entries_stand_where_they_were_put_however_often_between_the_same_two() {
        let mut order = Order::default();
        put(&mut order, 1, Place::Bottom);
        put(&mut order, 2, Place::Bottom);
        put(&mut order, 3, Place::Top);
        assert_eq!(ids(&order), [3, 1, 2]);
        put(&mut order, 2, Place::Top);
        put(&mut order, 3, Place::Bottom);
        assert_eq!(ids(&order), [2, 1, 3]);
        let mut expected = vec![2, 1];
        for id in 10..110 {
            put(&mut order, id, Place::Before(EntryId(3)));
            expected.push(id);
        }
        expected.push(3);
        assert_eq!(ids(&order), expected);
        put(&mut order, 3, Place::Before(EntryId(3)));
        assert_eq!(ids(&order), expected, "before itself");
        assert_eq!(order.place(EntryId(5), Place::Before(EntryId(999)), None), None);
    }

    #[test]
    fn the_ends_of_the_ranks_are_no_wall() {
        let mut order = Order::default();
        order.insert(i64::MIN, EntryId(1));
        order.insert(i64::MAX, EntryId(2));
        put(&mut order, 3, Place::Top);
        put(&mut order, 4, Place::Bottom);
        assert_eq!(ids(&order), [3, 1, 2, 4]);
        assert_eq!((between(i64::MIN, i64::MAX), between(-1, 0)), (Some(0), None));
        assert_eq!((between(5, 6), between(5, 5), between(5, 7)), (None, None, Some(6)));
    }

    #[test]
    fn ranks_of_one_batch_rise() {
        let mut order = Order::default();
        let rank = |order: &mut Order, id, place| order.place(EntryId(id), place, None).unwrap().rank;
        let (a, b) = (rank(&mut order, 1, Place::Bottom), rank(&mut order, 2, Place::Bottom));
        let (c, d) = (rank(&mut order, 3, Place::Top), rank(&mut order, 4, Place::Top));
        assert!(d < c && c < a && a < b, "{a} {b} {c} {d}");
    }
}
