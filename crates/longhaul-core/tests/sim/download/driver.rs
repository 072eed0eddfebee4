//! The driver half of the simulation: carries out the core's steps against the disk and the remote, late and in any
//! order that a real driver may show. Steps on the same file keep their order; everything else interleaves by chance.

use longhaul_core::digest::DigestKind;
use longhaul_core::download::Download;
use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Record, Recovered};
use longhaul_core::download::resume::{Fit, Found, FoundJournal, TargetReceipt, TargetState, fit};
use longhaul_core::download::step::{Heard, Step};
use longhaul_core::run::{Machine, Ordered};
use longhaul_core::words::{DiskFault, Extent, FileFacts, Ticket};

use super::content::{CAP, crc64, digest};
use super::disk::{Id, JOURNAL, MAIN, NEXT, Name, Receipt, TARGET};
use super::liar::Sabotage;
use super::world::{Stand, World};

// What a step touches; steps that share a bit keep their order.
const MAIN_FILE: u8 = 1;
const NEXT_FILE: u8 = 2;
const FOLDER: u8 = 4;
const LOG: u8 = 8;
const STATE: u8 = 16;
const ALL: u8 = 31;

/// A step under way.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) ticket: Ticket,
    pub(crate) step: Step,
    touches: u8,
    /// Overlaps with its own kind: syncs and reads.
    shared: bool,
    stage: u8,
    /// A sync's key, a snapshot's end, or a new log, by kind.
    key: u64,
    /// The core was told already that it is done.
    pub(crate) told: bool,
}

impl Op {
    fn new(ticket: Ticket, step: Step) -> Self {
        let file = |slot: Slot| if slot == Slot::Main { MAIN_FILE } else { NEXT_FILE };
        let (touches, shared) = match &step {
            Step::Create { slot } => (file(*slot) | FOLDER, false),
            Step::Sync { slot } | Step::Check { slot, .. } | Step::Digest { slot, .. } => (file(*slot), true),
            Step::Facts { slot } | Step::Adopt { slot, .. } => (file(*slot), false),
            Step::SyncDir => (FOLDER, false),
            Step::Record { .. } | Step::Compact { .. } | Step::Forget => (LOG, false),
            Step::Promote | Step::RemoveNext => (MAIN_FILE | NEXT_FILE | FOLDER, false),
            Step::Seal { .. } => (MAIN_FILE, false),
            Step::Publish { .. } => (MAIN_FILE | FOLDER, false),
            Step::Receipt(_) => (STATE, false),
            _ => (ALL, false),
        };
        Self { ticket, step, touches, shared, stage: 0, key: 0, told: false }
    }

    fn waits_for(&self, earlier: &Op) -> bool {
        self.touches & earlier.touches != 0 && !(self.shared && earlier.shared)
    }
}

pub(crate) fn name_of(slot: Slot) -> Name {
    if slot == Slot::Main { MAIN } else { NEXT }
}

impl World {
    /// Takes over all steps that wait in the core.
    pub(crate) fn drain(&mut self, core: &mut Download) {
        let before = self.steps;
        while let Some(ordered) = core.next_step() {
            self.steps += 1;
            let narrowed = matches!(ordered.step, Step::Narrow { .. }).then_some(ordered.ticket);
            self.accept(ordered);
            if let Some(ticket) = narrowed {
                self.narrow_at_once(core, ticket);
            }
            if self.steps - before > 10_000 {
                break; // it would go on for ever
            }
        }
        self.gave_steps(self.steps - before);
        self.told(core.held());
    }

    pub(crate) fn hear(&mut self, core: &mut Download, ticket: Ticket, heard: Heard) {
        core.hear(self.now, ticket, heard);
        self.drain(core);
    }

