//! Progress on a terminal: a bar that never goes back unless the line above it says why.
//!
//! All rows are drawn at once, ten times a second and for the width that the terminal has then ([`rows`](super::rows));
//! events only change what is drawn next.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use longhaul::{Event, Progress};

use super::rows::{self, Doing, Row};
use super::{ShownTransfer, text};
use crate::out;

/// More transfers than these are at work without a row of their own: they are in the overall line, and take over a
/// row that becomes free. It leaves a small terminal room for what is said.
const ROWS_MAX: usize = 10;
/// How often rows are drawn anew.
const TICK: Duration = Duration::from_millis(100);
/// Where the terminal does not tell its width.
const COLUMNS: u16 = 80;

/// What a terminal echoes for Ctrl-C, twice: the columns that rows leave free. The cursor rests behind the last row; an
/// echo that went to the next line would move it away from where it is taken to be, and a row would never be cleared.
const ECHO: usize = "^C^C".len();

/// The columns that rows may take.
fn columns(terminal: &console::Term) -> usize {
    let columns = terminal.size_checked().map_or(COLUMNS, |(_, columns)| columns);
    usize::from(columns).saturating_sub(ECHO).max(1)
}

/// stderr, where the cursor rests behind the last row ([`ECHO`]). indicatif ends each line, the last one too, by blanks
/// up to the edge of the terminal; here a line ends when another one begins.
#[derive(Debug)]
struct Terminal {
    stderr: console::Term,
    /// A line was written, and another one begins below it.
    ended: AtomicBool,
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.stderr.size_checked().map_or(COLUMNS, |(_, columns)| columns)
    }

    fn height(&self) -> u16 {
        self.stderr.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.stderr.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.stderr.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.stderr.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.stderr.move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.stderr.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.bytes().all(|b| b == b' ') {
            self.ended.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let gap = if self.ended.swap(false, Ordering::Relaxed) { "\n" } else { "" };
        self.stderr.write_str(&format!("{gap}{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.stderr.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.ended.store(false, Ordering::Relaxed);
        self.stderr.flush()
    }
}

/// A row for each transfer at work; with several, a line about all above them.
pub(super) struct Bars {
    drawn: ProgressBar,
    screen: Arc<Mutex<Screen>>,
}

/// What is drawn.
struct Screen {
    /// Only where there are several.
    overall: Option<String>,
    rows: BTreeMap<usize, (Row, HighWater)>,
    stall: Duration,
}

impl Bars {
    /// `count` as in [`Show::new`](super::Show::new); `stall`: how long a silent connection is waited for.
    pub(super) fn new(count: usize, stall: Duration) -> Self {
        let terminal = Terminal { stderr: console::Term::buffered_stderr(), ended: AtomicBool::new(false) };
        let bars = Self::to(ProgressDrawTarget::term_like_with_hz(Box::new(terminal), 10), count, stall);
        bars.drawn.enable_steady_tick(TICK);
        bars
    }

    fn to(target: ProgressDrawTarget, count: usize, stall: Duration) -> Self {
        let overall = (count != 1).then(String::new);
        let screen = Arc::new(Mutex::new(Screen { overall, rows: BTreeMap::new(), stall }));
        let of_drawing = Arc::clone(&screen);
        let draw = move |_: &ProgressState, to: &mut dyn std::fmt::Write| {
            let columns = columns(&console::Term::stderr());
            let _ = to.write_str(&locked(&of_drawing).text(columns, Instant::now())); // into a String
        };
        let style = ProgressStyle::with_template("{rows}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let drawn = ProgressBar::with_draw_target(None, target).with_style(style.with_key("rows", draw));
        Self { drawn, screen }
    }

    pub(super) fn begin(&mut self, subject: &ShownTransfer) {
        let mut screen = locked(&self.screen);
        if screen.rows.len() < ROWS_MAX {
            let row = || Row {
                way: subject.way,
                name: subject.name(),
                through: 0,
                under_way: 0,
                total: None,
                rate: 0,
                connections: 0,
                doing: Doing::Asking,
                moved_at: Instant::now(),
            };
            screen.rows.entry(subject.number).or_insert_with(|| (row(), HighWater::default()));
        }
    }

    pub(super) fn reading(&mut self, subject: &ShownTransfer, read: u64) {
        if let Some((row, _)) = locked(&self.screen).rows.get_mut(&subject.number) {
            row.doing = Doing::Reading(read);
        }
    }

    pub(super) fn event(&mut self, subject: &ShownTransfer, event: &Event) {
        if let Some(news) = text::news(event, subject.way) {
            self.suspend(|| out::say(&format!("{}: {news}", subject.here())));
        }
        self.begin(subject); // a row may have become free
        let mut screen = locked(&self.screen);
        let Some((row, height)) = screen.rows.get_mut(&subject.number) else { return };
        match event {
            Event::Progress(progress) => row.progress(height, subject, progress),
            Event::Retry { delay, .. } => row.doing = Doing::Waiting(Instant::now() + *delay),
            event if text::may_fall(event) => height.may_fall = true,
            _ => {}
        }
    }

    /// The line about all.
    pub(super) fn overall(&self, line: String) {
        if let Some(overall) = &mut locked(&self.screen).overall {
            *overall = line;
        }
    }

    pub(super) fn end(&mut self, subject: &ShownTransfer) {
        locked(&self.screen).rows.remove(&subject.number);
    }

    /// Does something that writes to the terminal, above the rows.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.drawn.suspend(write)
    }

    /// Nothing is drawn any more, and nothing of what was drawn remains.
    pub(super) fn clear(&mut self) {
        self.drawn.finish_and_clear();
    }
}

impl Screen {
    fn text(&self, columns: usize, now: Instant) -> String {
        let overall = self.overall.iter().filter(|line| !line.is_empty()).map(|line| rows::overall(line, columns));
        let rows = self.rows.values().map(|(row, _)| row.text(columns, now, self.stall));
        overall.chain(rows).collect::<Vec<_>>().join("\n")
    }
}

impl Row {
    fn progress(&mut self, height: &mut HighWater, subject: &ShownTransfer, progress: &Progress) {
        let now = Instant::now();
        let (through, under_way) = (subject.way.through(progress), subject.way.under_way(progress));
        let waits = matches!(self.doing, Doing::Waiting(until) if until > now);
        if through + under_way > self.through + self.under_way {
            self.moved_at = now;
            self.doing = Doing::Moving;
        } else if !waits && progress.total.is_some() {
            self.doing = Doing::Moving;
        }
        self.name = subject.name();
        self.through = height.show(through);
        self.under_way = under_way;
        (self.total, self.rate, self.connections) = (progress.total, progress.rate, progress.connections);
    }
}

/// What the bar shows: the highest that was received, until a reason was given.
#[derive(Debug, Default)]
struct HighWater {
    shown: u64,
    may_fall: bool,
}

impl HighWater {
    fn show(&mut self, received: u64) -> u64 {
        if received >= self.shown || self.may_fall {
            self.may_fall &= received >= self.shown;
            self.shown = received;
        }
        self.shown
    }
}

fn locked(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner) // each change of it is whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Direction;

    const STALL: Duration = Duration::from_secs(30);

    #[test]
    fn the_bar_goes_back_only_after_a_reason() {
        let mut height = HighWater::default();
        assert_eq!(height.show(10), 10);
        assert_eq!(height.show(5), 10);
        height.may_fall = true;
        assert_eq!(height.show(12), 12);
        assert_eq!(height.show(3), 3);
        assert_eq!(height.show(2), 3);
        assert_eq!(height.show(4), 4);
    }

    fn subject(number: usize, count: usize) -> ShownTransfer {
        ShownTransfer { way: Direction::Down, url: format!("http://h/{number}"), id: None, path: None, number, count }
    }

    #[test]
    fn few_rows_are_shared_by_many_downloads() {
        let mut bars = Bars::to(ProgressDrawTarget::hidden(), 64, STALL);
        for number in 1..=64 {
            bars.begin(&subject(number, 64));
        }
        assert_eq!(locked(&bars.screen).rows.len(), ROWS_MAX);
        let waiting = subject(64, 64);
        let progress = Event::Progress(Progress { received: 1, total: Some(2), ..Progress::default() });
        bars.event(&waiting, &progress);
        assert!(!locked(&bars.screen).rows.contains_key(&64), "all rows are taken");
        bars.end(&subject(1, 64));
        bars.event(&waiting, &progress);
        assert_eq!(locked(&bars.screen).rows[&64].0.through, 1);
    }

    #[test]
    fn the_line_about_all_stands_above_where_there_are_several() {
        let mut bars = Bars::to(ProgressDrawTarget::hidden(), 2, STALL);
        bars.begin(&subject(1, 2));
        bars.overall("0 of 2 done".to_owned());
        let text = locked(&bars.screen).text(80, Instant::now());
        assert!(text.starts_with("0 of 2 done\n[1/2] http://h/1"), "{text}");
        let mut bars = Bars::to(ProgressDrawTarget::hidden(), 1, STALL);
        bars.begin(&subject(1, 1));
        bars.overall("0 of 1 done".to_owned());
        assert!(locked(&bars.screen).text(80, Instant::now()).starts_with("http://h/1"));
    }

    #[test]
    fn a_retry_counts_down_and_a_byte_ends_it() {
        let mut bars = Bars::to(ProgressDrawTarget::hidden(), 1, STALL);
        let one = subject(1, 1);
        let progress = |received| Event::Progress(Progress { received, total: Some(4), ..Progress::default() });
        bars.event(&one, &progress(1));
        let retry = Event::Retry { failures: 1, delay: Duration::from_secs(9), reason: "cut".into() };
        let now = Instant::now();
        locked(&bars.screen).rows.get_mut(&1).unwrap().0.doing = Doing::Waiting(now + Duration::from_secs(9));
        assert!(matches!(retry, Event::Retry { .. }));
        bars.event(&one, &progress(1));
        assert!(locked(&bars.screen).text(80, now).contains("tried again in 9 s"));
        bars.event(&one, &progress(2));
        assert!(locked(&bars.screen).text(80, now).contains("50%"));
    }
}
