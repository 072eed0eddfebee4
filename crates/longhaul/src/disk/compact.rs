//! A map for as many small values as a list has files, in little more memory than the values take.
//!
//! A hash table of a million entries has room for two million, and while it grows for three. Here entries lie in order
//! and without gaps; new ones wait in a small tree until they are one in 64, and are merged in place. An entry costs its
//! eight bytes of key and its value, and one in 64 some more.

use std::collections::BTreeMap;

/// So many new entries wait at least until they are merged.
const RECENT_MIN: usize = 1024;
/// They wait until they are this part of all.
const RECENT_PART: usize = 64;

/// Values by hashes. Two things with one hash (one pair in 2^64) share a place.
#[derive(Debug, Default)]
pub(crate) struct CompactMap<V> {
    /// In order; the values have the same places.
    keys: Vec<u64>,
    values: Vec<V>,
    recent: BTreeMap<u64, V>,
}

impl<V: Copy + Default> CompactMap<V> {
    pub(crate) fn len(&self) -> usize {
        self.keys.len() + self.recent.len()
    }

    pub(crate) fn get(&self, key: u64) -> Option<V> {
        match self.keys.binary_search(&key) {
            Ok(place) => self.values.get(place).copied(),
            Err(_) => self.recent.get(&key).copied(),
        }
    }

    /// A value that was there before is replaced.
    pub(crate) fn insert(&mut self, key: u64, value: V) {
        if let Ok(place) = self.keys.binary_search(&key) {
            self.values[place] = value;
            return;
        }
        self.recent.insert(key, value);
        if self.recent.len() > RECENT_MIN.max(self.keys.len() / RECENT_PART) {
            self.merge();
        }
    }

    fn merge(&mut self) {
        let added = self.recent.len();
        let (mut from, mut to) = (self.keys.len(), self.keys.len() + added);
        self.keys.reserve_exact(added);
        self.keys.resize(to, 0);
        self.values.reserve_exact(added);
        self.values.resize(to, V::default());
        // From the end: each place is free when it is written to.
        for (key, value) in std::mem::take(&mut self.recent).into_iter().rev() {
            while from > 0 && self.keys[from - 1] > key {
                (from, to) = (from - 1, to - 1);
                (self.keys[to], self.values[to]) = (self.keys[from], self.values[from]);
            }
            to -= 1;
            (self.keys[to], self.values[to]) = (key, value);
        }
    }

    /// Bytes that the entries take, those of the tree reckoned with its nodes at half.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let each = size_of::<u64>() + size_of::<V>();
        self.keys.capacity() * size_of::<u64>() + self.values.capacity() * size_of::<V>() + self.recent.len() * 2 * each
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn hash(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    #[test]
    fn it_has_what_a_map_has() {
        let (mut compact, mut map) = (CompactMap::default(), HashMap::new());
        for n in 0..50_000_u64 {
            // Some come again, soon or late, and some keys are neighbours or the first and last of all.
            let key = match n % 5 {
                0 => hash(n / 7 * 5),
                1 => n,
                2 => u64::MAX - n / 3,
                _ => hash(n),
            };
            compact.insert(key, n as u32);
            map.insert(key, n as u32);
            assert_eq!(compact.get(key), Some(n as u32));
        }
        assert_eq!(compact.len(), map.len());
        assert!(map.iter().all(|(key, value)| compact.get(*key) == Some(*value)));
        assert!((100_000..150_000).all(|n| compact.get(hash(n)).is_none()));
        assert!(compact.keys.is_sorted());
    }

    #[test]
    fn a_million_entries_cost_what_they_are() {
        let mut compact = CompactMap::<[u8; 5]>::default();
        let mut most = 0;
        for n in 0..1_000_000 {
            compact.insert(hash(n), [n as u8; 5]);
            most = most.max(compact.bytes());
        }
        assert_eq!(compact.len(), 1_000_000);
        assert!(most < 15_000_000, "{most} bytes");
    }
}
