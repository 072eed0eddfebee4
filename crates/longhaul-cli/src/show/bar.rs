//! Progress on a terminal: a bar that never goes back unless the line above it says why.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul::{Event, Progress};

use super::{ShownTransfer, text};
use crate::out;
use crate::printable;

/// Longer names are shortened in the middle.
const NAME_CHARS_MAX: usize = 32;

/// More downloads than these are at work without a bar of their own: they are in the overall line, and take over a
/// bar that becomes free. It leaves a small terminal room for what is said.
const BARS_MAX: usize = 10;

/// One bar; with several URLs, a line about all and a bar for each at work.
pub(super) struct Bars {
    all: MultiProgress,
    /// Only where there are several URLs.
    overall: Option<ProgressBar>,
    bars: HashMap<usize, Bar>,
}

impl Bars {
    pub(super) fn new(count: usize) -> Self {
        Self::to(ProgressDrawTarget::stderr_with_hz(10), count)
    }

    fn to(target: ProgressDrawTarget, count: usize) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let overall = (count != 1).then(|| {
            let overall = all.add(ProgressBar::new_spinner());
            overall.set_style(style("{spinner} {msg}"));
            overall
        });
        Self { all, overall, bars: HashMap::new() }
    }

    pub(super) fn begin(&mut self, subject: &ShownTransfer) {
        if self.bars.len() < BARS_MAX && !self.bars.contains_key(&subject.number) {
            let mut bar =
                Bar { bar: self.all.add(ProgressBar::new_spinner()), height: HighWater::default(), known: None };
            bar.begin(subject);
            self.bars.insert(subject.number, bar);
        }
    }

    pub(super) fn reading(&mut self, subject: &ShownTransfer, read: u64) {
        if let Some(bar) = self.bars.get_mut(&subject.number) {
            bar.bar.set_message(text::reading(read));
        }
    }

    pub(super) fn event(&mut self, subject: &ShownTransfer, event: &Event) {
        if let Some(news) = text::news(event, subject.way) {
            self.suspend(|| out::say(&format!("{}: {news}", subject.name())));
        }
        self.begin(subject); // a bar may have become free
        if let Some(bar) = self.bars.get_mut(&subject.number) {
            bar.event(subject, event);
        }
    }

    /// The line about all.
    pub(super) fn overall(&self, line: &str) {
        if let Some(overall) = &self.overall {
            overall.set_message(line.to_owned());
            overall.tick();
        }
    }

    pub(super) fn end(&mut self, subject: &ShownTransfer) {
        if let Some(bar) = self.bars.remove(&subject.number) {
            bar.bar.finish_and_clear();
            self.all.remove(&bar.bar);
        }
    }

    /// Does something that writes to the terminal, above the bars.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }

    pub(super) fn clear(&mut self) {
        for (_, bar) in self.bars.drain() {
            bar.bar.finish_and_clear();
        }
        if let Some(overall) = &self.overall {
            overall.finish_and_clear();
        }
    }
}

struct Bar {
    bar: ProgressBar,
    height: HighWater,
    known: Option<u64>,
}

impl Bar {
    fn begin(&mut self, subject: &ShownTransfer) {
        self.bar.set_style(style("{spinner} {prefix} {msg}"));
        self.bar.set_prefix(shortened(&subject.name()));
        self.bar.set_message("asking the server");
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn event(&mut self, subject: &ShownTransfer, event: &Event) {
        match event {
            Event::Progress(progress) => self.progress(subject, progress),
            Event::Retry { .. } => self.bar.set_message("waiting to try again"),
            event if text::may_fall(event) => self.height.may_fall = true,
            _ => {}
        }
    }

    fn progress(&mut self, subject: &ShownTransfer, progress: &Progress) {
        if self.known != progress.total || self.bar.length().is_none() && progress.total.is_some() {
            self.known = progress.total;
            if let Some(total) = progress.total {
                self.bar.set_length(total);
                self.bar.set_style(style("{prefix} {wide_bar} {msg}"));
            }
        }
        self.bar.set_prefix(shortened(&subject.name()));
        let shown = self.height.show(subject.way.through(progress));
        self.bar.set_position(shown);
        let mut message = text::share(shown, progress.total);
        let under_way = subject.way.under_way(progress);
        if under_way > 0 {
            message += &format!("  {} on their way", text::bytes(under_way));
        }
        message += &format!("  {}/s", text::bytes(progress.rate));
        if let Some(eta) = text::eta(shown, progress.total, progress.rate) {
            message += &format!("  {eta} left");
        }
        if progress.connections > 1 {
            message += &format!("  {} connections", progress.connections);
        }
        self.bar.set_message(message);
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

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸ ").tick_chars("-\\|/ ")
}

fn shortened(name: &str) -> String {
    let name = printable::plain(name).replace('\n', "?");
    let count = name.chars().count();
    if count <= NAME_CHARS_MAX {
        return name;
    }
    let part = NAME_CHARS_MAX / 2 - 1;
    let (head, tail): (String, String) = (name.chars().take(part).collect(), name.chars().skip(count - part).collect());
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::Direction;

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

    #[test]
    fn few_bars_are_shared_by_many_downloads() {
        let subject = |number| ShownTransfer {
            way: Direction::Down,
            url: format!("http://h/{number}"),
            id: None,
            path: None,
            number,
            count: 64,
        };
        let mut bars = Bars::to(ProgressDrawTarget::hidden(), 64);
        for number in 1..=64 {
            bars.begin(&subject(number));
        }
        assert_eq!(bars.bars.len(), BARS_MAX);
        let waiting = subject(64);
        let progress = Event::Progress(Progress { received: 1, total: Some(2), ..Progress::default() });
        bars.event(&waiting, &progress);
        assert!(!bars.bars.contains_key(&64), "all bars are taken");
        bars.end(&subject(1));
        bars.event(&waiting, &progress);
        assert_eq!(bars.bars[&64].bar.position(), 1);
        assert!(bars.overall.is_some() && Bars::to(ProgressDrawTarget::hidden(), 1).overall.is_none());
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(shortened("a.iso"), "a.iso");
        let short = shortened(&format!("{}日本.tar.gz", "x".repeat(100)));
        assert!(short.chars().count() < NAME_CHARS_MAX && short.starts_with("xxx") && short.ends_with("日本.tar.gz"));
        assert_eq!(shortened("a\u{1b}[2J\nb"), "a?[2J?b");
    }

    #[test]
    fn the_templates_are_right() {
        for template in ["{spinner} {msg}", "{spinner} {prefix} {msg}", "{prefix} {wide_bar} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
