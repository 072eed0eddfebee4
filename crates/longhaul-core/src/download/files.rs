//! What is held: the generation that bytes are added to, the older one that is still kept, and the one that is about to
//! begin.
//!
//! Every change of what is held is made here, and each answers what it changed: which ranges were given up, how many
//! bytes are claimed now. Recording that is for the download, in the order that the laws ask for.

use std::collections::HashSet;

use super::adopt::Foreign;
use super::held::{Held, Slot};
use super::journal::{Begin, Record};
use super::line::BodySpan;
use super::restart::Restart;
use super::resume::Generation;
use super::wrong::SinceStart;
use crate::digest::Digest;
use crate::identity::{Identity, Likeness};
use crate::ranges::{Range, block_len};
use crate::words::{Extent, Ticket};

/// A generation that is about to begin with the reply of a waiting stream.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) stream: Ticket,
    pub(super) identity: Identity,
    pub(super) body: BodySpan,
    pub(super) reason: Option<Restart>,
    pub(super) slot: Slot,
}

/// Which bytes of which file are to be read back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToRead {
    pub(super) slot: Slot,
    pub(super) generation: u32,
    pub(super) extents: Vec<Extent>,
}

/// Why bytes are read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckReason {
    /// Only a hint speaks for them. Before anything is fetched.
    Hints,
    /// A stream will continue claims that end inside a block. Before anything is fetched.
    Partials,
    /// The run before did not stop in order. Beside the download.
    Claims,
}

/// What a report of written bytes changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grown {
    pub(super) generation: u32,
    /// Bytes held now, and how many of them are new.
    pub(super) total: u64,
    pub(super) more: u64,
    /// No byte was held there before; otherwise a stream wrote over others.
    pub(super) fits: bool,
}

/// What a completed sync lets a record claim.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) generation: u32,
    pub(super) extents: Vec<Extent>,
    /// Bytes that no claim covered before.
    pub(super) bytes: u64,
    /// All of them were written or read back in this run.
    pub(super) known: bool,
}

/// Ranges of one generation that do not count any more.
#[derive(Debug, Clone)]
pub(super) struct Lost {
    pub(super) generation: u32,
    pub(super) ranges: Vec<Range>,
}

/// The generations of one run and their files.
#[derive(Debug, Clone)]
pub(super) struct HeldFiles {
    block_len_min: u64,
    /// An existing target may be replaced.
    replaces_target: bool,
    current: Option<Generation>,
    old: Option<Generation>,
    beginning: Option<Beginning>,
    next_generation: u32,
    /// The journal says what the transfer is of.
    source_recorded: bool,
    /// Claims that end inside a block were asked to be read back.
    partials_asked: bool,
    /// Bytes came in this run or an earlier one of the transfer: the outcome is not "already there".
    moved: bool,
    /// The identity of the finished file at the target, while the source is asked about it.
    finished: Option<Identity>,
    /// The generation that an earlier run began, and whether bytes came to it in this one.
    resumed: Option<(u32, bool)>,
    /// The first generation that began in this run.
    began_here: Option<u32>,
    /// Digests that were computed of the whole file and matched.
    proven: Vec<Digest>,
}

impl HeldFiles {
    /// `block_len_min`: the least length of a block, in bytes. `replaces_target`: the caller lets an existing target be
    /// replaced.
    pub(super) fn new(block_len_min: u64, replaces_target: bool) -> Self {
        Self {
            block_len_min,
            replaces_target,
            current: None,
            old: None,
            beginning: None,
            next_generation: 1,
            source_recorded: false,
            partials_asked: false,
            moved: false,
            finished: None,
            resumed: None,
            began_here: None,
            proven: Vec::new(),
        }
    }

    // ---- what there is -----------------------------------------------------------------------------------------

    /// The generation that bytes are added to.
    pub(super) fn current(&self) -> Option<&Generation> {
        self.current.as_ref()
    }

    /// An older generation that is still kept.
    pub(super) fn old(&self) -> Option<&Generation> {
        self.old.as_ref()
    }

    /// Bytes held of the current generation.
    pub(super) fn held(&self) -> u64 {
        self.current.as_ref().map_or(0, |g| g.held.total())
    }

    pub(super) fn is_current(&self, generation: u32) -> bool {
        self.current.as_ref().is_some_and(|g| g.begin.generation == generation)
    }

    pub(super) fn beginning(&self) -> Option<&Beginning> {
        self.beginning.as_ref()
    }

    /// Whether a generation is about to begin.
    pub(super) fn is_beginning(&self) -> bool {
        self.beginning.is_some()
    }

    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    pub(super) fn is_source_recorded(&self) -> bool {
        self.source_recorded
    }

