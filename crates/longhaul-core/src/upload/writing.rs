//! What has to stand at the key in the end, and is that what the store shows?
//!
//! [`Writing`] has the whole that the request which writes the object is sent for, and whether one may have been
//! carried out although its answer was lost. A clear answer is held against the whole; one that tells no digest to
//! compare bytes by is believed when a few looks do not contradict it.

use super::compare::{Shown, is_made_otherwise, same_write, shown};
use super::journal::ExpectedWhole;
use super::key::KeyView;
use super::step::{Fault, ObjectFacts, Proof, SourceFacts};
use crate::digest::Digest;

/// Looks after a clear answer until what the store shows is believed.
const VERIFY_LOOKS: u32 = 4;

/// The request that writes the object.
#[derive(Debug, Clone)]
pub(super) struct Writing {
    whole: Option<ExpectedWhole>,
    /// The source's times prove that the whole is of the version that has them.
    proven: bool,
    /// What the last record says is about to be sent was read in this run, and can be sent again as it is.
    ready: bool,
    /// The request was sent, and its answer was lost.
    in_doubt: bool,
    /// A clear answer, while it is held against what the store shows.
    answer: Option<ClearAnswer>,
    /// Wholes that did not have the digest of what was sent.
    wrong: u32,
    /// An attempt of an earlier run was found stored, and only its paperwork lacks; of how many parts it was made (0:
    /// it went in one request).
    paperwork: Option<u32>,
}

#[derive(Debug, Clone)]
struct ClearAnswer {
    object: ObjectFacts,
    callback_failed: bool,
    /// Looks since then that were answered.
    looks: u32,
}

/// What is known after an answer, or a look.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WriteVerdict {
    /// The object is stored.
    Stored { object: ObjectFacts, verified: Proof, callback_failed: bool },
    /// It is not what was sent.
    Differs { object: ObjectFacts, expected: Option<Digest>, actual: Option<Digest> },
    /// The store has to be looked at, at once or (`later`) after a while.
    Look { later: bool },
    /// Another writer's object is there, and it cannot be told whether ours ever was.
    Other,
}

impl Writing {
    pub(super) fn new() -> Self {
        Self { whole: None, proven: false, ready: false, in_doubt: false, answer: None, wrong: 0, paperwork: None }
    }

    // ---- the whole ---------------------------------------------------------------------------------------------

    /// What has to stand there, once that is known.
    pub(super) fn whole(&self) -> Option<&ExpectedWhole> {
        self.whole.as_ref()
    }

    /// The same; an empty one while it is not known.
    pub(super) fn whole_or_default(&self) -> ExpectedWhole {
        self.whole.clone().unwrap_or_default()
    }

    pub(super) fn set_whole(&mut self, whole: ExpectedWhole) {
        self.whole = Some(whole);
    }

    pub(super) fn take_whole(&mut self) -> Option<ExpectedWhole> {
        self.whole.take()
    }

    // ---- which version it is of --------------------------------------------------------------------------------

