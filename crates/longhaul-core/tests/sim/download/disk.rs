//! A disk that forgets. Every file has a live image (what a process sees) and a durable one (what a power cut leaves);
//! so have the names in the folder.
//!
//! * Writes go to the live image. A sync takes its snapshot when it begins and makes that durable when it ends; what is
//!   written meanwhile may or may not go with it.
//! * A failed sync leaves its pages clean: the live image still shows the bytes, and no later sync carries them unless
//!   they are written again. It may take pages of other syncs under way with it, which then report success.
//! * A power cut keeps of everything unsynced all, none or any part, byte by byte; names survive as an ordered
//!   prefix of the changes (rarely out of order, but never two of the same name), each change whole.
//! * Journals (`log.rs`) are append-only files with the same rules for their tail.

use longhaul_core::digest::Digest;
use longhaul_core::words::{Extent, FileFacts};

use super::content::{CAP, Mask, mask};
use crate::log::Log;
use crate::rng::Rng;

/// A name in the folder.
pub(crate) type Name = usize;
pub(crate) const MAIN: Name = 0;
pub(crate) const NEXT: Name = 1;
pub(crate) const TARGET: Name = 2;
pub(crate) const JOURNAL: Name = 3;

/// A file or log by its place in the table; `NONE` for none.
pub(crate) type Id = u8;
pub(crate) const NONE: Id = Id::MAX;

#[derive(Debug, Clone)]
pub(crate) struct File {
    number: u64,
    pub(crate) live: [u8; CAP],
    pub(crate) live_len: usize,
    durable: [u8; CAP],
    durable_len: usize,
    /// Bytes (also beyond the length, after a cut) whose live value the next sync will carry.
    dirty: Mask,
    /// Counts the syncs that told the durable length.
    len_told: u64,
    times: (i64, i64),
    durable_times: (i64, i64),
    /// Bytes that another program spoiled, until they are written again.
    pub(crate) damaged: Mask,
    /// The same of the durable image, until other bytes land there.
    durable_damaged: Mask,
}