    pub(super) fn finished(&self) -> Option<&Identity> {
        self.finished.as_ref()
    }

    /// Whether an existing target may be replaced.
    pub(super) fn replaces_target(&self) -> bool {
        self.replaces_target
    }

    /// The target is our own: a newer version of the object may replace it, also where the caller allows no replacing.
    pub(super) fn may_replace_target(&mut self) {
        self.replaces_target = true;
    }

    pub(super) fn proven(&self) -> &[Digest] {
        &self.proven
    }

    // ---- the start of a run ------------------------------------------------------------------------------------

    /// An earlier run left these; `newest` is the highest number that a generation had. What the files were too short
    /// for is lost: of the current one, and of the old one.
    pub(super) fn resume(
        &mut self,
        mut current: Generation,
        mut old: Option<Generation>,
        newest: u32,
    ) -> (Option<Lost>, Option<Lost>) {
        self.source_recorded = true;
        self.moved = true;
        self.next_generation = newest + 1;
        let lost = |g: &mut Generation| {
            let (generation, ranges) = (g.begin.generation, std::mem::take(&mut g.lost));
            (!ranges.is_empty()).then_some(Lost { generation, ranges })
        };
        let lost = (lost(&mut current), old.as_mut().and_then(lost));
        match current.on_record() == 0 && !current.is_whole() {
            true => self.began_here = Some(current.begin.generation), // as if it began now
            false => self.resumed = Some((current.begin.generation, false)),
        }
        (self.current, self.old) = (Some(current), old);
        lost
    }

    /// An earlier run has renamed this one to the target already.
    pub(super) fn resume_published(&mut self, current: Generation) {
        self.moved = true;
        self.current = Some(current);
    }

    /// A finished file of the same source stands at the target; `None`: it does not count any more.
    pub(super) fn set_finished(&mut self, identity: Option<Identity>) {
        self.finished = identity;
    }

    // ---- bytes -------------------------------------------------------------------------------------------------

    /// Bytes reached the current file.
    pub(super) fn grow(&mut self, extent: Extent) -> Option<Grown> {
        let g = self.current.as_mut()?;
        let before = g.held.total();
        let fits = g.held.grow(extent);
        self.moved = true;
        if let Some((generation, grown)) = &mut self.resumed {
            *grown |= *generation == g.begin.generation;
        }
        let total = g.held.total();
        Some(Grown { generation: g.begin.generation, total, more: total.saturating_sub(before), fits })
    }

    /// A completed sync of the current file covered these extents, as long as they were then. What was voided or
    /// replaced since the sync began is not claimed.
    pub(super) fn claim(&mut self, covered: Vec<Extent>) -> Option<Claimed> {
        let g = self.current.as_mut()?;
        let extents: Vec<Extent> = covered.into_iter().filter(|e| g.held.reaches(e)).collect();
        let bytes = g.held.claim(&extents);
        let known = extents.iter().all(|e| g.held.is_read(e.start));
        Some(Claimed { generation: g.begin.generation, extents, bytes, known })
    }

    /// Gives up every byte of a generation, the current or the old one, that no claim covers.
    pub(super) fn drop_unclaimed(&mut self, generation: u32) -> Option<Lost> {
        let g = [&mut self.current, &mut self.old].into_iter().flatten().find(|g| g.begin.generation == generation)?;
        let ranges = g.held.drop_unclaimed();
        (!ranges.is_empty()).then_some(Lost { generation, ranges })
    }

    /// Gives up every byte of the current generation; how many that were.
    pub(super) fn void_all(&mut self) -> u64 {
        self.current.as_mut().map_or(0, |g| g.held.void(&[Range::new(0, u64::MAX)]))
    }

    /// Gives up what is held of the current generation in these ranges; how many bytes that were. Where that was all, it
    /// is as if the generation began now.
    pub(super) fn give_up(&mut self, ranges: &[Range]) -> u64 {
        let Some(g) = &mut self.current else { return 0 };
        let given_up = g.held.void(ranges);
        if g.held.total() == 0 && self.resumed.take().is_some() {
            self.began_here = Some(g.begin.generation);
        }
        given_up
    }

    /// What is known of another program's bytes in the current generation; `None`: there are none.
    pub(super) fn set_foreign(&mut self, foreign: Option<Foreign>) {
        if let Some(g) = &mut self.current {
            g.foreign = foreign;
        }
    }

