//! The line to the server: the requests under way, who brings what, and how fast.
//!
//! Bytes that no stream fetches are asked for in bounded pieces, so that connections are reused. When every missing
//! byte is being fetched, an idle connection *takes over* the larger half of what the slowest stream still has to
//! bring; when that is too little to be divided, all of it is asked for a second time (*hedged*), within a budget of
//! bytes. The slow stream is left alone until the head of the new reply is here: then the line draws it in
//! ([`Step::Narrow`]), and the new bytes flow from where it really stopped. So a refusal costs no byte, the faster
//! stream wins, and no byte is written twice.
//!
//! The line acts on its own streams only (`Stop`, `Narrow`, `Flow`). What a reply is worth is judged elsewhere.

mod pieces;
mod rests;

use super::config::Config;
use super::resume::Generation;
use super::step::{Grant, Step, Trouble};
use crate::pace::{ConnectionPace, Meter, PaceSample};
use crate::ranges::Range;
use crate::reply::RangeRequest;
use crate::run::Run;
use crate::words::{Extent, Millis, Ticket};

/// A bounded piece has at most four times the least length: longer ones are shared badly.
const PIECE_LENGTHS: u64 = 4;
/// With more than this share of the rate that is taken at most, the limit is what bounds.
const LIMITED_SHARE: u64 = 2;
/// What streams brought at their best is forgotten over this time.
const USUAL_MS: Millis = 8_000;
/// While a connection is idle, the line looks this often whether it could take over from a stream.
const LOOK_EVERY_MS: Millis = 250;

/// How a reply's body lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodySpan {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    /// Bytes that come before `start`, of no use.
    pub(super) skip: u64,
    pub(super) whole: bool,
}

/// What to ask next.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextRequest {
    pub(super) asked: RangeRequest,
    /// It asks which version there is.
    pub(super) probe: bool,
    /// The stream whose whole rest it asks for a second time.
    pub(super) hedges: Option<Ticket>,
}

/// What a stream is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// No head yet.
    Asked,
    /// A head is here, and the streams that wrote towards its range are being drawn in.
    Taking,
    /// A head is here and waits for a generation to begin.
    Waiting,
    /// Bytes flow.
    Flowing,
    /// Told to stop.
    Stopping,
}

/// One request and its reply. Other rooms only read it.
#[derive(Debug, Clone)]
pub(super) struct LineStream {
    pub(super) ticket: Ticket,
    pub(super) asked: RangeRequest,
    /// The bytes that are this stream's to write; no other stream asks for them.
    pub(super) range: Range,
    pub(super) flow: Flow,
    /// The accepted body, until it flows.
    body: Option<BodySpan>,
    pub(super) whole: bool,
    pub(super) close_framed: bool,
    /// A redirect led to another path, which ends otherwise, and no header says that a file comes from there.
    pub(super) led_away: bool,
    /// It brought bytes that were not held.
    pub(super) gained: bool,
    /// It was sent on a connection of its own.
    pub(super) fresh: bool,
    /// It asks which version there is now: its reply may begin a new generation.
    pub(super) probe: bool,
    /// The caller's conditions went with it.
    pub(super) wished: bool,
    /// Its head is to tell whether a queue stands before the line.
    sounds: bool,
    asked_at: Millis,
    /// Since when it was asked for, or flows.
    since: Millis,
    /// How long its head took, in milliseconds.
    took_ms: Millis,
    /// One past the last byte it told of.
    at: u64,
    meter: Meter,
    /// It was sent for what this other stream still has to bring.
    hedges: Option<Ticket>,
    narrowing: Narrowing,
    /// What it was told to pass over.
    held: Vec<Extent>,
}

/// Whether a stream is made to end earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Narrowing {
    No,
    /// It was told to end there, and has not said yet where it ends.
    Told(u64),
    Done,
}

impl LineStream {
    fn new(now: Millis, ticket: Ticket, next: NextRequest, fresh: bool, wished: bool) -> Self {
        Self {
            ticket,
            asked: next.asked,
            range: Range::new(next.asked.start, next.asked.end.unwrap_or(u64::MAX)),
            flow: Flow::Asked,
            body: None,
            whole: false,
            close_framed: false,
            led_away: false,
            gained: false,
            fresh,
            probe: next.probe,
            wished,
            sounds: false,
            asked_at: now,
            since: now,
            took_ms: 0,
            at: next.asked.start,
            meter: Meter::new(now),
            hedges: next.hedges,
            narrowing: Narrowing::No,
            held: Vec::new(),
        }
    }

