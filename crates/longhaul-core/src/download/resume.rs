//! What is what we found on disk worth?
//!
//! [`verdict`] reads what the driver [`Found`] in the folder and says how to begin. A journal is a witness, not a
//! judge: hints count only after their bytes were read back, claims beyond the end of the file are void, claims are
//! read again unless the file looks exactly as at a clean stop, and a journal of another source is refused by name.
//! What it can never do is block the next start: a journal that cannot be read means starting over, with the reason.

use super::adopt::Foreign;
use super::held::{Held, Slot};
use super::journal::{Begin, Folded, Problem, Publishing, Recovered, Source};
use super::restart::Restart;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::ranges::Range;
use crate::words::{Extent, FileFacts};

/// What stands at the target name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetState {
    /// The name is free.
    Absent,
    /// A regular file.
    File {
        /// Its facts.
        facts: FileFacts,
        /// What a receipt of this source says that still fits the file (path, length, mtime), if there is one.
        finished: Option<Box<TargetReceipt>>,
    },
    /// A symbolic link, to any place.
    Symlink,
    /// A directory.
    Directory,
    /// A device, socket or pipe.
    Other,
}

/// What a receipt says of the file at the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetReceipt {
    /// What the source showed of it. The default: the source was never asked, and the digests alone speak for the file.
    pub identity: Identity,
    /// Digests that were computed of the file, and matched.
    pub digests: Vec<Digest>,
}

/// What the driver found in the folder when it opened the transfer, after it took the lock.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The journal.
    pub journal: FoundJournal,
    /// `NAME.lhpart`, as it was before the driver created it to lock it.
    pub main: Option<FileFacts>,
    /// `NAME.lhnext`.
    pub next: Option<FileFacts>,
    /// The target name.
    pub target: TargetState,
    /// Free bytes for this user on the file system; `None` when it cannot be told.
    pub free: Option<u64>,
}

/// The journal as found.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundJournal {
    /// There is none.
    Absent,
    /// Readable, up to the last whole record.
    Read(Box<Recovered>),
    /// Unreadable: the driver has set it aside under another name.
    SetAside(Problem),
}

/// One generation as it can be taken up again.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Number, file, identity, grid.
    pub begin: Begin,
    /// What is held (claims at first; hints join once proven).
    pub held: Held,
    /// Hints that wait to be read back.
    pub hints: Vec<Extent>,
    /// Claims and hints that the file is too short for.
    pub lost: Vec<Range>,
    /// The end of the body was only a closed connection.
    pub end_not_provable: bool,
    /// Bytes of another program are among what is held.
    pub foreign: Option<Foreign>,
}

impl Generation {
    /// A generation that begins now.
    pub fn new(begin: Begin) -> Self {
        let (held, hints, lost) = (Held::default(), Vec::new(), Vec::new());
        Self { begin, held, hints, lost, end_not_provable: false, foreign: None }
    }

    /// Whether every byte of the object is held.
    pub fn is_whole(&self) -> bool {
        // Asked after every report: the sum says "no" without looking at each extent.
        self.begin.identity.length.is_some_and(|length| self.held.total() >= length && self.held.covers(length))
    }

    /// Bytes that are held or hinted, each counted once: a hint may begin where the claim begins that it grew from.
    pub fn on_record(&self) -> u64 {
        let gaps: Vec<Range> = self.held.gaps(u64::MAX).collect();
        let fresh = |hint: &Extent| {
            let from = gaps.partition_point(|gap| gap.end <= hint.start);
            let within = gaps[from..].iter().take_while(|gap| gap.start < hint.end());
            within.map(|gap| gap.end.min(hint.end()) - gap.start.max(hint.start)).sum::<u64>()
        };
        self.held.total() + self.hints.iter().map(fresh).sum::<u64>()
    }

