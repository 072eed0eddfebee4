//! The request that writes the object (Complete or Put), its answer, and how a lost one is settled.
//!
//! Right before the request it is known what stands at the key (`before`), and the journal says durably that the
//! request is about to be sent and for which whole. A clear answer is held against that whole, and so is what the store
//! shows. When the answer was lost, looks at the object and the upload go to [`Settling`](super::settling::Settling),
//! and its verdict is carried out here. Another writer's object is never overwritten.

use super::compare::{Shown, same, shown};
use super::jobs::Main;
use super::journal::{Before, ExpectedWhole, Record};
use super::key::Standing;
use super::phase::Stage;
use super::phase::StoredOutcome;
use super::settling::{Circumstances, Fate, Presence, Question, SETTLE_PAUSE_MS};
use super::step::{Failure, Fault, Note, ObjectFacts, Proof, Restart, Step};
use super::writing::WriteVerdict;

impl super::Upload {
    // ---- before ------------------------------------------------------------------------------------------------

    pub(super) fn guard(&mut self) {
        // What was given up while its Complete may be at work must be gone, or it could still overwrite this one.
        if self.leftovers.may_still_write() {
            return;
        }
        if self.key.is_fresh(self.run.now()) && !self.key.is_guarded() {
            self.phase.go(Stage::Record);
        } else {
            self.main(Main::Look, Step::Look);
        }
    }

    /// What stands at the key right before it is written.
    pub(super) fn guard_heard(&mut self, answer: Result<Option<ObjectFacts>, Fault>) {
        let whole = self.writing.whole_or_default();
        let before = match answer {
            Err(fault) if fault.may_pass() => return self.asked_in_vain(fault),
            // What may be ours cannot be told from another writer's any more.
            Err(_) if self.key.is_guarded() => return self.fail(Failure::Unconfirmed),
            Err(_) => Before::Unknown,
            Ok(None) => Before::Absent,
            Ok(Some(object)) if !self.key.is_guarded() => {
                if self.config.forbid_overwrite {
                    return match shown(&object, &whole) {
                        Shown::Same(verified) => self.found(object, verified, false),
                        _ => self.contest(object, true),
                    };
                }
                Before::Object(Box::new(object))
            }
            Ok(Some(object)) => match self.standing(object.clone()) {
                Standing::Ours(object, verified) => return self.found(*object, verified, false),
                // An earlier attempt may have made it late: the next start knows that from this record only.
                Standing::AsBefore | Standing::Already(..) => Before::Object(Box::new(object)),
                // No digest to compare bytes by: it is taken for what a request of ours made, late.
                Standing::Perhaps(object) if self.writing.is_in_doubt() && self.key.comes_last(&whole) => {
                    return self.stored(*object, Proof::Length, false);
                }
                Standing::Other(object) | Standing::Perhaps(object) => return self.contest(*object, true),
                Standing::Denied => return self.fail(Failure::Unconfirmed),
            },
        };
        self.key.looked(self.run.now(), before);
        self.phase.go(Stage::Record);
    }

    pub(super) fn record_sending(&mut self) {
        let Some(whole) = self.writing.whole().cloned() else { return };
        self.attempts.recorded();
        self.writing.make_ready();
        let (number, single, before) = (self.attempts.number(), self.attempts.is_put(), self.key.before().clone());
        if !single {
            self.writing.prove(self.parts.is_proven());
        }
        let facts = self.writing.proven_facts(self.source.facts());
        let mut records = self.papers.intent();
        let ExpectedWhole { length, digests, composite } = whole;
        if !single && !self.writing.is_proven() {
            // Should the next start find it stored, or not, it must not believe the facts that the parts began with.
            records.push(Record::Touched { attempt: number, facts });
            self.source.recorded_unproven();
        }
        records.push(if single {
            Record::Putting { attempt: number, facts, digests, before }
        } else {
            Record::Completing { attempt: number, length, digests, composite, before }
        });
        self.record(records);
    }

    /// A record that the run waited for is written.
    pub(super) fn recorded(&mut self) {
        match self.phase.stage() {
            Stage::Begin => {
                self.attempts.recorded();
                self.phase.go(Stage::Create);
            }
            Stage::Created => self.phase.go(Stage::Send),
            Stage::Record => self.phase.go(Stage::Write),
            Stage::Stored if self.phase.outcome().is_some() => self.phase.go(Stage::Receipt),
            Stage::Stored => self.stored_before(),
            _ => {}
        }
    }

