//! Input without a name (a pipe) becomes a file that can be read again: only that can be sent a second time, compared
//! and resumed.
//!
//! ```text
//! spool/HASH       the whole input, named by the destination, so that a second run with the same input finds its parts
//! spool/HASH~      the input as it comes
//! spool/HASH.lock  held from the first byte of the input to the end of its upload
//! ```

use super::error::{DiskError, Result};
use super::lock::{LockFile, Locking};
use super::place::Folder;
use super::state_dir::{StateDir, hex};
use longhaul_core::step::DiskFault;
use sha2::Digest as _;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is read at a time.
const BUFFER_LEN: usize = 256 << 10;
/// How often the free space is looked at, in bytes of input.
const LOOK_EVERY: u64 = 16 << 20;
/// Room that is left to others on the file system: journals need some to say why they stop.
const SPARE: u64 = 32 << 20;

/// Input as a file, to be uploaded; nobody else uploads to the same destination from a pipe while this is held.
#[derive(Debug)]
pub(crate) struct Spooled {
    folder: Arc<Folder>,
    name: OsString,
    _lock: LockFile,
}

impl StateDir {
    /// Reads `input` to its end into a private file. `expected` is its length, where it is known beforehand.
    ///
    /// `InUse` when another process does the same for this destination; `NoSpace` when there is not enough room. Then,
    /// and when the input fails, nothing is left behind.
    pub(crate) fn spool(
        &self,
        destination: &str,
        endpoint: &str,
        expected: Option<u64>,
        input: &mut dyn Read,
    ) -> Result<Spooled> {
        let mut hash = sha2::Sha256::new();
        hash.update((endpoint.len() as u64).to_le_bytes());
        hash.update(endpoint);
        hash.update(destination);
        let name = hex(&hash.finalize()[..16]);
        let (lock, temp) = (OsString::from(format!("{name}.lock")), OsString::from(format!("{name}~")));
        let name = OsString::from(name);
        let folder = self.spool.clone();
        let lock = LockFile::acquire(&folder, &lock, Locking::IfPossible)?;
        // An earlier input for this destination is replaced at the end; its room can be counted on then only.
        let file = folder.create_file_anew(&temp)?;
        let taken =
            take(&folder, &folder.path_of(&temp), &file, expected, input).and_then(|()| folder.rename(&temp, &name));
        if let Err(error) = taken {
            let _ = folder.remove(&temp); // best effort: the next spooling to this destination removes it
            return Err(error);
        }
        Ok(Spooled { folder, name, _lock: lock })
    }

    /// Whether a path is that of spooled input, which is ours to remove.
    pub(crate) fn is_spooled(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| self.spool.is_at(parent))
    }

    /// Removes spooled input that has been uploaded or given up.
    pub(crate) fn remove_spooled(&self, path: &Path) -> Result<bool> {
        match path.file_name() {
            Some(name) if self.is_spooled(path) => self.spool.remove(name),
            _ => Ok(false),
        }
    }
}

impl Spooled {
    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path_of(&self.name)
    }
}

fn take(folder: &Folder, path: &Path, mut file: &File, expected: Option<u64>, input: &mut dyn Read) -> Result<()> {
    let full = || DiskError::said(DiskFault::NoSpace, "keep the input in", path, "there is not enough room");
    let room_for = |bytes: u64| folder.free_bytes().is_none_or(|free| free >= bytes.saturating_add(SPARE));
    if !room_for(expected.unwrap_or(0)) {
        return Err(full());
    }
    let mut buffer = vec![0; BUFFER_LEN];
    let mut since_look = 0;
    loop {
        let len = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(DiskError::io("read the input for", path, e)),
        };
        file.write_all(&buffer[..len]).map_err(|e| DiskError::io("keep the input in", path, e))?;
        since_look += len as u64;
        if since_look >= LOOK_EVERY {
            since_look = 0;
            if !room_for(0) {
                return Err(full());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            self.0 -= 1;
            buffer[..3].copy_from_slice(b"abc");
            Ok(3)
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir.join("spool")).unwrap();
        names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn input_becomes_a_private_file_under_one_name_for_one_destination() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let spool = |to: &str, bytes: &'static [u8]| state.spool(to, "http://e", None, &mut &bytes[..]);
        let first = spool("oss://b/k", b"one").unwrap();
        assert_eq!(std::fs::read(first.path()).unwrap(), b"one");
        assert_eq!(first.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(spool("oss://b/k", b"two").unwrap_err().fault(), DiskFault::InUse);
        assert_ne!(spool("oss://b/other", b"").unwrap().path(), first.path());
        let path = first.path();
        drop(first);
        assert_eq!(spool("oss://b/k", b"two").unwrap().path(), path);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(state.is_spooled(&path) && !state.is_spooled(&dir.path().join("x")));
        assert!(!state.remove_spooled(&dir.path().join("x")).unwrap());
        assert!(state.remove_spooled(&path).unwrap() && !path.exists());
    }

    #[test]
    fn input_that_fails_leaves_the_earlier_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let path = state.spool("oss://b/k", "http://e", None, &mut &b"whole"[..]).unwrap().path();
        let failed = state.spool("oss://b/k", "http://e", None, &mut Failing(5)).unwrap_err();
        assert!(failed.to_string().contains("read the input"), "{failed}");
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(dir.path()), [path.file_name().unwrap().to_str().unwrap()]);
        let full = state.spool("oss://b/k", "http://e", Some(u64::MAX), &mut &b"x"[..]).unwrap_err();
        assert_eq!(full.fault(), DiskFault::NoSpace);
    }
}
