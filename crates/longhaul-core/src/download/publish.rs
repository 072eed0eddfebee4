//! Publishing what is whole.

use super::Download;
use super::adopt::Foreign;
use super::held::Slot;
use super::job::PublishJob;
use super::journal::{Publishing, Record};
use super::resume::{Generation, TargetRefusal};
use super::step::{Failure, Finish, Heard, Note, Step, Verified};
use super::wrong::Mismatch;
use crate::digest::Digest;
use crate::run::no_answer;
use crate::words::{DiskFault, FileFacts};

impl Download {
    // ---- publishing --------------------------------------------------------------------------------------------

    /// Everything is held. Streams stop, open jobs end, unread claims are read (`check_beside`), the old generation
    /// goes (`promote_if_due`); then the digest, the seal, and the steps that make the file appear.
    pub(super) fn try_publish(&mut self) {
        if !self.line.is_empty() {
            return self.stop_all();
        }
        let Some(g) = self.files.current() else { return };
        let unread = g.held.list().iter().any(|k| !k.read);
        if !self.run.is_idle() || unread || g.begin.slot == Slot::Next {
            return;
        }
        let length = g.begin.identity.length.unwrap_or(0);
        self.law(6, g.is_whole(), "a generation with holes is about to be published");
        self.phase.seal();
        let mut kinds: Vec<_> = self.expected().iter().map(Digest::kind).collect();
        kinds.sort();
        kinds.dedup();
        if kinds.is_empty() {
            self.seal();
        } else {
            self.job(PublishJob::Digest, Step::Digest { slot: Slot::Main, length, kinds });
        }
    }

    fn seal(&mut self) {
        let proven = !self.is_unproven() || !self.files.proven().is_empty();
        self.law(6, proven, "bytes of another program are about to be published, and no digest was compared");
        let length = self.files.current().and_then(|g| g.begin.identity.length).unwrap_or(0);
        self.job(PublishJob::Seal, Step::Seal { length });
    }

    /// Holds computed digests against every expected one; true when all match.
    fn digests_match(&mut self, computed: Vec<Digest>) -> bool {
        let differs =
            |expected: &Digest| computed.iter().find(|d| d.kind() == expected.kind() && *d != expected).cloned();
        let mut disputed = Vec::new();
        for expected in self.expected() {
            let given = self.config.expected.contains(&expected);
            match differs(&expected) {
                None => {}
                // The caller's own word decides, and stands first in the list: it matches.
                Some(actual) if !given && !self.config.expected.is_empty() => {
                    disputed.push(actual.kind());
                    self.note(Note::Disputed { declared: expected, actual });
                }
                Some(actual) => {
                    let right = |d: &Digest| !self.config.expected.contains(d) && computed.contains(d);
                    let vouched = given && self.expected().iter().any(right);
                    self.digest_mismatch(Mismatch { expected, actual, declared: !given }, vouched);
                    return false;
                }
            }
        }
        let proves = |digest: &Digest| !disputed.contains(&digest.kind()) || self.config.expected.contains(digest);
        let computed: Vec<Digest> = computed.into_iter().filter(proves).collect();
        for digest in computed {
            self.note(Note::DigestMatched(digest.clone()));
            self.files.prove(digest);
        }
        true
    }

    pub(super) fn verdict_on(&self, g: &Generation) -> Verified {
        match self.files.proven().iter().map(|d| d.kind()).min() {
            Some(kind) => Verified::Digest(kind),
            // A validator says whose bytes these are, not that they are all.
            None if g.end_not_provable => Verified::Nothing,
            None if g.foreign == Some(Foreign::Compared) => Verified::Samples,
            None if g.begin.identity.is_strong() && g.foreign.is_none() => Verified::Validator,
            None => Verified::Length,
        }
    }

    pub(super) fn after_rename(&mut self) {
        if self.power() {
            self.job(PublishJob::SyncDir, Step::SyncDir);
        } else {
            self.after_publish_dir();
        }
    }

    fn after_publish_dir(&mut self) {
        if self.phase.is_small() {
            return self.done(); // its receipt is there already, and there is no journal
        }
        self.write_receipt();
    }

    fn write_receipt(&mut self) {
        if let Some(receipt) = self.receipt() {
            self.job(PublishJob::Receipt, Step::Receipt(receipt));
        }
    }