    /// Gives up all of a generation, the current one or the old one, where another program's bytes are among it that only
    /// a digest could prove, and none is known. `digests`: the caller gave one.
    pub(super) fn give_up_unproven(&mut self, slot: Slot, digests: bool) -> Option<Lost> {
        let g = [&mut self.current, &mut self.old].into_iter().flatten().find(|g| g.begin.slot == slot)?;
        if g.foreign != Some(Foreign::Unproven) || digests || !g.begin.identity.digests.is_empty() {
            return None;
        }
        let lost = g.on_record();
        (g.foreign, g.hints) = (None, Vec::new());
        g.held.void(&[Range::new(0, u64::MAX)]);
        Some(Lost { generation: g.begin.generation, ranges: vec![Range::new(0, lost)] })
    }

    /// Where the bytes of this generation come from, which is whole.
    pub(super) fn since_start(&self, generation: u32) -> SinceStart {
        match self.resumed {
            Some((resumed, false)) if resumed == generation => SinceStart::Unchanged,
            Some((resumed, true)) if resumed == generation => SinceStart::Joined,
            // An old generation that is returned to began before as well.
            _ if self.began_here.is_some_and(|first| generation >= first) => SinceStart::AllNew,
            _ => SinceStart::Joined,
        }
    }

    /// Every byte of the current generation has to be read back once more.
    pub(super) fn forget_read(&mut self) {
        if let Some(g) = &mut self.current {
            g.held.forget_read();
        }
    }

    /// The hints that wait to be read back; they are awaited by the reader from now on.
    pub(super) fn take_hints(&mut self) -> Option<ToRead> {
        let g = self.current.as_mut().filter(|g| !g.hints.is_empty())?;
        let extents = std::mem::take(&mut g.hints);
        Some(ToRead { slot: g.begin.slot, generation: g.begin.generation, extents })
    }

    /// The claims that end inside a block, once: a stream will continue them.
    pub(super) fn take_partials(&mut self) -> Option<ToRead> {
        let g = self.current.as_ref().filter(|_| !self.partials_asked)?;
        self.partials_asked = true;
        let (block, length) = (g.begin.block_len, g.begin.identity.length);
        let partial = |e: Extent| !e.end().is_multiple_of(block) && Some(e.end()) != length;
        let extents: Vec<Extent> = g.unread().filter(|e| partial(*e)).collect();
        (!extents.is_empty()).then_some(ToRead { slot: g.begin.slot, generation: g.begin.generation, extents })
    }

    /// Claims that were not read back yet: the first ones, until they have so many bytes together.
    pub(super) fn some_unread(&self, bytes_max: u64) -> Option<ToRead> {
        let g = self.current.as_ref()?;
        let mut bytes = 0;
        let fits = |e: &Extent| {
            let fits = bytes < bytes_max;
            bytes += e.len;
            fits
        };
        let extents: Vec<Extent> = g.unread().take_while(fits).collect();
        (!extents.is_empty()).then_some(ToRead { slot: g.begin.slot, generation: g.begin.generation, extents })
    }

    /// These extents were read back and match. With `hints`, those that are not held yet are from now on. How many
    /// bytes more wait for a claim.
    pub(super) fn matched(&mut self, good: &[Extent], hints: bool) -> u64 {
        let Some(g) = &mut self.current else { return 0 };
        let before = g.held.unclaimed();
        for e in good {
            match g.held.get(e.start, e.len) {
                Some(_) => g.held.mark_read(&[*e]),
                None if hints => {
                    g.held.grow(*e);
                }
                None => {} // voided or grown meanwhile
            }
        }
        g.held.unclaimed().saturating_sub(before)
    }

    /// These extents were read back and do not match: the claims among them do not count any more. A bad hint leaves
    /// the shorter claim with the same start alone, which is checked by itself.
    pub(super) fn differed(&mut self, bad: &[Extent]) -> Option<Lost> {
        let g = self.current.as_mut().filter(|_| !bad.is_empty())?;
        let ranges = bad.iter().map(|e| {
            let claim = g.held.list().iter().map(|k| k.extent).find(|k| k.start == e.start && k.len < e.len);
            Range::new(claim.map_or(e.start, Extent::end), e.end())
        });
        let ranges: Vec<Range> = ranges.collect();
        let claims: Vec<Range> =
            bad.iter().filter(|e| g.held.get(e.start, e.len).is_some()).map(|e| e.range()).collect();
        g.held.void(&claims);
        Some(Lost { generation: g.begin.generation, ranges })
    }

    // ---- what is told of the object ----------------------------------------------------------------------------

    /// The length of the object is known now; of which generation, when it was not known before.
    pub(super) fn length_known(&mut self, length: u64) -> Option<u32> {
        let g = self.current.as_mut().filter(|g| g.begin.identity.length.is_none())?;
        g.begin.identity.length = Some(length);
        Some(g.begin.generation)
    }

