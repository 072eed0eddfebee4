//! What a bar looks like: the text of its row, for a terminal of so many columns.
//!
//! Each fact has columns of its own, chosen by the width of the terminal alone: rows below each other have the same
//! columns, bars of the same length among them, and nothing shifts when a fact comes or goes. A row is never wider than
//! the terminal, whatever the name in it.

use std::time::{Duration, Instant};

use console::{measure_text_width, truncate_str};

use super::{Direction, text};
use crate::printable;

/// Silence is worth a word after this time: rates are means of a few seconds, and short pauses are usual.
const SILENCE_TOLD_AFTER: Duration = Duration::from_secs(5);

/// One transfer, as a row shows it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) way: Direction,
    pub(super) name: String,
    /// Bytes that are through.
    pub(super) through: u64,
    /// Bytes of an upload that are on their way.
    pub(super) under_way: u64,
    pub(super) total: Option<u64>,
    /// Bytes per second.
    pub(super) rate: u64,
    pub(super) connections: u32,
    pub(super) doing: Doing,
    /// When a byte moved last, or when it was begun.
    pub(super) moved_at: Instant,
}

/// What it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// The server is asked, and nothing is known yet.
    Asking,
    /// Its input is kept: so many bytes.
    Reading(u64),
    /// The next try is made then.
    Waiting(Instant),
    Moving,
}

/// Which facts a terminal has room for, and in how many columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    name: usize,
    bar: usize,
    /// `6.8 MiB`, or `6.8 MiB of 20.0 MiB`; 0: none.
    bytes: usize,
    /// `12.0 MiB on their way`
    under_way: usize,
    rate: usize,
    left: usize,
    connections: usize,
}

const PERCENT: usize = 4;
const BYTES: usize = 10;
const SHARE: usize = 24;
const RATE: usize = 12;
const LEFT: usize = 14;
const LEFT_SHORT: usize = 12;
const CONNECTIONS: usize = 14;
const UNDER_WAY: usize = 23;

impl Layout {
    fn of(columns: usize, way: Direction) -> Self {
        let mut layout = Self {
            name: (columns / 4).clamp(13, 40),
            bar: 0,
            bytes: 0,
            under_way: 0,
            rate: 0,
            left: LEFT_SHORT, // or for how long no byte came
            connections: 0,
        };
        if columns >= 60 {
            layout.rate = RATE;
        }
        if columns >= 76 {
            (layout.bytes, layout.left) = (BYTES, LEFT);
        }
        if columns >= 110 {
            layout.bytes = SHARE;
        }
        if columns >= 130 {
            layout.connections = CONNECTIONS;
        }
        if columns >= 160 && way == Direction::Up {
            layout.under_way = UNDER_WAY;
        }
        layout.bar = columns.saturating_sub(layout.name + 1 + PERCENT + 1 + layout.facts());
        layout
    }

    /// The columns behind the percent, blanks before each included.
    fn facts(self) -> usize {
        let columns = [self.bytes, self.under_way, self.rate, self.left, self.connections];
        columns.into_iter().filter(|columns| *columns > 0).map(|columns| columns + 1).sum()
    }
}

impl Row {
    /// The row in so many columns. `stall`: how long a silent connection is waited for.
    pub(super) fn text(&self, columns: usize, now: Instant, stall: Duration) -> String {
        let layout = Layout::of(columns, self.way);
        let name = right_padded(&shortened(&self.name, layout.name), layout.name);
        let line = match (&self.doing, self.total) {
            (Doing::Moving | Doing::Waiting(_), Some(total)) => {
                let percent = percent(self.through, total);
                let bar = bar(self.through, total, layout.bar);
                let facts = self.remark(now, stall, layout.facts()).unwrap_or_else(|| self.facts(layout));
                format!("{name} {bar} {percent:>3}%{facts}")
            }
            _ => {
                let room = columns.saturating_sub(layout.name);
                let remark = self.remark(now, stall, room).unwrap_or_else(|| match &self.doing {
                    Doing::Asking => " asking the server".to_owned(),
                    Doing::Reading(read) => format!(" {}", text::reading(*read)),
                    _ => format!(" {}  {}/s", text::bytes(self.through), text::bytes(self.rate)),
                });
                format!("{name}{remark}")
            }
        };
        truncate_str(&line, columns, "…").trim_end().to_owned()
    }

