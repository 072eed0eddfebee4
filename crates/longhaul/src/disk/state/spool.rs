//! Input without a name (a pipe) becomes a file that can be read again: only that can be sent a second time, compared
//! and resumed.
//!
//! ```text
//! spool/HASH       the whole input, named by the destination, so that a second run with the same input finds its parts
//! spool/HASH~      the input as it comes
//! spool/HASH.lock  held from the first byte of the input to the end of its upload
//! ```

use super::state_dir::StateDir;
use crate::disk::beside::lock::{LockFile, Locking};
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::Folder;
use crate::hex::hex;
use crate::sync::locked;
use longhaul_core::words::DiskFault;
use rustix::fs::FileType;
use sha2::Digest as _;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// How much is read at a time.
const BUFFER_LEN: usize = 256 << 10;
/// How often the free space is looked at, in bytes of input.
const LOOK_EVERY: u64 = 16 << 20;
/// Room that is left to others on the file system: journals need some to say why they stop.
const SPARE: u64 = 32 << 20;
/// More files than these are not looked through.
const FILES_MAX: usize = 100_000;

/// Input as a file, to be uploaded. While this is held, no other process uploads to the same destination from a pipe.
#[derive(Debug)]
pub(crate) struct Spooled {
    folder: Arc<Folder>,
    name: OsString,
    _lock: LockFile,
}

/// Input that is read, or about to be.
#[derive(Debug)]
pub(crate) struct SpoolReading {
    folder: Arc<Folder>,
    name: String,
    stage: Mutex<SpoolStage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpoolStage {
    Before,
    /// What is kept of it is ours to remove.
    Begun,
    /// The caller that waited for it has gone.
    GivenUp,
}

impl SpoolReading {
    /// Reads `input` to its end into a private file. `expected` is its length, where it is known beforehand.
    ///
    /// `InUse` when another process does the same for this destination; `NoSpace` when there is not enough room. Then,
    /// and when the input fails, no file is left behind.
    pub(crate) fn read(&self, expected: Option<u64>, input: &mut dyn Read) -> Result<Spooled> {
        let (folder, temp, name) = (self.folder.clone(), self.temp(), OsString::from(&self.name));
        let lock = LockFile::acquire(&folder, &lock_of(&self.name), Locking::IfPossible)?;
        // An earlier input for this destination is replaced at the end; its room can be counted on then only.
        let file = {
            let mut stage = self.stage();
            if *stage == SpoolStage::GivenUp {
                return Err(self.nobody_waits());
            }
            *stage = SpoolStage::Begun;
            folder.create_file_anew(&temp)?
        };
        let taken = self.take(&file, expected, input).and_then(|()| folder.rename(&temp, &name));
        if let Err(error) = taken {
            self.give_up();
            return Err(error);
        }
        *self.stage() = SpoolStage::Before;
        Ok(Spooled { folder, name, _lock: lock })
    }

    /// What is kept of it goes at once, though a read of more may still wait.
    pub(crate) fn give_up(&self) {
        let mut stage = self.stage();
        if *stage == SpoolStage::Begun {
            let _ = self.folder.remove(&self.temp()); // best effort: it is known as left over
        }
        *stage = SpoolStage::GivenUp;
    }

    fn stage(&self) -> MutexGuard<'_, SpoolStage> {
        locked(&self.stage)
    }

    fn nobody_waits(&self) -> DiskError {
        let path = self.folder.path_of(&self.temp());
        DiskError::said(DiskFault::Io, "keep the input in", &path, "nobody waits for it any more")
    }

    fn take(&self, mut file: &File, expected: Option<u64>, input: &mut dyn Read) -> Result<()> {
        let (folder, path) = (&self.folder, self.folder.path_of(&self.temp()));
        let full = || DiskError::said(DiskFault::NoSpace, "keep the input in", &path, "there is not enough room");
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
                Err(e) => return Err(DiskError::io("read the input for", &path, e)),
            };
            if *self.stage() == SpoolStage::GivenUp {
                return Err(self.nobody_waits());
            }
            file.write_all(&buffer[..len]).map_err(|e| DiskError::io("keep the input in", &path, e))?;
            since_look += len as u64;
            if since_look >= LOOK_EVERY {
                since_look = 0;
                if !room_for(0) {
                    return Err(full());
                }
            }
        }
    }

    fn temp(&self) -> OsString {
        format!("{}~", self.name).into()
    }
}

fn lock_of(name: &str) -> OsString {
    format!("{name}.lock").into()
}

/// Input that was kept and that no upload goes on with: of a process that was killed while it read it, or before its
/// upload began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftInput {
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    pub(crate) mtime_ns: i64,
}

