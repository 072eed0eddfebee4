//! Progress on a terminal: a bar that never goes back unless the line above it says why.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longhaul::{Event, Progress};

use super::{Subject, text};
use crate::out;

/// Longer names are shortened in the middle.
const NAME_CHARS_MAX: usize = 32;

pub(super) struct Bar {
    bar: ProgressBar,
    height: HighWater,
    known: Option<u64>,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { bar: ProgressBar::hidden(), height: HighWater::default(), known: None }
    }

    pub(super) fn begin(&mut self, subject: &Subject) {
        *self = Self { bar: ProgressBar::new_spinner(), ..Self::new() };
        self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        self.bar.set_style(style("{spinner} {prefix} {msg}"));
        self.bar.set_prefix(shortened(&subject.name()));
        self.bar.set_message("asking the server");
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    pub(super) fn event(&mut self, subject: &Subject, event: &Event) {
        if let Some(news) = text::news(event) {
            self.above(&format!("{}: {news}", subject.name()));
        }
        match event {
            Event::Progress(progress) => self.progress(subject, progress),
            Event::Retry { .. } => self.bar.set_message("waiting to try again"),
            Event::Restarted { .. } | Event::Damaged { .. } => self.height.may_fall = true,
            _ => {}
        }
    }

    fn progress(&mut self, subject: &Subject, progress: &Progress) {
        if self.known != progress.total || self.bar.length().is_none() && progress.total.is_some() {
            self.known = progress.total;
            if let Some(total) = progress.total {
                self.bar.set_length(total);
                self.bar.set_style(style("{prefix} {wide_bar} {msg}"));
            }
        }
        self.bar.set_prefix(shortened(&subject.name()));
        let shown = self.height.show(progress.received);
        self.bar.set_position(shown);
        let mut message = format!("{}  {}/s", text::share(shown, progress.total), text::bytes(progress.rate));
        if let Some(eta) = text::eta(shown, progress.total, progress.rate) {
            message += &format!("  {eta} left");
        }
        if progress.connections > 1 {
            message += &format!("  {} connections", progress.connections);
        }
        self.bar.set_message(message);
    }

    /// A line above the bar.
    pub(super) fn above(&self, line: &str) {
        self.bar.suspend(|| out::say(line));
    }

    pub(super) fn clear(&mut self) {
        self.bar.finish_and_clear();
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
    let name = out::plain(name).replace('\n', "?");
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
    fn long_names_keep_their_ends() {
        assert_eq!(shortened("a.iso"), "a.iso");
        let short = shortened(&format!("{}日本.tar.gz", "x".repeat(100)));
        assert!(short.chars().count() < NAME_CHARS_MAX && short.starts_with("xxx") && short.ends_with("日本.tar.gz"));
        assert_eq!(shortened("a\u{1b}[2J\nb"), "a?[2J?b");
    }

    #[test]
    fn the_templates_are_right() {
        for template in ["{spinner} {prefix} {msg}", "{prefix} {wide_bar} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
