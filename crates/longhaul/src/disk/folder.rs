//! An opened folder, and the files in it.
//!
//! Every operation goes through the folder's descriptor, never through a path: when another program replaces the
//! folder (or a part of its path) while we work, we still work in the old one. The path is kept for messages only.
//!
//! Folders are shared with other users. What stands at a name of ours is taken for ours only when no other user could
//! change it ([`Folder::stranger`]), and removed only when it is ours.

use super::error::{DiskError, Result};
use super::group::{Volume, Volumes};
use super::platform;
use crate::random::random_u64;
use longhaul_core::names::{HELPER, MODE};
use longhaul_core::words::{DiskFault, FileFacts};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Permissions of every file while it is ours alone.
pub(crate) const PRIVATE: u32 = 0o600;
/// The permissions to write, of all but the owner.
const OTHERS_WRITE: u32 = 0o022;

/// An opened folder.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    usual_mode: OnceLock<u32>,
    new_files: OnceLock<Option<FileStat>>,
    volume: OnceLock<Arc<Volume>>,
    entry: OnceLock<FileStat>,
}

/// What stands at a name, without following a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStat {
    /// What it is.
    pub(crate) kind: FileType,
    /// Device number.
    pub(crate) device: u64,
    /// The user that it belongs to.
    pub(crate) uid: u32,
    /// How many names the file has.
    pub(crate) links: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Length, inode and times.
    pub(crate) facts: FileFacts,
}

impl FileStat {
    /// Whether both are one file.
    pub(crate) fn same_file(&self, other: &FileStat) -> bool {
        self.facts.inode == other.facts.inode && self.device == other.device
    }

    /// What stands at a path of the user's; links in it are followed. An empty path is the folder at work.
    pub(crate) fn at(path: &Path) -> std::io::Result<Self> {
        let from = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self::from_stat(&rustix::fs::stat(from)?))
    }

    /// What an open file is.
    pub(crate) fn of(file: impl AsFd) -> std::io::Result<Self> {
        Ok(Self::from_stat(&rustix::fs::fstat(file)?))
    }

    #[allow(clippy::unnecessary_cast)] // the widths of these fields differ between systems
    fn from_stat(stat: &Stat) -> Self {
        let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            device: stat.st_dev as u64,
            uid: stat.st_uid,
            links: stat.st_nlink as u64,
            mode: Mode::from_raw_mode(stat.st_mode).bits() as u32,
            facts: FileFacts {
                len: stat.st_size.max(0) as u64,
                inode: stat.st_ino as u64,
                mtime_ns: ns(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                ctime_ns: ns(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            },
        }
    }
}

