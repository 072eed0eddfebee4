//! Folders that several transfers work in at once: opened and looked up once for all of them.
//!
//! A folder is shared only while some transfer still holds it, and only while the path that was given leads to it: a
//! folder that takes another's place is opened anew, and who works in the old one goes on there. That holds for folders
//! below another one as well ([`Within::Below`]), which are looked up part by part each time.

use super::error::{DiskError, Result};
use super::group::Volumes;
use crate::disk::folder::{FileStat, Folder};
use crate::sync::locked;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

/// So many paths are remembered before those whose folder is no longer in use are removed.
const REMEMBERED_MAX: usize = 64;

/// Which folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Within {
    /// The one at a path of the user's: links in it are followed.
    Path(PathBuf),
    /// The one with this path below that of the user's, by parts that are no links.
    Below(PathBuf, PathBuf),
}

/// The folders in use, by the path that was given for them.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    open: Mutex<HashMap<PathBuf, Weak<Folder>>>,
    /// What they are on.
    pub(crate) volumes: Volumes,
}

impl Folders {
    /// Opens a folder, creating it and its parents when asked; its own path is the canonical one.
    pub(crate) fn open(&self, path: &Path, create: bool) -> Result<Arc<Folder>> {
        if let Some(folder) = self.shared(path) {
            return Ok(folder);
        }
        if create {
            Folder::create(path, 0o777)?;
        }
        // Receipts and lists speak of absolute paths.
        let canonical = std::fs::canonicalize(path).map_err(|e| DiskError::io("find the folder", path, e))?;
        let folder = Arc::new(Folder::open(&canonical)?);
        let mut open = locked(&self.open);
        remember(&mut open, path.into(), &folder);
        Ok(folder)
    }

    /// Opens the folder that is meant, as [`open`](Self::open) does.
    pub(crate) fn open_within(&self, within: &Within, create: bool) -> Result<Arc<Folder>> {
        let (root, parts) = match within {
            Within::Path(path) => return self.open(path, create),
            Within::Below(root, parts) => (root, parts),
        };
        let root = self.open(root, create)?;
        let folder = root.below(parts, create)?;
        let key = root.path().join(parts);
        let mut open = locked(&self.open);
        if let Some(shared) = open.get(&key).and_then(Weak::upgrade) {
            let (a, b) = (FileStat::of(&folder), FileStat::of(&shared));
            if a.is_ok_and(|a| b.is_ok_and(|b| a.same_file(&b))) {
                return Ok(shared);
            }
        }
        let folder = Arc::new(folder);
        remember(&mut open, key, &folder);
        Ok(folder)
    }

    fn shared(&self, path: &Path) -> Option<Arc<Folder>> {
        let folder = locked(&self.open).get(path)?.upgrade()?;
        folder.is_at(path).then_some(folder)
    }
}

fn remember(open: &mut HashMap<PathBuf, Weak<Folder>>, path: PathBuf, folder: &Arc<Folder>) {
    if open.len() >= REMEMBERED_MAX {
        open.retain(|_, folder| folder.strong_count() > 0);
    }
    open.insert(path, Arc::downgrade(folder));
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::words::DiskFault;
    use std::os::unix::fs::symlink;

    #[test]
    fn below_a_folder_no_link_is_followed_and_the_folder_itself_may_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let (real, outside) = (dir.path().join("real"), dir.path().join("outside"));
        std::fs::create_dir_all(&real).unwrap();
        std::fs::create_dir(&outside).unwrap();
        symlink(&real, dir.path().join("root")).unwrap();
        let folders = Folders::default();
        let below = |parts: &str, create| {
            folders
                .open_within(&Within::Below(dir.path().join("root"), parts.into()), create)
                .map(|f| f.path().to_owned())
        };
        assert_eq!(below("a/b", false).unwrap_err().fault(), DiskFault::Io);
        let canonical = std::fs::canonicalize(&real).unwrap();
        assert_eq!(below("a/b", true).unwrap(), canonical.join("a/b"));
        assert_eq!(below("", true).unwrap(), canonical);
        symlink(&outside, real.join("link")).unwrap();
        symlink(real.join("a"), real.join("inside")).unwrap();
        symlink("nowhere", real.join("dangling")).unwrap();
        std::fs::write(real.join("file"), b"").unwrap();
        for parts in ["link", "link/x", "inside", "inside/b", "dangling", "dangling/x", "file", "file/x"] {
            let refused = below(parts, true).unwrap_err();
            assert_eq!(refused.fault(), DiskFault::Exists, "{parts}: {refused}");
        }
        for parts in ["..", "a/../..", "/", "/tmp"] {
            assert_eq!(below(parts, true).unwrap_err().fault(), DiskFault::Unsupported, "{parts}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!real.join("nowhere").exists());
    }

    #[test]
    fn a_folder_below_is_shared_until_another_one_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::default();
        let within = Within::Below(dir.path().into(), "a/b".into());
        let first = folders.open_within(&within, true).unwrap();
        assert!(Arc::ptr_eq(&first, &folders.open_within(&within, false).unwrap()));
        std::fs::rename(dir.path().join("a"), dir.path().join("c")).unwrap();
        let second = folders.open_within(&within, true).unwrap();
        assert!(!Arc::ptr_eq(&first, &second) && first.is_at(&dir.path().join("c/b")));
        symlink("c", dir.path().join("d")).unwrap();
        assert!(folders.open_within(&Within::Below(dir.path().into(), "d/b".into()), true).is_err());
    }

    #[test]
    fn a_folder_is_shared_while_somebody_holds_it_and_the_path_leads_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let folders = Folders::default();
        assert!(folders.open(&a, false).is_err());
        let first = folders.open(&a, true).unwrap();
        assert!(Arc::ptr_eq(&first, &folders.open(&a, false).unwrap()));
        std::fs::rename(&a, &b).unwrap();
        std::fs::create_dir(&a).unwrap();
        let second = folders.open(&a, false).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(second.is_at(&a) && first.is_at(&b));
        let weak = Arc::downgrade(&second);
        drop(second);
        assert!(weak.upgrade().is_none(), "nothing is held open for later");
    }

    #[test]
    fn many_paths_are_not_remembered_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::default();
        for n in 0..3 * REMEMBERED_MAX {
            folders.open(&dir.path().join(n.to_string()), true).unwrap();
        }
        assert!(folders.open.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
