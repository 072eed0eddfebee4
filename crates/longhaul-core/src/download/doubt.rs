//! Replies that are not believed at once: that refuse, that cannot be used, that contradict what is held, that show versions
//! in turn.
//!
//! ```text
//!   refused, or three in a row of no use ──► without the condition ──► without the range ──► believed
//!                                                       │ they lack what the held bytes were joined by
//!                                                       └──► begin anew, with the reason
//! ```

use super::Download;
use super::files::Lost;
use super::restart::Restart;
use super::step::{Failure, Note, Plainer, Trouble};
use crate::identity::{Identity, Likeness};
use crate::names;
use crate::ranges::Range;
use crate::reply::{Suspicion, differs_but_for_encoding};
use crate::words::{Extent, OnChange};

impl Download {
    /// Bytes that were held when this was granted came again: they must be the same, or the validator proves nothing. Also
    /// when what lies on the disk was found damaged meanwhile: its checksum is that of the bytes that came first.
    pub(super) fn passed(&mut self, i: usize, extent: Extent) {
        let differs = self.line.stream(i).crc_of_passed(extent).is_some_and(|crc| crc != extent.crc);
        if differs && !self.lied {
            self.contradicted();
        }
    }

    /// Law 2: before the bytes that were proven wrong are written over or left, no record may vouch for them.
    pub(super) fn void_refuted(&mut self) -> Option<Note> {
        let reason = if self.lied { Restart::ValidatorLied } else { Restart::NotProvable };
        let refuted = self.refuted?;
        if !self.files.is_current(refuted) || self.files.held() == 0 {
            return None;
        }
        let discarded = self.files.void_all();
        self.record_void(Lost { generation: refuted, ranges: vec![Range::new(0, u64::MAX)] }, reason);
        Some(Note::Restarted { reason, discarded })
    }

    /// Two replies under one validator contradict each other: only a single reply may make the file now.
    pub(super) fn contradicted(&mut self) {
        self.lied = true;
        self.refuted = self.files.current().map(|g| g.begin.generation);
        self.one_reply = true;
        self.probe_next = true;
        self.stop_all();
    }

    /// The object is not the one we hold. Nothing is discarded yet: first ask which one it is.
    pub(super) fn changed(&mut self) {
        self.probe_next = true;
        self.stop_all();
    }

    /// Replies have shown another version, and now ours again: a balancer between two versions, or edges that give the
    /// same bytes different validators. Every other connection would be shown the wrong one.
    pub(super) fn alternates(&mut self) {
        self.alternating = true;
        self.single = true;
    }

    // ---- before it is believed ---------------------------------------------------------------------------------

    /// A reply that cannot be used. When several in a row were none of use, what was asked may be why: it is asked more
    /// plainly. When that does not help either, what is held may be why ([`Self::give_up_held`]).
    pub(super) fn suspect(&mut self, i: usize, why: Suspicion) {
        self.stop(i);
        if self.refuses_one_more(i, Trouble::Reply(why)) {
            return;
        }
        self.suspects += 1;
        self.agreeing = if self.last_suspicion == Some(why) { self.agreeing + 1 } else { 1 };
        self.last_suspicion = Some(why);
        self.line.distrust_connection(true);
        // Before what is held is given up, two in a row say the same.
        let alone = self.agreeing < 2 && matches!(why, Suspicion::NoValidator | Suspicion::Encoded);
        if (self.suspects < self.config.suspects_max || alone) && !self.retry.is_used_up() {
            return self.failed(Trouble::Reply(why), None);
        }
        if why != Suspicion::Html && self.ask_plainer(i, Trouble::Reply(why)) || self.give_up_held(why) {
            // Once more may be chance again.
            self.suspects = self.suspects.min(self.config.suspects_max.saturating_sub(2));
            return;
        }
        self.fail(match why {
            Suspicion::Html => Failure::Portal,
            why => Failure::Unusable(why),
        });
    }

    /// Whether the first reply is a web page (a login, a notice, a consent) in place of what the name says. Nothing is known to
    /// compare it with, and some servers call everything a page: so it is told, and is one when a redirect led there.
    pub(super) fn is_page_in_place(&mut self, i: usize, identity: &Identity) -> bool {
        let page = identity.html && names::ending_of_no_page(&self.config.wanted_name).is_some();
        if !page || !self.config.expected.is_empty() {
            return false; // a digest decides
        }
        if !self.line.stream(i).led_away && !std::mem::replace(&mut self.page_told, true) {
            self.note(Note::PageInPlace);
        }
        self.line.stream(i).led_away
    }

    /// A refusal that says something of the request as well as of the object: it is believed when the plainest request
    /// is refused.
    pub(super) fn refused(&mut self, i: usize, status: u16, failure: Failure) {
        self.stop(i);
        if !self.ask_plainer(i, Trouble::Busy(status)) {
            self.fail(failure);
        }
    }

