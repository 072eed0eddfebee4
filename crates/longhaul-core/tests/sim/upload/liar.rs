//! A driver that lies to the core, so that the laws can prove that they would notice. Each [`Sabotage`] breaks one rule
//! on purpose: it says that something was done which was not, tells something else than what was found, or does on its
//! own what the core would not have ordered. The core believes its driver, so what follows is what would follow if the
//! core broke that rule itself.
//!
//! The witness of the laws always sees what really happened.

use std::collections::BTreeMap;

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::upload::Config;
use longhaul_core::upload::journal::{Before, ExpectedWhole, Record};
use longhaul_core::upload::step::{
    CompletedPart, Composite, Fault, FoundJournal, Heard, ListedPart, ObjectFacts, OpenFacts, SourceLook, Step,
};
use longhaul_core::words::Ticket;

use super::driver::Op;
use super::store::Tells;
use super::world::World;

sabotages! {
    /// Law 1: the intent to create an upload is told as recorded, and is not.
    IntentUnrecorded,
    /// Law 1: the upload's id is told as recorded, and is not.
    UploadIdUnrecorded,
    /// Law 1: that Complete or Put is about to be sent is told as recorded, and is not.
    SendingUnrecorded,
    /// Law 2: an upload is told as removed before it is.
    ForgottenBeforeAborted,
    /// Law 3: an answer to an earlier step is given to the one that is under way.
    StaleTicketAccepted,
    /// Law 4: the facts of the source are told as they first were.
    SourceChangeIgnored,
    /// Law 4: the source's times are told to prove its version while they are too young.
    YoungTrusted,
    /// Law 4: the source is not looked at before Complete: what was seen before is told.
    SourceUnchecked,
    /// Law 4: a snapshot during which the source changed is told as one of a settled source.
    SnapshotTorn,
    /// Law 5: a part that is still on its way is told as stopped.
    AbortedUnderway,
    /// Law 5: what the store lists of an upload whose abort it has acknowledged is not told.
    AbortUnconfirmed,
    /// Law 6: what the store says of a part is told to be what was read.
    WrongPartAccepted,
    /// Law 6: what is read of a listed part is told to be what is listed.
    ListedPartTrusted,
    /// Law 6: a listed part without a digest is told under the ETag that was recorded.
    ReplacedPartTrusted,
    /// Law 6: the stored object is told to be what was sent.
    WholeNotCompared,
    /// Law 6: a part that did not arrive is told as stored, and left out of Complete.
    CompletedWithHoles,
    /// Law 6: a lost answer to Complete or Put is told as "stored".
    LostAnswerTakenForStored,
    /// Law 6: after Complete was sent, `NoSuchUpload` is told as "stored".
    GoneTakenForStored,
    /// Law 6: what an earlier run recorded as stored is told to stand at the key.
    StoredTrusted,
    /// A lost answer to Complete is told as "no such upload", and the key as it was before.
    LostCompleteTakenForFailed,
    /// After a lost answer Put is sent again unseen.
    LostPutSentAgain,
    /// Another writer's object is not told: what was there before is.
    OtherObjectOverwritten,
    /// While an answer is lost, and our bytes stand at the key, the upload is told to be gone.
    OursTakenForCompleted,
    /// For each question that is not answered, a request that carries the upload forward is told to have failed.
    QuestionsSpendTheBudget,
    /// The request that writes the object is sent only behind a look that was answered.
    AlwaysOnTheBeat,
    /// Another writer's object is told to have other metadata than what is asked for.
    SourceNotCompared,
    /// Listed parts are told with another length.
    ResumeForgets,
    /// Listed parts that tell no digest are told under another ETag.
    OpaquePartForgotten,
    /// Only the first page of the store's list is told.
    FirstPageOnly,
    /// What is given up is told as removed, and never is.
    AbortForgotten,
    /// A refusal to create an upload with a checksum is told again for one without, which is not sent.
    ChecksumRefusalFatal,
    /// A store that was asked to keep checksums is told to do so, although it says that it does not.
    ChecksumBelieved,
    /// That the store keeps checksums with an upload is told as recorded, and is not.
    ChecksumUnrecorded,
    /// What the host took before is told as no end of it.
    AllAtOnce,
    /// Where an interrupted upload's host is known, a part is told as stored when its bytes were handed to the network.
    MemoryBelieved,
    /// A part is told as stored when its bytes were handed to the network.
    SentTakenForAcknowledged,
    /// What the send buffer of a connection has taken of a part is told as taken by the line.
    SendBufferTakenForLine,
    /// Of an interrupted upload whose parts are recorded neither records nor list are told.
    ShortenedWhileHeld,
}