impl File {
    fn new(number: u64, now_ns: i64) -> Self {
        Self {
            number,
            live: [0; CAP],
            live_len: 0,
            durable: [0; CAP],
            durable_len: 0,
            dirty: 0,
            len_told: 0,
            times: (now_ns, now_ns),
            durable_times: (now_ns, now_ns),
            damaged: 0,
            durable_damaged: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.live[..self.live_len]
    }

    pub(crate) fn facts(&self) -> FileFacts {
        FileFacts { len: self.live_len as u64, inode: self.number, mtime_ns: self.times.0, ctime_ns: self.times.1 }
    }

    /// Gives it another modification time, as copying programs do.
    pub(crate) fn date(&mut self, mtime_ns: i64) {
        self.times.0 = mtime_ns;
        self.durable_times.0 = mtime_ns;
    }

    /// None of it is on the disk yet.
    pub(crate) fn unsync(&mut self) {
        (self.durable, self.durable_len, self.dirty) = ([0; CAP], 0, mask(0, self.live_len));
    }

    pub(crate) fn write(&mut self, at: usize, bytes: &[u8], now_ns: i64) {
        let end = (at + bytes.len()).min(CAP);
        self.live[at..end].copy_from_slice(&bytes[..end - at]);
        self.live_len = self.live_len.max(end);
        self.touch(mask(at, end), now_ns);
    }

    /// Writes the same bytes again, in place.
    pub(crate) fn rewrite(&mut self, at: usize, end: usize, now_ns: i64) {
        self.dirty |= mask(at, end);
        self.times = (now_ns, now_ns);
    }

    pub(crate) fn set_len(&mut self, len: usize, now_ns: i64) {
        if len < self.live_len {
            self.live[len..].fill(0);
            self.touch(mask(len, CAP), now_ns);
        }
        self.live_len = len;
        self.times = (now_ns, now_ns);
    }

    fn touch(&mut self, what: Mask, now_ns: i64) {
        self.dirty |= what;
        self.damaged &= !what;
        self.times = (now_ns, now_ns);
    }

    /// Another program changes the bytes, on the disk as well.
    pub(crate) fn spoil(&mut self, at: usize, end: usize, now_ns: i64, mut with: impl FnMut(u8) -> u8) {
        for i in at..end {
            self.live[i] = with(self.live[i]);
            self.durable[i] = self.live[i];
        }
        self.live_len = self.live_len.max(end);
        self.durable_len = self.durable_len.max(end);
        self.damaged |= mask(at, end);
        self.durable_damaged |= mask(at, end);
        self.times = (now_ns, now_ns);
        self.durable_times = self.times;
    }

    /// Another program cuts the file, on the disk as well.
    pub(crate) fn cut(&mut self, len: usize, now_ns: i64) {
        let len = len.min(self.live_len);
        self.live[len..].fill(0);
        self.durable[len..].fill(0);
        self.dirty &= mask(0, len);
        self.live_len = len;
        self.durable_len = self.durable_len.min(len);
        self.damaged |= mask(len, CAP);
        self.durable_damaged |= mask(len, CAP);
        self.times = (now_ns, now_ns);
        self.durable_times = self.times;
    }

    fn land(&mut self, what: Mask, data: &[u8; CAP]) {
        self.durable_damaged &= !what;
        let mut left = what;
        while left != 0 {
            let i = left.trailing_zeros() as usize;
            self.durable[i] = data[i];
            left &= left - 1;
        }
    }

    fn power_cut(&mut self, rng: &mut Rng) {
        if self.dirty == 0 && self.live_len == self.durable_len {
            self.live = self.durable; // bytes of a failed sync are clean, and gone
            self.damaged |= self.durable_damaged;
            self.times = self.durable_times;
            return;
        }
        let survivors = match rng.below(4) {
            0 => 0,
            1 => self.dirty,
            2 => self.dirty & rng.mask(),
            _ => self.dirty & mask(0, rng.below(CAP as u64) as usize),
        };
        let live = self.live;
        self.land(survivors, &live);
        let (short, long) = (self.live_len.min(self.durable_len), self.live_len.max(self.durable_len));
        self.durable_len = match rng.below(3) {
            0 => self.durable_len,
            1 => self.live_len,
            _ => rng.between(short as u64, long as u64) as usize,
        };
        self.durable[self.durable_len..].fill(0);
        if survivors != 0 {
            self.durable_times = self.times;
        }
        self.live = self.durable;
        self.damaged |= self.durable_damaged;
        self.live_len = self.durable_len;
        self.times = self.durable_times;
        self.dirty = 0;
    }
}

/// A sync of a file under way.
#[derive(Debug, Clone)]
struct Syncing {
    key: u64,
    file: Id,
    covers: Mask,
    data: [u8; CAP],
    len: usize,
    times: (i64, i64),
}

/// What a receipt in the state directory says of the target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Receipt {
    pub(crate) facts: FileFacts,
    pub(crate) identity: longhaul_core::identity::Identity,
    pub(crate) extents: Vec<Extent>,
    pub(crate) digests: Vec<Digest>,
    /// What of the object it is of.
    pub(crate) window: longhaul_core::window::Window,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) files: Vec<File>,
    pub(crate) logs: Vec<Log>,
    live: [Id; 4],
    durable: [Id; 4],
    /// Changes of names that a power cut may undo, each with one or two names.
    names: Vec<[(Name, Id); 2]>,
    names_done: u64,
    syncing: Vec<Syncing>,
    keys: u64,
    numbers: u64,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) receipt_durable: Option<Receipt>,
    pub(crate) now_ns: i64,
}

impl Disk {
    pub(crate) fn reset(&mut self) {
        self.files.clear();
        self.logs.clear();
        self.live = [NONE; 4];
        self.durable = [NONE; 4];
        self.names.clear();
        self.syncing.clear();
        self.receipt = None;
        self.receipt_durable = None;
        (self.names_done, self.keys, self.numbers, self.now_ns) = (0, 0, 100, 0);
    }

    // ---- names -------------------------------------------------------------------------------------------------