    pub(super) fn write(&mut self) {
        if self.attempts.is_put() {
            return self.main(Main::Write, Step::Put { checksum: self.config.checksum_single });
        }
        let Some(upload_id) = self.attempts.upload_id().map(str::to_owned) else { return };
        self.law(6, self.parts.is_whole(), "Complete with parts missing");
        self.law(
            4,
            !self.source.is_doubtful() && self.parts.is_one_version(),
            "Complete for two versions of the source",
        );
        self.law(5, !self.run.sends(), "Complete while parts are on their way");
        let checksum = self.attempts.checksum();
        let parts = self.parts.completed(checksum);
        let mut digests = self.writing.whole().into_iter().flat_map(|whole| &whole.digests);
        let whole = digests.find(|digest| checksum == Some(digest.kind())).cloned();
        self.main(Main::Write, Step::Complete { upload_id, parts, whole });
    }

    // ---- a clear answer ----------------------------------------------------------------------------------------

    pub(super) fn heard_stored(&mut self, object: ObjectFacts, callback_failed: bool) {
        self.budget.served();
        self.settling.end();
        let verdict = self.writing.answered(object, callback_failed);
        self.conclude(verdict);
    }

    /// What the store shows after a clear answer that told no digest to compare bytes by.
    pub(super) fn verify_heard(&mut self, looked: Result<Option<ObjectFacts>, Fault>) {
        if let Err(fault) = &looked
            && fault.may_pass()
            && self.may_ask_again(fault)
        {
            return;
        }
        let parts = self.parts_of_whole();
        if let Some(verdict) = self.writing.looked(&self.key, looked, self.parts.are_vouched_for(), parts) {
            self.conclude(verdict);
        }
    }

    fn conclude(&mut self, verdict: WriteVerdict) {
        match verdict {
            WriteVerdict::Stored { object, verified, callback_failed } => {
                self.stored(object, verified, callback_failed)
            }
            WriteVerdict::Differs { object, expected, actual } => self.whole_differs(object, expected, actual),
            WriteVerdict::Look { later: false } => self.phase.go(Stage::Verify),
            WriteVerdict::Look { later: true } => {
                self.budget.wait_until(self.run.now().saturating_add(SETTLE_PAUSE_MS))
            }
            WriteVerdict::Other => self.fail(Failure::OtherObject),
        }
    }

    /// The object that we wrote is not what its parts were. Once, everything is sent again; it may overwrite that
    /// object and no other.
    fn whole_differs(
        &mut self,
        object: ObjectFacts,
        expected: Option<crate::digest::Digest>,
        actual: Option<crate::digest::Digest>,
    ) {
        if !self.writing.may_write_anew() {
            return self.fail(Failure::Integrity { expected, actual });
        }
        self.key.recall(Before::Object(Box::new(object)));
        self.key.guard();
        self.writing.clear_doubt();
        self.new_attempt(Restart::WholeDiffers, Presence::Gone);
    }

    // ---- a lost answer -----------------------------------------------------------------------------------------

    pub(super) fn write_refused(&mut self, fault: Fault) {
        if matches!(fault, Fault::Stopped { .. }) {
            return;
        }
        let single = self.attempts.is_put();
        if fault.maybe_done() {
            self.writing.lose_answer();
            self.key.guard();
            return self.settle_from(fault);
        }
        match fault {
            Fault::NoSuchUpload | Fault::NoSuchKey if !single => self.settle_from(fault),
            Fault::InvalidPart | Fault::Corrupted if self.writing.is_in_doubt() => self.settle_from(fault),
            Fault::InvalidPart if !single => self.list_again(),
            // The store makes another checksum of its parts than we do of ours: which of them differs? When none does,
            // the store cannot be told what the whole has to be.
            Fault::Corrupted if !single && !self.listing.is_again() => self.list_again(),
            Fault::Corrupted if !single && self.attempts.checksum().is_some() => self.drop_checksums(),
            Fault::Exists => self.settle_from(fault),
            fault => self.failed(fault),
        }
    }

