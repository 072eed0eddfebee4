//! What stands at the key, and whose is it?
//!
//! [`KeyView`] remembers what a look showed before this upload writes there, and everything that a request of this
//! upload may have made of it. Held against that, an object is ours, was there before, or is another writer's:
//! [`Standing`]. Once a request of ours may have written the object, the key is *guarded*: what stands there and is not
//! ours must not be overwritten.

use super::compare::{Shown, is_before, is_made_otherwise, same, same_write, shown};
use super::journal::{Before, ExpectedWhole};
use super::source::SourceVersion;
use super::step::{Fault, ObjectFacts, Proof};
use crate::digest::DigestKind;
use crate::words::Millis;

/// What was seen at the key this long ago, in milliseconds, is still what stands there as far as we care: older news is
/// asked for again before the object is written.
const FRESH_MS: Millis = 10_000;
/// Tries for the first look: it only spares work, so that not much is spent on it (two seconds on average). A store
/// that refuses half of all requests answers one of these, but for once in 64 times.
const LOOK_TRIES: u32 = 6;

/// What this run knows of the key.
#[derive(Debug, Clone)]
pub(super) struct KeyView {
    /// What stood there before our request.
    before: Before,
    looked_at: Option<Millis>,
    unanswered: u32,
    guarded: bool,
    /// What stands there may be what the source has.
    candidate: Option<Box<ObjectFacts>>,
    /// It is another writer's, and must not be overwritten: it is the source as it is now, or the run fails.
    contested: bool,
    /// The object of a receipt that fits the source.
    receipt: Option<Box<ObjectFacts>>,
    /// What this upload was found to have stored before the source, or this run, went on: it is not sent a second
    /// time, even where that was asked for.
    stored: Option<ExpectedWhole>,
    /// What earlier attempts may have made of the key: ours, if it comes to stand there.
    earlier: Vec<ExpectedWhole>,
}

/// What an object at the key is, as far as the request with a certain whole is concerned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Standing {
    /// The whole.
    Ours(Box<ObjectFacts>, Proof),
    /// The whole, which stood there before as well.
    Already(Box<ObjectFacts>, Proof),
    /// The length of the whole, not what stood there before, and no digest to compare bytes by.
    Perhaps(Box<ObjectFacts>),
    /// What stood there before; or no object, as before.
    AsBefore,
    /// Another writer's object.
    Other(Box<ObjectFacts>),
    /// It may not be looked at.
    Denied,
}

/// What an object that is there before anything is sent is good for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Worth {
    /// A receipt says that it is the source: it has to be neither sent nor read.
    Known(ObjectFacts, Proof),
    /// It may be the source: that has to be read.
    Candidate,
    /// It is not, or it has to be written anew all the same.
    Replaced,
}

impl KeyView {
    pub(super) fn new() -> Self {
        Self {
            before: Before::Unknown,
            looked_at: None,
            unanswered: 0,
            guarded: false,
            candidate: None,
            contested: false,
            receipt: None,
            stored: None,
            earlier: Vec::new(),
        }
    }

    /// The object of a receipt that still fits the source.
    pub(super) fn open(&mut self, receipt: Option<Box<ObjectFacts>>) {
        self.receipt = receipt;
    }

    // ---- looks -------------------------------------------------------------------------------------------------

    /// The first look at the key was not answered. Whether it may be asked again.
    pub(super) fn may_look_again(&mut self, fault: &Fault) -> bool {
        self.unanswered += 1;
        fault.may_pass() && self.unanswered < LOOK_TRIES
    }

    /// A look is old news after a while.
    pub(super) fn is_fresh(&self, now: Millis) -> bool {
        self.looked_at.is_some_and(|at| now.saturating_sub(at) < FRESH_MS)
    }

    /// Right before anything is written, this stands there.
    pub(super) fn looked(&mut self, now: Millis, before: Before) {
        (self.looked_at, self.before) = (Some(now), before);
    }

    /// This stood there before the request that was recorded.
    pub(super) fn recall(&mut self, before: Before) {
        self.before = before;
    }

    /// What stood there before.
    pub(super) fn before(&self) -> &Before {
        &self.before
    }

    /// Whether the object stood there before.
    pub(super) fn was_there(&self, object: &ObjectFacts) -> bool {
        is_before(object, &self.before)
    }

    // ---- before anything is sent -------------------------------------------------------------------------------