    /// A refusal with `status` that has to do with neither condition nor range: who asks, or whether it exists.
    pub(super) fn is_plain_refusal(status: u16, expired: bool) -> bool {
        match status {
            401 | 404 | 407 | 410 => true,
            _ => expired,
        }
    }

    /// From now on it is asked with less than request `i` had: first without the caller's condition, which is looked at
    /// here as well, then without ours, whose validator is compared in any case, then without a range, as those ask who
    /// never resume. What was refused with a range and comes without one is one reply, and one file where no validator
    /// joins it with others.
    fn ask_plainer(&mut self, i: usize, why: Trouble) -> bool {
        let stream = self.line.stream(i);
        let without = if stream.wished && !self.wish_refused {
            self.wish_refused = true;
            Plainer::Condition
        } else if stream.asked.conditional && !self.conditions_off {
            self.conditions_off = true;
            Plainer::Condition
        } else if stream.asked.ranged && !self.ask_whole && self.serves_whole() {
            self.ask_whole = true;
            self.ranges_refused = true;
            self.stop_all();
            Plainer::Range
        } else {
            return false;
        };
        self.note(Note::Plainer { without, why });
        true
    }

    /// Whether the whole of the object would be of use.
    fn serves_whole(&self) -> bool {
        self.config.source.window.is_whole()
    }

    /// Whether a reply that could not be used told another length of this version: one of them lies, and neither says which.
    pub(super) fn contradicts_told(&self, identity: &Identity) -> bool {
        let Some(told) = &self.told else { return false };
        let lengths = told.length.zip(identity.length);
        let same = Identity { length: None, ..told.clone() }.compare(identity) != Likeness::Different;
        lengths.is_some_and(|(a, b)| a != b) && same
    }

    /// Answers agree that the source does not tell any more what the held bytes were joined by: the next one may begin
    /// anew. [`Self::may_begin_anew`] looks at it first.
    fn give_up_held(&mut self, why: Suspicion) -> bool {
        let reason = match why {
            Suspicion::NoValidator => Restart::ValidatorGone,
            Suspicion::Encoded => Restart::Encoded,
            _ => return false,
        };
        if self.files.finished().is_some() {
            self.replace_finished(reason);
            return true;
        }
        let held = self.files.current().is_some_and(|g| self.joinable(g));
        let stops = self.config.on_change == OnChange::Stop;
        if !held || stops || self.anew.is_some() {
            return false;
        }
        self.anew = Some(reason);
        self.probe_next = true;
        self.stop_all();
        true
    }

    /// Whether a reply that tells less than the held bytes need is of the same object all the same: it has its length, or
    /// its ETag in a weaker form. An error page that calls itself 200 has neither, and a version with a
    /// validator of its own speaks for itself.
    pub(super) fn may_begin_anew(&self, identity: &Identity, likeness: Likeness) -> Option<Restart> {
        let reason = self.anew?;
        let known = &self.files.current()?.begin.identity;
        let opaque = |identity: &Identity| identity.etag.as_deref().map(|e| e.trim_start_matches("W/").to_owned());
        let length = known.length.is_some() && known.length == identity.length;
        let tag = known.etag.is_some() && opaque(known) == opaque(identity);
        // The validator of the same version, and only the encoding is another.
        let version = reason == Restart::Encoded && identity.is_strong() && !differs_but_for_encoding(known, identity);
        let another = likeness == Likeness::Different && identity.is_strong() && !version;
        ((length || tag || version) && !another && likeness != Likeness::Same).then_some(reason)
    }

    // ---- failures ----------------------------------------------------------------------------------------------

    pub(super) fn failed(&mut self, why: Trouble, retry_after_ms: Option<u64>) {
        let held = self.files.held();
        if std::mem::take(&mut self.whole_at_last) && held > 0 {
            (self.ask_whole, self.ranges_refused) = (false, false); // that worked, and may have been chance
        }
        // (An orderly end without bytes is told as what else is known to be wrong.)
        let ranges_suspect =
            matches!(why, Trouble::Short | Trouble::Reply(Suspicion::Alternating) | Trouble::Busy(500));
        match self.retry.failed(self.run.now(), retry_after_ms) {
            Some(delay_ms) => {
                let failures = self.retry.failures();
                self.note(Note::Retry { failures, delay_ms, why });
            }
            None => return self.fail(Failure::GaveUp(why)),
        }
        // Some servers answer every range with an error of theirs, or with no bytes: the last try is the plainest.
        let plainest = (held == 0 || ranges_suspect) && !self.ask_whole && self.serves_whole();
        if plainest && self.retry.is_used_up() {
            self.ask_whole = true;
            self.ranges_refused = true;
            self.whole_at_last = true;
            self.stop_all();
        }
    }

    /// Why a reply that was not whole did not help: where versions are shown in turn, that is the trouble.
    pub(super) fn in_vain(&self) -> Option<Trouble> {
        self.alternating.then_some(Trouble::Reply(Suspicion::Alternating))
    }
}