    /// Begins to find out what became of the request, or goes on with it.
    pub(super) fn settle_from(&mut self, cause: Fault) {
        if self.settling.begin(self.run.now(), cause, &self.config) {
            self.note(Note::Settling);
        }
        self.phase.go(Stage::Settle);
    }

    pub(super) fn settle_on(&mut self) {
        if self.run.now() < self.settling.next_at() {
            return;
        }
        let upload_id = self.attempts.upload_id().map(str::to_owned);
        match (self.settling.question(upload_id.is_some()), upload_id) {
            (Question::Object, _) => self.main(Main::Look, Step::Look),
            (Question::Upload, Some(upload_id)) => self.main(Main::Probe, Step::ListParts { upload_id, after: 0 }),
            (Question::Upload | Question::None, _) => self.settle_now(),
        }
    }

    /// What an object at the key is, as far as the request with the whole is concerned.
    fn standing(&self, object: ObjectFacts) -> Standing {
        let whole = self.writing.whole_or_default();
        self.key.standing(object, &whole, self.parts_of_whole())
    }

    /// Of how many parts the whole is made; 0: it goes in one request.
    fn parts_of_whole(&self) -> u32 {
        if self.attempts.is_put() { 0 } else { self.parts.count() }
    }

    pub(super) fn settle_heard(&mut self, answer: Result<Option<ObjectFacts>, Fault>) {
        let standing = match answer {
            Ok(Some(object)) => self.standing(object),
            Ok(None) => Standing::AsBefore,
            Err(fault) if fault.may_pass() => {
                return match self.settling.is_off_beat() {
                    true => self.write_again(), // what was seen before counts
                    false => self.asked_in_vain(fault),
                };
            }
            Err(_) => Standing::Denied,
        };
        self.settling.looked(standing);
    }

    pub(super) fn probe_refused(&mut self, fault: Fault) {
        match fault {
            Fault::NoSuchUpload | Fault::NoSuchKey => self.settling.listed(Presence::Gone),
            Fault::Stopped { .. } => {}
            fault if fault.may_pass() => self.asked_in_vain(fault),
            // The store was not asked: the upload may be there or not.
            Fault::NoCredentials | Fault::Expired => self.fail(Failure::NeedsCredentials),
            _ => self.settling.listed(Presence::Untold),
        }
    }

    fn settle_now(&mut self) {
        let circumstances = Circumstances {
            put: self.attempts.is_put(),
            in_doubt: self.writing.is_in_doubt(),
            ready: self.writing.is_ready(),
            touched: self.source.is_touched(),
            settled: self.source.is_settled(),
        };
        match self.settling.judge(self.run.now(), circumstances, &self.config) {
            Fate::OpenFacts { object, verified, gone } => self.found(object, verified, gone),
            Fate::Believed(object) => self.stored(object, Proof::Length, false),
            Fate::Contested { object, current } => self.contest(object, current),
            Fate::Exists => self.fail(Failure::OtherObject),
            Fate::UploadGone(reason) => self.upload_gone(reason),
            Fate::NotDone => self.write_again(),
            Fate::SendAllTheSame => {
                self.key.release();
                self.settling.end();
                self.new_attempt(Restart::NotStored, Presence::There);
            }
            Fate::Unconfirmed => self.fail(Failure::Unconfirmed),
            Fate::Wait => {}
        }
    }

    /// The whole stands at the key, seen and not answered. Unless the upload is `gone`, another writer has put the same
    /// bytes there, or an earlier attempt has, or the store is late to forget it: what is left of it is removed.
    fn found(&mut self, object: ObjectFacts, verified: Proof, gone: bool) {
        let believed = gone || self.attempts.is_put();
        if !self.writing.is_in_doubt() || !believed {
            self.leave_attempt(Some(Restart::NotStored), Presence::There);
        }
        self.stored(object, verified, false);
    }

