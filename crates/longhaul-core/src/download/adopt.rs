//! Bytes that another program brought: may they be taken up, and what proves them?
//!
//! ```text
//!   the first generation begins ──► copy whole blocks into its file ──► hints, as of bytes that came
//!         │                                                                │
//!         └ no proof is possible: refused, before a byte is copied         ├──► a digest of the whole decides at the end
//!                                                                          ├──► samples are fetched as well, and compared
//!                                                                          └──► checksums of an earlier run say which
//! ```
//!
//! Bytes of another program are of no reply: no validator speaks for them. The journal says of a generation that holds
//! some ([`Record::Foreign`]) whether they are proven. Unproven ones are published under a digest of the whole only, and
//! where a start knows of none they are given up. When they are refuted, by a sample, by bytes that come again, or by the
//! digest, they are given up once, and the run goes on like any other.

use std::collections::HashSet;

use super::Download;
use super::files::Lost;
use super::held::{Held, Slot};
use super::job::{Job, KeepJob};
use super::journal::Record;
use super::restart::Restart;
use super::resume::Generation;
use super::step::{Failure, Note, Step};
use crate::crc;
use crate::identity::{Identity, Likeness};
use crate::ranges::Range;
use crate::words::Extent;

/// Samples beside those at the ends of what another program brought; fewer where that were more than a quarter of it.
const SAMPLES: usize = 8;
/// Stretches at whose ends samples are taken; of more, these many are chosen by chance.
const SEAMS_MAX: usize = 8;

/// Bytes of another program that a run may go on from.
#[derive(Debug, Clone, PartialEq)]
pub struct Adoption {
    /// Where its file has bytes of the object, in order, apart.
    pub ranges: Vec<Range>,
    /// The file's length in bytes: the object has at least this one.
    pub least: u64,
    /// The object's length in bytes, where the other program left word of it.
    pub total: Option<u64>,
    /// What is to prove them.
    pub proof: AdoptionProof,
}

/// What proves the bytes of another program.
#[derive(Debug, Clone, PartialEq)]
pub enum AdoptionProof {
    /// A digest of the whole, given or declared, before the file is published.
    Digest,
    /// Samples that are fetched as well and compared, where there is no such digest: that makes it likely, and proves
    /// only the samples.
    Samples,
    /// Checksums from when these bytes were fetched from the source, under this identity. The source must still have it.
    Blocks {
        /// What the source showed then.
        identity: Box<Identity>,
        /// The checksums.
        extents: Vec<Extent>,
    },
}

/// Why the bytes of another program are not taken up. Nothing was kept then, and its file is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdoptionRefusal {
    /// The source does not tell the object's length.
    NoLength,
    /// Neither the source nor the caller gives a digest of the whole.
    NoDigest,
    /// The source gives no strong validator, so that what is fetched cannot be joined to samples.
    NoValidator,
    /// The file is longer than the object.
    TooLong,
    /// The other program's file is a part of an object of another length.
    OtherLength,
    /// The source does not show the version any more that the file was fetched of.
    OtherVersion,
}

impl AdoptionRefusal {
    /// A sentence for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::NoLength => "the source does not tell the object's length",
            Self::NoDigest => {
                "neither the source nor the caller gives a digest of the whole, so nothing proves these bytes"
            }
            Self::NoValidator => "the source gives no strong validator, so new bytes cannot be joined to these",
            Self::TooLong => "it is longer than the object, so it is no part of it",
            Self::OtherLength => "it is a part of an object of another length",
            Self::OtherVersion => "the source does not show the version any more that it was fetched of",
        }
    }
}

/// What is known of the bytes of another program in a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// Only a digest of the whole can prove them.
    Unproven,
    /// Samples of them were compared with the source, and are the same.
    Compared,
}

