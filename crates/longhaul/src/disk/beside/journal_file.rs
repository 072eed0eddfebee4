//! The journal on disk: read whole, cut to what counts, appended to, replaced by a new generation.
//!
//! What the bytes mean is decided in the core ([`JournalRecord`]); here is what survives a crash:
//!
//! - After a durable append returned, its records are there after a power cut, and the journal's name with them.
//! - After a failed append none, some or all of its records may be found by the next start. Before anything else is
//!   appended the torn tail is cut off, so that a record of a failed append can never come back behind a later one.
//! - After a failed sync the kernel may show as written what never reached the disk, and a second sync would
//!   succeed without writing it: the next durable append first writes the whole journal to a new file.
//! - Compaction gives the old journal or the new one, never a mixture.

use super::names::{BAD_MAX, Helper};
use super::place::Place;
use super::publish;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{FileStat, read_at_most};
use crate::disk::platform;
use longhaul_core::download::journal;
use longhaul_core::download::resume::FoundJournal;
use longhaul_core::frame::{self, JournalRecord, Problem, Readable};
use longhaul_core::words::DiskFault;
use rustix::fs::FileType;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// No journal of ours comes near: 8192 blocks, cut into a few extents each, are compacted before four hints and claims
/// of each, 41 bytes apiece, have come together. It is read whole, so this is part of what memory is bounded by.
pub(crate) const LEN_MAX: u64 = 8 << 20;
/// Space is reserved in steps of this, so that a full disk can still record why it stops.
const RESERVE_LEN: u64 = 64 << 10;

/// A journal as found.
#[derive(Debug)]
pub(crate) enum OnDisk<R> {
    /// There is none.
    Absent,
    /// Readable, up to the last whole record.
    Read(R),
    /// Unreadable: it was set aside under another name.
    SetAside(Problem),
}

impl From<OnDisk<journal::Recovered>> for FoundJournal {
    fn from(found: OnDisk<journal::Recovered>) -> Self {
        match found {
            OnDisk::Absent => Self::Absent,
            OnDisk::Read(recovered) => Self::Read(Box::new(recovered)),
            OnDisk::SetAside(problem) => Self::SetAside(problem),
        }
    }
}

/// The journal of one transfer, whether it exists yet or not. The caller holds the transfer's lock.
#[derive(Debug)]
pub(crate) struct JournalFile<R = journal::Record> {
    place: Arc<Place>,
    open: Option<OpenJournal>,
    /// The id in the journal as it stands on disk: it names what a crash leaves.
    id: Option<[u8; 16]>,
    kind: PhantomData<fn() -> R>,
}

#[derive(Debug)]
struct OpenJournal {
    file: Arc<File>,
    /// Bytes that count; the next frame goes here.
    len: u64,
    /// Sequence number of the next frame.
    sequence: u32,
    /// Blocks are reserved up to here.
    reserved: u64,
    /// Bytes may lie behind `len`: an append failed.
    torn: bool,
    /// A sync of the file failed: what it holds is not what the disk holds.
    doubtful: Arc<AtomicBool>,
    /// Its name may not be on disk yet.
    name_unsynced: bool,
}

impl<R: JournalRecord> JournalFile<R> {
    /// Reads the journal of a place. One that cannot be used (damaged, foreign, newer, a link, no file, too large) is
    /// renamed away and never written to; then the next append begins a new one.
    ///
    /// What is read may be in the kernel's cache only: its writer may have been killed before its sync. With
    /// `durable` it is synced here, so that acting on it (removing a retired file, say) does not run ahead of the disk.
    pub(crate) fn open(place: Arc<Place>, durable: bool) -> Result<(Self, OnDisk<R::Recovered>)> {
        let mut this = Self { place, open: None, id: None, kind: PhantomData };
        let (folder, name) = (&this.place.folder, this.place.names.log());
        let problem = match folder.look(&name)? {
            None => return Ok((this, OnDisk::Absent)),
            Some(entry) => match this.read(entry)? {
                Ok((open, recovered)) => {
                    let id = R::id_of(&recovered);
                    this.place.remove_helpers(&id);
                    (this.open, this.id) = (Some(open), Some(id));
                    if durable {
                        this.sync_found()?;
                    }
                    return Ok((this, OnDisk::Read(recovered)));
                }
                Err(problem) => problem,
            },
        };
        this.set_aside()?;
        Ok((this, OnDisk::SetAside(problem)))
    }

    /// The journal of a place that has none, to be begun; `None` where something stands at its name.
    pub(crate) fn absent(place: Arc<Place>) -> Result<Option<Self>> {
        let there = place.folder.look(&place.names.log())?;
        Ok(there.is_none().then_some(Self { place, open: None, id: None, kind: PhantomData }))
    }

    fn sync_found(&mut self) -> Result<()> {
        if self.open.as_mut().is_some_and(|open| open.sync().is_err()) {
            self.write_again()?;
        }
        self.sync_name()
    }

