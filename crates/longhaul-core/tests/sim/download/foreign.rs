//! What other programs put at the target: any file, the wanted one, or a part of it; at the start, between runs, and
//! while a run reads it.

use longhaul_core::download::Config;
use longhaul_core::download::step::Finish;

use super::content::{byte, digest};
use super::disk::{Id, JOURNAL, NONE, TARGET};
use super::world::{Stand, World};
use crate::rng::Rng;

impl World {
    pub(super) fn stand_something_at_the_target(&mut self) {
        match self.rng.below(40) {
            0 => self.stand = Stand::Symlink,
            1 => self.stand = Stand::Directory,
            2..10 if self.overwrite || self.rng.one_in(4) => self.put_at_the_target(),
            _ => {}
        }
    }

    /// The target is free, and always was.
    pub(super) fn target_is_free(&self) -> bool {
        (self.stand, self.disk.id(TARGET), self.older, self.published) == (Stand::Free, None, NONE, false)
    }

    /// Another program's file, safe on the disk.
    pub(super) fn put_at_the_target(&mut self) {
        // It may have the length and the time of the file that a receipt was written for: a copy by another program.
        let twin = self.disk.receipt.as_ref().map(|r| r.facts).filter(|facts| facts.len > 0 && self.rng.coin());
        let len = twin.map_or_else(|| self.rng.between(1, 40), |facts| facts.len) as usize;
        self.older_bytes.extend((0..len).map(|i| byte(5, i)));
        self.older = self.disk.put(TARGET, &self.older_bytes);
        if let Some(facts) = twin {
            self.disk.files[usize::from(self.older)].date(facts.mtime_ns);
            self.coverage.rivals_in_disguise += 1;
        }
        self.coverage.foreign_targets += 1;
        tell!(self, "another program's file stands at the target");
    }

    /// Another program has fetched what is wanted, or a part of it, or has fetched it wrong. Drawn apart, so that
    /// histories without digests are the same as ever.
    pub(super) fn put_the_wanted_file(&mut self, seed: u64) {
        let mut rng = Rng::new(seed ^ 0x0066_6f72_6569_676e);
        if self.expected.is_empty() || !self.target_is_free() || !rng.one_in(3) {
            return;
        }
        let Some(mut bytes) = self.wanted.cut(&self.remote.versions[0].content) else { return };
        match rng.below(5) {
            0 => bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize),
            1 => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 0x40),
            _ => {}
        }
        self.older = self.disk.put(TARGET, &bytes);
        self.older_unsynced = rng.coin();
        if self.older_unsynced {
            self.disk.files[usize::from(self.older)].unsync();
        }
        tell!(self, "another program's file stands at the target: {bytes:?}, unsynced: {}", self.older_unsynced);
        self.older_bytes = bytes;
        self.coverage.foreign_copies += 1;
    }

    /// What a power cut left of the other program's file is what it is from then on.
    pub(super) fn older_after_power_cut(&mut self) {
        let unsafe_still = self.older_unsynced || self.witness.target_sync_failed;
        if self.older != NONE && unsafe_still && self.disk.id(TARGET) == Some(self.older) {
            self.older_bytes = self.disk.files[usize::from(self.older)].bytes().to_vec();
            self.older_unsynced = false;
        }
    }

    /// The other program writes to its file while it is read.
    pub(super) fn change_while_read(&mut self, id: Id) {
        if self.calm || id != self.older || self.older_bytes.is_empty() || !self.rng.one_in(6) {
            return;
        }
        let file = &mut self.disk.files[usize::from(id)];
        let now_ns = self.disk.now_ns.max(file.facts().mtime_ns + 1);
        let at = self.rng.below(self.older_bytes.len() as u64) as usize;
        file.spoil(at, at + 1, now_ns, |byte| byte ^ 0x40);
        self.older_bytes = file.bytes().to_vec();
        self.coverage.changed_while_read += 1;
        tell!(self, "another program changes byte {at} of the file at the target");
    }

    /// Whether these bytes have the digests that were given.
    pub(super) fn is_expected(&self, bytes: &[u8]) -> bool {
        !self.expected.is_empty() && self.expected.iter().all(|d| digest(d.kind(), bytes) == *d)
    }

    /// The whole of what is wanted stands at the target, and nothing else of this transfer is there.
    pub(super) fn is_there_already(&self) -> bool {
        let older = self.older != NONE && self.disk.id(TARGET) == Some(self.older);
        let alone = self.stand == Stand::Free && self.disk.id(JOURNAL).is_none();
        older && alone && self.is_expected(&self.older_bytes)
    }

    /// An undisturbed run has found what was there already. `requests`: how many there were before it.
    pub(super) fn check_recognised(&mut self, requests: u64) {
        let asked = self.coverage.requests - requests;
        if asked > 0 || !matches!(self.finish, Some(Finish::Done { already: true, .. })) {
            let finish = format!("{:?}", self.finish);
            self.broken("what is there already is not fetched", format_args!("{finish} after {asked} requests"));
        }
    }

    /// A run has ended well: was it by taking the other program's file for ours?
    pub(super) fn take_older(&mut self) {
        if self.older == NONE || self.disk.id(TARGET) != Some(self.older) {
            return;
        }
        self.coverage.recognised += 1;
        if !self.is_expected(&self.older_bytes) {
            let law = "a file of another program is taken for ours only under a digest that it has";
            let shown = format!("{:?}", self.older_bytes);
            self.broken(law, format_args!("{shown}"));
        }
        self.taken = self.older;
    }

    /// The main file is about to be renamed to the target.
    pub(super) fn check_replaced(&mut self) {
        let foreign = self.disk.id(TARGET).is_some_and(|id| id == self.older || id == self.taken);
        if foreign && !self.overwrite {
            self.broken("another program's file is replaced only when that is allowed", format_args!("it is renamed"));
        }
    }

    /// A file that was taken for ours by its digest is asked for without one, perhaps.
    pub(super) fn forget_the_digest(&mut self, config: &Config) -> Config {
        if self.taken == NONE || self.rng.coin() {
            return config.clone();
        }
        tell!(self, "and no digest is given");
        self.coverage.asked_without_the_digest += 1;
        self.expected.clear();
        Config { expected: Vec::new(), ..config.clone() }
    }
}
