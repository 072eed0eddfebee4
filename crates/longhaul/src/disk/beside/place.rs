//! Which files a transfer has beside its target: a folder and the names in it.

use super::names::{FileNames, Helper, is_log};
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{Folder, read_at_most};
use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Source};
use longhaul_core::words::DiskFault;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// How often another name is tried for a helper whose name is taken.
const HELPER_TRIES: u32 = 8;
/// How many entries of a folder are looked at when searching for journals.
const LOOK_MAX: usize = 20_000;
/// How much of a journal is read to see which source it is of: the first record with two longest strings, and the
/// header.
const PEEK_LEN: u64 = 40 << 10;

/// The folder of one transfer and the names in it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The folder.
    pub(crate) folder: Arc<Folder>,
    /// The names.
    pub(crate) names: FileNames,
    /// What comes here, in words, for others of this program that want the same place.
    pub(crate) whose: String,
}

impl Place {
    /// The place of `target` (a single file name) in a folder; `Unsupported` when the name cannot be used.
    pub(crate) fn new(folder: impl Into<Arc<Folder>>, target: &OsStr) -> Result<Self> {
        let folder = folder.into();
        let names = FileNames::of(target).ok_or_else(|| {
            let path = folder.path_of(target);
            DiskError::said(
                DiskFault::Unsupported,
                "use the name",
                &path,
                "it is not a single file name of at most 255 bytes",
            )
        })?;
        Ok(Self { folder, names, whose: String::new() })
    }

    /// The same, for what comes from there.
    pub(crate) fn whose(self, whose: impl Into<String>) -> Self {
        Self { whose: whose.into(), ..self }
    }

    /// Makes a file that lives for a moment, private; with it its name. The name is the one that `id` gives, so that
    /// the next start of the transfer finds what a crash left; where another user has it, one that cannot be guessed.
    pub(crate) fn create_helper(&self, helper: Helper, id: &[u8; 16]) -> Result<(File, OsString)> {
        let mut name = self.names.helper(helper, id);
        for _ in 0..HELPER_TRIES {
            match self.folder.create_file(&name) {
                Err(e) if e.fault() == DiskFault::Exists => {
                    if !self.folder.remove_own(&name).unwrap_or(false) {
                        name = self.names.other_helper(helper);
                    }
                }
                made => return Ok((made?, name)),
            }
        }
        let path = self.folder.path_of(&name);
        Err(DiskError::said(DiskFault::Exists, "create", &path, "its names are taken again and again"))
    }

    /// Removes the helpers that a crash left of the transfer with this id. Best effort: the next start tries again.
    pub(crate) fn remove_helpers(&self, id: &[u8; 16]) {
        for helper in Helper::ALL {
            let _ = self.folder.remove_own(&self.names.helper(helper, id));
        }
    }

    /// The file name of a slot.
    pub(crate) fn slot(&self, slot: Slot) -> OsString {
        match slot {
            Slot::Main => self.names.part(),
            Slot::Next => self.names.next(),
        }
    }

    /// Free bytes here, for `Found`.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.folder.free_bytes()
    }

    /// Removes every file of the transfer except the target: journal first, so that it never speaks of data that is
    /// gone, the locked part file last. May be called twice. Sync the folder to make it last.
    pub(crate) fn remove_all(&self, id: &[u8; 16]) -> Result<()> {
        for name in [self.names.log(), self.names.next(), self.names.part()] {
            self.folder.remove_own(&name)?;
        }
        self.remove_helpers(id);
        Ok(())
    }
}

/// The journals in a folder and what they are of, sorted by target name. Unreadable ones are left out: this is a
/// search for a transfer to go on with, and what is found here must still be opened and locked.
pub(crate) fn journals_in(folder: &Folder) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let names = folder.list_those(LOOK_MAX, is_log)?;
    found.extend(names.iter().filter_map(|name| source_at(folder, name)));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// What the journal of this name is of. One under a name that its target would not give it is none: it is not where a
/// resume would look.
pub(crate) fn source_at(folder: &Folder, log: &OsStr) -> Option<Source> {
    let file = folder.open_own(log, false).ok()??;
    let head = read_at_most(&file, PEEK_LEN).ok()?;
    let recovered = journal::decode(&head).ok()?;
    let names = FileNames::of(OsStr::from_bytes(&recovered.source.name))?;
    (names.log() == log).then_some(recovered.source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::download::journal::Record;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_swapped_folder_does_not_redirect_us() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, evil) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("evil"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&evil).unwrap();
        let place = Place::new(Folder::open(&a).unwrap(), OsStr::new("x")).unwrap();
        std::fs::rename(&a, &b).unwrap();
        symlink(&evil, &a).unwrap();
        place.folder.create_file(&place.names.part()).unwrap();
        assert!(b.join("x.lhpart").exists());
        assert_eq!(std::fs::read_dir(&evil).unwrap().count(), 0);
    }

    #[test]
    fn journals_in_a_folder_are_found_by_what_they_are_of() {
        let dir = tempfile::tempdir().unwrap();
        let journal = |name: &str| {
            let source = Source { url: format!("https://h/{name}"), name: name.into(), ..Source::default() };
            let mut bytes = journal::header().to_vec();
            journal::encode(&[Record::Source(source)], 0, &mut bytes);
            bytes
        };
        let long = "y".repeat(255);
        let place = Place::new(Folder::open(dir.path()).unwrap(), OsStr::new(&long)).unwrap();
        std::fs::write(dir.path().join(place.names.log()), journal(&long)).unwrap();
        std::fs::write(dir.path().join("x.lhlog"), journal("x")).unwrap();
        std::fs::write(dir.path().join("moved.lhlog"), journal("other")).unwrap();
        std::fs::write(dir.path().join("bad.lhlog"), b"nothing of ours").unwrap();
        symlink("x.lhlog", dir.path().join("link.lhlog")).unwrap();
        let found: Vec<_> = journals_in(&place.folder).unwrap().into_iter().map(|s| s.name).collect();
        assert_eq!(found, [b"x".to_vec(), long.into_bytes()]);
    }
}