    pub(crate) fn id(&self, name: Name) -> Option<Id> {
        Some(self.live[name]).filter(|&id| id != NONE)
    }

    pub(crate) fn file(&self, name: Name) -> Option<&File> {
        self.id(name).map(|id| &self.files[usize::from(id)])
    }

    pub(crate) fn log(&self) -> Option<&Log> {
        self.id(JOURNAL).map(|id| &self.logs[usize::from(id)])
    }

    /// What the journal says need not be true any more.
    pub(crate) fn void_log(&mut self) {
        if let Some(id) = self.id(JOURNAL) {
            self.logs[usize::from(id)].void = true;
        }
    }

    pub(crate) fn facts(&self, name: Name) -> Option<FileFacts> {
        self.file(name).map(File::facts)
    }

    /// A new empty file under this name; what stood there is gone.
    pub(crate) fn create(&mut self, name: Name) -> Id {
        self.numbers += 1;
        self.files.push(File::new(self.numbers, self.now_ns));
        let id = (self.files.len() - 1) as Id;
        self.rename_change([(name, id); 2]);
        id
    }

    /// Another program's file under this name, safe on the disk.
    pub(crate) fn put(&mut self, name: Name, bytes: &[u8]) -> Id {
        self.numbers += 1;
        let mut file = File::new(self.numbers, self.now_ns);
        file.live[..bytes.len()].copy_from_slice(bytes);
        file.live_len = bytes.len();
        (file.durable, file.durable_len) = (file.live, file.live_len);
        self.files.push(file);
        let id = (self.files.len() - 1) as Id;
        (self.live[name], self.durable[name]) = (id, id);
        id
    }

    pub(crate) fn create_log(&mut self) -> Id {
        let id = self.loose_log();
        self.rename_change([(JOURNAL, id); 2]);
        id
    }

    /// A log without a name yet.
    pub(crate) fn loose_log(&mut self) -> Id {
        self.logs.push(Log::default());
        (self.logs.len() - 1) as Id
    }

    /// Gives the log its name, which another file may lose by that.
    pub(crate) fn name_log(&mut self, id: Id) {
        self.rename_change([(JOURNAL, id); 2]);
    }

    pub(crate) fn rename(&mut self, from: Name, to: Name) {
        let id = self.live[from];
        if let Some(file) = self.files.get_mut(usize::from(id)) {
            file.times.1 = self.now_ns;
        }
        self.rename_change([(from, NONE), (to, id)]);
    }

    pub(crate) fn unlink(&mut self, name: Name) {
        if self.live[name] != NONE {
            self.rename_change([(name, NONE); 2]);
        }
    }

    fn rename_change(&mut self, change: [(Name, Id); 2]) {
        for (name, id) in change {
            self.live[name] = id;
        }
        self.names.push(change);
    }

    /// Whether the name survives a power cut as it is.
    pub(crate) fn name_is_durable(&self, name: Name) -> bool {
        self.live[name] == self.durable[name]
    }

    pub(crate) fn begin_dir_sync(&self) -> u64 {
        self.names_done + self.names.len() as u64
    }

    pub(crate) fn end_dir_sync(&mut self, up_to: u64) {
        let count = up_to.saturating_sub(self.names_done) as usize;
        for change in self.names.drain(..count.min(self.names.len())) {
            for (name, id) in change {
                self.durable[name] = id;
            }
        }
        self.names_done = self.names_done.max(up_to);
    }

    /// Everything reaches the disk.
    pub(crate) fn settle(&mut self) {
        self.end_dir_sync(self.begin_dir_sync());
        for file in &mut self.files {
            file.durable = file.live;
            file.durable_damaged = file.damaged;
            file.durable_len = file.live_len;
            file.durable_times = file.times;
            file.dirty = 0;
        }
    }

    // ---- syncs -------------------------------------------------------------------------------------------------

