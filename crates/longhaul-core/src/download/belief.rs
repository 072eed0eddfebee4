//! What is believed of the source: whether its replies may be joined, whether it shows one version or several, and how
//! often it was of no use.
//!
//! Replies contradict each other, servers lie and hosts on the way answer in place of the source. Each such sight
//! changes a belief here; what follows (streams stop, bytes are voided, the run ends) is for the download.

use super::restart::Restart;
use super::resume::Generation;
use crate::identity::{Identity, Likeness, Validator};
use crate::link::Served;
use crate::reply::{Suspicion, differs_but_for_encoding};

/// Replies that show another version, and ours when asked again, without progress between, before what is held is given
/// up.
const DOUBTS_MAX: u32 = 4;

/// What is believed in one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Belief {
    served: Served,
    /// The next request asks which version there is.
    asks_version: bool,
    /// No two replies may be joined any more: a digest mismatched, or a validator lied.
    one_reply: bool,
    lied: bool,
    /// The generation that a digest, bytes that came again or its length proved to be wrong: whole or not, no byte is
    /// added to it and it is not published.
    refuted: Option<u32>,
    mismatches: u32,
    /// Two versions are shown in turn.
    alternating: bool,
    /// The versions that were left in this run; as many as changes are allowed.
    shown: Vec<Validator>,
    changes: u32,
    /// A reply said that our condition is not met.
    after_412: bool,
    /// Replies that showed another version, each refuted by the next one, without progress between.
    doubts: u32,
    suspects: u32,
    /// The last suspicion, and how often in a row it was that.
    agreeing: Option<(Suspicion, u32)>,
    /// What a reply told of the object that could not be used for another reason.
    told: Option<Identity>,
    /// What is held cannot be added to any more: the next reply may begin anew, for this reason.
    anew: Option<Restart>,
    /// The caller was told that a web page comes.
    page_told: bool,
}

/// What a change of version means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// How many there were in this run.
    pub(super) changes: u32,
    /// More than are allowed, and no sign that two versions are shown in turn.
    pub(super) too_many: bool,
}

impl Belief {
    /// Whether bytes of several replies may be joined in this generation: it has a strong validator or a digest decides
    /// (`expected`: the caller gave one), and neither was proven wrong.
    pub(super) fn joins(&self, g: &Generation, expected: bool) -> bool {
        let by_digest = expected || !g.begin.identity.digests.is_empty();
        !self.one_reply && !self.is_refuted(g.begin.generation) && (g.begin.identity.is_strong() || by_digest)
    }

    /// Only a single reply can make the file.
    pub(super) fn is_one_reply(&self) -> bool {
        self.one_reply
    }

    /// The source sent other bytes under one validator.
    pub(super) fn has_lied(&self) -> bool {
        self.lied
    }

    pub(super) fn refuted(&self) -> Option<u32> {
        self.refuted
    }

    pub(super) fn is_refuted(&self, generation: u32) -> bool {
        self.refuted == Some(generation)
    }

    /// The next request asks which version there is.
    pub(super) fn asks_version(&self) -> bool {
        self.asks_version
    }

    pub(super) fn is_alternating(&self) -> bool {
        self.alternating
    }

    /// Why what is held is left for a reply that cannot be joined to it.
    pub(super) fn why_not_joined(&self, known: &Identity, likeness: Likeness) -> Restart {
        match likeness {
            _ if self.lied => Restart::ValidatorLied,
            _ if self.mismatches > 0 => Restart::DigestMismatch,
            Likeness::Different if known.is_strong() => Restart::Changed,
            _ => Restart::NotProvable,
        }
    }

    /// Whether the source served bytes.
    pub(super) fn served(&self) -> Served {
        self.served
    }

    /// It does, in this run.
    pub(super) fn serves(&mut self) {
        self.served = Served::Now;
    }

    /// It did, in an earlier run, which sent more than the link (`credentials`) or not.
    pub(super) fn served_before(&mut self, credentials: bool) {
        self.served = Served::Before { credentials };
    }

    // ---- versions ----------------------------------------------------------------------------------------------

    /// The object may be another one: ask which it is.
    pub(super) fn ask_version(&mut self) {
        self.asks_version = true;
    }

    /// A reply says that the object is another one. `refused`: by a refusal of our condition.
    pub(super) fn changed(&mut self, refused: bool) {
        self.after_412 = refused;
    }

    /// A reply is of the version that we hold. Whether our condition had been refused all the same: this server's
    /// conditions are of no use.
    pub(super) fn is_same(&mut self) -> bool {
        std::mem::take(&mut self.after_412)
    }

