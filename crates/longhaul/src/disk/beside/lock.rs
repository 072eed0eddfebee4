//! Who may touch a transfer? The process that holds the lock on `NAME.lhpart`; of an upload, which has no part file,
//! that on a file of its own ([`LockFile`]).
//!
//! The lock lies on the file itself, not on a name, so it cannot be left behind by a crash. But the file under the
//! name may be replaced between our opening and our locking it (another process promoted a new generation, published,
//! or cleaned up): after locking, the name must still lead to the locked file, else we begin again.

use super::part_file::PartFile;
use super::place::Place;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::{FileStat, Folder};
use crate::disk::platform;
use crate::sync::locked;
use longhaul_core::download::held::Slot;
use longhaul_core::words::{DiskFault, FileFacts};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// How often a file that was replaced under us is tried again; each time another process must have renamed in between.
const TRIES: u32 = 10;

/// What to do where the file system cannot lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locking {
    /// Refuse with `Unsupported`.
    Required,
    /// Go on without (`--no-lock`). Where locking works it is used all the same.
    IfPossible,
}

/// What transfers of this program hold, by device and inode: what a lock cannot tell is whether it is our own.
static HELD: Mutex<Option<HeldFiles>> = Mutex::new(None);

/// A number for each holder, and what his transfer is of.
type HeldFiles = HashMap<(u64, u64), (u64, String)>;

/// That this program holds a file; let go of, it is forgotten.
#[derive(Debug)]
pub(crate) struct HeldFile {
    file: (u64, u64),
    number: u64,
}

impl HeldFile {
    fn new(files: &mut HeldFiles, entry: &FileStat, whose: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (file, number) = ((entry.device, entry.facts.inode), COUNT.fetch_add(1, Ordering::Relaxed));
        files.insert(file, (number, whose.to_owned()));
        Self { file, number }
    }
}

impl HeldFile {
    /// Whether this is the file.
    pub(super) fn is_of(&self, entry: &FileStat) -> bool {
        self.file == (entry.device, entry.facts.inode)
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        let mut held = held();
        let Some(all) = held.as_mut() else { return };
        // The file may be held by another transfer by now: it is closed before this is dropped.
        if all.get(&self.file).is_some_and(|(number, _)| *number == self.number) {
            all.remove(&self.file);
        }
    }
}

fn held() -> MutexGuard<'static, Option<HeldFiles>> {
    locked(&HELD)
}

/// Opens (or creates) the main part file and locks it; with it its facts as found, `None` when it was created.
///
/// `InUse` when another process holds it, naming it where the system can tell. The lock ends with the last handle on
/// the file, however the process ends. A part file that is the target itself under a second name is what a publish
/// leaves that was cut between linking and unlinking: the part's name is removed here.
pub(crate) fn acquire(place: &Place, locking: Locking) -> Result<(PartFile, Option<FileFacts>)> {
    for _ in 0..TRIES {
        finish_linked_publish(place)?;
        let (part, is_new) = match PartFile::open(place, Slot::Main)? {
            Some(part) => (part, false),
            None => match PartFile::create_main(place) {
                // Another process created it between our look and our call: now it can be opened.
                Err(e) if e.fault() == DiskFault::Exists => continue,
                created => (created?, true),
            },
        };
        take(&part, locking, place)?;
        let locked = part.entry()?;
        if place.folder.look(&place.names.part())?.is_some_and(|named| named.same_file(&locked)) {
            part.make_private();
            // Found facts are told as they are now: until the lock was ours the holder may have changed them.
            let facts = part.facts()?;
            return Ok((part, (!is_new).then_some(facts)));
        }
    }
    Err(DiskError::held(&place.folder.path_of(&place.names.part()), None))
}

/// Makes the main part file where there is none, and locks it: what [`acquire`] does, with fewer looks at a place that
/// holds no file of a transfer. `None` when it holds one, or one comes between.
pub(crate) fn acquire_fresh(place: &Place, locking: Locking) -> Result<Option<PartFile>> {
    let part = match PartFile::create_main(place) {
        Ok(part) => part,
        Err(e) if e.fault() == DiskFault::Exists => return Ok(None),
        Err(e) => return Err(e),
    };
    take(&part, locking, place)?;
    let named = place.folder.look(&place.names.part())?;
    Ok(named.is_some_and(|named| part.is_held_file(&named) == Some(true)).then_some(part))
}

