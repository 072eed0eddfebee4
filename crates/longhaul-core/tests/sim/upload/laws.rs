//! What must never happen, held against what a witness sees that knows the source and the store. The witness does not
//! look into the core.

use std::fmt::Arguments;

use longhaul_core::digest::DigestKind;
use longhaul_core::upload::Upload;
use longhaul_core::upload::journal::{self, Record};
use longhaul_core::upload::step::{Failure, Fault, Finish, FoundJournal, Heard, Note, Proof, Restart, Step};

use super::content::Bytes;
use super::driver::Op;
use super::store::{Object, State, Sums, Tells};
use super::world::World;
use crate::world::Breach;

/// A request that may have written the object, and whose answer was lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubt {
    /// When the first such request was sent.
    since: u64,
    /// When the last answer was lost.
    lost: u64,
}

/// What was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) done: bool,
    pub(crate) snapshot: Bytes,
    pub(crate) doubt: Option<Doubt>,
    /// Another program damaged the journal, or a power cut did without power durability: the laws ask no more of it.
    pub(crate) unsafe_journal: bool,
    pub(crate) corrupted: bool,
    /// Bytes of parts that were ordered to be sent, and of those of them that a stop or a kill met.
    sent: u64,
    pub(crate) met: u64,
    /// The journal that this run found tells of an attempt.
    interrupted: bool,
    /// A part was acknowledged in this run.
    heard: bool,
    /// A request that may have written the object was cancelled, or the journal that told of it is gone.
    forgotten: bool,
    /// When a Put was carried out long after it was sent, and when that was.
    pub(crate) echo: Option<(u64, u64)>,
    /// When the key was looked at last, in this run.
    last_look: Option<u64>,
    /// What was seen then was the source's, at some time.
    saw_ours: bool,
    run_began: u64,
    acknowledged: u64,
    /// A note said why acknowledged bytes do not count.
    explained: bool,
    source_changes: u32,
}

impl Witness {
    pub(crate) fn run_begins(&mut self, now: u64) {
        (self.last_look, self.run_began, self.acknowledged, self.explained) = (None, now, 0, false);
        (self.interrupted, self.heard, self.saw_ours) = (false, false, false);
    }

    pub(crate) fn looked(&mut self, now: u64, ours: bool) {
        (self.last_look, self.saw_ours) = (Some(now), ours);
    }

    /// What was sent is recorded as stored; or given up, or its journal removed, while the same bytes stand at the key.
    pub(crate) fn settled(&mut self, stored: bool) {
        if stored || self.saw_ours {
            self.doubt = None;
        }
    }

    pub(crate) fn journal_spoiled(&mut self) {
        self.unsafe_journal = true;
        self.forgotten |= self.doubt.take().is_some();
    }
}

/// The length of a part on its way.
fn bytes_of(op: &Op) -> u64 {
    match &op.step {
        Step::SendPart { part, .. } => part.range.len(),
        _ => 0,
    }
}

impl World {
    pub(crate) fn broken(&mut self, law: &'static str, what: Arguments<'_>) {
        if self.breach.is_none() {
            self.breach = Some(Breach { law, what: what.to_string() });
        }
    }

    // ---- what is written ---------------------------------------------------------------------------------------

    /// What we write to the key is one version of the source.
    pub(crate) fn about_to_write(&mut self, bytes: Bytes, _began: u64, _mangle: bool) {
        if !self.source.was(&bytes, 0) {
            self.broken("an object is one version of the source", format_args!("put: {:?}", bytes.as_slice()));
        }
    }

    pub(crate) fn completed(&mut self, object: &Object, _old: Option<Object>, mangled: bool) {
        if !mangled && !self.source.was(&object.bytes, 0) && self.store.mangled == 0 {
            self.broken("an object is one version of the source", format_args!("{:?}", object.bytes.as_slice()));
        }
    }

    // ---- what is ordered ---------------------------------------------------------------------------------------

