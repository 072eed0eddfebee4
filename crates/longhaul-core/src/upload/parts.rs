//! Which parts does the store have, and are they the source's?
//!
//! The store's list is the truth about what is in the store; digests of what was read are the truth about what it
//! should be. A part counts when both agree. Where the store tells no digest, its ETag is the part's name: one that is
//! listed under the ETag that it was acknowledged with is that part, and no other writer's.
//!
//! Which version of the source a part is of is told by the source's facts before the part was read ([`Freshness`]).
//! What was read under other facts is read again beside the sending. What was read too early is read once more after
//! everything was sent: two readings that agree, the second of all parts begun after the first of all parts ended, are
//! of one state of the source. Such second readings are *closing*.
//!
//! | a part is | when |
//! |---|---|
//! | to be sent | the store does not have it, or not as it was read |
//! | to be read | it has to be read before it counts, or once more |
//! | young | it was read when the source's times proved no version |
//! | closing | it was read again after everything was sent, which proves it as long as no more is sent |
//! | acknowledged | the store has it, and it is what was read |
//!
//! No event looks at all parts, but for a change of the source and the last page of a list.

use std::collections::BTreeSet;

use super::compare::{bare, is_etag, same};
use super::journal::{ETAG_MAX, PART_NUMBER_MAX, Record, RecordedPart};
use super::plan;
use super::source::Freshness;
use super::step::{CompletedPart, Failure, ListedPart, SourcePart};
use crate::digest::{Digest, DigestKind};
use crate::ranges::{Range, joined};

/// A part that arrived wrong this often will not arrive right.
const WRONG_MAX: u8 = 3;

/// One part, as far as it is known.
#[derive(Debug, Clone, Default)]
struct PartEntry {
    etag: String,
    /// Of the bytes as they were read and sent.
    read: Vec<Digest>,
    /// What the list tells of a part that has to be read first.
    listed: Vec<Digest>,
    acknowledged: bool,
    record: RecordedAs,
    /// The store vouched for its digest.
    vouched: bool,
    wrong: u8,
}

/// Whether the journal tells of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum RecordedAs {
    #[default]
    No,
    /// As read when the source's times proved no version.
    Young,
    /// As proven by them.
    Firm,
}

/// All parts of an attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    len: u64,
    part_len: u64,
    table: Vec<PartEntry>,
    to_send: BTreeSet<u32>,
    to_read: BTreeSet<u32>,
    young: BTreeSet<u32>,
    closing: BTreeSet<u32>,
    /// Everything has been sent and read; what is read now may close.
    closes: bool,
    bytes: u64,
    count: u32,
    /// A part that was acknowledged is listed under an ETag that has the form of an MD5 and is none: so it is with all.
    etags_are_opaque: bool,
}

/// What the acknowledgement of a part is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PartVerdict {
    /// The part counts, with so many bytes.
    Counts { bytes: u64 },
    /// It is not what was read.
    Wrong { expected: Vec<Digest>, actual: Vec<Digest> },
    /// Its ETag cannot be given back.
    Unusable,
}

/// What a second reading of a part shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RereadVerdict {
    /// The part counts from now on.
    Counts,
    /// It counted already, and is proven now; the journal tells it as young.
    Proven,
    /// It counts as before.
    Same,
    /// It was read under other facts than those of now.
    Outdated,
    /// The source has other bytes than the part.
    Changed,
    /// The digests are of other kinds: it is sent again, and so many bytes do not count any more.
    Incomparable { discarded: u64 },
    /// What the store has is not what was read.
    Wrong { expected: Vec<Digest>, actual: Vec<Digest> },
}

/// What a listed part is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListVerdict {
    /// It counts, or will once it was read.
    Kept,
    /// It is of no use. `known`: it was acknowledged, in this run or an earlier one; `differs`: it can be told from the
    /// part that is wanted.
    Useless { known: bool, differs: bool },
}

