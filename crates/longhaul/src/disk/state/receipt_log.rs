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
//! In memory it takes some 14 bytes for each path, and these only once a receipt is looked for. What was read is not read
//! again.

use super::state_dir::StoredPath;
use crate::disk::compact::CompactMap;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{FileStat, Folder};
use crate::disk::platform;
use crate::random::random_u64;
use crate::sync::locked;
use longhaul_core::window::Window;
use longhaul_core::words::DiskFault;
use rustix::fs::FileType;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const NAME: &str = "receipts.log";
const TEMP: &str = "receipts.log~";
/// A longer line is none of ours, and none is written: a small file has one or two blocks.
pub(super) const LINE_LEN_MAX: usize = 64 << 10;
/// A file below this is not worth rewriting.
const COMPACT_ABOVE: u64 = 1 << 20;
/// How much is read at a time.
const READ_LEN: usize = 64 << 10;
/// How much is read of a line whose length is not known.
const LINE_LEN: usize = 1 << 10;
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

/// Where lines begin.
#[derive(Debug, Default)]
struct Index {
    read_to: u64,
    /// Of all paths; also of those that were superseded.
    lines: u64,
    hash: RandomState,
    /// The last line of each path.
    last: CompactMap<Offset>,
    /// By folder, source and range, of files whose name is not the one that their source says: others are found by that.
    by_source: CompactMap<Offset>,
}

/// So many are found by their source alone, in 7 MiB. Others are found by asking the source for its name.
const BY_SOURCE_MAX: usize = 1 << 19;

/// In the file, up to a tebibyte; what lies behind that is not found.
type Offset = [u8; 5];

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
        let found = open.index.last.get(open.index.key(path));
        Ok(found.and_then(|offset| line_at(&open.file, position(offset))))
    }

    /// Takes up what was appended since the last time.
    pub(super) fn read(&self) -> Result<()> {
        let mut open = locked(&self.open);
        let Some(open) = self.opened(&mut open, false)? else { return Ok(()) };
        open.read_on().map_err(|e| DiskError::io("read", &self.path(), e))
    }

    /// Paths in this folder at which files of these bytes of `source` may be. Their receipts say whether they are.
    pub(super) fn perhaps_of(&self, folder: &Path, source: &str, range: &Window) -> Result<Vec<PathBuf>> {
        let mut open = locked(&self.open);
        let Some(open) = self.opened(&mut open, false)? else { return Ok(Vec::new()) };
        open.read_on().map_err(|e| DiskError::io("read", &self.path(), e))?;
        let (named, other) = open.index.of(folder, source, range);
        let other = other.and_then(|offset| line_at(&open.file, position(offset)));
        let other = other.and_then(|json| LineJson::of(&json)?.path.to_path());
        Ok(named.into_iter().chain(other).collect())
    }

    /// Whether no file of these bytes of `source` was saved in the folder, as far as the log was read.
    /// False where that cannot be told at once.
    pub(super) fn knows_of_none(&self, folder: &Path, source: &str, range: &Window) -> bool {
        let Ok(open) = self.open.try_lock() else { return false };
        open.as_ref().is_none_or(|open| matches!(open.index.of(folder, source, range), (None, None)))
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
                if (!create || is_time_to_read(entry.facts.len))
                    && entry.facts.len > COMPACT_ABOVE
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

    /// A new file with the last lines alone, when these are at most half of all; locked before it has the name.
    fn rewrite(&self, open: &mut OpenLog) -> Result<Option<OpenLog>> {
        let failed = |e: std::io::Error| DiskError::io("rewrite", &self.path(), e);
        open.read_on().map_err(failed)?;
        if open.index.last.len() as u64 > open.index.lines / 2 {
            return Ok(None);
        }
        let (temp, name) = (OsStr::new(TEMP), OsStr::new(NAME));
        drop(self.folder.create_file_anew(temp)?);
        let Some(file) = self.folder.open_to_append(temp, false)? else { return Ok(None) };
        file.try_lock().map_err(|e| failed(e.into()))?;
        let mut out = std::io::BufWriter::new(&file);
        let copied = open.each_last(|json| {
            write!(out, "\n{:016x} ", crc64(json))?;
            out.write_all(json)
        });
        copied.and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        platform::sync_data(&file).map_err(failed)?;
        self.folder.rename(temp, name)?;
        self.folder.sync()?;
        Ok(Some(OpenLog { file: Arc::new(file), index: Index::default() }))
    }
}