    /// Digests that a later reply told of the same object, where the first one told none.
    pub(super) fn digests_told(&mut self, digests: Vec<Digest>) {
        if let Some(g) = self.current.as_mut().filter(|g| g.begin.identity.digests.is_empty()) {
            g.begin.identity.digests = digests;
        }
    }

    /// The end of the body was only a closed connection.
    pub(super) fn end_not_provable(&mut self) {
        if let Some(g) = &mut self.current {
            g.end_not_provable = true;
        }
    }

    /// A digest of the whole file matched.
    pub(super) fn prove(&mut self, digest: Digest) {
        self.proven.push(digest);
    }

    // ---- generations -------------------------------------------------------------------------------------------

    /// The reply of this stream shall begin a generation.
    pub(super) fn announce(&mut self, beginning: Beginning) {
        self.beginning = Some(beginning);
    }

    pub(super) fn take_beginning(&mut self) -> Option<Beginning> {
        self.beginning.take()
    }

    /// The record with which the announced generation begins.
    pub(super) fn begin_record(&self) -> Option<Begin> {
        let b = self.beginning.as_ref()?;
        Some(Begin {
            generation: self.next_generation,
            slot: b.slot,
            block_len: block_len(b.identity.length, self.block_len_min),
            identity: b.identity.clone(),
            reason: b.reason,
        })
    }

    /// The announced generation begins. The one before it is kept when it has a file of its own; with `unsynced_lost`
    /// without its unclaimed bytes, and which they were.
    pub(super) fn begin(&mut self, begin: Begin, unsynced_lost: bool) -> Option<Lost> {
        let in_next = begin.slot == Slot::Next;
        self.began_here.get_or_insert(begin.generation);
        self.source_recorded = true;
        self.moved = true; // an object without bytes is fetched, too
        self.partials_asked = true;
        self.next_generation += 1;
        let mut left = self.current.replace(Generation::new(begin))?;
        let ranges = if unsynced_lost { left.held.drop_unclaimed() } else { Vec::new() };
        let generation = left.begin.generation;
        if in_next {
            self.old = Some(left);
        }
        (!ranges.is_empty()).then_some(Lost { generation, ranges })
    }

    /// The current generation was retired, and its file is another one's now.
    pub(super) fn retired(&mut self) {
        self.current = None;
    }

    /// Whether the source shows the old generation's version again.
    pub(super) fn is_old(&self, identity: &Identity) -> bool {
        let known = self.old.as_ref().map(|old| &old.begin.identity);
        known.is_some_and(|known| known.is_strong() && known.compare(identity) == Likeness::Same)
    }

    /// Bytes are added to the old generation again; gives the one that is left for it.
    pub(super) fn return_to_old(&mut self) -> Option<Generation> {
        let old = self.old.take()?;
        self.partials_asked = false;
        self.current.replace(old)
    }

    /// Whether the old generation may go: the new one is whole, or its first block is safe and not much is held of the
    /// old one. `claims`: only claimed bytes are safe. `dear`: the old one is worth keeping until then.
    pub(super) fn old_may_go(&self, claims: bool, dear: bool) -> bool {
        let (Some(g), Some(_)) = (&self.current, &self.old) else { return false };
        let safe = if claims { g.held.claimed() } else { g.held.total() };
        let first_block = g.begin.block_len.min(g.begin.identity.length.unwrap_or(u64::MAX));
        g.is_whole() || (safe >= first_block && !dear)
    }

    /// The current generation's file has taken the old one's place.
    pub(super) fn promoted(&mut self) {
        self.old = None;
        if let Some(g) = &mut self.current {
            g.begin.slot = Slot::Main;
        }
    }

    // ---- the journal -------------------------------------------------------------------------------------------

    /// How many extents a new journal would name.
    pub(super) fn extents(&self) -> u64 {
        [&self.current, &self.old].into_iter().flatten().map(|g| g.held.list().len() as u64).sum()
    }

    /// All that a journal must say of the generations, after what the transfer is of.
    pub(super) fn snapshot(&self, records: &mut Vec<Record>) {
        for g in [&self.old, &self.current].into_iter().flatten() {
            let generation = g.begin.generation;
            records.push(Record::Begin(g.begin.clone()));
            records.extend(g.foreign.map(|_| Record::Foreign { generation, state: g.foreign }));
            let claims = g.held.claims();
            if !claims.is_empty() {
                records.push(Record::Claim { generation, extents: claims });
            }
            let hints = g.held.dirty().into_iter().chain(g.hints.iter().copied());
            records.extend(hints.map(|extent| Record::Hint { generation, extent }));
        }
    }
}