    /// The snapshot is taken now; pages of other syncs under way are waited for too.
    pub(crate) fn begin_sync(&mut self, id: Id) -> u64 {
        self.keys += 1;
        let file = &mut self.files[usize::from(id)];
        let under_way = self.syncing.iter().filter(|s| s.file == id).fold(0, |m, s| m | s.covers);
        self.syncing.push(Syncing {
            key: self.keys,
            file: id,
            covers: file.dirty | under_way,
            data: file.live,
            len: file.live_len,
            times: file.times,
        });
        file.dirty = 0;
        self.keys
    }

    pub(crate) fn end_sync(&mut self, key: u64, ok: bool, rng: &mut Rng) {
        let Some(at) = self.syncing.iter().position(|s| s.key == key) else { return };
        let mut sync = self.syncing.swap_remove(at);
        let file = &mut self.files[usize::from(sync.file)];
        if !ok {
            // Any of the pages may be lost, and any of the syncs may be told of the error.
            let lost = if rng.coin() { Mask::MAX } else { rng.mask() };
            for other in self.syncing.iter_mut().filter(|s| s.file == sync.file) {
                other.covers &= !lost;
            }
            file.land(sync.covers & !lost, &sync.data);
            file.durable_len = file.durable_len.max(128 - (sync.covers & !lost).leading_zeros() as usize).min(CAP);
            return;
        }
        // Bytes written again meanwhile may have gone along in their newer state.
        let again = sync.covers & file.dirty;
        if again != 0 && rng.coin() {
            file.land(again, &file.live.clone());
            sync.covers &= !again;
        }
        file.land(sync.covers, &sync.data);
        if key > file.len_told {
            file.len_told = key;
            file.durable_len = sync.len;
            file.durable[sync.len..].fill(0);
            file.durable_times = sync.times;
        }
        for other in self.syncing.iter_mut().filter(|s| s.file == sync.file && s.key < key) {
            other.covers &= !sync.covers;
        }
    }

    // ---- deaths ------------------------------------------------------------------------------------------------

    /// The process is gone: what it wrote stays, and what was under way counts as unsynced.
    pub(crate) fn kill(&mut self) {
        for sync in self.syncing.drain(..) {
            self.files[usize::from(sync.file)].dirty |= sync.covers;
        }
    }