    fn done(&mut self) {
        if let Some(g) = self.files.current() {
            let length = g.begin.identity.length.unwrap_or(0);
            let verified = self.verdict_on(g);
            self.finish(Finish::Done { length, verified, already: !self.files.has_moved() });
        }
    }

    pub(super) fn hear_publish(&mut self, job: PublishJob, heard: Heard) {
        match (job, heard) {
            (PublishJob::Digest, Heard::Digested(computed)) => {
                if self.phase.is_ending() {
                    self.phase.go_on(); // paused meanwhile; the digest is computed again next time
                } else if self.digests_match(computed) {
                    self.seal();
                }
            }
            (PublishJob::Seal, Heard::Facts(facts)) => self.sealed(facts),
            (PublishJob::Sync | PublishJob::EarlyReceipt, Heard::Done) if self.phase.is_small() => self.publish_small(),
            (PublishJob::Sync, Heard::Done) => self.record_publishing(),
            (PublishJob::Record, Heard::Done) => {
                self.job(PublishJob::Rename, Step::Publish { replace: self.files.replaces_target() });
            }
            (PublishJob::Rename, Heard::Done) => self.after_rename(),
            (PublishJob::SyncDir, Heard::Done) => self.after_publish_dir(),
            (PublishJob::Confirm { length, verified }, Heard::Done) => {
                self.finish(Finish::Done { length, verified, already: true });
            }
            (PublishJob::Receipt, Heard::Done) => self.job(PublishJob::Forget, Step::Forget),
            (PublishJob::Forget, Heard::Done) => self.done(),
            (PublishJob::EarlyReceipt, Heard::Done) => {} // the short way was left meanwhile
            (job, Heard::Failed(fault)) => self.publish_failed(job, fault),
            _ => no_answer("a step of publishing"),
        }
    }

    fn publish_failed(&mut self, job: PublishJob, fault: DiskFault) {
        if !matches!(job, PublishJob::SyncDir | PublishJob::Confirm { .. }) {
            self.leave_small(); // it goes on (or ends) like any other transfer
        }
        match job {
            PublishJob::Rename if fault == DiskFault::Exists => {
                self.phase.go_on();
                self.fail(Failure::Refused(TargetRefusal::TargetExists));
            }
            PublishJob::Sync => {
                // The last bytes may not be on disk: they are given up and fetched again, as after any failed sync.
                self.phase.go_on();
                self.sync_failed_at_seal(fault);
            }
            // The file is at its name already, and safe as far as it can be; only the paperwork failed. The journal
            // stays, so the next start finishes it.
            PublishJob::SyncDir | PublishJob::Confirm { .. } | PublishJob::Receipt | PublishJob::Forget => {
                let during = if matches!(job, PublishJob::SyncDir | PublishJob::Confirm { .. }) {
                    "sync the folder"
                } else {
                    "write the receipt"
                };
                self.finish(Finish::Failed(Failure::Disk { fault, during }));
            }
            PublishJob::Digest => {
                self.phase.go_on();
                if fault != DiskFault::Interrupted {
                    self.fail_disk(fault, "read back");
                }
            }
            // Tried again after the rename, as on the long way.
            PublishJob::EarlyReceipt => {
                self.phase.go_on();
            }
            PublishJob::Record => {
                self.phase.go_on();
                self.journal_failed(fault);
            }
            PublishJob::Seal | PublishJob::Rename => {
                self.phase.go_on();
                self.fail_disk(fault, "publish");
            }
        }
    }

    fn sync_failed_at_seal(&mut self, fault: DiskFault) {
        self.give_up_unclaimed();
        if self.disk.sync_failed() {
            self.fail(Failure::Disk { fault, during: "sync" });
        }
    }

    fn sealed(&mut self, facts: FileFacts) {
        let generation = self.files.current().map_or(0, |g| g.begin.generation);
        let length = self.files.current().and_then(|g| g.begin.identity.length);
        self.law(6, length == Some(facts.len), "the sealed file does not have the promised length");
        self.phase.publish(Publishing { generation, facts });
        if self.phase.is_small() {
            return self.sync_small();
        }
        if self.power() {
            self.job(PublishJob::Sync, Step::Sync { slot: Slot::Main });
        } else {
            self.record_publishing();
        }
    }

    fn record_publishing(&mut self) {
        if let Some(publishing) = self.phase.publishing() {
            self.record(PublishJob::Record, vec![Record::Publishing(publishing)], true);
        }
    }
}