/// What is taken up in this run.
#[derive(Debug, Clone, Default)]
pub(super) struct Adopting {
    plan: Option<Adoption>,
    /// The file is there, and the bytes are to be copied into it.
    due: bool,
    /// Where bytes may be that no reply brought.
    taken: Vec<Range>,
    /// They were given up.
    refuted: bool,
    /// What still has to come and be compared.
    samples: Vec<Extent>,
    /// The generation of both.
    of: u32,
}

impl Adopting {
    pub(super) fn new(plan: Option<Adoption>) -> Self {
        let plan = plan.filter(|plan| plan.ranges.iter().any(|r| !r.is_empty()));
        Self { plan, ..Self::default() }
    }

    /// Whether bytes are to be copied before more is fetched.
    pub(super) fn is_due(&self) -> bool {
        self.due
    }
}

impl Adoption {
    /// Why bytes like these cannot be taken up in an object like this.
    fn refused(&self, identity: &Identity, digest: bool, joins: bool) -> Option<Failure> {
        let Some(length) = identity.length else { return Some(Failure::Adoption(AdoptionRefusal::NoLength)) };
        if let AdoptionProof::Blocks { identity: then, .. } = &self.proof {
            let same = joins && then.is_strong() && then.compare(identity) == Likeness::Same;
            return (!same).then_some(Failure::Adoption(AdoptionRefusal::OtherVersion));
        }
        if self.total.is_some_and(|total| total != length) {
            return Some(Failure::Adoption(AdoptionRefusal::OtherLength));
        }
        if self.least > length {
            return Some(Failure::Adoption(AdoptionRefusal::TooLong));
        }
        match self.proof {
            AdoptionProof::Samples if !digest && !joins => Some(Failure::Adoption(AdoptionRefusal::NoValidator)),
            AdoptionProof::Digest if !digest => Some(Failure::Adoption(AdoptionRefusal::NoDigest)),
            _ => None,
        }
    }

    /// What to copy: whole blocks, so that what is fetched begins and ends with one.
    fn pieces(&self, length: u64, block_len: u64) -> Vec<Range> {
        if let AdoptionProof::Blocks { extents, .. } = &self.proof {
            let within = |e: &&Extent| e.end() <= length && e.start / block_len == (e.end() - 1) / block_len;
            return extents.iter().filter(|e| e.len > 0).filter(within).map(|e| e.range()).collect();
        }
        let mut pieces = Vec::new();
        let mut from = 0;
        for range in &self.ranges {
            let end = range.end.min(length);
            let mut start = range.start.max(from).checked_next_multiple_of(block_len).unwrap_or(length);
            while start < end {
                let stop = start.saturating_add(block_len).min(length);
                if stop > end {
                    break;
                }
                pieces.push(Range::new(start, stop));
                start = stop;
            }
            from = from.max(range.end);
        }
        pieces
    }
}

impl Download {
    /// The file at the target is to be mended: what a receipt says of it is of its good days.
    pub(super) fn mends(&self) -> bool {
        let blocks = |plan: &Adoption| matches!(plan.proof, AdoptionProof::Blocks { .. });
        self.config.adoption.as_ref().is_some_and(blocks)
    }

    // ---- the begin ---------------------------------------------------------------------------------------------

    /// A generation is about to begin: why the bytes that were offered to this run cannot be taken up in it. An object
    /// that the short way takes is simply fetched.
    pub(super) fn cannot_adopt(&mut self, identity: &Identity) -> Option<Failure> {
        let plan = self.adopting.plan.as_ref()?;
        if self.files.current().is_some() || self.config.is_small(identity.length) {
            (self.adopting.plan, self.adopting.due) = (None, false); // another version than the one that it was offered for, or too short to matter
            return None;
        }
        let digest = !self.config.expected.is_empty() || !identity.digests.is_empty();
        plan.refused(identity, digest, identity.is_strong() && !self.belief.is_one_reply())
    }

    /// The record that goes with the one of a generation's begin, before any byte.
    pub(super) fn foreign_record(&self, generation: u32) -> Option<Record> {
        let unproven = self.adopting.plan.as_ref()?.begins_as()?;
        Some(Record::Foreign { generation, state: Some(unproven) })
    }

