//! What people and programs see of a running transfer.
//!
//! One [`Show`] follows all URLs of a `get`, all files of a `put`, some of them at work at once. People read stderr (a
//! bar, or lines, or neither), programs read stdout (`--json`).

mod bar;
mod json;
mod plain;
mod rows;
pub(crate) mod text;

pub(crate) use json::path_fields;

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul::json::{self as programs, Fields};
use longhaul::{Event, Outcome, Progress as Reached, TransferKind, Uploaded, Verified};

use crate::exit::{Exit, Failure};
use crate::flags::running::{ProgressStyle, RunningOptions};
use crate::out;
use crate::printable;
use bar::Bars;
use plain::Plain;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

impl Direction {
    fn kind(self) -> TransferKind {
        match self {
            Self::Down => TransferKind::Download,
            Self::Up => TransferKind::Upload,
        }
    }

    /// The bytes that are through: received, or acknowledged by the store.
    pub(crate) fn through(self, reached: &Reached) -> u64 {
        match self {
            Self::Down => reached.received,
            Self::Up => reached.durable,
        }
    }

    /// Bytes of an upload that are on their way, and may have to be sent again.
    pub(crate) fn under_way(self, reached: &Reached) -> u64 {
        match self {
            Self::Down => 0,
            Self::Up => reached.received.saturating_sub(reached.durable),
        }
    }
}

/// One of the URLs, or files.
#[derive(Debug, Clone)]
pub(crate) struct ShownTransfer {
    pub(crate) way: Direction,
    /// The source of a download, the destination of an upload; without secrets.
    pub(crate) url: String,
    /// The transfer, once it is begun.
    pub(crate) id: Option<String>,
    /// Where the file is or will be, once that is known. An upload of stdin has none.
    pub(crate) path: Option<PathBuf>,
    /// Which of how many, counted from 1; of 0 when their number is not known.
    pub(crate) number: usize,
    pub(crate) count: usize,
}

impl ShownTransfer {
    /// The file as it is called from here, or the URL while there is none; with its number when there are several.
    fn here(&self) -> String {
        let name = self.path.as_deref().map_or_else(|| printable::one_line(&self.url).into_owned(), printable::here);
        self.numbered(name)
    }

    /// The file's name alone, where a line is short, or the URL while there is none; with its number when there are
    /// several.
    fn name(&self) -> String {
        let name = self.path.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| self.url.clone());
        self.numbered(printable::one_line(&name).into_owned())
    }

    fn numbered(&self, name: String) -> String {
        match self.count {
            0 => format!("[{}] {name}", self.number),
            1 => name,
            count => format!("[{}/{count}] {name}", self.number),
        }
    }
}

/// How a transfer ended well: the library's outcome, in a form that tests can make.
#[derive(Debug, Clone)]
pub(crate) struct ShownOutcome {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) verified: Verified,
    pub(crate) resumed: u32,
    /// How often bytes were given up.
    pub(crate) restarts: usize,
    pub(crate) retries: u32,
    /// Bytes that went over the network in this run.
    pub(crate) moved: u64,
    pub(crate) already: bool,
    /// The source has no newer version: the transfer ended there.
    pub(crate) not_modified: bool,
    pub(crate) elapsed: Duration,
    /// What was stored, by an upload.
    pub(crate) stored: Option<ShownObject>,
    /// All of it, for programs.
    pub(crate) facts: Fields,
}

/// What an upload stored.
#[derive(Debug, Clone)]
pub(crate) struct ShownObject {
    pub(crate) destination: String,
    pub(crate) etag: Option<String>,
    pub(crate) version: Option<String>,
    /// 0: in one request.
    pub(crate) parts: u32,
}

impl From<Outcome> for ShownOutcome {
    fn from(outcome: Outcome) -> Self {
        let totals = outcome.totals();
        Self {
            path: outcome.path().to_path_buf(),
            bytes: outcome.bytes(),
            verified: outcome.verified(),
            resumed: totals.resumed,
            restarts: totals.restarts.len(),
            retries: totals.retries,
            moved: totals.moved,
            already: outcome.already(),
            not_modified: outcome.is_not_modified(),
            elapsed: totals.elapsed,
            stored: outcome.uploaded().map(ShownObject::of),
            facts: programs::outcome(&outcome),
        }
    }
}

impl ShownObject {
    fn of(uploaded: &Uploaded) -> Self {
        Self {
            destination: uploaded.destination.clone(),
            etag: uploaded.etag.clone(),
            version: uploaded.version.clone(),
            parts: uploaded.parts,
        }
    }
}

enum People {
    Bar(Bars),
    Plain(Plain),
    Nobody,
}

/// See the module.
pub(crate) struct Show {
    people: People,
    json: bool,
    quiet: bool,
    /// Those at work, by number.
    at_work: HashMap<usize, Following>,
    sum: Sum,
}

/// What was told of one URL.
#[derive(Default)]
struct Following {
    events: json::JsonEvents,
    started: Option<Event>,
    now: Now,
}

/// How far one is.
#[derive(Debug, Clone, Copy, Default)]
struct Now {
    /// Bytes that are through.
    through: u64,
    total: Option<u64>,
    /// Bytes per second.
    rate: u64,
}

/// All URLs, or files, together.
#[derive(Debug, Clone)]
struct Sum {
    way: Direction,
    count: usize,
    done: usize,
    failed: usize,
    /// By a signal, after they were begun.
    stopped: usize,
    /// Lengths of those that are done or whose length was told, and how many these are.
    lengths: (u64, usize),
    /// Of those that are done: bytes of their files, and how many were there already.
    bytes: u64,
    already: usize,
    moved: u64,
}

