//! What the downloads of one batch know of each other: which files they have saved, so that none of them takes the place
//! of another one's, and which folders they worked in last, so that each is opened and looked up once for many files.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

use super::compact::CompactMap;
use super::folder::{FileStat, Folder};
use crate::sync::locked;

/// Files that are remembered at least, and at most twice as many, so that memory has a bound however long a list is:
/// some 13 MiB. Two sources of one name further apart than this are told apart only where `overwrite` is not set.
const REMEMBERED_MIN: usize = 1 << 19;

/// Of so many files the names of what they were saved from are kept, for messages.
const NAMED_MAX: usize = 1 << 10;

/// So many folders stay open for the next download: a descriptor each.
const FOLDERS_MAX: usize = 16;

/// Files and what they were saved from. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SavedFiles {
    saved: Arc<Mutex<Saved>>,
}

/// What a file was saved from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SavedFrom {
    /// From the source that was asked about.
    Same,
    /// From another one; its name, as long as it is kept.
    Other(Option<String>),
}

/// A file is eight bytes of a hash of its device and inode, its source four of a hash: one lookup in 2^43 finds a file
/// that was never saved, and two sources in 2^32 are taken for one. The hashes cannot be foreseen.
#[derive(Debug, Default)]
struct Saved {
    hash: RandomState,
    files: CompactMap<u32>,
    /// Those of before, when `files` has had its number.
    before: CompactMap<u32>,
    /// The last ones, by the hash of the file.
    names: VecDeque<(u64, Box<str>)>,
    /// Those that were worked in last, the oldest first.
    folders: VecDeque<Arc<Folder>>,
}

impl SavedFiles {
    /// Whether a file was saved from this source or from another one; `None` when it was not saved.
    pub(crate) fn from(&self, file: &FileStat, whose: &str) -> Option<SavedFrom> {
        let saved = locked(&self.saved);
        let (file, source) = (saved.key(file), saved.source(whose));
        if saved.files.get(file).or_else(|| saved.before.get(file))? == source {
            return Some(SavedFrom::Same);
        }
        let name = saved.names.iter().rev().find(|(named, _)| *named == file);
        Some(SavedFrom::Other(name.map(|(_, name)| name.as_ref().to_owned())))
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
        let mut saved = locked(&self.saved);
        let (file, source) = (saved.key(file), saved.source(whose));
        saved.files.insert(file, source);
        if saved.files.len() >= REMEMBERED_MIN {
            saved.before = std::mem::take(&mut saved.files);
        }
        saved.names.push_back((file, whose.into()));
        if saved.names.len() > NAMED_MAX {
            saved.names.pop_front();
        }
    }
}

impl Saved {
    fn key(&self, file: &FileStat) -> u64 {
        self.hash.hash_one((file.device, file.facts.inode))
    }

    fn source(&self, whose: &str) -> u32 {
        let hash = self.hash.hash_one(whose);
        (hash >> 32) as u32
    }
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
        assert_eq!(files.from(&entry(&a), "one"), None);
        files.add(&entry(&a), "one");
        assert_eq!(files.from(&entry(&b), "one"), Some(SavedFrom::Same));
        assert_eq!(files.from(&entry(&b), "two"), Some(SavedFrom::Other(Some("one".to_owned()))));
        let mut other = entry(&a);
        let mut add = |inodes: std::ops::Range<usize>| {
            for inode in inodes {
                other.device = entry(&a).device + 1;
                other.facts.inode = inode as u64;
                files.add(&other, "more");
            }
        };
        add(0..REMEMBERED_MIN);
        assert_eq!(files.from(&entry(&b), "two"), Some(SavedFrom::Other(None)), "known, and not by its name");
        assert_eq!(files.from(&entry(&b), "one"), Some(SavedFrom::Same));
        add(REMEMBERED_MIN..2 * REMEMBERED_MIN);
        assert_eq!(files.from(&entry(&a), "one"), None);
        let saved = locked(&files.saved);
        assert!(saved.files.bytes() + saved.before.bytes() < 15 << 20 && saved.names.len() == NAMED_MAX);
    }
}