/// The ETag of a part that is told as stored before it is.
const EARLY: &str = "early";
/// The ETag of a part that is told as stored and never will be.
const HOLE: &str = "hole";

/// What the liar remembers in a run.
#[derive(Debug, Default)]
pub(crate) struct Liar {
    pub(crate) sabotage: Option<Sabotage>,
    /// The source as it was told first, and last.
    first: Option<SourceLook>,
    last: Option<SourceLook>,
    /// What is known of the whole that is sent.
    whole: (Vec<Digest>, Option<Composite>),
    /// What an earlier run recorded as stored, until the key is looked at.
    stored: Option<ExpectedWhole>,
    /// What stood at the key before we wrote to it.
    before: Option<Heard>,
    /// The answer to a Complete was lost; one was told to be stored.
    lost: bool,
    written: bool,
    /// An earlier run left an attempt.
    interrupted: bool,
    /// Uploads that are told to be gone.
    gone: Vec<String>,
    /// By number: digests of listed parts, ETags that were told of parts, and their own.
    listed: BTreeMap<u32, Vec<Digest>>,
    told: BTreeMap<u32, String>,
    own: BTreeMap<u32, String>,
    /// Requests that are to be told as failed.
    debts: u32,
    /// The refusal to create an upload.
    refused: Option<Fault>,
    /// Parts that an earlier run recorded are kept back.
    keeps_back: bool,
}

impl World {
    pub(crate) fn lies(&self, about: Sabotage) -> bool {
        self.liar.sabotage == Some(about)
    }

    // ---- what the core is told at the start --------------------------------------------------------------------

    /// A run begins.
    pub(crate) fn bend_config(&mut self, config: &mut Config) {
        self.liar = Liar { sabotage: self.liar.sabotage, ..Liar::default() };
        if self.lies(Sabotage::AllAtOnce) {
            config.goodput_known = Some(u64::MAX);
        }
    }

    pub(crate) fn bend_found(&mut self, found: &mut OpenFacts) {
        let Some(sabotage) = self.liar.sabotage else { return };
        if let FoundJournal::Read(recovered) = &mut found.journal
            && let Some(last) = recovered.attempts.last_mut()
        {
            self.liar.first = Some(SourceLook { facts: last.facts, settled: true });
            self.liar.stored = last.sending.clone().filter(|_| last.stored);
            self.liar.before = match &last.before {
                _ if last.sending.is_none() => None,
                Before::Object(object) => Some(Heard::Object(object.clone())),
                Before::Absent => Some(Heard::Refused(Fault::NoSuchKey)),
                Before::Unknown => None,
            };
            self.liar.told = last.parts.iter().map(|part| (part.number, part.etag.clone())).collect();
            self.liar.interrupted = true;
            let held = last.sending.is_none() && !last.parts.is_empty();
            if sabotage == Sabotage::ShortenedWhileHeld && held {
                last.parts.clear();
                self.liar.keeps_back = true;
            }
        }
        self.bend_look(&mut found.source);
    }

    /// What is told of a look at the source.
    fn bend_look(&mut self, looked: &mut SourceLook) {
        let first = *self.liar.first.get_or_insert(*looked);
        match self.liar.sabotage {
            Some(Sabotage::SourceChangeIgnored) => *looked = SourceLook { settled: true, ..first },
            Some(Sabotage::YoungTrusted) => looked.settled = true,
            _ => {}
        }
        self.liar.last = Some(*looked);
    }

    /// The ticket that an answer is given to that was given already.
    pub(crate) fn ticket_of_echo(&mut self, ticket: Ticket, heard: &Heard) -> Ticket {
        let fits = |op: &Op| match (&op.step, heard) {
            (Step::SendPart { .. }, Heard::PartStored { .. }) => true,
            (step, Heard::Done) => {
                matches!(step, Step::Record { .. } | Step::Receipt(_) | Step::Forget | Step::Abort { .. })
            }
            _ => false,
        };
        match self.ops.iter().position(fits).filter(|_| self.lies(Sabotage::StaleTicketAccepted)) {
            None => ticket,
            Some(i) => self.ops.remove(i).ticket,
        }
    }

    // ---- steps -------------------------------------------------------------------------------------------------