    pub(crate) fn ordered(&mut self, step: &Step) {
        match step {
            Step::Put { .. } | Step::Complete { .. } => self.check_overwriting(),
            _ => {}
        }
        if matches!(step, Step::Put { .. } | Step::Create { .. }) {
            self.check_twice();
        }
        if let Step::SendPart { upload_id, part, .. } = step {
            self.witness.sent += part.range.len();
            self.check_at_once(upload_id);
            self.check_part_twice(upload_id, part.number);
        }
    }

    /// More than one part at once only after one was acknowledged in this run, or as far as an earlier upload reached,
    /// unless this one was interrupted.
    fn check_at_once(&mut self, upload_id: &str) {
        let under_way = |op: &&Op| matches!(&op.step, Step::SendPart { upload_id: id, .. } if id == upload_id);
        let others = self.ops.iter().filter(under_way).filter(|op| !op.stopped).count();
        let known = self.config.goodput_known.is_some_and(|goodput| goodput > 0) && !self.witness.interrupted;
        if others > 0 && !self.witness.heard && !known {
            self.broken(
                "one part at first, more when parts are acknowledged",
                format_args!("{others} are under way, and none was acknowledged in this run"),
            );
        }
        self.coverage.several_at_once += u64::from(others > 0);
    }

    /// All bytes of a part are through. Of an attempt that has no part in the store it is one that the line brings in
    /// some seconds, or as short as the store takes it.
    pub(crate) fn check_fits(&mut self, op: &Op, byte_ms: u64) {
        let Step::SendPart { upload_id, part, .. } = &op.step else { return };
        let stores = |i: usize| self.store.uploads[i].parts.iter().flatten().next().is_some();
        let chosen = self.config.part_len.is_some() || part.range.len() <= self.config.limits.part_min;
        let took = self.now - op.since;
        if byte_ms > 0 && !chosen && took > 8_000 + byte_ms && !self.store.upload(upload_id).is_some_and(stores) {
            self.broken(
                "a first part that takes long is given up for a shorter one",
                format_args!("part {} took {took} ms", part.number),
            );
        }
    }

    /// Another writer's object is never overwritten to repair ours.
    fn check_overwriting(&mut self) {
        let (Some(doubt), Some(object)) = (self.witness.doubt, &self.store.object) else { return };
        if !object.other || object.at <= doubt.since || !self.store.vendor.looks || self.config.force {
            return;
        }
        if self.source.was(&object.bytes, 0) {
            return; // not to be told from what we wrote, or might have
        }
        let unlooked = self.witness.last_look.is_none_or(|at| at < doubt.lost);
        if unlooked || self.witness.last_look.is_some_and(|at| at > object.at) {
            let (at, since) = (object.at, doubt.since);
            self.broken(
                "another writer's object is not overwritten to repair ours",
                format_args!("it is of {at} ms, ours may have been written since {since} ms"),
            );
        }
    }

    /// What is there already, and can be seen to be, is not sent.
    fn check_twice(&mut self) {
        let Some(object) = &self.store.object else { return };
        let vendor = self.store.vendor;
        let wanted = self.config.force || self.config.callback || object.dress != self.dress;
        if object.other || !vendor.looks || wanted || object.bytes != *self.source.bytes() {
            return;
        }
        let Some(doubt) = self.witness.doubt else { return };
        let unlooked = self.witness.last_look.is_none_or(|at| at < doubt.lost);
        let seen =
            self.witness.last_look.is_some_and(|at| at > object.at) && (vendor.tells == Tells::Crc || object.sum);
        let changed = self.source.changes != self.witness.source_changes;
        if object.at < doubt.lost && !changed && (unlooked || seen) {
            let at = object.at;
            self.broken("nothing is sent twice", format_args!("the object is there since {at} ms, and ours"));
        }
    }

