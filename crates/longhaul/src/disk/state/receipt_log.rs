//! The receipts of small files: one append each, in one file for all of them.
//!
//! ```text
//! receipts.log    { "\n" | CRC-64/XZ of the rest of the line, 16 hex digits | " " | receipt in JSON, on one line } ...
//! ```
//!
//! A line counts when its checksum is right; of several for one path the last one does. Each append begins with the
//! newline, so that it is not spoilt by what a crash left of another one; a zero ends a line as well. What cannot be
//! read is passed over: this file is as hostile as any other found on disk, and no line of it is believed before it
//! fits the file it speaks of. `docs/journal.md` describes it for readers.
//!
//! Several processes may append at once: each line is one write in append mode, and each holds a shared lock on the
//! file. Who opens it alone may leave out what was superseded ([`COMPACT_ABOVE`]).
//!
//! In memory it takes some 16 bytes for each path, and these only once a receipt is looked for.

use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{FileStat, Folder};
use crate::disk::platform;
use crate::sync::locked;
use longhaul_core::words::DiskFault;
use rustix::fs::FileType;
use sha2::Digest as _;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

const NAME: &str = "receipts.log";
const TEMP: &str = "receipts.log~";
/// A longer line is none of ours, and none is written: a small file has one or two blocks.
pub(super) const LINE_LEN_MAX: usize = 64 << 10;
/// A file below this is not worth rewriting.
const COMPACT_ABOVE: u64 = 1 << 20;
/// How much is read at a time.
const READ_LEN: usize = 64 << 10;
/// How often a file that was replaced while it was being locked is opened again.
const TRIES: u32 = 10;
/// Checksum and blank.
const PREFIX_LEN: usize = 17;

/// The log of one state directory.
#[derive(Debug)]
pub(super) struct ReceiptLog {
    folder: Folder,
    open: Mutex<Option<OpenLog>>,
}

#[derive(Debug)]
struct OpenLog {
    file: Arc<File>,
    index: Index,
}

/// Where the last line of each path is.
#[derive(Debug, Default)]
struct Index {
    read_to: u64,
    lines: HashMap<u64, (u64, u32)>,
}

impl ReceiptLog {
    pub(super) fn new(folder: Folder) -> Self {
        Self { folder, open: Mutex::default() }
    }

    /// Appends the receipt of a path: `json` without a newline, at most [`LINE_LEN_MAX`] bytes with its prefix. It
    /// survives a power cut after a sync of the file that is returned.
    pub(super) fn append(&self, json: &[u8]) -> Result<Arc<File>> {
        let mut line = Vec::with_capacity(1 + PREFIX_LEN + json.len());
        line.push(b'\n');
        let _ = write!(line, "{:016x} ", crc64(json)); // a vector takes everything
        line.extend_from_slice(json);
        let mut open = locked(&self.open);
        let file = self.opened(&mut open, true)?.map(|open| open.file.clone());
        let Some(file) = file else {
            return Err(DiskError::said(DiskFault::Io, "open", &self.path(), "it could not be created"));
        };
        // A line that a full disk cut in two is none: what was written of it is passed over.
        let written = (&*file)
            .write(&line)
            .and_then(|len| if len == line.len() { Ok(()) } else { Err(std::io::ErrorKind::StorageFull.into()) });
        written.map_err(|e| DiskError::io("append to", &self.path(), e))?;
        Ok(file)
    }

    /// The JSON of the last whole line about a path, for `is_of` to look whether it really is.
    pub(super) fn get(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let mut open = locked(&self.open);
        let Some(open) = self.opened(&mut open, false)? else { return Ok(None) };
        open.read_on().map_err(|e| DiskError::io("read", &self.path(), e))?;
        let found = open.index.lines.get(&key(path.as_os_str().as_bytes())).copied();
        Ok(found.and_then(|at| line_at(&open.file, at)))
    }

    /// Tells the JSON of the last whole line of every path, one by one, in no order. `tell` must not ask the log.
    pub(super) fn each(&self, mut tell: impl FnMut(&[u8])) -> Result<()> {
        let mut open = locked(&self.open);
        let Some(open) = self.opened(&mut open, false)? else { return Ok(()) };
        open.read_on().map_err(|e| DiskError::io("read", &self.path(), e))?;
        open.index.lines.values().filter_map(|&at| line_at(&open.file, at)).for_each(|json| tell(&json));
        Ok(())
    }