    /// What it still has to bring.
    fn rest(&self) -> Range {
        Range::new(self.at.max(self.range.start), self.range.end)
    }

    /// It was made to end where it ended.
    pub(super) fn was_narrowed(&self) -> bool {
        self.narrowing == Narrowing::Done
    }

    /// The checksum that was known of an extent when the stream was told to pass over it.
    pub(super) fn crc_of_passed(&self, extent: Extent) -> Option<u64> {
        self.held.iter().find(|e| (e.start, e.len) == (extent.start, extent.len)).map(|e| e.crc)
    }
}

/// The requests under way and what is known of the connections.
#[derive(Debug, Clone)]
pub(super) struct ServerLine {
    range_len: u64,
    piece_min: u64,
    share_after_ms: Millis,
    hedge_after_ms: Millis,
    streams: Vec<LineStream>,
    pace: ConnectionPace,
    fresh_connection: bool,
    /// Connections that brought what was asked for to its end, and wait for the next request.
    idle: u32,
    /// The shortest time from a request to its head; `None` until a reply came in this run.
    round_trip_ms: Option<Millis>,
    /// The best that streams brought on average, in bytes per second.
    usual_rate: u64,
    usual_at: Millis,
    rate_max: u64,
    /// Bytes that were asked for a second time, because the stream that was asked first is slow.
    hedged_bytes: u64,
    look_again: Option<Millis>,
}

