//! The file that is uploaded: which file it is, whether it is still the same, and its bytes.
//!
//! A link is followed once, at the start; from then on the canonical path is looked at, without following, before every
//! part. A path that leads to another file is a changed source like one that was written to: the core sees it in the
//! facts. Bytes are always read from the file whose facts were told with them.
//!
//! The length that a file system tells is believed only as far as its content bears it out: files that a kernel makes
//! up while they are read (procfs, sysfs) announce 0 or 4096 bytes and have more or fewer, and so do some in user
//! space. A file is asked for the byte before its end and the one behind it when it is opened, and whoever reads up to
//! the end asks behind it again.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use longhaul_core::ranges::Range;
use longhaul_core::upload::step::{SourceFacts, SourceLook};
use longhaul_core::words::DiskFault;
use rustix::fs::{FileType, Mode, OFlags};

use crate::disk::error::{DiskError, Result};
use crate::disk::folder::FileStat;
use crate::sync::locked;

/// A change is seen in times that are older than this: file systems keep time in steps of up to two seconds.
const SETTLED_NS: i128 = 2_000_000_000;

/// A file to be uploaded.
#[derive(Debug)]
pub(crate) struct SourceFile {
    path: PathBuf,
    /// The file that the path led to when it was last looked at.
    file: Mutex<Option<Arc<File>>>,
}

impl SourceFile {
    /// The file at this path; links in it are followed, now and never again. The file is not opened yet.
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
    pub(crate) fn look(&self) -> Result<(SourceLook, Arc<File>)> {
        let failed = |e: std::io::Error| DiskError::io("look at", &self.path, e);
        let there = std::fs::symlink_metadata(&self.path).map_err(failed)?;
        let mut file = locked(&self.file);
        let known = file.take().filter(|file| is_file(file, there.dev(), there.ino()));
        let open = match known {
            Some(known) => known,
            None => {
                let file = self.open(&there)?;
                check_length(&file).map_err(|e| self.failed_read(e))?;
                Arc::new(file)
            }
        };
        *file = Some(open.clone());
        drop(file);
        let facts = facts_of(&open).map_err(failed)?;
        let now_ns = i128::try_from(crate::now_unix_ns()).unwrap_or(0);
        Ok((SourceLook { facts, settled: is_settled(&facts, now_ns) }, open))
    }

    fn open(&self, there: &std::fs::Metadata) -> Result<File> {
        // Looked at before it is opened, since opening a device or a pipe has effects; and after, since it may be
        // swapped.
        if !there.is_file() {
            return Err(self.no_file());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file =
            rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|e| DiskError::io("open", &self.path, e))?;
        let entry = FileStat::of(&file).map_err(|e| DiskError::io("look at", &self.path, e))?;
        if entry.kind == FileType::RegularFile { Ok(File::from(file)) } else { Err(self.no_file()) }
    }

    fn no_file(&self) -> DiskError {
        let why = "it is not a regular file: only those can be read a second time and resumed";
        DiskError::said(DiskFault::Unsupported, "upload", &self.path, why)
    }

    /// The error of a read that failed, or that met another end than the file announces.
    pub(crate) fn failed_read(&self, error: std::io::Error) -> DiskError {
        DiskError::io("read", &self.path, error)
    }
}

/// Fills `buffer` from the file at `offset`; a file that ends before is an error.
pub(crate) fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => return Err(ended(file, offset + filled as u64)),
            Ok(len) => filled += len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The bytes before `end` have been read, and the file announced that it ends there: whether it does.
pub(crate) fn read_end(file: &File, end: u64) -> std::io::Result<()> {
    if !has_byte(file, end)? {
        return Ok(());
    }
    Err(if file.metadata()?.len() == end { untrue(end, "more") } else { changed("longer") })
}

/// Whether the content of a file that was just opened is as long as announced, by the bytes at its end. Where these
/// cannot be read, the one that reads the whole will say why.
fn check_length(file: &File) -> std::io::Result<()> {
    /// A file that is written to at this moment is looked at again; what goes on is the core's to judge.
    const LOOKS: u32 = 3;
    for _ in 0..LOOKS {
        let len = file.metadata()?.len();
        let Ok(more) = has_byte(file, len) else { return Ok(()) };
        let Ok(whole) = len.checked_sub(1).map_or(Ok(true), |last| has_byte(file, last)) else { return Ok(()) };
        if whole && !more {
            return Ok(());
        }
        if file.metadata()?.len() == len {
            return Err(untrue(len, if more { "more" } else { "fewer" }));
        }
    }
    Ok(())
}

fn has_byte(file: &File, at: u64) -> std::io::Result<bool> {
    loop {
        match file.read_at(&mut [0], at) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            read => return read.map(|len| len > 0),
        }
    }
}

