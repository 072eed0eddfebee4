//! The desk: everything about files that is not the data itself, in the order it was asked.
//!
//! Journal, lock, renames, folder syncs and receipts are blocking calls whose order matters; a thread of their own
//! keeps both. Syncs, checks and digests of the data may take long and run beside it.
//!
//! Where the system has no thread to give, everything is done where the bytes are written. A transfer without a journal
//! needs no thread: opening an empty place, sealing, renaming and a receipt that is not synced are done where the bytes
//! are written ([`DownloadDesk::is_quick`]), and its syncs in a group with those of other transfers.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{Record, Source};
use longhaul_core::download::resume::{Found, FoundJournal, TargetReceipt, TargetState};
use longhaul_core::download::step::{Heard, Receipt, Step};
use longhaul_core::words::{DiskFault, FileFacts, Ticket};

use super::{DownloadAnswer, DownloadAside, DownloadReports, DownloadShared, failed};
use crate::disk::beside::journal_file::JournalFile;
use crate::disk::beside::lock::{self, Locking};
use crate::disk::beside::part_file::PartFile;
use crate::disk::beside::place::Place;
use crate::disk::beside::publish;
use crate::disk::beside::recognise;
use crate::disk::error::DiskError;
use crate::disk::folders::{Folders, Within};
use crate::disk::group::{SyncTarget, Volume};
use crate::disk::saved::{SavedFiles, SavedFrom};
use crate::disk::state::receipt;
use crate::disk::state::state_dir::StateDir;
use crate::drive::seat;
use crate::threads;

/// Stack of the thread that syncs a claim, in bytes.
const CLAIM_STACK: usize = 128 << 10;

/// The open files of one transfer that streams write to.
#[derive(Default)]
pub(super) struct Slots {
    main: Option<Arc<PartFile>>,
    next: Option<Arc<PartFile>>,
    /// Beside what these lie, once it is open.
    place: Option<Arc<Place>>,
}

impl Slots {
    pub(super) fn place(&self) -> Option<Arc<Place>> {
        self.place.clone()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<Arc<PartFile>> {
        match slot {
            Slot::Main => self.main.clone(),
            Slot::Next => self.next.clone(),
        }
    }
}

/// Where the file goes.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    /// The folder.
    pub(super) folder: Within,
    /// The target's name in it.
    pub(super) name: OsString,
    /// Missing folders are created.
    pub(super) create_dirs: bool,
}

/// A step for the desk, with what the core does not know of it.
pub(super) struct DeskOrder {
    pub(super) step: Step,
    pub(super) extra: DeskExtra,
}

/// What a step needs besides itself.
pub(super) enum DeskExtra {
    None,
    /// To open: where the file goes.
    Place(Whereabouts),
    /// To seal: the file's modification time, in nanoseconds since the Unix epoch.
    Modified(i64),
}

/// What the desk is told beforehand.
pub(super) struct DeskSetup {
    pub(super) locking: Locking,
    /// A power cut counts ([`Durability::Power`](longhaul_core::words::Durability)).
    pub(super) durable: bool,
    pub(super) source: Source,
    pub(super) state: Option<Arc<StateDir>>,
    pub(super) folders: Arc<Folders>,
    /// The files that it must not take the place of.
    pub(super) saved: Option<SavedFiles>,
    /// Where another file has the name, the next free one is taken.
    pub(super) renames: bool,
}

/// The files of one download.
pub(super) struct DownloadDesk {
    shared: Arc<DownloadShared>,
    slots: Arc<Mutex<Slots>>,
    pub(super) setup: DeskSetup,
    pub(super) place: Option<Arc<Place>>,
    pub(super) journal: Option<JournalFile>,
    /// The file has its name: the desk has no empty part file to remove.
    pub(super) published: bool,
    /// The name that was asked for, where others may be taken.
    pub(super) asked_name: OsString,
    /// The file was given this name in place of the target's, which was taken meanwhile.
    pub(super) published_as: Option<OsString>,
    /// Failures of the volume when the part file was opened.
    failures_before: u64,
    /// The sync of a claim that runs beside: only hints are appended before it has ended.
    syncing: Option<mpsc::Receiver<std::convert::Infallible>>,
}

/// What lies beside a part file.
struct Beside {
    journal: JournalFile,
    found: FoundJournal,
    next: Option<PartFile>,
    next_facts: Option<FileFacts>,
    target: TargetState,
}