/// `InUse` when a process has the main part file's lock now. To see that, it is tried for a moment, shared.
pub(crate) fn expect_free(place: &Place) -> Result<()> {
    let name = place.names.part();
    let Ok(Some(file)) = place.folder.open_file(&name, false) else { return Ok(()) };
    let path = place.folder.path_of(&name);
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(held_by(&file, &path)),
        _ => Ok(()),
    }
}

/// Locks a part file that is already open (a new generation before it takes the main name).
pub(crate) fn take(part: &PartFile, locking: Locking, place: &Place) -> Result<()> {
    let target = place.folder.path_of(place.names.target());
    let lock = || take_file(part.file(), part.path(), locking);
    part.keep(take_noted(&part.entry()?, &place.whose, &target, lock)?);
    Ok(())
}

/// Takes a lock and notes that this program has it, and what for. A transfer of this program that has it already is
/// named in the error, with the `path` that it works on.
fn take_noted(file: &FileStat, whose: &str, path: &Path, lock: impl FnOnce() -> Result<bool>) -> Result<HeldFile> {
    // Held while the lock is tried: a transfer that fails finds what is known of the one that has it.
    let mut held = held();
    let files = held.get_or_insert_default();
    let holder = files.get(&(file.device, file.facts.inode)).map(|(_, whose)| whose.clone());
    match (lock(), holder) {
        // Where the file system cannot lock, at least this program does not meet itself.
        (Ok(false), Some(whose)) => return Err(DiskError::held_here(path, whose)),
        (Err(e), Some(whose)) if e.fault() == DiskFault::InUse => return Err(DiskError::held_here(path, whose)),
        (taken, _) => taken?,
    };
    Ok(HeldFile::new(files, file, whose))
}

/// Whether it is locked now; it is not where the file system cannot, and that is good enough.
fn take_file(file: &File, path: &Path, locking: Locking) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Err(held_by(file, path)),
        Err(TryLockError::Error(e)) if platform::means_unsupported(&e) => match locking {
            Locking::IfPossible => Ok(false),
            Locking::Required => Err(DiskError::unlockable(path)),
        },
        Err(TryLockError::Error(e)) => Err(DiskError::io("lock", path, e)),
    }
}

fn held_by(file: &File, path: &Path) -> DiskError {
    let holder = FileStat::of(file).ok().and_then(|e| platform::lock_holder(e.device, e.facts.inode));
    DiskError::held(path, holder)
}

/// An empty file that is there to be locked. It is removed when it is let go of; one that a kill left behind is taken
/// up by the next start.
#[derive(Debug)]
pub(crate) struct LockFile {
    folder: Arc<Folder>,
    name: OsString,
    /// Open as long as the lock is held.
    _file: File,
    _held: HeldFile,
}

impl LockFile {
    /// Takes the lock, creating the file (0600) where it is missing; `InUse` when another process has it.
    pub(crate) fn acquire(folder: &Arc<Folder>, name: &OsStr, locking: Locking) -> Result<Self> {
        for _ in 0..TRIES {
            let file = match folder.open_own(name, true)? {
                Some(file) => file,
                None => match folder.create_file(name) {
                    // Another process created it between our look and our call: now it can be opened.
                    Err(e) if e.fault() == DiskFault::Exists => continue,
                    created => created?,
                },
            };
            let path = folder.path_of(name);
            let stat = FileStat::of(&file).map_err(|e| DiskError::io("look at", &path, e))?;
            let whose = path.display().to_string();
            let held = take_noted(&stat, &whose, &path, || take_file(&file, &path, locking))?;
            if folder.look(name)?.is_some_and(|named| named.same_file(&stat)) {
                return Ok(Self { folder: folder.clone(), name: name.to_owned(), _file: file, _held: held });
            }
        }
        Err(DiskError::held(&folder.path_of(name), None))
    }

    /// Whether a process has it. To see that, it is tried for a moment, shared.
    pub(crate) fn is_held(folder: &Folder, name: &OsStr) -> bool {
        let Ok(Some(file)) = folder.open_file(name, false) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // While the lock is still held: who opened the file before this finds that its name is gone, and begins again.
        // Best effort: a file that stays is no harm.
        let _ = self.folder.remove(&self.name);
    }
}