    pub(crate) fn power_cut(&mut self, rng: &mut Rng) {
        self.kill();
        for file in &mut self.files {
            file.power_cut(rng);
        }
        for log in &mut self.logs {
            log.power_cut(rng);
        }
        let kept = rng.below(self.names.len() as u64 + 1) as usize;
        let ordered = !rng.one_in(8);
        let mut lost = [false; 4];
        for (i, change) in self.names.drain(..).enumerate() {
            let after_lost = change.iter().any(|&(name, _)| lost[name]);
            let survives = if ordered { i < kept } else { !after_lost && rng.coin() };
            for (name, id) in change {
                if survives {
                    self.durable[name] = id;
                }
                lost[name] |= !survives;
            }
        }
        self.live = self.durable;
        if self.receipt != self.receipt_durable {
            if rng.coin() {
                self.receipt.clone_from(&self.receipt_durable);
            } else {
                self.receipt_durable.clone_from(&self.receipt);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (Disk, Id) {
        let mut disk = Disk::default();
        disk.reset();
        let id = disk.create(MAIN);
        disk.end_dir_sync(disk.begin_dir_sync());
        (disk, id)
    }

    /// What a power cut can leave of the first byte, over many seeds.
    fn outcomes(build: impl Fn(&mut Rng) -> Disk) -> Vec<Option<u8>> {
        let mut seen: Vec<Option<u8>> = Vec::new();
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut disk = build(&mut rng);
            disk.power_cut(&mut rng);
            seen.push(disk.file(MAIN).and_then(|f| f.bytes().first().copied()));
        }
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    #[test]
    fn unsynced_bytes_may_survive_or_not_and_synced_ones_do() {
        let unsynced = outcomes(|_| {
            let (mut disk, id) = disk();
            disk.files[usize::from(id)].write(0, &[7, 8], 1);
            disk
        });
        assert_eq!(unsynced, [None, Some(0), Some(7)]);
        let synced = outcomes(|rng| {
            let (mut disk, id) = disk();
            disk.files[usize::from(id)].write(0, &[7, 8], 1);
            let key = disk.begin_sync(id);
            disk.end_sync(key, true, rng);
            disk
        });
        assert_eq!(synced, [Some(7)]);
    }

    #[test]
    fn a_sync_promises_only_what_was_written_before_it_began() {
        let seen = outcomes(|rng| {
            let (mut disk, id) = disk();
            disk.files[usize::from(id)].write(0, &[7], 1);
            let key = disk.begin_sync(id);
            disk.files[usize::from(id)].write(0, &[9], 2);
            disk.end_sync(key, true, rng);
            disk
        });
        assert_eq!(seen, [Some(7), Some(9)]);
    }

    #[test]
    fn after_a_failed_sync_another_one_proves_nothing_until_the_bytes_are_written_again() {
        let build = |again: bool| {
            move |rng: &mut Rng| {
                let (mut disk, id) = disk();
                disk.files[usize::from(id)].write(0, &[7], 1);
                let key = disk.begin_sync(id);
                disk.end_sync(key, false, rng);
                assert_eq!(disk.files[usize::from(id)].bytes(), [7]);
                if again {
                    disk.files[usize::from(id)].rewrite(0, 1, 2);
                }
                let key = disk.begin_sync(id);
                disk.end_sync(key, true, rng);
                disk
            }
        };
        assert_eq!(outcomes(build(false)), [Some(0), Some(7)]);
        assert_eq!(outcomes(build(true)), [Some(7)]);
    }

    #[test]
    fn a_failing_sync_can_take_pages_of_a_good_one_with_it() {
        let seen = outcomes(|rng| {
            let (mut disk, id) = disk();
            disk.files[usize::from(id)].write(0, &[7], 1);
            let first = disk.begin_sync(id);
            let second = disk.begin_sync(id);
            disk.end_sync(first, false, rng);
            disk.end_sync(second, true, rng);
            disk
        });
        assert_eq!(seen, [Some(0), Some(7)]);
    }

    #[test]
    fn syncs_that_end_out_of_order_do_not_bring_old_bytes_back() {
        let seen = outcomes(|rng| {
            let (mut disk, id) = disk();
            disk.files[usize::from(id)].write(0, &[7, 7], 1);
            let first = disk.begin_sync(id);
            disk.files[usize::from(id)].write(0, &[9], 2);
            let second = disk.begin_sync(id);
            disk.end_sync(second, true, rng);
            disk.end_sync(first, true, rng);
            disk
        });
        assert_eq!(seen, [Some(9)]);
    }

    #[test]
    fn a_cut_in_place_can_come_back_until_it_is_synced() {
        let build = |synced: bool| {
            move |rng: &mut Rng| {
                let (mut disk, id) = disk();
                disk.files[usize::from(id)].write(0, &[7; 4], 1);
                let key = disk.begin_sync(id);
                disk.end_sync(key, true, rng);
                disk.files[usize::from(id)].set_len(0, 2);
                disk.files[usize::from(id)].write(2, &[9], 3);
                if synced {
                    let key = disk.begin_sync(id);
                    disk.end_sync(key, true, rng);
                }
                disk
            }
        };
        assert!(outcomes(build(false)).contains(&Some(7)));
        assert_eq!(outcomes(build(true)), [Some(0)]);
    }

    #[test]
    fn names_are_lost_until_the_folder_is_synced_and_renames_are_whole() {
        let (mut absent, mut both) = (false, false);
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let (mut disk, id) = disk();
            disk.rename(MAIN, TARGET);
            disk.power_cut(&mut rng);
            let (main, target) = (disk.id(MAIN), disk.id(TARGET));
            assert!(main.xor(target) == Some(id), "the file has exactly one of the two names");
            absent |= target.is_none();
            both |= target.is_some();
        }
        assert!(absent && both);
        let (mut disk, id) = disk();
        disk.rename(MAIN, TARGET);
        let up_to = disk.begin_dir_sync();
        disk.end_dir_sync(up_to);
        disk.power_cut(&mut Rng::new(1));
        assert_eq!(disk.id(TARGET), Some(id));
    }
}
