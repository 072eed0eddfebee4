//! How the source is asked: with a range or for the whole, with which conditions, over how many connections.
//!
//! It begins with all that a download would like to send, and only ever does without something, since a server or a
//! host on the way may take offence at it ([`Manner::plainer`]).

use super::line::LineStream;
use super::step::Plainer;

/// How the next request may be made.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    whole: bool,
    /// Ranges were of no use, also where the object has bytes in them.
    ranges_refused: bool,
    /// The whole was the last try's way, and is not known to have helped.
    whole_at_last: bool,
    /// The first piece cannot be joined with others: ask to the end.
    open_ended: bool,
    one_at_a_time: bool,
    without_our_condition: bool,
    without_callers_condition: bool,
}

impl Manner {
    /// No range is sent: the whole object is asked for.
    pub(super) fn asks_whole(&self) -> bool {
        self.whole
    }

    /// The first request has no end, although others might follow.
    pub(super) fn is_open_ended(&self) -> bool {
        self.open_ended
    }

    /// Only one request may be under way.
    pub(super) fn is_one_at_a_time(&self) -> bool {
        self.one_at_a_time || self.whole
    }

    /// Requests for more of what is held say of which version it has to be.
    pub(super) fn sends_our_condition(&self) -> bool {
        !self.without_our_condition
    }

    /// Requests that ask which version there is carry the caller's conditions.
    pub(super) fn sends_callers_condition(&self) -> bool {
        !self.without_callers_condition
    }

    // ---- doing without -----------------------------------------------------------------------------------------

    /// A range was of no use for this request.
    pub(super) fn ask_whole(&mut self) {
        self.whole = true;
    }

    /// The refusal of a range was about the request before; what was learned of ranges in general stays.
    pub(super) fn ask_ranges_again(&mut self) {
        self.whole = self.ranges_refused;
    }

    pub(super) fn ask_open_ended(&mut self) {
        self.open_ended = true;
    }

    pub(super) fn ask_one_at_a_time(&mut self) {
        self.one_at_a_time = true;
    }

    pub(super) fn drop_our_condition(&mut self) {
        self.without_our_condition = true;
    }

    pub(super) fn drop_callers_condition(&mut self) {
        self.without_callers_condition = true;
    }

    /// From now on it is asked with less than this request had: first without the caller's condition, which is looked
    /// at here as well, then without ours, whose validator is compared in any case, then without a range, as those ask
    /// who never resume, where the whole is `of_use`. `None`: it was the plainest request.
    pub(super) fn plainer(&mut self, request: &LineStream, of_use: bool) -> Option<Plainer> {
        if request.wished && !self.without_callers_condition {
            self.without_callers_condition = true;
            Some(Plainer::Condition)
        } else if request.asked.conditional && !self.without_our_condition {
            self.without_our_condition = true;
            Some(Plainer::Condition)
        } else if request.asked.ranged && !self.whole && of_use {
            (self.whole, self.ranges_refused) = (true, true);
            Some(Plainer::Range)
        } else {
            None
        }
    }

    /// The last try is made without a range: some servers answer every range with an error of theirs, or with no bytes.
    pub(super) fn last_resort(&mut self) {
        (self.whole, self.ranges_refused, self.whole_at_last) = (true, true, true);
    }

    /// A failure, with so many bytes held. When the last resort has brought bytes, it worked, and may have been chance:
    /// ranges are asked for again.
    pub(super) fn failed(&mut self, held: u64) {
        if std::mem::take(&mut self.whole_at_last) && held > 0 {
            (self.whole, self.ranges_refused) = (false, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_resort_is_left_when_it_brought_bytes() {
        let mut manner = Manner::default();
        manner.last_resort();
        manner.failed(0);
        assert!(manner.asks_whole(), "it is not known to have helped");
        manner.last_resort();
        manner.failed(1);
        assert!(!manner.asks_whole());
        manner.failed(1);
        assert!(!manner.asks_whole());
    }

    #[test]
    fn a_range_refused_once_is_asked_for_again() {
        let mut manner = Manner::default();
        manner.ask_whole();
        assert!(manner.is_one_at_a_time());
        manner.ask_ranges_again();
        assert!(!manner.asks_whole() && !manner.is_one_at_a_time());
        manner.last_resort();
        manner.ask_ranges_again();
        assert!(manner.asks_whole(), "ranges are of no use at all");
    }
}
