//! Replies are heard: what a head is worth, and how its bytes join what is held.

use super::Download;
use super::job::{Job, KeepJob};
use super::journal::Record;
use super::line::{BodySpan, Flow};
use super::restart::Restart;
use super::step::{Failure, Heard, Note, Trouble, Verified};
use super::wrong::Mismatch;
use crate::identity::{Identity, Likeness};
use crate::names;
use crate::ranges::Range;
use crate::reply::{ContentRange, Framing, ReplyFacts, ReplyVerdict as Reply, Suspicion, differs_but_for_encoding};
use crate::run::no_answer;

impl Download {
    /// Whether the question which version there is may be asked now: no stream may still write.
    pub(super) fn may_probe(&self) -> bool {
        self.line.is_empty()
    }

    pub(super) fn is_voiding(&self) -> bool {
        self.run.any(Job::is_void)
    }

    pub(super) fn stop_all(&mut self) {
        self.line.stop_all(&mut self.run);
    }

    pub(super) fn stop(&mut self, i: usize) {
        self.line.stop(i, &mut self.run);
    }

    pub(super) fn hear_stream(&mut self, i: usize, heard: Heard) {
        match heard {
            Heard::Head(facts) if self.line.stream(i).flow == Flow::Asked => self.hear_head(i, &facts),
            Heard::Wrote(extent) => {
                if !self.files.is_beginning() && self.line.wrote(i, self.run.now(), extent) {
                    self.wrote(extent);
                }
            }
            Heard::Narrowed { end } => self.line.narrowed(i, end, &mut self.run),
            Heard::Passed(extent) => self.passed(i, extent),
            Heard::Ended { end, at } => {
                let stream = self.line.ended(i);
                self.hear_end(stream, end, at);
            }
            Heard::Head(_) => {} // it was told to stop meanwhile
            Heard::Done
            | Heard::Failed(_)
            | Heard::Opened(_)
            | Heard::Checked { .. }
            | Heard::Adopted { .. }
            | Heard::Digested(_)
            | Heard::TargetDigested { .. }
            | Heard::Facts(_) => no_answer("a request"),
        }
    }

    fn hear_head(&mut self, i: usize, facts: &ReplyFacts) {
        let mut facts = facts.clone();
        if self.config.ignore_declared {
            facts.identity.digests.clear();
        }
        let facts = &facts;
        let asked = self.line.stream(i).asked;
        let probe = self.line.stream(i).probe;
        let close_framed = facts.framing == Framing::Close;
        let led_away = facts.suggested_name.is_none()
            && facts.led_to.is_some_and(|ending| ending != names::ending_of_no_page(&self.config.wanted_name));
        self.line.tell_framing(i, close_framed, led_away);
        self.line.head_came(i, self.run.now(), facts.round_trip_ms);
        if self.phase.is_ending() || self.disk.has_lost_unsynced() {
            return self.stop(i);
        }
        if self.heard_refusal(i, facts) {
            return;
        }
        let recorded = match (self.files.finished(), self.files.current()) {
            (Some(identity), _) => Some(identity),
            (None, Some(g)) if !probe => Some(&g.begin.identity),
            _ => None,
        };
        let mut verdict = self.judge(asked, recorded, facts);
        if let Reply::Use { likeness, identity, .. } = &mut verdict
            && let Some(g) = self.files.current()
            && recorded.is_none()
        {
            *likeness = g.begin.identity.compare(identity);
        }
        if matches!(verdict, Reply::Use { .. } | Reply::Empty { .. }) {
            self.belief.serves();
        }
        if self.files.finished().is_some() {
            return self.hear_about_finished(i, verdict, facts);
        }
        if self.asks_about_whole() {
            return self.hear_about_whole(i, verdict, facts);
        }
        match verdict {
            Reply::Use { whole: true, identity, .. }
                if recorded.is_none() && self.belief.contradicts_told(&identity) =>
            {
                self.suspect(i, Suspicion::LengthContradiction);
            }
            Reply::Use { identity, likeness, body_start, body_end, skip, whole } => {
                self.use_reply(i, identity, likeness, BodySpan { start: body_start, end: body_end, skip, whole });
            }
            Reply::Empty { identity } => self.hear_empty(i, identity),
            Reply::EndsAt(end) => self.hear_ends_at(i, end),
            Reply::Changed => {
                self.belief.changed(facts.status == 412);
                self.changed();
            }
            Reply::Outside(length) => self.fail(Failure::Outside { length }),
            Reply::Suspect(Suspicion::LengthUntold) if asked.end.is_some() && !self.manner.is_open_ended() => {
                // A reply that reaches the end of what is wanted may do without.
                self.manner.ask_open_ended();
                self.stop(i);
            }
            Reply::Suspect(why) => {
                if let ContentRange::Bytes { total, .. } = facts.content_range {
                    self.belief.tell(Identity { length: total, ..facts.identity.clone() });
                }
                self.suspect(i, why);
            }
            Reply::AskWhole if self.manner.asks_whole() => self.suspect(i, Suspicion::BadContentRange),
            Reply::AskWhole if facts.status == 416 && self.refuses_one_more(i, Trouble::Busy(416)) => self.stop(i),
            Reply::AskWhole => {
                self.manner.ask_whole();
                self.stop_all();
            }
            Reply::Busy { status, retry_after_ms } => {
                self.stop(i);
                if !self.refused_one_more(self.line.stream(i).ticket, Trouble::Busy(status), retry_after_ms) {
                    self.failed(Trouble::Busy(status), retry_after_ms);
                }
            }
            Reply::NotFound(_) | Reply::Denied(_) | Reply::Refused(_) => self.hear_no(i, &verdict, facts),
        }
    }