impl ServerLine {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            range_len: config.range_len.max(1),
            piece_min: config.piece_min,
            share_after_ms: config.share_after_ms,
            hedge_after_ms: config.hedge_after_ms,
            streams: Vec::new(),
            pace: ConnectionPace::new(config.connections, config.connections_known),
            fresh_connection: false,
            idle: 0,
            round_trip_ms: None,
            usual_rate: 0,
            usual_at: 0,
            rate_max: config.rate_max,
            hedged_bytes: 0,
            look_again: None,
        }
    }

    // ---- the streams -------------------------------------------------------------------------------------------

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = &LineStream> {
        self.streams.iter()
    }

    pub(super) fn stream(&self, i: usize) -> &LineStream {
        &self.streams[i]
    }

    /// The place in the line of the stream with this ticket.
    pub(super) fn find(&self, ticket: Ticket) -> Option<usize> {
        self.streams.iter().position(|s| s.ticket == ticket)
    }

    /// A request was sent, with a ticket that is later than all others.
    pub(super) fn sent(&mut self, now: Millis, ticket: Ticket, next: NextRequest, fresh: bool, wished: bool) {
        if let (Some(_), Some(end)) = (next.hedges, next.asked.end) {
            self.hedged_bytes += end - next.asked.start;
        }
        if !fresh {
            self.idle = self.idle.saturating_sub(1);
        }
        let sounds = self.pace.is_sounding() && !self.streams.iter().any(|s| s.sounds);
        self.streams.push(LineStream { sounds, ..LineStream::new(now, ticket, next, fresh, wished) });
    }

    /// The stream is over, and leaves the line.
    pub(super) fn ended(&mut self, i: usize) -> LineStream {
        self.streams.remove(i)
    }

    /// A body came to its end by itself: its connection may be used again.
    pub(super) fn connection_waits(&mut self) {
        self.idle = self.idle.saturating_add(1);
    }

    pub(super) fn stop<J>(&mut self, i: usize, run: &mut Run<Step, J>) {
        let stream = &mut self.streams[i];
        if stream.flow != Flow::Stopping {
            stream.flow = Flow::Stopping;
            run.act_on(stream.ticket, Step::Stop);
        }
    }

    pub(super) fn stop_all<J>(&mut self, run: &mut Run<Step, J>) {
        for i in 0..self.streams.len() {
            self.stop(i, run);
        }
    }

    // ---- what is heard of them ---------------------------------------------------------------------------------

    /// What the head of a reply tells of its body and of where it comes from.
    pub(super) fn tell_framing(&mut self, i: usize, close_framed: bool, led_away: bool) {
        (self.streams[i].close_framed, self.streams[i].led_away) = (close_framed, led_away);
    }

    /// The head of a reply is here; `took_ms` after the request went out on an open connection, where that is known.
    pub(super) fn head_came(&mut self, i: usize, now: Millis, took_ms: Option<Millis>) {
        let took = took_ms.unwrap_or(now.saturating_sub(self.streams[i].asked_at));
        let least = self.round_trip_ms.map_or(took, |least| least.min(took));
        (self.streams[i].took_ms, self.round_trip_ms) = (took, Some(least));
    }

    /// A reply would be of use. Whether it is wanted: it is not where it sounded the line, and a queue stands.
    pub(super) fn is_wanted(&mut self, i: usize, now: Millis) -> bool {
        let stream = &mut self.streams[i];
        let (sounds, took_ms) = (std::mem::take(&mut stream.sounds), stream.took_ms);
        !sounds || self.pace.sounded(now, took_ms, self.round_trip_ms.unwrap_or(0))
    }

    /// The stream wrote. Whether it may: it flows, or did when it was told to stop.
    pub(super) fn wrote(&mut self, i: usize, now: Millis, extent: Extent) -> bool {
        let stream = &mut self.streams[i];
        if !matches!(stream.flow, Flow::Flowing | Flow::Stopping) {
            return false;
        }
        stream.gained = true;
        stream.meter.came(now, extent.end().saturating_sub(stream.at.max(extent.start)));
        stream.at = stream.at.max(extent.end());
        true
    }

    /// The stream stops at `end`, which may be later than asked for: it had written up to there.
    pub(super) fn narrowed<J>(&mut self, i: usize, end: u64, run: &mut Run<Step, J>) {
        let stream = &mut self.streams[i];
        let (ticket, range) = (stream.ticket, stream.range);
        // Who begins before this asks for more, in its turn.
        let asked_for = match std::mem::replace(&mut stream.narrowing, Narrowing::Done) {
            Narrowing::Told(end) => end.max(range.start),
            Narrowing::No | Narrowing::Done => range.start,
        };
        let end = end.min(range.end);
        stream.range.end = end;
        let mut hedged = false;
        for other in self.streams.iter_mut().filter(|o| o.flow == Flow::Taking && o.ticket != ticket) {
            let hedges = other.hedges == Some(ticket);
            if (hedges || asked_for <= other.range.start) && other.range.start < end {
                other.range = Range::new(end.min(other.range.end), other.range.end);
            }
            hedged |= hedges;
        }
        if hedged {
            self.stop(i, run); // no byte of it is left to bring, and it may be waiting for bytes that never come
        }
    }

    // ---- asking ------------------------------------------------------------------------------------------------

    /// The next request goes over a connection of its own: the kept one may serve no more.
    pub(super) fn distrust_connection(&mut self, distrusted: bool) {
        self.fresh_connection = distrusted;
    }

    /// Whether the request that is sent now goes over a connection of its own.
    pub(super) fn takes_fresh_connection(&mut self) -> bool {
        std::mem::take(&mut self.fresh_connection)
    }

    /// Whether a reply came in this run: a connection may be kept.
    pub(super) fn was_answered(&self) -> bool {
        self.round_trip_ms.is_some()
    }

    /// Whether several connections may be used.
    pub(super) fn may_share(&self) -> bool {
        self.pace.several()
    }

    /// How many requests may be under way.
    pub(super) fn allowed(&self) -> u32 {
        self.pace.allowed()
    }

    /// When the line wants to be looked at again, because an idle connection may find something to do.
    pub(super) fn look_at(&self) -> Option<Millis> {
        self.look_again
    }

    /// Everything is looked at now.
    pub(super) fn looked_at(&mut self) {
        self.look_again = None;
    }

    /// Every missing byte is being fetched: which part of it would be here sooner if one more connection fetched it?
    /// Gives the stream as well, when it is all that this one still has to bring.
    pub(super) fn take_over(&mut self, now: Millis, g: &Generation) -> Option<(Range, Option<Ticket>)> {
        let taken = self.worth_taking(now, g);
        if taken.is_none() {
            self.look_again = Some(now.saturating_add(LOOK_EVERY_MS));
        }
        taken
    }

    // ---- flowing -----------------------------------------------------------------------------------------------

    /// A reply is accepted: it takes over what it asked for, or what is left of that. Its bytes flow when no other
    /// stream writes there ([`settle`](Self::settle)).
    pub(super) fn take(&mut self, i: usize, body: BodySpan, range: Range) {
        let stream = &mut self.streams[i];
        stream.whole = body.whole;
        stream.range = range;
        stream.body = Some(body);
        stream.flow = Flow::Taking;
    }

    /// A reply is accepted, and waits for its generation to begin.
    pub(super) fn wait(&mut self, i: usize) {
        self.streams[i].flow = Flow::Waiting;
    }

    /// The generation of a waiting reply has begun: all of its body flows into the file.
    pub(super) fn flow_from_the_start<J>(
        &mut self,
        i: usize,
        now: Millis,
        g: &Generation,
        body: BodySpan,
        run: &mut Run<Step, J>,
    ) {
        let stream = &mut self.streams[i];
        stream.whole = body.whole;
        stream.range = Range::new(0, body.end.unwrap_or(u64::MAX));
        (stream.meter, stream.since) = (Meter::new(now), now);
        stream.flow = Flow::Flowing;
        let grant = Grant {
            slot: g.begin.slot,
            skip: body.skip,
            body_start: 0,
            write_start: 0,
            write_end: body.end,
            block_len: g.begin.block_len,
            continues: None,
            held: Vec::new(),
        };
        run.act_on(stream.ticket, Step::Flow(grant));
    }

    /// Draws in the streams that write where accepted replies shall, and lets flow what no other stream is in the way
    /// of.
    pub(super) fn settle<J>(&mut self, now: Millis, g: &Generation, run: &mut Run<Step, J>) {
        for i in 0..self.streams.len() {
            if self.streams[i].flow == Flow::Taking && self.draw_in_others(i, g, run) {
                self.grant(i, now, g, run);
            }
        }
    }

    /// Draws in the other streams that are to bring what stream `i` will bring; whether none of them is left.
    fn draw_in_others<J>(&mut self, i: usize, g: &Generation, run: &mut Run<Step, J>) -> bool {
        self.pass_held(i, g);
        let (mine, ticket, hedges) = (self.streams[i].range, self.streams[i].ticket, self.streams[i].hedges);
        let mut free = true;
        for j in 0..self.streams.len() {
            let other = &mut self.streams[j];
            // A stream that begins later takes over from this one, in its turn.
            let later = other.range.start > mine.start && hedges != Some(other.ticket);
            if other.ticket == ticket || !other.range.overlaps(mine) || later {
                continue;
            }
            match other.flow {
                Flow::Flowing => {
                    if !matches!(other.narrowing, Narrowing::Told(_)) {
                        other.narrowing = Narrowing::Told(mine.start);
                        run.act_on(other.ticket, Step::Narrow { end: mine.start });
                    }
                    free = false;
                }
                // It may have been told to stop in the middle of a write.
                Flow::Stopping => free = false,
                Flow::Asked | Flow::Taking if hedges == Some(other.ticket) => {
                    self.stop(j, run);
                    free = false;
                }
                Flow::Asked | Flow::Taking if other.hedges == Some(ticket) => {} // the first of the two wins
                Flow::Asked | Flow::Taking => other.range = Range::new(other.range.start, mine.start),
                Flow::Waiting => free = false,
            }
        }
        free
    }

    /// What others brought meanwhile is read and dropped: stream `i` begins where the first byte is missing. Before it
    /// is compared with others, which are looked at the same way.
    fn pass_held(&mut self, i: usize, g: &Generation) {
        let stream = &mut self.streams[i];
        if stream.body.as_ref().is_some_and(|body| !body.whole) {
            let missing = g.held.gaps(stream.range.end).find(|gap| gap.end > stream.range.start);
            let start = missing.map_or(stream.range.end, |gap| gap.start.max(stream.range.start));
            stream.range = Range::new(start, stream.range.end);
        }
    }

    /// Lets the accepted reply of stream `i`, whose range is its own now, flow into that.
    fn grant<J>(&mut self, i: usize, now: Millis, g: &Generation, run: &mut Run<Step, J>) {
        let range = self.streams[i].range;
        // The stream before, if it is still there, may tell of the extent that ends here once more.
        let told = self.streams.iter().any(|s| s.range.end == range.start && s.flow != Flow::Asked);
        let stream = &mut self.streams[i];
        let Some(body) = stream.body.take() else { return };
        if range.is_empty() {
            return self.stop(i, run);
        }
        stream.at = range.start;
        (stream.meter, stream.since) = (Meter::new(now), now);
        let continues = g
            .held
            .ending_at(range.start)
            .filter(|k| k.read && !told && !range.start.is_multiple_of(g.begin.block_len))
            .map(|k| k.extent)
            .filter(|e| e.start / g.begin.block_len == range.start / g.begin.block_len);
        stream.held = g.held.list().iter().map(|k| k.extent).filter(|e| e.range().overlaps(range)).collect();
        stream.flow = Flow::Flowing;
        let grant = Grant {
            slot: g.begin.slot,
            skip: body.skip,
            body_start: body.start,
            write_start: range.start,
            write_end: Some(range.end).filter(|&end| end != u64::MAX),
            block_len: g.begin.block_len,
            continues,
            held: stream.held.clone(),
        };
        run.act_on(stream.ticket, Step::Flow(grant));
    }

    // ---- how many ----------------------------------------------------------------------------------------------

    /// Whether the first request has no end: it is drawn in when others take over.
    pub(super) fn begins_open_ended(&self) -> bool {
        self.pace.is_auto()
    }

    /// Shows what came to the pace. What does not pay is shed.
    pub(super) fn look_at_pace<J>(&mut self, now: Millis, g: &Generation, throttled: bool, run: &mut Run<Step, J>) {
        let flowing = self.streams.iter().filter(|s| s.flow == Flow::Flowing).count();
        let in_flight = self.streams.iter().filter(|s| s.flow != Flow::Stopping).count();
        let mean = self.mean_rate(now);
        let fades = self.usual_rate.saturating_sub(mean) * now.saturating_sub(self.usual_at).min(USUAL_MS) / USUAL_MS;
        if mean > self.usual_rate || fades > 0 {
            (self.usual_rate, self.usual_at) = (mean.max(self.usual_rate - fades), now);
        }
        let seen = PaceSample {
            received: g.held.total(),
            missing: g.begin.identity.length.map_or(u64::MAX, |length| length.saturating_sub(g.held.total())),
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            flowing: u32::try_from(flowing).unwrap_or(u32::MAX),
            throttled: throttled || self.is_limited(now),
            latency_ms: self.round_trip_ms.unwrap_or(0),
            eldest_rate: self.eldest_rate(now),
        };
        self.pace.look(now, seen);
        if self.pace.takes_shedding() {
            self.shed(now, run);
        }
    }

    /// What each request under way still has to bring.
    pub(super) fn under_way(&self) -> impl Iterator<Item = Range> + '_ {
        self.streams.iter().filter(|stream| stream.flow != Flow::Stopping).map(LineStream::rest)
    }

    /// So much is taken from now on, in bytes per second; 0: all that comes.
    pub(super) fn limited_to(&mut self, bytes_per_s: u64) {
        self.rate_max = bytes_per_s;
    }

    /// What the stream brings that flows and was asked for before all others.
    fn eldest_rate(&self, now: Millis) -> u64 {
        let eldest = self.streams.iter().filter(|s| s.flow == Flow::Flowing).min_by_key(|s| s.ticket);
        eldest.and_then(|s| s.meter.rate(now)).unwrap_or(0)
    }

    /// What comes is most of what is taken: more connections would not bring more.
    fn is_limited(&self, now: Millis) -> bool {
        let rates = self.streams.iter().filter_map(|s| s.meter.rate(now));
        self.rate_max > 0 && rates.sum::<u64>() > self.rate_max / LIMITED_SHARE
    }

    /// Stops what is under way beyond the number that is wanted, those first that bring least.
    fn shed<J>(&mut self, now: Millis, run: &mut Run<Step, J>) {
        let live = |s: &LineStream| s.flow != Flow::Stopping;
        while self.streams.iter().filter(|s| live(s)).count() > self.pace.allowed() as usize {
            let least = |(_, s): &(usize, &LineStream)| (s.meter.rate(now).unwrap_or(0), std::cmp::Reverse(s.ticket));
            let surplus = self.streams.iter().enumerate().filter(|(_, s)| live(s)).min_by_key(least);
            let Some((i, _)) = surplus else { return };
            self.stop(i, run);
        }
    }

    /// The request with this ticket failed before it brought anything. While others are served, that is no failure of
    /// the transfer: the server, or a host on the way, allows no more of them.
    pub(super) fn one_more_failed(
        &mut self,
        now: Millis,
        ticket: Ticket,
        why: &Trouble,
        retry_after_ms: Option<u64>,
    ) -> OneMore {
        let others = || self.streams.iter().filter(|s| s.flow != Flow::Stopping && s.ticket != ticket);
        if !others().any(|s| s.flow == Flow::Flowing) {
            return OneMore::Alone;
        }
        let serving = others().count(); // those that wait for their heads are not refused yet
        let before = self.pace.allowed();
        let connections = self.pace.refused(now, u32::try_from(serving).unwrap_or(u32::MAX), retry_after_ms);
        let lasting = !matches!(why, Trouble::Busy(400..=407 | 409..=424 | 501 | 505) | Trouble::Reply(_));
        OneMore::TooMany { fewer: (connections < before).then_some((connections, lasting)) }
    }

    /// Whether other requests wait for their heads; then a refusal of the one with this ticket is not the last word,
    /// and it makes way for them: of several that are refused, the last one is believed.
    pub(super) fn makes_way(&mut self, now: Millis, ticket: Ticket) -> bool {
        let waiting = self.streams.iter().filter(|s| s.flow != Flow::Stopping && s.ticket != ticket).count();
        if waiting > 0 {
            self.pace.refused(now, u32::try_from(waiting).unwrap_or(u32::MAX), None);
        }
        waiting > 0
    }
}