    fn accept(&mut self, ordered: Ordered<Step>) {
        let Ordered { ticket, step } = ordered;
        match step {
            Step::Note(note) => self.noted(&note),
            Step::Throttle(on) => {
                tell!(self, "reading {}", if on { "pauses" } else { "goes on" });
                self.throttled = on;
                self.coverage.throttles += u64::from(on);
            }
            Step::Finish(finish) => self.finish = Some(finish),
            Step::Fetch(fetch) => self.open_stream(ticket, fetch),
            Step::Flow(grant) => self.grant(ticket, grant),
            Step::Stop => self.stop_stream(ticket),
            Step::Narrow { end } => self.narrow_stream(ticket, end),
            step => {
                tell!(self, "ordered {}: {step:?}", ticket.0);
                self.ordered(ticket, &step);
                self.crash_near(&step);
                let mut op = Op::new(ticket, step);
                // The snapshot of a sync may be taken as early as the order of steps allows.
                let sync = matches!(op.step, Step::Sync { .. } | Step::SyncDir);
                // Without a journal less often, so that crashes fall before it as well.
                let at_once = if self.disk.id(JOURNAL).is_some() { 80 } else { 50 };
                if sync && self.rng.percent(at_once) && self.ops.iter().all(|earlier| !op.waits_for(earlier)) {
                    self.begin(&mut op);
                }
                self.ops.push(op);
            }
        }
    }

    fn is_ready(&self, i: usize) -> bool {
        self.ops[..i].iter().all(|earlier| !self.ops[i].waits_for(earlier)) && !self.is_put_off(&self.ops[i])
    }

    /// Lets one operation under way go on. False when none could.
    pub(crate) fn progress(&mut self, core: &mut Download) -> bool {
        let count = self.ops.len() + self.streams.len();
        let first = self.rng.below(count as u64) as usize;
        for n in 0..count {
            let i = (first + n) % count;
            if i < self.ops.len() {
                if self.is_ready(i) {
                    self.progress_op(core, i);
                    return true;
                }
            } else if self.progress_stream(core, i - self.ops.len()) {
                return true;
            }
        }
        false
    }

    fn progress_op(&mut self, core: &mut Download, i: usize) {
        let mut op = self.ops.remove(i);
        if !op.told && self.is_told_early(&op) {
            let ticket = op.ticket;
            op.told = true;
            self.ops.insert(i, op);
            return self.hear(core, ticket, Heard::Done);
        }
        match self.pretend(&op).or_else(|| self.perform(&mut op)) {
            Some(heard) if op.told => self.answered(op.ticket, &op.step, &heard),
            Some(heard) => {
                tell!(self, "answer {}: {heard:?}", op.ticket.0);
                if heard == Heard::Done {
                    self.echo = Some(op.ticket);
                }
                self.answered(op.ticket, &op.step, &heard);
                let heard = self.bend_answer(&op.step, heard);
                self.hear(core, op.ticket, heard);
            }
            None => self.ops.insert(i, op),
        }
    }

    /// The first half of a step in two halves.
    fn begin(&mut self, op: &mut Op) {
        op.stage = 1;
        match &op.step {
            Step::Sync { slot } => {
                if let Some(id) = self.file_in(*slot) {
                    op.key = self.disk.begin_sync(id);
                }
            }
            Step::SyncDir => op.key = self.disk.begin_dir_sync(),
            _ => {}
        }
    }

