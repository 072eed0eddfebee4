//! Syncs of many files at once: what several transfers wait for on one file system is answered by one `syncfs`.
//!
//! Syncing small files one by one costs a commit of the file system's own journal for each. Here requests wait while a
//! round is under way, and the next round answers all that were there when it began: a sync that began before a request
//! never covers it. In a round
//!
//! * a few files are synced one by one, many by one `syncfs`, which carries data, sizes, times and names;
//! * a folder that several wait for is synced once, and so is a log of receipts.
//!
//! What `syncfs` can be trusted with differs, and where it is in doubt each file is synced by itself:
//!
//! * Only Linux 5.8 and later reports failed writes of data to its caller, and only 5.17 and later what the file
//!   system itself says; so it is used from 5.18 on, and only on file systems known to do all of this.
//! * A failure is reported once to each open description. Ours is opened before the first file that it answers for, and
//!   after a failure every file that was open by then is synced by itself: its own description still knows.
//! * It writes what all programs have dirtied. When it took long, the next rounds go without.

use super::error::{DiskError, Result};
use super::platform;
use crate::disk::folder::Folder;
use crate::sync::locked;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// From this many requests on one call for all is cheaper than one for each.
const MANY: usize = 4;
/// A `syncfs` that took longer wrote mostly what others had dirtied …
const SLOW: Duration = Duration::from_secs(1);
/// … and is not called again for this long.
const REST: Duration = Duration::from_secs(30);

/// What is to be durable.
pub(crate) enum SyncTarget {
    /// A file (data, length, permissions and times), by what syncs it alone.
    File(Box<dyn FnOnce() -> Result<()> + Send>),
    /// The names in a folder.
    Folder(Arc<Folder>),
    /// An open file that several append to, and its path for messages.
    Log(Arc<File>, PathBuf),
}

struct SyncRequest {
    what: SyncTarget,
    /// How many failures there were when the file was opened.
    since: u64,
    done: Box<dyn FnOnce(Result<()>) + Send>,
}

/// One file system, for as long as a transfer works on it.
#[derive(Debug)]
pub(crate) struct Volume {
    /// `syncfs` is called on it; `None` where that is not to be trusted.
    whole: Option<OwnedFd>,
    failures: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<SyncRequest>,
    /// A thread carries out rounds.
    busy: bool,
    /// No `syncfs` before this time.
    rest_until: Option<Instant>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.waiting.len()).field("busy", &self.busy).finish()
    }
}

impl Volume {
    /// The volume that a folder is on. Take it before the first file is opened that it is to sync.
    pub(crate) fn of(folder: &Folder) -> Arc<Self> {
        let whole = platform::syncs_whole_volumes(folder).then(|| folder.open_again().ok()).flatten();
        Arc::new(Self { whole, failures: AtomicU64::new(0), queue: Mutex::default() })
    }

    /// To be remembered when a file is opened, for [`ask`](Self::ask).
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// Asks for something to be durable; `done` hears when everything written to it before this call is. True when no
    /// thread carries out rounds: the caller must then see to it that [`carry_out`](Self::carry_out) runs, on a thread
    /// that may block.
    #[must_use]
    pub(crate) fn ask(&self, what: SyncTarget, since: u64, done: impl FnOnce(Result<()>) + Send + 'static) -> bool {
        let mut queue = self.queue();
        queue.waiting.push(SyncRequest { what, since, done: Box::new(done) });
        !std::mem::replace(&mut queue.busy, true)
    }

    /// Carries out rounds until no request waits. If it panics, the requests that wait are dropped, which their callers
    /// see; the next request begins rounds again.
    pub(crate) fn carry_out(&self) {
        let _after_a_panic = RoundGuard(self);
        loop {
            let (round, may_group) = {
                let mut queue = self.queue();
                if queue.waiting.is_empty() {
                    queue.busy = false;
                    return;
                }
                let rested = queue.rest_until.is_none_or(|until| Instant::now() >= until);
                (std::mem::take(&mut queue.waiting), rested)
            };
            self.round(round, may_group);
        }
    }