    /// What a folded journal says, held against the file's facts. Claims count as read only when the file looks exactly
    /// as it did at a clean stop.
    fn from_journal(folded: Folded, file: Option<FileFacts>) -> Self {
        let end = file.map_or(0, |f| f.len).min(folded.begin.identity.length.unwrap_or(u64::MAX));
        let clean = match (folded.clean_stop, file) {
            (Some(then), Some(now)) => {
                (then.len, then.mtime_ns, then.ctime_ns) == (now.len, now.mtime_ns, now.ctime_ns)
            }
            _ => false,
        };
        let mut generation = Self { foreign: folded.foreign, ..Self::new(folded.begin) };
        let mut lost = Vec::new();
        for claim in folded.claims {
            if claim.end() > end || !generation.held.recover(claim, clean) {
                lost.push(claim.range());
            }
        }
        for hint in folded.hints {
            let start_fits = generation.held.list().iter().all(|k| {
                k.extent.start == hint.start && k.extent.len <= hint.len || !k.extent.range().overlaps(hint.range())
            });
            let apart = generation.hints.last().is_none_or(|h| h.end() <= hint.start);
            if hint.end() <= end && start_fits && apart {
                generation.hints.push(hint);
            } else {
                lost.push(hint.range());
            }
        }
        // What other claims say of the same bytes stays true: only the rest is lost.
        for range in lost {
            let gaps = generation.held.gaps(range.end);
            let rest = gaps.map(|g| Range::new(g.start.max(range.start), g.end)).filter(|g| !g.is_empty());
            generation.lost.extend(rest);
        }
        generation
    }
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub enum StartVerdict {
    /// From the first byte; the reason when there was a journal or a file.
    Fresh(Option<Restart>),
    /// From what is there.
    Continue {
        /// The generation that bytes are added to.
        current: Box<Generation>,
        /// An older one that is still kept, in the main file.
        old: Option<Box<Generation>>,
        /// `NAME.lhnext` must become `NAME.lhpart` first.
        promote: bool,
        /// A newer generation that the journal knows, but whose file never reached the disk: to be retired.
        gone: Option<u32>,
    },
    /// The rename to the target has happened: only the steps after it are missing.
    FinishPublish {
        /// The published generation.
        current: Box<Generation>,
        /// Its record.
        publishing: Publishing,
    },
    /// The finished object of this source stands at the target: ask whether it still is the same.
    Finished(Box<Identity>),
    /// Not ours to touch.
    Refuse(TargetRefusal),
}

/// Judges what was found. `overwrite`: the caller allows an existing target to be replaced. `block_len_min`: no
/// generation was ever begun with shorter blocks, in bytes.
pub fn verdict(source: &Source, overwrite: bool, block_len_min: u64, found: Found) -> StartVerdict {
    let (recovered, set_aside) = match found.journal {
        FoundJournal::Read(recovered) => (Some(*recovered), false),
        FoundJournal::SetAside(_) => (None, true),
        FoundJournal::Absent => (None, false),
    };
    // What stands at the target may be our own file, renamed just before a crash.
    if let Some(r) = &recovered
        && let Some(publishing) = r.publishing
        && let TargetState::File { facts, .. } = &found.target
        && (facts.inode, facts.len) == (publishing.facts.inode, publishing.facts.len)
        && r.source.url == source.url
        && r.source.window == source.window
        && let Some(current) = r.current.clone()
        && current.begin.generation == publishing.generation
    {
        let current = Box::new(Generation::from_journal(current, Some(*facts)));
        return StartVerdict::FinishPublish { current, publishing };
    }
    match found.target {
        TargetState::Directory => return StartVerdict::Refuse(TargetRefusal::TargetIsDirectory),
        TargetState::Other => return StartVerdict::Refuse(TargetRefusal::TargetIsSpecial),
        TargetState::Symlink if !overwrite => return StartVerdict::Refuse(TargetRefusal::TargetIsSymlink),
        TargetState::File { finished: Some(receipt), .. } if recovered.is_none() => {
            return StartVerdict::Finished(Box::new(receipt.identity));
        }
        TargetState::File { finished: None, .. } if !overwrite => {
            return StartVerdict::Refuse(TargetRefusal::TargetExists);
        }
        TargetState::File { .. } | TargetState::Symlink | TargetState::Absent => {}
    }
    let Some(recovered) = recovered else {
        return StartVerdict::Fresh(match found.main {
            _ if set_aside => Some(Restart::JournalUnusable),
            Some(main) if main.len > 0 => Some(Restart::NoJournal),
            _ => None,
        });
    };
    if recovered.source.url != source.url {
        return StartVerdict::Refuse(TargetRefusal::PartialOfAnotherSource);
    }
    if recovered.source.window != source.window {
        return StartVerdict::Refuse(TargetRefusal::PartialOfAnotherRange);
    }
    let Some(mut current) = recovered.current else {
        // The record of a begin comes before the first byte: what lies there without one was lost with the journal's
        // end.
        return StartVerdict::Fresh(found.main.filter(|main| main.len > 0).map(|_| Restart::NoJournal));
    };
    let tells_the_range = |g: &Folded| {
        let Identity { length, of, .. } = g.begin.identity;
        match source.window.is_whole() {
            true => of.is_none(),
            false => source.window.resolve(of).is_ok_and(|pieces| Some(pieces.len()) == length),
        }
    };
    // Numbers rise, and one more must be left; blocks that are too short would make a record of every byte.
    let is_made_up = |g: &Folded| g.begin.block_len < block_len_min || g.begin.generation == u32::MAX;
    let generations = || [Some(&current), recovered.old.as_ref()].into_iter().flatten();
    let falls = recovered.old.as_ref().is_some_and(|old| old.begin.generation >= current.begin.generation);
    if !generations().all(tells_the_range) || generations().any(is_made_up) || falls {
        return StartVerdict::Fresh(Some(Restart::JournalUnusable));
    }
    let mut promote = false;
    let mut old = recovered.old;
    let mut gone = None;
    if current.begin.slot == Slot::Next {
        if found.next.is_some() {
            promote = recovered.promote;
        } else if recovered.promote {
            current.begin.slot = Slot::Main; // the rename happened
        } else if let Some(previous) = old.take() {
            gone = Some(current.begin.generation); // the new file never reached the disk
            current = previous;
        }
    }
    let file = match current.begin.slot {
        Slot::Main => found.main,
        Slot::Next => found.next,
    };
    StartVerdict::Continue {
        current: Box::new(Generation::from_journal(current, file)),
        old: old.map(|old| Box::new(Generation::from_journal(old, found.main))),
        promote,
        gone,
    }
}

/// Whether a receipt speaks of the file that stands at its path now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// It does.
    Fits,
    /// It does if the bytes have the checksums that it tells.
    IfBytesMatch,
    /// It does not.
    Not,
}

