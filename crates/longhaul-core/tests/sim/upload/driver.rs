//! The driver half of the simulation: carries out the core's steps against source, store and journal, late and in any
//! order that a real driver may show. Steps on the journal keep their order; everything else interleaves by chance.

use longhaul_core::run::{Machine, Ordered};
use longhaul_core::upload::Upload;
use longhaul_core::upload::journal::{self, Record};
use longhaul_core::upload::step::{Fault, FoundJournal, Heard, OpenFacts, SourceLook, Step};
use longhaul_core::words::{DiskFault, NetFault, Ticket};

use super::content::{Bytes, combine, digests, nvme};
use super::liar::Sabotage;
use super::store::Sums;
use super::world::{Uplink, World};
use crate::log::Log;

/// A step under way.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) ticket: Ticket,
    pub(crate) step: Step,
    pub(crate) stage: u8,
    pub(crate) ordered_at: u64,
    began: u64,
    /// What was read of the source so far, and how it looked before.
    pub(crate) read: Bytes,
    pub(crate) before: Option<SourceLook>,
    answer: Option<Heard>,
    pub(crate) stopped: bool,
    /// Bytes of its body that went through, where the uplink is counted, and when the first did.
    through: u64,
    pub(crate) since: u64,
    /// What the object is to be given beside its bytes.
    dress: u8,
    /// The core was told already how it ended.
    told: bool,
}

/// A request that the store carries out when the process no longer waits for its answer.
#[derive(Debug)]
pub(crate) struct Late {
    at: u64,
    ordered_at: u64,
    step: Step,
    bytes: Bytes,
    dress: u8,
}

impl Op {
    fn on_journal(&self) -> bool {
        matches!(self.step, Step::Record { .. } | Step::Compact { .. } | Step::Forget)
    }

    /// Bytes of it wait for the uplink, or would if it were counted.
    pub(crate) fn is_on_line(&self) -> bool {
        let waits = self.stage == 2 && self.through < self.read.len() as u64;
        matches!(self.step, Step::SendPart { .. }) && waits && !self.stopped && self.answer.is_none()
    }

    /// All of its body may have reached the store.
    fn is_sent(&self, uplink: Option<Uplink>) -> bool {
        match self.step {
            Step::SendPart { .. } => self.stage == 2 && (uplink.is_none() || self.through == self.read.len() as u64),
            Step::Put { .. } => self.stage == 2,
            _ => true,
        }
    }

    fn is_request(&self) -> bool {
        matches!(
            self.step,
            Step::Look
                | Step::Put { .. }
                | Step::Create { .. }
                | Step::SendPart { .. }
                | Step::ListParts { .. }
                | Step::Complete { .. }
                | Step::Abort { .. }
        )
    }
}

/// Whether a request of this kind changes anything in the store.
fn writes(step: &Step) -> bool {
    matches!(step, Step::Put { .. } | Step::SendPart { .. } | Step::Complete { .. } | Step::Create { .. })
}

impl World {
    /// Takes over all steps that wait in the core.
    pub(crate) fn drain(&mut self, core: &mut Upload) {
        while let Some(ordered) = core.next_step() {
            self.steps += 1;
            self.accept(ordered);
        }
        self.check_core(core);
    }

    pub(crate) fn hear(&mut self, core: &mut Upload, ticket: Ticket, heard: Heard) {
        core.hear(self.now, ticket, heard);
        self.drain(core);
    }

    fn accept(&mut self, ordered: Ordered<Step>) {
        let Ordered { ticket, step } = ordered;
        match step {
            Step::Note(note) => self.noted(&note),
            Step::Finish(finish) => self.finish = Some(finish),
            Step::Stop => {
                tell!(self, "stop {}", ticket.0);
                if let Some(op) = self.ops.iter_mut().find(|op| op.ticket == ticket) {
                    op.stopped = true;
                }
            }
            mut step => {
                tell!(self, "ordered {}: {step:?}", ticket.0);
                self.bend_step(&mut step);
                self.ordered(&step);
                self.crash_near(&step);
                let now = self.now;
                self.ops.push(Op {
                    ticket,
                    step,
                    stage: 0,
                    ordered_at: now,
                    began: now,
                    read: Bytes::default(),
                    before: None,
                    answer: None,
                    stopped: false,
                    through: 0,
                    since: 0,
                    dress: self.dress,
                    told: false,
                });
            }
        }
    }

