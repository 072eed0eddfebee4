//! The file that holds a transfer's bytes until they are whole: written at offsets, synced, read back, sealed.

use super::lock::HeldFile;
use super::names::Helper;
use super::place::Place;
use crate::disk::crc::RunningCrc;
use crate::disk::digests::Digests;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{FileStat, PRIVATE};
use crate::disk::platform;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::download::held::Slot;
use longhaul_core::ranges::Range;
use longhaul_core::words::{DiskFault, Extent, FileFacts};
use rustix::fs::{Mode, Timespec, Timestamps};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much is read at a time: large enough that calls are few, small enough for the memory cap.
const BUFFER_LEN: usize = 256 << 10;

/// An open part file. All methods take `&self`: writes at offsets, syncs and checks may overlap.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    path: PathBuf,
    /// Its permissions and time are set: a sync has to carry them as well.
    sealed: AtomicBool,
    /// That this program has its lock: known for as long as the file is open.
    held: OnceLock<HeldFile>,
}

impl PartFile {
    /// Opens the file of a slot; `None` when there is none. `Exists` for a link, a folder, a device, a file with a
    /// second name (another program's bytes could be under it), and one that another user could change, now or when it
    /// is whole.
    pub(crate) fn open(place: &Place, slot: Slot) -> Result<Option<Self>> {
        let name = place.slot(slot);
        let Some(file) = place.folder.open_own(&name, true)? else { return Ok(None) };
        let part = Self::of(file, place.folder.path_of(&name));
        let entry = part.entry()?;
        if entry.links > 1 {
            let why = "the file has a second name (hard link); move it away";
            return Err(DiskError::said(DiskFault::Exists, "open", &part.path, why));
        }
        if slot == Slot::Next {
            part.make_private(); // the caller holds the lock on the main file
        }
        Ok(Some(part))
    }

    /// Creates the main file (0600); `Exists` when anything is there. It is not synced: a name that a crash took away
    /// again is created again.
    pub(crate) fn create_main(place: &Place) -> Result<Self> {
        let name = place.slot(Slot::Main);
        Ok(Self::of(place.folder.create_file(&name)?, place.folder.path_of(&name)))
    }

    /// Makes an empty file in a slot, on an inode of its own: late writes to the file that was there cannot reach it.
    /// In [`Slot::Main`] it is locked before it gets its name (`lock` says how), so the transfer is never without a
    /// lock; keep the old file open until then. It is not synced: sync the folder before promising anything about it.
    /// `id` is that of the transfer.
    pub(crate) fn create_empty(place: &Place, slot: Slot, lock: super::lock::Locking, id: &[u8; 16]) -> Result<Self> {
        let name = place.slot(slot);
        let path = place.folder.path_of(&name);
        if slot == Slot::Next {
            return Ok(Self::of(place.folder.create_file_anew(&name)?, path));
        }
        let (file, temp) = place.create_helper(Helper::Part, id)?;
        let part = Self::of(file, path);
        let taken = super::lock::take(&part, lock, place).and_then(|()| place.folder.rename(&temp, &name));
        if taken.is_err() {
            let _ = place.folder.remove(&temp); // best effort: a start knows its name and removes it
        }
        taken.map(|()| part)
    }

    fn of(file: File, path: PathBuf) -> Self {
        Self { file, path, sealed: AtomicBool::new(false), held: OnceLock::new() }
    }

    /// It is known to be locked by this program, until it is closed.
    pub(super) fn keep(&self, held: HeldFile) {
        let _ = self.held.set(held);
    }

    /// Whether this is the file that was locked; `None` when this program has no lock on it.
    pub(super) fn is_held_file(&self, entry: &FileStat) -> Option<bool> {
        self.held.get().map(|held| held.is_of(entry))
    }

    /// Takes the file away from other users, if it was theirs too. Best effort: some file systems have fixed
    /// permissions. Only for the holder of the lock: another process may be about to publish the file.
    pub(super) fn make_private(&self) {
        if self.entry().is_ok_and(|entry| entry.mode & 0o777 != PRIVATE) {
            let _ = rustix::fs::fchmod(&self.file, Mode::from_raw_mode(PRIVATE as _));
        }
    }

    /// Where it was when it was opened, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// What it is now.
    pub(crate) fn entry(&self) -> Result<FileStat> {
        FileStat::of(&self.file).map_err(|e| self.failed("look at", e))
    }

    /// Its length, inode and times now.
    pub(crate) fn facts(&self) -> Result<FileFacts> {
        Ok(self.entry()?.facts)
    }

