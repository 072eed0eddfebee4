//! How the target comes to be: one rename, of a whole file, onto a name that is free or may be replaced.
//!
//! The order of a publish is the core's (data synced, intent recorded, rename, folder synced, receipt, journal
//! removed). Here is what each rename promises.

use super::lock::{self, Locking};
use super::part_file::PartFile;
use super::place::Place;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{FileStat, Folder};
use crate::disk::platform;
use longhaul_core::download::resume::{TargetReceipt, TargetState};
use longhaul_core::words::{DiskFault, FileFacts};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};

/// What stands at the target's name. `finished` is asked about a regular file: what a receipt of this source says that
/// fits it, if there is one.
pub(crate) fn look(place: &Place, finished: impl FnOnce(&FileFacts) -> Option<TargetReceipt>) -> Result<TargetState> {
    Ok(match place.folder.look(place.names.target())? {
        None => TargetState::Absent,
        Some(entry) => match entry.kind {
            FileType::RegularFile => {
                TargetState::File { facts: entry.facts, finished: finished(&entry.facts).map(Box::new) }
            }
            FileType::Symlink => TargetState::Symlink,
            FileType::Directory => TargetState::Directory,
            _ => TargetState::Other,
        },
    })
}

/// Renames the main part file to the target. Atomic: the target is the old thing or the whole new file, at every
/// moment. It lasts after a sync of the folder. `part` must be what stands at the part's name, else `Io`.
///
/// Without `replace`, anything at the target (a dangling link too) is `Exists`, and stays. With it, a file or a link
/// is replaced (the link itself, never what it points to); a folder never is.
/// What the file is, told from before the rename.
pub(crate) fn publish(place: &Place, part: &PartFile, replace: bool) -> Result<FileStat> {
    let ours = expect_named(place, part, &place.names.part())?;
    let (from, to) = (place.names.part(), place.names.target());
    if !replace {
        return rename_to_free_name(place, to).map(|()| ours);
    }
    if place.folder.look(to)?.is_some_and(|e| e.kind == FileType::Directory) {
        let why = "a folder stands there";
        return Err(DiskError::said(DiskFault::Exists, "publish", &place.folder.path_of(to), why));
    }
    place.folder.rename(&from, to).map(|()| ours)
}

/// The same under another name in the folder, which has to be free.
pub(crate) fn publish_as(place: &Place, part: &PartFile, name: &OsStr) -> Result<FileStat> {
    let ours = expect_named(place, part, &place.names.part())?;
    rename_to_free_name(place, name).map(|()| ours)
}

