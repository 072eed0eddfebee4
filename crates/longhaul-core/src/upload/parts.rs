//! Who sends what, what the store has already, and which version of the source it all is.
//!
//! The store's list is the truth about what is in the store; digests of what was read are the truth about what it should
//! be. A part counts when both agree. Where the store tells no digest, its ETag is the part's name: one that is listed
//! under the ETag that it was acknowledged with is that part, and no other writer's. Which version of the source a part is of is told by the source's facts before the
//! part was read: as long as they are what they are now, and were old enough then for a later change to show in them,
//! nothing has changed since. What was read earlier, or too early, is read again beside the sending; what was read too
//! early even then is read once more after everything was sent: two readings that agree, the second of all parts begun
//! after the first of all parts ended, are of one state of the source.
//!
//! No event looks at all parts, but for a change of the source and the last page of a list (`list`).

mod list;

use std::collections::BTreeSet;

use super::compare::{is_etag, same};
use super::jobs::{Lane, Main, Owner, PartJob};
use super::journal::{ETAG_MAX, PART_NUMBER_MAX, Record, RecordedPart};
use super::source::Look;
use super::step::{CompletedPart, Failure, Fault, Heard, ListedPart, Looked, Note, Restart, Step};
use super::{Stage, UploadFault, plan};
use crate::digest::{Digest, DigestKind};
use crate::words::{DiskFault, Ticket};

/// Parts of the source that are read beside the sending at once: enough to keep one disk busy.
const READS_MAX: usize = 2;
/// A part that arrived wrong this often will not arrive right.
const WRONG_MAX: u8 = 3;

/// One part, as far as it is known.
#[derive(Debug, Clone, Default)]
struct PartState {
    etag: String,
    /// Of the bytes as they were read and sent.
    read: Vec<Digest>,
    /// What the list tells of a part that has to be read first.
    listed: Vec<Digest>,
    /// The store has it, and it is what was read.
    acked: bool,
    /// Recorded by an earlier run, as proven by the source's times.
    recorded: bool,
    recorded_young: bool,
    /// The store vouched for its digest.
    proven: bool,
    wrong: u8,
}

/// All parts of an attempt.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    len: u64,
    part_len: u64,
    table: Vec<PartState>,
    /// To be sent.
    todo: BTreeSet<u32>,
    /// To be read before they count, or because the source's facts have changed.
    unread: BTreeSet<u32>,
    /// Read while the source's times proved nothing.
    young: BTreeSet<u32>,
    /// Read again after everything was sent, which proves them as long as nothing more is sent.
    closing: BTreeSet<u32>,
    /// Everything has been sent and read; what is read now may close.
    closes: bool,
    /// While a list is read: not seen in it yet.
    unlisted: BTreeSet<u32>,
    acked_bytes: u64,
    acked: u32,
    /// Parts that were recorded by an earlier run or acknowledged in this one and do not count.
    dropped: Dropped,
    /// A part that was acknowledged is listed under an ETag that has the form of an MD5 and is none: so it is with all.
    etags_are_opaque: bool,
    /// Of these, the ones that are acknowledged until the list is read.
    doomed: Vec<u32>,
}

/// Parts that counted, or would have, and do not.
#[derive(Debug, Clone, Copy, Default)]
struct Dropped {
    parts: u32,
    bytes: u64,
    /// The store lists something else under the number of one of them; the others are not listed at all.
    differing: bool,
}