    /// The generation's file is there. Whether bytes of another program come before those of its reply.
    pub(super) fn adopts(&mut self) -> bool {
        let Some(plan) = &self.adopting.plan else { return false };
        let foreign = plan.begins_as();
        self.files.set_foreign(foreign);
        self.adopting.due = true;
        true
    }

    /// A run goes on with what an earlier one left: where that is not a byte, the offer stands.
    pub(super) fn adopt_on_resume(&mut self) {
        self.give_up_unproven();
        let plan = self.adopting.plan.take();
        let Some(g) = self.files.current().filter(|g| g.on_record() == 0) else { return };
        let digest = !self.expected().is_empty();
        let identity = &g.begin.identity;
        let open = !g.is_whole() && g.begin.slot == Slot::Main && self.files.old().is_none();
        let open = open && !self.config.is_small(identity.length);
        let joins = identity.is_strong() && self.joinable(g);
        let generation = g.begin.generation;
        let before = g.foreign;
        let fits = |plan: &Adoption| open && plan.refused(identity, digest, joins).is_none();
        self.adopting.plan = plan.filter(fits);
        let foreign = self.adopting.plan.as_ref().and_then(Adoption::begins_as);
        if !self.adopts() && before.is_none() {
            return;
        }
        self.files.set_foreign(foreign);
        self.record(KeepJob::Settle, vec![Record::Foreign { generation, state: foreign }], true);
    }

    /// No digest is known that could prove what earlier runs took up: it does not count.
    fn give_up_unproven(&mut self) {
        let digests = !self.config.expected.is_empty();
        for slot in [Slot::Main, Slot::Next] {
            let Some(lost) = self.files.give_up_unproven(slot, digests) else { continue };
            let generation = lost.generation;
            let discarded = lost.ranges.iter().map(|r| r.len()).sum();
            if self.files.is_current(generation) {
                self.note(Note::Restarted { reason: Restart::Foreign, discarded });
            }
            self.record_refuted(Lost { generation, ranges: vec![Range::new(0, u64::MAX)] });
        }
        // Which of the bytes are another program's is not known any more.
        let foreign = |g: &&Generation| g.foreign.is_some();
        if let Some(g) = self.files.current().filter(foreign).or(self.files.old().filter(foreign)) {
            (self.adopting.taken, self.adopting.of) = (vec![Range::new(0, u64::MAX)], g.begin.generation);
        }
    }

    // ---- copying -----------------------------------------------------------------------------------------------

    /// Once no request is under way: the bytes are copied.
    pub(super) fn adopt_if_due(&mut self) {
        let no_stream = self.line.is_empty();
        if no_stream && std::mem::take(&mut self.adopting.refuted) {
            self.adopting.taken.clear(); // no stream passes over them any more
        }
        let (true, true, Some(plan)) = (self.adopting.due, no_stream, &self.adopting.plan) else { return };
        let Some(g) = self.files.current() else { return };
        let pieces = plan.pieces(g.begin.identity.length.unwrap_or(0), g.begin.block_len);
        let generation = g.begin.generation;
        self.job(KeepJob::Adopt { generation }, Step::Adopt { slot: g.begin.slot, pieces });
    }