/// Objects up to this length may have a receipt from before the rename
/// ([`small_max`](crate::download::Config::small_max) is never more).
pub const EARLY_RECEIPT_MAX: u64 = 1 << 20;

/// Holds what a receipt says of its file against what stands there now. A copy that kept its time is the same file to
/// its owner. But a receipt from before the rename may be of a file that never got the name, and what another program
/// made of the same object, with the same time, may be any bytes: that must prove itself.
pub fn fit(then: &FileFacts, now: &FileFacts) -> Fit {
    match (then.len, then.mtime_ns) == (now.len, now.mtime_ns) {
        false => Fit::Not,
        true if then.len <= EARLY_RECEIPT_MAX && then.inode != now.inode => Fit::IfBytesMatch,
        true => Fit::Fits,
    }
}

/// A target or partial that is not ours to touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetRefusal {
    /// Something that is not ours stands at the target.
    TargetExists,
    /// The target is a symbolic link.
    TargetIsSymlink,
    /// The target is a directory.
    TargetIsDirectory,
    /// The target is a device, socket or pipe.
    TargetIsSpecial,
    /// The partial file is of another source.
    PartialOfAnotherSource,
    /// The partial file is of this source, and of other bytes of it.
    PartialOfAnotherRange,
    /// Not enough free space for the rest of the object.
    NoSpaceAhead {
        /// Bytes still needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_hint_that_grew_from_a_claim_is_counted_once() {
        let begin =
            Begin { generation: 1, slot: Slot::Main, identity: Identity::default(), block_len: 8, reason: None };
        let mut generation = Generation::new(begin);
        let extent = |start, len| Extent { start, len, crc: 0 };
        assert!(generation.held.recover(extent(0, 4), false) && generation.held.recover(extent(16, 8), false));
        generation.hints = vec![extent(0, 7), extent(8, 8), extent(24, 2)];
        assert_eq!(generation.on_record(), (4 + 8) + 3 + 8 + 2);
    }

    /// Records that no program of ours writes are not gone on with.
    #[test]
    fn a_journal_that_was_made_up_is_not_used() {
        use super::super::journal;
        let begin = |generation, slot, block_len| {
            let identity = Identity { length: Some(100), ..Identity::default() };
            journal::Record::Begin(Begin { generation, slot, identity, block_len, reason: None })
        };
        let judged = |begins: &[journal::Record]| {
            let mut file = journal::header().to_vec();
            let sequence = journal::encode(&[journal::Record::Source(Source::default())], 0, &mut file);
            journal::encode(begins, sequence, &mut file);
            let journal = FoundJournal::Read(Box::new(journal::decode(&file).unwrap()));
            let next = Some(FileFacts::default());
            let found = Found { journal, main: None, next, target: TargetState::Absent, free: None };
            match verdict(&Source::default(), false, 8, found) {
                StartVerdict::Continue { .. } => true,
                StartVerdict::Fresh(Some(Restart::JournalUnusable)) => false,
                other => panic!("{other:?}"),
            }
        };
        for (begins, want) in [
            (&[begin(1, Slot::Main, 8)][..], true),
            (&[begin(1, Slot::Main, 16)], true),
            (&[begin(1, Slot::Main, 8), begin(2, Slot::Next, 8)], true),
            (&[begin(1, Slot::Main, 4)], false),
            (&[begin(1, Slot::Main, 1)], false),
            (&[begin(1, Slot::Main, 1), begin(2, Slot::Next, 8)], false),
            (&[begin(1, Slot::Main, 8), begin(2, Slot::Next, 1)], false),
            (&[begin(u32::MAX, Slot::Main, 8)], false),
            (&[begin(2, Slot::Main, 8), begin(1, Slot::Next, 8)], false),
            (&[begin(2, Slot::Main, 8), begin(2, Slot::Next, 8)], false),
        ] {
            assert_eq!(judged(begins), want, "{begins:?}");
        }
    }

    /// What is held of other bytes of the source is refused; a journal that contradicts the range it names is not used.
    #[test]
    fn a_journal_of_another_range_is_of_another_thing() {
        use super::super::journal;
        use crate::window::Window;
        let source = |range: &str| match range {
            "" => Source::default(),
            range => Source { window: Window::parse(range).unwrap(), ..Source::default() },
        };
        let judged = |recorded: &str, length: u64, of: Option<u64>, wanted: &str| {
            let identity = Identity { length: Some(length), of, ..Identity::default() };
            let begin = Begin { generation: 1, slot: Slot::Main, identity, block_len: 8, reason: None };
            let mut file = journal::header().to_vec();
            journal::encode(&[journal::Record::Source(source(recorded)), journal::Record::Begin(begin)], 0, &mut file);
            let journal = FoundJournal::Read(Box::new(journal::decode(&file).unwrap()));
            let found = Found { journal, main: None, next: None, target: TargetState::Absent, free: None };
            match verdict(&source(wanted), false, 8, found) {
                StartVerdict::Continue { .. } => "continue",
                StartVerdict::Fresh(Some(Restart::JournalUnusable)) => "unusable",
                StartVerdict::Refuse(TargetRefusal::PartialOfAnotherRange) => "another range",
                _ => "something else",
            }
        };
        for (recorded, length, of, wanted, want) in [
            ("", 100, None, "", "continue"),
            ("10-", 90, Some(100), "bytes=10-", "continue"),
            ("10-19", 10, None, "10-19", "continue"),
            ("10-19", 5, Some(15), "10-19", "continue"),
            ("10-", 90, Some(100), "", "another range"),
            ("", 100, None, "0-", "another range"),
            ("10-19", 10, Some(100), "10-18", "another range"),
            ("0-4,5-9", 10, Some(100), "0-9", "another range"),
            ("", 100, Some(200), "", "unusable"),
            ("10-", 91, Some(100), "10-", "unusable"),
            ("10-", 90, None, "10-", "unusable"),
            ("10-19", 10, Some(10), "10-19", "unusable"),
            ("10-19", 10, Some(u64::MAX), "10-19", "unusable"),
        ] {
            assert_eq!(judged(recorded, length, of, wanted), want, "{recorded} of {of:?}, {wanted} wanted");
        }
    }
}