    /// A part that the store acknowledged is not sent again.
    fn check_part_twice(&mut self, upload_id: &str, number: u32) {
        let excused = self.witness.corrupted || self.store.vendor.late_ms > 0;
        let Some(upload) = self.store.upload(upload_id).map(|i| &self.store.uploads[i]) else { return };
        let Some(part) = upload.parts[number as usize] else { return };
        let untold = self.store.vendor.tells.nothing() && !upload.sums;
        if !part.heard || upload.state != State::Open || excused || untold && !self.is_recorded(upload_id, number) {
            return;
        }
        self.coverage.parts_sent_again += 1;
        if self.source.versions.len() == 1 && self.witness.source_changes == self.source.changes {
            self.broken(
                "an acknowledged part is not sent again",
                format_args!("part {number} of {upload_id} is there, and of the source"),
            );
        }
    }

    /// The journal says that the part was acknowledged as what is there.
    fn is_recorded(&self, upload_id: &str, number: u32) -> bool {
        let read = self.log.as_ref().and_then(|log| journal::decode(&log.live).ok());
        let attempts = read.map(|read| read.attempts).unwrap_or_default();
        let mut ours = attempts.iter().filter(|a| a.upload_id.as_deref() == Some(upload_id)).flat_map(|a| &a.parts);
        let there = self.store.etag_of(upload_id, number);
        ours.any(|part| part.number == number && there.as_ref() == Some(&part.etag))
    }

    // ---- what is answered --------------------------------------------------------------------------------------

    pub(crate) fn answered(&mut self, op: &Op, heard: &Heard) {
        if let (Step::SendPart { upload_id, .. }, Heard::PartStored { part, .. }) = (&op.step, heard) {
            self.store.heard(upload_id, part.number, &part.etag);
            self.witness.heard = true;
            if op.stopped {
                self.witness.met += bytes_of(op); // it was given up all the same
            }
        }
        let doubtful = match heard {
            Heard::Refused(Fault::Net { maybe_done, .. } | Fault::Stopped { maybe_done }) => *maybe_done,
            Heard::Refused(fault) => matches!(fault, Fault::Busy { .. } | Fault::Unreadable | Fault::Conflict(_)),
            _ => false,
        };
        let refused = matches!(heard, Heard::Refused(_) | Heard::Failed(_));
        if doubtful {
            self.left_unanswered(op);
        } else if refused {
            self.witness.met += bytes_of(op);
        }
    }

    /// The run does not learn what became of the request.
    pub(crate) fn left_unanswered(&mut self, op: &Op) {
        self.witness.met += bytes_of(op);
        if matches!(op.step, Step::Put { .. } | Step::Complete { .. }) {
            let since = self.witness.doubt.map_or(op.ordered_at, |doubt| doubt.since);
            self.witness.doubt = Some(Doubt { since, lost: self.now });
            if self.witness.doubt.is_some() {
                self.witness.source_changes = self.source.changes;
            }
        }
    }

    /// The journal has a part of the attempt that this run found.
    fn records_parts(&self) -> bool {
        let read = self.log.as_ref().and_then(|log| journal::decode(&log.live).ok());
        read.and_then(|read| read.attempts.last().map(|last| !last.parts.is_empty())).unwrap_or(false)
    }

    /// A kill met the records of parts. Where the store tells no digest of them these parts are sent again.
    pub(crate) fn records_lost(&mut self, records: &[Record]) {
        let parts = records.iter().filter(|record| matches!(record, Record::Part { .. })).count();
        let at_most = parts as u64 * self.config.part_lengths.most;
        self.witness.met += if self.store.vendor.tells.nothing() { at_most } else { 0 };
    }

    // ---- what is told ------------------------------------------------------------------------------------------