impl DownloadDesk {
    pub(super) fn new(shared: Arc<DownloadShared>, slots: Arc<Mutex<Slots>>, setup: DeskSetup) -> Self {
        let (place, journal, syncing) = (None, None, None);
        let (published, asked_name, published_as) = (false, OsString::new(), None);
        Self { shared, slots, setup, place, journal, published, asked_name, published_as, failures_before: 0, syncing }
    }

    /// Whether a step takes no longer than writing a few bytes: no sync, no journal.
    pub(super) fn is_quick(&self, step: &Step) -> bool {
        let no_journal = self.journal.as_ref().is_none_or(|journal| !journal.exists());
        match step {
            Step::Open { .. } => self.place.is_none() && !self.setup.renames,
            Step::Create { .. } | Step::Seal { .. } | Step::Facts { .. } | Step::Publish { .. } => no_journal,
            Step::Forget | Step::RemoveAll => no_journal,
            Step::Receipt(_) | Step::SyncDir => no_journal && !self.setup.durable,
            _ => false,
        }
    }

    /// Opens a place without files of a transfer; `None` where there are some, which takes longer.
    pub(super) fn open_fresh(
        &mut self,
        whereabouts: &Whereabouts,
        room: bool,
    ) -> Result<Option<DownloadAnswer>, DiskError> {
        let place = self.arrive(whereabouts)?;
        if self.setup.durable {
            self.failures_before = place.folder.volume(&self.setup.folders.volumes).failures();
        }
        let Some(part) = lock::acquire_fresh(&place, self.setup.locking)? else { return Ok(None) };
        let Some(journal) = JournalFile::absent(place.clone())? else { return Ok(None) };
        let target = match self.look_at_target(&place) {
            Ok(target) => target,
            Err(error) => {
                let _ = place.folder.remove(&place.slot(Slot::Main)); // made a moment ago, and locked
                return Err(error);
            }
        };
        let free = room.then(|| place.free_bytes()).flatten();
        self.settle_in(place, journal, part, None);
        let (main, next, journal) = (None, None, FoundJournal::Absent);
        Ok(Some(self.opened(Found { journal, main, next, target, free })))
    }

    /// What has to be durable for a step that a group can be asked for: the volume, what, and since when its failures
    /// matter. `None`: it is done like any other step.
    pub(super) fn to_sync(&self, step: &Step) -> Result<Option<(Arc<Volume>, SyncTarget, u64)>, DiskError> {
        let unjournalled = self.journal.as_ref().is_some_and(|journal| !journal.exists());
        let Some(place) = self.place.as_ref().filter(|_| self.setup.durable && unjournalled) else { return Ok(None) };
        let volume = || place.folder.volume(&self.setup.folders.volumes);
        Ok(match step {
            Step::Sync { slot } => {
                let part = self.part(*slot)?;
                Some((volume(), SyncTarget::File(Box::new(move || part.sync_data())), self.failures_before))
            }
            Step::SyncDir => Some((volume(), SyncTarget::Folder(place.folder.clone()), self.failures_before)),
            Step::Receipt(of) => {
                let Some(state) = &self.setup.state else { return Ok(None) };
                let receipt = self.receipt_of(of, place);
                let volume = state.receipt_volume(&self.setup.folders.volumes);
                let since = volume.failures(); // before it is appended
                state.append_receipt(&receipt)?.map(|log| (volume, SyncTarget::Log(log, receipt.path), since))
            }
            _ => None,
        })
    }

    /// Waits for the sync that runs beside.
    fn settle(&mut self) {
        if let Some(syncing) = self.syncing.take() {
            let _ = syncing.recv(); // ends when the thread lets go of the other end
        }
    }

    /// A claim is appended here and synced on a thread of its own: a disk that takes long must not hold up the hints
    /// behind it, for which streams wait. False when it is to be done like any other step.
    fn claim_beside(&mut self, ticket: Ticket, step: &Step) -> bool {
        let Step::Record { records, durable: true } = step else { return false };
        if !records.iter().all(|record| matches!(record, Record::Claim { .. })) || records.is_empty() {
            return false;
        }
        let Some(journal) = self.journal.as_mut().filter(|journal| journal.sync_beside().is_some()) else {
            return false;
        };
        let reports = self.shared.reports.clone();
        let tell = move |result: Result<(), DiskError>| {
            reports.tell_blocking(ticket, result.map_or_else(failed, |()| Heard::Done.into()));
        };
        match journal.append(records, false).map(|()| journal.sync_beside()) {
            Ok(Some(sync)) => {
                let (ended, syncing) = mpsc::channel();
                let reports = self.shared.reports.clone();
                let started = threads::start("longhaul-claim", CLAIM_STACK, (sync, tell), move |(sync, tell)| {
                    reports.work_on_thread(|| tell(sync.run()));
                    drop(ended);
                });
                match started {
                    Ok(()) => self.syncing = Some(syncing),
                    // No thread to be had: the hints behind it wait.
                    Err(((sync, tell), _)) => tell(sync.run()),
                }
            }
            Ok(None) => return false, // cannot be: it was there a moment ago; written twice, a claim is no harm
            Err(error) => tell(Err(error)),
        }
        true
    }

