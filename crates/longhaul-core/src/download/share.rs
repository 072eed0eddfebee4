//! Who fetches what, when several connections bring one object.
//!
//! What nobody fetches is asked for in bounded pieces, so that connections are reused. When nothing is left over, an
//! idle connection *takes over* the larger half of what the slowest stream still has to bring; when that is too little
//! to be divided, all of it is asked for a second time (*hedged*), within a budget of bytes. The one taken from is left
//! alone until the head of the new reply is here: then it is drawn in ([`Step::Narrow`]), and the bytes flow from where
//! it really stopped. So a refusal costs nothing, whoever is faster wins, and no byte is written twice.

use super::step::{Fetch, Grant, Note, Step, Trouble};
use super::stream::Body;
use super::window::Place;
use super::{Download, Flow, Stream};
use crate::fault::Fault;
use crate::pace::{Meter, Seen};
use crate::ranges::Range;
use crate::reply::Asked;
use crate::words::{Extent, Millis, Ticket};

/// A bounded piece has at most four times the least length: longer ones are shared badly, shorter ones wait for the
/// next head more often.
const PIECE_LENGTHS: u64 = 4;
/// A second request for the same bytes is sent as long as not more than this share of the object, or one piece, is asked
/// for twice.
const HEDGED_SHARE: u64 = 50;
/// A stream is slow when it brings less than this share of what has been usual for one.
const SLOW_SHARE: u64 = 4;
/// While a connection is idle, somebody else's pace is looked at this often.
const LOOK_EVERY_MS: Millis = 250;

/// What to ask next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub(super) asked: Asked,
    /// It asks which version there is.
    pub(super) probe: bool,
    /// The stream whose whole rest it asks for a second time.
    pub(super) hedges: Option<Ticket>,
}

impl Stream {
    pub(super) fn new(now: Millis, ticket: Ticket, next: Next, asked: Asked, fresh: bool) -> Self {
        Self {
            ticket,
            asked,
            range: Range::new(asked.start, asked.end.unwrap_or(u64::MAX)),
            flow: Flow::Asked,
            body: None,
            whole: false,
            close_framed: false,
            led_away: false,
            gained: false,
            fresh,
            probe: next.probe,
            wished: false,
            asked_at: now,
            at: asked.start,
            meter: Meter::new(now),
            hedges: next.hedges,
            narrowing: false,
            narrowed: false,
            held: Vec::new(),
        }
    }

    /// What it still has to bring.
    fn rest(&self) -> Range {
        Range::new(self.at.max(self.range.start), self.range.end)
    }
}

impl Download {
    // ---- asking ------------------------------------------------------------------------------------------------

    /// Sends as many requests as may be under way now.
    pub(super) fn fetch_more(&mut self) {
        if self.is_voiding() || self.beginning.is_some() || self.run.now() < self.retry.not_before {
            return;
        }
        while let Some(next) = self.next_request() {
            let condition = match (&self.current, &self.finished) {
                _ if next.probe || self.conditions_off => None,
                (_, Some(identity)) => identity.strong(),
                (Some(g), _) => g.begin.identity.strong(),
                (None, None) => None,
            };
            let asked = Asked { conditional: condition.is_some(), ..next.asked };
            let fresh_connection = std::mem::take(&mut self.fresh_connection) || next.hedges.is_some();
            let Place { start, end, last } = self.place(&asked, next.probe);
            let only_if = self.wish(next.probe);
            let wished = only_if.is_some();
            let fetch = Fetch { start, end, last, ranged: asked.ranged, condition, fresh_connection, only_if };
            self.law(2, !self.is_voiding(), "bytes are fetched again before their claim is voided");
            let ticket = self.run.order(Step::Fetch(fetch));
            self.law(3, self.streams.iter().all(|s| s.ticket < ticket), "a ticket was used twice");
            if let (Some(_), Some(end)) = (next.hedges, asked.end) {
                self.hedged_bytes += end - asked.start;
            }
            let stream = Stream::new(self.run.now(), ticket, next, asked, fresh_connection);
            self.streams.push(Stream { wished, ..stream });
        }
    }