impl Parts {
    pub(super) fn new(len: u64, part_len: u64) -> Self {
        // A journal may claim any length of parts; one with too many of them is not gone on with (`check_resumed`).
        let count = plan::count(len, part_len).min(PART_NUMBER_MAX);
        Self { len, part_len, table: vec![PartState::default(); count as usize], ..Self::default() }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn part_len(&self) -> u64 {
        self.part_len
    }

    pub(super) fn count(&self) -> u32 {
        self.table.len() as u32
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acked_bytes
    }

    /// What earlier runs recorded.
    pub(super) fn recall(&mut self, recorded: Vec<RecordedPart>) {
        for RecordedPart { number, etag, digests, young } in recorded {
            if let Some(state) = self.state(number) {
                *state =
                    PartState { etag, read: digests, recorded: true, recorded_young: young, ..PartState::default() };
            }
        }
    }

    pub(super) fn send_all(&mut self) {
        self.todo = (1..=self.count()).collect();
    }

    pub(super) fn read_all(&mut self) {
        self.unread = (1..=self.count()).collect();
    }

    /// Length and digests of all parts in order.
    pub(super) fn digests(&self, acked_only: bool) -> Vec<(u64, Vec<Digest>)> {
        let all = self.table.iter().enumerate().filter(|(_, state)| state.acked || !acked_only);
        all.map(|(i, state)| (self.bytes(i as u32 + 1), state.read.clone())).collect()
    }

    /// What Complete names.
    pub(super) fn completed(&self, checksum: Option<DigestKind>) -> Vec<CompletedPart> {
        let all = self.table.iter().enumerate().filter(|(_, state)| state.acked);
        let sum = |state: &PartState| state.read.iter().find(|d| checksum == Some(d.kind())).cloned();
        all.map(|(i, state)| CompletedPart { number: i as u32 + 1, etag: state.etag.clone(), checksum: sum(state) })
            .collect()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.acked == self.count() && self.acked > 0
    }

    /// Whether everything that was read was of one version of the source.
    pub(super) fn is_one_version(&self) -> bool {
        self.todo.is_empty() && self.unread.is_empty() && self.young.is_empty()
    }

    /// Whether the source's times prove that version.
    pub(super) fn is_proven(&self) -> bool {
        self.is_one_version() && self.closing.is_empty()
    }

    /// Whether the store vouched for every part.
    pub(super) fn all_proven(&self) -> bool {
        !self.table.is_empty() && self.table.iter().all(|state| state.proven)
    }

    /// Whether the store gives parts ETags that are not their MD5s: then that of the whole is not made of these either.
    pub(super) fn has_opaque_etags(&self) -> bool {
        let opaque = |state: &PartState| {
            let md5 = state.read.iter().find(|digest| digest.kind() == DigestKind::Md5);
            state.acked && !state.etag.is_empty() && md5.is_some_and(|md5| !is_etag(md5, &state.etag))
        };
        self.table.iter().any(opaque)
    }

    fn state(&mut self, number: u32) -> Option<&mut PartState> {
        self.table.get_mut((number as usize).checked_sub(1)?)
    }

    fn bytes(&self, number: u32) -> u64 {
        plan::part(self.len, self.part_len, number).range.len()
    }

    fn ack(&mut self, number: u32) {
        let bytes = self.bytes(number);
        if let Some(state) = self.state(number)
            && !std::mem::replace(&mut state.acked, true)
        {
            state.listed = Vec::new();
            self.acked_bytes += bytes;
            self.acked += 1;
        }
    }

    /// It does not count any more; how many bytes that are.
    fn unack(&mut self, number: u32) -> u64 {
        let bytes = self.bytes(number);
        self.young.remove(&number);
        self.closing.remove(&number);
        self.unread.remove(&number);
        let counted = self.state(number).is_some_and(|state| std::mem::replace(&mut state.acked, false));
        if !counted {
            return 0;
        }
        self.acked_bytes -= bytes;
        self.acked -= 1;
        bytes
    }

    /// The source shows other facts: everything that counts has to be read again.
    fn doubt_all(&mut self) {
        self.young.clear();
        self.closing.clear();
        self.closes = false;
        self.unread.extend((1..).zip(&self.table).filter(|(_, state)| state.acked).map(|(number, _)| number));
    }

    /// Something is sent, or read for the first time: what was read to close has to be read once more after it.
    fn reopen(&mut self) {
        self.closes = false;
        self.young.append(&mut self.closing);
    }
}

impl super::Upload {
    // ---- sending and reading -----------------------------------------------------------------------------------