    fn round(&self, round: Vec<SyncRequest>, may_group: bool) {
        let grouped = round.len() >= MANY && may_group && self.sync_whole();
        let failures = self.failures();
        let mut synced: Vec<(*const (), io::Result<()>)> = Vec::new();
        for SyncRequest { what, since, done } in round {
            if grouped && since == failures {
                done(Ok(()));
                continue;
            }
            let (doing, path, result) = match what {
                SyncTarget::File(sync) => {
                    done(sync());
                    continue;
                }
                SyncTarget::Folder(folder) => {
                    let result = once(&mut synced, Arc::as_ptr(&folder).cast(), || platform::sync_dir(&*folder));
                    ("sync folder", folder.path().to_owned(), result)
                }
                SyncTarget::Log(file, path) => {
                    let result = once(&mut synced, Arc::as_ptr(&file).cast(), || platform::sync_data(&file));
                    ("sync", path, result)
                }
            };
            done(result.map_err(|e| DiskError::io(doing, &path, e)));
        }
    }

    /// Whether everything written on the volume before this call is durable now.
    fn sync_whole(&self) -> bool {
        let Some(whole) = &self.whole else { return false };
        let begun = Instant::now();
        let result = platform::sync_volume(whole);
        if begun.elapsed() > SLOW {
            self.queue().rest_until = Some(Instant::now() + REST);
        }
        if let Err(error) = &result {
            // It may have been another program's file. What was written before now and is asked for later cannot hear
            // of it from `syncfs` any more.
            tracing::warn!("the file system could not be synced ({error}); files are synced one by one");
            self.failures.fetch_add(1, Ordering::AcqRel);
        }
        result.is_ok()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        locked(&self.queue)
    }
}

/// When rounds end by a panic: no request waits for them any more.
struct RoundGuard<'v>(&'v Volume);

impl Drop for RoundGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.0.queue();
            queue.busy = false;
            let waiting = std::mem::take(&mut queue.waiting);
            drop(queue);
            drop(waiting);
        }
    }
}

/// The result of a sync that several in a round ask for.
fn once(
    synced: &mut Vec<(*const (), io::Result<()>)>,
    which: *const (),
    sync: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let copy = |result: &io::Result<()>| match result {
        Ok(()) => Ok(()),
        Err(e) => Err(e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error)),
    };
    if let Some((_, result)) = synced.iter().find(|(done, _)| *done == which) {
        return copy(result);
    }
    let result = sync();
    let told = copy(&result);
    synced.push((which, result));
    told
}

/// The volumes in use, by device number.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    used: Mutex<Vec<(u64, std::sync::Weak<Volume>)>>,
}

impl Volumes {
    /// The volume that a folder is on, shared by all who use it now.
    pub(crate) fn of(&self, folder: &Folder) -> Arc<Volume> {
        let Some(device) = folder.device() else { return Volume::of(folder) };
        let mut used = locked(&self.used);
        used.retain(|(_, volume)| volume.strong_count() > 0);
        if let Some(volume) = used.iter().find(|(of, _)| *of == device).and_then(|(_, volume)| volume.upgrade()) {
            return volume;
        }
        let volume = Volume::of(folder);
        used.push((device, Arc::downgrade(&volume)));
        volume
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::beside::lock::{Locking, acquire};
    use crate::disk::beside::part_file::PartFile;
    use crate::disk::beside::place::Place;
    use std::sync::mpsc;

    struct Stage {
        dir: tempfile::TempDir,
        volume: Arc<Volume>,
        told: mpsc::Sender<(usize, bool)>,
        heard: mpsc::Receiver<(usize, bool)>,
    }

    fn stage() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let volume = Volume::of(&Folder::open(dir.path()).unwrap());
        let (told, heard) = mpsc::channel();
        Stage { dir, volume, told, heard }
    }

    fn file(part: Arc<PartFile>) -> SyncTarget {
        SyncTarget::File(Box::new(move || part.sync_data()))
    }

    impl Stage {
        fn part(&self, name: &str) -> Arc<PartFile> {
            let place = Place::new(Folder::open(self.dir.path()).unwrap(), name.as_ref()).unwrap();
            Arc::new(acquire(&place, Locking::Required).unwrap().0)
        }