    fn read(&self, entry: FileStat) -> Result<std::result::Result<(OpenJournal, R::Recovered), Problem>> {
        // A file with a second name is another program's as well: it would grow with ours.
        let folder = &self.place.folder;
        if entry.kind != FileType::RegularFile || entry.links > 1 || folder.stranger(&entry).is_some() {
            return Ok(Err(Problem::Foreign));
        }
        if entry.facts.len > LEN_MAX {
            return Ok(Err(Problem::Damaged));
        }
        let name = self.place.names.log();
        let Some(file) = folder.open_own(&name, true)? else { return Ok(Err(Problem::Short)) };
        // A journal that the drive cannot read is damaged: it must not block the transfer.
        let Ok(bytes) = read_at_most(&file, LEN_MAX + 1) else { return Ok(Err(Problem::Damaged)) };
        let mut recovered = match frame::decode::<R>(&bytes) {
            Ok(decoded) if bytes.len() as u64 <= LEN_MAX => decoded,
            Ok(_) => return Ok(Err(Problem::Damaged)),
            Err(problem) => return Ok(Err(problem)),
        };
        let Readable { len, next_sequence, torn } = *R::readable(&mut recovered);
        let open = OpenJournal {
            file: Arc::new(file),
            len,
            sequence: next_sequence,
            reserved: 0,
            torn,
            doubtful: Arc::default(),
            // The process that wrote it may have died before it synced the folder.
            name_unsynced: true,
        };
        Ok(Ok((open, recovered)))
    }

    /// Whether there is a journal to append to.
    pub(crate) fn exists(&self) -> bool {
        self.open.is_some()
    }

    /// The id of the transfer in the journal as it stands on disk.
    pub(crate) fn id(&self) -> Option<[u8; 16]> {
        self.id
    }

