//! What a run has learned of its disk: which bytes wait for a sync, whether syncs, folder and journal can be relied on.
//!
//! It judges ("a sync is due", "the journal wants to be written anew") and gives no step itself.

use super::config::Config;
use crate::words::{Durability, Millis};

/// Failed syncs in one run before giving up on the disk.
const SYNC_FAILURES_MAX: u32 = 2;

/// The state of the disk in one run.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    power: bool,
    sync_every_ms: Millis,
    sync_bytes: u64,
    unsynced_bytes_max: u64,
    compact_after: u64,
    dirty_since: Option<Millis>,
    dirty_bytes: u64,
    unsynced_lost: bool,
    throttled: bool,
    sync_failures: u32,
    folder_synced: bool,
    hints_recorded: u64,
    journal_broken: bool,
}

impl Disk {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            power: config.durability == Durability::Power,
            sync_every_ms: config.sync_every_ms,
            sync_bytes: config.sync_bytes,
            unsynced_bytes_max: config.unsynced_bytes_max,
            compact_after: config.compact_after,
            dirty_since: None,
            dirty_bytes: 0,
            unsynced_lost: false,
            throttled: false,
            sync_failures: 0,
            folder_synced: true,
            hints_recorded: 0,
            journal_broken: false,
        }
    }

    /// Whether a power cut may cost no more than what was not synced: then files, folder and journal are synced.
    pub(super) fn outlives_power(&self) -> bool {
        self.power
    }

    // ---- syncs -------------------------------------------------------------------------------------------------

    /// So many bytes more are in the file without a sync after them.
    pub(super) fn wrote(&mut self, now: Millis, bytes: u64) {
        self.dirty_since.get_or_insert(now);
        self.dirty_bytes += bytes;
    }

    /// A sync is due from now on, although no byte was written since the last one.
    pub(super) fn count_anew(&mut self, now: Millis) {
        self.dirty_since = Some(now);
    }

    /// No byte waits for a sync any more: one begins that covers them, or they were given up.
    pub(super) fn is_clean_from_here(&mut self) {
        self.dirty_since = None;
        self.dirty_bytes = 0;
    }

    /// When a sync has to begin at the latest.
    pub(super) fn sync_at(&self) -> Option<Millis> {
        self.dirty_since.map(|since| since + self.sync_every_ms)
    }

    /// Whether a sync has to begin now.
    pub(super) fn is_sync_due(&self, now: Millis) -> bool {
        self.sync_at().is_some_and(|at| now >= at || self.dirty_bytes >= self.sync_bytes)
    }

    /// A sync failed. Whether that was once too often for this run.
    pub(super) fn sync_failed(&mut self) -> bool {
        self.sync_failures += 1;
        self.sync_failures >= SYNC_FAILURES_MAX
    }

    /// After a failed sync: the unclaimed bytes of the file are to be given up, as soon as no stream writes any more.
    pub(super) fn lose_unsynced(&mut self) {
        self.unsynced_lost = true;
    }

    pub(super) fn has_lost_unsynced(&self) -> bool {
        self.unsynced_lost
    }

    /// The unclaimed bytes are given up now. Whether they had to be.
    pub(super) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.unsynced_lost)
    }

    /// So many bytes are held without a claim. What to tell the driver, when that changes whether it may take more.
    pub(super) fn throttle(&mut self, unclaimed: u64) -> Option<bool> {
        let wanted = self.power && unclaimed >= self.unsynced_bytes_max;
        let changed = wanted != self.throttled;
        self.throttled = wanted;
        changed.then_some(wanted)
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.throttled
    }

    // ---- folder and journal ------------------------------------------------------------------------------------

    /// A file got its name: the folder has to be synced before anything may rely on it.
    pub(super) fn folder_changed(&mut self) {
        self.folder_synced = !self.power;
    }

    pub(super) fn folder_synced(&mut self) {
        self.folder_synced = true;
    }

    /// Whether the names of the files are where a crash does not reach them.
    pub(super) fn is_folder_synced(&self) -> bool {
        self.folder_synced
    }

    /// A hint was appended to the journal.
    pub(super) fn hint_recorded(&mut self) {
        self.hints_recorded += 1;
    }

    /// So many records of earlier runs are in the journal. They count like hints: many short runs must not make it grow
    /// for ever.
    pub(super) fn found_records(&mut self, records: u64) {
        self.hints_recorded = records;
    }

    /// Whether the journal is long for that many extents, and may be replaced by one that holds only these. The new one
    /// tells under which name each generation lies: not before the folder is known to say the same.
    pub(super) fn wants_compaction(&self, extents: u64) -> bool {
        self.folder_synced && self.hints_recorded >= self.compact_after.max(4 * extents)
    }

    /// The journal is being replaced by a short one.
    pub(super) fn compacted(&mut self) {
        self.hints_recorded = 0;
    }

    pub(super) fn journal_failed(&mut self) {
        self.journal_broken = true;
    }

    /// Whether a claim would be worth anything: the journal takes records, and without its name on the disk a file is
    /// as good as lost.
    pub(super) fn can_claim(&self) -> bool {
        self.power && self.folder_synced && !self.journal_broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        let config = Config { sync_every_ms: 100, sync_bytes: 50, unsynced_bytes_max: 80, ..Config::default() };
        Disk::new(&Config { compact_after: 10, ..config })
    }

    #[test]
    fn a_sync_is_due_after_a_time_or_so_many_bytes() {
        let mut disk = disk();
        assert!(!disk.is_sync_due(1000), "nothing was written");
        disk.wrote(1000, 10);
        disk.wrote(1050, 10);
        assert!(!disk.is_sync_due(1099) && disk.is_sync_due(1100), "counted from the first byte");
        disk.is_clean_from_here();
        assert_eq!(disk.sync_at(), None);
        disk.wrote(2000, 50);
        assert!(disk.is_sync_due(2000));
    }

    #[test]
    fn the_driver_is_told_once_to_take_no_more() {
        let mut disk = disk();
        let told: Vec<_> = [79, 80, 90, 79, 0].into_iter().map(|unclaimed| disk.throttle(unclaimed)).collect();
        assert_eq!(told, [None, Some(true), None, Some(false), None]);
    }

    #[test]
    fn no_claim_without_folder_and_journal() {
        let mut disk = disk();
        disk.folder_changed();
        assert!(!disk.can_claim() && !disk.wants_compaction(0));
        disk.folder_synced();
        assert!(disk.can_claim());
        disk.journal_failed();
        assert!(!disk.can_claim());
    }

    #[test]
    fn many_hints_want_a_new_journal_but_not_for_many_extents() {
        let mut disk = disk();
        disk.found_records(9);
        assert!(!disk.wants_compaction(0));
        disk.hint_recorded();
        assert!(disk.wants_compaction(2) && !disk.wants_compaction(3));
        disk.compacted();
        assert!(!disk.wants_compaction(0));
    }

    #[test]
    fn a_second_failed_sync_ends_the_run() {
        let mut disk = disk();
        assert_eq!((disk.sync_failed(), disk.sync_failed()), (false, true));
    }
}