    /// Another writer's object stands at the key and is not overwritten. When the source has changed meanwhile it may
    /// be what the source has now: then the run is done. `current`: the whole is of the source as it is now.
    fn contest(&mut self, object: ObjectFacts, current: bool) {
        let whole = self.writing.whole();
        let other = current && whole.is_some_and(|whole| same(&object.digests, &whole.digests) == Some(false));
        let fits = object.len.is_none_or(|len| len == self.source.len()) && !object.dressed_differently;
        // The caller waits for the callback of ours.
        if other || !fits || self.config.callback {
            return self.fail(Failure::OtherObject);
        }
        self.settling.end();
        self.key.contest(object);
        let discarded = self.parts.acknowledged();
        if discarded > 0 {
            self.note(Note::Restarted { reason: Restart::NotStored, discarded });
        }
        self.phase.go(Stage::Replan);
    }

    fn upload_gone(&mut self, reason: Restart) {
        self.settling.end();
        self.new_attempt(reason, Presence::Gone);
    }

    /// The request was not carried out: it is sent again, by way of what an earlier run did not leave in memory.
    fn write_again(&mut self) {
        let may_be_in_a_beat = self.writing.is_ready() && self.settling.cause().maybe_done();
        let (failures, put) = (self.budget.failures(), self.attempts.is_put());
        if self.settling.looks_once_more(failures, may_be_in_a_beat, put) {
            self.main(Main::Look, Step::Look);
        } else {
            self.write_now();
        }
    }

    fn write_now(&mut self) {
        let cause = self.settling.cause();
        if matches!(cause, Fault::InvalidPart | Fault::Corrupted) && !self.attempts.is_put() {
            // It was answered: what is disputed are the parts, or what the store makes of their checksums.
            let checksums = cause == Fault::Corrupted && self.listing.is_again() && self.attempts.checksum().is_some();
            return if checksums { self.drop_checksums() } else { self.list_again() };
        }
        self.failed(cause);
        if self.phase.winds_down() {
            return;
        }
        if self.writing.is_ready() {
            self.phase.go(Stage::Write);
        } else if self.attempts.is_put() {
            // The source is read again, and may be another by now.
            if let Some(whole) = self.writing.take_whole() {
                self.key.may_come(whole);
            }
            self.attempts.because(Restart::NotStored);
            self.note(Note::Restarted { reason: Restart::NotStored, discarded: 0 });
            self.attempts.drop_current();
            self.phase.go(Stage::Replan);
        } else {
            self.phase.go(Stage::List);
            self.check_resumed();
        }
    }

    // ---- stored ------------------------------------------------------------------------------------------------

    /// The object is there and ours.
    pub(super) fn stored(&mut self, object: ObjectFacts, verified: Proof, callback_failed: bool) {
        self.settling.end();
        self.budget.wait_until(self.run.now());
        // An earlier run sent it, and the source may have changed since.
        if !self.writing.is_ready() && (self.source.is_touched() || !self.source.is_settled()) {
            // That is written down, and the source is compared with what is there now.
            self.key.recall(Before::Object(Box::new(object)));
            self.phase.go(Stage::Stored);
            return;
        }
        self.done(StoredOutcome { object, verified, already: false, callback_failed, receipt: true });
    }

    /// What an earlier run sent is written down as stored: on to what the source is now.
    fn stored_before(&mut self) {
        self.attempts.drop_current();
        let discarded = self.parts.acknowledged();
        if discarded > 0 {
            self.note(Note::Restarted { reason: Restart::UploadGone, discarded });
        }
        self.parts = super::parts::Parts::default();
        self.key.found_stored(self.writing.take_whole());
        self.key.release();
        self.source.recorded();
        self.writing.clear_doubt();
        let before = self.key.before().clone();
        self.key.looked(self.run.now(), before.clone());
        let object = match before {
            Before::Object(object) => Some(*object),
            _ => None,
        };
        self.decide(object);
    }

    /// The end is known: only paperwork is left.
    pub(super) fn done(&mut self, outcome: StoredOutcome) {
        let stored = self.attempts.is_under_way() && self.writing.paperwork().is_none();
        let receipt = outcome.receipt;
        self.phase.store(outcome);
        self.phase.go(match (stored, receipt) {
            (true, _) => Stage::Stored,
            (false, true) => Stage::Receipt,
            (false, false) => Stage::Cleanup,
        });
    }

    pub(super) fn record_stored(&mut self) {
        if self.attempts.is_under_way() {
            self.record(vec![Record::Stored { attempt: self.attempts.number() }]);
        } else {
            self.recorded();
        }
    }
}