    /// What to ask next, if anything.
    fn next_request(&mut self) -> Option<Next> {
        let ranged = !self.ask_whole;
        let ask = |start, end| Asked { start, end, ranged, conditional: false };
        let next = |asked, probe| Next { asked, probe, hedges: None };
        if self.finished.is_some() {
            return self.streams.is_empty().then(|| next(ask(0, Some(1)), false));
        }
        let probing = self.probe_next || self.current.as_ref().is_none_or(|g| !self.joinable(g) || self.is_unwanted(g));
        if probing {
            // Where several may follow, the first one asks for as much as would not be divided: what comes after it is
            // divided when the length is known, and nobody has to be cut short for that.
            let piece =
                self.pace.several() && self.current.is_none() && ranged && !self.ask_open && !self.begins_with_last();
            let end = piece.then_some(2 * self.config.piece_min.max(1));
            return self.may_probe().then(|| next(ask(0, end), true));
        }
        let g = self.current.as_ref()?;
        let alone = self.single || self.ask_whole || g.begin.identity.length.is_none();
        let allowed = if alone { 1 } else { self.pace.allowed() as usize };
        if self.streams.len() >= allowed {
            return None;
        }
        if self.ask_whole {
            return Some(next(ask(0, None), false));
        }
        let end = g.begin.identity.length.unwrap_or(u64::MAX);
        if let Some(gap) = g.held.gaps(end).find_map(|gap| self.unreserved(gap)) {
            // Alone, a connection runs open-ended, unless bytes that are held already lie before the end.
            let piece = if allowed > 1 { Some(self.piece(gap, end, allowed as u64)) } else { None };
            let bound = piece.or((gap.end < end).then_some(gap.end));
            return Some(next(ask(gap.start, self.within_piece(gap.start, bound)), false));
        }
        if alone || self.disk.is_throttled() || self.streams.is_empty() {
            return None;
        }
        let taken = self.take_over();
        if taken.is_none() {
            self.look_again = Some(self.run.now().saturating_add(LOOK_EVERY_MS));
        }
        let (range, hedges) = taken?;
        Some(Next { asked: ask(range.start, Some(range.end)), probe: false, hedges })
    }

    /// Where a piece that begins at a gap ends.
    fn piece(&self, gap: Range, end: u64, connections: u64) -> u64 {
        let missing = end.saturating_sub(self.current.as_ref().map_or(0, |g| g.held.total()));
        let least = self.config.range_len.max(1);
        let share = missing.div_ceil(connections);
        // Plenty left: long pieces, but several for each connection. Little left: what there is, divided.
        let len = (share / 4).clamp(least, least.saturating_mul(PIECE_LENGTHS)).min(share.max(self.config.piece_min));
        let end = gap.start.saturating_add(len);
        // No crumbs, and no new extent in the middle of a block.
        if gap.end.saturating_sub(end) < self.config.piece_min / 2 { gap.end } else { self.align(end).min(gap.end) }
    }

    /// The next border of blocks.
    fn align(&self, offset: u64) -> u64 {
        let block = self.current.as_ref().map_or(1, |g| g.begin.block_len);
        offset.checked_next_multiple_of(block).unwrap_or(offset)
    }

    /// The first part of a gap that no stream is writing.
    fn unreserved(&self, gap: Range) -> Option<Range> {
        let mut start = gap.start;
        while let Some(s) = self.streams.iter().find(|s| s.range.start <= start && start < s.range.end) {
            start = s.range.end;
        }
        let next = self.streams.iter().map(|s| s.range.start).filter(|&s| s > start).min().unwrap_or(u64::MAX);
        let end = gap.end.min(next);
        (start < end).then_some(Range { start, end })
    }

    /// Everything is being fetched: which part of it would be here sooner if somebody else fetched it? Gives the stream
    /// as well, when it is all that this one still has to bring.
    fn take_over(&self) -> Option<(Range, Option<Ticket>)> {
        let rates: Vec<u64> = self.streams.iter().filter_map(|s| s.meter.rate(self.run.now())).collect();
        let usual = rates.iter().sum::<u64>() / (rates.len() as u64).max(1);
        let mut slowest: Option<(u64, &Stream, Range)> = None;
        for s in &self.streams {
            let given = self.streams.iter().any(|other| other.hedges == Some(s.ticket));
            if given || s.whole || s.probe && s.flow == Flow::Asked || s.flow == Flow::Stopping || s.narrowing {
                continue;
            }
            let mut rest = s.rest();
            // Where another request will take over from it already.
            for other in self.streams.iter().filter(|o| o.ticket != s.ticket && o.range.start > rest.start) {
                rest.end = rest.end.min(other.range.start);
            }
            if rest.is_empty() {
                continue;
            }
            let rate = s.meter.rate(self.run.now()).unwrap_or(usual);
            let time_ms = rest.len().saturating_mul(1000) / rate.max(1);
            if slowest.as_ref().is_none_or(|(longest, ..)| time_ms > *longest) {
                slowest = Some((time_ms, s, rest));
            }
        }
        let (time_ms, s, rest) = slowest?;
        let rate = s.meter.rate(self.run.now()).unwrap_or(usual);
        if rest.len() >= 2 * self.config.piece_min && time_ms > self.config.share_after_ms + 6 * self.latency_ms {
            // It keeps what it brings while the other one brings the rest, but not more than half.
            let keeps = (u128::from(rest.len()) * u128::from(rate) / u128::from((rate + usual).max(1))) as u64;
            let middle = self.align(rest.start + keeps.min(rest.len() / 2));
            let most = self.config.range_len.saturating_mul(PIECE_LENGTHS);
            let range = Range::new(middle, rest.end.min(middle.saturating_add(most)));
            if middle > rest.start && range.len() >= self.config.piece_min {
                return Some((range, None));
            }
        }
        let waits_ms = self.run.now().saturating_sub(s.asked_at);
        let budget = (self.current.as_ref()?.begin.identity.length? / HEDGED_SHARE).max(self.config.range_len);
        let patience_ms = self.config.hedge_after_ms.max(4 * self.latency_ms);
        let slow = rate < self.usual_rate / SLOW_SHARE || rate == 0;
        let hopeless = slow && time_ms > patience_ms && waits_ms > patience_ms;
        let affordable = self.hedged_bytes.saturating_add(rest.len()) <= budget;
        (hopeless && affordable && s.hedges.is_none()).then_some((rest, Some(s.ticket)))
    }