    /// Judges what stands there while no attempt of an earlier run is gone on with. `asked`: the caller wants the
    /// source sent all the same, unless that object is ours.
    pub(super) fn weigh(&mut self, object: ObjectFacts, source: &SourceVersion, asked: bool) -> Worth {
        let ours = self.stored.take().is_some_and(|whole| matches!(shown(&object, &whole), Shown::Same(_)));
        let fits = object.len.is_none_or(|len| len == source.len());
        if !(fits && (ours || !asked && !object.dressed_differently)) {
            return Worth::Replaced;
        }
        if source.is_settled()
            && let Some(receipt) = self.receipt.take()
        {
            let by_digest = same(&receipt.digests, &object.digests);
            if by_digest == Some(true) || by_digest.is_none() && same_write(&receipt, &object) == Some(true) {
                let whole = ExpectedWhole { length: source.len(), digests: receipt.digests, composite: None };
                let verified = match shown(&object, &whole) {
                    Shown::Same(verified) => verified,
                    _ => Proof::Length,
                };
                return Worth::Known(object, verified);
            }
        }
        self.candidate = Some(Box::new(object));
        Worth::Candidate
    }

    /// An earlier run found the object with this whole stored, of so many parts (0: in one request). Whether it still
    /// stands there, as far as the store tells.
    pub(super) fn still_has(&self, object: &ObjectFacts, whole: &ExpectedWhole, parts: u32) -> Option<Proof> {
        match shown(object, whole) {
            Shown::Same(verified) => Some(verified),
            Shown::Different { .. } => None,
            Shown::Nothing if is_made_otherwise(object, whole, parts) => None,
            // No digest to compare bytes by. The receipt, if it was written, knows the write.
            Shown::Nothing => {
                let written = self.receipt.as_ref().and_then(|receipt| same_write(receipt, object));
                (written != Some(false)).then_some(Proof::Length)
            }
        }
    }

    /// What stands there and may be the source.
    pub(super) fn candidate(&self) -> Option<&ObjectFacts> {
        self.candidate.as_deref()
    }

    /// The candidate, which is judged now.
    pub(super) fn take_candidate(&mut self) -> Option<Box<ObjectFacts>> {
        self.candidate.take()
    }

    /// It is what the source has.
    pub(super) fn put_back(&mut self, candidate: Box<ObjectFacts>) {
        self.candidate = Some(candidate);
    }

    /// The source has another length now: only an object of that length may be the same.
    pub(super) fn keep_candidate_of(&mut self, len: u64) {
        self.candidate = self.candidate.take().filter(|object| object.len == Some(len));
    }

    /// Another writer's object is there: it is the source as it is now, or the run fails.
    pub(super) fn contest(&mut self, object: ObjectFacts) {
        self.contested = true;
        self.candidate = Some(Box::new(object));
    }

    /// Whether the run fails unless what stands there is the source.
    pub(super) fn is_contested(&self) -> bool {
        self.contested
    }

    // ---- what may be ours --------------------------------------------------------------------------------------

    /// A request of ours may have written the object.
    pub(super) fn guard(&mut self) {
        self.guarded = true;
    }

    /// No request of ours is at work: what stands there may be overwritten.
    pub(super) fn release(&mut self) {
        self.guarded = false;
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.guarded
    }

    /// An attempt of ours that is left may make this of the key.
    pub(super) fn may_come(&mut self, whole: ExpectedWhole) {
        self.earlier.push(whole);
    }

    /// This upload was found to have stored this.
    pub(super) fn found_stored(&mut self, whole: Option<ExpectedWhole>) {
        self.stored = whole;
    }

    /// Whether the last attempt that was left may make just this of the key.
    pub(super) fn comes_last(&self, whole: &ExpectedWhole) -> bool {
        self.earlier.last() == Some(whole)
    }

    /// Whether no request of ours may have written, or may come to write, the object.
    pub(super) fn is_untouched(&self) -> bool {
        !self.guarded && self.earlier.is_empty()
    }

    /// Which digest is enough to know the source by: the object that may be it tells this kind, or none is there.
    pub(super) fn is_told_by_candidate(&self, kind: DigestKind) -> bool {
        self.candidate().is_none_or(|object| object.digests.iter().any(|digest| digest.kind() == kind))
    }

    /// What an object is, as far as the request with this whole, of so many parts (0: in one request), is concerned.
    pub(super) fn standing(&self, object: ObjectFacts, whole: &ExpectedWhole, parts: u32) -> Standing {
        let as_before = self.was_there(&object);
        match shown(&object, whole) {
            // The same bytes stood there before, in another dress.
            Shown::Same(_) if as_before && object.dressed_differently => Standing::AsBefore,
            Shown::Same(verified) if as_before => Standing::Already(Box::new(object), verified),
            Shown::Same(verified) => Standing::Ours(Box::new(object), verified),
            _ if as_before => Standing::AsBefore,
            // What an earlier attempt of ours made, late.
            _ if self.earlier.iter().any(|whole| matches!(shown(&object, whole), Shown::Same(_))) => Standing::AsBefore,
            Shown::Nothing if object.len.is_some() && !is_made_otherwise(&object, whole, parts) => {
                Standing::Perhaps(Box::new(object))
            }
            _ => Standing::Other(Box::new(object)),
        }
    }