impl Folder {
    /// Opens a folder that exists. The path is the user's choice: links in it are followed, now and never again.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // An empty path is what remains of a bare file name.
        let from = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let fd = rustix::fs::open(from, flags, Mode::empty()).map_err(|e| DiskError::named("open folder", path, e))?;
        Ok(Self::of(fd, path.into()))
    }

    fn of(fd: OwnedFd, path: PathBuf) -> Self {
        Self {
            fd,
            path,
            usual_mode: OnceLock::new(),
            new_files: OnceLock::new(),
            volume: OnceLock::new(),
            entry: OnceLock::new(),
        }
    }

    /// Opens a folder below this one, part by part, creating those that are missing when asked. No part of it may be a
    /// link, `.` or `..`: it lies below this folder also when others move its parts meanwhile.
    ///
    /// `Exists` where a link or something else that is no folder stands at a part.
    pub(crate) fn below(&self, parts: &Path, create: bool) -> Result<Self> {
        let mut at = self.open_again().map_err(|e| DiskError::io("open folder", &self.path, e))?;
        let mut path = self.path.clone();
        let mut parts = parts.components().peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let Component::Normal(name) = part else {
                let why = "it leads out of the folder that was given";
                return Err(DiskError::said(DiskFault::Unsupported, "open folder", &path, why));
            };
            at = part_of(&at, name, &path, create, parts.peek().is_none())?;
        }
        Ok(Self::of(at, path))
    }

    /// Opens a folder, creating it and its parents with these permissions where they are missing.
    pub(crate) fn create(path: &Path, mode: u32) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|e| match e.raw_os_error() {
            Some(code) => DiskError::named("create folder", path, Errno::from_raw_os_error(code)),
            None => DiskError::io("create folder", path, e),
        })?;
        Self::open(path)
    }

    /// Opens a folder inside this one, which must be no link; creates it (0700) where it is missing.
    pub(crate) fn private_subfolder(&self, name: &str) -> Result<Self> {
        let path = self.path.join(name);
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(DiskError::io("create folder", &path, e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())
            .map_err(|e| DiskError::io("open folder", &path, e))?;
        Ok(Self::of(fd, path))
    }

    /// The folder, when it is ours: `Denied` when it belongs to another user.
    pub(crate) fn ours(self) -> Result<Self> {
        let entry = FileStat::of(&self.fd).map_err(|e| DiskError::io("look at", &self.path, e))?;
        match self.other_owner(&entry) {
            None => Ok(self),
            Some(why) => Err(DiskError::said(DiskFault::Denied, "use folder", &self.path, why)),
        }
    }

    /// Whether this path leads to it (links in the path are followed).
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let there = FileStat::at(path);
        there.is_ok_and(|there| self.entry().is_some_and(|ours| ours.same_file(&there)))
    }

    /// What it was when it was first asked about: device and inode of an open folder stay as they are.
    fn entry(&self) -> Option<&FileStat> {
        if self.entry.get().is_none() {
            let _ = self.entry.set(FileStat::of(&self.fd).ok()?);
        }
        self.entry.get()
    }

    /// The device that it is on.
    pub(crate) fn device(&self) -> Option<u64> {
        self.entry().map(|entry| entry.device)
    }

    /// When something in it last came, went or was renamed: nanoseconds since the Unix epoch.
    pub(crate) fn modified_ns(&self) -> Option<i64> {
        FileStat::of(&self.fd).ok().map(|now| now.facts.mtime_ns)
    }

    /// Where syncs of what is in it are asked for.
    pub(crate) fn volume(&self, volumes: &Volumes) -> Arc<Volume> {
        self.volume.get_or_init(|| volumes.of(self)).clone()
    }

    /// An open description of its own of this folder.
    pub(crate) fn open_again(&self) -> std::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, ".", flags, Mode::empty())?)
    }

    /// Where it was when it was opened, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a name in it, for messages.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// What stands at a name.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Option<FileStat>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileStat::from_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(DiskError::named("look at", &self.path_of(name), e)),
        }
    }

    /// Why another user could change what is in a file, as far as its owner and permissions tell; `None`: none can.
    ///
    /// A file that is not ours (nor root's) is its owner's to change at any time, published or not. One that others may
    /// write to may be open in their hands, and stays so when the permissions are taken back.
    pub(crate) fn stranger(&self, entry: &FileStat) -> Option<String> {
        let open_to = entry.mode & OTHERS_WRITE & !self.mode_of_new_files(entry);
        self.other_owner(entry).or_else(|| {
            (open_to != 0).then(|| {
                let mode = entry.mode;
                format!("other users may write to it (mode {mode:o}); if it is yours and none did: chmod 600")
            })
        })
    }

    fn other_owner(&self, entry: &FileStat) -> Option<String> {
        let uid = entry.uid;
        let ours = uid == 0 || uid == rustix::process::geteuid().as_raw();
        // Where the file system has no owners (or maps them), every new file has the same.
        let ours = ours || self.new_file().is_some_and(|new| new.uid == uid);
        (!ours).then(|| format!("it belongs to another user (number {uid}), who could change what is in it"))
    }

    /// The permissions for others that every file has here, where the file system keeps none.
    fn mode_of_new_files(&self, entry: &FileStat) -> u32 {
        if entry.mode & OTHERS_WRITE == 0 { 0 } else { self.new_file().map_or(0, |new| new.mode) }
    }

    /// What a new private file of ours is here. Asked only where a file looks as if it were not ours.
    fn new_file(&self) -> Option<FileStat> {
        *self.new_files.get_or_init(|| self.trial(PRIVATE).ok())
    }

    /// What a file is that is made here with these permissions. It has no name where the file system can do that, else
    /// one that cannot be guessed, for a moment.
    fn trial(&self, mode: u32) -> Result<FileStat> {
        let mode = Mode::from_raw_mode(mode as _);
        let look = |file: OwnedFd| FileStat::of(file).map_err(|e| DiskError::io("look at a file in", &self.path, e));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Ok(file) = rustix::fs::openat(&self.fd, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            return look(file);
        }
        let name = trial_name();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, &name, flags, mode)
            .map_err(|e| DiskError::named("create", &self.path_of(&name), e))?;
        let entry = look(file);
        // A file that cannot be removed at once stays a moment longer.
        if self.remove(&name).is_err() {
            self.remove(&name)?;
        }
        entry
    }

    /// Opens a regular file that no other user could change, for reading (and writing); `None` when the name
    /// is free. Anything else at the name is `Exists`.
    pub(crate) fn open_own(&self, name: &OsStr, write: bool) -> Result<Option<File>> {
        Ok(self.open_own_seen(name, write)?.map(|(file, _)| file))
    }

    /// The same, with what it was when it was opened.
    pub(crate) fn open_own_seen(&self, name: &OsStr, write: bool) -> Result<Option<(File, FileStat)>> {
        let Some((file, entry)) = self.open_seen(name, write)? else { return Ok(None) };
        self.expect_no_stranger(&entry, name)?;
        Ok(Some((file, entry)))
    }

    fn expect_own(&self, file: &File, name: &OsStr) -> Result<()> {
        let entry = FileStat::of(file).map_err(|e| DiskError::io("look at", &self.path_of(name), e))?;
        self.expect_no_stranger(&entry, name)
    }

    fn expect_no_stranger(&self, entry: &FileStat, name: &OsStr) -> Result<()> {
        match self.stranger(entry) {
            None => Ok(()),
            Some(why) => Err(DiskError::said(DiskFault::Exists, "use", &self.path_of(name), why)),
        }
    }

    /// Opens a regular file for reading (and writing); `None` when the name is free. Anything else at the name (a link,
    /// a folder, a device) is `Exists`.
    pub(crate) fn open_file(&self, name: &OsStr, write: bool) -> Result<Option<File>> {
        Ok(self.open_seen(name, write)?.map(|(file, _)| file))
    }

    /// Opens a plain file for reading that was looked at just now; `None` when the name is free by now.
    pub(crate) fn open_plain(&self, name: &OsStr) -> Result<Option<(File, FileStat)>> {
        let Some((file, entry)) = self.open_looked_at(name, false)? else { return Ok(None) };
        self.expect_no_stranger(&entry, name)?;
        Ok(Some((file, entry)))
    }

    /// Opens a regular file that was published, by us or by another program of ours, for reading; `None` when the name is
    /// free. `Exists` for one of another user's, and for one that more users may write to than may to a new file.
    pub(crate) fn open_unshared(&self, name: &OsStr) -> Result<Option<(File, FileStat)>> {
        let Some((file, entry)) = self.open_seen(name, false)? else { return Ok(None) };
        let open_to = entry.mode & OTHERS_WRITE & !self.usual_mode();
        if self.other_owner(&entry).is_some() || open_to != 0 {
            self.expect_no_stranger(&entry, name)?;
        }
        Ok(Some((file, entry)))
    }

    fn open_seen(&self, name: &OsStr, write: bool) -> Result<Option<(File, FileStat)>> {
        // Looked at before it is opened, since opening a device can have effects; and after, since it may be swapped.
        match self.look(name)? {
            None => return Ok(None),
            Some(entry) if entry.kind != FileType::RegularFile => return Err(self.not_a_file(name)),
            Some(_) => {}
        }
        self.open_looked_at(name, write)
    }

    fn open_looked_at(&self, name: &OsStr, write: bool) -> Result<Option<(File, FileStat)>> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(DiskError::named("open", &self.path_of(name), e)),
        };
        let entry = FileStat::of(&file).map_err(|e| DiskError::io("look at", &self.path_of(name), e))?;
        if entry.kind == FileType::RegularFile { Ok(Some((file, entry))) } else { Err(self.not_a_file(name)) }
    }

    /// Opens a regular file that no other user could change, for reading and appending, creating it (0600) when
    /// asked where the name is free.
    pub(crate) fn open_to_append(&self, name: &OsStr, create: bool) -> Result<Option<File>> {
        match self.look(name)? {
            None if !create => return Ok(None),
            Some(entry) if entry.kind != FileType::RegularFile => return Err(self.not_a_file(name)),
            _ => {}
        }
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = if create { flags | OFlags::CREATE } else { flags };
        match rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(PRIVATE as _)) {
            Ok(fd) => {
                let file = File::from(fd);
                self.expect_own(&file, name)?;
                Ok(Some(file))
            }
            Err(Errno::NOENT) if !create => Ok(None),
            Err(e) => Err(DiskError::named("open", &self.path_of(name), e)),
        }
    }

    fn not_a_file(&self, name: &OsStr) -> DiskError {
        DiskError::said(DiskFault::Exists, "open", &self.path_of(name), "it is not a regular file")
    }

    /// Creates a file that was not there (0600); `Exists` when anything is.
    pub(crate) fn create_file(&self, name: &OsStr) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(PRIVATE as _))
            .map(File::from)
            .map_err(|e| DiskError::named("create", &self.path_of(name), e))
    }

    /// Creates a file (0600), removing one of ours that stood at the name; `Exists` for anything else there.
    pub(crate) fn create_file_anew(&self, name: &OsStr) -> Result<File> {
        self.remove_own(name)?;
        self.create_file(name)
    }

    /// Removes a plain file that no other user could change; whether there was one. Anything else at the name is
    /// `Exists`, and stays.
    pub(crate) fn remove_own(&self, name: &OsStr) -> Result<bool> {
        let Some(entry) = self.look(name)? else { return Ok(false) };
        if entry.kind != FileType::RegularFile {
            return Err(self.not_a_file(name));
        }
        match self.stranger(&entry) {
            None => self.remove(name),
            Some(why) => Err(DiskError::said(DiskFault::Exists, "remove", &self.path_of(name), why)),
        }
    }

    /// Removes a name (a link itself, never what it points to); whether there was one. A folder is `Exists`.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            // Systems differ in how they refuse to unlink a folder.
            Err(Errno::PERM | Errno::ISDIR) if self.is_folder(name) => Err(self.not_a_file(name)),
            Err(e) => Err(DiskError::io("remove", &self.path_of(name), e)),
        }
    }

    fn is_folder(&self, name: &OsStr) -> bool {
        self.look(name).is_ok_and(|entry| entry.is_some_and(|e| e.kind == FileType::Directory))
    }

    /// Renames within the folder, replacing what stands at `to` (a link itself, never what it points to).
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> Result<()> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)
            .map_err(|e| DiskError::named("rename to", &self.path_of(to), e))
    }

    /// Makes all names durable.
    pub(crate) fn sync(&self) -> Result<()> {
        platform::sync_dir(&self.fd).map_err(|e| DiskError::io("sync folder", &self.path, e))
    }

    /// Bytes that this user may still write to the file system; `None` when it cannot be told.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&self.fd).ok()?;
        // A file system that does not know its size (some network ones) says zero blocks in all.
        (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The permissions that a new file gets here when a program asks for no special ones (what `curl -o` would leave):
    /// 0666 without the umask, or what the folder's default ACL says. Where the system does not tell either, a file is
    /// made for a moment. [`PRIVATE`] when it cannot be told. What was found once is taken for all files of a folder
    /// that is open.
    pub(crate) fn usual_mode(&self) -> u32 {
        *self.usual_mode.get_or_init(|| match platform::usual_mode(&self.fd) {
            Some(mode) => mode,
            None => self.trial(0o666).map_or(PRIVATE, |entry| entry.mode & 0o666),
        })
    }

    /// The names in the folder, at most `max` of them, unsorted.
    pub(crate) fn list(&self, max: usize) -> Result<Vec<OsString>> {
        self.list_those(max, |_| true)
    }

    /// Those that are wanted of at most `max` names in the folder, unsorted.
    pub(crate) fn list_those(&self, max: usize, wanted: impl Fn(&OsStr) -> bool) -> Result<Vec<OsString>> {
        let failed = |e: Errno| DiskError::io("list", &self.path, e);
        let mut names = Vec::new();
        let mut left = max;
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            if left == 0 {
                break;
            }
            left -= 1;
            if wanted(name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The whole of a small file; `None` when the name is free, an error when it is longer than `max` bytes.
    pub(crate) fn read_small(&self, name: &OsStr, max: u64) -> Result<Option<Vec<u8>>> {
        let file = self.open_seen(name, false)?;
        file.map(|(file, entry)| self.read_whole(&file, &entry, name, max)).transpose()
    }

    /// The same of a file that no other user could change.
    pub(crate) fn read_own(&self, name: &OsStr, max: u64) -> Result<Option<Vec<u8>>> {
        let file = self.open_own_seen(name, false)?;
        file.map(|(file, entry)| self.read_whole(&file, &entry, name, max)).transpose()
    }

    fn read_whole(&self, file: &File, entry: &FileStat, name: &OsStr, max: u64) -> Result<Vec<u8>> {
        let bytes = read_expecting(file, entry.facts.len, max + 1)
            .map_err(|e| DiskError::io("read", &self.path_of(name), e))?;
        if bytes.len() as u64 > max {
            return Err(DiskError::said(DiskFault::Io, "read", &self.path_of(name), "it is larger than any of ours"));
        }
        Ok(bytes)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens one part of a path, which must be a folder and no link; the last one for reading.
fn part_of(at: &OwnedFd, name: &OsStr, path: &Path, create: bool, last: bool) -> Result<OwnedFd> {
    // To go through a folder takes less permission than to read it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let access = if last { OFlags::RDONLY } else { OFlags::PATH };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let access = OFlags::RDONLY;
    let _ = last;
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(at, name, flags, Mode::empty());
    let opened = match open() {
        Err(Errno::NOENT) if create => match rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => open(),
            Err(e) => return Err(DiskError::named("create folder", path, e)),
        },
        opened => opened,
    };
    opened.map_err(|e| match e {
        Errno::LOOP | Errno::NOTDIR | Errno::MLINK => {
            let stat = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
            let why = match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Ok(FileType::Symlink) => "a link stands there, and none is followed below the folder that was given",
                _ => "what stands there is no folder",
            };
            DiskError::said(DiskFault::Exists, "open folder", path, why)
        }
        e => DiskError::named("open folder", path, e),
    })
}

/// The name of a file that lives for a moment, to see what new files are in a folder.
fn trial_name() -> OsString {
    format!("{MODE}{HELPER}{:016x}", random_u64()).into()
}

/// Reads a file from its beginning, at most `max` bytes.
pub(crate) fn read_at_most(file: &File, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of a file that had this length just now: one call, when it still has.
pub(crate) fn read_expecting(mut file: &File, len: u64, max: u64) -> std::io::Result<Vec<u8>> {
    let room = usize::try_from(len.saturating_add(1).min(max)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; room];
    let mut filled = 0;
    while filled < room {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled as u64 == len {
            break; // its end, as it was: a file that grows meanwhile is read up to there
        }
    }
    bytes.truncate(filled);
    if filled < room || len + 1 >= max {
        return Ok(bytes);
    }
    let rest = max - filled as u64; // it is longer than it was
    file.take(rest).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn links_folders_and_pipes_are_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("real"), b"1").unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        std::fs::create_dir(dir.path().join("dir")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        for name in ["link", "dir", "socket"] {
            assert_eq!(folder.open_file(OsStr::new(name), true).unwrap_err().fault(), DiskFault::Exists, "{name}");
        }
        assert_eq!(folder.remove(OsStr::new("dir")).unwrap_err().fault(), DiskFault::Exists);
        assert!(folder.open_file(OsStr::new("real"), false).unwrap().is_some());
        assert!(folder.open_file(OsStr::new("none"), false).unwrap().is_none());
        for name in ["link", "dir", "socket"] {
            assert_eq!(folder.create_file_anew(OsStr::new(name)).unwrap_err().fault(), DiskFault::Exists, "{name}");
            assert!(dir.path().join(name).symlink_metadata().is_ok(), "{name} was not ours to remove");
        }
        folder.create_file_anew(OsStr::new("real")).unwrap();
        assert_eq!(std::fs::read(dir.path().join("real")).unwrap(), b"");
    }

    #[test]
    fn the_name_of_a_trial_is_on_the_list_of_our_names() {
        assert!(longhaul_core::names::is_ours(trial_name().to_str().unwrap()));
    }

    #[test]
    fn new_files_are_private_and_the_usual_mode_is_what_others_get() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let file = folder.create_file(OsStr::new("f")).unwrap();
        assert_eq!(FileStat::of(&file).unwrap().mode, 0o600);
        std::fs::write(dir.path().join("plain"), b"").unwrap();
        let plain = dir.path().join("plain").metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(folder.usual_mode(), plain);
        assert_eq!(folder.trial(0o666).unwrap().mode, plain);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(folder.free_bytes().is_some_and(|free| free > 0));
    }

    /// A FAT volume shows every file as its mounter's, and as writable by everybody.
    #[test]
    fn where_every_file_has_the_same_owner_and_permissions_these_tell_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let file = folder.create_file(OsStr::new("f")).unwrap();
        let entry = FileStat::of(&file).unwrap();
        assert_eq!(folder.stranger(&entry), None);
        let odd = FileStat { uid: entry.uid + 54_321, mode: 0o777, ..entry };
        assert!(folder.stranger(&odd).is_some() && folder.stranger(&FileStat { uid: entry.uid, ..odd }).is_some());
        let everywhere = Folder::open(dir.path()).unwrap();
        everywhere.new_files.set(Some(odd)).unwrap();
        assert_eq!(everywhere.stranger(&odd), None);
        assert_eq!(everywhere.stranger(&FileStat { uid: entry.uid, ..odd }), None);
        assert!(everywhere.stranger(&FileStat { uid: odd.uid + 1, ..odd }).is_some());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "what was tried left nothing behind");
    }

    #[test]
    fn a_file_larger_than_its_bound_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b"12345").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.read_small(OsStr::new("f"), 5).unwrap().unwrap(), b"12345");
        assert!(folder.read_small(OsStr::new("f"), 4).is_err());
        assert_eq!(folder.read_small(OsStr::new("g"), 4).unwrap(), None);
    }
}
