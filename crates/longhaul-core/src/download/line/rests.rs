//! Who may take over what: the rests of the streams under way, and which of them an idle connection had better bring.

use super::{Flow, LineStream, Narrowing, ServerLine, align};
use crate::download::resume::Generation;
use crate::ranges::Range;
use crate::words::{Millis, Ticket};

/// A second request for the same bytes is sent as long as not more than this share of the object, or one piece, is
/// asked for twice.
const HEDGED_SHARE: u64 = 50;
/// A stream is slow when it brings less than this share of what has been usual for one.
const SLOW_SHARE: u64 = 4;
/// A stream that was asked for so many round trips ago, or began to flow then, is too young to show what it can.
const YOUNG_ROUND_TRIPS: u64 = 6;
/// A rest that a stream brings sooner than in so many round trips, and the time that the caller says, is not divided for
/// a new connection ...
const NEW_ROUND_TRIPS: u64 = 6;
/// ... nor in so many, and half of that time, for one that waits.
const KEPT_ROUND_TRIPS: u64 = 3;
/// The last two pieces may be divided into so many parts each.
const CRUMBS: u64 = 4;
/// Where another connection takes over, it takes so many round trips until it brings what it can.
const BEGINS_ROUND_TRIPS: u64 = 4;

/// What a stream has still to bring, by itself.
#[derive(Debug, Clone, Copy)]
struct StreamRest<'a> {
    stream: &'a LineStream,
    range: Range,
    /// In bytes per second, by guess where it is too early to tell.
    rate: u64,
    time_ms: u64,
}

impl ServerLine {
    /// The stream that needs longest comes first; where it cannot be helped, the next one. What a slow one has left is
    /// asked for as a whole, the rest of others is divided.
    pub(super) fn worth_taking(&self, now: Millis, g: &Generation) -> Option<(Range, Option<Ticket>)> {
        let mut rests = self.rests(now);
        rests.sort_by_key(|rest| std::cmp::Reverse(rest.time_ms));
        rests.iter().find_map(|rest| match self.is_hopeless(now, rest, g) {
            true => Some((rest.range, Some(rest.stream.ticket))),
            false => Some((self.half_of(now, rest, g)?, None)),
        })
    }

    /// What an idle connection would bring, in bytes per second: where only a slow one is left to flow, not what that
    /// brings.
    pub(super) fn takers_rate(&self, now: Millis) -> u64 {
        self.mean_rate(now).max(self.usual_rate)
    }

    /// For so long a rest may lie on one stream: no longer than a connection that waits takes until it brings what it
    /// can, or a new one.
    fn patience_ms(&self) -> u64 {
        let round_trip_ms = self.round_trip_ms.unwrap_or(0);
        match self.idle {
            0 => self.share_after_ms + NEW_ROUND_TRIPS * round_trip_ms,
            _ => self.share_after_ms / 2 + KEPT_ROUND_TRIPS * round_trip_ms,
        }
    }

    /// The part of a rest that an idle connection had better bring, where that pays.
    fn half_of(&self, now: Millis, rest: &StreamRest<'_>, g: &Generation) -> Option<Range> {
        let StreamRest { time_ms, rate, range, .. } = *rest;
        // The last blocks are divided as well, where a connection needs long even for them.
        let least = if range.len() < 2 * self.piece_min { self.piece_min / CRUMBS } else { self.piece_min }.max(1);
        if range.len() < 2 * least || time_ms <= self.patience_ms() {
            return None;
        }
        // Both shall end at one time; the new one brings nothing while it begins.
        let takers = u128::from(self.takers_rate(now));
        let begins_ms = BEGINS_ROUND_TRIPS * self.round_trip_ms.unwrap_or(0);
        let (rate, begins_ms) = (u128::from(rate), u128::from(begins_ms));
        let ends_ms = (u128::from(range.len()) * 1000 + takers * begins_ms) / (rate + takers).max(1);
        // It keeps a piece at least, and not more than half.
        let keeps = match rate + takers {
            0 => range.len() / 2, // no byte came yet
            _ => u64::try_from(rate * ends_ms / 1000).unwrap_or(u64::MAX),
        };
        let middle = range.start + keeps.max(least).min(range.len() / 2);
        let middle = if least < self.piece_min { middle.next_multiple_of(least) } else { align(g, middle) };
        let half = Range::new(middle, range.end);
        if middle <= range.start || half.is_empty() {
            return None;
        }
        let len = self.piece_len(now, g, half.len());
        Some(Range::new(middle, self.end_of(g, half, len)))
    }

    /// Whether a rest would take so long, on a stream so slow, that it is worth a second request for all of it.
    fn is_hopeless(&self, now: Millis, rest: &StreamRest<'_>, g: &Generation) -> bool {
        let Some(length) = g.begin.identity.length else { return false };
        let waits_ms = now.saturating_sub(rest.stream.asked_at);
        let patience_ms = self.hedge_after_ms + 4 * self.round_trip_ms.unwrap_or(0);
        let slow = rest.rate < self.usual_rate / SLOW_SHARE || rest.rate == 0;
        let late = rest.time_ms > patience_ms && waits_ms > patience_ms;
        let budget = (length / HEDGED_SHARE).max(self.range_len);
        let affordable = self.hedged_bytes.saturating_add(rest.range.len()) <= budget;
        // A second request may be the slow one: when it is the only one left, there is another one.
        let second = self.streams.iter().any(|other| rest.stream.hedges == Some(other.ticket));
        slow && late && affordable && !second
    }

    /// What each stream has still to bring that no other request takes over from it yet.
    fn rests(&self, now: Millis) -> Vec<StreamRest<'_>> {
        let takers = self.takers_rate(now);
        let young_ms = self.share_after_ms / 2 + YOUNG_ROUND_TRIPS * self.round_trip_ms.unwrap_or(0);
        let mut rests = Vec::with_capacity(self.streams.len());
        for stream in &self.streams {
            let given = self.streams.iter().any(|other| other.hedges == Some(stream.ticket));
            let asks = stream.probe && stream.flow == Flow::Asked;
            let told = matches!(stream.narrowing, Narrowing::Told(_));
            if given || stream.whole || asks || stream.flow == Flow::Stopping || told {
                continue;
            }
            let mut range = stream.rest();
            for other in self.streams.iter().filter(|o| o.ticket != stream.ticket && o.range.start > range.start) {
                range.end = range.end.min(other.range.start);
            }
            if range.is_empty() {
                continue;
            }
            let mut rate = stream.meter.rate(now).unwrap_or(takers);
            if now.saturating_sub(stream.since) < young_ms {
                rate = rate.max(takers); // it is connecting, or has just begun
            }
            rests.push(StreamRest { stream, range, rate, time_ms: range.len().saturating_mul(1000) / rate.max(1) });
        }
        rests
    }

    pub(super) fn mean_rate(&self, now: Millis) -> u64 {
        let rates = || self.streams.iter().filter(|s| s.flow == Flow::Flowing).filter_map(|s| s.meter.rate(now));
        rates().sum::<u64>() / (rates().count() as u64).max(1)
    }
}