    /// Lets one operation under way go on. False when none could.
    pub(crate) fn progress(&mut self, core: &mut Upload) -> bool {
        let count = self.ops.len();
        let first = self.rng.below(count as u64) as usize;
        for n in 0..count {
            let i = (first + n) % count;
            let waits = self.ops[i].on_journal() && self.ops[..i].iter().any(Op::on_journal);
            let busy = self.uplink.is_some_and(|uplink| uplink.free_at > self.now) && self.ops[i].is_on_line();
            if waits || busy {
                continue;
            }
            // What was told to stop takes its time.
            let lingers = self.ops[i].stopped && matches!(self.ops[i].step, Step::SendPart { .. });
            if lingers && n + 1 < count && self.rng.percent(80) {
                continue;
            }
            let mut op = self.ops.remove(i);
            if lingers && self.lies(Sabotage::AbortedUnderway) {
                let ticket = op.ticket;
                (op.stopped, op.told) = (false, true);
                self.ops.insert(i, op);
                self.hear(core, ticket, Heard::Refused(Fault::Stopped { maybe_done: false }));
                return true;
            }
            match self.pretend(&op).or_else(|| self.perform(core, &mut op)) {
                Some(heard) if op.told => tell!(self, "{} ends unheard: {heard:?}", op.ticket.0),
                Some(heard) => {
                    tell!(self, "answer {}: {heard:?}", op.ticket.0);
                    if matches!(heard, Heard::Done | Heard::PartStored { .. }) && self.rng.one_in(4) {
                        self.echo = Some((op.ticket, heard.clone()));
                    }
                    self.answered(&op, &heard);
                    match self.bend_answer(&mut op, heard) {
                        Some(heard) => self.hear(core, op.ticket, heard),
                        None => self.ops.insert(i, op),
                    }
                }
                None => self.ops.insert(i, op),
            }
            return true;
        }
        false
    }

    /// Carries a step on; the answer when it is over.
    fn perform(&mut self, core: &mut Upload, op: &mut Op) -> Option<Heard> {
        if op.is_request() {
            return self.perform_request(core, op);
        }
        let failed = |fault| Some(Heard::Failed(fault));
        match &op.step {
            Step::Open => Some(self.open()),
            Step::Record { records, durable } => {
                if op.stage == 0 {
                    if self.rng.percent(self.trouble.journal_fails) {
                        let records = records.clone();
                        self.append(&records, Some(8));
                        self.sequence = None;
                        return failed(DiskFault::NoSpace);
                    }
                    let (records, durable) = (records.clone(), *durable);
                    self.append(&records, None);
                    if !durable {
                        return Some(Heard::Done);
                    }
                    op.stage = 1;
                    return None;
                }
                self.sync();
                Some(Heard::Done)
            }
            Step::Compact { records } => {
                let mut log = Log::default();
                log.live.extend(journal::header());
                self.sequence = Some(journal::encode(records, 0, &mut log.live));
                log.end_sync(log.begin_sync(), true);
                self.log = Some(log);
                self.coverage.compactions += 1;
                Some(Heard::Done)
            }
            Step::Forget => {
                self.ghost = self.log.take();
                self.forgot();
                Some(Heard::Done)
            }
            Step::Receipt(receipt) => {
                self.receipt = Some((receipt.facts, receipt.object.clone()));
                Some(Heard::Done)
            }
            Step::CheckSource => Some(Heard::Source(self.source.look(self.now))),
            Step::Combine { parts } => {
                let (digests, composite) = combine(parts);
                Some(Heard::Combined { digests, composite })
            }
            Step::ReadPart { kinds, .. } | Step::Snapshot { kinds } => {
                let kinds = kinds.clone();
                if op.stopped && self.rng.coin() {
                    return failed(DiskFault::Interrupted);
                }
                if self.rng.percent(self.trouble.read_fails) {
                    return failed(DiskFault::Io);
                }
                if !self.read_on(op) {
                    return if op.stage == 0 { failed(DiskFault::Io) } else { None };
                }
                let (digests, before) = (digests(&kinds, op.read.as_slice()), op.before?);
                if let Step::Snapshot { .. } = op.step {
                    self.witness.snapshot = op.read;
                    return Some(Heard::Snapped { before, after: self.source.look(self.now), digests });
                }
                self.coverage.reads += 1;
                Some(Heard::PartRead { digests, before })
            }
            other => unreachable!("no operation: {other:?}"),
        }
    }