    /// Where it lies.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path_of(OsStr::new(NAME))
    }

    fn opened<'a>(&self, open: &'a mut Option<OpenLog>, create: bool) -> Result<Option<&'a mut OpenLog>> {
        if open.is_none() {
            *open = self.open_locked(create)?;
        }
        Ok(open.as_mut())
    }

    fn open_locked(&self, create: bool) -> Result<Option<OpenLog>> {
        let name = OsStr::new(NAME);
        for _ in 0..TRIES {
            let Some(file) = self.folder.open_to_append(name, create)? else { return Ok(None) };
            let failed = |e: std::io::Error| DiskError::io("lock", &self.path(), e);
            let alone = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => {
                    file.lock_shared().map_err(failed)?; // its holder lets go of it after a rewrite
                    false
                }
                Err(TryLockError::Error(e)) if platform::means_unsupported(&e) => false, // never rewritten, then
                Err(TryLockError::Error(e)) => return Err(failed(e)),
            };
            let entry = FileStat::of(&file).map_err(|e| DiskError::io("look at", &self.path(), e))?;
            if entry.kind != FileType::RegularFile || entry.links > 1 {
                return Err(DiskError::said(DiskFault::Exists, "open", &self.path(), "it is not a file of ours"));
            }
            if !self.folder.look(name)?.is_some_and(|named| named.same_file(&entry)) {
                continue; // rewritten between our opening and our locking it
            }
            if create && entry.facts.len == 0 {
                self.folder.sync()?; // its name is new, perhaps
            }
            let mut open = OpenLog { file: Arc::new(file), index: Index::default() };
            if alone {
                if entry.facts.len > COMPACT_ABOVE
                    && let Some(smaller) = self.rewrite(&mut open)?
                {
                    open = smaller;
                }
                let _ = open.file.lock_shared(); // ours already: it cannot be refused
            }
            return Ok(Some(open));
        }
        Err(DiskError::said(DiskFault::InUse, "open", &self.path(), "other processes keep rewriting it"))
    }

    /// A new file with the last lines alone, when that is at most half of it; locked before it has the name.
    fn rewrite(&self, open: &mut OpenLog) -> Result<Option<OpenLog>> {
        let failed = |e: std::io::Error| DiskError::io("rewrite", &self.path(), e);
        open.read_on().map_err(failed)?;
        let live: u64 = open.index.lines.values().map(|&(_, len)| u64::from(len) + 1).sum();
        if live > open.index.read_to / 2 {
            return Ok(None);
        }
        let (temp, name) = (OsStr::new(TEMP), OsStr::new(NAME));
        drop(self.folder.create_file_anew(temp)?);
        let Some(file) = self.folder.open_to_append(temp, false)? else { return Ok(None) };
        file.try_lock().map_err(|e| failed(e.into()))?;
        let mut out = std::io::BufWriter::new(&file);
        for &at in open.index.lines.values() {
            if let Some(json) = line_at(&open.file, at) {
                write!(out, "\n{:016x} ", crc64(&json)).and_then(|()| out.write_all(&json)).map_err(failed)?;
            }
        }
        out.flush().map_err(failed)?;
        drop(out);
        platform::sync_data(&file).map_err(failed)?;
        self.folder.rename(temp, name)?;
        self.folder.sync()?;
        Ok(Some(OpenLog { file: Arc::new(file), index: Index::default() }))
    }
}

impl OpenLog {
    /// Takes up what was appended since the last look.
    fn read_on(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; READ_LEN];
        let mut line = Vec::new();
        let mut at = self.index.read_to;
        let mut line_at = at;
        loop {
            let len = self.file.read_at(&mut buffer, at)?;
            let mut rest = &buffer[..len];
            // After a power cut zeros may stand where an append was that had not been synced, right behind the line
            // before.
            while let Some(end) = rest.iter().position(|&b| b == b'\n' || b == 0) {
                line.extend_from_slice(&rest[..end]);
                self.index.take(line_at, &line);
                at += end as u64 + 1;
                (line_at, rest) = (at, &rest[end + 1..]);
                line.clear();
            }
            if len == 0 {
                // The last line has no newline behind it yet. Torn or whole, it is looked at again next time.
                self.index.take(line_at, &line);
                self.index.read_to = line_at;
                return Ok(());
            }
            at += rest.len() as u64;
            if line.len() <= LINE_LEN_MAX {
                line.extend_from_slice(rest); // what is longer is passed over, and not kept
            }
        }
    }
}

impl Index {
    fn take(&mut self, at: u64, line: &[u8]) {
        if line.len() > LINE_LEN_MAX {
            return;
        }
        if let Some(path) = checked(line).and_then(path_in)
            && let Ok(len) = u32::try_from(line.len())
        {
            self.lines.insert(key(&path), (at, len));
        }
    }
}

fn line_at(file: &File, (at, len): (u64, u32)) -> Option<Vec<u8>> {
    let mut line = vec![0; len as usize];
    file.read_exact_at(&mut line, at).ok()?;
    checked(&line).map(<[u8]>::to_vec)
}