    /// Our version is shown again. Whether another one had been shown before; `None`: that happened so often that what
    /// is held cannot be added to. Once, the doubt may have come from a condition that the server does not understand.
    pub(super) fn shown_again(&mut self) -> Option<bool> {
        if !std::mem::take(&mut self.asks_version) {
            return Some(false);
        }
        self.alternating = true;
        self.doubts += 1;
        self.one_reply |= self.doubts > DOUBTS_MAX;
        (self.doubts <= DOUBTS_MAX).then_some(true)
    }

    /// The version that was held until now (`before`) is left for another one.
    pub(super) fn left(&mut self, before: Option<Validator>, now: &Identity, changes_max: u32) -> Change {
        self.changes += 1;
        self.shown.extend(before);
        self.alternating |= now.strong().is_some_and(|validator| self.shown.contains(&validator));
        let changes = self.changes;
        let too_many = changes > changes_max && !self.alternating;
        // Two versions, or two names of one, are shown in turn for ever: what a single reply brings is one of them.
        self.one_reply |= changes > changes_max;
        Change { changes, too_many }
    }

    /// The source has returned to a version that it showed before.
    pub(super) fn returned(&mut self) {
        self.alternating = true;
    }

    /// It is decided which version comes next.
    pub(super) fn decided(&mut self) {
        self.asks_version = false;
        self.after_412 = false;
        self.anew = None;
    }

    // ---- contradictions ----------------------------------------------------------------------------------------

    /// Two replies under one validator contradict each other: only a single reply may make the file now.
    pub(super) fn contradicted(&mut self, generation: Option<u32>) {
        self.lied = true;
        self.refuted = generation;
        self.one_reply = true;
        self.asks_version = true;
    }

    /// A whole reply was shorter than what is held of this generation, or known of its length.
    pub(super) fn refute(&mut self, generation: u32) {
        self.refuted = Some(generation);
        self.asks_version = true;
    }

    /// The whole file does not have the digest that it should have. `one_reply`: one reply can bring all of it.
    pub(super) fn mismatched(&mut self, generation: u32, one_reply: bool) {
        self.mismatches += 1;
        self.one_reply |= one_reply;
        self.refute(generation);
    }

    /// Whether that was so before.
    pub(super) fn has_mismatched(&self) -> bool {
        self.mismatches > 0
    }

    // ---- replies of no use -------------------------------------------------------------------------------------

    /// Bytes came: what is held can be added to.
    pub(super) fn progress(&mut self) {
        (self.suspects, self.doubts) = (0, 0);
        (self.told, self.anew) = (None, None);
    }

    /// A reply can be used.
    pub(super) fn is_of_use(&mut self) {
        self.suspects = 0;
    }

    /// A reply cannot be used. Whether that is enough of them to think that the request is why: `max` in a row, and
    /// before what is held is given up, two in a row that say the same.
    pub(super) fn suspect(&mut self, why: Suspicion, max: u32) -> bool {
        self.suspects += 1;
        let agreeing = match self.agreeing {
            Some((last, times)) if last == why => times + 1,
            _ => 1,
        };
        self.agreeing = Some((why, agreeing));
        let alone = agreeing < 2 && matches!(why, Suspicion::NoValidator | Suspicion::Encoded);
        self.suspects >= max && !alone
    }

    /// It is asked in another way from now on. One more reply of no use may be chance again.
    pub(super) fn asked_otherwise(&mut self, max: u32) {
        self.suspects = self.suspects.min(max.saturating_sub(2));
    }

    /// What a reply told of the object that could not be used for another reason; the first one counts.
    pub(super) fn tell(&mut self, identity: Identity) {
        self.told.get_or_insert(identity);
    }

    /// Whether a reply that could not be used told another length of this version: one of them lies, and neither says
    /// which.
    pub(super) fn contradicts_told(&self, identity: &Identity) -> bool {
        let Some(told) = &self.told else { return false };
        let lengths = told.length.zip(identity.length);
        let same = Identity { length: None, ..told.clone() }.compare(identity) != Likeness::Different;
        lengths.is_some_and(|(a, b)| a != b) && same
    }

    /// A web page comes where something else was wanted. Whether the caller was not told yet.
    pub(super) fn is_first_page(&mut self) -> bool {
        !std::mem::replace(&mut self.page_told, true)
    }

    // ---- what is held by a validator that is gone --------------------------------------------------------------