    /// Reads the op's stretch of the source in two halves. True when all is read; false with stage 0 when it is cut
    /// short.
    fn read_on(&mut self, op: &mut Op) -> bool {
        let len = match &op.step {
            Step::SendPart { part, .. } | Step::ReadPart { part, .. } => part.range.len(),
            _ => op.before.map_or(self.source.facts.len, |before| before.facts.len),
        };
        let start = match &op.step {
            Step::SendPart { part, .. } | Step::ReadPart { part, .. } => part.range.start,
            _ => 0,
        };
        let range = |from, to| longhaul_core::ranges::Range::new(start + from, start + to);
        if op.stage == 0 {
            op.before = Some(self.source.look(self.now));
            op.stage = 1;
            match self.source.read(range(0, len / 2)) {
                Some(half) => op.read = half,
                None => op.stage = 0,
            }
            return false;
        }
        match self.source.read(range(len / 2, len)) {
            Some(half) => {
                op.read.append(&half);
                true
            }
            None => {
                op.stage = 0;
                false
            }
        }
    }

    // ---- requests ----------------------------------------------------------------------------------------------

    fn perform_request(&mut self, core: &mut Upload, op: &mut Op) -> Option<Heard> {
        if let Some(answer) = op.answer.take() {
            if op.stopped && self.rng.coin() {
                return Some(Heard::Refused(Fault::Stopped { maybe_done: true }));
            }
            return Some(answer);
        }
        if op.stopped {
            // It arrives all the same, or it does not.
            if writes(&op.step) && op.is_sent(self.uplink) && self.rng.coin() {
                if self.rng.coin() {
                    self.carry_out_later(op);
                } else {
                    self.carry_out(&op.step.clone(), op.read, op.began, op.dress);
                }
                return Some(Heard::Refused(Fault::Stopped { maybe_done: true }));
            }
            let maybe_done = self.rng.coin();
            return Some(Heard::Refused(Fault::Stopped { maybe_done }));
        }
        if let Step::SendPart { .. } = op.step {
            if op.stage == 0 && self.rng.percent(self.trouble.read_fails) {
                return Some(Heard::Failed(DiskFault::Io));
            }
            if op.stage < 2 {
                if !self.read_on(op) {
                    return if op.stage == 0 { Some(Heard::Failed(DiskFault::Io)) } else { None };
                }
                op.stage = 2;
                if self.uplink.is_none() {
                    let (ticket, sent) = (op.ticket, op.read.len() as u64);
                    self.hear(core, ticket, Heard::Sent(sent));
                    self.tell_early(core, op);
                }
                return None;
            }
            if let Some(uplink) = self.uplink
                && op.through < op.read.len() as u64
            {
                return self.one_byte_through(core, op, uplink);
            }
        } else if let Step::Put { .. } = op.step
            && op.stage == 0
        {
            op.read = self.witness.snapshot;
            op.stage = 2;
            return None;
        }
        self.look_first(&op.step);
        let kind = std::mem::discriminant(&op.step);
        if let Some(refuses) = &mut self.refuses
            && refuses.next(&mut self.rng, kind)
        {
            self.coverage.refusals += 1;
            let retry_after_ms = self.rng.one_in(4).then_some(300);
            return Some(Heard::Refused(Fault::Busy { status: 503, retry_after_ms }));
        }
        let t = self.trouble;
        let refused = |fault| Some(Heard::Refused(fault));
        let net = |fault, maybe_done| Some(Heard::Refused(Fault::Net { fault, maybe_done }));
        if self.rng.percent(t.unreachable) {
            return net(NetFault::Connect, false);
        }
        if self.rng.percent(t.lost) {
            let maybe_done = self.rng.coin();
            return net(NetFault::Cut, maybe_done);
        }
        if self.rng.percent(t.expired) {
            return refused(match self.rng.below(3) {
                0 => Fault::Expired,
                1 => Fault::Skewed,
                _ => Fault::Amended,
            });
        }
        if self.rng.percent(t.keyless) {
            return refused(Fault::NoCredentials);
        }
        if matches!(op.step, Step::Create { .. } | Step::Put { .. }) && self.rng.percent(t.denied) {
            return refused(Fault::Denied(403));
        }
        if writes(&op.step) && self.rng.percent(t.late) {
            self.carry_out_later(op);
            return match self.rng.below(3) {
                0 => refused(Fault::Busy { status: 504, retry_after_ms: None }),
                1 => refused(Fault::Conflict(409)),
                _ => net(NetFault::Stalled, true),
            };
        }
        if self.rng.percent(t.busy) {
            if self.rng.one_in(3) {
                self.carry_out(&op.step.clone(), op.read, op.began, op.dress);
            }
            let retry_after_ms = self.rng.coin().then_some(300);
            return refused(Fault::Busy { status: 503, retry_after_ms });
        }
        let (step, read) = (op.step.clone(), op.read);
        let answer = self.carry_out(&step, read, op.began, op.dress);
        if self.rng.percent(t.unanswered) {
            self.coverage.unanswered += u64::from(writes(&op.step));
            return net(NetFault::Cut, true);
        }
        if self.rng.percent(t.unreadable) && !matches!(op.step, Step::SendPart { .. }) {
            return refused(Fault::Unreadable);
        }
        op.answer = Some(match (answer, &op.step) {
            (Heard::PartStored { part, .. }, Step::SendPart { kinds, .. }) => {
                let read = digests(kinds, op.read.as_slice());
                Heard::PartStored { read, part, before: op.before? }
            }
            (answer, _) => answer,
        });
        None
    }