/// The file ends at `at`, where more of it was wanted.
fn ended(file: &File, at: u64) -> std::io::Error {
    match file.metadata() {
        Ok(now) if now.len() > at => untrue(now.len(), &format!("only {at}")),
        _ => changed("shorter"),
    }
}

fn changed(how: &str) -> std::io::Error {
    std::io::Error::other(format!("it is {how} than it was: it was changed while it was read"))
}

fn untrue(announced: u64, has: &str) -> std::io::Error {
    let why = format!(
        "it announces {announced} bytes and has {has}, as files do that a file system makes up while they are read"
    );
    std::io::Error::new(std::io::ErrorKind::Unsupported, why)
}

/// How many bytes of a range are read next into buffers of this length.
pub(crate) fn next_len(range: Range, at: u64, buffer_len: usize) -> usize {
    usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX).min(buffer_len)
}

fn is_file(file: &File, device: u64, inode: u64) -> bool {
    FileStat::of(file).is_ok_and(|entry| entry.device == device && entry.facts.inode == inode)
}

fn facts_of(file: &File) -> std::io::Result<SourceFacts> {
    let entry = FileStat::of(file)?;
    let facts = entry.facts;
    let (mtime_ns, ctime_ns) = (facts.mtime_ns, facts.ctime_ns);
    Ok(SourceFacts { len: facts.len, device: entry.device, inode: facts.inode, mtime_ns, ctime_ns })
}

/// Whether a change from now on would show in the times. A time ahead of the clock is no proof.
fn is_settled(facts: &SourceFacts, now_ns: i128) -> bool {
    [facts.mtime_ns, facts.ctime_ns].iter().all(|&time| now_ns - i128::from(time) > SETTLED_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::error::fault_of;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_is_followed_at_the_start_and_never_again() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (real, link) = (dir.join("real"), dir.join("link"));
        std::fs::write(&real, b"12345").unwrap();
        symlink("real", &link).unwrap();
        let source = SourceFile::at(&link).unwrap();
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
        let source = SourceFile::at(&path).unwrap();
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
            let refused = SourceFile::at(&dir.path().join(name)).unwrap().look().unwrap_err();
            assert!(refused.to_string().contains("not a regular file"), "{name}: {refused}");
        }
        assert!(SourceFile::at(Path::new("/dev/null")).unwrap().look().is_err());
        assert!(SourceFile::at(&dir.path().join("missing")).is_err());
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
        assert!(read_end(&file, 10).is_ok());
        assert_eq!(next_len(Range::new(5, 20), 5, 8), 8);
        assert_eq!(next_len(Range::new(5, 20), 18, 8), 2);
        assert_eq!(next_len(Range::new(5, 20), 20, 8), 0);
    }

    /// Goal: a file that grows between a look and a read is a file that changed, and no lie of its file system. Method:
    /// the reader is told the older length.
    #[test]
    fn a_file_that_grows_is_longer_than_it_was() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let looked = file.metadata().unwrap().len();
        file.set_len(11).unwrap();
        let mut buffer = vec![0; 10];
        read_exact(&file, &mut buffer, 0).unwrap();
        let error = read_end(&file, looked).unwrap_err();
        assert!(error.to_string().contains("longer than it was"), "{error}");
        assert_ne!(fault_of(&error), DiskFault::Unsupported);
        assert!(read_end(&file, 11).is_ok() && check_length(&file).is_ok());
    }

    /// Goal: a length that is none is refused, with words and before anything is read for a request. Method: files of
    /// the kernel that announce 0 or 4096 bytes whatever they have.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_length_that_is_not_that_of_the_content_is_refused() {
        let mut met = 0;
        for (path, says) in [
            ("/proc/self/status", "announces 0 bytes and has more"),
            ("/proc/version", "announces 0 bytes and has more"),
            ("/sys/kernel/mm/transparent_hugepage/enabled", "announces 4096 bytes and has fewer"),
            ("/sys/kernel/profiling", "announces 4096 bytes and has fewer"),
            ("/sys/kernel/fscaps", "announces 4096 bytes and has fewer"),
        ] {
            let Ok(source) = SourceFile::at(Path::new(path)) else { continue };
            let Err(refused) = source.look() else { panic!("{path} is taken for what it announces") };
            assert!(refused.to_string().contains(says), "{path}: {refused}");
            assert_eq!(refused.fault(), DiskFault::Unsupported);
            met += 1;
        }
        assert!(met > 0, "neither procfs nor sysfs is there");
        // What is read all the same, since it lies only from then on.
        let file = File::open("/proc/self/status").unwrap();
        assert!(read_end(&file, 0).unwrap_err().to_string().contains("announces 0 bytes and has more"));
    }
}