    pub(crate) fn noted(&mut self, note: &Note) {
        tell!(self, "note: {note:?}");
        match note {
            Note::Restarted { reason, discarded } => {
                self.coverage.restarted(*reason);
                let shorter = matches!(reason, Restart::ShorterParts | Restart::SlowLine);
                if shorter && (*discarded > 0 || self.records_parts()) {
                    self.broken("parts are made shorter while none counts", format_args!("{discarded} bytes counted"));
                }
                self.witness.explained = true;
                let changed = self.source.changes > 0 || self.source.versions.len() > 1;
                if *reason == Restart::SourceChanged && !changed {
                    self.broken("every restart has its reason", format_args!("the source has not changed"));
                }
            }
            Note::WrongPart { .. } => {
                self.coverage.wrong_parts += 1;
                self.witness.explained = true;
            }
            Note::Resumed { parts, .. } => {
                self.coverage.resumed += u64::from(*parts > 0);
                if *parts > 0 && self.store.vendor.tells.nothing() {
                    let sums = self.store.open().last().is_some_and(|i| self.store.uploads[i].sums);
                    let coverage = &mut self.coverage;
                    *(if sums { &mut coverage.known_by_sum } else { &mut coverage.known_by_etag }) += 1;
                }
            }
            Note::Settling => self.coverage.settled += 1,
            Note::Limited { .. } => self.coverage.limited += 1,
            Note::Aborted { clean } => {
                self.coverage.aborts += 1;
                self.coverage.vain_aborts += u64::from(!clean);
            }
            _ => {}
        }
    }

    /// After each event: progress never goes back without a word, and never beyond what is there.
    pub(crate) fn check_core(&mut self, core: &Upload) {
        let acknowledged = core.acknowledged();
        if acknowledged < self.witness.acknowledged && !self.witness.explained {
            let before = self.witness.acknowledged;
            self.broken("progress never goes back silently", format_args!("{before} bytes, then {acknowledged}"));
        }
        if acknowledged != self.witness.acknowledged {
            self.witness.explained = false;
        }
        self.witness.acknowledged = acknowledged;
    }

    // ---- the journal -------------------------------------------------------------------------------------------

    /// A new start; what an earlier one has given up is not repaired any more.
    pub(crate) fn opened(&mut self, journal: &FoundJournal) {
        self.witness.interrupted = matches!(journal, FoundJournal::Read(read) if !read.attempts.is_empty());
        if let FoundJournal::Read(read) = journal
            && (read.attempts.iter().any(|a| a.abandoned) || read.last().is_some_and(|a| a.reason.is_some()))
        {
            self.witness.doubt = None;
        }
    }

    /// Every upload in the store is known to the journal, if only as "perhaps ours".
    pub(crate) fn check_known(&mut self, when: &str) {
        if self.witness.unsafe_journal {
            return;
        }
        let read = self.log.as_ref().and_then(|log| journal::decode(&log.live).ok());
        let attempts = read.map(|read| read.attempts).unwrap_or_default();
        let mut nameless = attempts.iter().filter(|a| a.is_nameless()).count();
        let open: Vec<usize> = self.store.open().collect();
        for i in open {
            let id = format!("U{i}");
            if attempts.iter().any(|a| a.upload_id.as_deref() == Some(&*id) && !a.aborted)
                || self.is_being_completed(&id)
            {
                continue;
            }
            if nameless == 0 {
                return self.broken("no upload is left unrecorded", format_args!("{id}, {when}: {attempts:?}"));
            }
            nameless -= 1;
        }
    }

    /// The journal was removed. What was settled as not done before that is not repaired any more: no later start knows
    /// of it.
    pub(crate) fn forgot(&mut self) {
        self.check_known("when the journal went");
        self.witness.settled(false);
        self.witness.forgotten |= self.witness.doubt.take().is_some();
    }

    /// At the very end, when no request is on its way any more.
    pub(crate) fn check_left(&mut self) {
        self.check_known("at the end");
        if self.witness.done && !self.witness.unsafe_journal && self.store.open().next().is_some() {
            self.coverage.left_recorded += 1;
        }
    }

    // ---- ends --------------------------------------------------------------------------------------------------