    pub(crate) fn carry_out_later(&mut self, op: &Op) {
        let at = self.now + self.rng.below(3_000);
        self.coverage.late += 1;
        tell!(self, "{} will be carried out at {at} ms", op.ticket.0);
        self.late.push(Late { at, ordered_at: op.ordered_at, step: op.step.clone(), bytes: op.read, dress: op.dress });
    }

    /// The next byte of a part, when it is that part's turn. The last byte that is let through ends the process.
    fn one_byte_through(&mut self, core: &mut Upload, op: &mut Op, uplink: Uplink) -> Option<Heard> {
        let behind = |other: &Op| matches!(other.step, Step::SendPart { .. }) && !other.stopped;
        if self.ops.iter().filter(|other| behind(other)).any(|other| other.through < op.through) {
            return None;
        }
        let len = op.read.len() as u64;
        op.through += 1;
        op.since = if op.through == 1 { self.now } else { op.since };
        self.uplink = Some(Uplink { left: uplink.left - 1, free_at: self.now + uplink.byte_ms, ..uplink });
        if uplink.left == 1 {
            self.crash_in = Some(0);
        }
        // What the system takes of the first bytes it takes at once; a liar tells what a send buffer of 4 MiB has
        // room for.
        let taken = if self.lies(Sabotage::SendBufferTakenForLine) { len } else { op.through + uplink.unsent };
        self.hear(core, op.ticket, Heard::Sent(taken.min(len)));
        if op.through == len {
            self.check_fits(op, uplink.byte_ms);
            self.tell_early(core, op);
        }
        None
    }

    /// All bytes of a part have been handed to the network: a liar takes that for its end.
    fn tell_early(&mut self, core: &mut Upload, op: &mut Op) {
        let Step::SendPart { kinds, .. } = &op.step else { return };
        if let Some(heard) = self.answer_early(op, digests(kinds, op.read.as_slice())) {
            op.told = true;
            self.hear(core, op.ticket, heard);
        }
    }

    /// What arrives late arrives now.
    pub(crate) fn land_late(&mut self) {
        while let Some(i) = self.late.iter().position(|late| late.at <= self.now) {
            let Late { step, bytes, dress, ordered_at, .. } = self.late.swap_remove(i);
            let mangle = std::mem::take(&mut self.trouble.mangle); // once is enough
            // A request that arrives this late finds an aborted upload gone: no client could wait for it.
            let answer = self.carry_out(&step, bytes, u64::MAX, dress);
            if matches!(answer, Heard::PartStored { .. }) && self.store.vendor.tells.nothing() {
                self.witness.met += bytes.len() as u64; // it may take the place of one that was acknowledged, under another name
            }
            if matches!((&step, &answer), (Step::Put { .. }, Heard::Stored { .. })) {
                self.witness.echo = Some((self.now, ordered_at));
            }
            self.trouble.mangle = mangle;
            tell!(self, "late: {step:?}: {answer:?}");
        }
    }