impl Parts {
    pub(super) fn new(len: u64, part_len: u64) -> Self {
        // A journal may claim any length of parts; one with too many of them is not gone on with (`check_resumed`).
        let count = plan::count(len, part_len).min(PART_NUMBER_MAX);
        Self { len, part_len, table: vec![PartEntry::default(); count as usize], ..Self::default() }
    }

    /// What earlier runs recorded.
    pub(super) fn recall(&mut self, recorded: Vec<RecordedPart>) {
        for RecordedPart { number, etag, digests, young } in recorded {
            if let Some(state) = self.state(number) {
                let record = if young { RecordedAs::Young } else { RecordedAs::Firm };
                *state = PartEntry { etag, read: digests, record, ..PartEntry::default() };
            }
        }
    }

    // ---- what they are -----------------------------------------------------------------------------------------

    /// The length of all parts together, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The length of all parts but the last, in bytes.
    pub(super) fn part_len(&self) -> u64 {
        self.part_len
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.table.len() as u32
    }

    /// How many count.
    pub(super) fn acknowledged_count(&self) -> u32 {
        self.count
    }

    /// How many bytes count.
    pub(super) fn acknowledged(&self) -> u64 {
        self.bytes
    }

    /// Where the bytes lie that count.
    pub(super) fn acknowledged_ranges(&self) -> Vec<Range> {
        let all = (1..).zip(&self.table).filter(|(_, state)| state.acknowledged);
        joined(all.map(|(number, _)| self.part(number).range))
    }

    /// Length and digests of all parts in order.
    pub(super) fn digests(&self) -> Vec<(u64, Vec<Digest>)> {
        let all = self.table.iter().enumerate();
        all.map(|(i, state)| (self.bytes_of(i as u32 + 1), state.read.clone())).collect()
    }

    /// What Complete names.
    pub(super) fn completed(&self, checksum: Option<DigestKind>) -> Vec<CompletedPart> {
        let all = self.table.iter().enumerate().filter(|(_, state)| state.acknowledged);
        let sum = |state: &PartEntry| state.read.iter().find(|d| checksum == Some(d.kind())).cloned();
        all.map(|(i, state)| CompletedPart { number: i as u32 + 1, etag: state.etag.clone(), checksum: sum(state) })
            .collect()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.count == self.count() && self.count > 0
    }

    /// Whether everything that was read was of one version of the source.
    pub(super) fn is_one_version(&self) -> bool {
        !self.has_work() && self.young.is_empty()
    }

    /// Whether the source's times prove that version.
    pub(super) fn is_proven(&self) -> bool {
        self.is_one_version() && self.closing.is_empty()
    }

    /// Whether the store vouched for every part.
    pub(super) fn are_vouched_for(&self) -> bool {
        !self.table.is_empty() && self.table.iter().all(|state| state.vouched)
    }

    /// Whether the store gives parts ETags that are not their MD5s: then that of the whole is not made of these either.
    pub(super) fn has_opaque_etags(&self) -> bool {
        let opaque = |state: &PartEntry| {
            let md5 = state.read.iter().find(|digest| digest.kind() == DigestKind::Md5);
            state.acknowledged && !state.etag.is_empty() && md5.is_some_and(|md5| !is_etag(md5, &state.etag))
        };
        self.table.iter().any(opaque)
    }

    // ---- what is to be done ------------------------------------------------------------------------------------

    /// Whether parts wait to be sent or read.
    pub(super) fn has_work(&self) -> bool {
        !self.to_send.is_empty() || !self.to_read.is_empty()
    }

    pub(super) fn send_all(&mut self) {
        self.to_send = (1..=self.count()).collect();
    }

    pub(super) fn read_all(&mut self) {
        self.to_read = (1..=self.count()).collect();
    }

    pub(super) fn send_again(&mut self, number: u32) {
        self.to_send.insert(number);
    }

    pub(super) fn read_again(&mut self, number: u32) {
        self.to_read.insert(number);
    }