    pub(crate) fn finished(&mut self, finish: &Finish) {
        tell!(self, "the run ends: {finish:?}; at the key: {:?}", self.store.object);
        self.check_known("when a run ended");
        match finish {
            Finish::Done { length, verified, .. } => self.check_done(*length, *verified),
            Finish::Discarded { clean } => {
                // A cancelled request may still be stored, and no journal remembers that it was ours.
                self.witness.forgotten |= self.witness.doubt.take().is_some();
                if *clean && self.late.is_empty() && self.store.open().next().is_some() && !self.witness.unsafe_journal
                {
                    self.broken("a cancel that says it left nothing left nothing", format_args!("an upload is open"));
                }
            }
            Finish::Paused => {}
            Finish::Failed(Failure::GaveUp(fault)) if self.refuses.is_some() => {
                self.broken("a store that refuses half ends no upload", format_args!("{fault:?}"));
            }
            Finish::Failed(failure) if !self.may_fail(failure) => {
                self.broken("no false failure", format_args!("{failure:?}"));
            }
            Finish::Failed(Failure::Denied(_)) => self.check_forgotten(),
            Finish::Failed(_) => {}
        }
    }

    /// The store refused to begin: a journal that says no more than that is not left behind.
    fn check_forgotten(&mut self) {
        let read = self.log.as_ref().and_then(|log| journal::decode(&log.live).ok());
        let nothing = |read: &journal::Recovered| {
            let undone = |a: &journal::Attempt| match a.part_len {
                0 => a.attempt == 1 && self.witness.doubt.is_none() && !self.witness.forgotten && !a.stored,
                _ => a.upload_id.is_none() && a.aborted,
            };
            read.attempts.iter().all(undone) && self.trouble.journal_fails == 0
        };
        if let Some(read) = read.filter(nothing) {
            self.broken("a journal that holds nothing is forgotten", format_args!("{:?}", read.attempts));
        }
    }

    fn check_done(&mut self, length: u64, verified: Proof) {
        let (sent, met) = (self.witness.sent, self.witness.met);
        let asked_again = self.dress > 0 || self.config.force || self.config.callback || !self.store.vendor.looks;
        // What stands at the key cannot be known for ours everywhere: then it is sent once more, as another upload.
        let recognised = !self.store.vendor.tells.nothing() || self.keeps_all_sums() || self.store.uploads.len() < 2;
        if self.calm && recognised && !asked_again && sent > length + met {
            self.broken(
                "a kill costs at most the parts on their way",
                format_args!("{sent} bytes were sent of {length}, and {met} were on their way when something ended"),
            );
        }
        self.witness.done = true;
        self.witness.doubt = None;
        let since = self.witness.run_began;
        match &self.store.object {
            Some(object) if object.other && object.at >= since => {} // another writer wrote it in this run
            // An object that may not be looked at is as it was recorded.
            Some(object) if object.other && !self.store.vendor.looks => {}
            None if self.store.removals > 0 && !self.store.vendor.looks => {}
            Some(object) if object.other && !self.source.was(&object.bytes, since) => {
                let (at, bytes) = (object.at, object.bytes);
                let what = format!("another writer's {:?} stands there since {at} ms", bytes.as_slice());
                self.broken("what is done stands at the key", format_args!("done, and {what}"));
            }
            Some(object) if self.witness.forgotten && !self.source.was(&object.bytes, since) => {} // cancelled, and late
            // A Put of an earlier run that was sent twice and settled, and comes to stand there after the last look.
            Some(object) if self.witness.echo.is_some_and(|(at, sent)| at == object.at && sent < since) => {}
            // A clear answer, and no look, or one that could not tell our object from the one before.
            Some(_) if self.store.mangled > 0 && matches!(verified, Proof::Answer | Proof::Parts) => {}
            // The journal went back to an attempt with checksums, and what is there was made by a later one without.
            Some(_) if self.store.mangled > 0 && self.witness.unsafe_journal && verified == Proof::Length => {}
            Some(object) => {
                let (bytes, len) = (object.bytes, object.bytes.len() as u64);
                if !self.source.was(&bytes, since) {
                    let what = format_args!("done, and {:?} is there", bytes.as_slice()).to_string();
                    self.broken("what is done is the source", format_args!("{what}"));
                } else if len != length && self.source.versions.len() == 1 {
                    self.broken("the summary is true", format_args!("{len} bytes, and it says {length}"));
                }
            }
            None => self.broken("what is done is the source", format_args!("done, and nothing is there")),
        }
        let tells = self.store.vendor.tells;
        let true_word = match verified {
            Proof::Whole(DigestKind::Crc64Nvme) => self.store.vendor.sums == Sums::Keeps,
            Proof::Whole(_) => !tells.nothing(),
            Proof::Composite => tells == Tells::Md5,
            Proof::Parts => !tells.nothing() || self.store.vendor.sums == Sums::Keeps,
            Proof::Length | Proof::Answer => true,
        };
        if !true_word {
            self.broken("the summary is true", format_args!("{verified:?}, and the store tells nothing of it"));
        }
    }

