//! Replies that are not believed at once: that refuse, that cannot be used, that contradict what is held, that show
//! versions in turn.
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
use crate::identity::Identity;
use crate::names;
use crate::ranges::Range;
use crate::reply::Suspicion;
use crate::words::{Extent, OnChange};

impl Download {
    /// Bytes that were held when this was granted came again: they must be the same, or the validator is no proof. Also
    /// when what lies on the disk was found damaged meanwhile: its checksum is that of the bytes that came first.
    pub(super) fn passed(&mut self, i: usize, extent: Extent) {
        let differs = self.line.stream(i).crc_of_passed(extent).is_some_and(|crc| crc != extent.crc);
        if differs && self.is_of_another_program(extent) {
            return self.refute_taken();
        }
        if differs && !self.belief.has_lied() {
            self.contradicted();
        }
    }

    /// Law 2: before the bytes that were proven wrong are written over or left, no record may vouch for them.
    pub(super) fn void_refuted(&mut self) -> Option<Note> {
        let reason = if self.belief.has_lied() { Restart::ValidatorLied } else { Restart::NotProvable };
        let refuted = self.belief.refuted()?;
        if !self.files.is_current(refuted) || self.files.held() == 0 {
            return None;
        }
        let discarded = self.files.void_all();
        self.record_void(Lost { generation: refuted, ranges: vec![Range::new(0, u64::MAX)] }, reason);
        Some(Note::Restarted { reason, discarded })
    }

    /// Two replies under one validator contradict each other: only a single reply may make the file now.
    pub(super) fn contradicted(&mut self) {
        self.belief.contradicted(self.files.current().map(|g| g.begin.generation));
        self.stop_all();
    }

    /// The object is not the one we hold. All of it is kept yet: first ask which one it is.
    pub(super) fn changed(&mut self) {
        self.belief.ask_version();
        self.stop_all();
    }

    // ---- before it is believed ---------------------------------------------------------------------------------

    /// A reply that cannot be used. When several in a row were none of use, what was asked may be why: it is asked more
    /// plainly. When that does not help either, what is held may be why ([`Self::give_up_held`]).
    pub(super) fn suspect(&mut self, i: usize, why: Suspicion) {
        self.stop(i);
        if self.refuses_one_more(i, Trouble::Reply(why)) {
            return;
        }
        self.line.distrust_connection(true);
        if !self.belief.suspect(why, self.config.suspects_max) && !self.retry.is_used_up() {
            return self.failed(Trouble::Reply(why), None);
        }
        if why != Suspicion::Html && self.ask_plainer(i, Trouble::Reply(why)) || self.give_up_held(why) {
            return self.belief.asked_otherwise(self.config.suspects_max);
        }
        self.fail(match why {
            Suspicion::Html => Failure::Portal,
            why => Failure::Unusable(why),
        });
    }

    /// Whether the first reply is a web page (a login, a notice, a consent) in place of what the name says. There is no
    /// other reply to compare it with, and some servers call everything a page: so it is told, and is one when a
    /// redirect led there.
    pub(super) fn is_page_in_place(&mut self, i: usize, identity: &Identity) -> bool {
        let page = identity.html && names::ending_of_no_page(&self.config.wanted_name).is_some();
        if !page || !self.config.expected.is_empty() {
            return false; // a digest decides
        }
        if !self.line.stream(i).led_away && self.belief.is_first_page() {
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

    /// The same is asked more plainly than by request `i`. What was refused with a range and comes without one is one
    /// reply, and one file where no validator joins it with others. False when there is no plainer way.
    fn ask_plainer(&mut self, i: usize, why: Trouble) -> bool {
        let of_use = self.serves_whole();
        let Some(without) = self.manner.plainer(self.line.stream(i), of_use) else { return false };
        if without == Plainer::Range {
            self.stop_all();
        }
        self.note(Note::Plainer { without, why });
        true
    }

    /// Whether the whole of the object would be of use.
    fn serves_whole(&self) -> bool {
        self.config.source.window.is_whole()
    }

    /// Answers agree that the source does not tell any more what the held bytes were joined by: the next one may begin
    /// anew. [`may_begin_anew`](super::belief::Belief::may_begin_anew) looks at it first.
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
        if !held || stops || !self.belief.give_up_held(reason) {
            return false;
        }
        self.stop_all();
        true
    }

    // ---- failures ----------------------------------------------------------------------------------------------

    pub(super) fn failed(&mut self, why: Trouble, retry_after_ms: Option<u64>) {
        let held = self.files.held();
        self.manner.failed(held);
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
        let plainest = (held == 0 || ranges_suspect) && !self.manner.asks_whole() && self.serves_whole();
        if plainest && self.retry.is_used_up() {
            self.manner.last_resort();
            self.stop_all();
        }
    }

    /// Why a reply that was not whole did not help: where versions are shown in turn, that is the trouble.
    pub(super) fn in_vain(&self) -> Option<Trouble> {
        self.belief.is_alternating().then_some(Trouble::Reply(Suspicion::Alternating))
    }
}
