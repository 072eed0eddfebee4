//! What other programs put at the target: any file, the wanted one, or a part of it; at the start, between runs, and
//! while a run reads it. And what they began to fetch, which a run is offered to go on from.

use longhaul_core::download::Config;
use longhaul_core::download::adopt::{Adoption, AdoptionProof};
use longhaul_core::download::held::Slot;
use longhaul_core::download::step::{Finish, Heard};
use longhaul_core::identity::Identity;
use longhaul_core::ranges::Range;
use longhaul_core::words::{DiskFault, Extent};

use super::content::{byte, crc64, digest};
use super::disk::{Id, JOURNAL, NONE, TARGET};
use super::world::{Plan, Stand, World};
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

    /// Another program has begun to fetch the object, or something else, and its file is offered to the runs. Drawn apart.
    pub(super) fn offer_a_partial(&mut self, seed: u64, config: &mut Config) {
        let mut rng = Rng::new(seed ^ 0x0061_646f_7074);
        if !rng.one_in(5) || !self.wanted.is_whole() {
            return;
        }
        let content = self.remote.versions[0].content.slice().to_vec();
        let len = content.len() as u64;
        let right = rng.coin();
        let own = |i: usize| if right { content[i] } else { byte(5, i) };
        let end = if rng.one_in(16) { len + 1 } else { rng.below(len + 1) };
        self.partial = (0..end as usize).map(|i| if i < content.len() { own(i) } else { 7 }).collect();
        let middle = rng.below(end + 1);
        let ranges = match rng.below(3) {
            0 => vec![Range::new(0, middle), Range::new((middle + 8).min(end), end)],
            _ => vec![Range::new(0, end)],
        };
        let proof = match rng.below(4) {
            0 | 1 => AdoptionProof::Samples,
            2 => AdoptionProof::Digest,
            _ => {
                let identity = Box::new(Identity { length: Some(len), ..self.remote.versions[0].identity.clone() });
                let block = |at: u64| {
                    let stop = (at + 8).min(len);
                    let crc = crc64(0, &content[at as usize..stop as usize]);
                    Extent { start: at, len: stop - at, crc }
                };
                AdoptionProof::Blocks { identity, extents: (0..len).step_by(8).map(block).collect() }
            }
        };
        let total = rng.one_in(4).then_some(len);
        config.adoption = Some(Adoption { ranges, least: end, total, proof });
        self.partial_offered = true;
        self.coverage.partials_offered += 1;
        tell!(self, "another program's partial file is there: {:?}, {:?}", self.partial, config.adoption);
    }

    /// The caller may forget to name the other program's file.
    pub(super) fn run_with_or_without_the_partial(&mut self, config: &Config, plan: Plan) {
        match config.adoption.is_some() && self.rng.one_in(3) {
            true => self.run(&Config { adoption: None, ..config.clone() }, plan),
            false => self.run(config, plan),
        }
    }

    /// Copies pieces of the other program's file.
    pub(super) fn adopt(&mut self, stage: &mut u8, slot: Slot, pieces: &[Range]) -> Option<Heard> {
        let Some(id) = self.file_in(slot) else { return Some(Heard::Failed(DiskFault::Io)) };
        let now_ns = self.disk.now_ns;
        let there = |piece: &&Range| piece.end <= self.partial.len() as u64;
        let pieces: Vec<Range> = pieces.iter().filter(there).copied().collect();
        if *stage == 0 {
            if self.full {
                return Some(Heard::Failed(DiskFault::NoSpace));
            }
            if let Some(fault) = self.read_fault() {
                return Some(Heard::Failed(fault));
            }
            for piece in &pieces {
                let bytes = &self.partial[piece.start as usize..piece.end as usize];
                self.disk.files[usize::from(id)].write(piece.start as usize, bytes, now_ns);
            }
            *stage = 1;
            return None;
        }
        let extent = |piece: &Range| {
            let crc = crc64(0, &self.partial[piece.start as usize..piece.end as usize]);
            Extent { start: piece.start, len: piece.len(), crc }
        };
        Some(Heard::Adopted { extents: pieces.iter().map(extent).collect() })
    }
}
