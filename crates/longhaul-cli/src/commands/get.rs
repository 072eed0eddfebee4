//! `longhaul get URL...`: some side by side (`--jobs`), each to its end; a failure of one does not stop the others, a
//! signal stops all.
//!
//! Everything runs on one thread: [`Session::job`] is the life of one URL, and at most `--jobs` of these are there at
//! once, however long the list is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use longhaul::{Client, DownloadBuilder, Error, ErrorKind, Event, Events, Transfer};
use tokio::sync::watch;

use super::{client, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::high::{Get, Place};
use crate::show::{Finished, Show, Subject, text};
use crate::signals::{Signal, Signals};

/// A stop that takes longer is explained: the disk is slow, and a second signal ends the wait.
const STOP_EXPLAINED_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn run(get: Get) -> Result<Exit, Failure> {
    crate::limits::allow_open_files(get.jobs, get.connections);
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let client = client(&get.network, &get.state, get.limit_rate)?;
        let show = RefCell::new(Show::new(get.progress, get.json, get.quiet, get.urls.len()));
        Ok(Session { get: &get, client, show, stop: watch::Sender::new(None), places: RefCell::default() }
            .run(signals)
            .await)
    });
    // A name lookup or a disk that hangs must not hold up the end.
    runtime.shutdown_background();
    exit
}

struct Session<'a> {
    get: &'a Get,
    client: Client,
    /// Borrowed for the time of one call only.
    show: RefCell<Show>,
    /// The signal that stops all.
    stop: watch::Sender<Option<Signal>>,
    /// Where the files of those at work will be, by number, as far as that is known.
    places: RefCell<HashMap<usize, PathBuf>>,
}

/// How one URL ended: well, or not, with what is kept (`None`: it was not begun, or nobody can tell).
type Ended = Result<Finished, (Failure, Option<u64>)>;

impl Session<'_> {
    /// The exit code is that of the first failure in the order of the list. A second signal ends the program at once:
    /// what was received is as safe as after a crash, which is what the journal is for.
    async fn run(&self, mut signals: Signals) -> Exit {
        let jobs = futures_util::stream::iter(0..self.get.urls.len()).map(|index| self.job(index));
        let mut jobs = std::pin::pin!(jobs.buffer_unordered(self.get.jobs));
        let mut first: Option<(usize, Exit)> = None;
        let mut explain_at = None;
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => {
                    if self.stop.borrow().is_some() {
                        std::process::exit(i32::from(Exit::Signal(signal).code()));
                    }
                    self.stop.send_replace(Some(signal));
                    explain_at = Some(tokio::time::Instant::now() + STOP_EXPLAINED_AFTER);
                }
                ended = jobs.next() => match ended {
                    Some((index, Some(exit))) if first.is_none_or(|(least, _)| index < least) => {
                        first = Some((index, exit));
                    }
                    Some(_) => {}
                    None => break,
                },
                () = until(explain_at) => {
                    explain_at = None;
                    let how = match *self.stop.borrow() {
                        Some(signal) if signal != Signal::Interrupt => signal.name(),
                        _ => "Ctrl-C",
                    };
                    let line = format!("writing to the disk what was received; {how} again stops at once");
                    self.show.borrow_mut().say(&line);
                }
            }
        }
        self.show.borrow_mut().over();
        first.map_or(Exit::Done, |(_, exit)| exit)
    }

    /// One URL from its begin to its end, with everything that is told about it.
    async fn job(&self, index: usize) -> (usize, Option<Exit>) {
        let url = &self.get.urls[index];
        let shown = longhaul::source::redact(url).map(|r| r.url);
        let mut subject = Subject {
            url: shown.unwrap_or_else(|| longhaul::source::redact_for_display(url)),
            id: None,
            path: match &self.get.place {
                Place::File(path) => std::path::absolute(path).ok(),
                Place::Folder(_) => None,
            },
            number: index + 1,
            count: self.get.urls.len(),
        };
        let stopped = *self.stop.borrow();
        let ended = match stopped {
            Some(signal) => Err((not_begun(signal, &subject), None)),
            None => self.one(url, &mut subject).await,
        };
        self.places.borrow_mut().remove(&subject.number);
        let mut show = self.show.borrow_mut();
        match ended {
            Ok(finished) => {
                show.done(&subject, &finished);
                (index, None)
            }
            Err((failure, held)) => {
                show.failed(&subject, &failure, held);
                (index, Some(failure.exit))
            }
        }
    }

    async fn one(&self, url: &str, subject: &mut Subject) -> Ended {
        self.show.borrow_mut().begin(subject);
        let mut stop = self.stop.subscribe();
        let download = settings(self.get, self.client.download(url));
        let transfer = tokio::select! {
            signal = told(&mut stop) => return Err((not_begun(signal, subject), None)),
            started = download.start() => started.map_err(|error| (error.into(), None))?,
        };
        subject.id = Some(transfer.id().to_owned());
        let mut resumable = true;
        let mut pausing = false;
        let mut events = transfer.events();
        let outcome = loop {
            // Events first, so that what led to the end is told before it.
            tokio::select! {
                biased;
                signal = told(&mut stop), if !pausing => {
                    pausing = true;
                    match self.pause(&transfer, &mut events, subject).await {
                        Some(held) => return Err((stopped(signal, subject, held, &transfer, resumable), Some(held))),
                        None => continue, // it ended by itself
                    }
                }
                Some(event) = events.next() => {
                    if let Event::Started { resumable: can, .. } = event {
                        resumable = can;
                    }
                    self.tell(&transfer, subject, &event);
                }
                outcome = transfer.finished() => break outcome,
            }
        };
        match outcome {
            Ok(outcome) => {
                subject.path = Some(outcome.path.clone());
                Ok(outcome.into())
            }
            Err(error) => {
                subject.path = transfer.path().or(subject.path.take());
                Err((self.failure(&error, subject), Some(transfer.progress().received)))
            }
        }
    }

    fn tell(&self, transfer: &Transfer, subject: &mut Subject, event: &Event) {
        if let Some(path) = transfer.path() {
            self.places.borrow_mut().insert(subject.number, path.clone());
            subject.path = Some(path);
        }
        self.show.borrow_mut().event(subject, event);
    }

    /// What went wrong. A part file that is in use may be another URL's of this very command.
    fn failure(&self, error: &Error, subject: &Subject) -> Failure {
        let part = error.context().iter().find(|(key, _)| *key == "part").map(|(_, path)| path.as_str());
        let target = part.and_then(|part| part.strip_suffix(".lhpart")).map(Path::new);
        let taken = target.filter(|target| self.places.borrow().values().any(|place| place == target));
        match taken.filter(|_| error.kind() == ErrorKind::InUse) {
            Some(target) => Failure::new(
                Exit::InUse,
                "in_use",
                format!(
                    "{}: another URL of this command is being saved as {}; fetch this one by itself, with -o NAME",
                    subject.url,
                    text::here(target)
                ),
            ),
            None => error.clone().into(),
        }
    }

    /// Pauses; what is held, or nothing when the transfer ended instead.
    async fn pause(&self, transfer: &Transfer, events: &mut Events, subject: &mut Subject) -> Option<u64> {
        let mut held = None;
        let mut pause = std::pin::pin!(transfer.pause());
        loop {
            tokio::select! {
                biased;
                Some(event) = events.next() => {
                    if let Event::Paused { held: now, .. } = event {
                        held = Some(now);
                    }
                    self.tell(transfer, subject, &event);
                }
                // An error is the transfer's own, and told as such.
                _ = &mut pause => return held,
            }
        }
    }
}