    // ---- taking over -------------------------------------------------------------------------------------------

    /// The head of a reply is here and its bytes are wanted: they flow as soon as nobody else writes there.
    pub(super) fn settle_takeovers(&mut self) {
        if self.run.any(|j| j.blocks_all()) {
            return; // the files are changing places: into which one, is known when that is over
        }
        for i in 0..self.streams.len() {
            if self.streams[i].flow == Flow::Taking && self.is_mine_now(i) {
                self.grant(i);
            }
        }
    }

    /// Draws in whoever else is to bring what stream `i` will bring; whether nobody is left.
    fn is_mine_now(&mut self, i: usize) -> bool {
        self.pass_held(i);
        let (mine, ticket, hedges) = (self.streams[i].range, self.streams[i].ticket, self.streams[i].hedges);
        let mut free = true;
        for j in 0..self.streams.len() {
            let other = &mut self.streams[j];
            // What begins later takes over from this one, in its turn.
            let later = other.range.start > mine.start && hedges != Some(other.ticket);
            if other.ticket == ticket || !other.range.overlaps(mine) || later {
                continue;
            }
            match other.flow {
                Flow::Flowing if other.narrowing => free = false,
                Flow::Flowing => {
                    other.narrowing = true;
                    let (ticket, end) = (other.ticket, mine.start);
                    self.run.act_on(ticket, Step::Narrow { end });
                    free = false;
                }
                // It may have been told to stop in the middle of a write.
                Flow::Stopping => free = false,
                Flow::Asked | Flow::Taking if hedges == Some(other.ticket) => {
                    self.stop(j);
                    free = false;
                }
                Flow::Asked | Flow::Taking if other.hedges == Some(ticket) => {} // whoever is first
                Flow::Asked | Flow::Taking => other.range = Range::new(other.range.start, mine.start),
                Flow::Waiting => free = false,
            }
        }
        free || self.planted(Fault::TakeoverNotAwaited)
    }

    /// What others brought meanwhile is read and dropped: stream `i` begins where the first byte is missing. Before it is
    /// compared with others, which are looked at the same way.
    fn pass_held(&mut self, i: usize) {
        let Some(g) = &self.current else { return };
        let stream = &mut self.streams[i];
        if stream.body.as_ref().is_some_and(|body| !body.whole) {
            let missing = g.held.gaps(stream.range.end).find(|gap| gap.end > stream.range.start);
            let start = missing.map_or(stream.range.end, |gap| gap.start.max(stream.range.start));
            stream.range = Range::new(start, stream.range.end);
        }
    }

    /// The stream stops at `end`, which may be later than asked for: it had written up to there.
    pub(super) fn hear_narrowed(&mut self, i: usize, end: u64) {
        let (ticket, range) = (self.streams[i].ticket, self.streams[i].range);
        self.streams[i].narrowing = false;
        self.streams[i].narrowed = true;
        let end = end.min(range.end);
        self.streams[i].range.end = end;
        let mut hedged = false;
        for other in self.streams.iter_mut().filter(|o| o.flow == Flow::Taking && o.ticket != ticket) {
            let hedges = other.hedges == Some(ticket);
            if (hedges || range.start <= other.range.start) && other.range.start < end {
                other.range = Range::new(end.min(other.range.end), other.range.end);
            }
            hedged |= hedges;
        }
        if hedged {
            self.stop(i); // nothing is left of it, and it may be waiting for bytes that never come
        }
    }