        fn ask(&self, n: usize, what: SyncTarget) -> bool {
            let told = self.told.clone();
            self.volume.ask(what, self.volume.failures(), move |result| {
                told.send((n, result.is_ok())).unwrap();
            })
        }

        fn heard(&self) -> Vec<(usize, bool)> {
            self.heard.try_iter().collect()
        }
    }

    #[test]
    fn one_caller_carries_out_what_all_ask_for() {
        let s = stage();
        let folder = Arc::new(Folder::open(s.dir.path()).unwrap());
        let log = Arc::new(File::create(s.dir.path().join("log")).unwrap());
        for n in 0..20 {
            let what = match n % 3 {
                0 => file(s.part(&n.to_string())),
                1 => SyncTarget::Folder(folder.clone()),
                _ => SyncTarget::Log(log.clone(), s.dir.path().join("log")),
            };
            assert_eq!(s.ask(n, what), n == 0, "only the first has to see to it");
        }
        assert_eq!(s.heard(), []);
        s.volume.carry_out();
        assert_eq!(s.heard(), (0..20).map(|n| (n, true)).collect::<Vec<_>>());
        assert!(s.ask(20, SyncTarget::Folder(folder)), "when all is done somebody has to begin again");
        s.volume.carry_out();
        assert_eq!(s.heard(), [(20, true)]);
    }

    /// A request that comes while a round is under way is answered by a later one, which begins after it.
    #[test]
    fn a_sync_never_covers_what_was_asked_for_after_it_began() {
        let s = stage();
        let (volume, told, late) = (s.volume.clone(), s.told.clone(), s.part("late"));
        let during = move |_| {
            let since = volume.failures();
            let began = volume.ask(file(late), since, move |result| told.send((2, result.is_ok())).unwrap());
            assert!(!began);
        };
        let since = s.volume.failures();
        assert!(s.volume.ask(file(s.part("early")), since, during));
        let _ = s.ask(1, file(s.part("with-it")));
        s.volume.carry_out();
        assert_eq!(s.heard(), [(1, true), (2, true)], "the one that came during the round is last");
    }

    #[test]
    fn files_that_were_open_when_a_group_failed_are_synced_one_by_one() {
        let s = stage();
        let before = s.volume.failures();
        let unsyncable = || {
            let file = std::os::unix::net::UnixStream::pair().unwrap().0;
            Arc::new(File::from(OwnedFd::from(file))) // a socket cannot be synced: the call itself says so
        };
        s.volume.failures.fetch_add(1, Ordering::AcqRel);
        for n in 0..MANY {
            let told = s.told.clone();
            let done = move |result: Result<()>| told.send((n, result.is_ok())).unwrap();
            let since = if n == 0 { s.volume.failures() } else { before };
            let _ = s.volume.ask(SyncTarget::Log(unsyncable(), "log".into()), since, done);
        }
        s.volume.carry_out();
        let grouped = s.volume.whole.is_some();
        assert_eq!(s.heard(), (0..MANY).map(|n| (n, grouped && n == 0)).collect::<Vec<_>>());
    }

    /// Those who wait see that they are not answered, and the next one begins again.
    #[test]
    fn a_panic_in_a_round_leaves_no_request_waiting() {
        let s = stage();
        let since = s.volume.failures();
        let late = s.part("late");
        let (volume, told) = (s.volume.clone(), s.told.clone());
        let panics = move |_| {
            let _ = volume.ask(file(late), since, move |result| told.send((1, result.is_ok())).unwrap());
            panic!("planted");
        };
        assert!(s.volume.ask(file(s.part("early")), since, panics));
        let round = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| s.volume.carry_out()));
        assert!(round.is_err());
        assert!(s.volume.queue().waiting.is_empty(), "a request waits for rounds that are over");
        assert!(s.ask(2, file(s.part("next"))), "the next one begins rounds again");
        s.volume.carry_out();
        assert_eq!(s.heard(), [(2, true)]);
    }

    #[test]
    fn a_volume_is_shared_by_those_who_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let volumes = Volumes::default();
        let one = volumes.of(&folder);
        assert!(Arc::ptr_eq(&one, &volumes.of(&folder)));
        let weak = Arc::downgrade(&one);
        drop(one);
        assert!(weak.upgrade().is_none(), "nothing is held open for later");
    }
}