fn rename_to_free_name(place: &Place, to: &OsStr) -> Result<()> {
    let from = place.names.part();
    let path = place.folder.path_of(to);
    let dir = place.folder.as_fd();
    match rename_exclusive(dir, &from, to) {
        Err(e) if cannot(e) => {}
        other => return other.map_err(|e| DiskError::named("publish", &path, e)),
    }
    // A hard link is never made over an existing name. Between the two calls the file has both names, and both are
    // whole: `lock::acquire` tidies up after a crash there.
    match rustix::fs::linkat(dir, &from, dir, to, AtFlags::empty()) {
        Ok(()) => return place.folder.remove(&from).map(drop),
        Err(e) if cannot(e) || e == Errno::PERM || e == Errno::MLINK => {}
        Err(e) => return Err(DiskError::io("publish", &path, e)),
    }
    // Neither exists on this file system. A file that another program creates between these two lines is lost; we
    // hold the transfer's lock, so it is none of ours.
    if place.folder.look(to)?.is_some() {
        return Err(DiskError::said(DiskFault::Exists, "publish", &path, "something stands there"));
    }
    place.folder.rename(&from, to)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exclusive(dir: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_exclusive(_: BorrowedFd<'_>, _: &OsStr, _: &OsStr) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// Renames `from` in the folder to a name that is free; `Exists` when it is not.
pub(crate) fn set_aside(folder: &Folder, from: &OsStr, to: &OsStr) -> Result<()> {
    let path = folder.path_of(to);
    match rename_exclusive(folder.as_fd(), from, to) {
        Err(e) if cannot(e) => {}
        other => return other.map_err(|e| DiskError::named("rename to", &path, e)),
    }
    // What another program makes there between these two lines is lost.
    match folder.look(to)? {
        Some(_) => Err(DiskError::said(DiskFault::Exists, "rename to", &path, "something stands there")),
        None => folder.rename(from, to),
    }
}

/// Whether the file system does not know the operation.
fn cannot(e: Errno) -> bool {
    e == Errno::INVAL || platform::means_unsupported(&e.into())
}

/// `NAME.lhnext` (open as `next`) becomes `NAME.lhpart`: locked first, then renamed over it, so that the transfer is
/// never without a lock. Keep the old part file open until this returns. It lasts after a sync of the folder.
pub(crate) fn promote(place: &Place, next: &PartFile, locking: Locking) -> Result<()> {
    expect_named(place, next, &place.names.next())?;
    lock::take(next, locking, place)?;
    place.folder.rename(&place.names.next(), &place.names.part())
}

/// A rename moves the file that stands at the name: it must be the one we wrote.
fn expect_named(place: &Place, file: &PartFile, name: &OsStr) -> Result<FileStat> {
    let named = place.folder.look(name)?;
    let is_ours = |named: &FileStat| match file.is_held_file(named) {
        Some(is_held) => Ok(is_held),
        None => file.entry().map(|ours| ours.same_file(named)),
    };
    match named {
        Some(named) if is_ours(&named)? => Ok(named),
        _ => {
            let why = "another program moved or replaced it while it was being written";
            Err(DiskError::said(DiskFault::Io, "publish", &place.folder.path_of(name), why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::download::held::Slot;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Stage {
        dir: tempfile::TempDir,
        place: Place,
        part: PartFile,
    }

    fn stage() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(Folder::open(dir.path()).unwrap(), OsStr::new("x")).unwrap();
        let (part, _) = lock::acquire(&place, Locking::Required).unwrap();
        part.write_at(0, b"new").unwrap();
        Stage { dir, place, part }
    }

    impl Stage {
        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }
        fn publish(&self, replace: bool) -> std::result::Result<(), DiskFault> {
            publish(&self.place, &self.part, replace).map(drop).map_err(|e| e.fault())
        }
        fn target(&self) -> TargetState {
            look(&self.place, |_| None).unwrap()
        }
    }

    #[test]
    fn a_free_name_is_taken() {
        for replace in [false, true] {
            let s = stage();
            assert_eq!(s.target(), TargetState::Absent);
            s.publish(replace).unwrap();
            assert_eq!(std::fs::read(s.path("x")).unwrap(), b"new");
            assert!(!s.path("x.lhpart").exists());
            let facts = s.part.facts().unwrap();
            assert_eq!(s.target(), TargetState::File { facts, finished: None });
            assert!(matches!(
                look(&s.place, |f| (f.len == 3).then(Default::default)).unwrap(),
                TargetState::File { finished: Some(_), .. }
            ));
        }
    }

    #[test]
    fn an_existing_file_is_replaced_only_when_asked() {
        let s = stage();
        std::fs::write(s.path("x"), b"old").unwrap();
        assert_eq!(s.publish(false), Err(DiskFault::Exists));
        assert_eq!(std::fs::read(s.path("x")).unwrap(), b"old");
        s.publish(true).unwrap();
        assert_eq!(std::fs::read(s.path("x")).unwrap(), b"new");
    }

    #[test]
    fn a_link_is_replaced_itself_and_never_followed() {
        for points_to in ["victim", "nowhere"] {
            let s = stage();
            std::fs::write(s.path("victim"), b"old").unwrap();
            symlink(points_to, s.path("x")).unwrap();
            assert_eq!(s.target(), TargetState::Symlink);
            assert_eq!(s.publish(false), Err(DiskFault::Exists));
            s.publish(true).unwrap();
            assert!(s.path("x").symlink_metadata().unwrap().is_file());
            assert_eq!(std::fs::read(s.path("victim")).unwrap(), b"old");
            assert!(!s.path("nowhere").exists());
        }
    }

    #[test]
    fn a_folder_is_never_replaced() {
        let s = stage();
        std::fs::create_dir(s.path("x")).unwrap();
        assert_eq!(s.target(), TargetState::Directory);
        assert_eq!(s.publish(false), Err(DiskFault::Exists));
        assert_eq!(s.publish(true), Err(DiskFault::Exists));
        assert!(s.path("x").is_dir() && s.path("x.lhpart").exists());
    }

    #[test]
    fn a_socket_is_something_else() {
        let s = stage();
        let _listener = std::os::unix::net::UnixListener::bind(s.path("x")).unwrap();
        assert_eq!(s.target(), TargetState::Other);
    }

    #[test]
    fn a_part_file_that_was_swapped_is_not_published() {
        let s = stage();
        std::fs::rename(s.path("x.lhpart"), s.path("elsewhere")).unwrap();
        std::fs::write(s.path("x.lhpart"), b"evil").unwrap();
        assert_eq!(s.publish(true), Err(DiskFault::Io));
        assert!(!s.path("x").exists());
    }

    #[test]
    fn a_promoted_file_is_locked_before_it_has_the_name() {
        let s = stage();
        let next = PartFile::create_empty(&s.place, Slot::Next, Locking::Required, &[0; 16]).unwrap();
        next.write_at(0, b"next").unwrap();
        promote(&s.place, &next, Locking::Required).unwrap();
        assert_eq!(std::fs::read(s.path("x.lhpart")).unwrap(), b"next");
        assert!(!s.path("x.lhnext").exists());
        drop(s.part);
        assert_eq!(lock::acquire(&s.place, Locking::Required).unwrap_err().fault(), DiskFault::InUse);
    }

    #[test]
    fn linking_is_the_fallback_and_also_respects_what_stands_there() {
        let s = stage();
        let dir = s.place.folder.as_fd();
        std::fs::write(s.path("x"), b"old").unwrap();
        let link = || rustix::fs::linkat(dir, "x.lhpart", dir, "x", AtFlags::empty());
        assert_eq!(link(), Err(Errno::EXIST));
        std::fs::remove_file(s.path("x")).unwrap();
        link().unwrap();
        assert!(s.part.entry().unwrap().links == 2);
    }
}