impl StateDir {
    /// Input for a destination, to be read.
    pub(crate) fn reading(&self, destination: &str, endpoint: &str) -> SpoolReading {
        let mut hash = sha2::Sha256::new();
        hash.update((endpoint.len() as u64).to_le_bytes());
        hash.update(endpoint);
        hash.update(destination);
        let name = hex(&hash.finalize()[..16]);
        SpoolReading { folder: self.spool.clone(), name, stage: Mutex::new(SpoolStage::Before) }
    }

    /// What is left of input that no process works on and that no upload is of, as `is_wanted` tells.
    pub(crate) fn left_input(&self, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<LeftInput>> {
        let mut left = Vec::new();
        for file in self.spool.list(FILES_MAX)? {
            let Some(name) = input_of(&file) else { continue };
            let path = self.spool.path_of(&file);
            if LockFile::is_held(&self.spool, &lock_of(name)) || is_wanted(&path) {
                continue;
            }
            if let Some(found) = self.spool.look(&file)?.filter(|found| found.kind == FileType::RegularFile) {
                left.push(LeftInput { path, len: found.facts.len, mtime_ns: found.facts.mtime_ns });
            }
        }
        left.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(left)
    }

    /// Removes input that was left over; `InUse` when a process works on it by now.
    pub(crate) fn remove_left_input(&self, path: &Path) -> Result<()> {
        let Some(file) = path.file_name().filter(|_| self.is_spooled(path)) else { return Ok(()) };
        let Some(name) = input_of(file) else { return Ok(()) };
        let _lock = LockFile::acquire(&self.spool, &lock_of(name), Locking::IfPossible)?;
        self.spool.remove(file).map(drop)
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

/// The name that stands for its destination, in the name of a file that keeps input.
fn input_of(file: &OsStr) -> Option<&str> {
    let name = file.to_str()?;
    let name = name.strip_suffix('~').unwrap_or(name);
    (name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit())).then_some(name)
}

impl Spooled {
    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path_of(&self.name)
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
        let spool = |to: &str, bytes: &'static [u8]| state.reading(to, "http://e").read(None, &mut &bytes[..]);
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
        let path = state.reading("oss://b/k", "http://e").read(None, &mut &b"whole"[..]).unwrap().path();
        let failed = state.reading("oss://b/k", "http://e").read(None, &mut Failing(5)).unwrap_err();
        assert!(failed.to_string().contains("read the input"), "{failed}");
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(dir.path()), [path.file_name().unwrap().to_str().unwrap()]);
        let full = state.reading("oss://b/k", "http://e").read(Some(u64::MAX), &mut &b"x"[..]).unwrap_err();
        assert_eq!(full.fault(), DiskFault::NoSpace);
    }

    /// Gives up in the middle of its second read.
    struct GivingUp<'r>(&'r SpoolReading, u32);

    impl Read for GivingUp<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 += 1;
            assert!(self.1 < 3, "nobody wants a third");
            if self.1 == 2 {
                self.0.give_up();
            }
            buffer[..3].copy_from_slice(b"abc");
            Ok(3)
        }
    }

    #[test]
    fn input_that_nobody_waits_for_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let reading = state.reading("oss://b/k", "http://e");
        assert!(reading.read(None, &mut GivingUp(&reading, 0)).is_err());
        assert_eq!(names(dir.path()), [""; 0]);
        let reading = state.reading("oss://b/k", "http://e");
        reading.give_up();
        assert!(reading.read(None, &mut &b"late"[..]).is_err());
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn what_a_killed_process_left_is_known_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let whole = state.reading("oss://b/k", "http://e").read(None, &mut &b"whole"[..]).unwrap();
        let spool = dir.path().join("spool");
        let half = spool.join(format!("{}~", "ab".repeat(16)));
        std::fs::write(&half, b"half").unwrap();
        std::fs::write(spool.join("notes"), b"not ours").unwrap();
        std::os::unix::fs::symlink(&half, spool.join("cd".repeat(16))).unwrap();
        let paths = |left: Vec<LeftInput>| left.into_iter().map(|left| (left.path, left.len)).collect::<Vec<_>>();
        assert_eq!(paths(state.left_input(|_| false).unwrap()), [(half.clone(), 4)], "one is in use");
        let path = whole.path();
        drop(whole);
        let left = state.left_input(|wanted| wanted == half).unwrap();
        assert_eq!(paths(left.clone()), [(path.clone(), 5)]);
        let name = path.file_name().unwrap().to_str().unwrap();
        let reading = LockFile::acquire(&state.spool, &lock_of(name), Locking::IfPossible).unwrap();
        assert_eq!(state.remove_left_input(&path).unwrap_err().fault(), DiskFault::InUse);
        drop(reading);
        state.remove_left_input(&path).unwrap();
        assert!(!path.exists() && half.exists());
    }
}