    /// These pieces were copied, and have these checksums.
    pub(super) fn adopted(&mut self, generation: u32, extents: Vec<Extent>) {
        self.adopting.due = false;
        let Some(plan) = self.adopting.plan.take().filter(|_| self.files.is_current(generation)) else { return };
        let whole = self.files.current().and_then(|g| g.begin.identity.length).unwrap_or(0);
        let offered = plan.ranges.iter().map(|r| r.end.min(whole).saturating_sub(r.start)).sum();
        let by_digest = !self.expected().is_empty();
        let (kept, samples) = match &plan.proof {
            AdoptionProof::Blocks { extents: known, .. } => {
                let known: HashSet<&Extent> = known.iter().collect();
                (extents.into_iter().filter(|e| known.contains(e)).collect(), Vec::new())
            }
            AdoptionProof::Samples if !by_digest => choose(extents, self.config.seed),
            AdoptionProof::Samples | AdoptionProof::Digest => (extents, Vec::new()),
        };
        let mut bytes = 0;
        for extent in &kept {
            bytes += self.files.grow(*extent).map_or(0, |grown| grown.more);
        }
        self.note(Note::Adopted { bytes, offered, samples: samples.len() as u64 });
        let hint = |extent: &Extent| Record::Hint { generation, extent: *extent };
        let mut records: Vec<Record> = kept.iter().map(hint).collect();
        if bytes == 0 {
            self.files.set_foreign(None);
            records.push(Record::Foreign { generation, state: None });
        } else {
            self.disk.wrote(self.run.now(), bytes);
            self.retry.progress(self.files.held());
            self.adopting.taken = kept.iter().map(|e| e.range()).collect();
            (self.adopting.samples, self.adopting.of) = (samples, generation);
        }
        self.record(KeepJob::Settle, records, false);
    }

    // ---- proof -------------------------------------------------------------------------------------------------

    /// Bytes came: perhaps the last ones of a sample.
    pub(super) fn compare_sample(&mut self, at: u64) {
        let generation = self.adopting.of;
        let Some(i) = self.adopting.samples.iter().position(|s| s.start <= at && at < s.end()) else { return };
        let Some(g) = self.files.current().filter(|g| g.begin.generation == generation) else { return };
        let sample = self.adopting.samples[i];
        let Some(crc) = g.held.crc_of(sample.range()) else { return };
        if crc != sample.crc {
            return self.refute_taken();
        }
        self.adopting.samples.swap_remove(i);
        if self.adopting.samples.is_empty() && g.foreign.is_some() {
            self.files.set_foreign(Some(Foreign::Compared));
            self.record(KeepJob::Hint, vec![Record::Foreign { generation, state: Some(Foreign::Compared) }], false);
        }
    }

    /// Whether these held bytes may be another program's: then they are refuted when others come in their place, and the
    /// source's validator is not.
    pub(super) fn is_of_another_program(&self, extent: Extent) -> bool {
        self.files.is_current(self.adopting.of) && self.adopting.taken.iter().any(|r| r.overlaps(extent.range()))
    }

    /// What another program brought is not the object's. What replies brought stays, where that can be told apart.
    pub(super) fn refute_taken(&mut self) {
        let Some(g) = self.files.current().filter(|g| g.foreign.is_some()) else { return };
        let generation = g.begin.generation;
        let ranges = self.adopting.taken.clone();
        self.refute(Lost { generation, ranges });
    }

    /// The whole does not have its digest, and bytes of another program are in it: all of it is fetched.
    pub(super) fn refute_whole(&mut self) -> bool {
        let Some(g) = self.files.current().filter(|g| g.foreign.is_some()) else { return false };
        let generation = g.begin.generation;
        self.refute(Lost { generation, ranges: vec![Range::new(0, u64::MAX)] });
        true
    }

    fn refute(&mut self, lost: Lost) {
        self.stop_all();
        let discarded = self.files.give_up(&lost.ranges);
        self.files.set_foreign(None);
        self.adopting.samples.clear();
        self.adopting.refuted = true;
        self.note(Note::Restarted { reason: Restart::Foreign, discarded });
        self.record_refuted(lost);
        self.retry.restart_at(self.files.held());
    }

    fn record_refuted(&mut self, Lost { generation, ranges }: Lost) {
        let void = Record::Void { generation, ranges, reason: Restart::Foreign };
        self.record(KeepJob::Void, vec![void, Record::Foreign { generation, state: None }], true);
    }

    /// Whether only a digest can let this be published.
    pub(super) fn is_unproven(&self) -> bool {
        self.files.current().is_some_and(|g| g.foreign == Some(Foreign::Unproven))
    }