    /// Carries a step on; the answer when it is over.
    fn perform(&mut self, op: &mut Op) -> Option<Heard> {
        if op.stage == 0 && matches!(op.step, Step::Sync { .. } | Step::SyncDir) {
            self.begin(op);
            return None;
        }
        let failed = |fault| Some(Heard::Failed(fault));
        match &mut op.step {
            Step::Open { room } => Some(self.open(*room)),
            Step::Create { slot } => {
                if self.full {
                    return failed(DiskFault::NoSpace);
                }
                self.create(*slot);
                Some(Heard::Done)
            }
            Step::Sync { .. } => {
                let ok = !self.rng.percent(self.trouble.sync_fails);
                self.disk.end_sync(op.key, ok, &mut self.rng);
                self.coverage.failed_syncs += u64::from(!ok);
                if ok { Some(Heard::Done) } else { failed(DiskFault::Io) }
            }
            Step::SyncDir => {
                if self.rng.percent(self.trouble.folder_fails) {
                    self.coverage.failed_syncs += 1;
                    return failed(DiskFault::Io);
                }
                self.disk.end_dir_sync(op.key);
                Some(Heard::Done)
            }
            Step::Record { records, durable } => self.record(&mut op.stage, records, *durable),
            Step::Compact { records } => self.compact(&mut op.stage, &mut op.key, records),
            Step::Check { slot, extents, rewrite } => {
                if let Some(fault) = self.read_fault() {
                    return failed(fault);
                }
                let (slot, rewrite) = (*slot, *rewrite);
                let bad = self.check(slot, extents, rewrite);
                Some(Heard::Checked { bad })
            }
            Step::Adopt { slot, pieces } => {
                let (slot, pieces) = (*slot, pieces.clone());
                self.adopt(&mut op.stage, slot, &pieces)
            }
            Step::Digest { slot, length, kinds } => {
                if let Some(fault) = self.read_fault() {
                    return failed(fault);
                }
                let length = (*length).min(CAP as u64) as usize;
                let file = self.file_in(*slot).map(|id| &self.disk.files[usize::from(id)]);
                let bytes = file.map_or(&[][..], |f| &f.live[..length]);
                Some(Heard::Digested(kinds.iter().map(|&kind| digest(kind, bytes)).collect()))
            }
            Step::DigestTarget { kinds } => self.digest_target(&mut op.stage, kinds),
            Step::TakeTarget { durable } => self.take_target(&mut op.stage, &mut op.key, *durable),
            Step::Promote if op.stage == 1 => Some(Heard::Done),
            Step::Promote => {
                if self.disk.id(NEXT).is_none() {
                    return failed(DiskFault::Io);
                }
                self.disk.rename(NEXT, MAIN);
                self.wrong_main = None;
                op.stage = 1; // it is heard of a little later
                None
            }
            Step::RemoveNext => {
                self.disk.unlink(NEXT);
                Some(Heard::Done)
            }
            Step::Seal { length } => {
                let (length, now_ns) = (*length as usize, self.disk.now_ns);
                let Some(id) = self.file_in(Slot::Main) else { return failed(DiskFault::Io) };
                let file = &mut self.disk.files[usize::from(id)];
                file.set_len(length.min(CAP), now_ns);
                Some(Heard::Facts(file.facts()))
            }
            Step::Facts { slot } => match self.file_in(*slot) {
                Some(id) => Some(Heard::Facts(self.disk.files[usize::from(id)].facts())),
                None => failed(DiskFault::Io),
            },
            Step::Publish { replace } => {
                let replace = *replace;
                if !replace && (self.disk.id(TARGET).is_some() || self.stand != Stand::Free) {
                    return failed(DiskFault::Exists);
                }
                if self.disk.id(MAIN).is_none() {
                    return failed(DiskFault::Io);
                }
                self.check_replaced();
                self.coverage.small_published += u64::from(self.disk.id(JOURNAL).is_none());
                self.disk.rename(MAIN, TARGET);
                self.stand = Stand::Free;
                self.published();
                Some(Heard::Done)
            }
            Step::Receipt(receipt) => {
                if op.stage == 0 {
                    if self.full {
                        return failed(DiskFault::NoSpace);
                    }
                    let (facts, identity) = (receipt.facts, receipt.identity.clone());
                    let (extents, digests) = (receipt.extents.clone(), receipt.digests.clone());
                    let window = self.wanted.window();
                    self.disk.receipt = Some(Receipt { facts, identity, extents, digests, window });
                    op.stage = 1;
                    return if self.power { None } else { Some(Heard::Done) };
                }
                self.disk.receipt_durable.clone_from(&self.disk.receipt);
                Some(Heard::Done)
            }
            Step::Forget => {
                self.disk.unlink(JOURNAL);
                Some(Heard::Done)
            }
            Step::RemoveAll => {
                self.disk.void_log();
                for name in [MAIN, NEXT, JOURNAL] {
                    self.disk.unlink(name);
                }
                Some(Heard::Done)
            }
            other => unreachable!("no operation: {other:?}"),
        }
    }

