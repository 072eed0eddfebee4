//! Progress without a terminal: a line now and then, for logs.

use std::time::{Duration, Instant};

use longhaul::{Event, Progress};

use super::{Direction, ShownTransfer, text};
use crate::out;

/// Lines come at least this far apart …
const APART_MIN: Duration = Duration::from_secs(1);
/// … a tenth of the file is worth one, and without that one comes after this time, …
const APART: Duration = Duration::from_secs(5);
/// … which grows with the download up to this: a log of ten hours should still be read.
const APART_MAX: Duration = Duration::from_secs(60);

/// One URL is told in lines of its own; of several, what happens to each and now and then a line about all.
pub(super) struct Plain {
    began: Instant,
    last: Option<Instant>,
    tenths: u64,
    several: bool,
}

impl Plain {
    pub(super) fn new(count: usize) -> Self {
        Self { began: Instant::now(), last: None, tenths: 0, several: count != 1 }
    }

    pub(super) fn event(&mut self, subject: &ShownTransfer, event: &Event) {
        match event {
            _ if self.several => {}
            Event::Started { total, .. } => {
                let length = total.map_or_else(|| "of unknown length".into(), text::bytes);
                let preposition = if subject.way == Direction::Down { "from" } else { "to" };
                out::say(&format!("{}: {length}, {preposition} {}", subject.here(), subject.url));
                self.last = Some(Instant::now());
            }
            Event::Progress(progress) => self.progress(subject, progress),
            event if text::may_fall(event) => self.tenths = 0,
            _ => {}
        }
        if let Some(news) = text::news(event, subject.way) {
            out::say(&format!("{}: {news}", subject.here()));
        }
    }

    pub(super) fn reading(&mut self, subject: &ShownTransfer, read: u64) {
        if self.overall_is_due() {
            out::say(&format!("{}: {}", subject.here(), text::reading(read)));
        }
    }

    /// Whether it is time for a line about all; counts as told.
    pub(super) fn overall_is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = due(now - self.last.unwrap_or(self.began), now - self.began, false);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    fn progress(&mut self, subject: &ShownTransfer, progress: &Progress) {
        let now = Instant::now();
        let through = subject.way.through(progress);
        let tenths = tenths(through, progress.total);
        let Some(last) = self.last else {
            // What is held at the start is told by the line about resuming.
            (self.last, self.tenths) = (Some(now), tenths);
            return;
        };
        if !due(now - last, now - self.began, tenths > self.tenths) {
            return;
        }
        (self.last, self.tenths) = (Some(now), self.tenths.max(tenths));
        let mut line = format!("{}: {}", subject.here(), text::share(through, progress.total));
        if let Some(total) = progress.total.filter(|&total| total > 0) {
            line += &format!(" ({} %)", u128::from(through) * 100 / u128::from(total));
        }
        line += &format!(", {}/s", text::bytes(progress.rate));
        if let Some(eta) = text::eta(through, progress.total, progress.rate) {
            line += &format!(", {eta} left");
        }
        out::say(&line);
    }
}

/// Whether it is time for a line.
fn due(since_last: Duration, running: Duration, another_tenth: bool) -> bool {
    let apart = if another_tenth { APART_MIN } else { (running / 20).clamp(APART, APART_MAX) };
    since_last >= apart
}

fn tenths(through: u64, total: Option<u64>) -> u64 {
    let total = u128::from(total.unwrap_or(0));
    let tenths = (u128::from(through) * 10).checked_div(total).unwrap_or(0);
    u64::try_from(tenths).unwrap_or(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_ten_hours_has_hundreds_of_lines_and_not_thousands() {
        let (mut last, mut lines) = (0, 0);
        for second in 0..36_000 {
            if due(Duration::from_secs(second - last), Duration::from_secs(second), second % 3600 == 0) {
                (last, lines) = (second, lines + 1);
            }
        }
        assert!((500..700).contains(&lines), "{lines}");
    }

    #[test]
    fn tenths_of_nothing_are_none() {
        let of = tenths;
        assert_eq!((of(5, None), of(0, Some(0)), of(5, Some(10)), of(u64::MAX, Some(u64::MAX))), (0, 0, 5, 10));
    }
}