    /// What is done in place of a step.
    pub(crate) fn bend_step(&mut self, step: &mut Step) {
        let Some(sabotage) = self.liar.sabotage else { return };
        match (sabotage, step) {
            (Sabotage::IntentUnrecorded, Step::Record { records, .. }) => {
                records.retain(|record| !matches!(record, Record::Begin { .. }));
            }
            (Sabotage::UploadIdUnrecorded, Step::Record { records, .. }) => {
                records.retain(|record| !matches!(record, Record::Created { .. }));
            }
            (Sabotage::SendingUnrecorded, Step::Record { records, .. }) => {
                let sends = |record: &Record| matches!(record, Record::Completing { .. } | Record::Putting { .. });
                records.retain(|record| !sends(record));
            }
            (Sabotage::ChecksumUnrecorded, Step::Record { records, .. }) => {
                for record in records {
                    if let Record::Created { checksum, .. } = record {
                        *checksum = None;
                    }
                }
            }
            (_, Step::Complete { upload_id, parts, .. }) => self.name_as_stored(upload_id, parts),
            _ => {}
        }
    }

    /// In place of ETags that were made up those that the store knows.
    fn name_as_stored(&self, upload_id: &str, parts: &mut Vec<CompletedPart>) {
        parts.retain(|part| part.etag != HOLE);
        for part in parts {
            let own = match self.liar.sabotage {
                Some(Sabotage::SentTakenForAcknowledged | Sabotage::MemoryBelieved) if part.etag == EARLY => {
                    self.store.etag_of(upload_id, part.number)
                }
                Some(Sabotage::ReplacedPartTrusted) => self.liar.own.get(&part.number).cloned(),
                _ => None,
            };
            part.etag = own.unwrap_or_else(|| std::mem::take(&mut part.etag));
        }
    }

    /// The answer to a step that is not carried out at all, or not now.
    pub(crate) fn pretend(&mut self, op: &Op) -> Option<Heard> {
        let sabotage = self.liar.sabotage?;
        let gone = |id: &String| self.liar.gone.contains(id);
        let pretended = match (sabotage, &op.step) {
            (Sabotage::ForgottenBeforeAborted | Sabotage::AbortForgotten, Step::Abort { upload_id }) => {
                self.liar.gone.push(upload_id.clone());
                if sabotage == Sabotage::ForgottenBeforeAborted {
                    self.carry_out_later(op);
                }
                Heard::Done
            }
            (_, Step::ListParts { upload_id, .. }) if gone(upload_id) => Heard::Refused(Fault::NoSuchUpload),
            (Sabotage::OursTakenForCompleted, Step::ListParts { .. }) if self.is_ours_in_doubt() => {
                Heard::Refused(Fault::NoSuchUpload)
            }
            (Sabotage::ShortenedWhileHeld, Step::ListParts { .. }) if self.liar.keeps_back => {
                Heard::Listed { parts: Vec::new(), next: None }
            }
            (Sabotage::StoredTrusted, Step::Look) => {
                let ExpectedWhole { length, mut digests, composite } = self.liar.stored.take()?;
                let tells = self.store.vendor.tells;
                digests.retain(|digest| tells == Tells::Crc && digest.kind() == DigestKind::Crc64);
                let composite = composite.filter(|_| tells == Tells::Md5);
                let object = ObjectFacts { len: Some(length), digests, composite, ..ObjectFacts::default() };
                Heard::Object(Box::new(object))
            }
            (Sabotage::LostCompleteTakenForFailed, Step::Look) if std::mem::take(&mut self.liar.lost) => {
                self.liar.before.clone()?
            }
            (Sabotage::ChecksumRefusalFatal, Step::Create { checksum: None }) => {
                Heard::Refused(self.liar.refused.clone()?)
            }
            (Sabotage::QuestionsSpendTheBudget, step) if carries(step) && self.liar.debts > 0 => {
                self.liar.debts -= 1;
                Heard::Refused(Fault::Busy { status: 503, retry_after_ms: None })
            }
            _ => return None,
        };
        tell!(self, "pretends an answer to {}", op.ticket.0);
        Some(pretended)
    }

    /// The answer to a part that has been handed to the network, and has not arrived.
    pub(crate) fn answer_early(&self, op: &Op, read: Vec<Digest>) -> Option<Heard> {
        let Step::SendPart { part, .. } = &op.step else { return None };
        let (number, len, digests) = (part.number, part.range.len(), read.clone());
        let part = ListedPart { number, len, etag: EARLY.to_owned(), digests };
        let remembers = self.liar.interrupted && self.config.goodput_known.is_some_and(|goodput| goodput > 0);
        let early = self.lies(Sabotage::SentTakenForAcknowledged) || remembers && self.lies(Sabotage::MemoryBelieved);
        let before = op.before.filter(|_| early)?;
        Some(Heard::PartStored { read, part, before })
    }

