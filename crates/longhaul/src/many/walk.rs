//! Which files are below a folder, and under which names do they go into a store?
//!
//! Links to files are followed, as ossutil and the AWS command line do it; links to folders only when asked, and never
//! into a folder that they lie in: so a walk has an end.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::advice::Advice;
use crate::error::{Disposition, Error, ErrorKind};

/// What a folder holds, in the order of names.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FilesBelow {
    /// The files, and what could not be read, each at its place.
    pub files: Vec<FileBelow>,
    /// What was left out although it was not filtered.
    pub left_out: Vec<LeftOut>,
}

/// A file below a folder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileBelow {
    /// Its path, which begins with the folder's.
    pub path: PathBuf,
    /// Its name below the folder, `/` between the parts: the end of a key. Or why it cannot be uploaded
    /// ([`ErrorKind::LocalFile`]): it cannot be read, or its name is not UTF-8, which keys have to be.
    pub name: Result<String, Error>,
}

/// What a walk leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOut {
    /// A link to a folder.
    LinkToFolder(PathBuf),
    /// A link to a folder that it lies in.
    LeadsBack(PathBuf),
    /// A pipe, a socket, a device.
    NoFile(PathBuf),
}

/// All files below a folder whose names there `only` takes; with `follow_links`, also those behind links to folders.
/// Blocks while it reads the folders.
pub fn files_below(folder: &Path, follow_links: bool, mut only: impl FnMut(&str) -> bool) -> FilesBelow {
    let mut found = FilesBelow::default();
    match fs::metadata(folder) {
        Ok(root) => found.walk(folder, &root, follow_links, &mut only),
        Err(error) => found.fail(folder, unreadable(folder, &error)),
    }
    found
}

impl FilesBelow {
    /// Everything below a folder. `ways` are the folders on the way from the root to where we are.
    fn walk(&mut self, root: &Path, metadata: &Metadata, follow_links: bool, only: &mut dyn FnMut(&str) -> bool) {
        let mut ways = vec![WalkedFolder::open(root.to_owned(), String::new(), metadata, self)];
        while let Some(here) = ways.last_mut() {
            let Some(name) = here.entries.pop() else {
                ways.pop();
                continue;
            };
            let path = here.path.join(&name);
            let Some(name) = name.to_str() else {
                self.fail(&path, no_key(&path));
                continue;
            };
            let name = format!("{}{name}", here.prefix);
            let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() && is_link && !follow_links => {
                    self.left_out.push(LeftOut::LinkToFolder(path));
                }
                Ok(found) if found.is_dir() && ways.iter().any(|way| way.id == id_of(&found)) => {
                    self.left_out.push(LeftOut::LeadsBack(path));
                }
                Ok(found) if found.is_dir() => ways.push(WalkedFolder::open(path, format!("{name}/"), &found, self)),
                _ if !only(&name) => {}
                Ok(found) if found.is_file() => self.files.push(FileBelow { path, name: Ok(name) }),
                Ok(_) => self.left_out.push(LeftOut::NoFile(path)),
                Err(error) => self.fail(&path, unreadable(&path, &error)),
            }
        }
    }

    fn fail(&mut self, path: &Path, error: Error) {
        self.files.push(FileBelow { path: path.to_owned(), name: Err(error) });
    }
}

/// A folder that is being walked.
struct WalkedFolder {
    path: PathBuf,
    /// What names below it begin with.
    prefix: String,
    id: (u64, u64),
    /// What is still to be looked at; the next one is the last.
    entries: Vec<OsString>,
}

impl WalkedFolder {
    /// One that cannot be read is told, and as good as empty.
    fn open(path: PathBuf, prefix: String, metadata: &Metadata, found: &mut FilesBelow) -> Self {
        let names = fs::read_dir(&path).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        });
        let mut entries = names.unwrap_or_else(|error| {
            found.fail(&path, unreadable(&path, &error));
            Vec::new()
        });
        entries.sort_unstable_by(|a, b| b.cmp(a));
        Self { id: id_of(metadata), path, prefix, entries }
    }
}

/// What tells one folder from another, however it is reached.
fn id_of(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn no_key(path: &Path) -> Error {
    let text = format!("{}: its name is not UTF-8, and keys have to be", path.display());
    local(path, text).advise(Advice::ChooseName)
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    local(path, format!("cannot read {} ({error})", path.display()))
}

fn local(path: &Path, text: String) -> Error {
    Error::new(ErrorKind::LocalFile, Disposition::Permanent, text).with("path", path.display())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(found: &FilesBelow) -> Vec<&str> {
        found.files.iter().filter_map(|file| file.name.as_deref().ok()).collect()
    }

    #[test]
    fn a_walk_is_in_order_and_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let below = |path: &str| folder.path().join(path);
        for file in ["b", "a/z", "a/b/c", ".hidden", "c d?#%"] {
            fs::create_dir_all(below(file).parent().unwrap()).unwrap();
            fs::write(below(file), file).unwrap();
        }
        fs::create_dir(below("empty")).unwrap();
        symlink("a", below("link")).unwrap();
        symlink("..", below("a/up")).unwrap();
        symlink("a/z", below("zz")).unwrap();
        symlink("nowhere", below("dangling")).unwrap();
        fs::write(below("").join(OsStr::from_bytes(b"odd\xff")), b"").unwrap();
        std::os::unix::net::UnixListener::bind(below("socket")).unwrap();

        let found = files_below(folder.path(), false, |_| true);
        assert_eq!(names(&found), [".hidden", "a/b/c", "a/z", "b", "c d?#%", "zz"]);
        let left = ["a/up", "link"].map(|path| LeftOut::LinkToFolder(below(path)));
        assert_eq!(found.left_out, left.into_iter().chain([LeftOut::NoFile(below("socket"))]).collect::<Vec<_>>());
        let failed = found.files.iter().filter_map(|file| file.name.as_ref().err().map(Error::kind));
        assert_eq!(failed.collect::<Vec<_>>(), [ErrorKind::LocalFile; 2], "the dangling link and the odd name");

        let found = files_below(folder.path(), true, |name| !name.starts_with('.') && name != "b");
        assert_eq!(names(&found), ["a/b/c", "a/z", "c d?#%", "link/b/c", "link/z", "zz"]);
        assert!(found.left_out.contains(&LeftOut::LeadsBack(below("a/up"))), "{:?}", found.left_out);
        assert!(files_below(&below("missing"), true, |_| true).files[0].name.is_err());
    }
}