    /// Its length in bytes.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.len)
    }

    /// Appends records, creating the journal where there is none. With `durable` they (and all before them) survive a
    /// power cut once this returns.
    pub(crate) fn append(&mut self, records: &[R], durable: bool) -> Result<()> {
        if durable && self.open.as_ref().is_some_and(OpenJournal::is_doubtful) {
            self.write_again()?;
        }
        let mut bytes = Vec::new();
        let sequence = match &self.open {
            Some(open) if open.len > 0 => open.sequence,
            _ => {
                bytes.extend_from_slice(&frame::header::<R>());
                0
            }
        };
        let sequence = frame::encode(records, sequence, &mut bytes);
        let path = self.place.folder.path_of(&self.place.names.log());
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(OpenJournal::new(self.place.folder.create_file(&self.place.names.log())?, true)),
        };
        open.write(&bytes).map_err(|e| DiskError::io("append to", &path, e))?;
        open.sequence = sequence;
        self.id = records.iter().rev().find_map(R::id).or(self.id);
        if durable {
            open.sync().map_err(|e| DiskError::io("sync", &path, e))?;
            self.sync_name()?;
        }
        Ok(())
    }

    /// A sync of all that was appended so far, to be run on another thread beside appends that are not durable; before
    /// any other call it must have ended. `None` where more than that is needed: a name that is not on disk, a sync
    /// that failed before.
    pub(crate) fn sync_beside(&self) -> Option<SyncBeside> {
        let open = self.open.as_ref().filter(|open| !open.name_unsynced && !open.is_doubtful())?;
        let path = self.place.folder.path_of(&self.place.names.log());
        Some(SyncBeside { file: open.file.clone(), doubtful: open.doubtful.clone(), path })
    }

    /// Replaces the journal by one that holds just these records, and goes on appending to it. With `durable`: written,
    /// synced, renamed, folder synced. After an error the old journal or the new one stands, whole, and appending goes
    /// on with the one that stands.
    pub(crate) fn compact(&mut self, records: &[R], durable: bool) -> Result<()> {
        let mut bytes = frame::header::<R>().to_vec();
        let sequence = frame::encode(records, 0, &mut bytes);
        self.replace(&bytes, sequence, durable)?;
        self.id = records.iter().rev().find_map(R::id).or(self.id);
        Ok(())
    }

    /// The same journal in a new file, after a sync of the old one failed.
    fn write_again(&mut self) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let path = self.place.folder.path_of(&self.place.names.log());
        let mut bytes = vec![0; usize::try_from(open.len).unwrap_or(usize::MAX)];
        open.file.read_exact_at(&mut bytes, 0).map_err(|e| DiskError::io("read", &path, e))?;
        let readable = frame::decode::<R>(&bytes).map(|mut recovered| *R::readable(&mut recovered));
        if readable.is_ok_and(|to| to.len == open.len && to.next_sequence == open.sequence) {
            let sequence = open.sequence;
            return self.replace(&bytes, sequence, true);
        }
        let why = "what was written to it is lost: the disk failed";
        Err(DiskError::said(DiskFault::Io, "read", &path, why))
    }

    fn replace(&mut self, bytes: &[u8], sequence: u32, durable: bool) -> Result<()> {
        let (folder, names) = (&self.place.folder, &self.place.names);
        let (file, temp) = self.place.create_helper(Helper::Log, &self.id.unwrap_or_default())?;
        let (mut new, name) = (OpenJournal::new(file, true), names.log());
        new.sequence = sequence;
        let written = new.write(bytes).and_then(|()| if durable { new.sync() } else { Ok(()) });
        let renamed = written
            .map_err(|e| DiskError::io("write", &folder.path_of(&temp), e))
            .and_then(|()| folder.rename(&temp, &name));
        if renamed.is_err() {
            // Best effort: a leftover is removed at the next start.
            let _ = folder.remove(&temp);
            return renamed;
        }
        self.open = Some(new);
        if durable { self.sync_name() } else { Ok(()) }
    }

    /// Until this succeeds a power cut may bring back the old journal under the name, or none.
    fn sync_name(&mut self) -> Result<()> {
        if let Some(open) = self.open.as_mut().filter(|open| open.name_unsynced) {
            self.place.folder.sync()?;
            open.name_unsynced = false;
        }
        Ok(())
    }

    /// Renames what stands at the journal's name to `NAME.lhlog.bad-N`: the first free number, else that of the oldest
    /// that was a journal of ours. `Exists` when there is neither. A file of ours without a byte, left by a process
    /// that was killed when it had just made it, is removed.
    fn set_aside(&self) -> Result<()> {
        let (folder, names) = (&self.place.folder, &self.place.names);
        let log = names.log();
        let is_empty =
            |e: &FileStat| e.kind == FileType::RegularFile && e.facts.len == 0 && folder.stranger(e).is_none();
        if folder.look(&log)?.is_some_and(|e| is_empty(&e)) {
            return folder.remove(&log).map(drop);
        }
        let mut old: Vec<(i64, OsString)> = Vec::new();
        for to in (1..=BAD_MAX).map(|number| names.log_bad(number)) {
            match folder.look(&to)? {
                None => match publish::set_aside(folder, &log, &to) {
                    Err(e) if e.fault() == DiskFault::Exists => {} // taken a moment ago
                    renamed => return renamed,
                },
                Some(entry) if self.was_journal(&to, &entry) => old.push((entry.facts.ctime_ns, to)),
                Some(_) => {}
            }
        }
        match old.into_iter().min() {
            Some((_, to)) => folder.rename(&log, &to),
            None => {
                let why = "nine files that are no journals stand where it would be set aside (.bad-1 to .bad-9)";
                Err(DiskError::said(DiskFault::Exists, "set aside", &folder.path_of(&log), why))
            }
        }
    }

    /// Whether a file was set aside here, and not made by another program: no other user could have written it, and it
    /// begins as journals do, or with the zeros that a power cut leaves.
    fn was_journal(&self, name: &OsStr, entry: &FileStat) -> bool {
        const BEGINNING: usize = 8;
        if entry.kind != FileType::RegularFile || entry.links > 1 {
            return false;
        }
        let Ok(Some(file)) = self.place.folder.open_own(name, false) else { return false };
        let Ok(bytes) = read_at_most(&file, BEGINNING as u64) else { return false };
        frame::header::<R>().starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0)
    }

    /// Removes the journal; whether there was one. May be called twice. It lasts after a sync of the folder.
    pub(crate) fn remove(&mut self) -> Result<bool> {
        self.open = None;
        self.place.folder.remove_own(&self.place.names.log())
    }
}

/// A sync of a journal that may run on another thread.
pub(crate) struct SyncBeside {
    file: Arc<File>,
    doubtful: Arc<AtomicBool>,
    path: PathBuf,
}

impl SyncBeside {
    /// Syncs. After an error the next durable append writes the journal into a new file.
    pub(crate) fn run(&self) -> Result<()> {
        let result = platform::sync_data(&self.file);
        self.doubtful.fetch_or(result.is_err(), Ordering::Relaxed);
        result.map_err(|e| DiskError::io("sync", &self.path, e))
    }
}

impl OpenJournal {
    fn new(file: File, name_unsynced: bool) -> Self {
        let (file, doubtful) = (Arc::new(file), Arc::default());
        Self { file, len: 0, sequence: 0, reserved: 0, torn: false, doubtful, name_unsynced }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.torn {
            self.file.set_len(self.len)?;
            self.reserved = 0; // cutting gave the blocks back
            self.torn = false;
        }
        let end = self.len + bytes.len() as u64;
        if end + RESERVE_LEN / 2 > self.reserved {
            let upto = (end + RESERVE_LEN).next_multiple_of(RESERVE_LEN);
            platform::reserve(&self.file, self.len, upto - self.len);
            self.reserved = upto;
        }
        self.torn = true;
        self.file.write_all_at(bytes, self.len)?;
        self.torn = false;
        self.len = end;
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        let result = platform::sync_data(&self.file);
        self.doubtful.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }

    fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "journal_file_tests.rs"]
mod tests;
