//! What does the journal hold, and is it on disk?
//!
//! [`Papers`] makes the steps that write the journal, and remembers whether there is one, whether it says what the
//! upload is of, and whether it holds records that a power cut may still take.

use super::journal::{Intent, Record};
use super::step::Step;
use crate::words::Durability;

/// The journal of one upload.
#[derive(Debug, Clone)]
pub(super) struct Papers {
    /// The first record, as long as there is no journal.
    intent: Option<Intent>,
    /// There is a journal that has to go at the end.
    exist: bool,
    unsynced: bool,
    durability: Durability,
}

impl Papers {
    /// `intent`: what the upload is of.
    pub(super) fn new(intent: Intent, durability: Durability) -> Self {
        Self { intent: Some(intent), exist: false, unsynced: false, durability }
    }

    /// A journal of this upload was found.
    pub(super) fn found(&mut self) {
        (self.intent, self.exist) = (None, true);
    }

    /// The journal was removed.
    pub(super) fn removed(&mut self) {
        self.exist = false;
    }

    /// Whether there is a journal that has to go at the end.
    pub(super) fn exist(&self) -> bool {
        self.exist
    }

    /// Whether what has to survive a power cut is synced.
    pub(super) fn are_synced(&self) -> bool {
        self.durability == Durability::Power
    }

    /// The first record, when there is no journal yet.
    pub(super) fn intent(&mut self) -> Vec<Record> {
        self.intent.take().map(Record::Intent).into_iter().collect()
    }

    /// Writes records that the run waits for, and syncs them.
    pub(super) fn write(&mut self, records: Vec<Record>) -> Step {
        self.exist = true;
        Step::Record { records, durable: self.are_synced() }
    }

    /// Writes records that the run does not wait for.
    pub(super) fn write_beside(&mut self, records: Vec<Record>) -> Step {
        (self.exist, self.unsynced) = (true, true);
        Step::Record { records, durable: false }
    }

    /// Syncs what was written beside, if there is any and it has to survive a power cut.
    pub(super) fn last_sync(&mut self) -> Option<Step> {
        let unsynced = std::mem::take(&mut self.unsynced);
        (unsynced && self.are_synced()).then_some(Step::Record { records: Vec::new(), durable: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn papers(durability: Durability) -> Papers {
        Papers::new(Intent::default(), durability)
    }

    #[test]
    fn the_intent_is_written_once() {
        let mut papers = papers(Durability::Power);
        assert!(matches!(papers.intent().as_slice(), [Record::Intent(_)]));
        assert!(papers.intent().is_empty());
        let mut papers = self::papers(Durability::Power);
        papers.found();
        assert!(papers.intent().is_empty() && papers.exist());
        papers.removed();
        assert!(!papers.exist());
    }

    #[test]
    fn what_was_written_beside_is_synced_at_the_end() {
        for (durability, synced) in [(Durability::Power, true), (Durability::Process, false)] {
            let mut papers = papers(durability);
            assert_eq!(papers.last_sync(), None);
            assert_eq!(papers.write(Vec::new()), Step::Record { records: Vec::new(), durable: synced });
            assert_eq!(papers.last_sync(), None, "the run waited for it");
            assert_eq!(papers.write_beside(Vec::new()), Step::Record { records: Vec::new(), durable: false });
            assert_eq!(papers.last_sync().is_some(), synced);
            assert_eq!(papers.last_sync(), None);
        }
    }
}