    /// Each fact in its columns.
    fn facts(&self, layout: Layout) -> String {
        let bytes = match layout.bytes {
            SHARE => text::share(self.through, self.total),
            _ => text::bytes(self.through),
        };
        let left = text::eta(self.through, self.total, self.rate).map(|left| match layout.left {
            LEFT => format!("{left} left"),
            _ => left,
        });
        let under_way = (self.under_way > 0).then(|| format!("{} on their way", text::bytes(self.under_way)));
        let connections = (self.connections > 1).then(|| format!("{} connections", self.connections));
        let facts = [
            (layout.bytes, bytes),
            (layout.under_way, under_way.unwrap_or_default()),
            (layout.rate, format!("{}/s", text::bytes(self.rate))),
            (layout.left, left.unwrap_or_default()),
            (layout.connections, connections.unwrap_or_default()),
        ];
        let shown = facts.into_iter().filter(|(columns, _)| *columns > 0);
        shown.map(|(columns, fact)| format!(" {}", left_padded(&fact, columns))).collect()
    }

    /// What stands in place of facts while no byte moves, in so many columns.
    fn remark(&self, now: Instant, stall: Duration, columns: usize) -> Option<String> {
        let silent = now.saturating_duration_since(self.moved_at);
        let forms = match self.doing {
            Doing::Waiting(until) => {
                let rest = text::whole(until.saturating_duration_since(now).as_secs_f64().ceil() as u64);
                vec![format!(" tried again in {rest}"), format!(" again in {rest}")]
            }
            Doing::Asking | Doing::Moving if silent >= SILENCE_TOLD_AFTER && self.total != Some(self.through) => {
                let (silent, stall) = (text::whole(silent.as_secs()), text::whole(stall.as_secs()));
                let told = format!(" nothing came for {silent}");
                vec![
                    format!("{told}; tried again at {stall}"),
                    format!("{told}; again at {stall}"),
                    told,
                    format!(" {silent} silent"),
                ]
            }
            _ => return None,
        };
        forms.into_iter().find(|form| measure_text_width(form) <= columns)
    }
}

/// The line about all, in so many columns.
pub(super) fn overall(line: &str, columns: usize) -> String {
    truncate_str(line, columns, "…").into_owned()
}

fn percent(through: u64, total: u64) -> u64 {
    let percent = (u128::from(through) * 100).checked_div(u128::from(total)).unwrap_or(100);
    u64::try_from(percent.min(100)).unwrap_or(100)
}

/// Whole cells, and half a one.
fn bar(through: u64, total: u64, columns: usize) -> String {
    let halves = (u128::from(through) * 2 * columns as u128).checked_div(u128::from(total)).unwrap_or(u128::MAX);
    let halves = usize::try_from(halves).unwrap_or(usize::MAX).min(2 * columns);
    let (whole, half) = (halves / 2, halves % 2);
    format!("{}{}{}", "━".repeat(whole), "╸".repeat(half), " ".repeat(columns - whole - half))
}

/// A name of at most so many columns: a longer one loses its middle.
fn shortened(name: &str, columns: usize) -> String {
    let name = printable::one_line(name);
    if measure_text_width(&name) <= columns {
        return name.into_owned();
    }
    let half = columns.saturating_sub(1) / 2;
    let head = truncate_str(&name, columns.saturating_sub(1) - half, "").into_owned();
    let mut tail = name.as_ref();
    while measure_text_width(tail) > half {
        let mut chars = tail.chars();
        chars.next();
        tail = chars.as_str();
    }
    format!("{head}…{tail}")
}

fn right_padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(measure_text_width(text))))
}

fn left_padded(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(measure_text_width(text))))
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