    /// The next part to send.
    pub(super) fn next_to_send(&mut self) -> Option<SourcePart> {
        let number = self.to_send.pop_first()?;
        self.reopen();
        Some(self.part(number))
    }

    /// The next part to read, and whether that may close.
    pub(super) fn next_to_read(&mut self) -> Option<(SourcePart, bool)> {
        let number = self.to_read.pop_first()?;
        Some((self.part(number), self.closes))
    }

    /// Everything was sent: what is young is to be read again, to close. Whether there is any.
    pub(super) fn close(&mut self) -> bool {
        if self.young.is_empty() {
            return false;
        }
        self.to_read = std::mem::take(&mut self.young);
        self.closes = true;
        true
    }

    /// The source shows other facts: everything that counts has to be read again.
    pub(super) fn doubt_all(&mut self) {
        self.young.clear();
        self.closing.clear();
        self.closes = false;
        self.to_read.extend((1..).zip(&self.table).filter(|(_, state)| state.acknowledged).map(|(number, _)| number));
    }

    /// A part is sent, or read for the first time: what was read to close has to be read once more after it.
    fn reopen(&mut self) {
        self.closes = false;
        self.young.append(&mut self.closing);
    }

    // ---- sent and read -----------------------------------------------------------------------------------------

    /// The store acknowledged a part. `read`: digests of what was sent.
    pub(super) fn stored(
        &mut self,
        number: u32,
        read: Vec<Digest>,
        part: ListedPart,
        freshness: Freshness,
    ) -> PartVerdict {
        if part.etag.len() > ETAG_MAX {
            return PartVerdict::Unusable;
        }
        let compared = same(&read, &part.digests);
        let bytes = self.bytes_of(number);
        if compared == Some(false) || part.len != bytes {
            return PartVerdict::Wrong { expected: read, actual: part.digests };
        }
        match freshness {
            Freshness::Firm => {}
            Freshness::Young => _ = self.young.insert(number),
            Freshness::Outdated => _ = self.to_read.insert(number),
        }
        if let Some(state) = self.state(number) {
            (state.etag, state.read, state.vouched) = (part.etag, read, compared == Some(true));
        }
        PartVerdict::Counts { bytes }
    }

    /// Digests of a part that was read for comparison with what stands at the key.
    pub(super) fn compared(&mut self, number: u32, digests: Vec<Digest>) {
        if let Some(state) = self.state(number) {
            state.read = digests;
        }
    }

    /// A part was read that is in the store already. `closing`: that began after everything was sent.
    pub(super) fn reread(
        &mut self,
        number: u32,
        digests: Vec<Digest>,
        freshness: Freshness,
        closing: bool,
    ) -> RereadVerdict {
        if freshness == Freshness::Outdated {
            self.to_read.insert(number);
            return RereadVerdict::Outdated;
        }
        let Some(state) = self.state(number) else { return RereadVerdict::Same };
        let (counted, recorded) = (state.acknowledged, state.record);
        if counted {
            match same(&digests, &state.read) {
                Some(true) => {}
                Some(false) => return RereadVerdict::Changed,
                None => {
                    let discarded = self.discount(number);
                    self.to_send.insert(number);
                    return RereadVerdict::Incomparable { discarded };
                }
            }
        } else if same(&digests, &state.listed) == Some(true) {
            (state.read, state.vouched) = (digests, true);
        } else {
            return RereadVerdict::Wrong { expected: digests, actual: std::mem::take(&mut state.listed) };
        }
        if !counted {
            self.reopen();
        }
        let firm = freshness == Freshness::Firm;
        match closing && self.closes {
            _ if firm => {}
            true => _ = self.closing.insert(number),
            false => _ = self.young.insert(number),
        }
        match counted {
            false => RereadVerdict::Counts,
            true if firm && recorded == RecordedAs::Young => RereadVerdict::Proven,
            true => RereadVerdict::Same,
        }
    }