    fn digest_target(&mut self, stage: &mut u8, kinds: &[DigestKind]) -> Option<Heard> {
        if let Some(fault) = self.read_fault() {
            return Some(Heard::Failed(fault));
        }
        let Some(id) = self.disk.id(TARGET) else { return Some(Heard::Failed(DiskFault::Io)) };
        if *stage == 0 {
            let bytes = self.disk.files[usize::from(id)].bytes();
            self.target_read = kinds.iter().map(|&kind| digest(kind, bytes)).collect();
            *stage = 1;
            self.change_while_read(id);
            return None;
        }
        let facts = self.disk.files[usize::from(id)].facts();
        Some(Heard::TargetDigested { facts, digests: self.target_read.clone() })
    }

    fn take_target(&mut self, stage: &mut u8, key: &mut u64, durable: bool) -> Option<Heard> {
        let Some(id) = self.disk.id(TARGET) else { return Some(Heard::Failed(DiskFault::Io)) };
        if *stage == 0 {
            self.change_while_read(id);
            *key = if durable { self.disk.begin_sync(id) } else { 0 };
            *stage = 1;
            return None;
        }
        if durable {
            let ok = !self.rng.percent(self.trouble.sync_fails);
            self.disk.end_sync(*key, ok, &mut self.rng);
            if !ok {
                self.coverage.failed_syncs += 1;
                self.witness.target_sync_failed = true;
                return Some(Heard::Failed(DiskFault::Io));
            }
            self.older_unsynced = false;
        }
        Some(Heard::Facts(self.disk.files[usize::from(id)].facts()))
    }

    /// Reading takes long: it may fail, and it is cut short when the run is ending.
    pub(crate) fn read_fault(&mut self) -> Option<DiskFault> {
        if self.commanded && self.rng.coin() {
            return Some(DiskFault::Interrupted);
        }
        self.rng.percent(self.trouble.read_fails).then_some(DiskFault::Io)
    }

    /// The file that the driver holds for a slot.
    pub(crate) fn file_in(&self, slot: Slot) -> Option<Id> {
        self.wrong_main.filter(|_| slot == Slot::Main).or_else(|| self.disk.id(name_of(slot)))
    }

    /// Between our opening of the main file and our lock on it, the process before us finishes the promotion that it
    /// had recorded, and dies. A process that locks must look again which file has the name.
    fn race_for_the_lock(&mut self) {
        self.wrong_main = None;
        let (Some(opened), Some(_), Some(log)) = (self.disk.id(MAIN), self.disk.id(NEXT), self.disk.log()) else {
            return;
        };
        let promoting = log.unsynced() == 0 && journal::decode(&log.live).is_ok_and(|r| r.promote);
        if promoting && self.rng.coin() {
            tell!(self, "another process gives the new file the old one's name while we wait for the lock");
            self.disk.rename(NEXT, MAIN);
            self.wrong_main = Some(opened).filter(|_| self.lies(Sabotage::LockOnWrongFile));
        }
    }

