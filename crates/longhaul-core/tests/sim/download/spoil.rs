//! What another program, or the disk, does to the files between two runs.

use longhaul_core::download::journal::{self, Record, Source};

use super::content::CAP;
use super::disk::{JOURNAL, MAIN, NEXT};
use super::world::World;

impl World {
    pub(crate) fn spoil_file(&mut self) {
        let name = if self.rng.one_in(4) { NEXT } else { MAIN };
        let Some(id) = self.disk.id(name) else { return };
        self.coverage.spoiled_files += 1;
        let now_ns = self.disk.now_ns;
        let rng = &mut self.rng;
        let file = &mut self.disk.files[usize::from(id)];
        let len = file.live_len;
        let from = rng.below(len as u64 + 1) as usize;
        let to = rng.between(from as u64, len as u64) as usize;
        let how = match rng.below(6) {
            0 => {
                file.spoil(from, to, now_ns, |b| b ^ 0x40);
                "bytes rot"
            }
            1 => {
                file.spoil(from, to, now_ns, |_| 0);
                "bytes become zero"
            }
            2 => {
                file.cut(from, now_ns);
                "it is cut"
            }
            3 => {
                file.spoil(len, (len + rng.below(16) as usize).min(CAP), now_ns, |_| 7);
                "it grows"
            }
            4 => {
                self.disk.unlink(name);
                self.disk.settle();
                self.disk.void_log();
                "it is deleted"
            }
            _ => {
                let id = self.disk.create(name);
                self.disk.files[usize::from(id)].spoil(0, len, now_ns, |_| 9);
                self.disk.settle();
                self.disk.void_log();
                "another file takes its place"
            }
        };
        tell!(self, "another program spoils file {name}: {how} ({from}..{to} of {len})");
    }

    pub(crate) fn spoil_journal(&mut self) {
        let Some(id) = self.disk.id(JOURNAL) else { return };
        self.coverage.spoiled_journals += 1;
        self.disk.void_log();
        self.witness.journal_ever_spoiled = true;
        let rng = &mut self.rng;
        let log = &mut self.disk.logs[usize::from(id)];
        let at = rng.below(log.live.len() as u64 + 1) as usize;
        match rng.below(4) {
            0 => log.cut(at),
            1 => log.cut(0),
            2 if at < log.live.len() => log.live[at] ^= 1 << rng.below(8),
            2 if rng.one_in(4) => {
                log.cut(0);
                log.live.extend_from_slice(&journal::header());
                let source = Source { url: "another".to_owned(), ..Source::default() };
                journal::encode(&[Record::Source(source)], 0, &mut log.live);
                self.witness.another_source = true;
            }
            2 => {}
            _ => {
                self.disk.unlink(JOURNAL);
                self.disk.settle();
            }
        }
        tell!(self, "another program spoils the journal at {at}");
    }
}
