//! What the downloads of one batch know of each other: which files they have saved, so that none of them takes the place
//! of another one's, and which folders they worked in last, so that each is opened and looked up once for many files.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::folder::{FileStat, Folder};
use crate::sync::locked;

/// Files that are remembered, so that memory has a bound however long a list is: about 10 MiB. Two sources of one name
/// further apart than this are told apart only where `overwrite` is not set.
const REMEMBERED_MAX: usize = 1 << 16;

/// So many folders stay open for the next download: a descriptor each.
const FOLDERS_MAX: usize = 16;

/// Files and what they were saved from. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SavedFiles {
    saved: Arc<Mutex<Saved>>,
}

#[derive(Debug, Default)]
struct Saved {
    /// By device and inode: what the file was saved from.
    whose: HashMap<(u64, u64), Box<str>>,
    order: VecDeque<(u64, u64)>,
    /// Those that were worked in last, the oldest first.
    folders: VecDeque<Arc<Folder>>,
}

impl SavedFiles {
    /// What a file was saved from.
    pub(crate) fn whose(&self, file: &FileStat) -> Option<String> {
        locked(&self.saved).whose.get(&key(file)).map(|whose| whose.as_ref().to_owned())
    }

    /// A download works in this folder: it stays open for the next ones, as long as the batch lasts.
    pub(crate) fn keep_open(&self, folder: &Arc<Folder>) {
        let mut saved = locked(&self.saved);
        if saved.folders.iter().any(|kept| Arc::ptr_eq(kept, folder)) {
            return;
        }
        saved.folders.push_back(folder.clone());
        if saved.folders.len() > FOLDERS_MAX {
            saved.folders.pop_front();
        }
    }

    /// A file was saved, or found complete.
    pub(crate) fn add(&self, file: &FileStat, whose: &str) {
        let (mut saved, file) = (locked(&self.saved), key(file));
        if saved.whose.insert(file, whose.into()).is_none() {
            saved.order.push_back(file);
        }
        if saved.order.len() > REMEMBERED_MAX
            && let Some(oldest) = saved.order.pop_front()
        {
            saved.whose.remove(&oldest);
        }
    }
}

fn key(file: &FileStat) -> (u64, u64) {
    (file.device, file.facts.inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_folders_stay_open_as_long_as_the_batch_lasts() {
        let dir = tempfile::tempdir().unwrap();
        let files = SavedFiles::default();
        let mut all = Vec::new();
        for n in 0..2 * FOLDERS_MAX {
            let folder = Arc::new(Folder::create(&dir.path().join(n.to_string()), 0o700).unwrap());
            files.keep_open(&folder);
            files.keep_open(&folder);
            all.push(Arc::downgrade(&folder));
        }
        let open = || all.iter().filter(|folder| folder.strong_count() > 0).count();
        assert_eq!(open(), FOLDERS_MAX);
        assert!(all[2 * FOLDERS_MAX - 1].strong_count() > 0);
        drop(files);
        assert_eq!(open(), 0);
    }

    #[test]
    fn files_are_known_by_what_they_are_and_the_oldest_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("A"));
        std::fs::write(&a, b"").unwrap();
        std::fs::hard_link(&a, &b).unwrap();
        let entry = |path| FileStat::of(std::fs::File::open(path).unwrap()).unwrap();
        let files = SavedFiles::default();
        assert_eq!(files.whose(&entry(&a)), None);
        files.add(&entry(&a), "one");
        assert_eq!(files.whose(&entry(&b)).as_deref(), Some("one"));
        let mut other = entry(&a);
        for inode in 0..2 * REMEMBERED_MAX as u64 {
            other.device = entry(&a).device + 1;
            other.facts.inode = inode;
            files.add(&other, "more");
            files.add(&other, "more");
        }
        assert_eq!(locked(&files.saved).whose.len(), REMEMBERED_MAX);
        assert_eq!(locked(&files.saved).order.len(), REMEMBERED_MAX);
        assert_eq!(files.whose(&entry(&a)), None);
    }
}