    fn open(&mut self, room: bool) -> Heard {
        self.race_for_the_lock();
        let main = self.file_in(Slot::Main).map(|id| self.disk.files[usize::from(id)].facts());
        let next = self.disk.facts(NEXT);
        self.sequence = None;
        let journal = match self.disk.id(JOURNAL) {
            None => FoundJournal::Absent,
            Some(id) => match journal::decode(&self.disk.logs[usize::from(id)].live) {
                Ok(recovered) => {
                    self.disk.logs[usize::from(id)].cut(recovered.readable.len as usize);
                    self.sequence = Some(recovered.readable.next_sequence);
                    self.coverage.torn_journals += u64::from(recovered.readable.torn);
                    FoundJournal::Read(Box::new(recovered))
                }
                Err(problem) => {
                    self.coverage.unusable_journals += 1;
                    self.disk.unlink(JOURNAL);
                    FoundJournal::SetAside(problem)
                }
            },
        };
        let target = match (self.stand, self.disk.facts(TARGET)) {
            (Stand::Symlink, _) => TargetState::Symlink,
            (Stand::Directory, _) => TargetState::Directory,
            (Stand::Free, None) => TargetState::Absent,
            (Stand::Free, Some(facts)) => {
                let finished = self.disk.receipt.as_ref().filter(|r| self.is_of(r, &facts));
                let says = |r: &Receipt| TargetReceipt { identity: r.identity.clone(), digests: r.digests.clone() };
                let finished = finished.map(|r| Box::new(says(r)));
                self.target_found = facts;
                TargetState::File { facts, finished }
            }
        };
        if main.is_none() {
            self.disk.create(MAIN); // to have something to lock
        }
        let mut found = Found { journal, main, next, target, free: self.free.filter(|_| room) };
        tell!(self, "found {found:?}");
        let recovered: Option<&Recovered> = match &found.journal {
            FoundJournal::Read(recovered) => Some(recovered),
            _ => None,
        };
        self.opened(recovered);
        self.bend_found(&mut found);
        Heard::Opened(Box::new(found))
    }

    /// Whether the receipt speaks of what stands at the target.
    fn is_of(&self, receipt: &Receipt, facts: &FileFacts) -> bool {
        if receipt.window != self.wanted.window() {
            return false;
        }
        let target = self.disk.file(TARGET).map_or(&[][..], |file| file.bytes());
        match fit(&receipt.facts, facts) {
            Fit::Fits => true,
            Fit::IfBytesMatch if self.lies(Sabotage::ReceiptOfAnotherFile) => true,
            Fit::IfBytesMatch => receipt.extents.iter().all(|e| {
                let bytes = target.get(e.start as usize..e.end() as usize);
                bytes.is_some_and(|bytes| crc64(0, bytes) == e.crc)
            }),
            Fit::Not => false,
        }
    }

    fn create(&mut self, slot: Slot) {
        let name = name_of(slot);
        // The main file carries the lock and is emptied in place; the other may be made anew.
        match self.disk.id(name) {
            Some(id) if slot == Slot::Main || self.rng.coin() => {
                let now_ns = self.disk.now_ns;
                self.disk.files[usize::from(id)].set_len(0, now_ns);
            }
            _ => {
                self.disk.create(name);
            }
        }
    }

    fn record(&mut self, stage: &mut u8, records: &[Record], durable: bool) -> Option<Heard> {
        if *stage == 0 {
            if self.full && self.rng.coin() {
                return Some(Heard::Failed(DiskFault::NoSpace));
            }
            let begins = records.iter().any(|r| matches!(r, Record::Begin(_)));
            let late = begins && records.iter().any(|r| matches!(r, Record::Hint { .. }));
            self.coverage.small_left += u64::from(late);
            self.append(records, None);
            *stage = 1;
            return if durable { None } else { Some(Heard::Done) };
        }
        let fails = self.rng.percent(self.trouble.journal_fails);
        let Some(id) = self.disk.id(JOURNAL) else { return Some(Heard::Failed(DiskFault::Io)) };
        let log = &mut self.disk.logs[usize::from(id)];
        if fails {
            // What was not synced is cut off, so that what follows is written anew rather than believed.
            self.coverage.failed_syncs += 1;
            let kept = log.live.len() - log.unsynced();
            log.cut(kept);
            match journal::decode(&log.live) {
                Ok(recovered) => self.sequence = Some(recovered.readable.next_sequence),
                Err(_) => {
                    self.disk.unlink(JOURNAL);
                    self.sequence = None;
                }
            }
            return Some(Heard::Failed(DiskFault::Io));
        }
        let up_to = log.begin_sync();
        log.end_sync(up_to, true);
        if !self.disk.name_is_durable(JOURNAL) {
            let up_to = self.disk.begin_dir_sync();
            self.disk.end_dir_sync(up_to);
        }
        Some(Heard::Done)
    }

