//! Which file in this folder is of that source? What lies there is looked through once for all transfers that a batch
//! begins, not once for each: with thousands of files that would be most of the work.
//!
//! What was found is believed for a short while ([`BELIEVED`], longer where looking takes long). A transfer that began
//! or ended meanwhile is then not found, which costs one request: the reply tells the name, and what lies under that
//! name is always looked at.

use super::receipt;
use super::state_dir::StateDir;
use crate::disk::beside::place::journals_in;
use crate::disk::folder::{FileStat, Folder};
use crate::sync::locked;
use longhaul_core::window::Window;
use rustix::fs::FileType;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a look is believed.
const BELIEVED: Duration = Duration::from_secs(2);
/// At most this share of the time is spent looking.
const SHARE: u32 = 20;

/// The last look.
#[derive(Debug, Default)]
pub(crate) struct FolderSearch {
    last: Mutex<Option<FolderLook>>,
}

#[derive(Debug)]
struct FolderLook {
    path: PathBuf,
    until: Instant,
    entry: FileStat,
    /// File names by source and range.
    unfinished: HashMap<SourceKey, Vec<u8>>,
    finished: FinishedNames,
}

/// The names of finished files that are not small, by what they are of, in some 25 bytes for each. Small ones are in the
/// log of receipts, which knows where.
#[derive(Debug, Default)]
struct FinishedNames {
    /// The folder from the root on, as receipts have it.
    folder: PathBuf,
    hash: RandomState,
    /// A hash of source and range, and where in `names` the name is; in the order of the hashes.
    files: Vec<(u64, u32, u16)>,
    names: Vec<u8>,
}

impl FinishedNames {
    /// The names that were told first are kept. Those of others are found by asking the source.
    const MAX: usize = 1 << 19;

    fn of(folder: PathBuf, state: Option<&StateDir>) -> Self {
        let mut finished = Self { folder, ..Self::default() };
        if let Some(state) = state {
            // Receipts that cannot be read are as good as none.
            let _ = state.each_large_receipt(|receipt| finished.take(&receipt));
            let _ = state.read_small_receipts();
        }
        finished.files.sort_unstable();
        finished.files.shrink_to_fit();
        finished
    }

    fn take(&mut self, receipt: &receipt::ReceiptFile) {
        let name = receipt.path.file_name().filter(|_| receipt.path.parent() == Some(&self.folder));
        let Some(name) = name.map(OsStr::as_bytes).filter(|_| self.files.len() < Self::MAX) else { return };
        let hash = self.hash.hash_one(key(&receipt.source, &receipt.range));
        if let (Ok(at), Ok(len)) = (u32::try_from(self.names.len()), u16::try_from(name.len())) {
            self.files.push((hash, at, len));
            self.names.extend_from_slice(name);
        }
    }

    /// Names under which files of these bytes may be; their receipts say whether they are.
    fn of_these(&self, wanted: &SourceKey) -> impl Iterator<Item = &OsStr> {
        let hash = self.hash.hash_one(wanted);
        let from = self.files.partition_point(|(other, ..)| *other < hash);
        let these = self.files[from..].iter().take_while(move |(other, ..)| *other == hash);
        these.map(|&(_, at, len)| OsStr::from_bytes(&self.names[at as usize..][..usize::from(len)]))
    }
}

/// A source, and which bytes of it.
type SourceKey = (String, String);

fn key(source: &str, range: &Window) -> SourceKey {
    (source.to_owned(), range.to_string())
}

impl FolderSearch {
    /// Lets every search wait until the guard is dropped.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        locked(&self.last)
    }

    /// Whether the last look at the folder counts still, and nothing of these bytes of `source` was there: one look at
    /// the folder's path. False where finding that out would take longer, or has to wait.
    pub(crate) fn knows_of_none(&self, folder: &Path, source: &str, range: &Window, state: Option<&StateDir>) -> bool {
        let Ok(last) = self.last.try_lock() else { return false };
        let wanted = key(source, range);
        let is_of_none = |look: &&FolderLook| {
            !look.unfinished.contains_key(&wanted)
                && look.finished.of_these(&wanted).next().is_none()
                && state.is_none_or(|state| state.knows_of_no_small_file_of(&look.finished.folder, source, range))
        };
        let look = last.as_ref().filter(|look| look.path == folder).filter(is_of_none);
        look.is_some_and(|look| FileStat::at(folder).is_ok_and(|entry| look.is_fresh(folder, &entry)))
    }

    /// The target of an unfinished transfer of these bytes of `source` in the folder, or of a finished file of them
    /// there.
    pub(crate) fn find(
        &self,
        folder: &Path,
        source: &str,
        range: &Window,
        state: Option<&StateDir>,
    ) -> Option<PathBuf> {
        let mut last = locked(&self.last);
        let opened = Folder::open(folder).ok()?; // not kept open: perhaps no transfer is at work in it
        let entry = FileStat::of(&opened).ok()?;
        if !last.as_ref().is_some_and(|look| look.is_fresh(folder, &entry)) {
            *last = FolderLook::at(folder, &opened, entry, state);
        }
        last.as_ref()?.find(source, range, &opened, state).map(|name| folder.join(name))
    }
}