    /// The store is at work on a Complete of this upload.
    pub(crate) fn is_being_completed(&self, id: &str) -> bool {
        self.late.iter().any(|late| matches!(&late.step, Step::Complete { upload_id, .. } if upload_id == id))
    }

    pub(crate) fn land_everything(&mut self) {
        self.now += 10_000;
        self.land_late();
    }

    /// The store does it.
    fn carry_out(&mut self, step: &Step, bytes: Bytes, began: u64, dress: u8) -> Heard {
        let now = self.now;
        let heard = |result: Result<Heard, Fault>| result.unwrap_or_else(Heard::Refused);
        match step {
            Step::Look => {
                let ours = self.store.object.as_ref().is_some_and(|object| self.source.was(&object.bytes, 0));
                self.witness.looked(now, ours && self.store.vendor.looks);
                if !self.store.vendor.looks {
                    return Heard::Refused(Fault::Denied(403));
                }
                match &self.store.object {
                    None => Heard::Refused(Fault::NoSuchKey),
                    Some(object) => {
                        let facts = self.store.facts(object, dress);
                        self.coverage.dressed_differently += u64::from(facts.dressed_differently && !object.other);
                        Heard::Object(Box::new(facts))
                    }
                }
            }
            Step::Put { .. } | Step::Complete { .. } if self.config.forbid_overwrite && self.store.refuses(step) => {
                Heard::Refused(Fault::Exists)
            }
            Step::Put { checksum } => {
                let mangle = self.rng.percent(self.trouble.mangle);
                self.about_to_write(bytes, began, mangle);
                let object = self.store.put(bytes, checksum.is_some(), dress, mangle, now);
                self.coverage.sums_of_single += u64::from(object.sum);
                let object = Box::new(self.store.answer(&object));
                Heard::Stored { object, callback_failed: self.config.callback && self.rng.coin() }
            }
            Step::Create { checksum } => match self.store.create(checksum.is_some(), dress) {
                Ok((upload_id, kept)) => {
                    self.coverage.sums_kept += u64::from(kept);
                    self.coverage.sums_ignored += u64::from(checksum.is_some() && !kept);
                    Heard::Created { upload_id, checksum: checksum.filter(|_| kept) }
                }
                Err(fault) => {
                    self.coverage.sums_refused += 1;
                    Heard::Refused(fault)
                }
            },
            Step::SendPart { upload_id, part, checksum, .. } => {
                let mut bytes = bytes;
                let sum = checksum.map(|_| nvme(bytes.as_slice()));
                let shows = self.shows_corruption() || sum.is_some() && self.store.vendor.sums != Sums::Ignores;
                if self.rng.percent(self.trouble.corrupt) && shows && bytes.len() > 0 {
                    bytes.flip(bytes.len() - 1);
                    self.coverage.corrupted += 1;
                    self.witness.corrupted = true;
                }
                let put = self.store.put_part(upload_id, part.number, bytes, sum.as_ref(), (began, now));
                let before = self.source.look(now);
                heard(put.map(|part| Heard::PartStored { read: Vec::new(), part, before }))
            }
            Step::ListParts { upload_id, after } => {
                let list = self.store.list(upload_id, *after, now);
                heard(list.map(|(parts, next)| Heard::Listed { parts, next }))
            }
            Step::Complete { upload_id, parts, whole } => {
                let mangle = self.rng.percent(self.trouble.mangle);
                let old = self.store.object.clone();
                match self.store.complete(upload_id, (parts, whole.as_ref()), mangle, now) {
                    Ok(object) => {
                        self.completed(&object, old, mangle);
                        let object = Box::new(self.store.answer(&object));
                        Heard::Stored { object, callback_failed: false }
                    }
                    Err(fault) => {
                        self.coverage.wholes_refused += u64::from(fault == Fault::Corrupted);
                        Heard::Refused(fault)
                    }
                }
            }
            Step::Abort { upload_id } => {
                let vain = self.rng.percent(self.trouble.vain_aborts);
                heard(self.store.abort(upload_id, vain, now).map(|()| Heard::Done))
            }
            other => unreachable!("no request: {other:?}"),
        }
    }