    /// Writes all bytes at an offset. Not durable before [`sync_data`](Self::sync_data); after an error any part of
    /// them may have been written.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|e| self.failed("write", e))
    }

    /// Makes everything written before the call durable, with the length that is needed to find it. After an error no
    /// byte written since the last success may be relied on, and a second call that succeeds does not change that. Once
    /// the file is sealed its permissions and times are part of it.
    pub(crate) fn sync_data(&self) -> Result<()> {
        let sealed = self.sealed.load(Ordering::Relaxed);
        let sync = if sealed { platform::sync_all } else { platform::sync_data };
        sync(&self.file).map_err(|e| self.failed("sync", e))
    }

    /// Makes the file what will be published: cut (or extended by zeros) to `length`, with the permissions `mode`
    /// ([`usual_mode`](crate::disk::folder::Folder::usual_mode)) and, when given, this modification time (nanoseconds
    /// since the Unix epoch). It survives a power cut after the next [`sync_data`](Self::sync_data). May be called
    /// twice; tells the facts after it.
    pub(crate) fn seal(&self, length: u64, mode: u32, mtime_ns: Option<i64>) -> Result<FileFacts> {
        // Best effort, like permissions everywhere: some file systems have none.
        let _ = rustix::fs::fchmod(&self.file, Mode::from_raw_mode(mode as _));
        let mut facts = self.facts()?;
        if facts.len != length {
            self.file.set_len(length).map_err(|e| self.failed("cut", e))?;
            facts = self.facts()?;
        }
        if let Some(ns) = mtime_ns {
            let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
            // `rem_euclid` is below 10^9 and fits every width this field has.
            let modified = time(ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000) as _);
            let times = Timestamps { last_access: time(0, rustix::fs::UTIME_OMIT as _), last_modification: modified };
            rustix::fs::futimens(&self.file, &times).map_err(|e| self.failed("set the time of", e))?;
            facts = self.facts()?;
        }
        self.sealed.store(true, Ordering::Relaxed);
        Ok(facts)
    }

    /// Reads these extents and returns those whose bytes do not have the CRC said: they differ, are past the end, or
    /// cannot be read (a bad sector is damage like any other; fetching it again lets the drive replace it). With
    /// `rewrite`, bytes that match are written again in place, so that the next sync carries them. `None` when
    /// `cancelled` became true meanwhile.
    pub(crate) fn check(
        &self,
        extents: &[Extent],
        rewrite: bool,
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<Extent>>> {
        let len = self.facts()?.len;
        let mut buffer = vec![0; BUFFER_LEN];
        let mut bad = Vec::new();
        for &extent in extents {
            let good = extent.start.checked_add(extent.len).is_some_and(|end| end <= len)
                && self.crc_matches(extent, &mut buffer, false, cancelled)?
                // Only what was found right is written; what comes from the second reading is compared as well.
                && (!rewrite || self.crc_matches(extent, &mut buffer, true, cancelled)?);
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if !good {
                bad.push(extent);
            }
        }
        Ok(Some(bad))
    }

    /// Takes over pieces of another program's file, to the same places, and tells their CRCs. Where the file system can
    /// (Btrfs, XFS and others), both files share the bytes on the disk, and none is copied; what is told was read from
    /// this file in any case. A piece that the other file does not have, or that cannot be read, is left out. `None` when
    /// `cancelled` became true meanwhile.
    pub(crate) fn copy_from(
        &self,
        other: &File,
        pieces: &[Range],
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<Extent>>> {
        let shared = self.facts()?.len == 0 && platform::share_bytes(other, &self.file).is_ok();
        let mut buffer = vec![0; BUFFER_LEN];
        let mut extents = Vec::new();
        for piece in pieces {
            let mut crc = RunningCrc::new();
            let mut at = piece.start;
            while at < piece.end {
                if cancelled.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let wanted = usize::try_from(piece.end - at).unwrap_or(usize::MAX).min(buffer.len());
                let chunk = &mut buffer[..wanted];
                if (if shared { &self.file } else { other }).read_exact_at(chunk, at).is_err() {
                    break;
                }
                if !shared {
                    self.write_at(at, chunk)?;
                }
                crc.update(chunk);
                at += wanted as u64;
            }
            if at == piece.end && !piece.is_empty() {
                extents.push(Extent { start: piece.start, len: piece.len(), crc: crc.value() });
            }
        }
        Ok(Some(extents))
    }

    /// Whether the extent's bytes have its CRC; with `rewrite` each buffer is written back where it was read.
    fn crc_matches(&self, extent: Extent, buffer: &mut [u8], rewrite: bool, cancelled: &AtomicBool) -> Result<bool> {
        let mut crc = RunningCrc::new();
        let mut at = extent.start;
        while at < extent.end() && !cancelled.load(Ordering::Relaxed) {
            let wanted = usize::try_from(extent.end() - at).unwrap_or(usize::MAX).min(buffer.len());
            let chunk = &mut buffer[..wanted];
            if self.file.read_exact_at(chunk, at).is_err() {
                return Ok(false);
            }
            crc.update(chunk);
            if rewrite {
                self.write_at(at, chunk)?;
            }
            at += wanted as u64;
        }
        Ok(crc.value() == extent.crc)
    }

    /// The digests of the first `length` bytes, in the order of `kinds`, from one reading. `None` when `cancelled`
    /// became true meanwhile; an error when the file is shorter.
    pub(crate) fn digest(
        &self,
        length: u64,
        kinds: &[DigestKind],
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<Digest>>> {
        digest(&self.file, &self.path, length, kinds, cancelled)
    }

    fn failed(&self, doing: &'static str, e: impl Into<std::io::Error>) -> DiskError {
        DiskError::io(doing, &self.path, e)
    }
}

/// The digests of the first `length` bytes of a file, as of [`PartFile::digest`].
pub(super) fn digest(
    file: &File,
    path: &Path,
    length: u64,
    kinds: &[DigestKind],
    cancelled: &AtomicBool,
) -> Result<Option<Vec<Digest>>> {
    let Some(mut digests) = Digests::new(kinds) else {
        let why = "a digest was asked for that this program cannot compute";
        return Err(DiskError::said(DiskFault::Unsupported, "read", path, why));
    };
    let mut buffer = vec![0; BUFFER_LEN];
    let mut at = 0;
    while at < length {
        if cancelled.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let wanted = usize::try_from(length - at).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = &mut buffer[..wanted];
        file.read_exact_at(chunk, at).map_err(|e| DiskError::io("read", path, e))?;
        digests.update(chunk);
        at += wanted as u64;
    }
    Ok(Some(digests.finish()))
}

#[cfg(test)]
#[path = "part_file_tests.rs"]
mod tests;