impl FolderLook {
    fn at(path: &Path, folder: &Folder, entry: FileStat, state: Option<&StateDir>) -> Option<Self> {
        let begun = Instant::now();
        let mut unfinished = HashMap::new();
        for found in journals_in(folder).ok()? {
            unfinished.entry(key(&found.url, &found.window)).or_insert(found.name);
        }
        let absolute = std::fs::canonicalize(path).ok()?;
        let finished = FinishedNames::of(absolute, state);
        let until = Instant::now() + BELIEVED.max(begun.elapsed() * SHARE);
        Some(Self { path: path.into(), until, entry, unfinished, finished })
    }

    /// Whether it counts for the folder that is at this path now.
    fn is_fresh(&self, path: &Path, entry: &FileStat) -> bool {
        self.path == path && self.entry.same_file(entry) && Instant::now() < self.until
    }

    fn find(&self, source: &str, range: &Window, folder: &Folder, state: Option<&StateDir>) -> Option<OsString> {
        let wanted = key(source, range);
        if let Some(name) = self.unfinished.get(&wanted) {
            return Some(OsStr::from_bytes(name).to_owned());
        }
        let is_it = |name: &OsStr| {
            let receipt = state.and_then(|state| state.receipt(&self.finished.folder.join(name)).ok()?);
            let receipt = receipt.filter(|receipt| key(&receipt.source, &receipt.range) == wanted);
            receipt.zip(folder.look(name).ok().flatten()).is_some_and(|(receipt, entry)| {
                entry.kind == FileType::RegularFile && receipt::is_of(&receipt, &entry.facts, folder, name)
            })
        };
        let small = state.and_then(|state| state.small_files_perhaps_of(&self.finished.folder, source, range).ok());
        let small = small.unwrap_or_default();
        let small = small.iter().filter_map(|path| path.file_name());
        small.chain(self.finished.of_these(&wanted)).find(|name| is_it(name)).map(OsStr::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::download::journal::{self, Record, Source};

    #[test]
    fn an_unfinished_transfer_is_found_by_its_source_for_as_long_as_the_folder_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("d");
        std::fs::create_dir(&folder).unwrap();
        let source = Source { url: "https://h/x".into(), name: b"x".to_vec(), ..Source::default() };
        let mut bytes = journal::header().to_vec();
        journal::encode(&[Record::Source(source)], 0, &mut bytes);
        std::fs::write(folder.join("x.lhlog"), bytes).unwrap();
        let (search, whole) = (FolderSearch::default(), Window::default());
        let knows_of_none = |source| search.knows_of_none(&folder, source, &whole, None);
        assert!(!knows_of_none("https://h/y"), "the folder was not looked at yet");
        assert_eq!(search.find(&folder, "https://h/x", &whole, None), Some(folder.join("x")));
        assert_eq!(search.find(&folder, "https://h/y", &whole, None), None);
        assert!(knows_of_none("https://h/y") && !knows_of_none("https://h/x"));
        assert_eq!(search.find(&folder, "https://h/x", &Window::parse("5-").unwrap(), None), None);
        std::fs::rename(&folder, dir.path().join("e")).unwrap();
        assert_eq!(search.find(&folder, "https://h/x", &whole, None), None);
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(search.find(&folder, "https://h/x", &whole, None), None, "another folder took its place");
        assert!(knows_of_none("https://h/x"));
        std::fs::rename(&folder, dir.path().join("f")).unwrap();
        assert!(!knows_of_none("https://h/x"), "there is no folder");
        assert_eq!(search.find(&dir.path().join("e"), "https://h/x", &whole, None), Some(dir.path().join("e/x")));
    }
}