    /// Whether there was a reason for this failure.
    fn may_fail(&self, failure: &Failure) -> bool {
        let t = &self.trouble;
        match failure {
            Failure::SourceChanged { .. } => self.source.changes > 0 || self.source.versions.len() > 1,
            Failure::OtherObject => self.may_be_anothers(),
            Failure::Unconfirmed => !self.store.vendor.looks,
            Failure::Integrity { .. } => self.store.mangled > 0 || self.witness.corrupted,
            Failure::Disk { .. } => t.journal_fails > 0 || t.read_fails > 0 || t.change > 0,
            // A rule of the store's removed one upload after the other.
            Failure::GaveUp(Fault::NoSuchUpload) if t.lifecycle > 0 => true,
            Failure::GaveUp(_) => {
                t.unreachable + t.lost + t.unanswered + t.late + t.busy + t.unreadable + t.expired > 0
                    || t.corrupt + t.mangle > 0
            }
            Failure::NeedsCredentials => t.expired + t.keyless > 0,
            Failure::Denied(_) => t.denied > 0,
            _ => false,
        }
    }

    /// Another writer wrote, or our object cannot be told from another writer's.
    fn may_be_anothers(&self) -> bool {
        let unsafe_journal = self.witness.unsafe_journal; // it forgot what we wrote
        let forbidden = self.config.forbid_overwrite && self.store.object.is_some();
        // A Put of an earlier run, for an older version, was sent twice; it was carried out, settled, and carried out
        // again.
        let echo = |o: &Object| !o.other && o.upload.is_none() && !self.source.was(&o.bytes, o.at);
        unsafe_journal
            || forbidden
            || self.store.object.as_ref().is_some_and(echo)
            || self.witness.forgotten
            || self.store.rivals > 0
            || self.store.mangled > 0
            || self.store.vendor.tells.nothing()
    }

    /// An object that is the source as it is now, and can be seen to be, is no obstacle.
    fn is_seen_to_be_the_source(&self) -> bool {
        let vendor = self.store.vendor;
        let seen = vendor.looks && vendor.tells == Tells::Crc && self.config.kinds.contains(&DigestKind::Crc64);
        let asked = self.config.callback || self.config.force;
        let wanted = |object: &Object| object.dress == self.dress && !asked;
        let same = |object: &Object| object.bytes == *self.source.bytes() && wanted(object);
        seen && self.source.hidden == 0 && self.store.object.as_ref().is_some_and(same)
    }

    /// Whether an undisturbed run may end like this.
    pub(crate) fn is_right_end(&self, finish: &Finish) -> bool {
        match finish {
            Finish::Done { .. } => true,
            Finish::Failed(Failure::OtherObject) => self.may_be_anothers() && !self.is_seen_to_be_the_source(),
            Finish::Failed(Failure::Unconfirmed) => !self.store.vendor.looks,
            Finish::Failed(Failure::SourceChanged { .. }) => {
                self.config.on_change == longhaul_core::words::OnChange::Stop
            }
            _ => false,
        }
    }
}
