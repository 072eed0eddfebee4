//! What another program left of a download: which bytes of the object its file has, as far as that can be seen.
//!
//! Nothing here is believed. Another program's file says which bytes it *may* have; whether they are the object's is
//! proven by the core (`download/adopt`).

mod aria2;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_core::ranges::Range;
use rustix::fs::{Mode, OFlags, SeekFrom};

use crate::error::{Disposition, Error, ErrorKind};

/// A control file of aria2 is longer only for objects of tens of terabytes.
const CONTROL_LEN_MAX: u64 = 16 << 20;
/// Stretches of data that are looked for in a file with holes.
const STRETCHES_MAX: usize = 4096;
/// What is appended to the name of an unfinished file: by Firefox and wget2, Chrome, Safari and others.
const ENDINGS: [&str; 4] = [".part", ".crdownload", ".download", ".partial"];

/// The file in which another program kept the beginning, or pieces, of an object: curl, wget, a browser, aria2.
///
/// ```no_run
/// # async fn f(client: &longhaul::Client) -> Result<(), longhaul::Error> {
/// let partial = longhaul::Partial::open("debian.iso.part")?;
/// let target = partial.target().to_owned();
/// client.download("https://example.com/debian.iso").to(target).adopt(partial).start().await?.finished().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    control: Option<PathBuf>,
    file: Arc<File>,
    len: u64,
    total: Option<u64>,
    ranges: Vec<Range>,
}

impl Partial {
    /// Looks at the file, and at aria2's control file (`FILE.aria2`) if one stands beside it. Without one, all of the
    /// file counts, or where it has holes, what lies between them.
    ///
    /// It reads from the disk, and may block.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such file; [`ErrorKind::Exists`] for a link, a folder or a device;
    /// [`ErrorKind::LocalFile`] for what cannot be read, and for a control file that is damaged, contradicts itself or is
    /// of BitTorrent.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (file, len) = open_plain(path)?;
        let control = suffixed(path, ".aria2");
        let told = match open_plain(&control) {
            Ok((control_file, control_len)) => Some(read_control(&control, control_file, control_len)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (total, ranges) = match told {
            // What the control file says of bytes that the file does not have is not so.
            Some(told) => (Some(told.total), told.ranges.into_iter().filter_map(|r| within(r, len)).collect()),
            None => (None, stretches(&file, len)),
        };
        let control = total.map(|_| control);
        // aria2 reserves the whole length beforehand: how long the file is says no more than the control file does.
        Ok(Self { path: path.to_owned(), target: target_of(path), control, file: Arc::new(file), len, total, ranges })
    }

    /// A file that is finished, and perhaps damaged.
    pub(crate) fn open_finished(path: &Path) -> Result<Self, Error> {
        let (file, len) = open_plain(path)?;
        let (ranges, control, total) = (Vec::new(), None, None);
        Ok(Self { path: path.to_owned(), target: path.to_owned(), control, file: Arc::new(file), len, total, ranges })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// aria2's control file beside it.
    pub fn control(&self) -> Option<&Path> {
        self.control.as_deref()
    }

    /// What the finished file is called: without an ending such as `.part` or `.crdownload`, beside the partial file.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Bytes that it may have of the object.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|r| r.len()).sum()
    }

    /// The object's length in bytes, where the other program left word of it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    pub(crate) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Whether this is the very file that stands at a path.
    pub(crate) fn stands_at(&self, path: &Path) -> bool {
        let (Ok(own), Ok(there)) = (self.file.metadata(), path.symlink_metadata()) else { return false };
        (own.dev(), own.ino()) == (there.dev(), there.ino())
    }
}

fn within(range: Range, len: u64) -> Option<Range> {
    let range = Range::new(range.start, range.end.min(len));
    (!range.is_empty()).then_some(range)
}

fn suffixed(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn target_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let shorter = ENDINGS.iter().find_map(|ending| strip(name, ending));
    shorter.map_or_else(|| path.to_owned(), |name| path.with_file_name(name))
}

fn strip(name: &OsStr, ending: &str) -> Option<OsString> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = name.as_bytes();
    let at = bytes.len().checked_sub(ending.len()).filter(|at| *at > 0)?;
    bytes[at..].eq_ignore_ascii_case(ending.as_bytes()).then(|| OsString::from_vec(bytes[..at].to_vec()))
}