impl Sum {
    fn new(way: Direction, count: usize) -> Self {
        Self { way, count, done: 0, failed: 0, stopped: 0, lengths: (0, 0), bytes: 0, already: 0, moved: 0 }
    }
}

impl Show {
    /// For so many; 0 when their number is not known yet.
    pub(crate) fn new(running: &RunningOptions, way: Direction, count: usize) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
        let people = match running.progress {
            ProgressStyle::None => People::Nobody,
            ProgressStyle::Auto | ProgressStyle::Bar if terminal => {
                People::Bar(Bars::new(count, running.stall_timeout))
            }
            ProgressStyle::Auto | ProgressStyle::Bar | ProgressStyle::Plain => People::Plain(Plain::new(count)),
        };
        Self { people, json: running.json, quiet: running.quiet, at_work: HashMap::new(), sum: Sum::new(way, count) }
    }

    /// Another URL.
    pub(crate) fn begin(&mut self, subject: &ShownTransfer) {
        self.at_work.insert(subject.number, Following::default());
        if let People::Bar(bars) = &mut self.people {
            bars.begin(subject);
        }
    }

    /// So many bytes of its input are kept; it is uploaded when it has ended.
    pub(crate) fn reading(&mut self, subject: &ShownTransfer, read: u64) {
        match &mut self.people {
            People::Bar(bars) => bars.reading(subject, read),
            People::Plain(plain) => plain.reading(subject, read),
            People::Nobody => {}
        }
    }

    /// Something happened to it.
    pub(crate) fn event(&mut self, subject: &ShownTransfer, event: &Event) {
        if matches!(event, Event::Progress(p) if p.received == 0 && p.total.is_none()) {
            return; // no byte and no length is known yet
        }
        let following = self.at_work.entry(subject.number).or_default();
        if let Event::Progress(progress) = event {
            let (through, total, rate) = (subject.way.through(progress), progress.total, progress.rate);
            following.now = Now { through, total, rate };
        }
        if self.json
            && let Some(line) = following.events.line(subject, event)
        {
            tell_programs(&line);
        }
        if matches!(event, Event::Started { .. }) {
            if following.started.as_ref() == Some(event) {
                return; // begun again with the same object: people know about it
            }
            following.started = Some(event.clone());
        }
        match &mut self.people {
            People::Bar(bars) => bars.event(subject, event),
            People::Plain(plain) => plain.event(subject, event),
            // What changes what the user gets is said even without progress.
            People::Nobody if !self.quiet && !self.json && text::is_warning(event) => {
                if let Some(news) = text::news(event, subject.way) {
                    out::say(&format!("{}: {news}", subject.here()));
                }
            }
            People::Nobody => {}
        }
        self.tell_sum();
    }

    /// It is whole.
    pub(crate) fn done(&mut self, subject: &ShownTransfer, finished: &ShownOutcome) {
        self.sum.done += 1;
        self.sum.already += usize::from(finished.already);
        self.sum.bytes = self.sum.bytes.saturating_add(finished.bytes);
        self.sum.moved = self.sum.moved.saturating_add(finished.moved);
        self.end(subject);
        if self.json {
            tell_programs(&json::done(subject, finished));
        } else if !self.quiet {
            self.above(&text::summary(finished));
        }
        self.tell_sum();
    }

    /// It failed; `held` is how many bytes of it are kept, when that is known.
    pub(crate) fn failed(&mut self, subject: &ShownTransfer, failure: &Failure, held: Option<u64>) {
        match (failure.exit, held) {
            (Exit::Signal(_), None) => {}
            (Exit::Signal(_), Some(_)) => self.sum.stopped += 1,
            _ => self.sum.failed += 1,
        }
        self.end(subject);
        if self.json {
            tell_programs(&json::failed(subject, failure, held));
        }
        // A stop that the user asked for is news, not a complaint; and none for URLs that were not begun.
        match failure.exit {
            Exit::Signal(_) if held.is_none() => {}
            Exit::Signal(_) if self.quiet || self.json => {}
            _ => match &self.people {
                People::Bar(bars) => bars.suspend(|| out::complain(&failure.message)),
                _ => out::complain(&failure.message),
            },
        }
        self.tell_sum();
    }

    /// All have ended.
    pub(crate) fn over(&mut self) {
        if let People::Bar(bars) = &mut self.people {
            bars.clear();
        }
        if self.sum.count != 1 && !self.quiet && !self.json {
            out::say(&text::sum(&self.sum));
        }
    }

    /// A line for people, above a bar if there is one.
    pub(crate) fn say(&mut self, line: &str) {
        if matches!(self.people, People::Bar(_)) || !self.quiet {
            self.above(line);
        }
    }

    fn above(&self, line: &str) {
        match &self.people {
            People::Bar(bars) => bars.suspend(|| out::say(line)),
            _ => out::say(line),
        }
    }

    fn end(&mut self, subject: &ShownTransfer) {
        if let Some(total) = self.at_work.remove(&subject.number).and_then(|following| following.now.total) {
            self.sum.lengths = (self.sum.lengths.0.saturating_add(total), self.sum.lengths.1 + 1);
        }
        if let People::Bar(bars) = &mut self.people {
            bars.end(subject);
        }
    }

    /// How all are getting on, where there are several.
    fn tell_sum(&mut self) {
        if self.sum.count == 1 {
            return;
        }
        match &mut self.people {
            People::Bar(bars) => bars.overall(text::running(&self.sum, self.at_work.values().map(|f| f.now))),
            People::Plain(plain) => {
                if plain.overall_is_due() {
                    out::say(&text::running(&self.sum, self.at_work.values().map(|f| f.now)));
                }
            }
            People::Nobody => {}
        }
    }
}

/// A reader of events that is gone, or cannot be written to, does not stop a transfer.
fn tell_programs(line: &str) {
    let _ = out::json(line);
}