    /// While the answer to a Complete is lost, the source's bytes stand at the key.
    fn is_ours_in_doubt(&self) -> bool {
        let ours = self.store.object.as_ref().is_some_and(|object| self.source.was(&object.bytes, 0));
        ours && self.witness.doubt.is_some()
    }

    /// Before the object is written: looks until one is answered.
    pub(crate) fn look_first(&mut self, step: &Step) {
        if !self.lies(Sabotage::AlwaysOnTheBeat) || !matches!(step, Step::Put { .. } | Step::Complete { .. }) {
            return;
        }
        if let Some(refuses) = &mut self.refuses {
            while refuses.next(&mut self.rng, std::mem::discriminant(&Step::Look)) {}
        }
    }

    // ---- answers -----------------------------------------------------------------------------------------------

    /// What is told of a step that was carried out; `None`: no answer yet, since the step is done once more.
    pub(crate) fn bend_answer(&mut self, op: &mut Op, mut heard: Heard) -> Option<Heard> {
        let Some(sabotage) = self.liar.sabotage else { return Some(heard) };
        self.note(&op.step, &heard);
        match &mut heard {
            Heard::Source(looked) if sabotage == Sabotage::SourceUnchecked => {
                *looked = self.liar.last.map_or(*looked, |last| SourceLook { settled: true, ..last });
            }
            Heard::Snapped { before, after, .. } if sabotage == Sabotage::SnapshotTorn => {
                before.settled = true;
                after.facts = before.facts;
            }
            Heard::Snapped { before, after, .. } => {
                self.bend_look(before);
                self.bend_look(after);
            }
            Heard::Source(looked)
            | Heard::PartRead { before: looked, .. }
            | Heard::PartStored { before: looked, .. } => {
                self.bend_look(looked);
            }
            _ => {}
        }
        let writes = matches!(op.step, Step::Put { .. } | Step::Complete { .. });
        match (sabotage, &op.step, heard) {
            (Sabotage::AbortUnconfirmed, Step::Abort { upload_id }, Heard::Done) => {
                self.liar.gone.push(upload_id.clone());
                Some(Heard::Done)
            }
            (
                Sabotage::WrongPartAccepted,
                Step::SendPart { part: sent, .. },
                Heard::PartStored { read, part, before },
            ) => {
                let digests = if part.digests.is_empty() { Vec::new() } else { read.clone() };
                let part = ListedPart { len: sent.range.len(), digests, ..part };
                Some(Heard::PartStored { read, part, before })
            }
            (Sabotage::CompletedWithHoles, Step::SendPart { part, kinds, .. }, Heard::Refused(fault)) => {
                let read = super::content::digests(kinds, op.read.as_slice());
                let (number, len, digests) = (part.number, part.range.len(), read.clone());
                let part = ListedPart { number, len, etag: HOLE.to_owned(), digests };
                let before = op.before.filter(|_| fault.maybe_done() && !op.stopped);
                Some(before.map_or(Heard::Refused(fault), |before| Heard::PartStored { read, part, before }))
            }
            (Sabotage::ListedPartTrusted, Step::ReadPart { part, .. }, Heard::PartRead { mut digests, before }) => {
                let listed = self.liar.listed.get(&part.number);
                for digest in &mut digests {
                    let other = listed.and_then(|listed| listed.iter().find(|other| other.kind() == digest.kind()));
                    other.into_iter().for_each(|other| digest.clone_from(other));
                }
                Some(Heard::PartRead { digests, before })
            }
            (_, Step::ListParts { .. }, Heard::Listed { mut parts, next }) => {
                parts.iter_mut().for_each(|part| self.bend_listed(part));
                Some(Heard::Listed { parts, next: next.filter(|_| sabotage != Sabotage::FirstPageOnly) })
            }
            (Sabotage::WholeNotCompared, _, Heard::Stored { mut object, callback_failed }) => {
                self.liar.written = true;
                self.show_as_sent(&mut object);
                Some(Heard::Stored { object, callback_failed })
            }
            (Sabotage::WholeNotCompared, Step::Look, Heard::Object(mut object)) if self.liar.written => {
                self.show_as_sent(&mut object);
                Some(Heard::Object(object))
            }
            (Sabotage::LostAnswerTakenForStored, _, Heard::Refused(fault)) if writes && fault.maybe_done() => {
                Some(self.stored_as_sent())
            }
            (Sabotage::GoneTakenForStored, _, Heard::Refused(Fault::NoSuchUpload | Fault::NoSuchKey)) if writes => {
                Some(self.stored_as_sent())
            }
            (Sabotage::LostCompleteTakenForFailed, Step::Complete { .. }, Heard::Refused(fault))
                if fault.maybe_done() && !op.stopped =>
            {
                self.liar.lost = true;
                Some(Heard::Refused(Fault::NoSuchUpload))
            }
            (Sabotage::LostPutSentAgain, Step::Put { .. }, Heard::Refused(fault))
                if fault.maybe_done() && !op.stopped =>
            {
                let step = op.step.clone();
                self.ordered(&step);
                op.stage = 0;
                None
            }
            (Sabotage::OtherObjectOverwritten, Step::Look, Heard::Object(object)) => {
                let other = self.store.object.as_ref().is_some_and(|object| object.other);
                let told = Heard::Object(object);
                let before = self.liar.before.get_or_insert_with(|| told.clone());
                Some(if other { before.clone() } else { told })
            }
            (Sabotage::SourceNotCompared, Step::Look, Heard::Object(mut object)) => {
                object.dressed_differently |= self.store.object.as_ref().is_some_and(|object| object.other);
                Some(Heard::Object(object))
            }
            (Sabotage::ChecksumBelieved, Step::Create { checksum }, Heard::Created { upload_id, .. }) => {
                Some(Heard::Created { upload_id, checksum: *checksum })
            }
            (_, _, heard) => Some(heard),
        }
    }