/// Whose fault it is that a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OneMore {
    /// Its own, or the transfer's: no other one was being served.
    Alone,
    /// It was one too many.
    TooMany {
        /// Fewer connections are used from now on: how many, and whether that is this server's usual way to say so.
        fewer: Option<(u32, bool)>,
    },
}

/// The next border of blocks.
fn align(g: &Generation, offset: u64) -> u64 {
    offset.checked_next_multiple_of(g.begin.block_len).unwrap_or(offset)
}

#[cfg(test)]
mod tests {
    use super::super::held::Slot;
    use super::super::journal::Begin;
    use super::*;
    use crate::identity::Identity;

    fn generation(length: u64) -> Generation {
        let identity = Identity { length: Some(length), ..Identity::default() };
        Generation::new(Begin { generation: 1, slot: Slot::Main, identity, block_len: 10, reason: None })
    }

    /// A line over which these ranges were asked for, each as a stream of its own.
    fn line(asked: &[(u64, u64)]) -> (ServerLine, Run<Step, ()>) {
        let config = Config { range_len: 10, piece_min: 10, share_after_ms: 0, ..Config::default() };
        let (mut line, mut run) = (ServerLine::new(&config), Run::new());
        for &(start, end) in asked {
            let asked = RangeRequest { start, end: Some(end), ranged: true, conditional: false };
            let ticket = run.order(Step::Open { room: true });
            line.sent(0, ticket, NextRequest { asked, probe: false, hedges: None }, false, false);
        }
        while run.next_step().is_some() {}
        (line, run)
    }

