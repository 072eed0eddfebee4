//! Downloads that belong together: none of them takes the place of what another one saved.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::folder::FileStat;

/// Files that are remembered, so that memory has a bound however long a list is: about 10 MiB. Two sources of one name
/// further apart than this are told apart only where `overwrite` is not set.
const REMEMBERED_MAX: usize = 1 << 16;

/// Downloads that belong together, as those of one list do.
///
/// None of them replaces a file that another of them saved, [`overwrite`](crate::DownloadBuilder::overwrite) or not: two
/// sources that want one target end in [`ErrorKind::Exists`](crate::ErrorKind::Exists) for the later one, and the error
/// names both. Files are told by what they are and not by their names, so this holds as well where a file system takes
/// two names for one (of another case, say). The last 65,536 files are remembered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    saved: Arc<Mutex<Saved>>,
}

#[derive(Debug, Default)]
struct Saved {
    /// By device and inode: what the file was saved from.
    whose: HashMap<(u64, u64), Box<str>>,
    order: VecDeque<(u64, u64)>,
}

impl Batch {
    /// What a file was saved from by a download of this batch.
    pub(crate) fn whose(&self, file: &FileStat) -> Option<String> {
        self.saved().whose.get(&key(file)).map(|whose| whose.as_ref().to_owned())
    }

    /// A file was saved, or found complete.
    pub(crate) fn add(&self, file: &FileStat, whose: &str) {
        let (mut saved, file) = (self.saved(), key(file));
        if saved.whose.insert(file, whose.into()).is_none() {
            saved.order.push_back(file);
        }
        if saved.order.len() > REMEMBERED_MAX
            && let Some(oldest) = saved.order.pop_front()
        {
            saved.whose.remove(&oldest);
        }
    }

    fn saved(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(file: &FileStat) -> (u64, u64) {
    (file.device, file.facts.inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_what_they_are_and_the_oldest_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("A"));
        std::fs::write(&a, b"").unwrap();
        std::fs::hard_link(&a, &b).unwrap();
        let entry = |path| FileStat::of(std::fs::File::open(path).unwrap()).unwrap();
        let batch = Batch::default();
        assert_eq!(batch.whose(&entry(&a)), None);
        batch.add(&entry(&a), "one");
        assert_eq!(batch.whose(&entry(&b)).as_deref(), Some("one"));
        let mut other = entry(&a);
        for inode in 0..2 * REMEMBERED_MAX as u64 {
            other.device = entry(&a).device + 1;
            other.facts.inode = inode;
            batch.add(&other, "more");
            batch.add(&other, "more");
        }
        assert_eq!(batch.saved().whose.len(), REMEMBERED_MAX);
        assert_eq!(batch.saved().order.len(), REMEMBERED_MAX);
        assert_eq!(batch.whose(&entry(&a)), None);
    }
}