/// The JSON of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (prefix, json) = line.split_at_checked(PREFIX_LEN)?;
    (prefix == format!("{:016x} ", crc64(json)).as_bytes()).then_some(json)
}

/// The path that a receipt speaks of.
fn path_in(json: &[u8]) -> Option<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Path {
        path: super::state_dir::StoredPath,
    }
    let found: Path = serde_json::from_slice(json).ok()?;
    Some(found.path.to_path()?.into_os_string().into_encoded_bytes())
}

/// Two paths with one key (one pair in 2^64) share a place; the later one has it.
fn key(path: &[u8]) -> u64 {
    let hash = sha2::Sha256::digest(path);
    hash.iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte))
}

fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = crate::disk::crc::RunningCrc::new();
    crc.update(bytes);
    crc.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(dir: &Path) -> ReceiptLog {
        ReceiptLog::new(Folder::open(dir).unwrap())
    }

    fn json(path: &str, more: &str) -> Vec<u8> {
        format!("{{\"path\":\"{path}\",\"more\":\"{more}\"}}").into_bytes()
    }

    fn get(log: &ReceiptLog, path: &str) -> Option<Vec<u8>> {
        log.get(Path::new(path)).unwrap()
    }

    #[test]
    fn the_last_receipt_of_a_path_is_found_whoever_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (log(dir.path()), log(dir.path()));
        assert_eq!(get(&one, "/a"), None);
        assert!(!dir.path().join(NAME).exists(), "looking creates nothing");
        for (log, path, more) in [(&one, "/a", "1"), (&other, "/b", "2"), (&other, "/a", "3"), (&one, "/c", "4")] {
            log.append(&json(path, more)).unwrap();
        }
        for log in [&one, &other, &super::ReceiptLog::new(Folder::open(dir.path()).unwrap())] {
            assert_eq!(get(log, "/a"), Some(json("/a", "3")));
            assert_eq!(get(log, "/b"), Some(json("/b", "2")));
            assert_eq!(get(log, "/d"), None);
            let mut lines = 0;
            log.each(|_| lines += 1).unwrap();
            assert_eq!(lines, 3);
        }
    }

    #[test]
    fn zeros_that_a_power_cut_left_behind_a_line_take_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        for zeros in [1, 100, 3 * LINE_LEN_MAX] {
            let _ = std::fs::remove_file(&path);
            log(dir.path()).append(&json("/a", "1")).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.resize(bytes.len() + zeros, 0);
            std::fs::write(&path, &bytes).unwrap();
            let log = log(dir.path());
            assert_eq!(get(&log, "/a"), Some(json("/a", "1")), "{zeros} zeros");
            log.append(&json("/b", "2")).unwrap();
            assert_eq!(get(&log, "/b"), Some(json("/b", "2")), "behind {zeros} zeros");
        }
    }

    #[test]
    fn what_is_torn_damaged_or_absurd_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        log(dir.path()).append(&json("/a", "1")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in 0..whole.len() {
            std::fs::write(&path, &whole[..torn]).unwrap();
            let log = log(dir.path());
            assert_eq!(get(&log, "/a"), None, "{torn} bytes");
            log.append(&json("/b", "2")).unwrap();
            assert_eq!(get(&log, "/b"), Some(json("/b", "2")), "behind {torn} bytes");
        }
        for at in 1..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(get(&log(dir.path()), "/a"), None, "byte {at}");
        }
        let mut giant = vec![b'x'; 3 * READ_LEN + 5];
        giant.extend_from_slice(&whole);
        std::fs::write(&path, &giant).unwrap();
        assert_eq!(get(&log(dir.path()), "/a"), Some(json("/a", "1")));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(log(dir.path()).get(Path::new("/a")).is_err() && log(dir.path()).append(b"{}").is_err());
    }

    #[test]
    fn what_was_superseded_goes_when_nobody_else_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let long = "x".repeat(50_000);
        {
            let log = log(dir.path());
            for n in 0..50 {
                log.append(&json("/a", &format!("{n}{long}"))).unwrap();
            }
            log.append(&json("/b", "1")).unwrap();
            let before = path.metadata().unwrap().len();
            assert!(before > COMPACT_ABOVE);
            let second = super::ReceiptLog::new(Folder::open(dir.path()).unwrap());
            assert!(get(&second, "/b").is_some());
            assert_eq!(path.metadata().unwrap().len(), before, "another has it open");
        }
        let log = log(dir.path());
        assert_eq!(get(&log, "/a"), Some(json("/a", &format!("49{long}"))));
        assert!(path.metadata().unwrap().len() < 60_000);
        log.append(&json("/c", "2")).unwrap();
        assert_eq!((get(&log, "/b"), get(&log, "/c")), (Some(json("/b", "1")), Some(json("/c", "2"))));
    }
}