    pub(super) fn is_adopting(&self) -> bool {
        self.adopting.is_due() || self.run.any(|job| matches!(job, Job::Keep(KeepJob::Adopt { .. })))
    }
}

impl Adoption {
    /// What a generation with these bytes begins as.
    fn begins_as(&self) -> Option<Foreign> {
        (!matches!(self.proof, AdoptionProof::Blocks { .. })).then_some(Foreign::Unproven)
    }
}

impl Held {
    /// The checksum of a range, where extents cover it without crossing its ends.
    fn crc_of(&self, range: Range) -> Option<u64> {
        let from = self.list().partition_point(|k| k.extent.start < range.start);
        let mut at = range.start;
        let mut sum = None;
        for kept in &self.list()[from..] {
            if at == range.end || kept.extent.start != at || kept.extent.end() > range.end {
                break;
            }
            sum = Some(match sum {
                None => kept.extent.crc,
                Some(sum) => crc::combined(crc::Algorithm::Crc64Xz, sum, kept.extent.crc, kept.extent.len),
            });
            at = kept.extent.end();
        }
        sum.filter(|_| at == range.end)
    }
}

/// Parts the copied blocks into those to hold and those to fetch and compare: the first and the last block of stretches,
/// where a program that was killed would have left wrong bytes, and some between.
fn choose(extents: Vec<Extent>, seed: u64) -> (Vec<Extent>, Vec<Extent>) {
    let apart = |i: usize| i == 0 || extents[i - 1].end() != extents[i].start;
    let mut firsts: Vec<usize> = (0..extents.len()).filter(|&i| apart(i)).collect();
    let ends: Vec<usize> = firsts.iter().skip(1).map(|i| i - 1).chain(extents.len().checked_sub(1)).collect();
    let mut seams: Vec<(usize, usize)> = firsts.drain(..).zip(ends).collect();
    let mut state = seed;
    let mut below = |n: usize| {
        // SplitMix64: any spread of places will do, and the same seed chooses the same ones.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
    };
    while seams.len() > SEAMS_MAX {
        seams.swap_remove(below(seams.len()));
    }
    let mut chosen: Vec<usize> = seams.iter().flat_map(|&(first, last)| [first, last]).collect();
    chosen.extend((0..SAMPLES.min(extents.len() / 4)).map(|_| below(extents.len())));
    chosen.sort_unstable();
    chosen.dedup();
    let mut held = Vec::new();
    let mut samples = Vec::new();
    for (i, extent) in extents.into_iter().enumerate() {
        if chosen.binary_search(&i).is_ok() { samples.push(extent) } else { held.push(extent) }
    }
    (held, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(end: u64, proof: AdoptionProof) -> Adoption {
        Adoption { ranges: vec![Range::new(0, end)], least: end, total: None, proof }
    }

    fn strong(length: u64) -> Identity {
        Identity { length: Some(length), etag: Some("\"a\"".into()), ..Identity::default() }
    }

    #[test]
    fn whole_blocks_are_copied_and_the_end_of_the_object() {
        let plan = |ranges: &[(u64, u64)]| {
            let ranges = ranges.iter().map(|&(a, b)| Range::new(a, b)).collect();
            Adoption { ranges, least: 0, total: None, proof: AdoptionProof::Digest }
        };
        let pieces = |ranges: &[(u64, u64)], length| {
            plan(ranges).pieces(length, 8).iter().map(|r| (r.start, r.end)).collect::<Vec<_>>()
        };
        assert_eq!(pieces(&[(0, 20)], 100), [(0, 8), (8, 16)]);
        assert_eq!(pieces(&[(3, 30)], 28), [(8, 16), (16, 24), (24, 28)]);
        assert_eq!(pieces(&[(0, 20), (4, 40)], 100), [(0, 8), (8, 16), (24, 32), (32, 40)], "no byte twice");
        assert_eq!(pieces(&[(u64::MAX - 3, u64::MAX)], 100), []);
        assert_eq!(pieces(&[(0, u64::MAX)], 8), [(0, 8)]);
    }

    #[test]
    fn what_cannot_be_proven_is_refused() {
        let refused =
            |plan: Adoption, identity: &Identity, digest: bool| plan.refused(identity, digest, identity.is_strong());
        let weak = Identity { etag: None, ..strong(100) };
        assert_eq!(refused(prefix(50, AdoptionProof::Digest), &strong(100), true), None);
        assert_eq!(
            refused(prefix(50, AdoptionProof::Digest), &strong(100), false),
            Some(Failure::Adoption(AdoptionRefusal::NoDigest))
        );
        assert_eq!(refused(prefix(50, AdoptionProof::Samples), &strong(100), false), None);
        assert_eq!(
            refused(prefix(50, AdoptionProof::Samples), &weak, false),
            Some(Failure::Adoption(AdoptionRefusal::NoValidator))
        );
        assert_eq!(
            refused(prefix(101, AdoptionProof::Digest), &strong(100), true),
            Some(Failure::Adoption(AdoptionRefusal::TooLong))
        );
        let told = Adoption { total: Some(99), ..prefix(50, AdoptionProof::Digest) };
        assert_eq!(refused(told, &strong(100), true), Some(Failure::Adoption(AdoptionRefusal::OtherLength)));
        let unknown = Identity { length: None, ..strong(100) };
        assert_eq!(
            refused(prefix(5, AdoptionProof::Digest), &unknown, true),
            Some(Failure::Adoption(AdoptionRefusal::NoLength))
        );
        let blocks = |etag: &str| AdoptionProof::Blocks {
            identity: Box::new(Identity { etag: Some(etag.into()), ..strong(100) }),
            extents: Vec::new(),
        };
        assert_eq!(refused(prefix(100, blocks("\"a\"")), &strong(100), false), None);
        assert_eq!(
            refused(prefix(100, blocks("\"b\"")), &strong(100), true),
            Some(Failure::Adoption(AdoptionRefusal::OtherVersion))
        );
    }

    #[test]
    fn samples_are_at_the_seams_and_between() {
        let block = |i: u64| Extent { start: i * 8, len: 8, crc: i };
        let extents: Vec<Extent> = (0..100).chain(200..300).map(block).collect();
        let (held, samples) = choose(extents.clone(), 7);
        assert_eq!(held.len() + samples.len(), extents.len());
        for seam in [0, 99, 200, 299] {
            assert!(samples.contains(&block(seam)), "{seam}");
        }
        assert!(samples.len() > 8 && samples.len() <= 12, "{}", samples.len());
        assert_eq!(choose(extents.clone(), 7), (held, samples.clone()));
        assert_ne!(choose(extents, 8).1, samples);
        assert_eq!(choose(Vec::new(), 7), (vec![], vec![]));
        let many: Vec<Extent> = (0..1000).map(|i| block(i * 2)).collect();
        assert!(choose(many, 7).1.len() <= 2 * SEAMS_MAX + SAMPLES);
    }

    #[test]
    fn the_checksum_of_a_block_is_made_of_its_extents() {
        let bytes = b"the bytes of a block";
        let of = |a: usize, b: usize| {
            let crc = crc::of(crc::Algorithm::Crc64Xz, &bytes[a..b]);
            Extent { start: 8 + a as u64, len: (b - a) as u64, crc }
        };
        let mut held = Held::default();
        let block = Range::new(8, 8 + bytes.len() as u64);
        held.grow(of(0, 5));
        held.grow(of(9, bytes.len()));
        assert_eq!(held.crc_of(block), None);
        held.grow(of(5, 9));
        assert_eq!(held.crc_of(block), Some(of(0, bytes.len()).crc));
        assert_eq!(held.crc_of(Range::new(8, 12)), None, "an extent crosses its end");
    }
}