    /// A part counts from now on: the record that says so.
    pub(super) fn acknowledge(&mut self, number: u32, attempt: u32, young: bool) -> Option<Record> {
        self.count_in(number);
        let state = self.state(number)?;
        state.record = if young { RecordedAs::Young } else { RecordedAs::Firm };
        Some(Record::Part { attempt, number, etag: state.etag.clone(), digests: state.read.clone(), young })
    }

    /// What the store has of a part is not what was read: it is sent again, a few times.
    pub(super) fn resend(&mut self, number: u32, expected: &[Digest], actual: &[Digest]) -> Result<(), Failure> {
        self.discount(number);
        self.to_send.insert(number);
        let Some(state) = self.state(number) else { return Ok(()) };
        state.wrong += 1;
        if state.wrong <= WRONG_MAX {
            return Ok(());
        }
        let pair = expected.iter().find_map(|e| Some((e, actual.iter().find(|a| a.kind() == e.kind())?)));
        let (expected, actual) = (pair.map(|p| p.0.clone()), pair.map(|p| p.1.clone()));
        Err(Failure::Integrity { expected, actual })
    }

    // ---- listed ------------------------------------------------------------------------------------------------

    /// A part is in the store's list. `proven`: the source still has the facts that the parts were recorded with, and
    /// these are old enough. `kinds`: of which digests can be made.
    pub(super) fn listed(&mut self, part: ListedPart, proven: bool, kinds: &[DigestKind]) -> ListVerdict {
        let number = part.number;
        let Agreement { agrees, compared, told } = self.weigh(&part);
        let comparable = told.iter().any(|digest| kinds.contains(&digest.kind()));
        let Some(state) = self.state(number) else { return ListVerdict::Kept };
        let (counted, recorded) = (state.acknowledged, state.record);
        match agrees {
            Some(true) => {
                state.etag = part.etag;
                state.vouched |= compared == Some(true);
                self.etags_are_opaque |= compared == Some(false);
                self.count_in(number);
                if counted {
                    // That is known of it already.
                } else if !proven {
                    self.to_read.insert(number);
                } else if recorded != RecordedAs::Firm {
                    self.young.insert(number);
                }
                ListVerdict::Kept
            }
            None if comparable && !counted => {
                // Its record was lost: what the store has is compared with what is read.
                (state.etag, state.listed, state.read) = (part.etag, told, Vec::new());
                self.to_read.insert(number);
                ListVerdict::Kept
            }
            _ => ListVerdict::Useless { known: counted || recorded != RecordedAs::No, differs: agrees == Some(false) },
        }
    }

    /// Holds what is listed of a part against what is known of it.
    fn weigh(&self, part: &ListedPart) -> Agreement {
        let unusable = part.len != self.bytes_of(part.number) || part.etag.len() > ETAG_MAX;
        let Some(state) = self.table.get((part.number as usize).wrapping_sub(1)) else { return Agreement::default() };
        let known = state.acknowledged || state.record != RecordedAs::No;
        let as_acknowledged = known && is_named(part, &state.etag);
        let compared = same(&part.digests, &state.read);
        // What bears the ETag of the acknowledgement is that part: an MD5 that its ETag looks like is none.
        let etag_is_no_md5 = self.etags_are_opaque || as_acknowledged && compared == Some(false);
        let counts = |digest: &&Digest| !etag_is_no_md5 || !is_etag(digest, &part.etag);
        let told: Vec<Digest> = part.digests.iter().filter(counts).cloned().collect();
        let agrees = match same(&told, &state.read) {
            _ if unusable => Some(false),
            None if as_acknowledged => Some(true),
            agrees => agrees,
        };
        Agreement { agrees, compared, told }
    }

    /// What the store has under this number, or has not, is of no use: it is sent again, now or (when it counts) once
    /// the list is read. `None`: it counts.
    pub(super) fn drop_listed(&mut self, number: u32) -> Option<LostPart> {
        let bytes = self.bytes_of(number);
        let state = self.state(number)?;
        let (counts, known) = (state.acknowledged, state.acknowledged || state.record != RecordedAs::No);
        if !counts {
            *state = PartEntry { wrong: state.wrong, ..PartEntry::default() };
            self.to_send.insert(number);
        }
        Some(LostPart { bytes, counts, known })
    }

