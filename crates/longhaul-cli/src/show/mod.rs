//! What people and programs see of a running download.
//!
//! One [`Show`] follows all URLs of a `get`, one after the other. People are served on stderr (a bar, lines or nothing),
//! programs on stdout (`--json`).

mod bar;
mod json;
mod plain;
pub(crate) mod text;

pub(crate) use json::{path_fields, snake};

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul::{Digest, Event, Outcome, Restart, Verified};

use crate::exit::{Exit, Failure};
use crate::flags::high::Progress;
use crate::out;
use bar::Bar;
use plain::Plain;

/// One of the URLs.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Without secrets.
    pub(crate) url: String,
    /// Where the file is or will be, once that is known.
    pub(crate) path: Option<PathBuf>,
    /// Which of how many, counted from 1.
    pub(crate) number: usize,
    pub(crate) count: usize,
}

impl Subject {
    /// The file's name, or the URL while there is none; with its number when there are several.
    fn name(&self) -> String {
        let name = self.path.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| self.url.clone());
        if self.count > 1 { format!("[{}/{}] {name}", self.number, self.count) } else { name }
    }
}

/// How a download ended well: the library's outcome, in a form that tests can make.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) verified: Verified,
    pub(crate) digests: Vec<Digest>,
    pub(crate) resumed: u32,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) retries: u32,
    pub(crate) fetched: u64,
    pub(crate) already: bool,
    pub(crate) elapsed: Duration,
}

impl From<Outcome> for Finished {
    fn from(outcome: Outcome) -> Self {
        Self {
            path: outcome.path,
            bytes: outcome.bytes,
            verified: outcome.verified,
            digests: outcome.digests,
            resumed: outcome.resumed,
            restarts: outcome.restarts,
            retries: outcome.retries,
            fetched: outcome.fetched,
            already: outcome.already,
            elapsed: outcome.elapsed,
        }
    }
}

enum People {
    Bar(Bar),
    Plain(Plain),
    Nobody,
}

/// See the module.
pub(crate) struct Show {
    people: People,
    json: bool,
    quiet: bool,
    events: json::Events,
    started: Option<Event>,
}

impl Show {
    pub(crate) fn new(progress: Progress, json: bool, quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
        let people = match progress {
            Progress::None => People::Nobody,
            Progress::Auto | Progress::Bar if terminal => People::Bar(Bar::new()),
            Progress::Auto | Progress::Bar | Progress::Plain => People::Plain(Plain::new()),
        };
        Self { people, json, quiet, events: json::Events::default(), started: None }
    }

    /// The next URL.
    pub(crate) fn begin(&mut self, subject: &Subject) {
        match &mut self.people {
            People::Bar(bar) => bar.begin(subject),
            People::Plain(plain) => plain.begin(subject),
            People::Nobody => {}
        }
        self.events = json::Events::default();
        self.started = None;
    }

    /// Something happened to it.
    pub(crate) fn event(&mut self, subject: &Subject, event: &Event) {
        if matches!(event, Event::Progress(p) if p.received == 0 && p.total.is_none()) {
            return; // nothing is known yet
        }
        if self.json
            && let Some(line) = self.events.line(subject, event)
        {
            tell_programs(&line);
        }
        if matches!(event, Event::Started { .. }) {
            if self.started.as_ref() == Some(event) {
                return; // begun again with the same object: people know about it
            }
            self.started = Some(event.clone());
        }
        match &mut self.people {
            People::Bar(bar) => bar.event(subject, event),
            People::Plain(plain) => plain.event(subject, event),
            // What changes what the user gets is said even without progress.
            People::Nobody if !self.quiet && !self.json && text::is_warning(event) => {
                if let Some(news) = text::news(event) {
                    out::say(&format!("{}: {news}", subject.name()));
                }
            }
            People::Nobody => {}
        }
    }

    /// It is whole.
    pub(crate) fn done(&mut self, subject: &Subject, finished: &Finished) {
        self.clear();
        if self.json {
            tell_programs(&json::done(subject, finished));
        } else if !self.quiet {
            out::say(&text::summary(finished));
        }
    }

    /// It failed; `held` is how many bytes of it are kept, when that is known.
    pub(crate) fn failed(&mut self, subject: &Subject, failure: &Failure, held: Option<u64>) {
        self.clear();
        if self.json {
            tell_programs(&json::failed(subject, failure, held));
        }
        // A stop that the user asked for is news, not a complaint; and none for URLs that were not begun.
        match failure.exit {
            Exit::Signal(_) if held.is_none() => {}
            Exit::Signal(_) if self.quiet || self.json => {}
            _ => out::complain(&failure.message),
        }
    }

    /// A line for people, whatever is on the screen.
    pub(crate) fn say(&mut self, line: &str) {
        match &mut self.people {
            People::Bar(bar) => bar.above(line),
            _ if self.quiet => {}
            _ => out::say(line),
        }
    }

    fn clear(&mut self) {
        if let People::Bar(bar) = &mut self.people {
            bar.clear();
        }
    }
}

/// A reader of events that is gone, or cannot be written to, does not stop a download.
fn tell_programs(line: &str) {
    let _ = out::stdout(line);
}