    /// Replies agree that the source does not tell any more what the held bytes were joined by: the next one may begin
    /// anew, when it passes [`may_begin_anew`](Self::may_begin_anew). Whether that is new.
    pub(super) fn give_up_held(&mut self, reason: Restart) -> bool {
        if self.anew.is_some() {
            return false;
        }
        self.anew = Some(reason);
        self.asks_version = true;
        true
    }

    /// Whether a reply that tells less than the held bytes need is of the same object all the same: it has its length,
    /// or its ETag in a weaker form. An error page that calls itself 200 has neither, and a version with a validator of
    /// its own speaks for itself.
    pub(super) fn may_begin_anew(&self, known: &Identity, identity: &Identity, likeness: Likeness) -> Option<Restart> {
        let reason = self.anew?;
        let opaque = |identity: &Identity| identity.etag.as_deref().map(|e| e.trim_start_matches("W/").to_owned());
        let length = known.length.is_some() && known.length == identity.length;
        let tag = known.etag.is_some() && opaque(known) == opaque(identity);
        // The validator of the same version, and only the encoding is another.
        let version = reason == Restart::Encoded && identity.is_strong() && !differs_but_for_encoding(known, identity);
        let another = likeness == Likeness::Different && identity.is_strong() && !version;
        ((length || tag || version) && !another && likeness != Likeness::Same).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(etag: &str) -> Identity {
        Identity { length: Some(9), etag: Some(etag.into()), ..Identity::default() }
    }

    #[test]
    fn several_replies_of_no_use_are_enough_and_two_must_agree() {
        let mut belief = Belief::default();
        let enough =
            |belief: &mut Belief, why: &[Suspicion]| why.iter().map(|&w| belief.suspect(w, 3)).collect::<Vec<_>>();
        let (html, bare) = (Suspicion::Html, Suspicion::NoValidator);
        assert_eq!(enough(&mut belief, &[html, html, html]), [false, false, true]);
        belief.is_of_use();
        assert_eq!(enough(&mut belief, &[html, html, bare, bare]), [false, false, false, true]);
        belief.asked_otherwise(3);
        assert_eq!(enough(&mut belief, &[bare, bare]), [false, true]);
    }

    #[test]
    fn a_version_that_comes_back_is_shown_in_turn() {
        let (a, b) = (version("\"a\""), version("\"b\""));
        let mut belief = Belief::default();
        assert_eq!(belief.left(a.strong(), &b, 1), Change { changes: 1, too_many: false });
        assert!(!belief.is_alternating() && !belief.is_one_reply());
        assert_eq!(belief.left(b.strong(), &a, 1), Change { changes: 2, too_many: false });
        assert!(belief.is_alternating() && belief.is_one_reply());
        let mut belief = Belief::default();
        belief.left(a.strong(), &b, 1);
        assert!(belief.left(b.strong(), &version("\"c\""), 1).too_many);
    }

    #[test]
    fn doubts_without_progress_leave_only_one_reply() {
        let mut belief = Belief::default();
        assert_eq!(belief.shown_again(), Some(false));
        for _ in 0..DOUBTS_MAX {
            belief.ask_version();
            assert_eq!(belief.shown_again(), Some(true));
        }
        belief.ask_version();
        assert_eq!((belief.shown_again(), belief.is_one_reply()), (None, true));
    }

    #[test]
    fn two_lengths_of_one_version_contradict_each_other() {
        let mut belief = Belief::default();
        belief.tell(Identity { length: Some(8), ..version("\"a\"") });
        assert!(belief.contradicts_told(&version("\"a\"")) && !belief.contradicts_told(&version("\"b\"")));
        belief.progress();
        assert!(!belief.contradicts_told(&version("\"a\"")));
    }

    /// A line a case: the ETag shown in place of the held `"a"`, the length shown in place of 9, and whether it is
    /// taken.
    #[test]
    fn what_is_held_is_begun_anew_only_by_the_same_object() {
        let mut belief = Belief::default();
        assert!(belief.give_up_held(Restart::ValidatorGone) && !belief.give_up_held(Restart::Encoded));
        for (etag, length, want) in [
            (None, Some(9), true),
            (None, Some(8), false),
            (Some("W/\"a\""), None, true),
            (Some("W/\"b\""), None, false),
            (Some("\"b\""), Some(9), false),
        ] {
            let shown = Identity { etag: etag.map(Into::into), length, ..Identity::default() };
            let likeness = version("\"a\"").compare(&shown);
            let taken = belief.may_begin_anew(&version("\"a\""), &shown, likeness).is_some();
            assert_eq!(taken, want, "{etag:?} {length:?}");
        }
    }
}