    /// Keeps parts flowing; goes on when all are there and of one version of the source.
    pub(super) fn share(&mut self) {
        if self.source.is_doubtful() && !self.run.waits() {
            self.main(Main::CheckSource, Step::CheckSource);
        }
        self.look_at_pace();
        self.read_parts(Owner::Attempt(self.attempts.number()));
        self.send_parts();
        let holes = self.planted(UploadFault::CompletedWithHoles)
            && self.parts.table.last().is_some_and(|last| last.acked)
            && self.parts.acked + 2 >= self.parts.count();
        if holes {
            self.run.stop_sends();
            self.parts.todo.clear();
        }
        let busy = self.run.sends() || self.run.reads() || self.run.waits();
        if busy || !self.parts.todo.is_empty() || !self.parts.unread.is_empty() {
            return;
        }
        if self.source.is_touched() && self.parts.young.is_empty() && self.parts.closing.is_empty() {
            self.source.recorded();
            self.record_beside(vec![Record::Touched { attempt: self.attempts.number(), facts: self.source.facts() }]);
        }
        if !self.parts.young.is_empty() && !self.planted(UploadFault::YoungTrusted) {
            self.parts.unread = std::mem::take(&mut self.parts.young);
            self.parts.closes = true;
            return self.read_parts(Owner::Attempt(self.attempts.number()));
        }
        self.phase.go(Stage::Check);
        if self.planted(UploadFault::SourceUnchecked) {
            self.phase.go(Stage::Combine);
        }
    }

    fn look_at_pace(&mut self) {
        let count = |sends: usize| u32::try_from(sends).unwrap_or(u32::MAX);
        let (sends, flowing) = self.run.sends_count();
        self.ramp.look(self.run.now(), count(sends), count(flowing));
    }

    /// How many parts may be under way.
    fn allowed(&self) -> u32 {
        if self.planted(UploadFault::AllAtOnce) { self.config.connections } else { self.ramp.allowed() }
    }

    fn send_parts(&mut self) {
        if self.run.now() < self.budget.not_before() || self.phase.winds_down() || self.source.is_unreadable() {
            return;
        }
        let Some(upload_id) = self.attempts.upload_id().map(str::to_owned) else { return };
        let (attempt, checksum) = (self.attempts.number(), self.attempts.checksum());
        while self.run.sends_count().0 < self.allowed() as usize {
            let Some(number) = self.parts.todo.pop_first() else { return };
            self.parts.reopen();
            let part = plan::part(self.parts.len, self.parts.part_len, number);
            let kinds = self.kinds();
            let step = Step::SendPart { upload_id: upload_id.clone(), part, kinds, checksum };
            self.ramp.begins();
            let part = PartJob { number, ordered_at: self.run.now(), owner: Owner::Attempt(attempt) };
            self.run.begin_in(Lane::Send(part), step);
        }
    }

    pub(super) fn read_parts(&mut self, owner: Owner) {
        if self.source.is_unreadable() || self.phase.winds_down() {
            return;
        }
        let closing = self.parts.closes;
        while self.run.reads_count() < READS_MAX {
            let Some(number) = self.parts.unread.pop_first() else { return };
            let part = plan::part(self.parts.len, self.parts.part_len, number);
            let kinds = self.kinds();
            let step = Step::ReadPart { part, kinds };
            let part = PartJob { number, ordered_at: self.run.now(), owner };
            self.run.begin_in(Lane::Read { part, closing }, step);
        }
    }

    pub(super) fn heard_sent(&mut self, ticket: Ticket, bytes: u64) {
        let Some(more) = self.run.hear_sent(ticket, bytes) else { return };
        let allowed = self.allowed();
        if self.planted(UploadFault::SentTakenForAcknowledged) {
            self.ramp.acknowledged(self.run.now(), more);
        }
        self.look_at_pace();
        if self.allowed() > allowed && self.phase.is_at(Stage::Send) && !self.phase.winds_down() {
            self.advance();
        }
    }

    pub(super) fn hear_send(&mut self, part: PartJob, sent: u64, ticket: Ticket, heard: Heard) {
        if part.owner != Owner::Attempt(self.attempts.number()) || !self.phase.is_at(Stage::Send) {
            return; // of an attempt that was left
        }
        match heard {
            Heard::PartStored { read, part: stored, before } => self.part_stored(part, read, stored, before),
            Heard::Refused(fault) => {
                self.parts.todo.insert(part.number);
                self.part_refused(sent, ticket, fault);
            }
            Heard::Failed(fault) => {
                self.parts.todo.insert(part.number);
                self.source_unreadable(fault);
            }
            _ => {} // no answer to the step: law 3
        }
    }

