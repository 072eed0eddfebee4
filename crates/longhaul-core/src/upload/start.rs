//! What was found, what stands at the key, and whether anything has to be sent at all.
//!
//! The journal names uploads that may still be in the store: the last one is gone on with if it still fits, all others
//! are owed an abort. A request that may have written the object is settled before anything else. Without either, one
//! look at the key tells whether the same object is there already, and what stood there before ours.

use super::jobs::Main;
use super::journal::{self, Before, Record, Recovered};
use super::key::Worth;
use super::parts::Parts;
use super::phase::Stage;
use super::phase::StoredOutcome;
use super::plan;
use super::settling::Presence;
use super::step::{Failure, Fault, FoundJournal, Note, ObjectFacts, OpenFacts, Proof, Restart, Step};
use crate::words::DiskFault;

impl super::Upload {
    // ---- what was found ----------------------------------------------------------------------------------------

    pub(super) fn open(&mut self, found: OpenFacts) {
        self.source.open(self.run.now(), found.source);
        self.key.open(found.finished);
        self.phase.go(Stage::Look);
        match found.journal {
            FoundJournal::Absent => {}
            FoundJournal::SetAside(_) => {
                self.attempts.because(Restart::JournalUnusable);
                self.note(Note::Restarted { reason: Restart::JournalUnusable, discarded: 0 });
            }
            FoundJournal::Read(recovered) => self.recover(*recovered),
        }
    }

    fn recover(&mut self, mut recovered: Recovered) {
        let (theirs, ours) = (&recovered.intent, &self.config.intent);
        if (&theirs.path, &theirs.destination) != (&ours.path, &ours.destination) {
            return self.fail_disk(DiskFault::Exists, "open the journal, which is of another upload");
        }
        self.papers.found();
        if theirs.keep_parts != ours.keep_parts {
            recovered.intent.keep_parts = ours.keep_parts; // the last one who goes on with it decides
            self.record_beside(vec![Record::Intent(recovered.intent.clone())]);
        }
        let live: usize = recovered.attempts.iter().map(|a| a.parts.len() + 4).sum();
        if u64::from(recovered.readable.next_sequence) > 2 * live as u64 + u64::from(self.config.compact_after) {
            self.main(Main::Compact, Step::Compact { records: recovered.records() });
        }
        if !recovered.attempts.is_empty() {
            self.ramp.forget();
        }
        let last = recovered.attempts.pop();
        recovered.attempts.into_iter().for_each(|earlier| self.owe(earlier));
        let Some(last) = last else { return };
        self.attempts.number_after(last.attempt);
        let single = last.part_len == 0;
        if !single {
            self.attempts.shorten_to(last.part_len);
        }
        if last.stored {
            // Only its paperwork lacks, unless the source has changed since.
            let parts = if single { 0 } else { plan::count(last.facts.len, last.part_len) };
            self.key.found_stored(last.sending.clone());
            if last.facts == self.source.facts() && self.source.is_settled() {
                self.writing.recall_stored(last.sending, parts);
            }
        } else if last.aborted || last.abandoned || single && last.sending.is_none() {
            self.owe(last);
        } else if last.sending.is_some() {
            last.sending.clone().into_iter().for_each(|whole| self.writing.set_whole(whole));
            self.key.recall(last.before.clone());
            self.go_on_with(last);
            self.writing.lose_answer();
            self.key.guard();
            self.settle_from(Fault::Unreadable);
        } else if last.upload_id.is_none() {
            self.owe(last);
            self.attempts.because(Restart::IntentOnly);
            self.note(Note::Restarted { reason: Restart::IntentOnly, discarded: 0 });
        } else {
            self.go_on_with(last);
            self.phase.go(Stage::List);
            self.check_resumed();
        }
    }

    /// Takes up the last attempt: what was recorded of its parts counts when the store's list agrees.
    fn go_on_with(&mut self, last: journal::Attempt) {
        self.attempts.resume(&last);
        self.source.recorded_as(last.facts);
        if self.attempts.is_put() {
            return;
        }
        self.parts = Parts::new(last.facts.len, last.part_len);
        self.ramp.begin(self.run.now(), last.part_len);
        self.parts.recall(last.parts);
        let (length, parts) = (self.source.len(), self.parts.count());
        self.note(Note::Started { length, part_len: Some(last.part_len), parts });
    }

