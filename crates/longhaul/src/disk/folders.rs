//! Folders that several transfers work in at once: opened and looked up once for all of them.
//!
//! A folder is shared only while some transfer still holds it, and only while the path that was given leads to it: a
//! folder that takes another's place is opened anew, and who works in the old one goes on there.

use super::error::{DiskError, Result};
use super::group::Volumes;
use super::place::Folder;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Paths remembered before those whose folder nobody holds any more are looked for.
const REMEMBERED_MAX: usize = 64;

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
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= REMEMBERED_MAX {
            open.retain(|_, folder| folder.strong_count() > 0);
        }
        open.insert(path.into(), Arc::downgrade(&folder));
        Ok(folder)
    }

    fn shared(&self, path: &Path) -> Option<Arc<Folder>> {
        let folder = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(path)?.upgrade()?;
        folder.is_at(path).then_some(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