    /// Appends frames; with `torn`, only that share (of 16) of their bytes.
    fn append(&mut self, records: &[Record], torn: Option<u64>) {
        let id = match self.disk.id(JOURNAL) {
            Some(id) => id,
            None => {
                let id = self.disk.create_log();
                self.disk.logs[usize::from(id)].live.extend_from_slice(&journal::header());
                self.sequence = Some(0);
                id
            }
        };
        let log = &mut self.disk.logs[usize::from(id)].live;
        let before = log.len();
        self.sequence = Some(journal::encode(records, self.sequence.unwrap_or(0), log));
        if let Some(share) = torn {
            let written = (log.len() - before) * share as usize / 16;
            log.truncate(before + written);
        }
        self.appended(records, torn.is_none());
    }

    fn compact(&mut self, stage: &mut u8, key: &mut u64, records: &[Record]) -> Option<Heard> {
        match *stage {
            0 => {
                if self.full && self.rng.coin() {
                    return Some(Heard::Failed(DiskFault::NoSpace));
                }
                let void = self.disk.log().is_some_and(|log| log.void);
                let id = self.disk.loose_log();
                let log = &mut self.disk.logs[usize::from(id)];
                log.void = void;
                log.live.extend_from_slice(&journal::header());
                self.sequence = Some(journal::encode(records, 0, &mut log.live));
                log.end_sync(log.begin_sync(), true);
                *key = u64::from(id);
                *stage = 1;
                None
            }
            1 => {
                self.disk.name_log(*key as u8);
                self.coverage.compactions += 1;
                *stage = 2;
                None
            }
            _ => {
                let up_to = self.disk.begin_dir_sync();
                self.disk.end_dir_sync(up_to);
                Some(Heard::Done)
            }
        }
    }

    fn check(&mut self, slot: Slot, extents: &[Extent], rewrite: bool) -> Vec<Extent> {
        let now_ns = self.disk.now_ns;
        let Some(id) = self.file_in(slot) else { return extents.to_vec() };
        let file = &mut self.disk.files[usize::from(id)];
        let mut bad = Vec::new();
        for e in extents {
            let good =
                e.end() <= file.live_len as u64 && crc64(0, &file.live[e.start as usize..e.end() as usize]) == e.crc;
            if !good {
                bad.push(*e);
            } else if rewrite {
                file.rewrite(e.start as usize, e.end() as usize, now_ns);
            }
        }
        bad
    }

    /// The run ends in order: what was told too early is done at last.
    pub(crate) fn land_put_off(&mut self) {
        let put_off = |op: &mut Op| op.told && matches!(op.step, Step::Receipt(_));
        for mut op in self.ops.extract_if(.., put_off).collect::<Vec<_>>() {
            while self.perform(&mut op).is_none() {}
        }
    }

    /// The process died: each step under way may have landed, wholly or in part, and its answer is lost.
    pub(crate) fn land_or_lose(&mut self) {
        let mut ops = std::mem::take(&mut self.ops);
        let mut lost = 0;
        for op in &mut ops {
            let small = self.disk.id(JOURNAL).is_none();
            self.coverage.crashed_during(&op.step, op.stage, small);
            let waits = op.touches & lost != 0;
            if waits || matches!(op.step, Step::Open { .. }) || self.rng.coin() {
                lost |= op.touches;
                continue;
            }
            match &op.step {
                Step::Record { records, .. } if op.stage == 0 && self.rng.coin() => {
                    let share = self.rng.below(16);
                    let records = records.clone();
                    self.append(&records, Some(share));
                    self.coverage.torn_appends += 1;
                    lost |= op.touches;
                }
                Step::Sync { .. } => {}
                _ => while self.perform(op).is_none() && self.rng.coin() {},
            }
        }
        ops.clear();
        self.ops = ops;
    }
}