    /// A part does not count any more, and is sent again.
    pub(super) fn discard(&mut self, number: u32) {
        self.discount(number);
        self.to_send.insert(number);
    }

    // ---- small words -------------------------------------------------------------------------------------------

    fn part(&self, number: u32) -> SourcePart {
        plan::part(self.len, self.part_len, number)
    }

    fn bytes_of(&self, number: u32) -> u64 {
        self.part(number).range.len()
    }

    fn state(&mut self, number: u32) -> Option<&mut PartEntry> {
        self.table.get_mut((number as usize).checked_sub(1)?)
    }

    fn count_in(&mut self, number: u32) {
        let bytes = self.bytes_of(number);
        if let Some(state) = self.state(number)
            && !std::mem::replace(&mut state.acknowledged, true)
        {
            state.listed = Vec::new();
            self.bytes += bytes;
            self.count += 1;
        }
    }

    /// It does not count any more; how many bytes that are.
    fn discount(&mut self, number: u32) -> u64 {
        let bytes = self.bytes_of(number);
        self.young.remove(&number);
        self.closing.remove(&number);
        self.to_read.remove(&number);
        let counted = self.state(number).is_some_and(|state| std::mem::replace(&mut state.acknowledged, false));
        if !counted {
            return 0;
        }
        self.bytes -= bytes;
        self.count -= 1;
        bytes
    }
}

/// A part of which the list is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LostPart {
    pub(super) bytes: u64,
    /// It counts until the list is read.
    pub(super) counts: bool,
    /// It was acknowledged, in this run or an earlier one.
    pub(super) known: bool,
}

/// What is told of a listed part.
#[derive(Debug, Default)]
struct Agreement {
    /// Whether it is the part that is wanted; `None`: that cannot be told yet.
    agrees: Option<bool>,
    /// The same by digests alone.
    compared: Option<bool>,
    /// The digests that are of its bytes.
    told: Vec<Digest>,
}

