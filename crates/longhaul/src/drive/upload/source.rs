//! The file that is uploaded: which file it is, whether it is still the same, and its bytes.
//!
//! A link is followed once, at the start; from then on the canonical path is looked at, without following, before every
//! part. A path that leads to another file is a changed source like one that was written to: the core sees it in the
//! facts. Bytes are always read from the file whose facts were told with them.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use longhaul_core::ranges::Range;
use longhaul_core::step::DiskFault;
use longhaul_core::upload::step::{Looked, SourceFacts};
use rustix::fs::{FileType, Mode, OFlags};

use crate::disk::error::{DiskError, Result};
use crate::disk::place::Entry;
use crate::drive::locked;

/// A change is seen in times that are older than this: file systems keep time in steps of up to two seconds.
const SETTLED_NS: i128 = 2_000_000_000;

/// A file to be uploaded.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    /// The file that the path led to when it was last looked at.
    file: Mutex<Option<Arc<File>>>,
}

impl Source {
    /// The file at this path; links in it are followed, now and never again. Nothing is opened yet.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let path = std::fs::canonicalize(path).map_err(|e| DiskError::io("find", path, e))?;
        Ok(Self::canonical(path))
    }

    /// The file at a path that is canonical already.
    pub(crate) fn canonical(path: PathBuf) -> Self {
        Self { path, file: Mutex::default() }
    }

    /// The canonical path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the path leads to now, and the file itself, open. Anything but a regular file is refused.
    pub(crate) fn look(&self) -> Result<(Looked, Arc<File>)> {
        let failed = |e: std::io::Error| DiskError::io("look at", &self.path, e);
        let there = std::fs::symlink_metadata(&self.path).map_err(failed)?;
        let mut file = locked(&self.file);
        let known = file.take().filter(|file| is_file(file, there.dev(), there.ino()));
        let open = match known {
            Some(known) => known,
            None => Arc::new(self.open(&there)?),
        };
        *file = Some(open.clone());
        drop(file);
        let facts = facts_of(&open).map_err(failed)?;
        let now_ns = i128::try_from(crate::now_unix_ns()).unwrap_or(0);
        Ok((Looked { facts, settled: is_settled(&facts, now_ns) }, open))
    }

    fn open(&self, there: &std::fs::Metadata) -> Result<File> {
        // Looked at before it is opened, since opening a device or a pipe has effects; and after, since it may be swapped.
        if !there.is_file() {
            return Err(self.no_file());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|e| DiskError::io("open", &self.path, e))?;
        let entry = Entry::of(&file).map_err(|e| DiskError::io("look at", &self.path, e))?;
        if entry.kind == FileType::RegularFile { Ok(File::from(file)) } else { Err(self.no_file()) }
    }

    fn no_file(&self) -> DiskError {
        let why = "it is not a regular file: only those can be read a second time and resumed";
        DiskError::said(DiskFault::Unsupported, "upload", &self.path, why)
    }

    /// The error of a read that brought fewer bytes than the file had, or none.
    pub(crate) fn failed_read(&self, error: std::io::Error) -> DiskError {
        DiskError::io("read", &self.path, error)
    }
}

/// Fills `buffer` from the file at `offset`; a file that ends before is an error.
pub(crate) fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "it is shorter than it was: it was changed while it was read",
        ),
        _ => error,
    })
}

/// How many bytes of a range are read next into buffers of this length.
pub(crate) fn next_len(range: Range, at: u64, buffer_len: usize) -> usize {
    usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer_len)
}

fn is_file(file: &File, device: u64, inode: u64) -> bool {
    Entry::of(file).is_ok_and(|entry| entry.device == device && entry.facts.inode == inode)
}

fn facts_of(file: &File) -> std::io::Result<SourceFacts> {
    let entry = Entry::of(file)?;
    let facts = entry.facts;
    let (mtime_ns, ctime_ns) = (facts.mtime_ns, facts.ctime_ns);
    Ok(SourceFacts { len: facts.len, device: entry.device, inode: facts.inode, mtime_ns, ctime_ns })
}

/// Whether a change from now on would show in the times. A time ahead of the clock proves nothing.
fn is_settled(facts: &SourceFacts, now_ns: i128) -> bool {
    [facts.mtime_ns, facts.ctime_ns].iter().all(|&time| now_ns - i128::from(time) > SETTLED_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_followed_at_the_start_and_never_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (real, link) = (dir.join("real"), dir.join("link"));
        std::fs::write(&real, b"12345").unwrap();
        symlink("real", &link).unwrap();
        let source = Source::at(&link).unwrap();
        assert_eq!(source.path(), real);
        let (looked, file) = source.look().unwrap();
        assert_eq!(looked.facts.len, 5);
        assert_eq!(looked.facts.inode, file.metadata().unwrap().ino());
        std::fs::rename(&real, dir.join("away")).unwrap();
        symlink("away", &real).unwrap();
        assert_eq!(source.look().unwrap_err().fault(), DiskFault::Unsupported, "the link is not followed");
    }

    #[test]
    fn another_file_under_the_path_is_seen_and_read_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"old").unwrap();
        let source = Source::at(&path).unwrap();
        let (old, old_file) = source.look().unwrap();
        std::fs::write(dir.path().join("y"), b"newer").unwrap();
        std::fs::rename(dir.path().join("y"), &path).unwrap();
        let (new, new_file) = source.look().unwrap();
        assert!(old.facts.inode != new.facts.inode && new.facts.len == 5);
        let mut bytes = [0; 3];
        read_exact(&old_file, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"old", "who began to read goes on with what was there");
        read_exact(&new_file, &mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"new");
        assert!(Arc::ptr_eq(&new_file, &source.look().unwrap().1), "the same file is not opened again");
        std::fs::remove_file(&path).unwrap();
        assert!(source.look().is_err(), "it is gone");
    }

    #[test]
    fn what_cannot_be_read_twice_is_refused_without_being_opened() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        for name in ["fifo", "socket", "."] {
            let refused = Source::at(&dir.path().join(name)).unwrap().look().unwrap_err();
            assert!(refused.to_string().contains("not a regular file"), "{name}: {refused}");
        }
        assert!(Source::at(Path::new("/dev/null")).unwrap().look().is_err());
        assert!(Source::at(&dir.path().join("missing")).is_err());
    }

    #[test]
    fn times_are_settled_when_both_are_two_seconds_past_by_the_clock() {
        let facts = |mtime, ctime| SourceFacts { mtime_ns: mtime, ctime_ns: ctime, ..SourceFacts::default() };
        let now = 10_000_000_000;
        for (mtime, ctime, settled) in [
            (7_999_999_999, 7_999_999_999, true),
            (8_000_000_000, 0, false),
            (0, 8_000_000_001, false),
            (11_000_000_000, 0, false),
            (i64::MIN, i64::MIN, true),
            (i64::MAX, 0, false),
        ] {
            assert_eq!(is_settled(&facts(mtime, ctime), now), settled, "{mtime} {ctime}");
        }
        assert!(!is_settled(&facts(0, 0), 0), "a clock that tells nothing");
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_and_not_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let mut buffer = [0; 8];
        assert!(read_exact(&file, &mut buffer, 2).is_ok());
        let error = read_exact(&file, &mut buffer, 3).unwrap_err();
        assert!(error.to_string().contains("shorter"), "{error}");
        assert_eq!(next_len(Range::new(5, 20), 5, 8), 8);
        assert_eq!(next_len(Range::new(5, 20), 18, 8), 2);
        assert_eq!(next_len(Range::new(5, 20), 20, 8), 0);
    }
}
