//! The bodies: each stream takes bytes from its reply and puts them where its grant says, chunk by chunk, and tells
//! the core a little later. A stopped stream may go on writing for a while.

use longhaul_core::download::Download;
use longhaul_core::download::step::{Fetch, Grant, Heard, StreamEnd};
use longhaul_core::reply::ReplyFacts;
use longhaul_core::run::Machine;
use longhaul_core::words::{DiskFault, Extent, NetFault, Ticket};

use super::content::{CAP, Mask, crc64, mask};
use super::disk::Id;
use super::liar::Sabotage;
use super::remote::{Body, PORTAL, Reply};
use super::world::World;

#[derive(Debug)]
enum Phase {
    Asking(Fetch),
    /// The head was told; no grant yet.
    Head,
    Flowing,
}

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ticket: Ticket,
    phase: Phase,
    stopped: bool,
    /// Told to write up to here only; not answered yet.
    narrow: Option<usize>,
    body: Body,
    /// The next byte of the body.
    at: usize,
    grant: Option<Grant>,
    pub(crate) file: Id,
    /// The extent being written, and whether the core has heard of its present length.
    extent: Option<Extent>,
    untold: bool,
    /// One past the last byte that the core has heard of, or the first one that may be written.
    told_to: u64,
    /// How many of the grant's held extents lie behind.
    passed: usize,
    passing_crc: u64,
    /// How far the core misplaces the body (0 unless it ignores where a reply starts).
    shift: i64,
    /// What the core had heard of when the grant was made.
    pub(crate) heard_before: Mask,
    /// The core was told that it has stopped, and it has not.
    told_ended: bool,
}

impl Stream {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(crate) fn can_flow(&self) -> bool {
        matches!(self.phase, Phase::Flowing)
    }

    /// Where reading stops, by the grant.
    fn limit(&self) -> usize {
        let granted = self.grant.as_ref().and_then(|g| g.write_end).unwrap_or(u64::MAX);
        self.body.end.min(granted.min(CAP as u64) as usize)
    }
}

impl World {
    pub(crate) fn open_stream(&mut self, ticket: Ticket, fetch: Fetch) {
        tell!(self, "request {}: {fetch:?}", ticket.0);
        self.coverage.requests += 1;
        self.asked_once_more();
        // (A stream that was drawn in to where it is has nothing left that could be asked for twice.)
        let brings = |s: &Stream| fetch.start <= s.told_to && fetch.end.is_none_or(|end| s.told_to < end);
        let all_of = |s: &&Stream| matches!(&s.grant, Some(g) if brings(s) && fetch.end == g.write_end);
        // The end of what another request is about to bring is asked for once, whoever brings it now.
        let asking = |s: &Stream| match &s.phase {
            Phase::Asking(other) => other.start < fetch.start,
            Phase::Head => s.at < fetch.start as usize,
            Phase::Flowing => false,
        };
        // (Where pieces are wanted, a request is not in the offsets of the file.)
        if let Some(end) = fetch.end
            && self.wanted.is_whole()
            && !self.streams.iter().any(asking)
            && self.streams.iter().any(|s| s.can_flow() && !s.stopped && all_of(&s))
        {
            self.asked_twice(end - fetch.start);
        }
        self.streams.push(Stream {
            ticket,
            phase: Phase::Asking(fetch),
            stopped: false,
            narrow: None,
            body: Body { of: 0, start: 0, end: 0, broken: None },
            at: 0,
            grant: None,
            file: 0,
            extent: None,
            untold: false,
            told_to: 0,
            passed: 0,
            passing_crc: 0,
            shift: 0,
            heard_before: 0,
            told_ended: false,
        });
    }