    fn answer(&mut self, DeskOrder { step, extra }: DeskOrder) -> Result<DownloadAnswer, DiskError> {
        let heard = match (step, extra) {
            (Step::Open { room }, DeskExtra::Place(whereabouts)) => {
                let found = match self.setup.renames {
                    true => self.open_free(&whereabouts, room)?,
                    false => self.open(self.arrive(&whereabouts)?, room)?,
                };
                return Ok(self.opened(found));
            }
            (Step::Publish { replace: false }, _) if self.setup.renames => return self.publish_free(),
            (Step::Seal { length }, DeskExtra::Modified(mtime_ns)) => self.seal(length, Some(mtime_ns))?,
            (step, _) => self.answer_plain(step)?,
        };
        Ok(heard.into())
    }

    /// The place was looked at; where the target is, if it was settled in.
    fn opened(&self, found: Found) -> DownloadAnswer {
        let path = self.place.as_ref().map(|place| DownloadAside::Path(place.folder.path_of(self.final_name(place))));
        DownloadAnswer { heard: Heard::Opened(Box::new(found)), aside: path }
    }

    fn seal(&self, length: u64, mtime_ns: Option<i64>) -> Result<Heard, DiskError> {
        let mode = self.place()?.folder.usual_mode();
        self.part(Slot::Main)?.seal(length, mode, mtime_ns).map(Heard::Facts)
    }

    fn answer_plain(&mut self, step: Step) -> Result<Heard, DiskError> {
        match step {
            Step::Record { records, durable } => self.record(&records, durable)?,
            Step::Compact { records } => {
                let records = self.named(&records);
                if let Some(journal) = &mut self.journal {
                    journal.compact(&records, self.setup.durable)?;
                }
            }
            Step::Create { slot } => {
                let part = Arc::new(PartFile::create_empty(self.place()?, slot, self.setup.locking, &self.id())?);
                let mut slots = self.lock_slots();
                match slot {
                    Slot::Main => slots.main = Some(part),
                    Slot::Next => slots.next = Some(part),
                }
            }
            Step::SyncDir => {
                if self.setup.durable {
                    self.place()?.folder.sync()?;
                }
            }
            Step::Promote => {
                let Some(next) = self.lock_slots().next.clone() else {
                    return Ok(Heard::Failed(DiskFault::Io));
                };
                publish::promote(self.place()?, &next, self.setup.locking)?;
                let mut slots = self.lock_slots();
                slots.main = Some(next);
                slots.next = None;
            }
            Step::RemoveNext => {
                let place = self.place()?;
                place.folder.remove_own(&place.slot(Slot::Next))?;
                self.lock_slots().next = None;
            }
            Step::Seal { length } => return self.seal(length, None),
            Step::TakeTarget { durable } => {
                let place = self.place()?;
                let entry = recognise::take(place, durable)?;
                if let Some(saved) = &self.setup.saved {
                    saved.add(&entry, &place.whose);
                }
                return Ok(Heard::Facts(entry.facts));
            }
            Step::Facts { slot } => return self.part(slot)?.facts().map(Heard::Facts),
            Step::Publish { replace } => {
                let place = self.place()?;
                if replace {
                    self.expect_unclaimed(place)?;
                }
                let published = publish::publish(place, &*self.part(Slot::Main)?, replace)?;
                if let Some(saved) = &self.setup.saved {
                    saved.add(&published, &place.whose);
                }
                self.published = true;
            }
            Step::Receipt(receipt) => self.receipt(&receipt)?,
            Step::Forget => {
                if let Some(journal) = &mut self.journal {
                    journal.remove()?;
                }
            }
            Step::RemoveAll => {
                self.place()?.remove_all(&self.id())?;
                self.journal = None;
            }
            _ => return Ok(Heard::Failed(DiskFault::Unsupported)), // not a step of the desk
        }
        Ok(Heard::Done)
    }