    fn accept(line: &mut ServerLine, i: usize) {
        let range = line.stream(i).range;
        line.take(i, BodySpan { start: range.start, end: Some(range.end), skip: 0, whole: false }, range);
    }

    fn steps(run: &mut Run<Step, ()>) -> Vec<Step> {
        std::iter::from_fn(|| run.next_step()).map(|o| o.step).collect()
    }

    #[test]
    fn a_gap_is_asked_for_where_no_stream_writes() {
        let (line, _) = line(&[(0, 20), (20, 30), (50, 60)]);
        for (gap, want) in [((0, 100), Some((30, 50))), ((0, 25), None), ((55, 100), Some((60, 100)))] {
            let free = line.unreserved(Range::new(gap.0, gap.1)).map(|r| (r.start, r.end));
            assert_eq!(free, want, "{gap:?}");
        }
    }

    /// The stream that takes over flows when the one before it has said where it ends, and from there.
    #[test]
    fn bytes_flow_when_the_stream_before_is_drawn_in() {
        let (mut line, mut run) = line(&[(0, 100), (50, 100)]);
        let g = generation(100);
        accept(&mut line, 0);
        line.settle(0, &g, &mut run);
        assert!(matches!(&steps(&mut run)[..], [Step::Flow(grant)] if grant.write_end == Some(100)));
        accept(&mut line, 1);
        line.settle(0, &g, &mut run);
        line.settle(0, &g, &mut run);
        assert_eq!(steps(&mut run), [Step::Narrow { end: 50 }], "once");
        line.narrowed(0, 60, &mut run);
        line.settle(0, &g, &mut run);
        assert!(matches!(&steps(&mut run)[..], [Step::Flow(grant)] if grant.write_start == 60));
    }

