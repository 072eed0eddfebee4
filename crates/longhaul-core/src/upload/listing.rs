//! How far is the store's list of parts read, and what is not in it?
//!
//! [`PartList`] goes through the pages, and keeps count of the parts that were acknowledged and that the list has
//! otherwise or not at all. These count until the list is read: a page alone proves no loss. What a listed part is
//! worth is judged by the [`Parts`].

use std::collections::BTreeSet;

use super::parts::{ListVerdict, Parts};
use super::step::{Note, Restart};

/// Lists that were read because Complete named a part that the store has otherwise, per attempt.
const RELISTS_MAX: u32 = 2;

/// The store's list of an attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct PartList {
    /// The next page has parts with higher numbers than this.
    after: u32,
    /// Parts that are not seen in it yet.
    unlisted: BTreeSet<u32>,
    loss: Loss,
    /// Parts that count until the list is read.
    doomed: Vec<u32>,
    /// How often it is read for the sake of a Complete that failed.
    again: u32,
}

/// Parts that counted, or would have, and do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Loss {
    parts: u32,
    bytes: u64,
    /// The store lists something else under the number of one of them; the others are not listed at all.
    differing: bool,
}

/// What follows a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    More,
    Last,
    /// The list goes back: it would never end.
    Loop,
}

/// What the whole list says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListSummary {
    /// None of the parts is in it, and none had been acknowledged.
    pub(super) is_bare: bool,
    /// It was read for the sake of a Complete that failed.
    pub(super) is_again: bool,
    /// News of parts that were acknowledged and do not count.
    pub(super) loss: Option<Note>,
}

impl PartList {
    /// The page to ask for: the parts behind this one. The first page begins the list of so many parts.
    pub(super) fn page(&mut self, count: u32) -> u32 {
        if self.after == 0 {
            self.unlisted = (1..=count).collect();
            self.loss = Loss::default();
        }
        self.after
    }

    /// Whether the next page is the first one.
    pub(super) fn begins(&self) -> bool {
        self.after == 0
    }

    /// Whether a listed part is one of ours, and is listed for the first time.
    pub(super) fn awaits(&mut self, number: u32) -> bool {
        self.unlisted.remove(&number)
    }

    /// What the list has under this number is of no use.
    pub(super) fn drop_part(&mut self, parts: &mut Parts, number: u32, verdict: ListVerdict) -> Option<Note> {
        let ListVerdict::Useless { known, differs } = verdict else { return None };
        self.loss.differing |= known;
        self.lose(parts, number);
        (!known && differs).then_some(Note::WrongPart { number })
    }

    fn lose(&mut self, parts: &mut Parts, number: u32) {
        let Some(lost) = parts.drop_listed(number) else { return };
        if lost.counts {
            self.doomed.push(number);
        }
        if lost.known {
            self.loss.parts += 1;
            self.loss.bytes += lost.bytes;
        }
    }

    /// A page was read. `next`: where the store says that the next one begins; the list of a store that
    /// goes on behind the last of `count` parts is read.
    pub(super) fn turn(&mut self, next: Option<u32>, count: u32) -> Page {
        match next.filter(|next| *next < count) {
            None => Page::Last,
            Some(next) if next <= self.after => Page::Loop,
            Some(next) => {
                self.after = next;
                Page::More
            }
        }
    }

    /// The list is read: what is not in it, or is of no use there, does not count any more.
    pub(super) fn end(&mut self, parts: &mut Parts) -> ListSummary {
        self.after = 0;
        let empty = self.unlisted.len() == parts.count() as usize;
        for number in std::mem::take(&mut self.unlisted) {
            self.lose(parts, number);
        }
        std::mem::take(&mut self.doomed).into_iter().for_each(|number| parts.discard(number));
        let Loss { parts: lost, bytes: discarded, differing } = std::mem::take(&mut self.loss);
        let is_again = self.is_again();
        let reason = if differing && !is_again { Restart::PartsDiffer } else { Restart::InvalidPart };
        let loss = (lost > 0 || is_again).then_some(Note::Restarted { reason, discarded });
        ListSummary { is_bare: empty && lost == 0, is_again, loss }
    }

    /// Complete named a part that the store does not have, or has otherwise: the list is read again, unless that was
    /// done often enough.
    pub(super) fn may_begin_again(&mut self) -> bool {
        self.again += 1;
        self.after = 0;
        self.again <= RELISTS_MAX
    }

    /// Whether it is read, or was read last, for the sake of a Complete that failed.
    pub(super) fn is_again(&self) -> bool {
        self.again > 0
    }

    /// Another attempt begins.
    pub(super) fn start_over(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::journal::RecordedPart;

    /// Three parts of 10 bytes, of which the first two were recorded.
    fn parts() -> Parts {
        let mut parts = Parts::new(30, 10);
        let recorded = |number| RecordedPart { number, etag: "e".into(), digests: Vec::new(), young: false };
        parts.recall(vec![recorded(1), recorded(2)]);
        parts
    }

    #[test]
    fn pages_follow_each_other_to_the_last_part() {
        let mut listing = PartList::default();
        assert!(listing.begins());
        assert_eq!(listing.page(9), 0);
        for (next, want) in [
            (Some(3), Page::More),
            (Some(3), Page::Loop),
            (Some(5), Page::More),
            (Some(9), Page::Last),
            (None, Page::Last),
        ] {
            assert_eq!(listing.turn(next, 9), want, "{next:?}");
        }
        assert_eq!(listing.page(9), 5);
        assert!(listing.awaits(1) && !listing.awaits(1) && !listing.awaits(10));
    }

    #[test]
    fn what_is_not_listed_is_lost_once_the_list_is_read() {
        let (mut parts, mut listing) = (parts(), PartList::default());
        listing.page(3);
        assert!(listing.awaits(1));
        let summary = listing.end(&mut parts);
        let loss = Some(Note::Restarted { reason: Restart::InvalidPart, discarded: 10 });
        assert_eq!(summary, ListSummary { is_bare: false, is_again: false, loss });
        let (mut parts, mut listing) = (Parts::new(30, 10), PartList::default());
        listing.page(3);
        assert!(listing.end(&mut parts).is_bare);
    }

    #[test]
    fn a_part_that_is_listed_otherwise_differs() {
        let (mut parts, mut listing) = (parts(), PartList::default());
        listing.page(3);
        let useless = |known| ListVerdict::Useless { known, differs: true };
        assert!((1..=3).all(|number| listing.awaits(number)));
        assert_eq!(listing.drop_part(&mut parts, 1, useless(true)), None);
        assert_eq!(listing.drop_part(&mut parts, 3, useless(false)), Some(Note::WrongPart { number: 3 }));
        let loss = Some(Note::Restarted { reason: Restart::PartsDiffer, discarded: 10 });
        assert_eq!(listing.end(&mut parts).loss, loss);
    }

    #[test]
    fn it_is_read_again_twice() {
        let mut listing = PartList::default();
        assert!((0..RELISTS_MAX).all(|_| listing.may_begin_again()) && listing.is_again());
        assert!(!listing.may_begin_again());
        listing.start_over();
        assert!(!listing.is_again());
    }
}