    pub(super) fn open(&mut self, place: Arc<Place>, room: bool) -> Result<Found, DiskError> {
        let target = self.look_at_target(&place)?;
        // A target that rules the transfer out is not worth a lock file beside it.
        if matches!(target, TargetState::Directory | TargetState::Other) {
            return Ok(Found { journal: FoundJournal::Absent, main: None, next: None, target, free: None });
        }
        let (part, main) = lock::acquire(&place, self.setup.locking)?;
        let beside = self.look_beside(&place);
        if beside.is_err() && main.as_ref().is_none_or(|found| found.len == 0) {
            let _ = place.folder.remove(&place.slot(Slot::Main)); // made to hold the lock, which we have still
        }
        let Beside { journal, found, next, next_facts, target } = beside?;
        let free = room.then(|| place.free_bytes()).flatten();
        self.settle_in(place, journal, part, next);
        Ok(Found { journal: found, main, next: next_facts, target, free })
    }

    /// What lies beside the part file, which is locked.
    fn look_beside(&self, place: &Arc<Place>) -> Result<Beside, DiskError> {
        let (journal, found) = JournalFile::open(place.clone(), self.setup.durable)?;
        let found = FoundJournal::from(found);
        let next = PartFile::open(place, Slot::Next)?;
        let next_facts = next.as_ref().map(PartFile::facts).transpose()?;
        let target = self.look_at_target(place)?;
        Ok(Beside { journal, found, next, next_facts, target })
    }

    fn arrive(&self, whereabouts: &Whereabouts) -> Result<Arc<Place>, DiskError> {
        self.arrive_at(whereabouts, &whereabouts.name)
    }

    /// The same at another name in the folder.
    pub(super) fn arrive_at(&self, whereabouts: &Whereabouts, name: &OsStr) -> Result<Arc<Place>, DiskError> {
        let folder = self.setup.folders.open_within(&whereabouts.folder, whereabouts.create_dirs)?;
        let of = match self.setup.source.window.parts().is_empty() {
            true => self.setup.source.url.clone(),
            false => format!("{} of {}", super::range_text(&self.setup.source.window), self.setup.source.url),
        };
        if let Some(saved) = &self.setup.saved {
            saved.keep_open(&folder);
        }
        Ok(Arc::new(Place::new(folder, name)?.whose(of)))
    }

    /// The id of the transfer, as the journal has it.
    fn id(&self) -> [u8; 16] {
        self.journal.as_ref().and_then(JournalFile::id).unwrap_or(self.setup.source.id)
    }

    fn settle_in(&mut self, place: Arc<Place>, journal: JournalFile, main: PartFile, next: Option<PartFile>) {
        {
            let mut slots = self.lock_slots();
            slots.main = Some(Arc::new(main));
            slots.next = next.map(Arc::new);
            slots.place = Some(place.clone());
        }
        self.setup.source.name = std::os::unix::ffi::OsStrExt::as_bytes(place.names.target()).to_vec();
        self.place = Some(place);
        self.journal = Some(journal);
    }

    /// What stands at the target; an error where that is what another download of the batch saved.
    pub(super) fn look_at_target(&self, place: &Place) -> Result<TargetState, DiskError> {
        let target = publish::look(place, |facts| self.finished(place, facts))?;
        if !matches!(target, TargetState::Absent) {
            self.expect_unclaimed(place)?;
        }
        if let (Some(saved), TargetState::File { finished: Some(_), .. }) = (&self.setup.saved, &target)
            && let Some(entry) = place.folder.look(place.names.target())?
        {
            saved.add(&entry, &place.whose);
        }
        Ok(target)
    }

    fn expect_unclaimed(&self, place: &Place) -> Result<(), DiskError> {
        let Some(saved) = &self.setup.saved else { return Ok(()) };
        let name = place.names.target();
        let Some(entry) = place.folder.look(name)? else { return Ok(()) };
        match saved.from(&entry, &place.whose) {
            None | Some(SavedFrom::Same) => Ok(()),
            Some(SavedFrom::Other(whose)) => {
                let path = place.folder.path_of(name);
                let received = || Some(self.setup.state.as_ref()?.receipt(&path).ok()??.source);
                let whose = whose.or_else(received).unwrap_or_else(|| "another source".to_owned());
                Err(DiskError::saved_here(&path, whose))
            }
        }
    }