    /// Whether the attempt from an earlier run can still become the object that is wanted; otherwise a new one begins.
    pub(super) fn check_resumed(&mut self) {
        if self.parts.len() != self.source.len() {
            return self.source_changed();
        }
        let (part_len, limits) = (self.parts.part_len(), self.config.limits);
        let count = plan::count(self.parts.len(), part_len);
        let fits = count <= limits.parts_max.min(journal::PART_NUMBER_MAX)
            && part_len <= limits.part_max
            && (part_len >= limits.part_min || count < 2);
        if !fits || self.config.part_len.is_some_and(|asked| asked != part_len) {
            self.new_attempt(Restart::OtherPartLength, Presence::There);
        }
    }

    // ---- what stands at the key --------------------------------------------------------------------------------

    /// The answer to a look; what the look was for is told by the stage.
    pub(super) fn heard_look(&mut self, answer: Result<Option<ObjectFacts>, Fault>) {
        match answer {
            Err(Fault::NoSuchBucket) => return self.fail(Failure::NoSuchBucket),
            Err(Fault::NoCredentials | Fault::Expired) => return self.fail(Failure::NeedsCredentials),
            Err(Fault::Stopped { .. }) => return,
            Ok(_) => self.budget.served(),
            Err(_) => {}
        }
        match self.phase.stage() {
            Stage::Guard => self.guard_heard(answer),
            Stage::Verify => self.verify_heard(answer),
            Stage::Settle => self.settle_heard(answer),
            _ => self.first_look(answer),
        }
    }

    fn first_look(&mut self, answer: Result<Option<ObjectFacts>, Fault>) {
        match answer {
            Err(fault) if self.writing.paperwork().is_some() => match fault {
                // It may not be looked at: the word of the run that found it stored has to do.
                Fault::Denied(_) | Fault::Rejected(_) => self.finish_paperwork(None, Proof::Answer),
                fault => self.asked_in_vain(fault),
            },
            Ok(object) => {
                let before = object.clone().map_or(Before::Absent, |o| Before::Object(Box::new(o)));
                self.key.looked(self.run.now(), before);
                self.decide(object);
            }
            Err(fault) if self.key.may_look_again(&fault) && self.may_ask_again(&fault) => {}
            Err(_) => {
                self.budget.answered();
                self.decide(None); // no obstacle: it is looked at again before it is written
            }
        }
    }

    /// No attempt of an earlier run is to be gone on with: is there anything to send?
    pub(super) fn decide(&mut self, object: Option<ObjectFacts>) {
        if let Some(parts) = self.writing.paperwork() {
            match self.is_still_stored(object.as_ref(), parts) {
                Some(verified) => return self.finish_paperwork(object, verified),
                None => self.stored_in_vain(),
            }
        }
        if let Some(object) = object {
            match self.key.weigh(object, &self.source, self.config.force || self.config.callback) {
                Worth::Known(object, verified) => {
                    return self.done(StoredOutcome {
                        object,
                        verified,
                        already: true,
                        callback_failed: false,
                        receipt: false,
                    });
                }
                Worth::Replaced if self.config.forbid_overwrite => return self.fail(Failure::OtherObject),
                Worth::Candidate | Worth::Replaced => {}
            }
        }
        self.divide();
    }

    /// An earlier run found the object stored and was interrupted before it had written that down everywhere. Whether
    /// it still stands at the key, as far as the store tells.
    fn is_still_stored(&self, object: Option<&ObjectFacts>, parts: u32) -> Option<Proof> {
        self.key.still_has(object?, &self.writing.whole_or_default(), parts)
    }

    /// Only the rest of the paperwork is left. `object`: what stands at the key and is ours, where it may be looked at.
    fn finish_paperwork(&mut self, object: Option<ObjectFacts>, verified: Proof) {
        self.writing.prove(true); // by the facts that were recorded with it
        let object = object.unwrap_or_else(|| {
            let digests = self.writing.whole().map(|whole| whole.digests.clone()).unwrap_or_default();
            ObjectFacts { len: Some(self.source.len()), digests, ..ObjectFacts::default() }
        });
        self.done(StoredOutcome { object, verified, already: false, callback_failed: false, receipt: true });
    }

    /// What was stored has been removed or replaced since: the source is sent as if it had never been.
    fn stored_in_vain(&mut self) {
        self.writing.forget_stored();
        self.attempts.because(Restart::ObjectGone);
        self.note(Note::Restarted { reason: Restart::ObjectGone, discarded: 0 });
    }
}
