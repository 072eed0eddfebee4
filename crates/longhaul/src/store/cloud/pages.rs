//! Does a list of many pages get on?
//!
//! A page says where the next one begins, in words of the store's own (a token), or by a key. A store that answers the
//! same again and again, or leads in a circle, would be listed for ever. That keys rise is no measure for it: S3
//! promises it of general purpose buckets, and says of directory buckets that it is not so ("ListObjectsV2" in its API
//! reference). What holds for all: no page begins where an earlier one began, and no two pages begin with the same
//! entry.
//!
//! Eight bytes are kept of each of the two, for at most [`PAGES_MAX`] pages. An endless list of ever new keys is a
//! list.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::Refusal;

/// Pages without any entry in a row. Stores give them where they had to look through much that is not shown, such as
/// marks of what was deleted; each stands for a thousand of these.
const EMPTY_MAX: u32 = 200;
/// A thousand million entries, in full pages.
const PAGES_MAX: u32 = 1_000_000;

/// The pages of a list that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// With a key of its own, so that no store can make two of them alike.
    hasher: RandomState,
    seen: HashSet<u64>,
    empty: u32,
    count: u32,
}

impl Pages {
    /// A page came that has this entry first, and says that the list goes on there; the last one says nothing.
    ///
    /// # Errors
    /// The list does not get on. `what` is what it is a list of.
    pub(crate) fn turn(&mut self, what: &str, first: Option<&str>, next: Option<&str>) -> Result<(), Refusal> {
        let endless = |why: &str| {
            Err(Refusal::unreadable(&format!(
                "the store's list of {what} does not end: {why}; the store, or what stands between, does not go on \
                 where it says"
            )))
        };
        let Some(next) = next else { return Ok(()) };
        if first.is_some_and(|first| !self.is_new("first", first)) {
            return endless("two of its pages begin alike");
        }
        if !self.is_new("next", next) {
            return endless("it leads back to where it was before");
        }
        self.empty = if first.is_some() { 0 } else { self.empty + 1 };
        self.count += 1;
        if self.empty > EMPTY_MAX {
            return endless(&format!("{EMPTY_MAX} pages in a row are empty"));
        }
        if self.count > PAGES_MAX {
            return endless(&format!("it has more than {PAGES_MAX} pages"));
        }
        Ok(())
    }

    fn is_new(&mut self, kind: &str, text: &str) -> bool {
        self.seen.insert(self.hasher.hash_one((kind, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page, from 0, at which a list is known not to end; the first entry and the next place of each.
    fn stops_at(pages: impl Iterator<Item = (Option<String>, Option<String>)>) -> Option<(usize, String)> {
        let mut seen = Pages::default();
        let mut pages = pages.enumerate();
        pages.find_map(|(n, (first, next))| {
            seen.turn("objects", first.as_deref(), next.as_deref()).err().map(|refusal| (n, refusal.detail))
        })
    }

    fn some(text: impl ToString) -> Option<String> {
        Some(text.to_string())
    }

    #[test]
    fn lists_that_get_on_are_read_in_whatever_order() {
        let rising = (0..5000).map(|n| (some(format!("{n:09}")), some(n)));
        assert_eq!(stops_at(rising), None);
        let unsorted = (0..5000).map(|n| (some(n * 7 % 5003), some(format!("t{n}"))));
        assert_eq!(stops_at(unsorted), None);
        // A key may look like a token.
        assert_eq!(stops_at([(some("b"), some("b")), (some("c"), some("c")), (some("d"), None)].into_iter()), None);
        // Empty pages, and an end.
        let holes = (0..4000).map(|n| (some(n).filter(|_| n % 200 == 0), some(n)));
        assert_eq!(stops_at(holes), None);
        assert_eq!(stops_at([(None, None)].into_iter()), None);
    }

    #[test]
    fn lists_without_end_are_known() {
        for (n, says, pages) in [
            (1, "begin alike", vec![("a", "1"), ("a", "2")]),
            (1, "leads back", vec![("a", "1"), ("b", "1")]),
            (3, "leads back", vec![("a", "1"), ("b", "2"), ("c", "3"), ("d", "1")]),
            (3, "begin alike", vec![("a", "1"), ("b", "2"), ("c", "3"), ("b", "4")]),
        ] {
            let pages = pages.into_iter().map(|(first, next)| (some(first), some(next)));
            let (at, detail) = stops_at(pages).unwrap();
            assert_eq!(at, n, "{detail}");
            assert!(detail.contains(says) && detail.contains("list of objects does not end"), "{detail}");
        }
        let (at, detail) = stops_at((0..5000).map(|n| (None, some(n)))).unwrap();
        assert_eq!(at, EMPTY_MAX as usize, "{detail}");
        let (at, detail) = stops_at((0..2_000_000).map(|n| (some(n), some(n)))).unwrap();
        assert_eq!(at, PAGES_MAX as usize, "{detail}");
    }
}