    /// What the receipt says of the finished object of this source, when that is what stands at the target.
    fn finished(&self, place: &Place, facts: &FileFacts) -> Option<TargetReceipt> {
        let path = place.folder.path_of(place.names.target());
        // A receipt that cannot be read is as good as none: the file then counts as that of another program.
        let receipt = self.setup.state.as_ref()?.receipt(&path).ok()??;
        let name = place.names.target();
        let fits = receipt.source == self.setup.source.url
            && receipt.range == self.setup.source.window
            && receipt::is_of(&receipt, facts, &place.folder, name);
        fits.then_some(TargetReceipt { identity: receipt.of.identity, digests: receipt.of.digests })
    }

    fn record(&mut self, records: &[Record], durable: bool) -> Result<(), DiskError> {
        let records = self.named(records);
        match &mut self.journal {
            Some(journal) => journal.append(&records, durable),
            None => Ok(()),
        }
    }

    /// The core does not know the file's name; the desk does, and records it with the source.
    fn named<'r>(&self, records: &'r [Record]) -> Cow<'r, [Record]> {
        match records.split_first() {
            Some((Record::Source(_), rest)) => {
                std::iter::once(Record::Source(self.setup.source.clone())).chain(rest.iter().cloned()).collect()
            }
            _ => Cow::Borrowed(records),
        }
    }

    fn receipt(&self, of: &Receipt) -> Result<(), DiskError> {
        let Some(state) = &self.setup.state else { return Ok(()) };
        let place = self.place()?;
        state.put_receipt(&self.receipt_of(of, place), self.setup.durable)
    }

    fn receipt_of(&self, of: &Receipt, place: &Place) -> receipt::ReceiptFile {
        let path = place.folder.path_of(self.final_name(place));
        let source = self.setup.source.url.clone();
        let range = self.setup.source.window.clone();
        receipt::ReceiptFile { path, source, range, of: of.clone(), finished_ms: crate::now_unix_ms() }
    }

    /// The name that the file has, or will have.
    fn final_name<'a>(&'a self, place: &'a Place) -> &'a OsStr {
        self.published_as.as_deref().unwrap_or(place.names.target())
    }

    /// Removes a part file without a byte, which this start or an earlier one made to hold the lock.
    pub(super) fn tidy(&mut self) {
        self.settle();
        if self.published {
            return;
        }
        let Some(place) = self.place.as_ref().filter(|_| self.journal.as_ref().is_none_or(|j| !j.exists())) else {
            return;
        };
        let Ok(facts) = self.part(Slot::Main).and_then(|part| part.facts()) else { return };
        let name = place.slot(Slot::Main);
        // A published file has left the name, and another process may have made one of its own there.
        let ours = matches!(place.folder.look(&name), Ok(Some(there)) if there.facts.inode == facts.inode);
        if ours && facts.len == 0 {
            // Best effort: an empty file that stays is taken up by the next start.
            let _ = place.folder.remove(&name);
        }
    }

    pub(super) fn place(&self) -> Result<&Arc<Place>, DiskError> {
        self.place.as_ref().ok_or_else(not_open)
    }

    pub(super) fn part(&self, slot: Slot) -> Result<Arc<PartFile>, DiskError> {
        self.lock_slots().get(slot).ok_or_else(not_open)
    }

    pub(super) fn lock_slots(&self) -> MutexGuard<'_, Slots> {
        crate::sync::locked(&self.slots)
    }
}

impl seat::Desk for DownloadDesk {
    type Order = DeskOrder;
    type Heard = Heard;
    type Aside = DownloadAside;

    fn perform(&mut self, order: DeskOrder) -> DownloadAnswer {
        let hint = is_hint(&order.step);
        let answer = self.answer(order).unwrap_or_else(failed);
        if hint {
            self.shared.recorded(1);
        }
        answer
    }

    fn perform_and_tell(&mut self, ticket: Ticket, order: DeskOrder, reports: &DownloadReports) {
        if !is_hint(&order.step) {
            self.settle();
        }
        if !self.claim_beside(ticket, &order.step) {
            let answer = self.perform(order);
            reports.tell_blocking(ticket, answer);
        }
    }

    fn close(&mut self) {
        self.tidy();
    }
}

/// Whether this is what a report of written bytes leads to.
pub(super) fn is_hint(step: &Step) -> bool {
    matches!(step, Step::Record { records, .. } if matches!(records.as_slice(), [Record::Hint { .. }]))
}

fn not_open() -> DiskError {
    DiskError::said(DiskFault::Io, "use", Path::new("the transfer"), "it is not open")
}