    /// Lets the accepted reply of stream `i`, whose range is its own now, flow into that.
    fn grant(&mut self, i: usize) {
        let Some(g) = &self.current else { return };
        let stream = &mut self.streams[i];
        let Some(body) = stream.body.take() else { return };
        if stream.range.is_empty() {
            return self.stop(i);
        }
        let range = stream.range;
        stream.at = range.start;
        stream.meter = Meter::new(self.run.now());
        let write_end = Some(range.end).filter(|&end| end != u64::MAX);
        // The stream before, if it is still there, may tell of the extent that ends here once more.
        let told = self.streams.iter().any(|s| s.range.end == range.start && s.flow != Flow::Asked);
        let continues = g
            .held
            .ending_at(range.start)
            .filter(|k| k.read && !told && !range.start.is_multiple_of(g.begin.block_len))
            .map(|k| k.extent)
            .filter(|e| e.start / g.begin.block_len == range.start / g.begin.block_len);
        let held: Vec<Extent> = g.held.list().iter().map(|k| k.extent).filter(|e| e.range().overlaps(range)).collect();
        let grant = Grant {
            slot: g.begin.slot,
            skip: body.skip,
            body_start: body.start,
            write_start: range.start,
            write_end,
            block_len: g.begin.block_len,
            continues,
            held: held.clone(),
        };
        self.streams[i].held = held;
        self.flow(i, grant);
    }

    // ---- how many ----------------------------------------------------------------------------------------------

    /// Shows what came to the pace.
    pub(super) fn look_at_pace(&mut self) {
        let Some(g) = &self.current else { return };
        let flowing = self.streams.iter().filter(|s| s.flow == Flow::Flowing).count();
        let in_flight = self.streams.iter().filter(|s| s.flow != Flow::Stopping).count();
        let rates = || self.streams.iter().filter_map(|s| s.meter.rate(self.run.now()));
        self.usual_rate = self.usual_rate.max(rates().sum::<u64>() / (rates().count() as u64).max(1));
        let seen = Seen {
            received: g.held.total(),
            missing: g.begin.identity.length.map_or(u64::MAX, |length| length.saturating_sub(g.held.total())),
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            flowing: u32::try_from(flowing).unwrap_or(u32::MAX),
            throttled: self.disk.is_throttled(),
            latency_ms: self.latency_ms,
        };
        self.pace.look(self.run.now(), seen);
    }

    /// A request failed before it brought anything. While others are served, that is no failure of the transfer: the
    /// server, or somebody on the way, allows no more of them. Whether it was so.
    pub(super) fn refused_one_more(&mut self, ticket: Ticket, why: Trouble, retry_after_ms: Option<u64>) -> bool {
        let others = || self.streams.iter().filter(|s| s.flow != Flow::Stopping && s.ticket != ticket);
        if !others().any(|s| s.flow == Flow::Flowing) {
            return false;
        }
        let serving = others().count(); // those that wait for their heads are not refused yet
        let before = self.pace.allowed();
        let connections = self.pace.refused(self.run.now(), u32::try_from(serving).unwrap_or(u32::MAX), retry_after_ms);
        if connections < before {
            let lasting = !matches!(why, Trouble::Busy(400..=407 | 409..=424 | 501 | 505) | Trouble::Reply(_));
            self.note(Note::Limited { connections, why, lasting });
        }
        true
    }

    /// Request `i` is refused for good, or its reply is of no use. While another one is served that is no word about the
    /// object: the server, or somebody on the way, has its own way to say "no more of you". Nor is it one while another
    /// one waits for its head: whichever is refused last is believed.
    pub(super) fn refuses_one_more(&mut self, i: usize, why: Trouble) -> bool {
        let ticket = self.streams[i].ticket;
        if self.planted(Fault::OneMoreRefusalBelieved) {
            return false;
        }
        if self.refused_one_more(ticket, why, None) {
            return true;
        }
        let waiting = self.streams.iter().filter(|s| s.flow != Flow::Stopping && s.ticket != ticket).count();
        if waiting > 0 {
            self.pace.refused(self.run.now(), u32::try_from(waiting).unwrap_or(u32::MAX), None);
        }
        waiting > 0
    }

    /// The head of a reply to stream `i` is here.
    pub(super) fn head_came(&mut self, i: usize) {
        let took = self.run.now().saturating_sub(self.streams[i].asked_at);
        self.latency_ms = if self.answered { self.latency_ms.min(took) } else { took };
        self.answered = true;
    }

    /// A reply is accepted: it takes over what it asked for, or what is left of that.
    pub(super) fn take(&mut self, i: usize, body: Body, range: Range) {
        let stream = &mut self.streams[i];
        stream.whole = body.whole;
        stream.range = range;
        stream.body = Some(body);
        stream.flow = Flow::Taking;
        self.settle_takeovers();
    }
}