    pub(crate) fn grant(&mut self, ticket: Ticket, grant: Grant) {
        tell!(self, "stream {} may write: {grant:?}", ticket.0);
        let Some(file) = self.file_in(grant.slot) else {
            return self.broken("a grant into a file that does not exist", format_args!("{grant:?}"));
        };
        let heard = self.witness.heard | self.witness.kept;
        let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket) else { return };
        stream.extent = grant.continues;
        stream.phase = Phase::Flowing;
        stream.told_to = grant.write_start;
        stream.file = file;
        stream.at = grant.body_start as usize; // where the core believes that the body begins
        stream.body.start += grant.skip as usize;
        stream.body.end = stream.body.end.max(stream.body.start);
        self.coverage.trimmed_before_a_piece += u64::from(grant.skip > 0);
        let shift = stream.at as i64 - stream.body.start as i64;
        stream.body.start = stream.at;
        stream.body.end = (stream.body.end as i64 + shift).clamp(0, CAP as i64) as usize;
        stream.shift = shift;
        stream.grant = Some(grant);
        stream.heard_before = heard;
    }

    pub(crate) fn stop_stream(&mut self, ticket: Ticket) {
        tell!(self, "stream {} is told to stop", ticket.0);
        if let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket) {
            stream.stopped = true;
        }
    }

    pub(crate) fn narrow_stream(&mut self, ticket: Ticket, end: u64) {
        tell!(self, "stream {} may write up to {end} only", ticket.0);
        if let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket) {
            stream.narrow = Some(end as usize);
        }
    }

    /// A driver that shares memory with its streams draws them in while it takes the steps: the core hears of it
    /// before it has given the next one.
    pub(crate) fn narrow_at_once(&mut self, core: &mut Download, ticket: Ticket) {
        let flows = |s: &Stream| s.ticket == ticket && s.can_flow() && !s.told_ended;
        let Some(i) = self.streams.iter().position(flows) else { return };
        if let Some(end) = self.streams[i].narrow
            && !self.lies(Sabotage::TakeoverNotAwaited)
            && self.draws_in_at_once
        {
            let end = self.draw_in(i, end);
            core.hear(self.now, ticket, Heard::Narrowed { end });
        }
    }

    /// What was written is written: the stream ends there, or where it was told to.
    fn narrow(&mut self, core: &mut Download, i: usize, end: usize) {
        let ticket = self.streams[i].ticket;
        let end = self.draw_in(i, end);
        self.hear(core, ticket, Heard::Narrowed { end });
    }

    fn draw_in(&mut self, i: usize, end: usize) -> u64 {
        let stream = &mut self.streams[i];
        let end = end.max(stream.at).min(stream.limit());
        stream.narrow = None;
        if let Some(grant) = &mut stream.grant {
            grant.write_end = Some(end as u64);
        }
        let ticket = stream.ticket;
        self.coverage.takeovers += 1;
        tell!(self, "stream {} will write up to {end}", ticket.0);
        end as u64
    }

    /// Lets a stream go on; false when it cannot.
    pub(crate) fn progress_stream(&mut self, core: &mut Download, i: usize) -> bool {
        if self.streams[i].stopped && !self.streams[i].told_ended && self.lies(Sabotage::NoWaitForStop) {
            let (ticket, at) = (self.streams[i].ticket, self.streams[i].at as u64);
            self.streams[i].told_ended = true;
            self.hear(core, ticket, Heard::Ended { end: StreamEnd::Stopped, at });
            return true;
        }
        if self.streams[i].told_ended && self.rng.percent(90) {
            return true; // it takes its time
        }
        if let Some(end) = self.streams[i].narrow
            && self.lies(Sabotage::TakeoverNotAwaited)
        {
            let (ticket, end) = (self.streams[i].ticket, end.max(self.streams[i].at) as u64);
            (self.streams[i].narrow, self.streams[i].told_ended) = (None, true);
            self.hear(core, ticket, Heard::Narrowed { end });
            self.hear(core, ticket, Heard::Ended { end: StreamEnd::Reached, at: end });
            return true;
        }
        if let Some(end) = self.streams[i].narrow
            && self.rng.coin()
        {
            self.narrow(core, i, end);
            return true;
        }
        let stream = &mut self.streams[i];
        match &stream.phase {
            _ if stream.stopped && (!stream.can_flow() || self.rng.percent(30)) => {
                let unreported = stream.untold;
                if unreported && self.rng.coin() {
                    self.report(core, i);
                    return true;
                }
                self.end(core, i, StreamEnd::Stopped);
            }
            Phase::Asking(_) => {
                let known = self.witness.identity_known;
                let busy = |s: &&Stream| !s.stopped && !matches!(s.phase, Phase::Asking(_));
                let serving = self.streams.iter().filter(busy).count();
                let asking = std::mem::replace(&mut self.streams[i].phase, Phase::Head);
                let Phase::Asking(fetch) = asking else { return false };
                let reply = match self.refuse_unasked(&fetch) {
                    Some(reply) => reply,
                    None => {
                        let bent = self.bend_request(&fetch);
                        let sent = bent.as_ref().unwrap_or(&fetch);
                        self.remote.answer(sent, &self.trouble.net, known, serving, &mut self.rng)
                    }
                };
                match reply {
                    Reply::Dead(fault) => self.end(core, i, StreamEnd::Failed(fault)),
                    Reply::Head(mut facts, body) => match self.bend_head(&fetch, &mut facts) {
                        Ok(()) => self.head(core, i, facts, body),
                        Err(fault) => self.end(core, i, StreamEnd::Failed(fault)),
                    },
                }
            }
            Phase::Head => return false,
            Phase::Flowing if !stream.untold && self.rng.percent(self.trouble.net.dropped) => {
                self.coverage.dropped += 1;
                let end = self.bend_drop(core, i);
                self.end(core, i, end);
            }
            Phase::Flowing if self.throttled && !stream.stopped && !stream.untold => return false,
            Phase::Flowing => self.flow(core, i),
        }
        true
    }

    fn head(&mut self, core: &mut Download, i: usize, facts: Box<ReplyFacts>, body: Body) {
        let stream = &mut self.streams[i];
        stream.phase = Phase::Head;
        stream.body = body;
        stream.at = body.start;
        let ticket = stream.ticket;
        self.coverage.portals += u64::from(body.of == PORTAL);
        tell!(
            self,
            "reply to {}: {} with {}..{} of version {}{}: {facts:?}",
            ticket.0,
            facts.status,
            body.start,
            body.end,
            body.of,
            if body.broken.is_some() { " (will break)" } else { "" }
        );
        if facts.status >= 400 && self.lies(Sabotage::OneMoreRefusalBelieved) {
            self.end_others(core, ticket);
        }
        self.hear(core, ticket, Heard::Head(facts));
    }

    fn end(&mut self, core: &mut Download, i: usize, end: StreamEnd) {
        if matches!(end, StreamEnd::Failed(_)) && self.lies(Sabotage::PublishedWithHoles) {
            self.make_up(core, i);
        }
        let end = self.bend_end(end);
        let stream = self.streams.remove(i);
        tell!(self, "stream {} ended at {}: {end:?}", stream.ticket.0, stream.at);
        self.hear(core, stream.ticket, Heard::Ended { end, at: stream.at as u64 });
    }

    /// Tells the core what the open extent has become.
    fn report(&mut self, core: &mut Download, i: usize) {
        let stream = &mut self.streams[i];
        stream.untold = false;
        stream.told_to = stream.extent.map_or(stream.told_to, |extent| extent.end().max(stream.told_to));
        let (ticket, file) = (stream.ticket, stream.file);
        if let Some(extent) = stream.extent {
            tell!(self, "stream {} tells of {}..{}", ticket.0, extent.start, extent.end());
            if !self.streams[i].told_ended {
                self.heard_wrote(file, &extent);
            }
            self.hear(core, ticket, Heard::Wrote(extent));
        }
    }

    /// Tells of bytes up to the next held ones, or to the end, that never came.
    fn make_up(&mut self, core: &mut Download, i: usize) {
        let stream = &self.streams[i];
        let (ticket, file, mut begun) = (stream.ticket, stream.file, stream.extent);
        let (Some(grant), false, false) = (&stream.grant, stream.stopped, stream.told_ended) else { return };
        let block = grant.block_len;
        let held = grant.held.get(stream.passed).map(|h| h.start);
        let Some(end) = [grant.write_end, held].into_iter().flatten().min() else { return };
        let mut at = stream.at.max(grant.write_start as usize) as u64;
        while at < end {
            let to = end.min((at / block + 1) * block);
            let start = begun.take().filter(|e| e.end() == at && !at.is_multiple_of(block)).map_or(at, |e| e.start);
            let extent = Extent { start, len: to - start, crc: 0 };
            tell!(self, "stream {} makes up {at}..{to}", ticket.0);
            self.heard_wrote(file, &extent);
            self.hear(core, ticket, Heard::Wrote(extent));
            at = to;
        }
        if let Some(stream) = self.streams.iter_mut().find(|s| s.ticket == ticket) {
            stream.at = at as usize;
        }
    }

    /// All streams but this one are cut.
    fn end_others(&mut self, core: &mut Download, ticket: Ticket) {
        while let Some(j) = self.streams.iter().position(|s| s.ticket != ticket && !s.stopped) {
            self.end(core, j, StreamEnd::Failed(NetFault::Cut));
        }
    }

    /// Stream `i` ends without being told to stop: what is told of its end.
    fn bend_drop(&mut self, core: &mut Download, i: usize) -> StreamEnd {
        let stream = &self.streams[i];
        let (ticket, at) = (stream.ticket, stream.at as u64);
        // Where the length is not known, an end in order would tell it.
        let length_known = stream.grant.as_ref().is_some_and(|grant| grant.write_end.is_some());
        if !length_known || !self.lies(Sabotage::UnaskedEndForgiven) {
            return StreamEnd::Stopped;
        }
        self.hear(core, ticket, Heard::Narrowed { end: at });
        StreamEnd::Reached
    }

    fn flow(&mut self, core: &mut Download, i: usize) {
        let stream = &self.streams[i];
        let (at, limit) = (stream.at, stream.limit());
        let Some(grant) = &stream.grant else { return };
        if at >= limit {
            if stream.untold {
                return self.report(core, i);
            }
            let end = match stream.body.broken {
                _ if limit < stream.body.end => StreamEnd::Reached,
                Some(fault) => StreamEnd::Failed(fault),
                None => StreamEnd::Complete,
            };
            return self.end(core, i, end);
        }
        let write_start = grant.write_start as usize;
        if at < write_start {
            self.streams[i].at = write_start.min(limit);
            return;
        }
        // Where the next held extent begins, or how far into one we are.
        let next_held = grant.held.get(stream.passed).copied();
        if let Some(held) = next_held
            && at >= held.start as usize
        {
            if stream.untold {
                return self.report(core, i);
            }
            return self.pass(core, i, held);
        }
        let block = grant.block_len as usize;
        let boundary = (at / block + 1) * block;
        let end = [limit, boundary, next_held.map_or(CAP, |h| h.start as usize)].into_iter().min().unwrap_or(at);
        let full_extent = at % block == 0 || stream.passed > 0 && grant.held[stream.passed - 1].end() == at as u64;
        if full_extent && stream.untold {
            return self.report(core, i); // the extent before is complete
        }
        if stream.untold && self.rng.percent(30) {
            return self.report(core, i);
        }
        if self.full && self.rng.coin() {
            self.coverage.no_space += 1;
            return self.end(core, i, StreamEnd::Disk(DiskFault::NoSpace));
        }
        let count = self.rng.between(1, 12) as usize;
        self.write_chunk(i, end.min(at + count), full_extent);
    }

    /// Writes the body up to `end` into the file.
    fn write_chunk(&mut self, i: usize, end: usize, new_extent: bool) {
        let stream = &mut self.streams[i];
        let (at, file, late) = (stream.at, stream.file, stream.stopped);
        let content = self.remote.content(stream.body.of);
        let mut bytes = [0; CAP];
        for (offset, b) in bytes.iter_mut().enumerate().take(end).skip(at) {
            *b = content.bytes.get((offset as i64 - stream.shift) as usize).copied().unwrap_or(0);
        }
        let chunk = &bytes[at..end];
        let begun = stream.extent.filter(|_| !new_extent).filter(|e| e.end() == at as u64);
        let before = begun.unwrap_or(Extent { start: at as u64, len: 0, crc: 0 });
        let extent = Extent { start: before.start, len: end as u64 - before.start, crc: crc64(before.crc, chunk) };
        stream.extent = Some(extent);
        stream.untold = true;
        stream.at = end;
        self.coverage.late_writes += u64::from(late);
        tell!(
            self,
            "stream {} wrote {at}..{end} (version {}){}",
            self.streams[i].ticket.0,
            self.streams[i].body.of,
            if late { ", after it was told to stop" } else { "" }
        );
        let heard_before = self.streams[i].heard_before;
        self.about_to_write(file, mask(at, end), heard_before, chunk, at);
        let now_ns = self.disk.now_ns;
        self.disk.files[usize::from(file)].write(at, chunk, now_ns);
        self.wrote(file);
    }

    fn pass(&mut self, core: &mut Download, i: usize, held: Extent) {
        let stream = &mut self.streams[i];
        let (from, limit) = (stream.at, stream.limit());
        let end = (held.end() as usize).min(limit).min(from + self.rng.between(1, 16) as usize);
        if from == held.start as usize {
            stream.passing_crc = 0;
        }
        let content = self.remote.content(stream.body.of);
        for offset in from..end {
            let b = content.bytes.get((offset as i64 - stream.shift) as usize).copied().unwrap_or(0);
            stream.passing_crc = crc64(stream.passing_crc, &[b]);
        }
        stream.at = end;
        stream.extent = None;
        if end as u64 == held.end() {
            stream.passed += 1;
            let passed = Extent { crc: stream.passing_crc, ..held };
            let ticket = stream.ticket;
            self.heard_passed(&held, passed.crc);
            tell!(self, "stream {} passed over {}..{}", ticket.0, held.start, held.end());
            let told = self.bend_passed(held, passed);
            self.hear(core, ticket, Heard::Passed(told));
        }
    }

    /// The process died: a write under way may still land.
    pub(crate) fn land_last_writes(&mut self) {
        for i in 0..self.streams.len() {
            let stream = &self.streams[i];
            if !stream.can_flow() || self.rng.coin() {
                continue;
            }
            let Some(grant) = &stream.grant else { continue };
            let (at, limit) = (stream.at, stream.limit());
            let held = grant.held.get(stream.passed).map_or(CAP, |h| h.start as usize);
            let block_end = (at / grant.block_len as usize + 1) * grant.block_len as usize;
            let end = limit.min(held).min(block_end).min(at + self.rng.below(6) as usize);
            if at < end && at >= grant.write_start as usize {
                self.coverage.late_writes += 1;
                self.write_chunk(i, end, false);
            }
        }
        self.streams.clear();
    }
}