/// A plain file for reading, and its length. No link is followed, and no device or pipe waited for.
fn open_plain(path: &Path) -> Result<(File, u64), Error> {
    let refused = |kind, why: &dyn std::fmt::Display| {
        let text = format!("{}: {why}", path.display());
        Error::new(kind, Disposition::Permanent, text).with("path", path.display())
    };
    let failed = |e: std::io::Error| {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::LocalFile,
        };
        refused(kind, &e)
    };
    let not_a_file = || refused(ErrorKind::Exists, &"it is not a regular file, so its bytes are not taken");
    let entry = path.symlink_metadata().map_err(failed)?;
    if !entry.is_file() {
        return Err(not_a_file());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?);
    let entry = file.metadata().map_err(failed)?;
    if entry.is_file() { Ok((file, entry.len())) } else { Err(not_a_file()) }
}

fn read_control(path: &Path, file: File, len: u64) -> Result<aria2::Control, Error> {
    let refused = |why: &dyn std::fmt::Display| {
        let text = format!("{}: aria2's control file cannot be used: {why}", path.display());
        Error::new(ErrorKind::LocalFile, Disposition::Permanent, text).with("path", path.display())
    };
    if len > CONTROL_LEN_MAX {
        return Err(refused(&"it is too long"));
    }
    let mut bytes = Vec::new();
    file.take(CONTROL_LEN_MAX + 1).read_to_end(&mut bytes).map_err(|e| refused(&e))?;
    aria2::parse(&bytes).map_err(|why| refused(&why))
}

/// Where a file has data. One that was written at several places has holes in between; where the system cannot tell, all
/// of it counts.
fn stretches(file: &File, len: u64) -> Vec<Range> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < len {
        let Ok(start) = rustix::fs::seek(file, SeekFrom::Data(at)) else {
            break; // no data behind this place, or the file system does not know
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(len).min(len);
        if end <= start || found.len() == STRETCHES_MAX {
            break;
        }
        found.push(Range::new(start, end));
        at = end;
    }
    match found.is_empty() && rustix::fs::seek(file, SeekFrom::Hole(0)).is_err() {
        true => within(Range::new(0, len), len).into_iter().collect(),
        false => found,
    }
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(control) = aria2::parse(bytes) {
        assert!(control.ranges.iter().all(|r| r.start < r.end && r.end <= control.total));
        assert!(control.ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn the_finished_file_is_called_without_the_ending() {
        for (path, want) in [
            ("/d/a.iso", "/d/a.iso"),
            ("/d/a.iso.part", "/d/a.iso"),
            ("a.zip.crdownload", "a.zip"),
            ("a.zip.PART", "a.zip"),
            ("/d/.part", "/d/.part"),
        ] {
            assert_eq!(target_of(Path::new(path)), Path::new(want));
        }
    }

    #[test]
    fn what_is_no_file_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), b"bytes").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        let kind = |path: PathBuf| Partial::open(path).unwrap_err().kind();
        assert_eq!(kind(at("link")), ErrorKind::Exists);
        assert_eq!(kind(dir.path().to_owned()), ErrorKind::Exists);
        assert_eq!(kind(at("none")), ErrorKind::NotFound);
        let partial = Partial::open(at("file")).unwrap();
        assert_eq!((partial.bytes(), partial.total(), partial.control()), (5, None, None));
        assert!(partial.stands_at(&at("file")) && !partial.stands_at(&at("link")));
        std::os::unix::fs::symlink(at("file"), at("file.aria2")).unwrap();
        assert_eq!(kind(at("file")), ErrorKind::Exists, "a control file that is a link");
        std::fs::remove_file(at("file.aria2")).unwrap();
        std::fs::write(at("file.aria2"), b"no control file").unwrap();
        let error = Partial::open(at("file")).unwrap_err();
        assert!(error.kind() == ErrorKind::LocalFile && error.to_string().contains("control file"), "{error}");
    }

    #[test]
    fn holes_are_no_bytes_of_the_object() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sparse");
        let file = File::create(&path).unwrap();
        file.write_all_at(&[1; 4096], 0).unwrap();
        file.write_all_at(&[1; 4096], 8 << 20).unwrap();
        file.set_len(16 << 20).unwrap();
        let partial = Partial::open(&path).unwrap();
        assert_eq!(partial.len(), 16 << 20);
        if rustix::fs::seek(&file, SeekFrom::Hole(0)).is_ok_and(|hole| hole < 16 << 20) {
            assert!(partial.bytes() < 1 << 20, "{:?}", partial.ranges());
            assert_eq!(partial.ranges().last().map(|r| r.start), Some(8 << 20));
        }
    }
}