    /// Keeps in mind what lies are made of.
    fn note(&mut self, step: &Step, heard: &Heard) {
        match (step, heard) {
            (Step::Create { checksum: Some(_) }, Heard::Refused(fault)) if !fault.may_pass() => {
                self.liar.refused = Some(fault.clone());
            }
            (step, Heard::Refused(fault)) if !carries(step) && fault.may_pass() => self.liar.debts += 1,
            (_, Heard::Combined { digests, composite }) => self.liar.whole = (digests.clone(), *composite),
            (_, Heard::Snapped { digests, .. }) => self.liar.whole = (digests.clone(), None),
            (Step::Look, Heard::Object(_) | Heard::Refused(Fault::NoSuchKey)) => {
                self.liar.before.get_or_insert_with(|| heard.clone());
            }
            (_, Heard::PartStored { part, .. }) => {
                self.liar.told.insert(part.number, part.etag.clone());
                self.liar.own.insert(part.number, part.etag.clone());
            }
            (_, Heard::Created { .. }) => {
                self.liar.told.clear();
                self.liar.own.clear();
            }
            (_, Heard::Listed { parts, .. }) => {
                for part in parts {
                    self.liar.listed.insert(part.number, part.digests.clone());
                    self.liar.own.insert(part.number, part.etag.clone());
                }
            }
            _ => {}
        }
    }

    fn bend_listed(&self, part: &mut ListedPart) {
        let opaque = part.digests.is_empty();
        match self.liar.sabotage {
            Some(Sabotage::ResumeForgets) => part.len += 1,
            Some(Sabotage::OpaquePartForgotten) if opaque => part.etag = format!("not-{}", part.etag),
            Some(Sabotage::ReplacedPartTrusted) if opaque => {
                if let Some(told) = self.liar.told.get(&part.number) {
                    part.etag.clone_from(told);
                }
            }
            _ => {}
        }
    }

    /// The object's digests, where the store tells any, become those of the bytes that were sent.
    fn show_as_sent(&self, object: &mut ObjectFacts) {
        let (digests, composite) = &self.liar.whole;
        object.digests = if object.digests.is_empty() { Vec::new() } else { digests.clone() };
        object.composite = object.composite.and(*composite);
    }

    fn stored_as_sent(&self) -> Heard {
        let (digests, composite) = self.liar.whole.clone();
        let object = ObjectFacts { digests, composite, ..ObjectFacts::default() };
        Heard::Stored { object: Box::new(object), callback_failed: false }
    }
}

/// Whether a request of this kind carries the upload forward; others ask.
fn carries(step: &Step) -> bool {
    matches!(step, Step::Put { .. } | Step::Create { .. } | Step::SendPart { .. } | Step::Complete { .. })
}