/// Whether a program that is about to append, and has no need to read, reads a log of this length to see whether most of
/// it is superseded. The longer it is the more rarely: what is read for it is a mebibyte on average.
fn is_time_to_read(len: u64) -> bool {
    random_u64().is_multiple_of((len / COMPACT_ABOVE).max(1))
}

impl OpenLog {
    /// Takes up what was appended since the last look.
    fn read_on(&mut self) -> std::io::Result<()> {
        let (file, index) = (&self.file, &mut self.index);
        // Torn or whole, the last line is looked at again next time: it has no newline behind it yet.
        index.read_to = each_line(file, index.read_to, |at, line, is_last| {
            index.take(at, line, is_last);
            Ok(())
        })?;
        Ok(())
    }

    /// Tells the JSON of each path's last line, in the order of the file.
    fn each_last(&self, mut tell: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        each_line(&self.file, 0, |at, line, _| {
            let json = checked(line);
            let path = json.and_then(LineJson::of).and_then(|json| json.path.to_path());
            let last = path.and_then(|path| self.index.last.get(self.index.key(&path)));
            match json.filter(|_| last.is_some_and(|last| position(last) == at)) {
                Some(json) => tell(json),
                None => Ok(()),
            }
        })?;
        Ok(())
    }
}

/// Tells each line from here on, with its place and whether it is the last one; the place of that one. Lines that are
/// longer than any of ours are empty.
fn each_line(
    file: &File,
    from: u64,
    mut tell: impl FnMut(u64, &[u8], bool) -> std::io::Result<()>,
) -> std::io::Result<u64> {
    let mut buffer = vec![0; READ_LEN];
    let mut line = Vec::new();
    let (mut at, mut begin) = (from, from);
    loop {
        let len = file.read_at(&mut buffer, at)?;
        let mut rest = &buffer[..len];
        // After a power cut zeros may stand where an append was that had not been synced, right behind the line
        // before.
        while let Some(end) = rest.iter().position(|&b| b == b'\n' || b == 0) {
            line.extend_from_slice(&rest[..end]);
            tell(begin, ours(&line), false)?;
            at += end as u64 + 1;
            (begin, rest) = (at, &rest[end + 1..]);
            line.clear();
        }
        if len == 0 {
            tell(begin, ours(&line), true)?;
            return Ok(begin);
        }
        at += rest.len() as u64;
        if line.len() <= LINE_LEN_MAX {
            line.extend_from_slice(rest); // what is longer is passed over, and not kept
        }
    }
}

fn ours(line: &[u8]) -> &[u8] {
    if line.len() > LINE_LEN_MAX { &[] } else { line }
}

impl Index {
    fn take(&mut self, at: u64, line: &[u8], is_last: bool) {
        let Some(json) = checked(line).and_then(LineJson::of) else { return };
        let (Some(path), [0, 0, 0, offset @ ..]) = (json.path.to_path(), at.to_be_bytes()) else { return };
        self.last.insert(self.key(&path), offset);
        self.lines += u64::from(!is_last); // that one comes again
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name())
            && name != name_said_by(&json.source)
            && self.by_source.len() < BY_SOURCE_MAX
        {
            self.by_source.insert(self.source_key(folder, &json.source, json.range.as_deref()), offset);
        }
    }

    /// Where a file of these bytes of a source may be: at the path that the source says, and at that in a line.
    fn of(&self, folder: &Path, source: &str, range: &Window) -> (Option<PathBuf>, Option<Offset>) {
        let named = folder.join(name_said_by(source));
        let named = self.last.get(self.key(&named)).map(|_| named);
        let range = (!range.is_whole()).then(|| range.to_string());
        (named, self.by_source.get(self.source_key(folder, source, range.as_deref())))
    }

    /// Two paths with one key (one pair in 2^64) share a place; the later one has it.
    fn key(&self, path: &Path) -> u64 {
        self.hash.hash_one(path.as_os_str().as_bytes())
    }

    fn source_key(&self, folder: &Path, source: &str, range: Option<&str>) -> u64 {
        self.hash.hash_one((folder.as_os_str().as_bytes(), source, range))
    }
}

