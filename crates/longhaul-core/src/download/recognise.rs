//! Is the file at the target the one that is wanted, by the digests that the caller gave?
//!
//! ```text
//!   Open ──► digests of the target ──► all match ──► take it (synced) ──► folder sync ──► receipt ──► Done
//!                     └──► one does not, or the file changed meanwhile ──► as without digests
//! ```
//!
//! Nothing is asked of the source, and the file is only read. A receipt that names the digests spares the reading. The
//! file may have been fetched by another program, or by this one with another state directory.
//!
//! It is looked at only where no journal lies beside it: held bytes are never given up for it unasked.

use super::Download;
use super::job::TargetJob;
use super::resume::{Found, FoundJournal, TargetState};
use super::step::{Failure, Finish, Heard, Note, Receipt, Step, Verified};
use super::wrong::Mismatch;
use crate::digest::{Digest, DigestKind};
use crate::identity::Identity;
use crate::run::no_answer;
use crate::words::{DiskFault, Extent, FileFacts};

/// What the digests say of the file at the target.
#[derive(Debug, Clone, Default)]
pub(super) struct Recognition {
    /// What was found at the start, while the digests are computed.
    found: Option<Box<Found>>,
    /// The receipt to write when the file is taken; none where a receipt says already which version it is.
    receipt: Option<Receipt>,
    /// A digest that the file does not have.
    pub(super) differs: Option<Mismatch>,
}

impl Download {
    /// The folder is open. A file at the target may be the wanted one already.
    pub(super) fn opened(&mut self, found: Box<Found>) {
        self.phase.opened();
        let TargetState::File { facts, finished } = &found.target else { return self.begin_with_found(*found) };
        let expected = &self.config.expected;
        if expected.is_empty() || self.mends() || matches!(found.journal, FoundJournal::Read(_)) {
            return self.begin_with_found(*found);
        }
        let known = |receipt: &[Digest]| expected.iter().all(|digest| receipt.contains(digest));
        if finished.as_ref().is_some_and(|receipt| known(&receipt.digests)) {
            let (length, verified) = (facts.len, strongest(expected));
            self.drop_waiting_head();
            self.phase.confirm();
            self.tell_matches();
            return self.already_there(length, verified);
        }
        // The CRC-64 is what the receipt tells the bytes by.
        let mut kinds: Vec<_> = expected.iter().map(Digest::kind).chain([DigestKind::Crc64]).collect();
        kinds.sort();
        kinds.dedup();
        self.recognition.found = Some(found);
        self.job(TargetJob::Digest, Step::DigestTarget { kinds });
    }

    pub(super) fn hear_target(&mut self, job: TargetJob, heard: Heard) {
        match (job, heard) {
            (TargetJob::Digest | TargetJob::Take, _) if self.phase.is_ending() => {} // stopped meanwhile
            (TargetJob::Digest, Heard::TargetDigested { facts, digests }) => self.judge_target(facts, &digests),
            // What cannot be read, or is not the caller's alone, counts as any other program's file.
            (TargetJob::Digest, Heard::Failed(_)) => self.not_recognised(),
            (TargetJob::Take, Heard::Facts(facts)) if self.found_facts() == Some(facts) => self.target_taken(),
            (TargetJob::Take, Heard::Facts(_)) => self.not_recognised(), // it changed while it was synced
            (TargetJob::Take, Heard::Failed(fault)) => self.fail_disk(fault, "sync"),
            (TargetJob::SyncDir, Heard::Done) => self.record_target(),
            (TargetJob::Receipt, Heard::Done) => self.recognised(),
            (TargetJob::SyncDir, Heard::Failed(fault)) => self.target_failed(fault, "sync the folder"),
            (TargetJob::Receipt, Heard::Failed(fault)) => self.target_failed(fault, "write the receipt"),
            _ => no_answer("a step at the target"),
        }
    }

    fn judge_target(&mut self, facts: FileFacts, digests: &[Digest]) {
        if self.found_facts() != Some(facts) {
            return self.not_recognised(); // it changed while it was read
        }
        let of_kind = |kind| digests.iter().find(|digest| digest.kind() == kind);
        let differs = self.config.expected.iter().find(|expected| of_kind(expected.kind()) != Some(expected));
        if let Some(expected) = differs {
            let (expected, actual) = (expected.clone(), of_kind(expected.kind()).cloned());
            self.recognition.differs = actual.map(|actual| Mismatch { expected, actual, declared: false });
            return self.not_recognised();
        }
        self.recognition.receipt = (!self.is_known_version()).then(|| Receipt {
            length: facts.len,
            identity: Identity::default(),
            verified: strongest(&self.config.expected),
            digests: self.config.expected.clone(),
            facts,
            extents: of_kind(DigestKind::Crc64).and_then(|crc| whole(facts.len, crc)).into_iter().collect(),
        });
        self.job(TargetJob::Take, Step::TakeTarget { durable: self.power() });
    }

    /// It goes on as if no digest had been given of what stands there.
    fn not_recognised(&mut self) {
        self.recognition.receipt = None;
        if let Some(found) = self.recognition.found.take() {
            self.begin_with_found(*found);
        }
    }

    fn found_facts(&self) -> Option<FileFacts> {
        match self.recognition.found.as_ref()?.target {
            TargetState::File { facts, .. } => Some(facts),
            _ => None,
        }
    }

    /// Whether a receipt says which version of the object the file is.
    fn is_known_version(&self) -> bool {
        let Some(TargetState::File { finished, .. }) = self.recognition.found.as_ref().map(|found| &found.target)
        else {
            return false;
        };
        finished.as_ref().is_some_and(|receipt| receipt.identity != Identity::default())
    }

    fn target_taken(&mut self) {
        self.drop_waiting_head();
        self.phase.confirm();
        self.tell_matches();
        if self.recognition.receipt.is_none() {
            let length = self.found_facts().map_or(0, |facts| facts.len);
            self.already_there(length, strongest(&self.config.expected));
        } else if self.power() {
            self.job(TargetJob::SyncDir, Step::SyncDir);
        } else {
            self.record_target();
        }
    }

    fn tell_matches(&mut self) {
        for digest in self.config.expected.clone() {
            self.note(Note::DigestMatched(digest));
        }
    }

    fn record_target(&mut self) {
        if let Some(receipt) = self.recognition.receipt.clone() {
            self.job(TargetJob::Receipt, Step::Receipt(receipt));
        }
    }

    fn recognised(&mut self) {
        if let Some(Receipt { length, verified, .. }) = self.recognition.receipt {
            self.finish(Finish::Done { length, verified, already: true });
        }
    }

    fn target_failed(&mut self, fault: DiskFault, during: &'static str) {
        self.finish(Finish::Failed(Failure::Disk { fault, during }));
    }
}

fn strongest(digests: &[Digest]) -> Verified {
    digests.iter().map(Digest::kind).min().map_or(Verified::Nothing, Verified::Digest)
}

/// All of a file as one extent.
fn whole(len: u64, crc: &Digest) -> Option<Extent> {
    let crc = u64::from_be_bytes(crc.bytes().try_into().ok()?);
    (len > 0).then_some(Extent { start: 0, len, crc })
}