/// Waits for the signal that stops all.
async fn told(stop: &mut watch::Receiver<Option<Signal>>) -> Signal {
    let signal = stop.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
    match signal {
        Some(signal) => signal,
        None => std::future::pending().await, // the session, which outlives its jobs, is gone
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn settings(get: &Get, download: DownloadBuilder) -> DownloadBuilder {
    let mut download = match &get.place {
        Place::File(path) => download.to(path),
        Place::Folder(folder) => download.into_dir(folder),
    };
    for checksum in &get.checksums {
        download = download.checksum(checksum.clone());
    }
    for (name, value) in &get.headers {
        download = download.header(name, value);
    }
    if let Some((user, password)) = &get.user {
        download = download.basic_auth(user, password);
    }
    download
        .create_dirs(get.create_dirs)
        .overwrite(get.overwrite)
        .require_verified(get.require_verified)
        .require_length(get.require_length)
        .on_change(get.on_change)
        .durability(get.durability)
        .connections(get.connections)
        .retries(get.retries)
        .stall(get.min_rate, get.stall_timeout)
        .remote_time(get.remote_time)
        .no_lock(get.no_lock)
}

fn not_begun(signal: Signal, subject: &Subject) -> Failure {
    Failure::new(
        Exit::Signal(signal),
        "interrupted",
        format!("{}: stopped by {} before it began", subject.url, signal.name()),
    )
}

/// The last line after a signal: what is kept, how to go on, how to discard it.
fn stopped(signal: Signal, subject: &Subject, held: u64, transfer: &Transfer, resumable: bool) -> Failure {
    let total = transfer.progress().total;
    let message = match &subject.path {
        Some(path) if held > 0 => {
            let kept = text::share(held, total);
            let then = if resumable {
                "Run the same command again to go on".to_owned()
            } else {
                "The source gives no strong validator, so the same command fetches everything again".to_owned()
            };
            let files: Vec<String> = leftovers(path).iter().map(|p| text::shell(&text::here(p))).collect();
            let discard = match files.is_empty() {
                true => String::new(),
                false => format!("; to discard it: rm {}", files.join(" ")),
            };
            format!("stopped by {}; {kept} of {} are kept.\n{then}{discard}", signal.name(), text::here(path))
        }
        _ => format!("stopped by {}; nothing of {} was received yet", signal.name(), subject.url),
    };
    Failure::new(Exit::Signal(signal), "interrupted", message)
}

/// The files that an unfinished download of `path` consists of, those that are there.
fn leftovers(path: &Path) -> Vec<PathBuf> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    [".lhpart", ".lhnext", ".lhlog"].into_iter().map(with).filter(|p| p.symlink_metadata().is_ok()).collect()
}