    /// Whether the source's times prove that the whole is of the version that has them.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    pub(super) fn prove(&mut self, proven: bool) {
        self.proven = proven;
    }

    /// Some of it was read too early for that.
    pub(super) fn prove_only(&mut self, firm: bool) {
        self.proven &= firm;
    }

    /// The source's facts as they are written down with the whole: without times while these prove no version.
    pub(super) fn proven_facts(&self, facts: SourceFacts) -> SourceFacts {
        if self.proven { facts } else { SourceFacts { mtime_ns: 0, ctime_ns: 0, ..facts } }
    }

    // ---- the request -------------------------------------------------------------------------------------------

    /// It is about to be sent for what was read in this run.
    pub(super) fn make_ready(&mut self) {
        self.ready = true;
    }

    /// What was read in this run may not be what the store has.
    pub(super) fn unready(&mut self) {
        self.ready = false;
    }

    /// Whether it can be sent again as it is.
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Its answer was lost: it may have been carried out.
    pub(super) fn lose_answer(&mut self) {
        self.in_doubt = true;
    }

    /// It was carried out for certain, or not at all.
    pub(super) fn clear_doubt(&mut self) {
        self.in_doubt = false;
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    // ---- what earlier runs stored ------------------------------------------------------------------------------

    /// An earlier run found this stored, of so many parts.
    pub(super) fn recall_stored(&mut self, whole: Option<ExpectedWhole>, parts: u32) {
        (self.whole, self.paperwork) = (whole, Some(parts));
    }

    /// Of how many parts that was made.
    pub(super) fn paperwork(&self) -> Option<u32> {
        self.paperwork
    }

    /// What an earlier run stored is not there any more.
    pub(super) fn forget_stored(&mut self) {
        (self.whole, self.paperwork) = (None, None);
    }

    // ---- answers -----------------------------------------------------------------------------------------------

    /// A clear answer.
    pub(super) fn answered(&mut self, object: ObjectFacts, callback_failed: bool) -> WriteVerdict {
        match shown(&object, &self.whole_or_default()) {
            Shown::Same(verified) => WriteVerdict::Stored { object, verified, callback_failed },
            Shown::Different { expected, actual } => WriteVerdict::Differs { object, expected, actual },
            Shown::Nothing => {
                self.answer = Some(ClearAnswer { object, callback_failed, looks: 0 });
                WriteVerdict::Look { later: false }
            }
        }
    }

    /// What the store shows after a clear answer that told no digest to compare bytes by. `parts_proven`: it vouched
    /// for every part. `parts`: how many there are; 0: it was one request. An answer that will not come leaves the
    /// clear one.
    pub(super) fn looked(
        &mut self,
        key: &KeyView,
        looked: Result<Option<ObjectFacts>, Fault>,
        parts_proven: bool,
        parts: u32,
    ) -> Option<WriteVerdict> {
        let whole = self.whole_or_default();
        let ClearAnswer { object: answer, callback_failed, looks } = self.answer.as_mut()?;
        let (answer, callback_failed, again) = (answer.clone(), *callback_failed, *looks + 1 < VERIFY_LOOKS);
        *looks += u32::from(looked.is_ok());
        let by_parts = if parts_proven { Proof::Parts } else { Proof::Answer };
        let stored = |object, verified| WriteVerdict::Stored { object, verified, callback_failed };
        Some(match looked {
            Ok(None) if again => WriteVerdict::Look { later: true },
            // The answer was clear; that the object may not be looked at does not make it less so.
            Err(_) | Ok(None) => stored(answer, by_parts),
            Ok(Some(object)) => match shown(&object, &whole) {
                Shown::Same(verified) => stored(object, verified),
                _ if key.was_there(&object) && again => WriteVerdict::Look { later: true },
                // It is not the one that was answered.
                Shown::Nothing
                    if same_write(&answer, &object) != Some(true) && is_made_otherwise(&object, &whole, parts) =>
                {
                    match same_write(&answer, &object) {
                        // Another writer has written there since.
                        Some(_) => stored(answer, by_parts),
                        None => WriteVerdict::Other,
                    }
                }
                Shown::Nothing => {
                    let told = object.len.is_some() && !parts_proven;
                    stored(object, if told { Proof::Length } else { by_parts })
                }
                Shown::Different { expected, actual } => match same_write(&answer, &object) {
                    Some(true) => WriteVerdict::Differs { object, expected, actual },
                    // Another writer has written there since.
                    Some(false) => stored(answer, by_parts),
                    None if key.was_there(&object) => stored(answer, by_parts),
                    None => WriteVerdict::Other,
                },
            },
        })
    }

    /// The object as written is not what was sent. Whether everything may be sent again: once.
    pub(super) fn may_write_anew(&mut self) -> bool {
        self.wrong += 1;
        self.wrong == 1
    }

    /// An attempt is left: its whole, if it may come to stand at the key.
    pub(super) fn start_over(&mut self) -> Option<ExpectedWhole> {
        let whole = self.whole.take().filter(|_| self.in_doubt);
        (self.answer, self.in_doubt, self.ready) = (None, false, false);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::DigestKind;
    use crate::upload::journal::Before;

    fn crc(value: u8) -> Digest {
        Digest::new(DigestKind::Crc64, [value; 8]).expect("eight bytes")
    }

    fn object(etag: &str, crcs: &[u8]) -> ObjectFacts {
        let digests = crcs.iter().map(|&value| crc(value)).collect();
        ObjectFacts { len: Some(5), etag: Some(etag.into()), digests, ..ObjectFacts::default() }
    }

    fn stored(object: ObjectFacts, verified: Proof) -> WriteVerdict {
        WriteVerdict::Stored { object, verified, callback_failed: false }
    }

    fn writing() -> Writing {
        let mut writing = Writing::new();
        writing.set_whole(ExpectedWhole { length: 5, digests: vec![crc(1)], composite: None });
        writing
    }

    #[test]
    fn a_clear_answer_is_held_against_the_whole() {
        let (same, other, silent) = (object("e", &[1]), object("e", &[2]), object("e", &[]));
        assert_eq!(writing().answered(same.clone(), false), stored(same, Proof::Whole(DigestKind::Crc64)));
        let differs = WriteVerdict::Differs { object: other.clone(), expected: Some(crc(1)), actual: Some(crc(2)) };
        assert_eq!(writing().answered(other, false), differs);
        assert_eq!(writing().answered(silent, false), WriteVerdict::Look { later: false });
    }

    #[test]
    fn a_look_after_a_silent_answer_tells_more_or_leaves_it_clear() {
        let mut key = KeyView::new();
        key.recall(Before::Object(Box::new(object("old", &[7]))));
        let answer = || object("e", &[]);
        let later = WriteVerdict::Look { later: true };
        for (looked, want) in [
            (Ok(Some(object("e", &[1]))), stored(object("e", &[1]), Proof::Whole(DigestKind::Crc64))),
            (Ok(Some(object("e", &[]))), stored(object("e", &[]), Proof::Length)),
            (
                Ok(Some(object("e", &[2]))),
                WriteVerdict::Differs { object: object("e", &[2]), expected: Some(crc(1)), actual: Some(crc(2)) },
            ),
            (Ok(Some(object("f", &[2]))), stored(answer(), Proof::Answer)),
            (Ok(Some(ObjectFacts { etag: None, ..object("", &[2]) })), WriteVerdict::Other),
            (Ok(Some(object("old", &[7]))), later.clone()),
            (Ok(None), later.clone()),
            (Err(Fault::Denied(403)), stored(answer(), Proof::Answer)),
        ] {
            let mut writing = writing();
            writing.answered(answer(), false);
            assert_eq!(writing.looked(&key, looked.clone(), false, 0), Some(want), "{looked:?}");
        }
        let mut writing = writing();
        writing.answered(answer(), false);
        assert!((1..VERIFY_LOOKS).all(|_| writing.looked(&key, Ok(None), false, 0) == Some(later.clone())));
        assert_eq!(writing.looked(&key, Ok(None), true, 3), Some(stored(answer(), Proof::Parts)));
    }

    #[test]
    fn everything_is_written_anew_once_and_what_is_in_doubt_may_come() {
        let mut writing = writing();
        assert!(writing.may_write_anew() && !writing.may_write_anew());
        writing.lose_answer();
        assert!(writing.start_over().is_some() && !writing.is_in_doubt());
        writing.set_whole(ExpectedWhole::default());
        assert_eq!(writing.start_over(), None);
    }
}