fn finish_linked_publish(place: &Place) -> Result<()> {
    let (part, target) = (place.folder.look(&place.names.part())?, place.folder.look(place.names.target())?);
    match (part, target) {
        (Some(part), Some(target)) if part.same_file(&target) && part.links == 2 => {
            place.folder.remove(&place.names.part()).map(drop)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    use std::sync::Mutex;

    /// A child process that another test is just starting holds our files for a moment, and their locks with them.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    fn alone() -> impl Drop {
        locked(&ONE_AT_A_TIME)
    }

    fn place(dir: &std::path::Path) -> Place {
        Place::new(Folder::open(dir).unwrap(), OsStr::new("x")).unwrap().whose("https://h/x")
    }

    #[test]
    fn a_second_holder_of_this_program_is_refused_and_told_so() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let (first, found) = acquire(&place(dir.path()), Locking::Required).unwrap();
        assert_eq!(found, None);
        let refused = acquire(&place(dir.path()), Locking::IfPossible).unwrap_err();
        assert_eq!(refused.fault(), DiskFault::InUse);
        // The holder is this program: no other process is to be waited for.
        assert_eq!((refused.held_by_us(), refused.holder()), (Some("https://h/x"), None));
        assert!(refused.to_string().contains("another transfer of this program"), "{refused}");
        first.write_at(0, b"abc").unwrap();
        drop(first);
        let (_second, found) = acquire(&place(dir.path()), Locking::Required).unwrap();
        assert_eq!(found.unwrap().len, 3);
    }

    /// The child is this test again: it takes the lock, says so, and holds it until its stdin closes.
    #[test]
    fn another_process_is_refused_until_the_holder_ends() {
        const CHILD: &str = "LONGHAUL_TEST_LOCK_DIR";
        if let Some(dir) = std::env::var_os(CHILD) {
            let _held = acquire(&place(dir.as_ref()), Locking::Required).unwrap();
            println!("\nlocked");
            std::io::stdout().flush().unwrap();
            std::io::stdin().read_line(&mut String::new()).unwrap();
            std::process::abort(); // as hard as `kill -9`
        }
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["another_process_is_refused_until_the_holder_ends", "--nocapture"])
            .env(CHILD, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(std::io::Result::ok).any(|line| line == "locked"));
        let refused = acquire(&place(dir.path()), Locking::Required).unwrap_err();
        assert_eq!((refused.fault(), refused.held_by_us()), (DiskFault::InUse, None));
        #[cfg(target_os = "linux")]
        assert_eq!(refused.holder(), Some(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        acquire(&place(dir.path()), Locking::Required).unwrap();
    }

    #[test]
    fn a_lock_file_is_held_by_one_and_leaves_nothing_behind() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(dir.path()).unwrap());
        let name = OsStr::new("x.lock");
        let held = LockFile::acquire(&folder, name, Locking::Required).unwrap();
        assert!(LockFile::is_held(&folder, name));
        let refused = LockFile::acquire(&folder, name, Locking::Required).unwrap_err();
        assert_eq!(refused.fault(), DiskFault::InUse);
        // The holder is this program: no other process is to be waited for.
        assert_eq!((refused.held_by_us().is_some(), refused.holder()), (true, None));
        drop(held);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        // One that a kill left behind.
        std::fs::write(dir.path().join("x.lock"), b"").unwrap();
        assert!(!LockFile::is_held(&folder, name));
        drop(LockFile::acquire(&folder, name, Locking::Required).unwrap());
        std::os::unix::fs::symlink("/dev/null", dir.path().join("x.lock")).unwrap();
        assert_eq!(LockFile::acquire(&folder, name, Locking::Required).unwrap_err().fault(), DiskFault::Exists);
    }

    #[test]
    fn a_file_replaced_before_it_was_locked_is_noticed() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        let (held, _) = acquire(&place, Locking::Required).unwrap();
        let newer = PartFile::create_empty(&place, Slot::Main, Locking::Required, &[0; 16]).unwrap();
        assert!(!newer.entry().unwrap().same_file(&held.entry().unwrap()));
        drop(held); // the old file's lock is gone, the name's file is still locked
        assert_eq!(acquire(&place, Locking::Required).unwrap_err().fault(), DiskFault::InUse);
        drop(newer);
        acquire(&place, Locking::Required).unwrap();
    }

    #[test]
    fn a_publish_cut_between_link_and_unlink_is_finished() {
        let _alone = alone();
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        std::fs::write(dir.path().join("x"), b"whole").unwrap();
        std::fs::hard_link(dir.path().join("x"), dir.path().join("x.lhpart")).unwrap();
        let (part, found) = acquire(&place, Locking::Required).unwrap();
        assert_eq!((found, part.facts().unwrap().len), (None, 0));
        assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), b"whole");
    }
}