/// Whether it is listed under this ETag; none is no name.
fn is_named(part: &ListedPart, etag: &str) -> bool {
    !bare(etag).is_empty() && bare(&part.etag) == bare(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(value: u8) -> Vec<Digest> {
        vec![Digest::new(DigestKind::Crc64, [value; 8]).expect("eight bytes")]
    }

    fn told(number: u32, etag: &str, digests: Vec<Digest>) -> ListedPart {
        ListedPart { number, len: if number == 3 { 5 } else { 10 }, etag: etag.into(), digests }
    }

    /// Three parts of 10, 10 and 5 bytes.
    fn parts() -> Parts {
        Parts::new(25, 10)
    }

    fn send(parts: &mut Parts, number: u32, freshness: Freshness) -> PartVerdict {
        let stored = parts.stored(number, crc(number as u8), told(number, "e", crc(number as u8)), freshness);
        if let PartVerdict::Counts { .. } = stored {
            parts.acknowledge(number, 1, freshness != Freshness::Firm);
        }
        stored
    }

    #[test]
    fn parts_that_the_store_has_as_they_were_read_count() {
        let mut parts = parts();
        parts.send_all();
        let numbers: Vec<_> = std::iter::from_fn(|| parts.next_to_send()).map(|part| part.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(send(&mut parts, 3, Freshness::Firm), PartVerdict::Counts { bytes: 5 });
        let wrong = parts.stored(1, crc(1), told(1, "e", crc(9)), Freshness::Firm);
        assert_eq!(wrong, PartVerdict::Wrong { expected: crc(1), actual: crc(9) });
        let short = ListedPart { len: 9, ..told(1, "e", Vec::new()) };
        assert!(matches!(parts.stored(1, crc(1), short, Freshness::Firm), PartVerdict::Wrong { .. }));
        let long = told(1, &"e".repeat(ETAG_MAX + 1), Vec::new());
        assert_eq!(parts.stored(1, crc(1), long, Freshness::Firm), PartVerdict::Unusable);
        assert_eq!((parts.acknowledged_count(), parts.acknowledged()), (1, 5));
        send(&mut parts, 1, Freshness::Firm);
        send(&mut parts, 2, Freshness::Firm);
        assert!(parts.is_whole() && parts.is_proven() && parts.are_vouched_for());
    }

    #[test]
    fn a_part_that_stays_wrong_ends_the_run() {
        let mut parts = parts();
        assert!((0..WRONG_MAX).all(|_| parts.resend(1, &crc(1), &crc(2)).is_ok()));
        let failure = parts.resend(1, &crc(1), &crc(2));
        assert_eq!(failure, Err(Failure::Integrity { expected: crc(1).pop(), actual: crc(2).pop() }));
    }

    #[test]
    fn young_parts_are_read_again_after_everything_was_sent() {
        let mut parts = parts();
        (1..=3).for_each(|number| _ = send(&mut parts, number, Freshness::Young));
        assert!(parts.is_whole() && !parts.is_one_version() && parts.close());
        for number in 1..=3 {
            assert_eq!(parts.next_to_read(), Some((plan::part(25, 10, number), true)));
            assert_eq!(parts.reread(number, crc(number as u8), Freshness::Young, true), RereadVerdict::Same);
        }
        assert!(parts.is_one_version() && !parts.is_proven() && !parts.close());
        // One more is sent: the closing readings came too early.
        parts.send_again(2);
        parts.next_to_send();
        assert!(parts.close());
    }

    #[test]
    fn a_second_reading_tells_of_the_source() {
        let mut parts = parts();
        send(&mut parts, 1, Freshness::Young);
        assert_eq!(parts.reread(1, crc(1), Freshness::Outdated, false), RereadVerdict::Outdated);
        assert_eq!(parts.reread(1, crc(1), Freshness::Firm, false), RereadVerdict::Proven);
        assert_eq!(parts.reread(1, crc(2), Freshness::Firm, false), RereadVerdict::Changed);
        let md5 = vec![Digest::new(DigestKind::Md5, [1; 16]).expect("sixteen bytes")];
        assert_eq!(parts.reread(1, md5, Freshness::Firm, false), RereadVerdict::Incomparable { discarded: 10 });
        assert_eq!(parts.acknowledged(), 0);
    }

    #[test]
    fn a_listed_part_counts_by_digest_or_by_the_name_it_was_acknowledged_under() {
        let recorded = |young| RecordedPart { number: 1, etag: "e".into(), digests: crc(1), young };
        let kinds = [DigestKind::Crc64];
        let useless = |known, differs| ListVerdict::Useless { known, differs };
        for (record, listed, want, to_read) in [
            (Some(recorded(false)), told(1, "e", crc(1)), ListVerdict::Kept, false),
            (Some(recorded(false)), told(1, "e", Vec::new()), ListVerdict::Kept, false),
            (Some(recorded(false)), told(1, "other", Vec::new()), useless(true, false), false),
            (Some(recorded(false)), told(1, "other", crc(2)), useless(true, true), false),
            (None, told(1, "e", crc(1)), ListVerdict::Kept, true),
            (None, told(1, "e", Vec::new()), useless(false, false), false),
            (None, ListedPart { len: 9, ..told(1, "e", crc(1)) }, useless(false, true), false),
        ] {
            let mut parts = parts();
            parts.recall(record.into_iter().collect());
            assert_eq!(parts.listed(listed.clone(), true, &kinds), want, "{listed:?}");
            assert_eq!(parts.next_to_read().is_some(), to_read, "{listed:?}");
        }
        let mut parts = parts();
        parts.recall(vec![recorded(true)]);
        parts.listed(told(1, "e", crc(1)), true, &kinds);
        assert!(parts.close(), "it was recorded as young");
    }
}