    fn shows_corruption(&self) -> bool {
        !self.store.vendor.tells.nothing()
    }

    // ---- the journal -------------------------------------------------------------------------------------------

    fn open(&mut self) -> Heard {
        let journal = match &mut self.log {
            None => FoundJournal::Absent,
            Some(log) => match journal::decode(&log.live) {
                Ok(recovered) => {
                    log.cut(recovered.readable.len as usize);
                    self.sequence = Some(recovered.readable.next_sequence);
                    self.coverage.torn_journals += u64::from(recovered.readable.torn);
                    FoundJournal::Read(Box::new(recovered))
                }
                Err(problem) => {
                    self.coverage.unusable_journals += 1;
                    self.log = None;
                    FoundJournal::SetAside(problem)
                }
            },
        };
        let source = self.source.look(self.now);
        let finished = self.receipt.as_ref().filter(|(facts, _)| *facts == source.facts);
        let finished = finished.map(|(_, object)| Box::new(object.clone()));
        self.opened(&journal);
        let mut found = OpenFacts { journal, source, finished };
        self.bend_found(&mut found);
        Heard::Opened(Box::new(found))
    }

    /// Appends records; `share`: so many sixteenths of their bytes, because the process dies.
    pub(crate) fn append(&mut self, records: &[Record], share: Option<u64>) {
        let log = self.log.get_or_insert_with(|| {
            let mut log = Log::default();
            log.live.extend(journal::header());
            log
        });
        let from = log.live.len();
        let sequence = match self.sequence {
            Some(sequence) => sequence,
            // What a failed append left is cut off first.
            None => match journal::decode(&log.live) {
                Ok(read) => {
                    log.cut(read.readable.len as usize);
                    read.readable.next_sequence
                }
                Err(_) => 0,
            },
        };
        self.sequence = Some(journal::encode(records, sequence, &mut log.live));
        if let Some(share) = share {
            let whole = log.live.len() - from.min(log.live.len());
            log.live.truncate(from + whole * share as usize / 16);
        }
        for record in records {
            match record {
                Record::Stored { .. } => self.witness.settled(true),
                Record::Abandoned { .. } => self.witness.settled(false),
                _ => {}
            }
        }
    }

    fn sync(&mut self) {
        if let Some(log) = &mut self.log {
            log.end_sync(log.begin_sync(), true);
        }
    }

    // ---- crashes -----------------------------------------------------------------------------------------------

    /// The process died: each step under way may have arrived, wholly or in part, and its answer is lost.
    pub(crate) fn land_or_lose(&mut self) {
        let mut lost_journal = false;
        for op in std::mem::take(&mut self.ops) {
            self.coverage.crashed_at(&op.step);
            self.left_unanswered(&op);
            if op.is_request() {
                if op.answer.is_some() || !op.is_sent(self.uplink) || !writes(&op.step) {
                    continue;
                }
                match self.rng.below(3) {
                    0 => _ = self.carry_out(&op.step.clone(), op.read, op.began, op.dress),
                    1 => self.carry_out_later(&op),
                    _ => {}
                }
                continue;
            }
            match &op.step {
                Step::Record { records, .. } if op.stage == 0 && !lost_journal => {
                    let (records, share) = (records.clone(), self.rng.below(24));
                    match share {
                        0 => {}
                        1..16 => {
                            self.append(&records, Some(share));
                            self.coverage.torn_appends += 1;
                        }
                        _ => self.append(&records, None),
                    }
                    lost_journal |= share < 16;
                    if lost_journal {
                        self.records_lost(&records);
                    }
                }
                Step::Record { records, .. } if op.stage == 0 => self.records_lost(records),
                Step::Record { .. } if self.rng.coin() => self.sync(),
                Step::Forget if !lost_journal && self.rng.coin() => {
                    self.ghost = self.log.take();
                    self.forgot();
                }
                Step::Receipt(receipt) if self.rng.coin() => {
                    self.receipt = Some((receipt.facts, receipt.object.clone()));
                }
                _ => {}
            }
        }
    }
}