    /// An attempt is left: what stands there is asked for again, and what may be the source.
    pub(super) fn start_over(&mut self) {
        (self.candidate, self.looked_at) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::upload::step::{SourceFacts, SourceLook};
    use crate::words::OnChange;

    fn crc(value: u8) -> Digest {
        Digest::new(DigestKind::Crc64, [value; 8]).expect("eight bytes")
    }

    fn object(etag: &str, crcs: &[u8]) -> ObjectFacts {
        let digests = crcs.iter().map(|&value| crc(value)).collect();
        ObjectFacts { len: Some(5), etag: Some(etag.into()), digests, ..ObjectFacts::default() }
    }

    fn whole(value: u8) -> ExpectedWhole {
        ExpectedWhole { length: 5, digests: vec![crc(value)], composite: None }
    }

    fn source(settled: bool) -> SourceVersion {
        let mut source = SourceVersion::new(OnChange::Restart, 3);
        source.open(0, SourceLook { facts: SourceFacts { len: 5, ..SourceFacts::default() }, settled });
        source
    }

    #[test]
    fn an_object_is_ours_or_was_there_or_is_another_writers() {
        let mut key = KeyView::new();
        key.looked(0, Before::Object(Box::new(object("old", &[1]))));
        key.may_come(whole(3));
        let dressed = ObjectFacts { dressed_differently: true, ..object("old", &[1]) };
        for (there, of, want) in [
            (object("new", &[2]), 2, Standing::Ours(Box::new(object("new", &[2])), Proof::Whole(DigestKind::Crc64))),
            (object("old", &[1]), 1, Standing::Already(Box::new(object("old", &[1])), Proof::Whole(DigestKind::Crc64))),
            (dressed, 1, Standing::AsBefore),
            (object("old", &[1]), 2, Standing::AsBefore),
            (object("new", &[3]), 2, Standing::AsBefore),
            (object("new", &[4]), 2, Standing::Other(Box::new(object("new", &[4])))),
            (object("new", &[]), 2, Standing::Perhaps(Box::new(object("new", &[])))),
            (
                ObjectFacts { len: Some(6), ..object("new", &[]) },
                2,
                Standing::Other(Box::new(ObjectFacts { len: Some(6), ..object("new", &[]) })),
            ),
        ] {
            assert_eq!(key.standing(there.clone(), &whole(of), 0), want, "{there:?}");
        }
    }

    #[test]
    fn a_receipt_spares_reading_a_source_whose_times_prove_it() {
        for (settled, there, asked, want) in [
            (true, object("etag", &[1]), false, Worth::Known(object("etag", &[1]), Proof::Whole(DigestKind::Crc64))),
            (true, object("etag", &[]), false, Worth::Known(object("etag", &[]), Proof::Length)),
            (true, object("other", &[]), false, Worth::Candidate),
            (true, object("etag", &[2]), false, Worth::Candidate),
            (false, object("etag", &[1]), false, Worth::Candidate),
            (true, object("etag", &[1]), true, Worth::Replaced),
            (true, ObjectFacts { len: Some(6), ..object("etag", &[1]) }, false, Worth::Replaced),
            (true, ObjectFacts { dressed_differently: true, ..object("etag", &[1]) }, false, Worth::Replaced),
        ] {
            let mut key = KeyView::new();
            key.open(Some(Box::new(object("etag", &[1]))));
            assert_eq!(key.weigh(there.clone(), &source(settled), asked), want, "{there:?}");
            assert_eq!(key.candidate().is_some(), want == Worth::Candidate);
        }
        let mut key = KeyView::new();
        key.found_stored(Some(whole(1)));
        assert_eq!(key.weigh(object("etag", &[1]), &source(true), true), Worth::Candidate, "no second transfer of it");
    }

    #[test]
    fn a_look_is_fresh_for_ten_seconds() {
        let mut key = KeyView::new();
        assert!(!key.is_fresh(0));
        key.looked(5, Before::Absent);
        assert!(key.is_fresh(5 + FRESH_MS - 1) && !key.is_fresh(5 + FRESH_MS));
        key.start_over();
        assert!(!key.is_fresh(5));
    }
}