/// Those of the extents that are not among the bad ones.
pub(super) fn good_ones(asked: Vec<Extent>, bad: &[Extent]) -> Vec<Extent> {
    let bad: HashSet<&Extent> = bad.iter().collect();
    asked.into_iter().filter(|e| !bad.contains(e)).collect()
}

impl Generation {
    /// Extents that were neither written nor read back in this run, in order.
    fn unread(&self) -> impl Iterator<Item = Extent> {
        self.held.list().iter().filter(|k| !k.read).map(|k| k.extent)
    }

    /// Whether the checksum of each byte that is held is known to be that of the file.
    pub(super) fn is_read(&self) -> bool {
        self.hints.is_empty() && self.unread().next().is_none()
    }
}

impl Held {
    /// The claimed part of each extent that has one.
    fn claims(&self) -> Vec<Extent> {
        let claimed = self.list().iter().filter(|k| k.claimed_len > 0);
        claimed.map(|k| Extent { start: k.extent.start, len: k.claimed_len, crc: k.claimed_crc }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(start: u64, len: u64) -> Extent {
        Extent { start, len, crc: start ^ len }
    }

    fn announced(slot: Slot) -> Beginning {
        let identity = Identity { length: Some(100), etag: Some("\"a\"".into()), ..Identity::default() };
        let body = BodySpan { start: 0, end: Some(100), skip: 0, whole: true };
        Beginning { stream: Ticket(1), identity, body, reason: None, slot }
    }

    fn begin(files: &mut HeldFiles, slot: Slot, unsynced_lost: bool) -> Option<Lost> {
        files.announce(announced(slot));
        let begin = files.begin_record().unwrap();
        files.take_beginning();
        files.begin(begin, unsynced_lost)
    }

    fn files() -> HeldFiles {
        let mut files = HeldFiles::new(8, false);
        assert!(begin(&mut files, Slot::Main, false).is_none());
        files
    }

    #[test]
    fn a_claim_covers_what_is_still_held_as_it_was_synced() {
        let mut files = files();
        files.grow(extent(0, 8)).unwrap();
        let grown = files.grow(extent(8, 8)).unwrap();
        assert_eq!((grown.total, grown.more, grown.fits), (16, 8, true));
        files.differed(&[extent(8, 8)]).unwrap();
        let claimed = files.claim(vec![extent(0, 8), extent(8, 8)]).unwrap();
        assert_eq!((claimed.extents, claimed.bytes, claimed.known), (vec![extent(0, 8)], 8, true));
        files.grow(extent(16, 4)).unwrap();
        assert_eq!(files.drop_unclaimed(1).unwrap().ranges, [Range::new(16, 20)]);
        assert!(files.drop_unclaimed(1).is_none() && files.drop_unclaimed(7).is_none());
        assert_eq!((files.void_all(), files.held()), (8, 0));
    }

    #[test]
    fn a_generation_in_a_file_of_its_own_leaves_the_old_one() {
        let mut files = files();
        files.grow(extent(0, 8)).unwrap();
        let lost = begin(&mut files, Slot::Next, true).unwrap();
        assert_eq!((lost.generation, lost.ranges), (1, vec![Range::new(0, 8)]));
        assert!(files.is_current(2) && files.old().is_some());
        assert!(files.is_old(&announced(Slot::Main).identity));
        assert!(!files.old_may_go(false, false), "no block of the new one is here");
        files.grow(extent(0, 8)).unwrap();
        assert!(files.old_may_go(false, false) && !files.old_may_go(true, false) && !files.old_may_go(false, true));
        files.promoted();
        assert_eq!((files.old().is_none(), files.current().unwrap().begin.slot), (true, Slot::Main));
    }

    #[test]
    fn the_source_may_return_to_the_old_version() {
        let mut files = files();
        files.grow(extent(0, 8)).unwrap();
        begin(&mut files, Slot::Next, false);
        let left = files.return_to_old().unwrap();
        assert_eq!((left.begin.generation, files.is_current(1), files.held()), (2, true, 8));
        assert!(files.return_to_old().is_none());
    }

    #[test]
    fn hints_count_when_they_match() {
        let mut files = files();
        assert_eq!(files.matched(&[extent(0, 8)], false), 0, "of no claim, and no hint");
        assert_eq!(files.matched(&[extent(0, 8)], true), 8);
        assert_eq!(good_ones(vec![extent(0, 8), extent(8, 8)], &[extent(8, 8)]), [extent(0, 8)]);
    }
}