    /// A refusal that is not for a while.
    pub(super) fn hear_no(&mut self, i: usize, verdict: &Reply, facts: &ReplyFacts) {
        let status = facts.status;
        if self.refuses_one_more(i, Trouble::Busy(status)) {
            return self.stop(i);
        }
        let failure = match verdict {
            Reply::NotFound(_) => Failure::NotFound(status),
            Reply::Denied(_) => self.denied(status),
            _ => Failure::ServerRefused(status),
        };
        match Self::is_plain_refusal(status, facts.expired) {
            true => self.fail(failure),
            false => self.refused(i, status, failure),
        }
    }

    /// A refusal with `status` of who asks, or of the link that was asked with.
    fn denied(&self, status: u16) -> Failure {
        let now_s = self.config.began_s.saturating_add(i64::try_from(self.run.now() / 1000).unwrap_or(i64::MAX));
        let end = self.config.link.and_then(|link| link.refused(status, now_s, self.belief.served()));
        end.map_or(Failure::Denied(status), |why| Failure::NeedsLink { status, why })
    }

    /// The target holds the finished object of this source: is it still the same one?
    fn hear_about_finished(&mut self, i: usize, verdict: Reply, facts: &ReplyFacts) {
        let Some(identity) = self.files.finished().cloned() else { return };
        self.stop(i);
        let same = match verdict {
            Reply::Use { likeness, identity: now, .. } => {
                likeness == Likeness::Same
                    || (likeness == Likeness::Unknown && now.digests.iter().any(|d| identity.digests.contains(d)))
            }
            Reply::Empty { .. } => identity.length == Some(0),
            Reply::Busy { status, retry_after_ms } => {
                return self.failed(Trouble::Busy(status), retry_after_ms);
            }
            Reply::NotFound(_) | Reply::Denied(_) | Reply::Refused(_) => return self.hear_no(i, &verdict, facts),
            Reply::Outside(length) => return self.fail(Failure::Outside { length }),
            Reply::Suspect(why) => return self.suspect(i, why),
            // Stores and servers that refuse a range of an empty object without a word about it.
            Reply::AskWhole if !self.manner.asks_whole() => {
                self.manner.ask_whole();
                return;
            }
            Reply::Changed | Reply::AskWhole | Reply::EndsAt(_) => false,
        };
        self.files.set_finished(None);
        self.manner.ask_ranges_again(); // of an object without bytes no range can be served
        if !same {
            return self.replace_finished(Restart::Changed);
        }
        if !self.is_wanted(&identity) {
            return;
        }
        if let Some(Mismatch { expected, actual, declared }) = self.recognition.differs.take() {
            return self.fail(Failure::Integrity { expected, actual, declared });
        }
        self.phase.confirm();
        let verified = if identity.is_strong() { Verified::Validator } else { Verified::Length };
        self.already_there(identity.length.unwrap_or(0), verified);
    }

    /// Our own finished file is replaced when the new version is whole, not before.
    pub(super) fn replace_finished(&mut self, reason: Restart) {
        self.files.set_finished(None);
        self.files.may_replace_target();
        self.belief.ask_version();
        self.note(Note::Restarted { reason, discarded: 0 });
    }