    fn part_stored(&mut self, job: PartJob, read: Vec<Digest>, part: ListedPart, before: Looked) {
        self.budget.served();
        let number = job.number;
        if part.etag.len() > ETAG_MAX {
            return self.fail(Failure::Unusable);
        }
        let compared = same(&read, &part.digests);
        let right_len = part.len == self.parts.bytes(number);
        if (compared == Some(false) || !right_len) && !self.planted(UploadFault::WrongPartAccepted) {
            return self.wrong_part(number, &read, &part.digests);
        }
        let firm = self.source.is_firm(&before, job.ordered_at);
        if self.planted(UploadFault::SourceChangeIgnored) {
            // Whatever it was read from.
        } else if !self.source.is_as_in(&before) {
            self.source.doubt();
            self.parts.unread.insert(number);
        } else if !firm {
            self.parts.young.insert(number);
        }
        let Some(state) = self.parts.state(number) else { return };
        (state.etag, state.read, state.proven) = (part.etag, read, compared == Some(true));
        self.ramp.acknowledged(self.run.now(), self.parts.bytes(number));
        self.acknowledged_part(number, !firm);
    }

    /// A part counts from now on.
    fn acknowledged_part(&mut self, number: u32, young: bool) {
        self.parts.ack(number);
        let attempt = self.attempts.number();
        if let Some(state) = self.parts.state(number) {
            (state.recorded, state.recorded_young) = (true, young);
            let (etag, digests) = (state.etag.clone(), state.read.clone());
            self.record_beside(vec![Record::Part { attempt, number, etag, digests, young }]);
        }
        self.budget.progress(self.parts.acked_bytes);
        self.note(Note::Acknowledged { bytes: self.parts.acked_bytes });
    }

    /// What the store has of a part is not what was read: it is sent again, a few times.
    fn wrong_part(&mut self, number: u32, expected: &[Digest], actual: &[Digest]) {
        self.note(Note::WrongPart { number });
        self.parts.unack(number);
        self.parts.todo.insert(number);
        let Some(state) = self.parts.state(number) else { return };
        state.wrong += 1;
        if state.wrong > WRONG_MAX {
            let pair = expected.iter().find_map(|e| Some((e, actual.iter().find(|a| a.kind() == e.kind())?)));
            let (expected, actual) = (pair.map(|p| p.0.clone()), pair.map(|p| p.1.clone()));
            self.fail(Failure::Integrity { expected, actual });
        }
    }

    fn part_refused(&mut self, sent: u64, ticket: Ticket, fault: Fault) {
        if matches!(fault, Fault::Stopped { .. }) || self.phase.winds_down() || self.renewed(ticket, &fault) {
            return;
        }
        match fault {
            Fault::NoSuchUpload | Fault::NoSuchKey if self.writing.is_in_doubt() => {
                self.run.stop_sends();
                self.run.abandon_reads();
                self.settle_from(fault);
            }
            Fault::NoSuchUpload | Fault::NoSuchKey => self.new_attempt(Restart::UploadGone, true),
            // Nothing is lost by beginning anew without the checksums, which may be what is refused.
            _ if fault.may_be_about_checksums() && self.attempts.checksum().is_some() && self.parts.acked == 0 => {
                self.drop_checksums();
            }
            _ if self.refused_one_more(sent, &fault) => {}
            _ if self.budget.is_counted(ticket, self.run.last_ticket(), &fault) => {}
            fault => {
                if matches!(fault, Fault::Net { .. }) {
                    self.ramp.interrupted(self.run.now());
                }
                self.failed(fault);
            }
        }
    }

    /// The store refuses what it said it keeps: another upload is begun without.
    pub(super) fn drop_checksums(&mut self) {
        self.attempts.refuse_checksum();
        self.new_attempt(Restart::ChecksumRefused, false);
    }

    /// A request failed before it took anything. While others are served, that is no failure of the upload: the store,
    /// or somebody on the way, allows no more of them. Whether it was so.
    fn refused_one_more(&mut self, sent: u64, fault: &Fault) -> bool {
        let others = || self.run.sends_of(self.attempts.number());
        let refusal = matches!(fault, Fault::Busy { .. }) || matches!(fault, Fault::Net { .. }) && sent == 0;
        if !refusal || !others().any(|sent| sent > 0) {
            return false;
        }
        let serving = u32::try_from(others().count()).unwrap_or(u32::MAX);
        let before = self.ramp.allowed();
        let connections = self.ramp.refused(self.run.now(), serving, fault.retry_after_ms());
        if connections < before {
            self.note(Note::Limited { connections });
        }
        true
    }