    /// Two heads come before the stream that both take over from has said where it ends.
    #[test]
    fn a_stream_that_begins_before_where_another_one_ends_asks_for_more() {
        let (mut line, mut run) = line(&[(0, 100), (70, 100), (40, 70)]);
        let g = generation(100);
        accept(&mut line, 0);
        line.settle(0, &g, &mut run);
        accept(&mut line, 1);
        line.settle(0, &g, &mut run);
        accept(&mut line, 2);
        line.settle(0, &g, &mut run);
        steps(&mut run);
        line.narrowed(0, 70, &mut run);
        line.settle(0, &g, &mut run);
        let given = steps(&mut run);
        let flows = |step: &Step| matches!(step, Step::Flow(grant) if grant.write_start == 70);
        assert!(flows(&given[0]) && given[1..] == [Step::Narrow { end: 40 }], "{given:?}");
        line.narrowed(0, 50, &mut run);
        line.settle(0, &g, &mut run);
        assert!(matches!(&steps(&mut run)[..], [Step::Flow(grant)] if grant.write_start == 50));
    }

    /// All that a stream was to take over had been written when the one before it was drawn in: it stops, and the other
    /// one is not drawn in again and again.
    #[test]
    fn a_stream_that_finds_its_range_written_stops() {
        let (mut line, mut run) = line(&[(0, 100), (25, 50), (50, 100)]);
        let g = generation(100);
        accept(&mut line, 0);
        line.settle(0, &g, &mut run);
        accept(&mut line, 1);
        line.settle(0, &g, &mut run);
        steps(&mut run);
        line.narrowed(0, 60, &mut run);
        line.settle(0, &g, &mut run);
        assert_eq!(steps(&mut run), [Step::Stop]);
        line.settle(0, &g, &mut run);
        assert_eq!(steps(&mut run), []);
    }