    fn use_reply(&mut self, i: usize, identity: Identity, likeness: Likeness, body: BodySpan) {
        let Some(g) = self.files.current() else {
            if self.is_page_in_place(i, &identity) {
                return self.suspect(i, Suspicion::Html);
            }
            return self.begin_with(i, identity, body, self.at_start.restart);
        };
        let known = &g.begin.identity;
        // Bytes held behind the end that is told now are of another object, or the validator lied.
        let held_to = g.held.list().last().map_or(0, |k| k.extent.end());
        let likeness = match identity.length {
            // Once: what is held does not count any more then, and this reply may begin anew.
            Some(length) if held_to > length && likeness == Likeness::Same => {
                if !self.belief.is_refuted(g.begin.generation) {
                    return self.contradicted();
                }
                likeness
            }
            Some(length) if held_to > length => Likeness::Different,
            _ => likeness,
        };
        // HTML where there was none, or an empty object where there was none, is more likely a portal than a new
        // version.
        let vouched = likeness == Likeness::Same || (likeness == Likeness::Different && identity.is_strong());
        if identity.html && !known.html && !vouched {
            return self.suspect(i, Suspicion::Html);
        }
        if let Some(reason) = self.belief.may_begin_anew(known, &identity, likeness) {
            return self.begin_with(i, identity, body, Some(reason));
        }
        if self.joinable(g) && identity.encoding != known.encoding && !differs_but_for_encoding(known, &identity) {
            return self.suspect(i, Suspicion::Encoded);
        }
        if known.is_strong() && likeness == Likeness::Different && !identity.is_strong() && !self.belief.is_one_reply()
        {
            return self.suspect(i, Suspicion::NoValidator);
        }
        if !self.joinable(g) {
            let reason = self.belief.why_not_joined(known, likeness);
            return self.begin_with(i, identity, body, Some(reason));
        }
        match likeness {
            Likeness::Same => {
                if self.belief.is_same() {
                    self.manner.drop_our_condition();
                }
                self.join(i, identity, body);
            }
            Likeness::Unknown if !g.begin.identity.is_strong() => {
                self.join(i, identity, body); // a digest decides
            }
            Likeness::Unknown => self.suspect(i, Suspicion::NoValidator),
            Likeness::Different if self.line.stream(i).probe => {
                self.begin_with(i, identity, body, Some(Restart::Changed));
            }
            Likeness::Different => self.changed(),
        }
    }

    fn hear_empty(&mut self, i: usize, identity: Identity) {
        let identity = Identity { length: Some(0), ..identity };
        if let Some(g) = self.files.current()
            && (g.begin.identity.length != Some(0) || self.belief.is_refuted(g.begin.generation))
            && !identity.is_strong()
            && identity.digests.is_empty()
        {
            return self.suspect(i, Suspicion::Empty);
        }
        let likeness = self.files.current().map_or(Likeness::Unknown, |g| g.begin.identity.compare(&identity));
        if likeness == Likeness::Different && !self.line.stream(i).probe {
            return self.changed();
        }
        let reason = self.files.current().map(|_| Restart::Changed);
        self.begin_with(
            i,
            identity,
            BodySpan { start: 0, end: Some(0), skip: 0, whole: true },
            reason.or(self.at_start.restart),
        );
    }

    /// The length was unknown, and what was asked for lies behind the end.
    fn hear_ends_at(&mut self, i: usize, end: u64) {
        self.stop(i);
        match self.files.current() {
            Some(g) if g.held.covers(end) && g.held.total() == end => self.length_known(end),
            _ => self.changed(),
        }
    }

    pub(super) fn length_known(&mut self, length: u64) {
        if let Some(generation) = self.files.length_known(length) {
            self.record(KeepJob::LengthKnown, vec![Record::Length { generation, length }], false);
        }
    }

    /// The bytes of this reply belong to what is held: let them flow.
    fn join(&mut self, i: usize, identity: Identity, body: BodySpan) {
        if self.line.stream(i).probe && !self.is_wanted(&identity) || !self.line.is_wanted(i, self.run.now()) {
            return self.stop(i);
        }
        self.whole_is_back();
        let alone = self.line.len() == 1;
        let voiding = self.run.any(Job::is_void);
        if body.whole && (!alone || voiding) {
            // One reply that carries everything would write where others do, or where a claim is not voided yet (law
            // 2): it waits for its turn.
            self.manner.ask_one_at_a_time();
            self.line.distrust_connection(true);
            return self.stop(i);
        }
        let doubted = self.belief.shown_again();
        if doubted != Some(false) {
            self.manner.ask_one_at_a_time();
        }
        if doubted.is_none() {
            return self.stop(i);
        }
        if doubted == Some(true) {
            let missing = self.files.current().and_then(|g| g.held.gaps(u64::MAX).next());
            if !body.whole && missing.is_none_or(|gap| gap.start > self.config.first_len / 2) {
                // It was asked from the start to learn the version; what is missing is asked for by itself.
                return self.stop(i);
            }
        }
        self.belief.is_of_use();
        if let Some(length) = identity.length {
            self.length_known(length);
        }
        self.files.digests_told(identity.digests);
        let Some(g) = self.files.current() else { return };
        let length = g.begin.identity.length;
        let mine = self.line.stream(i).range;
        let start = if body.whole { 0 } else { mine.start };
        let ends = [body.end, length, (!body.whole).then_some(mine.end)];
        let end = ends.into_iter().flatten().min().unwrap_or(u64::MAX);
        self.line.take(i, body, Range::new(start, end));
        self.settle_takeovers();
    }
}
