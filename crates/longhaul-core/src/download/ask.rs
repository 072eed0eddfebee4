//! Which request is sent next, and what follows when one more is refused.

use super::Download;
use super::job::Job;
use super::line::{NextRequest, OneMore};
use super::step::{Fetch, Note, Step, Trouble};
use super::window::ObjectSpan;
use crate::reply::RangeRequest;
use crate::words::Ticket;

impl Download {
    /// Sends as many requests as may be under way now.
    pub(super) fn fetch_more(&mut self) {
        if self.is_voiding() || self.files.is_beginning() || self.run.now() < self.retry.not_before {
            return;
        }
        while let Some(next) = self.next_request() {
            let condition = match (self.files.current(), self.files.finished()) {
                _ if next.probe || !self.manner.sends_our_condition() || self.asks_about_whole() => None,
                (_, Some(identity)) => identity.strong(),
                (Some(g), _) => g.begin.identity.strong(),
                (None, None) => None,
            };
            let asked = RangeRequest { conditional: condition.is_some(), ..next.asked };
            let fresh_connection = self.line.takes_fresh_connection();
            let ObjectSpan { start, end, last } = self.place(&asked, next.probe);
            let only_if = self.wish(next.probe);
            let wished = only_if.is_some();
            let fetch = Fetch { start, end, last, ranged: asked.ranged, condition, fresh_connection, only_if };
            self.law(2, !self.is_voiding(), "bytes are fetched again before their claim is voided");
            let ticket = self.run.order(Step::Fetch(fetch));
            self.law(3, self.line.streams().all(|s| s.ticket < ticket), "a ticket was used twice");
            self.line.sent(self.run.now(), ticket, NextRequest { asked, ..next }, fresh_connection, wished);
        }
    }

    /// What to ask next, if anything.
    fn next_request(&mut self) -> Option<NextRequest> {
        let ranged = !self.manner.asks_whole();
        let ask = |start, end| RangeRequest { start, end, ranged, conditional: false };
        let next = |asked, probe| NextRequest { asked, probe, hedges: None };
        if self.files.finished().is_some() {
            return self.line.is_empty().then(|| next(ask(0, Some(1)), false));
        }
        if self.asks_about_whole() {
            return self.line.is_empty().then(|| next(ask(0, Some(1)), false));
        }
        let probing =
            self.belief.asks_version() || self.files.current().is_none_or(|g| !self.joinable(g) || self.is_unwanted(g));
        if probing {
            // Where several follow at once, the first one asks for a piece: what comes after it is divided when the
            // length is known, and no stream has to be cut short for that.
            let several = self.line.may_share() && !self.line.begins_open_ended() && self.files.current().is_none();
            let piece = several && ranged && !self.manner.is_open_ended() && !self.begins_with_last();
            let end = piece.then_some(self.config.first_len.max(1));
            return self.may_probe().then(|| next(ask(0, end), true));
        }
        let g = self.files.current()?;
        let alone = self.manner.is_one_at_a_time() || g.begin.identity.length.is_none();
        let allowed = if alone { 1 } else { self.line.allowed() as usize };
        if self.line.len() >= allowed {
            return None;
        }
        if self.manner.asks_whole() {
            return Some(next(ask(0, None), false));
        }
        let end = g.begin.identity.length.unwrap_or(u64::MAX);
        if let Some(gap) = g.held.gaps(end).find_map(|gap| self.line.unreserved(gap)) {
            // Alone, a connection runs open-ended, unless bytes that are held already lie before the end.
            let piece = (allowed > 1).then(|| self.line.piece(self.run.now(), g, gap, end));
            let bound = piece.or((gap.end < end).then_some(gap.end));
            return Some(next(ask(gap.start, self.within_piece(gap.start, bound)), false));
        }
        if alone || self.disk.is_throttled() || self.line.is_empty() {
            return None;
        }
        let (range, hedges) = self.line.take_over(self.run.now(), g)?;
        Some(NextRequest { asked: ask(range.start, Some(range.end)), probe: false, hedges })
    }

    /// The heads of replies are here and their bytes are wanted: they flow as soon as no other stream writes there.
    pub(super) fn settle_takeovers(&mut self) {
        if self.run.any(Job::blocks_all) {
            return; // the files are changing places: into which one, is known when that is over
        }
        if let Some(g) = self.files.current() {
            self.line.settle(self.run.now(), g, &mut self.run);
        }
    }

    pub(super) fn look_at_pace(&mut self) {
        if let Some(g) = self.files.current() {
            self.line.look_at_pace(self.run.now(), g, self.disk.is_throttled(), &mut self.run);
        }
    }

    // ---- refusals of one more ----------------------------------------------------------------------------------

    /// A request failed before it brought anything. Whether it was one too many, while others are served: that is no
    /// failure of the transfer.
    pub(super) fn refused_one_more(&mut self, ticket: Ticket, why: Trouble, retry_after_ms: Option<u64>) -> bool {
        match self.line.one_more_failed(self.run.now(), ticket, &why, retry_after_ms) {
            OneMore::Alone => return false,
            OneMore::TooMany { fewer: Some((connections, lasting)) } => {
                self.note(Note::Limited { connections, why, lasting });
            }
            OneMore::TooMany { fewer: None } => {}
        }
        true
    }

    /// Request `i` is refused for good, or its reply is of no use. While another one is served that is no word about
    /// the object: servers, and hosts on the way, have their own way to say "no more of you". Nor is it one while
    /// another one waits for its head: the last refusal is believed.
    pub(super) fn refuses_one_more(&mut self, i: usize, why: Trouble) -> bool {
        let ticket = self.line.stream(i).ticket;
        self.refused_one_more(ticket, why, None) || self.line.makes_way(self.run.now(), ticket)
    }
}