/// The end of a source's path, which is the name of most files that come from it.
fn name_said_by(source: &str) -> &str {
    let path = source.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

fn position(offset: Offset) -> u64 {
    offset.iter().fold(0, |at, &byte| at << 8 | u64::from(byte))
}

/// The JSON of the whole line that begins there.
fn line_at(file: &File, at: u64) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut next_len = LINE_LEN;
    loop {
        let begin = line.len();
        line.resize(begin + next_len, 0);
        let len = file.read_at(&mut line[begin..], at + begin as u64).ok()?;
        line.truncate(begin + len);
        if let Some(end) = line[begin..].iter().position(|&b| b == b'\n' || b == 0) {
            line.truncate(begin + end);
        } else if len > 0 && line.len() <= LINE_LEN_MAX {
            next_len = LINE_LEN_MAX;
            continue;
        }
        return checked(&line).map(<[u8]>::to_vec);
    }
}

/// The JSON of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&[u8]> {
    let (prefix, json) = line.split_at_checked(PREFIX_LEN)?;
    (prefix == format!("{:016x} ", crc64(json)).as_bytes()).then_some(json)
}

/// What a receipt speaks of.
#[derive(serde::Deserialize)]
struct LineJson<'a> {
    path: StoredPath,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    range: Option<Cow<'a, str>>,
}

impl<'a> LineJson<'a> {
    fn of(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
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
            locked(&log.open)
                .as_ref()
                .unwrap()
                .each_last(|_| {
                    lines += 1;
                    Ok(())
                })
                .unwrap();
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

    #[test]
    fn a_file_is_found_by_its_source_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (log, whole, part) = (log(dir.path()), Window::default(), Window::parse("5-").unwrap());
        for (path, more) in [
            ("/d/x.iso", r#""source":"https://h/x.iso?sig=***""#),
            ("/d/y", r#""source":"https://h/get?id=7""#),
            ("/d/z", r#""source":"https://h/get?id=8","range":"5-""#),
            ("/e/y", r#""source":"https://h/get?id=9""#),
        ] {
            log.append(format!("{{\"path\":\"{path}\",{more}}}").as_bytes()).unwrap();
        }
        let of = |source: &str, range: &Window| log.perhaps_of(Path::new("/d"), source, range).unwrap();
        for (source, range, want) in [
            ("https://h/x.iso?sig=***", &whole, Some("/d/x.iso")),
            ("https://g/x.iso", &whole, Some("/d/x.iso")), // its receipt says that it is not
            ("https://h/get?id=7", &whole, Some("/d/y")),
            ("https://h/get?id=7", &part, None),
            ("https://h/get?id=8", &part, Some("/d/z")),
            ("https://h/get?id=9", &whole, None),
        ] {
            assert_eq!(of(source, range), want.map(PathBuf::from).into_iter().collect::<Vec<_>>(), "{source}");
            assert_eq!(log.knows_of_none(Path::new("/d"), source, range), want.is_none(), "{source}");
        }
    }

    #[test]
    fn what_is_kept_of_a_receipt_are_some_bytes() {
        let mut index = Index::default();
        for n in 0..100_000_u64 {
            let json = format!("{{\"path\":\"/some/folder/{n}\",\"source\":\"https://host/{n}\"}}");
            index.take(n * 300, format!("{:016x} {json}", crc64(json.as_bytes())).as_bytes(), false);
        }
        assert_eq!((index.last.len(), index.by_source.len()), (100_000, 0));
        assert!(index.last.bytes() < 1_500_000, "{} bytes", index.last.bytes());
    }
}