    pub(super) fn hear_read(&mut self, read: PartJob, closing: bool, heard: Heard) {
        let wanted = match self.phase.stage() {
            Stage::Compare => read.owner == Owner::Comparison,
            Stage::Send => read.owner == Owner::Attempt(self.attempts.number()),
            _ => false,
        };
        if !wanted {
            return;
        }
        match heard {
            Heard::PartRead { digests, before } if read.owner == Owner::Comparison => {
                self.writing.prove_only(self.source.is_firm(&before, read.ordered_at));
                if !self.source.is_as_in(&before) {
                    self.comparison_disturbed();
                } else if let Some(state) = self.parts.state(read.number) {
                    state.read = digests;
                }
            }
            Heard::PartRead { digests, before } => self.part_read(read, closing, digests, before),
            Heard::Failed(fault) if read.owner == Owner::Comparison => {
                if fault != DiskFault::Interrupted {
                    self.run.abandon_reads();
                    self.source.unreadable(fault);
                    self.phase.go(Stage::Replan);
                } else {
                    self.parts.unread.insert(read.number);
                }
            }
            Heard::Failed(fault) => {
                self.parts.unread.insert(read.number);
                self.source_unreadable(fault);
            }
            _ => {} // no answer to the step: law 3
        }
    }

    fn part_read(&mut self, read: PartJob, closing: bool, digests: Vec<Digest>, before: Looked) {
        let number = read.number;
        if !self.source.is_as_in(&before) {
            self.source.doubt();
            self.parts.unread.insert(number);
            return;
        }
        let firm = self.source.is_firm(&before, read.ordered_at);
        let Some(state) = self.parts.state(number) else { return };
        let acked = state.acked;
        if acked {
            match same(&digests, &state.read) {
                Some(true) => {}
                Some(false) => return self.source_changed(),
                None => {
                    // It was digested in another way then: nothing to compare, so it is sent again.
                    let discarded = self.parts.unack(number);
                    self.parts.todo.insert(number);
                    return self.note(Note::Restarted { reason: Restart::PartsDiffer, discarded });
                }
            }
        } else if same(&digests, &state.listed) == Some(true) {
            state.read = digests;
            state.proven = true;
        } else {
            let listed = std::mem::take(&mut state.listed);
            return self.wrong_part(number, &digests, &listed);
        }
        if !acked {
            self.parts.reopen();
        }
        match closing && self.parts.closes {
            _ if firm => {}
            true => _ = self.parts.closing.insert(number),
            false => _ = self.parts.young.insert(number),
        }
        if !acked {
            self.acknowledged_part(number, !firm);
        } else if firm && self.parts.state(number).is_some_and(|s| s.recorded_young) && !self.source.is_touched() {
            self.acknowledged_part(number, false);
        }
    }

    /// A read of the source failed: because it has changed, or because it cannot be read?
    fn source_unreadable(&mut self, fault: DiskFault) {
        if fault != DiskFault::Interrupted && !self.phase.winds_down() {
            self.source.unreadable(fault);
        }
    }

    // ---- the source's facts ------------------------------------------------------------------------------------

    /// The answer to a look at the source.
    pub(super) fn heard_source(&mut self, looked: Looked) {
        match self.phase.stage() {
            Stage::Replan => return self.replan(looked),
            Stage::CompareCheck if self.source.is_as_in(&looked) => return self.already_there(),
            Stage::CompareCheck => return self.comparison_disturbed(),
            _ => {}
        }
        let verdict = self.source.look(self.run.now(), looked, self.parts.len);
        match self.go_on(verdict) {
            None => {}
            Some(Look::Same) if self.phase.is_at(Stage::Check) => self.phase.go(Stage::Combine),
            Some(Look::Same) => {}
            Some(_) if self.planted(UploadFault::SourceChangeIgnored) => {
                self.source.recorded();
                self.phase.go(Stage::Send);
            }
            Some(Look::Changed) => {
                self.phase.go(Stage::Send);
                self.source_changed();
            }
            Some(Look::Touched) => {
                self.phase.go(Stage::Send);
                self.parts.doubt_all();
            }
        }
    }

    pub(super) fn read_failed_for_good(&mut self, fault: DiskFault) {
        if fault != DiskFault::Interrupted {
            self.fail_disk(fault, "look at the source");
        }
    }
}