    #[test]
    fn the_slowest_stream_gives_of_its_rest() {
        let (mut line, mut run) = line(&[(0, 100)]);
        let g = generation(100);
        accept(&mut line, 0);
        line.settle(0, &g, &mut run);
        assert!(line.wrote(0, 1000, Extent { start: 0, len: 10, crc: 0 }));
        assert_eq!(line.take_over(1000, &g), Some((Range::new(60, 100), None)));
        assert_eq!(line.look_at(), None);
        line.stop_all(&mut run);
        assert_eq!(line.take_over(1000, &g), None, "it is told to stop");
        assert_eq!(line.look_at(), Some(1000 + LOOK_EVERY_MS));
    }

    #[test]
    fn a_failure_is_one_too_many_only_while_another_is_served() {
        let (mut line, mut run) = line(&[(0, 50), (50, 100)]);
        let (first, second) = (line.stream(0).ticket, line.stream(1).ticket);
        let why = Trouble::Busy(503);
        assert_eq!(line.one_more_failed(0, second, &why, None), OneMore::Alone);
        assert!(line.makes_way(0, second), "the other one may bring the last word");
        accept(&mut line, 0);
        line.settle(0, &generation(100), &mut run);
        assert!(matches!(line.one_more_failed(0, second, &why, None), OneMore::TooMany { .. }));
        line.ended(1);
        assert_eq!(line.one_more_failed(0, first, &why, None), OneMore::Alone);
        assert!(!line.makes_way(0, first));
    }
}
